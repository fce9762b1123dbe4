//! Weighted metrics: metrics of a population from a sample with unequal sampling probabilities. The weight of
//! an exam is the inverse of its sampling probability (Horvitz & Thompson 1952).
//!
//! Intervals are percentiles over resampled patients, whose exams keep their weights. There is no DeLong
//! interval, because DeLong's variance has no weights.

use serde::{Deserialize, Serialize};

use super::curves::ResampledMetrics;
use super::exam::ExamColumns;
use super::interval::Estimate;
use super::options::Options;

/// Weighted metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightedMetrics {
    /// The column of the weights.
    pub column: String,
    /// Kish's effective sample size `(Σw)² / Σw²` (Kish 1965): the number of equally weighted exams with the
    /// same variance of a mean.
    pub effective_exams: f64,
    /// Effective sample size of the positive exams.
    pub effective_positives: f64,
    /// Weighted share of positive exams.
    pub prevalence: Option<f64>,
    /// AUC.
    pub auc: Estimate,
    /// Average precision.
    pub average_precision: Estimate,
    /// Brier score.
    pub brier: Estimate,
    /// Cross-entropy.
    pub cross_entropy: Estimate,
}

/// Kish's effective sample size; 0 when all weights are 0.
fn effective_size(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Weighted metrics of `exams` (at least one); weights must be finite and not negative.
pub(super) fn metrics(
    column: &str,
    weights: &[f64],
    exams: &ExamColumns,
    options: &Options,
) -> WeightedMetrics {
    let of_positives = weights.iter().zip(exams.labels).filter(|(_, label)| **label);
    let positive: Vec<f64> = of_positives.map(|(weight, _)| *weight).collect();
    let total: f64 = weights.iter().sum();
    let mut metrics = WeightedMetrics {
        column: column.to_owned(),
        effective_exams: effective_size(weights.iter().copied()),
        effective_positives: effective_size(positive.iter().copied()),
        prevalence: (total > 0.0).then(|| positive.iter().sum::<f64>() / total),
        auc: Estimate::undefined("all weights are 0"),
        average_precision: Estimate::undefined("all weights are 0"),
        brier: Estimate::undefined("all weights are 0"),
        cross_entropy: Estimate::undefined("all weights are 0"),
    };
    if total > 0.0 {
        let resampled = ResampledMetrics::weighted(exams, Some(weights), options);
        metrics.auc = resampled.estimate(|cohort| cohort.auc);
        metrics.average_precision = resampled.average_precision();
        metrics.brier = resampled.estimate(|cohort| Some(cohort.brier).filter(|v| v.is_finite()));
        metrics.cross_entropy =
            resampled.estimate(|cohort| Some(cohort.cross_entropy).filter(|v| v.is_finite()));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Y, Z};
    use super::super::{ScoredExam, evaluate};
    use super::*;

    fn exams() -> Vec<ScoredExam> {
        (0..200)
            .map(|index| ScoredExam {
                patient_id: index.to_string(),
                exam_id: index.to_string(),
                label: Y[index] == 1,
                logit: Z[index],
                probability: 1.0 / (1.0 + (-Z[index]).exp()),
            })
            .collect()
    }

    fn weighted(weights: Vec<f64>) -> WeightedMetrics {
        let weights = Some(("sampling_weight".to_owned(), weights));
        let options = Options { bootstrap_replicates: 200, weights, ..Options::default() };
        evaluate(&exams(), &options).weighted.unwrap()
    }

    #[test]
    fn equals_scikit_learn_with_sample_weight() {
        let metrics = weighted((0..200).map(|index| f64::from(1 + index % 5)).collect());
        // scikit-learn 1.9: roc_auc_score, average_precision_score, brier_score_loss, log_loss
        for (estimate, expected) in [
            (&metrics.auc, 0.7381423611111111),
            (&metrics.average_precision, 0.6624057001711562),
            (&metrics.brier, 0.22054665736523263),
            (&metrics.cross_entropy, 0.6521336295639459),
        ] {
            let value = estimate.value.unwrap();
            assert!((value - expected).abs() < 1e-12, "{value} {expected}");
            let interval = estimate.interval.unwrap();
            assert!(interval.low < value && value < interval.high);
        }
        assert!((metrics.effective_exams - 163.63636363636363).abs() < 1e-9);
    }

    #[test]
    fn equal_weights_change_nothing_and_zero_weights_give_a_reason() {
        let options = Options { bootstrap_replicates: 200, ..Options::default() };
        let (plain, weighted_equally) = (evaluate(&exams(), &options), weighted(vec![0.25; 200]));
        assert!((weighted_equally.auc.value.unwrap() - plain.auc.value.unwrap()).abs() < 1e-12);
        let low = |estimate: &Estimate| estimate.interval.unwrap().low;
        assert!((low(&weighted_equally.brier) - low(&plain.calibration.brier)).abs() < 1e-12);
        assert!((weighted_equally.effective_exams - 200.0).abs() < 1e-9);
        assert_eq!(weighted(vec![0.0; 200]).auc.reason.unwrap(), "all weights are 0");
    }
}
