//! What resampling patients adds to the figures: intervals, and curves with bands.

use serde::{Deserialize, Serialize};

use super::decision::{DecisionPoint, THRESHOLDS, treat_all};
use super::interval::{Estimate, Interval};
use super::precision::{PrecisionRecallPoint, precision_recall};
use super::resampling::{Resampling, percentile_interval};
use super::sweep::{Figures, Sweep, Wanted, rate_of, recall_of};
use super::{Calibration, Evaluation, Options};

/// Specificities of the partial area under the ROC curve: where screening can afford to work.
const PARTIAL_SPECIFICITY: (f64, f64) = (0.9, 1.0);

/// The area under a part of the ROC curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialAuc {
    /// Lowest specificity of the part.
    pub specificity_low: f64,
    /// Highest specificity of the part.
    pub specificity_high: f64,
    /// The area; at most the width of the part.
    pub area: Estimate,
    /// Scaled so that chance is 0.5 and perfection 1 (McClish 1989).
    pub standardised: Estimate,
}

impl Default for PartialAuc {
    fn default() -> Self {
        Self::undefined("not computed")
    }
}

impl PartialAuc {
    pub(super) fn undefined(reason: &str) -> Self {
        let (specificity_low, specificity_high) = PARTIAL_SPECIFICITY;
        let nothing = || Estimate::undefined(reason);
        Self { specificity_low, specificity_high, area: nothing(), standardised: nothing() }
    }
}

/// The ROC curve at one false positive rate, with its pointwise interval over resampled patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandPoint {
    /// 1 − specificity.
    pub false_positive_rate: f64,
    /// Sensitivity.
    pub true_positive_rate: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Precision at one recall, with its pointwise interval over resampled patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionBandPoint {
    /// Sensitivity that is reached.
    pub recall: f64,
    /// Precision of the strictest threshold that reaches it.
    pub precision: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Curves that are drawn from tables: empty where they are undefined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// The ROC curve at false positive rates of 0, 0.01, …, 1.
    pub roc_band: Vec<BandPoint>,
    /// Precision and recall.
    pub precision_recall: Vec<PrecisionRecallPoint>,
    /// Precision at recalls of 0.01, …, 1.
    pub precision_band: Vec<PrecisionBandPoint>,
    /// Net benefit at thresholds of 0.01, …, 0.99.
    pub decision: Vec<DecisionPoint>,
}

/// Numbers of a part of the cohort, side by side: `[exam]`.
pub(super) struct Exams<'a> {
    pub logits: &'a [f64],
    pub probabilities: &'a [f64],
    pub labels: &'a [bool],
    pub patients: &'a [usize],
}

/// Figures of the exams, and of every cohort of patients drawn from theirs.
pub(super) struct Resampled {
    plain: Figures,
    replicates: Vec<Figures>,
    level: f64,
}

impl Resampled {
    /// Of at least one exam, with finite log-odds and probabilities in [0, 1].
    pub fn of(exams: &Exams, options: &Options) -> Self {
        Self::weighted(exams, None, options)
    }

    /// [`Resampled::of`] exams that count by their weights.
    pub fn weighted(exams: &Exams, weights: Option<&[f64]>, options: &Options) -> Self {
        let Exams { logits, probabilities, labels, patients } = exams;
        let (low, high) = PARTIAL_SPECIFICITY;
        let wanted = Wanted { bins: options.calibration_bins, partial: (1.0 - high, 1.0 - low) };
        let sweep = Sweep::new(logits, probabilities, labels, patients, weights, wanted);
        let count = patients.iter().max().map_or(0, |&last| last + 1);
        let resampling = Resampling::new(labels, patients, options.seed);
        Self {
            plain: sweep.figures(&vec![1; count]),
            replicates: resampling
                .replicates(options.bootstrap_replicates, |times| sweep.figures(times)),
            level: options.level,
        }
    }

    /// AUCs of the cohorts that have both classes.
    pub fn aucs(&self) -> Vec<f64> {
        self.replicates.iter().filter_map(|figures| figures.auc).collect()
    }

    fn interval(&self, metric: impl Fn(&Figures) -> Option<f64>) -> Option<Interval> {
        let values: Vec<f64> = self.replicates.iter().filter_map(metric).collect();
        percentile_interval(&values, self.level)
    }

    pub fn estimate(&self, metric: impl Fn(&Figures) -> Option<f64>) -> Estimate {
        match metric(&self.plain) {
            Some(value) => {
                Estimate { value: Some(value), interval: self.interval(metric), reason: None }
            }
            None => Estimate::undefined("one class only"),
        }
    }

    /// Puts the figures of precision and of a part of the ROC curve into `evaluation`, and
    /// intervals to means over exams.
    pub fn complete(&self, evaluation: &mut Evaluation) {
        evaluation.average_precision = match evaluation.positives {
            0 => Estimate::undefined("there are no positive exams"),
            _ => self.estimate(|figures| figures.average_precision),
        };
        let (low, high) = PARTIAL_SPECIFICITY;
        let width = high - low;
        let chance = ((1.0 - low) * (1.0 - low) - (1.0 - high) * (1.0 - high)) / 2.0;
        let scale = |area: f64| 0.5 * (1.0 + (area - chance) / (width - chance));
        evaluation.partial_auc = PartialAuc {
            specificity_low: low,
            specificity_high: high,
            area: self.estimate(|figures| figures.partial_auc),
            standardised: self.estimate(|figures| figures.partial_auc.map(scale)),
        };
        evaluation.cross_entropy.interval = self.interval(|figures| Some(figures.cross_entropy));
        self.complete_calibration(&mut evaluation.calibration);
    }

    /// Puts intervals to the figures of calibration that are means over exams.
    pub fn complete_calibration(&self, calibration: &mut Calibration) {
        calibration.brier.interval = self.interval(|figures| Some(figures.brier));
        calibration.expected_calibration_error.interval =
            self.interval(|figures| Some(figures.calibration_error));
    }

    /// The curves, with bands where cohorts were drawn.
    pub fn curves(&self, exams: &Exams) -> Curves {
        let positives = exams.labels.iter().filter(|&&label| label).count();
        let prevalence = positives as f64 / exams.labels.len() as f64;
        let band = self.plain.band.iter().enumerate().filter_map(|(place, &height)| {
            let interval = self.interval(|figures| figures.band.get(place).copied())?;
            Some(BandPoint {
                false_positive_rate: rate_of(place),
                true_positive_rate: height,
                low: interval.low,
                high: interval.high,
            })
        });
        let precision =
            self.plain.precision_band.iter().enumerate().filter_map(|(place, &height)| {
                let interval =
                    self.interval(|figures| figures.precision_band.get(place).copied())?;
                Some(PrecisionBandPoint {
                    recall: recall_of(place),
                    precision: height,
                    low: interval.low,
                    high: interval.high,
                })
            });
        let benefits = THRESHOLDS.zip(&self.plain.net_benefit).enumerate();
        let decision = benefits.map(|(place, (threshold, &net_benefit))| {
            let interval = self.interval(|figures| figures.net_benefit.get(place).copied());
            DecisionPoint {
                threshold,
                net_benefit,
                low: interval.map(|interval| interval.low),
                high: interval.map(|interval| interval.high),
                treat_all: treat_all(threshold, prevalence),
            }
        });
        let both = positives > 0 && positives < exams.labels.len();
        Curves {
            roc_band: band.collect(),
            precision_band: precision.collect(),
            precision_recall: precision_recall(exams.logits, exams.labels),
            decision: if both { decision.collect() } else { Vec::new() },
        }
    }
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
