//! Options of an evaluation.

use super::grouping::Grouping;
use super::operating::Rule;

/// Options of [`evaluate`](super::evaluate()).
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Nominal coverage of every interval.
    pub level: f64,
    /// Bootstrap replicates; 0 disables the bootstrap.
    pub bootstrap_replicates: usize,
    /// Seed of the bootstrap's random streams.
    pub seed: u64,
    /// Bins of the reliability diagram and of the expected calibration error.
    pub calibration_bins: usize,
    /// Rules that choose the operating points.
    pub rules: Vec<Rule>,
    /// The rule whose threshold was stated before the evaluation, if any; reports lead with it.
    pub stated: Option<Rule>,
    /// Thresholds (log-odds) that rules chose on the validation split; they give further operating points.
    pub validated: Vec<(Rule, f64)>,
    /// Prevalence at which predictive values are computed in addition to the sample's own.
    pub prevalence: Option<f64>,
    /// Groupings of the exams for subgroup metrics.
    pub groupings: Vec<Grouping>,
    /// Name of the weights and the weight of each exam, for weighted metrics.
    pub weights: Option<(String, Vec<f64>)>,
    /// Calibrated probabilities of the exams, for calibration metrics before and after.
    pub calibrated: Option<CalibratedProbabilities>,
}

/// Probabilities from a calibrator that was fitted on other exams.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedProbabilities {
    /// Name of the calibration method in a spec.
    pub method: String,
    /// The split that the calibrator was fitted on; it must differ from the evaluated split.
    pub fitted_on: String,
    /// The probability of each exam.
    pub probabilities: Vec<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: 0.95,
            bootstrap_replicates: 2000,
            seed: 37,
            calibration_bins: 10,
            rules: vec![
                Rule::Probability(0.5),
                Rule::SensitivityAtSpecificity(0.9),
                Rule::SpecificityAtSensitivity(0.9),
                Rule::Youden,
            ],
            stated: None,
            validated: Vec::new(),
            prevalence: None,
            groupings: Vec::new(),
            weights: None,
            calibrated: None,
        }
    }
}
