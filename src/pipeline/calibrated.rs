//! The map from log-odds to calibrated probabilities of a run, stored as `calibration.json`.

use lungs_base::text::counted;
use lungs_report::SplitRisks;
use lungs_spec::results::{PredictionRow, ResultsError, RunFolder};
use lungs_spec::spec::{Recalibrate, SplitName};
use lungs_stats::{Calibrator, RiskCalibrator, RiskMapMethod};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The content of `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredCalibration {
    /// Method of the spec.
    #[serde(rename = "wanted")]
    pub method: Recalibrate,
    /// The split that the map was fitted on.
    pub fitted_on: SplitName,
    /// The epoch of the predictions.
    pub epoch: usize,
    /// Number of exams that the map was fitted on.
    pub exams: usize,
    /// Number of positive exams among them.
    pub positives: usize,
    /// The map; `None` if it could not be fitted.
    pub calibrator: Option<Calibrator>,
    /// Reason of a missing map.
    pub reason: Option<String>,
    /// The maps of the risks of several years; `None` for a binary outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risks: Option<StoredRiskMaps>,
}

/// The maps of the risks of several years, fitted on the same split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRiskMaps {
    /// Number of exams with follow-up that the maps were fitted on.
    pub exams: usize,
    /// Number of exams with cancer among them, at any time.
    pub cancers: usize,
    /// The maps; `None` if one could not be fitted.
    pub calibrator: Option<RiskCalibrator>,
    /// Reason of missing maps.
    pub reason: Option<String>,
}

impl StoredRiskMaps {
    fn fit(method: RiskMapMethod, risks: &SplitRisks) -> Self {
        let (calibrator, reason) = match risks.calibrator(method) {
            Ok(calibrator) => (Some(calibrator), None),
            Err(reason) => (None, Some(reason)),
        };
        let (exams, cancers) = (risks.outcomes.len(), risks.outcomes.event_count());
        Self { exams, cancers, calibrator, reason }
    }
}

impl StoredCalibration {
    /// The map of a run; `None` with `evaluate.recalibrate = "none"`.
    pub fn read(run: &RunFolder) -> Result<Option<Self>, ResultsError> {
        Self::read_file(&run.calibration_file())
    }

    /// The map in a file; `None` if the file does not exist.
    pub fn read_file(path: &Path) -> Result<Option<Self>, ResultsError> {
        if !path.is_file() {
            return Ok(None);
        }
        let read = || -> Result<Self, String> {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        };
        read().map(Some).map_err(|message| ResultsError::Read { path: path.to_owned(), message })
    }

    /// Fits the map of a method on the predictions of the validation split, and those of its `risks`; `None` with
    /// [`Recalibrate::None`].
    pub(super) fn fit(
        method: Recalibrate,
        epoch: usize,
        rows: &[PredictionRow],
        risks: Option<&SplitRisks>,
    ) -> Option<Self> {
        let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
        let result = match method {
            Recalibrate::None => return None,
            _ if logits.iter().any(|logit| !logit.is_finite()) => {
                Err("some predictions are not finite numbers".to_owned())
            }
            Recalibrate::Platt => Calibrator::platt(&logits, &labels),
            Recalibrate::Isotonic => Calibrator::isotonic(&logits, &labels, None),
        };
        let (calibrator, reason) = match result {
            Ok(calibrator) => (Some(calibrator), None),
            Err(reason) => (None, Some(reason)),
        };
        Some(Self {
            method,
            fitted_on: SplitName::Valid,
            epoch,
            exams: rows.len(),
            positives: labels.iter().filter(|&&label| label).count(),
            calibrator,
            reason,
            risks: risks.map(|risks| {
                let method = match method {
                    Recalibrate::Isotonic => RiskMapMethod::Isotonic,
                    _ => RiskMapMethod::Platt,
                };
                StoredRiskMaps::fit(method, risks)
            }),
        })
    }

    /// The maps of the risks of several years.
    pub fn risk_calibrator(&self) -> Option<&RiskCalibrator> {
        self.risks.as_ref()?.calibrator.as_ref()
    }

    /// A note about missing maps of risks.
    pub(super) fn note_of_risks(&self) -> Option<String> {
        let reason = self.risks.as_ref()?.reason.as_ref()?;
        Some(format!(
            "evaluate.recalibrate: no maps of the risks could be fitted on the validation split: {reason}"
        ))
    }

    /// The calibrated probability of log-odds; `None` without a map.
    pub fn probability(&self, logit: f64) -> Option<f64> {
        self.calibrator.as_ref().map(|map| map.probability(logit))
    }

    /// A sentence about calibrated probabilities, for the run at `path`.
    pub(super) fn sentence(&self, path: &Path) -> String {
        let path = path.display();
        match &self.calibrator {
            Some(map) => format!(
                "calibrated_probability: by {}, fitted on {} ({} positive) of {path}",
                map.name(),
                counted(self.exams, "validation exam", "validation exams"),
                self.positives
            ),
            None => format!(
                "no calibrated_probability: {path} has no calibration map: {}",
                self.reason.as_deref().unwrap_or("unknown reason")
            ),
        }
    }

    /// A note about the map for the metrics of a split.
    pub(super) fn note(&self, split: SplitName) -> String {
        match (&self.calibrator, &self.reason, split) {
            (None, reason, _) => format!(
                "evaluate.recalibrate: no map could be fitted on the validation split: {}",
                reason.as_deref().unwrap_or("unknown reason")
            ),
            (Some(map), _, SplitName::Test | SplitName::External) => format!(
                "`recalibrated` uses {}, fitted on {} ({} positive); all other metrics use \
                 uncalibrated probabilities",
                map.name(),
                counted(self.exams, "validation exam", "validation exams"),
                self.positives
            ),
            (Some(map), _, _) => format!(
                "{} was fitted on these exams; only a test split shows its effect on calibration",
                map.name()
            ),
        }
    }
}
