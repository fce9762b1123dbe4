//! Metrics over resampled patients: percentile intervals, and curves with bands.

use serde::{Deserialize, Serialize};

use super::cautions::few_of_a_class;
use super::cluster;
use super::decision::{DecisionPoint, THRESHOLDS, interventions_avoided, treat_all};
use super::exam::ExamColumns;
use super::interval::{Estimate, Interval};
use super::options::Options;
use super::partial_auc::{PARTIAL_SPECIFICITY, PartialAuc, standardised};
use super::precision::{PrecisionRecallPoint, precision_recall};
use super::resampling::{Resampling, bias_corrected_interval, percentile_interval};
use super::sweep::{CohortMetrics, RankedExams, rate_of, recall_of};

/// The ROC curve at one false positive rate, with its pointwise interval over resampled patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandPoint {
    /// 1 − specificity.
    pub false_positive_rate: f64,
    /// Sensitivity.
    pub true_positive_rate: f64,
    /// Lower end of the sensitivity's interval.
    pub low: f64,
    /// Upper end of the sensitivity's interval.
    pub high: f64,
}

/// Precision at one recall, with its pointwise interval over resampled patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionBandPoint {
    /// Recall (sensitivity).
    pub recall: f64,
    /// Precision of the strictest threshold that reaches this recall.
    pub precision: f64,
    /// Lower end of the precision's interval.
    pub low: f64,
    /// Upper end of the precision's interval.
    pub high: f64,
}

/// Points of all curves; an undefined curve is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// The ROC curve at false positive rates of 0, 0.01, …, 1.
    pub roc_band: Vec<BandPoint>,
    /// Precision and recall.
    pub precision_recall: Vec<PrecisionRecallPoint>,
    /// Precision at recalls of 0.01, …, 1.
    pub precision_band: Vec<PrecisionBandPoint>,
    /// Net benefit at thresholds from 0.001 to 0.99, which are closest where they are small.
    pub decision: Vec<DecisionPoint>,
}

/// Metrics of the exams, and of every bootstrap replicate.
pub(super) struct ResampledMetrics {
    sample: CohortMetrics,
    replicates: Vec<CohortMetrics>,
    level: f64,
    /// Why there are no replicates, where the exams do not allow them.
    reason: Option<String>,
}

impl ResampledMetrics {
    /// Metrics of at least one exam, with finite log-odds and probabilities in [0, 1].
    pub(crate) fn of(exams: &ExamColumns, options: &Options) -> Self {
        Self::weighted(exams, None, options)
    }

    /// [`ResampledMetrics::of`] weighted exams; `weights` is `[exam]`.
    pub(crate) fn weighted(
        exams: &ExamColumns,
        weights: Option<&[f64]>,
        options: &Options,
    ) -> Self {
        let ExamColumns { logits, probabilities, labels, patients } = exams;
        let (low, high) = PARTIAL_SPECIFICITY;
        let partial = (1.0 - high, 1.0 - low);
        let ranked = RankedExams::new(logits, probabilities, labels, patients, weights, partial);
        let reason = few_of_a_class(labels, Some(patients)).map(|few| {
            format!("no bootstrap interval: {few}, too few for its coverage to be near its level")
        });
        let replicates = if reason.is_none() { options.bootstrap_replicates } else { 0 };
        let patients = cluster::count(patients);
        Self {
            sample: ranked.metrics(&vec![1; patients]),
            replicates: Resampling::new(patients, options.seed)
                .replicates(replicates, |draws| ranked.metrics(draws)),
            level: options.level,
            reason: reason.filter(|_| options.bootstrap_replicates > 0),
        }
    }

    /// Why there are no bootstrap intervals; `None` when there are, or when none were asked for.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// AUCs of the replicates that have both classes.
    pub(crate) fn aucs(&self) -> Vec<f64> {
        self.replicates.iter().filter_map(|metrics| metrics.auc).collect()
    }

    /// The percentile interval of a metric over the replicates in which it is defined.
    fn interval(&self, metric: impl Fn(&CohortMetrics) -> Option<f64>) -> Option<Interval> {
        let values = self.replicates.iter().filter_map(metric);
        // A share of the positive exams is not finite in a replicate without any.
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        percentile_interval(&values, self.level)
    }

    /// A metric of the sample with its interval over the replicates. The interval is corrected for bias where
    /// the metric of resampled exams is biased.
    fn estimate_with(
        &self,
        metric: impl Fn(&CohortMetrics) -> Option<f64>,
        is_biased: bool,
    ) -> Estimate {
        let Some(value) = metric(&self.sample) else {
            return Estimate::undefined("one class only");
        };
        let values: Vec<f64> = self.replicates.iter().filter_map(metric).collect();
        let interval = if is_biased && values.iter().any(|replicate| *replicate != value) {
            bias_corrected_interval(&values, value, self.level)
        } else {
            percentile_interval(&values, self.level)
        };
        // Rounding may move the ends of an interval without width past the estimate.
        let contains =
            |interval: &Interval| interval.low - 1e-12 <= value && value <= interval.high + 1e-12;
        let interval = interval.filter(contains);
        let excluded =
            || "no interval: that over resampled patients excludes the estimate".to_owned();
        let reason = match interval {
            None if values.len() > 1 => Some(excluded()),
            _ => self.reason.clone(),
        };
        Estimate { value: Some(value), interval, reason }.if_finite()
    }

    /// A metric of the sample with its percentile interval over the replicates.
    pub(crate) fn estimate(&self, metric: impl Fn(&CohortMetrics) -> Option<f64>) -> Estimate {
        self.estimate_with(metric, false)
    }

    /// Average precision; that of resampled exams is too high, because repeated exams are ties.
    pub(crate) fn average_precision(&self) -> Estimate {
        self.estimate_with(|metrics| metrics.average_precision, true)
    }

    /// Mean cross-entropy.
    pub(crate) fn cross_entropy(&self) -> Estimate {
        self.estimate(|metrics| Some(metrics.cross_entropy))
    }

    /// The partial AUC, raw and standardised.
    pub(crate) fn partial_auc(&self) -> PartialAuc {
        PartialAuc {
            area: self.estimate(|metrics| metrics.partial_auc),
            standardised: self.estimate(|metrics| metrics.partial_auc.map(standardised)),
            ..PartialAuc::default()
        }
    }

    /// Brier score.
    pub(crate) fn brier(&self) -> Estimate {
        self.estimate(|metrics| Some(metrics.brier))
    }

    /// The points of all curves; bands need replicates.
    pub(crate) fn curves(&self, exams: &ExamColumns) -> Curves {
        let positives = exams.labels.iter().filter(|&&label| label).count();
        let band = self.sample.band.iter().enumerate().filter_map(|(index, &height)| {
            let interval = self.interval(|metrics| metrics.band.get(index).copied())?;
            Some(BandPoint {
                false_positive_rate: rate_of(index),
                true_positive_rate: height,
                low: interval.low.min(height),
                high: interval.high.max(height),
            })
        });
        let precision =
            self.sample.precision_band.iter().enumerate().filter_map(|(index, &height)| {
                let interval =
                    self.interval(|metrics| metrics.precision_band.get(index).copied())?;
                Some(PrecisionBandPoint {
                    recall: recall_of(index),
                    precision: height,
                    low: interval.low.min(height),
                    high: interval.high.max(height),
                })
            });
        let has_both_classes = positives > 0 && positives < exams.labels.len();
        Curves {
            roc_band: band.collect(),
            precision_band: precision.collect(),
            precision_recall: precision_recall(exams.logits, exams.labels),
            decision: if has_both_classes { self.decision() } else { Vec::new() },
        }
    }

    /// The decision curve of exams of both classes.
    fn decision(&self) -> Vec<DecisionPoint> {
        let point = |(index, threshold): (usize, f64)| {
            // A metric of a cohort with its interval, which contains it despite rounding.
            let with_interval = |metric: &dyn Fn(f64, f64) -> f64| {
                let of = |cohort: &CohortMetrics| {
                    Some(metric(*cohort.net_benefit.get(index)?, cohort.prevalence))
                };
                let value = of(&self.sample)?;
                let interval = self.interval(of);
                let low = interval.map(|interval| interval.low.min(value));
                Some((value, low, interval.map(|interval| interval.high.max(value))))
            };
            let (net_benefit, low, high) = with_interval(&|benefit, _| benefit)?;
            let standardised = with_interval(&|benefit, prevalence| benefit / prevalence)?;
            let avoided = with_interval(&|benefit, prevalence| {
                interventions_avoided(benefit, threshold, prevalence)
            })?;
            Some(DecisionPoint {
                threshold,
                net_benefit,
                low,
                high,
                treat_all: treat_all(threshold, self.sample.prevalence),
                standardised: Some(standardised.0),
                standardised_low: standardised.1,
                standardised_high: standardised.2,
                interventions_avoided: Some(avoided.0),
                interventions_avoided_low: avoided.1,
                interventions_avoided_high: avoided.2,
            })
        };
        THRESHOLDS.enumerate().filter_map(point).collect()
    }
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
