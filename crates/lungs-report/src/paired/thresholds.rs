//! Sensitivity and specificity of two models at thresholds that were not chosen on the same exams.

use super::Pair;
use super::sentence::{p_text, percent, signed};
use crate::thresholds::name_of_rule;
use lungs_base::text::counted;
use lungs_stats::{
    ChosenOn, OperatingPoint, PairedOperatingPoints, PairedShares, Rule, SharesTest,
    paired_operating_points,
};
use serde::Serialize;

/// A threshold that was not chosen on the compared exams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FixedThreshold {
    /// The rule that chose it.
    pub rule: Rule,
    /// The exams that it was chosen on.
    pub chosen_on: ChosenOn,
    /// Exams with at least these log-odds are predicted positive.
    pub logit: f64,
    /// The threshold as a probability.
    pub probability: f64,
}

impl FixedThreshold {
    /// The thresholds of operating points that were not chosen on the exams of these points.
    pub(crate) fn of(points: &[OperatingPoint]) -> Vec<Self> {
        let fixed = points.iter().filter(|point| point.chosen_on != ChosenOn::TheseExams);
        let threshold = |point: &OperatingPoint| {
            let (rule, chosen_on) = (point.rule, point.chosen_on);
            let (logit, probability) = (point.threshold_logit?, point.threshold_probability?);
            Some(Self { rule, chosen_on, logit, probability })
        };
        fixed.filter_map(threshold).collect()
    }
}

/// The paired test of sensitivity and specificity at the thresholds of one rule.
#[derive(Debug, Serialize)]
pub struct ThresholdTest {
    /// The rule that chose the thresholds.
    #[serde(flatten)]
    pub rule: Rule,
    /// The exams that they were chosen on.
    pub chosen_on: ChosenOn,
    /// Threshold of the model `a` in log-odds.
    pub threshold_logit_a: f64,
    /// Threshold of the model `b` in log-odds.
    pub threshold_logit_b: f64,
    /// Threshold of the model `a` as a probability.
    pub threshold_probability_a: f64,
    /// Threshold of the model `b` as a probability.
    pub threshold_probability_b: f64,
    /// The tests.
    #[serde(flatten)]
    pub shares: PairedOperatingPoints,
    /// The result as a sentence.
    pub sentence: String,
}

/// The tests at the rules for which both models have a fixed threshold.
pub(super) fn tests_at_thresholds(pair: &Pair, level: f64) -> Vec<ThresholdTest> {
    let [own, other] = &pair.models;
    let test = |threshold: &FixedThreshold| {
        let is_same =
            |it: &&FixedThreshold| (it.rule, it.chosen_on) == (threshold.rule, threshold.chosen_on);
        let against = other.thresholds.iter().find(is_same)?;
        let shares = paired_operating_points(
            [&own.scores, &other.scores],
            [threshold.logit, against.logit],
            &pair.labels,
            pair.patients.as_deref(),
            level,
        )?;
        let sentence = format!(
            "At {}, {} and {} have {}, and {}.",
            threshold.text(),
            own.phrase,
            other.phrase,
            shares_text("sensitivities", &shares.sensitivity, level),
            shares_text("specificities", &shares.specificity, level),
        );
        Some(ThresholdTest {
            rule: threshold.rule,
            chosen_on: threshold.chosen_on,
            threshold_logit_a: threshold.logit,
            threshold_logit_b: against.logit,
            threshold_probability_a: threshold.probability,
            threshold_probability_b: against.probability,
            shares,
            sentence,
        })
    };
    own.thresholds.iter().filter_map(test).collect()
}

impl FixedThreshold {
    fn text(&self) -> String {
        let rule = name_of_rule(self.rule);
        match self.rule {
            Rule::Probability(_) => rule,
            Rule::Youden => format!("the thresholds of {rule}, chosen on other exams"),
            _ => format!("the thresholds for {rule}, chosen on other exams"),
        }
    }
}

/// `sensitivities of 0.900 and 0.800, a difference of 0.100 (95 % CI −0.020 to 0.220; 7 and 3 exams that one model alone
/// predicts correctly; exact McNemar test, p = 0.344)`
fn shares_text(name: &str, shares: &PairedShares, level: f64) -> String {
    let (Some(a), Some(b), Some(difference)) = (shares.a.value, shares.b.value, shares.difference)
    else {
        let reason = shares.reason.as_deref().unwrap_or("no value");
        return format!("no {name}: {reason}");
    };
    let interval = shares.interval.map_or(String::new(), |it| {
        format!("{} % CI {} to {}; ", percent(level), signed(it.low), signed(it.high))
    });
    let test = match shares.test {
        Some(SharesTest::McNemar) => "McNemar's test, ",
        Some(SharesTest::Obuchowski) => "Obuchowski's test for repeated patients, ",
        Some(SharesTest::Exact) => "exact McNemar test, ",
        None => "",
    };
    format!(
        "{name} of {a:.3} and {b:.3}, a difference of {} ({interval}{} and {} that one model alone predicts \
         correctly; {test}{})",
        signed(difference),
        shares.only_a,
        counted(shares.only_b, "exam", "exams"),
        shares.p_value.map_or("no test".to_owned(), p_text),
    )
}
