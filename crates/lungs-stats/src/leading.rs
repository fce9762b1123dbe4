//! The operating point that a report leads with.
//!
//! At a prevalence of 1 % hardly any exam has a probability of one half, so that sensitivity at 0.5 says nothing. The
//! leading point is the threshold that was stated in advance; else the first one that was chosen on the validation
//! split; else a probability of one half where 10 to 90 % of the exams are positive; else the threshold at the rule's
//! specificity, which is chosen on the evaluated exams.

use super::evaluation::Evaluation;
use super::operating::{ChosenOn, OperatingPoint, Rule};
use super::options::Options;

/// Shares of positive exams at which a probability of one half can separate the classes.
const BALANCED: std::ops::RangeInclusive<f64> = 0.1..=0.9;

/// The index of the leading point.
pub(super) fn leading_index(
    points: &[OperatingPoint],
    positive_share: f64,
    options: &Options,
) -> usize {
    let find = |is_wanted: &dyn Fn(&OperatingPoint) -> bool| {
        points.iter().position(|point| point.threshold_logit.is_some() && is_wanted(point))
    };
    let stated = find(&|point| Some(point.rule) == options.stated);
    let validated = || find(&|point| point.chosen_on == ChosenOn::Validation);
    let half = || {
        let is_fixed = |point: &OperatingPoint| matches!(point.rule, Rule::Probability(_));
        find(&is_fixed).filter(|_| BALANCED.contains(&positive_share))
    };
    let specific = || find(&|point| matches!(point.rule, Rule::SensitivityAtSpecificity(_)));
    stated.or_else(validated).or_else(half).or_else(specific).unwrap_or(0)
}

impl Evaluation {
    /// The operating point that a report leads with, and that subgroups are evaluated at.
    pub fn leading_point(&self) -> Option<&OperatingPoint> {
        self.operating_points.get(self.leading).or_else(|| self.operating_points.first())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScoredExam, evaluate};
    use super::*;

    /// `count` exams, the first `positives` of them positive and with higher scores.
    fn leading(count: usize, positives: usize, change: impl Fn(&mut Options)) -> OperatingPoint {
        let exam = |index: usize| {
            let label = index < positives;
            let logit = if label { 1.0 } else { -1.0 } + (index as f64 * 0.618).fract();
            let probability = 1.0 / (1.0 + (-logit).exp());
            let name = index.to_string();
            ScoredExam { patient_id: name.clone(), exam_id: name, label, logit, probability }
        };
        let exams: Vec<ScoredExam> = (0..count).map(exam).collect();
        let mut options = Options { bootstrap_replicates: 0, ..Options::default() };
        change(&mut options);
        evaluate(&exams, &options).leading_point().unwrap().clone()
    }

    #[test]
    fn one_half_leads_only_where_both_classes_are_common() {
        assert_eq!(leading(100, 40, |_| ()).rule, Rule::Probability(0.5));
        assert_eq!(leading(1000, 13, |_| ()).rule, Rule::SensitivityAtSpecificity(0.9));
        assert_eq!(leading(1000, 987, |_| ()).rule, Rule::SensitivityAtSpecificity(0.9));
    }

    #[test]
    fn stated_thresholds_lead_and_then_those_chosen_on_validation() {
        let validated = |options: &mut Options| {
            options.validated = vec![(Rule::SensitivityAtSpecificity(0.9), 0.25)];
        };
        let point = leading(1000, 13, validated);
        assert_eq!((point.chosen_on, point.threshold_logit), (ChosenOn::Validation, Some(0.25)));
        assert_eq!(leading(100, 40, validated).chosen_on, ChosenOn::Validation);
        let point = leading(1000, 13, |options| {
            validated(options);
            options.rules.insert(0, Rule::Probability(0.02));
            options.stated = Some(Rule::Probability(0.02));
        });
        assert_eq!((point.rule, point.chosen_on), (Rule::Probability(0.02), ChosenOn::None));
    }
}
