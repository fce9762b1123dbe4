//! The section on the inputs of the external exams and of the development.

use super::{RunPage, table};
use crate::drift::DriftRow;
use crate::page::number;
use maud::{Markup, html};

/// The section; empty for a run.
pub(super) fn section(page: &RunPage) -> Markup {
    if page.drift.is_empty() {
        return html! {};
    }
    let heads = ["", "development", "external", "standardised difference"];
    html! {
        section #drift {
            h2 { "Inputs" }
            p.soft {
                "Mean ± standard deviation, or exams and their share, of what the headers, the labels and the \
                 preparation tell about the exams. A standardised difference above 0.1 in size is often called an \
                 imbalance; in brackets its 95 % interval. Table: " code { "drift.csv" } "."
            }
            (table(&heads, page.drift.iter().map(cells)))
        }
    }
}

fn cells(row: &DriftRow) -> Vec<String> {
    let name = if row.level.is_empty() {
        name_of(&row.variable)
    } else if row.variable == "label" {
        let class = if row.level == "1" { "with cancer" } else { "without cancer" };
        format!("– {class}")
    } else {
        format!("– {}", row.level)
    };
    let development = row.development_exams.map_or("–".to_owned(), |exams| {
        let [mean, sd, share] = [row.development_mean, row.development_sd, row.development_share];
        summary(exams, row.development_missing, mean.zip(sd), share)
    });
    let external = summary(
        row.external_exams,
        row.external_missing,
        row.external_mean.zip(row.external_sd),
        row.external_share,
    );
    let difference = match row.standardised_difference {
        Some(difference) => match row.low.zip(row.high) {
            Some((low, high)) => {
                format!("{} ({} to {})", number(difference, 2), number(low, 2), number(high, 2))
            }
            None => number(difference, 2),
        },
        None if row.level.is_empty() => format!("– ({})", row.reason),
        None => String::new(),
    };
    vec![name, development, external, difference]
}

/// `2.31 ± 0.42; 3 missing`, `120 known; 4 missing`, `45 (37.5 %)`
fn summary(
    exams: usize,
    missing: Option<usize>,
    mean_and_sd: Option<(f64, f64)>,
    share: Option<f64>,
) -> String {
    let value = match (mean_and_sd, share) {
        (Some((mean, sd)), _) => format!("{} ± {}", number(mean, 2), number(sd, 2)),
        (None, Some(share)) => format!("{exams} ({} %)", number(100.0 * share, 1)),
        (None, None) if missing.is_some() => format!("{exams} known"),
        (None, None) => exams.to_string(),
    };
    match missing {
        Some(missing) if missing > 0 => format!("{value}; {missing} missing"),
        _ => value,
    }
}

fn name_of(variable: &str) -> String {
    match variable {
        "age_years" => "age, years",
        "slice_spacing_mm" => "slice spacing, mm",
        "slice_thickness_mm" => "slice thickness, mm",
        "coverage_mm" => "coverage, mm",
        "kilovolts" => "tube voltage, kV",
        "tube_current_ma" => "tube current, mA",
        "exposure_mas" => "exposure, mAs",
        "ctdi_vol_mgy" => "CTDIvol, mGy",
        "spacing_w_mm" => "pixel spacing, mm",
        "hu_min" => "lowest HU",
        "hu_max" => "highest HU",
        "lung_hu_mean" => "mean HU of the lungs",
        "lung_hu_sd" => "standard deviation of the lungs' HU",
        "lung_ml" => "lung volume, ml",
        "scanner_model" => "scanner model",
        "kind" => "file format",
        other => other,
    }
    .to_owned()
}
