//! The section on the worst predictions, with preview pictures of the exams.

use super::{EvaluatedSplit, RunPage};
use crate::page::number;
use base64::Engine;
use lungs_base::text::counted;
use lungs_spec::results::PredictionRow;
use lungs_stats::OperatingPoint;
use lungs_study::prepare::Row;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Number of exams shown of each class.
const PER_CLASS: usize = 4;

/// Preview pictures as PNG, by series.
pub(crate) type Pictures = BTreeMap<String, Vec<u8>>;

/// Indices of the exams of a class with the worst predictions, the worst first.
fn worst(rows: &[PredictionRow], label: bool) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..rows.len())
        .filter(|&index| rows[index].label == label && rows[index].logit.is_finite())
        .collect();
    let error = |row: &PredictionRow| if label { -row.logit } else { row.logit };
    indices.sort_by(|&a, &b| error(&rows[b]).total_cmp(&error(&rows[a])).then(a.cmp(&b)));
    indices.truncate(PER_CLASS);
    indices
}

/// The series whose pictures the page shows.
pub(crate) fn worst_series(rows: &[PredictionRow]) -> Vec<&str> {
    let indices = [true, false].into_iter().flat_map(|label| worst(rows, label));
    indices.map(|index| rows[index].series_uid.as_str()).collect()
}

pub(super) fn section(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let prepared: BTreeMap<&str, &Row> =
        page.prepared.iter().map(|row| (row.series_uid.as_str(), row)).collect();
    let point = reported.metrics.leading_point();
    let cards = |label: bool| {
        html! { ul.cards { @for index in worst(&reported.rows, label) {
            (card(page, &reported.rows[index], index + 1, &prepared, point)) "\n"
        } } }
    };
    html! {
        section #worst {
            h2 { "Worst predictions" }
            p.soft {
                "Among the " (reported.name()) " exams. Row numbers refer to " code { (reported.table) } "."
            }
            h3 { "Cancers with the lowest predicted probability" }
            (cards(true))
            h3 { "Exams without cancer with the highest predicted probability" }
            (cards(false))
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
    let is_positive = point.and_then(|point| Some(row.logit >= point.threshold_logit?));
    let verdict = match (is_positive, row.label) {
        (Some(false), true) => Some(("bad", "false negative")),
        (Some(true), false) => Some(("bad", "false positive")),
        (Some(_), _) => Some(("", "correct")),
        (None, _) => None,
    };
    let preparation = prepared.get(row.series_uid.as_str());
    html! {
        li {
            @match page.pictures.get(&row.series_uid) {
                Some(png) => { img alt="axial, coronal and sagittal slice" loading="lazy"
                    src=(data_uri(png)); },
                None => { p.soft { "The picture is missing from the cache." } },
            }
            p {
                b { "p = " (probability(row.probability)) } " "
                @if let Some((class, verdict)) = verdict { span.verdict.(class) { (verdict) } }
                br; span.soft { (page.namer.exam(&row.patient_id, &row.exam_id, number_in_table)) }
                @if let Some(row) = preparation {
                    br; span.soft { (geometry(row)) }
                    @for flag in &row.flags { br; span.soft { (flag.words().name) } }
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
    let slices = row.slices.map_or(String::new(), |slices| counted(slices, "slice", "slices"));
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
            exam_id: series.into(),
            patient_id: series.into(),
            series_uid: series.into(),
            label: label == 1,
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
