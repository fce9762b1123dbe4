//! The map from a run's log-odds to calibrated probabilities, as `calibration.json` keeps it.

use crate::evaluation::Calibrator;
use crate::results::{PredictionRow, ResultsError, RunFolder};
use crate::spec::{Part, Recalibrate};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What `calibration.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCalibration {
    /// What the spec asked for.
    pub wanted: Recalibrate,
    /// The part that the map was fitted on.
    pub fitted_on: Part,
    /// The epoch whose predictions it is for.
    pub epoch: usize,
    /// Exams that it was fitted on.
    pub exams: usize,
    /// Positive ones.
    pub positives: usize,
    /// The map; nothing where it could not be fitted.
    pub calibrator: Option<Calibrator>,
    /// Why it could not.
    pub reason: Option<String>,
}

impl KeptCalibration {
    /// The map of a run; nothing where its spec asks for none.
    pub fn read(run: &RunFolder) -> Result<Option<Self>, ResultsError> {
        Self::read_file(&run.calibration_file())
    }

    /// The map in a file; nothing where there is none.
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

    /// The map that a spec asks for, fitted on the validation part; nothing where it asks for none.
    pub(super) fn fit(wanted: Recalibrate, epoch: usize, rows: &[PredictionRow]) -> Option<Self> {
        let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row.label == 1).collect();
        let fitted = match wanted {
            Recalibrate::None => return None,
            _ if logits.iter().any(|logit| !logit.is_finite()) => {
                Err("some predictions are not finite numbers".to_owned())
            }
            Recalibrate::Platt => Calibrator::platt(&logits, &labels),
            Recalibrate::Isotonic => Calibrator::isotonic(&logits, &labels, None),
        };
        let (calibrator, reason) = match fitted {
            Ok(calibrator) => (Some(calibrator), None),
            Err(reason) => (None, Some(reason)),
        };
        Some(Self {
            wanted,
            fitted_on: Part::Valid,
            epoch,
            exams: rows.len(),
            positives: labels.iter().filter(|&&label| label).count(),
            calibrator,
            reason,
        })
    }

    /// The calibrated probability of log-odds; nothing without a map.
    pub fn probability(&self, logit: f64) -> Option<f64> {
        self.calibrator.as_ref().map(|map| map.probability(logit))
    }

    /// What a reader of a part's figures is to know of the map.
    pub(super) fn told(&self, part: Part) -> String {
        match (&self.calibrator, &self.reason, part) {
            (None, reason, _) => format!(
                "evaluate.recalibrate: no map could be fitted on the validation part: {}",
                reason.as_deref().unwrap_or("no reason is known")
            ),
            (Some(map), _, Part::Test) => format!(
                "`recalibrated` is by {}, fitted on {} validation exams ({} positive); all other \
                 figures are of the network's own probabilities",
                map.name(),
                self.exams,
                self.positives
            ),
            (Some(map), _, _) => format!(
                "{} was fitted on these exams: what it does to calibration shows on a test part only",
                map.name()
            ),
        }
    }
}
