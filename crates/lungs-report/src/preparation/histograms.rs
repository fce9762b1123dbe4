//! Histograms of spacing, slices, lung volume and HU over all series, which show outliers.

use crate::plot::{Distribution, distribution_histogram};
use lungs_study::prepare::{Row, Status};
use maud::{Markup, PreEscaped, html};

/// A value of a row; `None` when the series was excluded before it was measured.
type Value = fn(&Row) -> Option<f64>;

/// Title, axis label, minimum bar width, value.
const HISTOGRAMS: [(&str, &str, f64, Value); 7] = [
    ("Slice spacing", "mm between slices", 0.05, |row| row.spacing_d_mm),
    ("Slices", "slices in the series", 1.0, |row| row.slices.map(|slices| slices as f64)),
    ("Lung volume", "litres, both lungs", 0.05, |row| lung_ml(row).map(|ml| ml / 1000.0)),
    ("Lung density", "HU, mean over the lungs", 1.0, |row| row.lung_hu_mean),
    ("In-plane spacing", "mm between pixels", 0.01, |row| row.spacing_w_mm),
    ("Lowest value", "HU, minimum of the series", 1.0, |row| row.hu_min.map(f64::from)),
    ("Highest value", "HU, maximum of the series", 1.0, |row| row.hu_max.map(f64::from)),
];

/// Volume of both lungs together.
pub(super) fn lung_ml(row: &Row) -> Option<f64> {
    Some(row.lung_left_ml? + row.lung_right_ml?)
}

/// The section of histograms over all rows that have the value, excluded series in grey.
pub(super) fn distributions(rows: &[Row]) -> Markup {
    html! {
        section #distributions {
            h2 { "Distributions" }
            p.key {
                span.blue { "no flags" } span.vermilion { "flagged" } span.grey { "excluded" }
                span.soft { "Bars show the number of series." }
            }
            div.spread {
                @for (title, axis, min_width, value) in HISTOGRAMS {
                    @let groups = grouped(rows, value);
                    @let distribution = Distribution { title, axis, min_width, groups };
                    figure { (PreEscaped(distribution_histogram(&distribution))) }
                    "\n"
                }
            }
        }
        "\n"
    }
}

/// The values of unflagged, flagged and excluded series.
fn grouped(rows: &[Row], value: Value) -> [Vec<f64>; 3] {
    let group = |row: &Row| match (row.status, row.flags.first()) {
        (Status::Refused, _) => 2,
        (Status::Prepared, Some(_)) => 1,
        (Status::Prepared, None) => 0,
    };
    let mut groups = [vec![], vec![], vec![]];
    for row in rows {
        groups[group(row)].extend(value(row));
    }
    groups
}
