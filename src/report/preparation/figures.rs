//! How the figures of all series are spread: what lies apart is where to look.

use super::flags;
use crate::prepare::{Row, Status};
use crate::report::plot::{Spread, spread_histogram};
use maud::{Markup, PreEscaped, html};

/// A figure of a row, if it was reached.
type Value = fn(&Row) -> Option<f64>;

/// Title, axis, finest bar, value.
const FIGURES: [(&str, &str, f64, Value); 6] = [
    ("Slice spacing", "mm between slices", 0.05, |row| row.spacing_d_mm),
    ("Slices", "slices in the series", 1.0, |row| row.slices.map(|slices| slices as f64)),
    ("Lung volume", "litres, both lungs", 0.05, |row| lung_ml(row).map(|ml| ml / 1000.0)),
    ("In-plane spacing", "mm between pixels", 0.01, |row| row.spacing_w_mm),
    ("Lowest value", "HU, minimum of the series", 1.0, |row| row.hu_min.map(f64::from)),
    ("Highest value", "HU, maximum of the series", 1.0, |row| row.hu_max.map(f64::from)),
];

/// Both lungs.
pub(super) fn lung_ml(row: &Row) -> Option<f64> {
    Some(row.lung_left_ml? + row.lung_right_ml?)
}

/// The histograms of all rows that reached the figure, refused ones in grey.
pub(super) fn spread(rows: &[Row]) -> Markup {
    html! {
        section #spread {
            h2 { "How the figures are spread" }
            p.key {
                span.blue { "no flags" } span.vermilion { "flagged" } span.grey { "refused" }
                span.soft { "Bars count series." }
            }
            div.spread {
                @for (title, axis, finest, value) in FIGURES {
                    @let groups = grouped(rows, value);
                    figure {
                        (PreEscaped(spread_histogram(&Spread { title, axis, finest, groups })))
                    }
                    "\n"
                }
            }
        }
        "\n"
    }
}

/// The values of unflagged, flagged and refused series.
fn grouped(rows: &[Row], value: Value) -> [Vec<f64>; 3] {
    let group = |row: &Row| match (row.status, flags(&row.flags).next()) {
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
