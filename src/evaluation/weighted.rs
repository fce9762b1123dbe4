//! Figures of a population from a sample that was not drawn evenly: every exam counts by its weight,
//! the inverse of its chance to be drawn (Horvitz & Thompson 1952).
//!
//! Intervals are percentiles over resampled patients who bring their weights. DeLong's variance does
//! not know of weights, and is not given.

use serde::{Deserialize, Serialize};

use super::curves::{Exams, Resampled};
use super::{Estimate, Options};

/// Weighted figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weighted {
    /// The column that the weights come from.
    pub column: String,
    /// As many evenly drawn exams would tell as much of a mean: `(Σw)² / Σw²` (Kish 1965).
    pub effective_exams: f64,
    /// The same of positive exams.
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

/// Kish's effective size of weights; 0 where all are 0.
fn effective_size(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The figures of exams (at least one) by weights that are finite and not negative.
pub(super) fn figures(column: &str, weights: &[f64], exams: &Exams, options: &Options) -> Weighted {
    let of_positives = weights.iter().zip(exams.labels).filter(|(_, label)| **label);
    let positive: Vec<f64> = of_positives.map(|(weight, _)| *weight).collect();
    let total: f64 = weights.iter().sum();
    let mut found = Weighted {
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
        let resampled = Resampled::weighted(exams, Some(weights), options);
        found.auc = resampled.estimate(|figures| figures.auc);
        found.average_precision = resampled.estimate(|figures| figures.average_precision);
        found.brier = resampled.estimate(|figures| Some(figures.brier).filter(|v| v.is_finite()));
        found.cross_entropy =
            resampled.estimate(|figures| Some(figures.cross_entropy).filter(|v| v.is_finite()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Y, Z};
    use super::super::{Scored, evaluate};
    use super::*;

    fn exams() -> Vec<Scored> {
        (0..200)
            .map(|place| Scored {
                patient_id: place.to_string(),
                exam_id: place.to_string(),
                label: Y[place] == 1,
                logit: Z[place],
                probability: 1.0 / (1.0 + (-Z[place]).exp()),
            })
            .collect()
    }

    fn weighted(weights: Vec<f64>) -> Weighted {
        let weights = Some(("sampling_weight".to_owned(), weights));
        let options = Options { bootstrap_replicates: 200, weights, ..Options::default() };
        evaluate(&exams(), &options).weighted.unwrap()
    }

    #[test]
    fn equals_scikit_learn_with_sample_weight() {
        let found = weighted((0..200).map(|place| f64::from(1 + place % 5)).collect());
        // scikit-learn 1.9: roc_auc_score, average_precision_score, brier_score_loss, log_loss
        for (figure, expected) in [
            (&found.auc, 0.7381423611111111),
            (&found.average_precision, 0.6624057001711562),
            (&found.brier, 0.22054665736523263),
            (&found.cross_entropy, 0.6521336295639459),
        ] {
            let value = figure.value.unwrap();
            assert!((value - expected).abs() < 1e-12, "{value} {expected}");
            let interval = figure.interval.unwrap();
            assert!(interval.low < value && value < interval.high);
        }
        assert!((found.effective_exams - 163.63636363636363).abs() < 1e-9);
    }

    #[test]
    fn equal_weights_change_nothing_and_none_say_so() {
        let options = Options { bootstrap_replicates: 200, ..Options::default() };
        let (plain, found) = (evaluate(&exams(), &options), weighted(vec![0.25; 200]));
        assert!((found.auc.value.unwrap() - plain.auc.value.unwrap()).abs() < 1e-12);
        let low = |estimate: &Estimate| estimate.interval.unwrap().low;
        assert!((low(&found.brier) - low(&plain.calibration.brier)).abs() < 1e-12);
        assert!((found.effective_exams - 200.0).abs() < 1e-9);
        assert_eq!(weighted(vec![0.0; 200]).auc.reason.unwrap(), "all weights are 0");
    }
}
