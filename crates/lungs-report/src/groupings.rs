//! Subgroups of exams by the values of a column or by bands of its numbers.

use lungs_spec::spec::{Bands, SubgroupBy};
use lungs_stats::Grouping;
use std::collections::BTreeSet;

/// Largest number of groups of a column.
pub const MAX_GROUPS: usize = 50;

/// The number of a cell; `None` if it is no finite number.
pub fn finite_number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The groups of exams; `cells` is `[exam]`. An empty cell is an unknown group.
pub fn grouping(by: &SubgroupBy, cells: &[&str]) -> Grouping {
    match by {
        SubgroupBy::Values(column) => by_value(column, cells),
        SubgroupBy::Bands(bands) => by_band(bands, cells),
    }
}

fn by_value(column: &str, cells: &[&str]) -> Grouping {
    let names: BTreeSet<&str> = cells.iter().copied().filter(|cell| !cell.is_empty()).collect();
    let groups: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let of = cells.iter().map(|cell| groups.iter().position(|group| group == cell)).collect();
    Grouping { by: column.to_owned(), groups, of }
}

fn by_band(bands: &Bands, cells: &[&str]) -> Grouping {
    let edges = &bands.edges;
    let name = |index: usize| match (index.checked_sub(1).map(|low| edges[low]), edges.get(index)) {
        (None, Some(high)) => format!("under {high}"),
        (Some(low), Some(high)) => format!("{low} to under {high}"),
        (Some(low), None) => format!("{low} and over"),
        (None, None) => "all".to_owned(),
    };
    let band = |cell: &&str| {
        Some(edges.partition_point(|edge| *edge <= finite_number(cell).unwrap_or(0.0)))
            .filter(|_| finite_number(cell).is_some())
    };
    Grouping {
        by: bands.column.clone(),
        groups: (0..=edges.len()).map(name).collect(),
        of: cells.iter().map(band).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_an_edge_are_in_the_upper_band_and_empty_cells_in_none() {
        let bands = Bands { column: "age".into(), edges: vec![55.0, 65.0] };
        let grouping = by_band(&bands, &["54.9", "55", "64", "65", "", "90"]);
        assert_eq!(grouping.groups, ["under 55", "55 to under 65", "65 and over"]);
        assert_eq!(grouping.of, [Some(0), Some(1), Some(1), Some(2), None, Some(2)]);
        let grouping = by_value("sex", &["m", "f", "", "f"]);
        assert_eq!(grouping.groups, ["f", "m"]);
        assert_eq!(grouping.of, [Some(1), Some(0), None, Some(0)]);
    }
}
