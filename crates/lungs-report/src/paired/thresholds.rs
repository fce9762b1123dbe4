//! Sensitivity and specificity of two models at thresholds that were not chosen on the same exams.

use lungs_stats::{ChosenOn, OperatingPoint, Rule};

/// A threshold that was not chosen on the compared exams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FixedThreshold {
    /// The rule that chose it.
    pub rule: Rule,
    /// The exams that it was chosen on.
    pub chosen_on: ChosenOn,
    /// Exams with at least this score are predicted positive.
    pub score: f64,
}

impl FixedThreshold {
    /// The thresholds of operating points that were not chosen on the exams of these points.
    pub(crate) fn of(points: &[OperatingPoint]) -> Vec<Self> {
        let fixed = points.iter().filter(|point| point.chosen_on != ChosenOn::TheseExams);
        let threshold = |point: &OperatingPoint| {
            let (rule, chosen_on) = (point.rule, point.chosen_on);
            Some(Self { rule, chosen_on, score: point.threshold_logit? })
        };
        fixed.filter_map(threshold).collect()
    }
}
