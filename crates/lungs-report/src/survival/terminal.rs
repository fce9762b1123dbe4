//! The metrics by horizon in the terminal summary.

use crate::digits;
use lungs_spec::spec::horizon_words;
use lungs_stats::{Estimate, SurvivalEvaluation};

/// `0.712 (95 % CI 0.650–0.770)`, or the reason why the C-index is undefined.
fn c_index_text(evaluation: &SurvivalEvaluation) -> String {
    let c_index = &evaluation.harrell_c;
    match (c_index.value, c_index.interval) {
        (Some(value), Some(interval)) => {
            let (value, range) = digits::value_and_interval(value, interval);
            format!("{value} (95 % CI {range})")
        }
        (Some(value), None) => digits::value(value),
        (None, _) => format!("undefined: {}", c_index.reason.as_deref().unwrap_or("no value")),
    }
}

/// The C-index, and a table with a row for each horizon; `indent` columns from the left.
pub(crate) fn survival_lines(evaluation: &SurvivalEvaluation, indent: usize) -> Vec<String> {
    let mut rows =
        vec![["risk within", "AUC", "cancer", "free", "unknown", "O/E"].map(str::to_owned)];
    rows.extend(evaluation.horizons.iter().map(|it| {
        let counts = &it.follow_up_auc;
        let ratio = digits::estimate(&it.calibration.observed_expected.to_estimate());
        [
            horizon_words(it.horizon_years),
            auc(&it.auc.to_estimate()),
            counts.positives.to_string(),
            counts.negatives.to_string(),
            counts.excluded.to_string(),
            ratio.unwrap_or_else(|| "–".to_owned()),
        ]
    }));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let text = cells.collect::<Vec<_>>().join("  ");
        format!("{:indent$}{}", "", text.trim_end())
    };
    let concordance = format!(
        "{:indent$}C-index {}   {} with cancer, at any time",
        "",
        c_index_text(evaluation),
        lungs_base::text::counted(evaluation.events, "exam", "exams")
    );
    std::iter::once(concordance).chain(rows.iter().map(line)).collect()
}

fn auc(estimate: &Estimate) -> String {
    digits::estimate(estimate).unwrap_or_else(|| "undefined".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::evaluated;
    use super::*;

    #[test]
    fn every_horizon_has_a_row_below_the_c_index() {
        let (_, evaluation) = evaluated(120, &[1.0, 2.0, 3.0]);
        let text = survival_lines(&evaluation, 2).join("\n");
        insta::assert_snapshot!(text);
    }
}
