//! The exams that were judged worst, with their pictures: where a reader learns most.

use super::{JudgedPart, RunPage};
use crate::evaluation::OperatingPoint;
use crate::prepare::Row;
use crate::report::page::number;
use crate::report::preparation::{flags, words};
use crate::results::PredictionRow;
use base64::Engine;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Exams of each class that are shown.
const SHOWN: usize = 4;

/// Preview pictures as PNG, by series.
pub(in crate::report) type Pictures = BTreeMap<String, Vec<u8>>;

/// The places of the exams of a class that were judged worst, the worst first.
fn worst(rows: &[PredictionRow], label: u8) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rows.len())
        .filter(|&place| rows[place].label == label && rows[place].logit.is_finite())
        .collect();
    let towards_wrong = |row: &PredictionRow| if label == 1 { -row.logit } else { row.logit };
    places.sort_by(|&a, &b| {
        let (a_row, b_row) = (&rows[a], &rows[b]);
        towards_wrong(b_row).total_cmp(&towards_wrong(a_row)).then(a.cmp(&b))
    });
    places.truncate(SHOWN);
    places
}

/// The series whose pictures the page shows.
pub(in crate::report) fn worst_series(rows: &[PredictionRow]) -> Vec<&str> {
    let places = [1, 0].into_iter().flat_map(|label| worst(rows, label));
    places.map(|place| rows[place].series.as_str()).collect()
}

pub(super) fn section(page: &RunPage, quoted: &JudgedPart) -> Markup {
    let prepared: BTreeMap<&str, &Row> =
        page.prepared.iter().map(|row| (row.series_uid.as_str(), row)).collect();
    let point = quoted.figures.operating_points.first();
    let cards = |label: u8| {
        html! { ul.cards { @for place in worst(&quoted.rows, label) {
            (card(page, &quoted.rows[place], place + 1, &prepared, point)) "\n"
        } } }
    };
    html! {
        section #worst {
            h2 { "Judged worst" }
            p.soft {
                "Of the " (quoted.name()) " exams. Rows are those of " code { (quoted.table) } "."
            }
            h3 { "Cancers that it thought least likely" }
            (cards(1))
            h3 { "Others that it thought most likely" }
            (cards(0))
        }
    }
}

fn card(
    page: &RunPage,
    row: &PredictionRow,
    number_in_table: usize,
    prepared: &BTreeMap<&str, &Row>,
    point: Option<&OperatingPoint>,
) -> Markup {
    let called = point.and_then(|point| Some(row.logit >= point.threshold_logit?));
    let verdict = match (called, row.label) {
        (Some(false), 1) => Some(("bad", "missed")),
        (Some(true), 0) => Some(("bad", "false alarm")),
        (Some(_), _) => Some(("", "called rightly")),
        (None, _) => None,
    };
    let facts = prepared.get(row.series.as_str());
    html! {
        li {
            @match page.pictures.get(&row.series) {
                Some(png) => { img alt="axial, coronal and sagittal slice" loading="lazy"
                    src=(data_uri(png)); },
                None => { p.soft { "Its picture is not in the cache any more." } },
            }
            p {
                b { "p = " (probability(row.probability)) } " "
                @if let Some((class, verdict)) = verdict { span.verdict.(class) { (verdict) } }
                br; span.soft { (page.namer.exam(&row.patient, &row.exam, number_in_table)) }
                @if let Some(facts) = facts {
                    br; span.soft { (geometry(facts)) }
                    @for flag in flags(&facts.flags) { br; span.soft { (words(flag).name) } }
                }
            }
        }
    }
}

fn probability(p: f64) -> String {
    if p > 0.0 && p < 0.001 {
        return format!("{p:.1e}");
    }
    if p < 1.0 && p > 0.999 { "> 0.999".to_owned() } else { format!("{p:.3}") }
}

fn geometry(row: &Row) -> String {
    let slices = row.slices.map_or(String::new(), |slices| format!("{slices} slices"));
    match row.spacing_d_mm {
        Some(spacing) => format!("{slices}, {} mm apart", number(spacing, 2)),
        None => slices,
    }
}

fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(series: &str, label: u8, logit: f64) -> PredictionRow {
        PredictionRow {
            exam: series.into(),
            patient: series.into(),
            series: series.into(),
            label,
            logit,
            probability: 1.0 / (1.0 + (-logit).exp()),
        }
    }

    #[test]
    fn the_worst_of_each_class_come_first() {
        let mut rows =
            vec![row("a", 1, 3.0), row("b", 0, 2.0), row("c", 1, -4.0), row("d", 0, -9.0)];
        rows.push(row("e", 1, f64::NAN));
        assert_eq!(worst_series(&rows), ["c", "a", "b", "d"]);
        let many: Vec<PredictionRow> =
            (0..20).map(|i| row(&i.to_string(), 0, f64::from(i))).collect();
        assert_eq!(worst_series(&many), ["19", "18", "17", "16"]);
        assert_eq!(probability(1e-7), "1.0e-7");
        assert_eq!(probability(0.9999), "> 0.999");
    }
}
