//! The section on the study population: characteristics, acquisition, exclusions.

use super::{RunPage, table, unbroken};
use crate::digits;
use crate::population::{ExclusionRow, Group, Population, PopulationTable, exclusions};
use maud::{Markup, html};

/// Groups by split, and the pairs to compare: each split with the first one, the excluded exams with all included ones.
pub(crate) fn split_columns(population: &Population) -> (Vec<Group>, Vec<[usize; 2]>) {
    let groups = population.by_split();
    let pair = |index: usize| match groups[index].name.as_str() {
        "Excluded" if index > 0 => Some([index, 0]),
        _ if index > 1 => Some([index, 1]),
        _ => None,
    };
    let pairs = (0..groups.len()).filter_map(pair).collect();
    (groups, pairs)
}

/// A group and its exams with and without cancer, which are compared.
fn outcome_columns(population: &Population, group: &Group) -> (Vec<Group>, Vec<[usize; 2]>) {
    (population.by_outcome(group).to_vec(), vec![[0, 1]])
}

/// All groups of `characteristics.csv` and `acquisition.csv`, with their pairs.
pub(crate) fn all_columns(population: &Population) -> (Vec<Group>, Vec<[usize; 2]>) {
    let (mut groups, mut pairs) = split_columns(population);
    for group in groups.clone() {
        pairs.push([groups.len(), groups.len() + 1]);
        groups.extend(population.by_outcome(&group));
    }
    (groups, pairs)
}

pub(super) fn section(page: &RunPage) -> Markup {
    let Some(population) = &page.population else { return html! {} };
    let (groups, pairs) = split_columns(population);
    let is_pooled = page.folds.is_some();
    // The splits of one fold say nothing about a cross-validation.
    let (groups, pairs) = if is_pooled {
        let kept = [groups.first().cloned(), groups.into_iter().find(|it| it.name == "Excluded")];
        let groups: Vec<Group> = kept.into_iter().flatten().collect();
        let pairs = (1..groups.len()).map(|index| [index, 0]).collect();
        (groups, pairs)
    } else {
        (groups, pairs)
    };
    let reasons = exclusions(population);
    html! {
        section #population {
            h2 { "Study population" }
            p.soft {
                "Percentages are of exams with a known value. Standardised differences (Austin 2009) above 0.1 \
                 are often called imbalance. Excluded exams have a label and a series, and no series of theirs is \
                 included; only their headers are described."
            }
            h3 { "Characteristics" }
            (shown(&PopulationTable::of_characteristics(population, &groups, &pairs)))
            @for group in groups.iter().filter(|group| is_by_outcome(page, group)) {
                (by_outcome(population, group))
            }
            h3 #acquisition { "Acquisition" }
            (shown(&PopulationTable::of_acquisition(population, &groups, &pairs)))
            @if !reasons.is_empty() {
                h3 #exclusions { "Exclusions" }
                (exclusion_table(&reasons))
            }
            p.soft {
                "The tables are in " code { "characteristics.csv" } ", " code { "acquisition.csv" } " and "
                code { "exclusions.csv" } "."
            }
        }
    }
}

/// Whether the page shows a group by outcome: all exams and the reported split. The tables have every group.
fn is_by_outcome(page: &RunPage, group: &Group) -> bool {
    let reported = page.splits.last().map_or("", |split| split.name());
    group.name == "All" || group.name.eq_ignore_ascii_case(reported)
}

fn by_outcome(population: &Population, group: &Group) -> Markup {
    let (groups, pairs) = outcome_columns(population, group);
    let is_compared = groups.iter().all(|group| !group.exams.is_empty());
    html! {
        @if is_compared {
            details {
                summary { h3 { (group.name) ", by outcome" } }
                (shown(&PopulationTable::of_characteristics(population, &groups, &pairs)))
                (shown(&PopulationTable::of_acquisition(population, &groups, &pairs)))
            }
        }
    }
}

fn shown(population: &PopulationTable) -> Markup {
    let differences =
        population.pairs.iter().map(|pair| format!("difference, {}", pair.to_lowercase()));
    let heads: Vec<String> = std::iter::once(String::new())
        .chain(population.groups.iter().cloned())
        .chain(differences)
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows = population.rows.iter().map(|row| {
        let name = match row.statistic.as_str() {
            "" => row.name.clone(),
            statistic => format!("{}: {statistic}", row.name),
        };
        let differences = row.differences.iter();
        let differences = differences.map(|it| it.map_or(String::new(), digits::difference));
        std::iter::once(name)
            .chain(row.cells.iter().map(|cell| unbroken(cell)))
            .chain(differences)
            .collect()
    });
    table(&heads, rows)
}

fn exclusion_table(reasons: &[ExclusionRow]) -> Markup {
    let heads = [
        "",
        "series",
        "exams lost with cancer",
        "exams lost without cancer",
        "exams lost without a label",
    ];
    let rows = reasons.iter().map(|row| {
        let counts =
            [row.series, row.exams_with_cancer, row.exams_without_cancer, row.exams_without_label];
        let name = row.code.words().name.into_owned();
        std::iter::once(name).chain(counts.map(|count| count.to_string())).collect()
    });
    html! {
        p.soft {
            "Series, labels and damaged files by reason, and the exams of which no series is included. An exam \
             counts once, for its first reason."
        }
        (table(&heads, rows))
    }
}
