//! Operating points: thresholds with their sensitivity, specificity and predictive values.

use serde::{Deserialize, Serialize};

use super::interval::Proportion;
use super::likelihood::{LikelihoodRatios, likelihood_ratios};
use super::logit::sigmoid;
use super::predictive::{AtPrevalence, at_prevalence};
use super::roc::{Cut, cuts};

/// Rule that chooses a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule", content = "at")]
pub enum Rule {
    /// A fixed probability.
    Probability(f64),
    /// The highest sensitivity with at least this specificity.
    SensitivityAtSpecificity(f64),
    /// The highest specificity with at least this sensitivity.
    SpecificityAtSensitivity(f64),
    /// The largest sensitivity + specificity − 1 (Youden 1950).
    Youden,
}

/// The exams that a threshold was chosen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenOn {
    /// None: the threshold was fixed in advance.
    None,
    /// The evaluated exams themselves, which biases its metrics upwards.
    #[default]
    TheseExams,
    /// The validation split.
    Validation,
    /// Other exams, of the development of the model: its validation split, or the out-of-fold exams of its
    /// cross-validation.
    Development,
}

/// A threshold and its metrics on the evaluated exams.
///
/// Metrics at a threshold that was chosen on the same exams are biased upwards; choose it on other data
/// before reporting them as performance. The predictive values apply at this sample's prevalence only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The rule that chose the threshold.
    #[serde(flatten)]
    pub rule: Rule,
    /// The exams that the threshold was chosen on.
    #[serde(default)]
    pub chosen_on: ChosenOn,
    /// Exams with at least this log-odds are predicted positive; `None` when no threshold meets the rule.
    pub threshold_logit: Option<f64>,
    /// The threshold as a probability.
    pub threshold_probability: Option<f64>,
    /// True positives of all positive exams.
    pub sensitivity: Proportion,
    /// True negatives of all negative exams.
    pub specificity: Proportion,
    /// True positives of all exams predicted positive.
    pub positive_predictive_value: Proportion,
    /// True negatives of all exams predicted negative.
    pub negative_predictive_value: Proportion,
    /// Likelihood ratios of a positive and of a negative prediction.
    #[serde(default)]
    pub likelihood_ratios: LikelihoodRatios,
    /// The predictive values at the prevalence of the options; `None` when the options have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_prevalence: Option<AtPrevalence>,
    /// Why the point is undefined; `None` when it is defined.
    pub reason: Option<String>,
}

impl Rule {
    fn chosen_on(self) -> ChosenOn {
        match self {
            Self::Probability(_) => ChosenOn::None,
            _ => ChosenOn::TheseExams,
        }
    }
}

impl OperatingPoint {
    /// Adds predictive values at this prevalence.
    #[must_use]
    pub(super) fn with_prevalence(mut self, prevalence: Option<f64>, level: f64) -> Self {
        self.at_prevalence = prevalence
            .map(|share| at_prevalence(&self.sensitivity, &self.specificity, share, level));
        self
    }

    /// Replaces the intervals by those of patients with several exams; all slices are `[exam]`.
    #[must_use]
    pub(super) fn for_patients(
        mut self,
        logits: &[f64],
        labels: &[bool],
        patients: Option<&[usize]>,
        level: f64,
    ) -> Self {
        let (Some(patients), Some(threshold)) = (patients, self.threshold_logit) else {
            return self;
        };
        // The exams of a denominator, and whether each was predicted correctly.
        let outcomes = |is_counted: &dyn Fn(bool, bool) -> bool| -> Vec<(usize, bool)> {
            let exams = logits.iter().zip(labels).zip(patients);
            let exams = exams.map(|((z, label), patient)| (*z >= threshold, *label, *patient));
            let counted = exams.filter(|&(predicted, label, _)| is_counted(predicted, label));
            counted.map(|(predicted, label, patient)| (patient, predicted == label)).collect()
        };
        let of_patients = |share: Proportion, is_counted: &dyn Fn(bool, bool) -> bool| {
            share.of_patients(&outcomes(is_counted), level)
        };
        self.sensitivity = of_patients(self.sensitivity, &|_, label| label);
        self.specificity = of_patients(self.specificity, &|_, label| !label);
        self.positive_predictive_value =
            of_patients(self.positive_predictive_value, &|predicted, _| predicted);
        self.negative_predictive_value =
            of_patients(self.negative_predictive_value, &|predicted, _| !predicted);
        self.likelihood_ratios = likelihood_ratios(&self.sensitivity, &self.specificity, level);
        self
    }

    fn at(rule: Rule, cut: Cut, positives: usize, negatives: usize, level: f64) -> Self {
        let Cut { true_positives, false_positives, .. } = cut;
        let true_negatives = negatives - false_positives;
        let false_negatives = positives - true_positives;
        let proportion =
            |successes, total, denominator| Proportion::new(successes, total, level, denominator);
        let sensitivity = proportion(true_positives, positives, "positive exams");
        let specificity = proportion(true_negatives, negatives, "negative exams");
        Self {
            rule,
            chosen_on: rule.chosen_on(),
            threshold_logit: Some(cut.threshold),
            threshold_probability: Some(sigmoid(cut.threshold)),
            likelihood_ratios: likelihood_ratios(&sensitivity, &specificity, level),
            sensitivity,
            specificity,
            positive_predictive_value: proportion(
                true_positives,
                true_positives + false_positives,
                "exams predicted positive",
            ),
            negative_predictive_value: proportion(
                true_negatives,
                true_negatives + false_negatives,
                "exams predicted negative",
            ),
            at_prevalence: None,
            reason: None,
        }
    }

    pub(super) fn undefined(rule: Rule, reason: &str) -> Self {
        let undefined = || Proportion::undefined(reason);
        Self {
            rule,
            chosen_on: rule.chosen_on(),
            threshold_logit: None,
            threshold_probability: None,
            sensitivity: undefined(),
            specificity: undefined(),
            positive_predictive_value: undefined(),
            negative_predictive_value: undefined(),
            likelihood_ratios: LikelihoodRatios::undefined(reason),
            at_prevalence: None,
            reason: Some(reason.to_owned()),
        }
    }
}

/// The operating point of a threshold that `rule` chose on other exams. Log-odds must be finite.
pub(super) fn at_threshold(
    logits: &[f64],
    labels: &[bool],
    rule: Rule,
    threshold: f64,
    level: f64,
) -> OperatingPoint {
    let predicted_positive = |class: bool| {
        let exams = logits.iter().zip(labels);
        exams.filter(|(logit, label)| **label == class && **logit >= threshold).count()
    };
    let cut = Cut {
        threshold,
        false_positives: predicted_positive(false),
        true_positives: predicted_positive(true),
    };
    let positives = labels.iter().filter(|&&label| label).count();
    OperatingPoint::at(rule, cut, positives, labels.len() - positives, level)
}

/// The operating points of `rules`, in their order. Log-odds must be finite.
///
/// Candidate thresholds are the distinct scores and the next number above the largest score, which predicts
/// no exam positive. Of equally good candidates, the strictest is chosen.
///
/// # Panics
/// When the slices differ in length.
pub fn operating_points(
    logits: &[f64],
    labels: &[bool],
    rules: &[Rule],
    level: f64,
) -> Vec<OperatingPoint> {
    assert_eq!(logits.len(), labels.len(), "one label per score");
    let candidates = Candidates::of(logits, labels);
    rules.iter().map(|&rule| candidates.point(rule, level)).collect()
}

/// Candidate thresholds with their counts.
struct Candidates {
    /// From the strictest.
    cuts: Vec<Cut>,
    /// The threshold that predicts no exam positive.
    none_positive: Cut,
    positives: usize,
    negatives: usize,
}

impl Candidates {
    fn of(logits: &[f64], labels: &[bool]) -> Self {
        let positives = labels.iter().filter(|&&label| label).count();
        let cuts = cuts(logits, labels);
        let none_positive = Cut {
            threshold: cuts.first().map_or(0.0, |cut| cut.threshold.next_up()),
            false_positives: 0,
            true_positives: 0,
        };
        // No number is above the largest one.
        let is_number = none_positive.threshold.is_finite();
        let cuts = is_number.then_some(none_positive).into_iter().chain(cuts).collect();
        Self { cuts, none_positive, positives, negatives: labels.len() - positives }
    }

    fn sensitivity(&self, cut: &Cut) -> f64 {
        cut.true_positives as f64 / self.positives as f64
    }

    fn specificity(&self, cut: &Cut) -> f64 {
        (self.negatives - cut.false_positives) as f64 / self.negatives as f64
    }

    /// The strictest of the best candidates.
    fn best(&self, is_allowed: impl Fn(&Cut) -> bool, metric: impl Fn(&Cut) -> f64) -> Option<Cut> {
        // A later one must be better by more than rounding.
        let allowed = self.cuts.iter().filter(|cut| is_allowed(cut)).copied();
        allowed.reduce(|best, cut| if metric(&cut) > metric(&best) + 1e-12 { cut } else { best })
    }

    /// The cut that a rule chooses; both classes must be present, unless the rule is a fixed probability.
    fn chosen(&self, rule: Rule) -> Option<Cut> {
        // A minimum of 0.9 must accept 9 of 10 despite rounding.
        let meets = |value: f64, minimum: f64| value >= minimum - 1e-12;
        match rule {
            Rule::Probability(probability) => {
                let threshold = (probability / (1.0 - probability)).ln();
                // The last cut at or above the threshold has the counts of the threshold.
                let counted = self.cuts.iter().rfind(|cut| cut.threshold >= threshold);
                Some(Cut { threshold, ..*counted.unwrap_or(&self.none_positive) })
            }
            Rule::SensitivityAtSpecificity(minimum) => {
                self.best(|cut| meets(self.specificity(cut), minimum), |cut| self.sensitivity(cut))
            }
            Rule::SpecificityAtSensitivity(minimum) => {
                self.best(|cut| meets(self.sensitivity(cut), minimum), |cut| self.specificity(cut))
            }
            Rule::Youden => {
                self.best(|_| true, |cut| self.sensitivity(cut) + self.specificity(cut))
            }
        }
    }

    fn point(&self, rule: Rule, level: f64) -> OperatingPoint {
        let (positives, negatives) = (self.positives, self.negatives);
        let is_fixed = matches!(rule, Rule::Probability(_));
        if positives + negatives == 0 {
            OperatingPoint::undefined(rule, "there are no exams")
        } else if !is_fixed && (positives == 0 || negatives == 0) {
            OperatingPoint::undefined(rule, "one class only")
        } else {
            match self.chosen(rule) {
                Some(cut) => OperatingPoint::at(rule, cut, positives, negatives, level),
                None => OperatingPoint::undefined(rule, "no threshold meets the rule"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Ten positives and ten negatives, log-odds in steps of one half.
    fn exams() -> (Vec<f64>, Vec<bool>) {
        let negatives = [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.5, 1.5];
        let positives = [-0.75, 0.0, 0.75, 1.0, 1.25, 2.0, 2.5, 3.0, 3.5, 4.0];
        let labels = (0..20).map(|index| index >= 10).collect();
        (negatives.into_iter().chain(positives).collect(), labels)
    }

    #[test]
    fn each_rule_chooses_the_point_computed_by_hand() {
        let (logits, labels) = exams();
        let rules = [
            Rule::Probability(0.5),
            Rule::SensitivityAtSpecificity(0.9),
            Rule::SpecificityAtSensitivity(0.95),
            Rule::Youden,
        ];
        let points = operating_points(&logits, &labels, &rules, 0.95);
        let summary: Vec<_> = points
            .iter()
            .map(|p| (p.threshold_logit.unwrap(), p.sensitivity.successes, p.specificity.successes))
            .collect();
        // A score equal to the threshold is predicted positive (0.0 at probability 0.5).
        // Youden's index is 0.7 at three thresholds: the strictest is taken.
        assert_eq!(summary, [(0.0, 9, 8), (0.75, 8, 9), (-0.75, 10, 7), (0.75, 8, 9)]);
        let half = &points[0];
        assert_eq!(half.threshold_probability, Some(0.5));
        assert_eq!(half.positive_predictive_value.value, Some(9.0 / 11.0));
        assert_eq!(half.negative_predictive_value.value, Some(8.0 / 9.0));
        assert!(half.sensitivity.interval.unwrap().low < 0.9);
    }

    #[test]
    fn full_specificity_may_predict_no_exam_positive() {
        let points = operating_points(
            &[2.0, 1.0],
            &[false, true],
            &[Rule::SensitivityAtSpecificity(1.0)],
            0.95,
        );
        assert!(points[0].threshold_logit.unwrap() > 2.0);
        assert_eq!(points[0].sensitivity.successes, 0);
        let reason = points[0].positive_predictive_value.reason.as_ref().unwrap();
        assert!(reason.contains("predicted positive"), "{reason}");
    }

    #[test]
    fn one_class_and_no_exams_give_a_reason() {
        let rules = [Rule::Youden, Rule::Probability(0.5)];
        let one = operating_points(&[1.0, -1.0], &[false, false], &rules, 0.95);
        assert_eq!(one[0].reason.as_deref(), Some("one class only"));
        assert_eq!(one[1].specificity.value, Some(0.5));
        assert_eq!(one[1].sensitivity.reason.as_deref(), Some("there are no positive exams"));
        let none = operating_points(&[], &[], &rules, 0.95);
        assert!(none.iter().all(|p| p.reason.as_deref() == Some("there are no exams")));
    }

    #[test]
    fn a_threshold_from_other_exams_is_applied_unchanged() {
        let (logits, labels) = exams();
        let point = at_threshold(&logits, &labels, Rule::Youden, 0.6, 0.95);
        assert_eq!((point.sensitivity.successes, point.specificity.successes), (8, 9));
        // Applying a threshold that was chosen on the same exams gives the same point.
        let rules = [Rule::Probability(0.3), Rule::SensitivityAtSpecificity(0.9), Rule::Youden];
        for point in operating_points(&logits, &labels, &rules, 0.95) {
            let threshold = point.threshold_logit.unwrap();
            assert_eq!(at_threshold(&logits, &labels, point.rule, threshold, 0.95), point);
        }
    }

    #[test]
    fn serialises_to_a_flat_named_rule() {
        let (logits, labels) = exams();
        let rules = [Rule::SensitivityAtSpecificity(0.9), Rule::Youden];
        for point in operating_points(&logits, &labels, &rules, 0.95) {
            let json = serde_json::to_value(&point).unwrap();
            assert!(json["rule"].is_string(), "{json}");
            assert_eq!(serde_json::from_value::<OperatingPoint>(json).unwrap(), point);
        }
    }
}
