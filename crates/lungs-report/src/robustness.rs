//! `robustness.csv`: metrics after changes of the volumes that a scanner could make.

use super::thresholds::{name_of_rule, threshold_of_rule};
use lungs_stats::{ChangeEffect, ChosenOn, DecisionChange, Interval, OperatingPoint, PairedShares};
use serde::{Deserialize, Serialize};

/// A metric of [`RobustnessRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RobustMetric {
    /// AUC.
    Auc,
    /// Sensitivity at a threshold.
    Sensitivity,
    /// Specificity at a threshold.
    Specificity,
}

/// A row of `robustness.csv`: one metric before and after one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustnessRow {
    /// The evaluated split.
    pub split: String,
    /// The change in words.
    pub change: String,
    /// The metric.
    pub metric: RobustMetric,
    /// The threshold and the exams that it was chosen on, in words; empty for the AUC.
    pub threshold: String,
    /// The metric of the unchanged volumes.
    pub before: Option<f64>,
    /// The metric of the changed volumes.
    pub after: Option<f64>,
    /// `after − before`.
    pub difference: Option<f64>,
    /// Lower end of the 95 % interval of the difference.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval of the difference.
    pub high: Option<f64>,
    /// P-value of equal metrics before and after.
    pub p_value: Option<f64>,
    /// Exams of the metric.
    pub exams: usize,
    /// Exams whose decision becomes correct.
    pub corrected: Option<usize>,
    /// Exams whose decision becomes wrong.
    pub spoiled: Option<usize>,
    /// Why the difference, its interval or its p-value is missing.
    pub reason: String,
}

/// The rows of one change on a split of `exams` exams.
pub fn robustness_rows(
    split: &str,
    change: &str,
    exams: usize,
    effect: &ChangeEffect,
) -> Vec<RobustnessRow> {
    let row = |metric: RobustMetric, threshold: &str| RobustnessRow {
        split: split.to_owned(),
        change: change.to_owned(),
        metric,
        threshold: threshold.to_owned(),
        before: None,
        after: None,
        difference: None,
        low: None,
        high: None,
        p_value: None,
        exams,
        corrected: None,
        spoiled: None,
        reason: String::new(),
    };
    let ends = |interval: Option<Interval>| interval.map(|it| (it.low, it.high)).unzip();
    let auc = row(RobustMetric::Auc, "");
    let auc = match &effect.aucs {
        Some(aucs) => {
            let (low, high) = ends(aucs.interval);
            RobustnessRow {
                before: Some(aucs.auc_b),
                after: Some(aucs.auc_a),
                difference: Some(aucs.difference),
                low,
                high,
                p_value: aucs.p_value,
                reason: aucs.reason.clone().unwrap_or_default(),
                ..auc
            }
        }
        None => RobustnessRow {
            reason: "all exams have the same class, or a prediction is not a number".to_owned(),
            ..auc
        },
    };
    let of_share = |metric: RobustMetric, threshold: &str, share: &PairedShares| {
        let (low, high) = ends(share.interval);
        RobustnessRow {
            before: share.b.value,
            after: share.a.value,
            difference: share.difference,
            low,
            high,
            p_value: share.p_value,
            exams: share.a.total,
            corrected: Some(share.only_a),
            spoiled: Some(share.only_b),
            reason: share.reason.clone().unwrap_or_default(),
            ..row(metric, threshold)
        }
    };
    let decisions = effect.decisions.iter().flat_map(|decision| {
        let threshold = threshold(decision);
        [
            of_share(RobustMetric::Sensitivity, &threshold, &decision.sensitivity),
            of_share(RobustMetric::Specificity, &threshold, &decision.specificity),
        ]
    });
    std::iter::once(auc).chain(decisions).collect()
}

/// The thresholds that the decisions are compared at: those that were not chosen on the evaluated exams, else all.
pub fn robustness_points(points: &[OperatingPoint]) -> Vec<OperatingPoint> {
    let has_others = points
        .iter()
        .any(|point| matches!(point.chosen_on, ChosenOn::Validation | ChosenOn::Development));
    let is_used = |point: &&OperatingPoint| !has_others || point.chosen_on != ChosenOn::TheseExams;
    points.iter().filter(is_used).cloned().collect()
}

fn threshold(decision: &DecisionChange) -> String {
    let at = match decision.rule {
        lungs_stats::Rule::Probability(_) => return name_of_rule(decision.rule),
        rule => format!("p ≥ {:.3}, {}", decision.threshold_probability, threshold_of_rule(rule)),
    };
    let origin = match decision.chosen_on {
        ChosenOn::None => "",
        ChosenOn::TheseExams => ", chosen on these exams",
        ChosenOn::Validation => ", chosen on validation",
        ChosenOn::Development => ", chosen in development",
    };
    format!("{at}{origin}")
}

/// The table for the terminal: AUC and decisions at the first threshold.
pub fn robustness_table(rows: &[RobustnessRow]) -> Vec<Vec<String>> {
    let first = rows.iter().find(|row| !row.threshold.is_empty()).map(|row| row.threshold.as_str());
    let mut table = vec![["change", "AUC", "difference"].map(str::to_owned).to_vec()];
    if let Some(threshold) = first {
        table[0].push(format!("sensitivity at {threshold}"));
        table[0].push("specificity".to_owned());
    }
    for auc in rows.iter().filter(|row| row.metric == RobustMetric::Auc) {
        let mut line = vec![auc.change.clone(), value(auc.after), difference(auc)];
        let shares = rows
            .iter()
            .filter(|row| row.change == auc.change && Some(row.threshold.as_str()) == first);
        line.extend(shares.map(difference));
        table.push(line);
    }
    table
}

/// `0.843`
pub(crate) fn value(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.3}"))
}

/// `−0.012 (−0.034 to 0.010)`
pub(crate) fn difference(row: &RobustnessRow) -> String {
    let signed = |value: f64| {
        // A difference that rounds to zero has no sign.
        let text = format!("{value:+.3}");
        if text[1..] == *"0.000" { "0.000".to_owned() } else { text.replace('-', "−") }
    };
    match (row.difference, row.low, row.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{} ({} to {})", signed(value), signed(low), signed(high))
        }
        (Some(value), ..) => signed(value),
        (None, ..) => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_stats::{Rule, change_effect, operating_points};

    #[test]
    fn every_change_has_a_row_for_the_auc_and_two_for_each_threshold() {
        let labels: Vec<bool> = (0..50).map(|index| index % 2 == 0).collect();
        let before: Vec<f64> = (0..50).map(|index| f64::from(index % 9) - 3.5).collect();
        let after: Vec<f64> = before.iter().map(|logit| logit - 1.0).collect();
        let points =
            operating_points(&before, &labels, &[Rule::Probability(0.5), Rule::Youden], 0.95);
        assert_eq!(robustness_points(&points).len(), 2);
        let chosen = OperatingPoint { chosen_on: ChosenOn::Development, ..points[1].clone() };
        let others = [points.clone(), vec![chosen.clone()]].concat();
        assert_eq!(robustness_points(&others), [points[0].clone(), chosen]);
        let effect = change_effect([&before, &after], &labels, None, &points, 0.95, 1);
        let rows = robustness_rows("test", "shift", 50, &effect);
        assert_eq!(rows.len(), 5);
        // A shift of all scores keeps their order, and makes positive decisions negative.
        assert_eq!((rows[0].difference, rows[0].reason.contains("equally")), (Some(0.0), true));
        let count = |class: bool| {
            let exams = before.iter().zip(&labels).filter(|(_, label)| **label == class);
            exams.filter(|(logit, _)| (0.0..1.0).contains(*logit)).count()
        };
        assert_eq!((rows[1].corrected, rows[1].spoiled), (Some(0), Some(count(true))));
        assert_eq!((rows[2].corrected, rows[2].spoiled), (Some(count(false)), Some(0)));
        assert!(rows[1].low < rows[1].difference && rows[1].difference < rows[1].high);
        assert!(rows[3].threshold.ends_with("Youden's index, chosen on these exams"));
        let table = robustness_table(&rows);
        assert_eq!(table[0][3], "sensitivity at p ≥ 0.5");
        assert_eq!(&table[1][..3], ["shift", &value(rows[0].after), "0.000"]);
        assert_eq!((table.len(), table[1].len()), (2, 5));
    }
}
