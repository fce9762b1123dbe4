//! Paired tests of two models on the same exams: AUC, non-inferiority, sensitivity and specificity.

mod sentence;
mod survival;
mod thresholds;

use lungs_stats::{NonInferiority, PairedAucs, holm, paired_aucs};
use serde::Serialize;

pub(crate) use sentence::percent;
pub(crate) use survival::SurvivalPair;
pub use survival::SurvivalTest;
pub(crate) use thresholds::FixedThreshold;
pub use thresholds::ThresholdTest;
use thresholds::tests_at_thresholds;

/// The paired test of a model against another one.
#[derive(Debug, Serialize)]
pub struct PairedTest {
    /// Name of the run or model `a`.
    pub name_a: String,
    /// Name of the run or model `b`, which `a` is tested against.
    pub name_b: String,
    /// Number of exams that both scored.
    pub exams: usize,
    /// Number of positive exams among them.
    pub positives: usize,
    /// Whether one of the two has further exams.
    pub is_common: bool,
    /// Result of the test; `None` when it is undefined.
    pub aucs: Option<PairedAucs>,
    /// The p-value corrected for the number of tests by Holm's method.
    pub p_value_holm: Option<f64>,
    /// The result as a sentence, or the reason why there is none.
    pub sentence: String,
    /// Whether the AUC of `a` is worse by less than a margin; `None` without a margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_inferiority: Option<MarginTest>,
    /// Tests of sensitivity and specificity at thresholds that were not chosen on these exams.
    pub at_thresholds: Vec<ThresholdTest>,
    /// Tests of the risks of several years; `None` unless both models have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survival: Option<SurvivalTest>,
}

/// The test of non-inferiority with its result as a sentence.
#[derive(Debug, Serialize)]
pub struct MarginTest {
    /// The test.
    #[serde(flatten)]
    pub test: NonInferiority,
    /// The result as a sentence.
    pub sentence: String,
}

impl PairedTest {
    /// All results as sentences. Where the AUCs have no test, their sentence says why, and holds for the margin too.
    pub fn sentences(&self) -> Vec<&str> {
        let has_test = self.aucs.as_ref().is_some_and(|aucs| aucs.p_value.is_some());
        let margin = self.non_inferiority.iter().filter(|_| has_test);
        let margin = margin.map(|test| test.sentence.as_str());
        let thresholds = self.at_thresholds.iter().map(|test| test.sentence.as_str());
        let survival = self.survival.iter().flat_map(|test| &test.sentences);
        let survival = survival.map(String::as_str);
        let first = std::iter::once(self.sentence.as_str());
        first.chain(margin).chain(thresholds).chain(survival).collect()
    }
}

/// Settings of all tests of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairSettings {
    /// Nominal coverage of the intervals.
    pub level: f64,
    /// Seed of random exchanges.
    pub seed: u64,
    /// Non-inferiority margin of the AUC.
    pub margin: Option<f64>,
}

/// One of two models.
#[derive(Debug)]
pub(crate) struct PairedModel {
    /// Name of the run or model.
    pub name: String,
    /// Its name in a sentence.
    pub phrase: String,
    /// Scores of the exams of the pair.
    pub scores: Vec<f64>,
    /// Thresholds that were not chosen on these exams.
    pub thresholds: Vec<FixedThreshold>,
}

/// Two models on the same exams.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The model `a`, and the model `b` that it is tested against.
    pub models: [PairedModel; 2],
    pub labels: Vec<bool>,
    /// The index of each exam's patient, where patients have several exams.
    pub patients: Option<Vec<usize>>,
    /// The exams in words, for one and for several: `test exam`, `test exams`.
    pub exams: [String; 2],
    /// Whether one of the models has further exams.
    pub is_common: bool,
    /// A remark about the models, as a sentence.
    pub remark: Option<String>,
    /// Risks of several years, if both models have them.
    pub survival: Option<SurvivalPair>,
}

/// A model without a partner for a test.
#[derive(Debug)]
pub(crate) struct Unpaired {
    pub name: String,
    pub against: String,
    /// Why there is no test, as a sentence.
    pub reason: String,
}

/// The tests of all pairs; p-values are corrected for their number.
pub(crate) fn tests_of(
    pairs: Vec<Result<Pair, Unpaired>>,
    settings: &PairSettings,
) -> Vec<PairedTest> {
    let results: Vec<_> = pairs
        .into_iter()
        .map(|pair| {
            let aucs = pair.as_ref().ok().and_then(|pair| {
                let [own, other] = &pair.models;
                let scores = [own.scores.as_slice(), other.scores.as_slice()];
                let patients = pair.patients.as_deref();
                paired_aucs(scores, &pair.labels, patients, settings.level, settings.seed)
            });
            (pair, aucs)
        })
        .collect();
    let p_values: Vec<f64> =
        results.iter().filter_map(|(_, aucs)| aucs.as_ref().and_then(|it| it.p_value)).collect();
    let count = p_values.len();
    let mut corrected = holm(&p_values).into_iter();
    results
        .into_iter()
        .map(|(pair, aucs)| {
            let p_value_holm =
                aucs.as_ref().and_then(|it| it.p_value).and_then(|_| corrected.next());
            match pair {
                Ok(pair) => pair.test(aucs, p_value_holm, count, settings),
                Err(Unpaired { name, against, reason }) => PairedTest {
                    name_a: name,
                    name_b: against,
                    exams: 0,
                    positives: 0,
                    is_common: false,
                    aucs,
                    p_value_holm,
                    sentence: reason,
                    non_inferiority: None,
                    at_thresholds: Vec::new(),
                    survival: None,
                },
            }
        })
        .collect()
}

impl Pair {
    fn test(
        self,
        aucs: Option<PairedAucs>,
        p_value_holm: Option<f64>,
        count: usize,
        settings: &PairSettings,
    ) -> PairedTest {
        let corrected = p_value_holm.filter(|_| count > 1).map(|p| (p, count));
        let sentence = sentence::of_aucs(&self, aucs.as_ref(), corrected, settings.level);
        let at_thresholds = tests_at_thresholds(&self, settings.level);
        let non_inferiority = aucs.as_ref().zip(settings.margin).map(|(aucs, margin)| {
            let test = NonInferiority::of(aucs, margin, settings.level);
            MarginTest { sentence: sentence::of_margin(&self, &test), test }
        });
        let survival = self.survival.as_ref();
        let survival = survival.and_then(|pair| SurvivalTest::of(&self, pair, settings.level));
        let [own, other] = self.models;
        PairedTest {
            name_a: own.name,
            name_b: other.name,
            exams: self.labels.len(),
            positives: self.labels.iter().filter(|&&label| label).count(),
            is_common: self.is_common,
            aucs,
            p_value_holm,
            sentence,
            non_inferiority,
            at_thresholds,
            survival,
        }
    }
}
