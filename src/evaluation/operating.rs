//! Operating points: what happens when a probability becomes a decision.

use serde::{Deserialize, Serialize};

use super::calibration::sigmoid;
use super::interval::Proportion;
use super::predictive::{AtPrevalence, at_prevalence};
use super::roc::{Cut, cuts};

/// How a threshold is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule", content = "at")]
pub enum Rule {
    /// This probability.
    Probability(f64),
    /// The highest sensitivity with at least this specificity.
    SensitivityAtSpecificity(f64),
    /// The highest specificity with at least this sensitivity.
    SpecificityAtSensitivity(f64),
    /// The largest sensitivity + specificity − 1 (Youden 1950).
    Youden,
}

/// Which exams a threshold was chosen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenOn {
    /// On none: it was fixed beforehand.
    None,
    /// On the exams that it is judged on, which flatters it.
    #[default]
    TheseExams,
    /// On the validation part.
    Validation,
}

/// A threshold and what it does to these exams.
///
/// A threshold chosen by its results on the same exams flatters them; fix it on other data
/// before quoting its figures as performance. The predictive values hold at this sample's
/// prevalence only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// How the threshold was chosen.
    #[serde(flatten)]
    pub rule: Rule,
    /// Which exams it was chosen on.
    #[serde(default)]
    pub chosen_on: ChosenOn,
    /// Exams of at least this log-odds are called positive; nothing where the rule has no answer.
    pub threshold_logit: Option<f64>,
    /// The same threshold as a probability.
    pub threshold_probability: Option<f64>,
    /// Positive exams called positive, of all positive exams.
    pub sensitivity: Proportion,
    /// Negative exams called negative, of all negative exams.
    pub specificity: Proportion,
    /// Positive predictive value: positive exams of those called positive.
    pub positive_predictive_value: Proportion,
    /// Negative predictive value: negative exams of those called negative.
    pub negative_predictive_value: Proportion,
    /// The predictive values at a stated prevalence, where one is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_prevalence: Option<AtPrevalence>,
    /// Why the point is undefined, where it is.
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
    /// The same with predictive values at this prevalence.
    #[must_use]
    pub(super) fn with_prevalence(mut self, prevalence: Option<f64>, level: f64) -> Self {
        self.at_prevalence = prevalence
            .map(|share| at_prevalence(&self.sensitivity, &self.specificity, share, level));
        self
    }

    fn at(rule: Rule, cut: Cut, positives: usize, negatives: usize, level: f64) -> Self {
        let (tp, fp) = (cut.true_positives, cut.false_positives);
        let (tn, missed) = (negatives - fp, positives - tp);
        let proportion = |successes, total, what| Proportion::new(successes, total, level, what);
        Self {
            rule,
            chosen_on: rule.chosen_on(),
            threshold_logit: Some(cut.threshold),
            threshold_probability: Some(sigmoid(cut.threshold)),
            sensitivity: proportion(tp, positives, "positive exams"),
            specificity: proportion(tn, negatives, "negative exams"),
            positive_predictive_value: proportion(tp, tp + fp, "exams called positive"),
            negative_predictive_value: proportion(tn, tn + missed, "exams called negative"),
            at_prevalence: None,
            reason: None,
        }
    }

    pub(super) fn undefined(rule: Rule, reason: &str) -> Self {
        let nothing = || Proportion {
            successes: 0,
            total: 0,
            value: None,
            interval: None,
            reason: Some(reason.to_owned()),
        };
        Self {
            rule,
            chosen_on: rule.chosen_on(),
            threshold_logit: None,
            threshold_probability: None,
            sensitivity: nothing(),
            specificity: nothing(),
            positive_predictive_value: nothing(),
            negative_predictive_value: nothing(),
            at_prevalence: None,
            reason: Some(reason.to_owned()),
        }
    }
}

/// What a threshold that `rule` has chosen elsewhere does to these exams (finite log-odds).
pub(super) fn at_threshold(
    logits: &[f64],
    labels: &[bool],
    rule: Rule,
    threshold: f64,
    level: f64,
) -> OperatingPoint {
    let called = |class: bool| {
        let both = logits.iter().zip(labels);
        both.filter(|(logit, label)| **label == class && **logit >= threshold).count()
    };
    let cut = Cut { threshold, false_positives: called(false), true_positives: called(true) };
    let positives = labels.iter().filter(|&&label| label).count();
    OperatingPoint::at(rule, cut, positives, labels.len() - positives, level)
}

/// The operating points of `rules`, in their order, from finite log-odds.
///
/// Candidates are the distinct scores and "call nobody positive", whose threshold is the next
/// number above the largest score. Ties between candidates go to the stricter one.
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
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let cuts = cuts(logits, labels);
    let nobody = Cut {
        threshold: cuts.first().map_or(0.0, |cut| cut.threshold.next_up()),
        false_positives: 0,
        true_positives: 0,
    };
    let candidates: Vec<Cut> = std::iter::once(nobody).chain(cuts).collect();
    let sensitivity = |cut: &Cut| cut.true_positives as f64 / positives as f64;
    let specificity = |cut: &Cut| (negatives - cut.false_positives) as f64 / negatives as f64;
    // The strictest of the best: a later candidate must be better by more than rounding.
    let best = |allowed: &dyn Fn(&Cut) -> bool, merit: &dyn Fn(&Cut) -> f64| {
        candidates
            .iter()
            .filter(|cut| allowed(cut))
            .copied()
            .reduce(|best, cut| if merit(&cut) > merit(&best) + 1e-12 { cut } else { best })
    };
    // A demand of 0.9 must accept 9 of 10 whatever the rounding.
    let meets = |value: f64, demand: f64| value >= demand - 1e-12;
    rules
        .iter()
        .map(|&rule| {
            if positives + negatives == 0 {
                return OperatingPoint::undefined(rule, "there are no exams");
            }
            let chosen = match rule {
                Rule::Probability(probability) => {
                    let threshold = (probability / (1.0 - probability)).ln();
                    // The last cut at or above the threshold has counted all that it calls.
                    let counted = candidates[1..].iter().rfind(|cut| cut.threshold >= threshold);
                    return OperatingPoint::at(
                        rule,
                        Cut { threshold, ..*counted.unwrap_or(&nobody) },
                        positives,
                        negatives,
                        level,
                    );
                }
                _ if positives == 0 || negatives == 0 => {
                    return OperatingPoint::undefined(rule, "one class only");
                }
                Rule::SensitivityAtSpecificity(demand) => {
                    best(&|cut| meets(specificity(cut), demand), &sensitivity)
                }
                Rule::SpecificityAtSensitivity(demand) => {
                    best(&|cut| meets(sensitivity(cut), demand), &specificity)
                }
                Rule::Youden => best(&|_| true, &|cut| sensitivity(cut) + specificity(cut)),
            };
            match chosen {
                Some(cut) => OperatingPoint::at(rule, cut, positives, negatives, level),
                None => OperatingPoint::undefined(rule, "no threshold meets the demand"),
            }
        })
        .collect()
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
    fn each_rule_finds_the_point_one_finds_by_hand() {
        let (logits, labels) = exams();
        let rules = [
            Rule::Probability(0.5),
            Rule::SensitivityAtSpecificity(0.9),
            Rule::SpecificityAtSensitivity(0.95),
            Rule::Youden,
        ];
        let found = operating_points(&logits, &labels, &rules, 0.95);
        let summary: Vec<_> = found
            .iter()
            .map(|p| (p.threshold_logit.unwrap(), p.sensitivity.successes, p.specificity.successes))
            .collect();
        // A score equal to the threshold is called positive (0.0 at probability 0.5).
        // Youden's index is 0.7 at three thresholds: the strictest is taken.
        assert_eq!(summary, [(0.0, 9, 8), (0.75, 8, 9), (-0.75, 10, 7), (0.75, 8, 9)]);
        let half = &found[0];
        assert_eq!(half.threshold_probability, Some(0.5));
        assert_eq!(half.positive_predictive_value.value, Some(9.0 / 11.0));
        assert_eq!(half.negative_predictive_value.value, Some(8.0 / 9.0));
        assert!(half.sensitivity.interval.unwrap().low < 0.9);
    }

    #[test]
    fn full_specificity_may_mean_calling_nobody() {
        let found = operating_points(
            &[2.0, 1.0],
            &[false, true],
            &[Rule::SensitivityAtSpecificity(1.0)],
            0.95,
        );
        assert!(found[0].threshold_logit.unwrap() > 2.0);
        assert_eq!(found[0].sensitivity.successes, 0);
        assert!(
            found[0].positive_predictive_value.reason.as_ref().unwrap().contains("called positive")
        );
    }

    #[test]
    fn one_class_and_no_exams_say_so() {
        let rules = [Rule::Youden, Rule::Probability(0.5)];
        let one = operating_points(&[1.0, -1.0], &[false, false], &rules, 0.95);
        assert_eq!(one[0].reason.as_deref(), Some("one class only"));
        assert_eq!(one[1].specificity.value, Some(0.5));
        assert_eq!(one[1].sensitivity.reason.as_deref(), Some("there are no positive exams"));
        let none = operating_points(&[], &[], &rules, 0.95);
        assert!(none.iter().all(|p| p.reason.as_deref() == Some("there are no exams")));
    }

    #[test]
    fn a_threshold_from_elsewhere_is_applied_as_it_is() {
        let (logits, labels) = exams();
        let found = at_threshold(&logits, &labels, Rule::Youden, 0.6, 0.95);
        assert_eq!((found.sensitivity.successes, found.specificity.successes), (8, 9));
        // And applying what was chosen here changes nothing.
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
