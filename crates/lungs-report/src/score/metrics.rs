//! All metrics of one model by name: the rows of the table, of the page and of the JSON object.

use super::super::digits;
use lungs_stats::{Estimate, Evaluation, Interval, Proportion, WeightedMetrics};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A metric with the ends of its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// The value; `None` if it is undefined.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Numerator and denominator of a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<[usize; 2]>,
    /// Why the value or its interval is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Metric {
    fn new(value: Option<f64>, interval: Option<Interval>, reason: Option<String>) -> Self {
        let (low, high) = (interval.map(|it| it.low), interval.map(|it| it.high));
        Self { value, low, high, counts: None, reason }
    }

    /// `0.843 (0.790–0.885)`, `0.800 (0.652–0.895) 32 of 40`, or the reason why the metric is undefined.
    pub fn text(&self) -> String {
        let Some(value) = self.value else {
            return format!("undefined: {}", self.reason.as_deref().unwrap_or("no value"));
        };
        let interval = match (self.low, self.high) {
            (Some(low), Some(high)) => format!(" ({})", digits::three_decimals(low, high)),
            _ => String::new(),
        };
        let counts = self.counts.map_or(String::new(), |[part, all]| format!(" {part} of {all}"));
        format!("{}{interval}{counts}", digits::fixed(value, 3))
    }
}

impl Metric {
    /// The text in a table; `–` if the reason is that of all undefined metrics of the model, which is a warning.
    pub(super) fn cell(&self, reason_of_model: Option<&str>) -> String {
        if self.value.is_none()
            && self.reason.is_some()
            && self.reason.as_deref() == reason_of_model
        {
            return "–".to_owned();
        }
        self.text()
    }
}

impl From<&Estimate> for Metric {
    fn from(estimate: &Estimate) -> Self {
        Self::new(estimate.value, estimate.interval, estimate.reason.clone())
    }
}

impl From<&Proportion> for Metric {
    fn from(share: &Proportion) -> Self {
        let counts = share.value.map(|_| [share.successes, share.total]);
        Self { counts, ..Self::new(share.value, share.interval, share.reason.clone()) }
    }
}

/// A metric with its names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedMetric {
    /// Name in JSON: `average_precision`.
    pub key: &'static str,
    /// Name in tables: `average precision`.
    pub name: &'static str,
    /// The metric.
    pub metric: Metric,
}

/// Metrics in the order of tables; as JSON, an object with the metrics by their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(pub Vec<NamedMetric>);

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for NamedMetric { key, metric, .. } in &self.0 {
            map.serialize_entry(key, metric)?;
        }
        map.end()
    }
}

impl Metrics {
    /// The metrics of an evaluation, without those of thresholds and subgroups.
    pub(super) fn of(evaluation: &Evaluation) -> Self {
        let auc = &evaluation.auc;
        let calibration = &evaluation.calibration;
        let metrics = [
            ("auc", "AUC", Metric::new(auc.value, auc.interval, auc.reason.clone())),
            (
                "auc_bootstrap",
                "AUC, bootstrap interval",
                Metric::new(
                    auc.value,
                    auc.bootstrap_interval,
                    auc.reason.clone().or_else(|| auc.bootstrap_reason.clone()),
                ),
            ),
            (
                "partial_auc_standardised",
                "partial AUC at specificity ≥ 0.9, standardised",
                (&evaluation.partial_auc.standardised).into(),
            ),
            ("average_precision", "average precision", (&evaluation.average_precision).into()),
            ("accuracy", "accuracy at p > 0.5", (&evaluation.accuracy).into()),
            ("cross_entropy", "cross-entropy", (&evaluation.cross_entropy).into()),
            ("brier", "Brier score", (&calibration.brier).into()),
            (
                "brier_of_prevalence",
                "Brier score of predicting the prevalence",
                (&calibration.brier_of_prevalence).into(),
            ),
            (
                "expected_calibration_error",
                "calibration error",
                (&calibration.expected_calibration_error).into(),
            ),
            (
                "expected_calibration_error_debiased",
                "calibration error, debiased",
                (&calibration.expected_calibration_error_debiased).into(),
            ),
            ("calibration_slope", "calibration slope", (&calibration.slope).into()),
            ("calibration_intercept", "calibration intercept", (&calibration.intercept).into()),
            (
                "calibration_in_the_large",
                "calibration-in-the-large",
                (&calibration.in_the_large).into(),
            ),
            (
                "observed_expected",
                "observed / expected positive exams",
                (&calibration.observed_expected).into(),
            ),
            (
                "integrated_calibration_index",
                "integrated calibration index",
                (&calibration.smooth.integrated_calibration_index).into(),
            ),
            ("e50", "E50", (&calibration.smooth.e50).into()),
            ("e90", "E90", (&calibration.smooth.e90).into()),
            ("emax", "Emax", (&calibration.smooth.emax).into()),
        ];
        Self(metrics.map(|(key, name, metric)| NamedMetric { key, name, metric }).to_vec())
    }

    /// The weighted metrics.
    pub(super) fn of_weighted(weighted: &WeightedMetrics) -> Self {
        let plain = |value: Option<f64>| Metric::new(value, None, None);
        let metrics = [
            ("auc", "AUC", (&weighted.auc).into()),
            ("average_precision", "average precision", (&weighted.average_precision).into()),
            ("brier", "Brier score", (&weighted.brier).into()),
            ("cross_entropy", "cross-entropy", (&weighted.cross_entropy).into()),
            ("prevalence", "prevalence", plain(weighted.prevalence)),
            ("effective_exams", "effective number of exams", plain(Some(weighted.effective_exams))),
            (
                "effective_positives",
                "effective number of positive exams",
                plain(Some(weighted.effective_positives)),
            ),
        ];
        Self(metrics.map(|(key, name, metric)| NamedMetric { key, name, metric }).to_vec())
    }

    /// The metric with this key.
    pub fn get(&self, key: &str) -> Option<&Metric> {
        self.0.iter().find(|named| named.key == key).map(|named| &named.metric)
    }
}
