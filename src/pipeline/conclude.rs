//! Scored → figures: `evaluation.json`, `calibration.json` and the curves, from predictions alone.

use super::PipelineError;
use super::columns::Columns;
use crate::evaluation::{
    Calibrator, ChosenOn, Evaluation, Fitted, Options, Rule, Scored, evaluate_with_curves,
};
use crate::report;
use crate::results::{PredictionRow, ResultsError, RunFolder, read_csv, write_csv};
use crate::spec::{Part, Recalibrate, Spec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        let path = run.calibration_file();
        if !path.is_file() {
            return Ok(None);
        }
        let read = || -> Result<Self, String> {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        };
        read().map(Some).map_err(|message| ResultsError::Read { path: path.clone(), message })
    }

    fn fit(wanted: Recalibrate, epoch: usize, exams: &[Scored]) -> Option<Self> {
        let logits: Vec<f64> = exams.iter().map(|exam| exam.logit).collect();
        let labels: Vec<bool> = exams.iter().map(|exam| exam.label).collect();
        let fitted = match wanted {
            _ if logits.iter().any(|logit| !logit.is_finite()) => {
                Err("some predictions are not finite numbers".to_owned())
            }
            Recalibrate::None => return None,
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
            exams: exams.len(),
            positives: labels.iter().filter(|&&label| label).count(),
            calibrator,
            reason,
        })
    }
}

/// Writes the figures of the selected epoch and the curves behind them.
pub(super) fn conclude(spec: &Spec, run: &RunFolder, selected: usize) -> Result<(), PipelineError> {
    let mut parts = BTreeMap::<String, Evaluation>::new();
    let mut calibration = None;
    let columns = Columns::read(spec, run)?;
    for part in [Part::Valid, Part::Test] {
        let path = run.predictions(part, selected);
        if !path.is_file() {
            continue;
        }
        let rows: Vec<PredictionRow> = read_csv(&path)?;
        let series: Vec<&str> = rows.iter().map(|row| row.series.as_str()).collect();
        let mut options = options(spec);
        options.groupings = columns.groupings(spec, &series);
        options.weights = columns.weights(spec, &series)?;
        let scored: Vec<Scored> = rows.into_iter().map(scored).collect();
        if part == Part::Valid {
            calibration = KeptCalibration::fit(spec.evaluate.recalibrate, selected, &scored);
            if let Some(calibration) = &calibration {
                write_json(&run.calibration_file(), calibration)?;
            }
        } else {
            options.calibrator = calibration.as_ref().and_then(|kept| {
                let on = kept.fitted_on.to_string();
                Some(Fitted { on, calibrator: kept.calibrator.clone()? })
            });
            options.validated = parts.values().flat_map(chosen_thresholds).collect();
        }
        let (mut figures, curves) = evaluate_with_curves(&scored, &options);
        if let Some(kept) = &calibration {
            figures.notes.push(told(kept, part));
        }
        write_csv(&run.curve(part, "roc"), &curves.roc_band)?;
        write_csv(&run.curve(part, "precision-recall"), &curves.precision_recall)?;
        write_csv(&run.curve(part, "decision"), &curves.decision)?;
        parts.insert(part.to_string(), figures);
    }
    write_json(&run.evaluation_file(), &report::Summary { selected_epoch: selected, parts })
}

/// What the spec wants of every part.
fn options(spec: &Spec) -> Options {
    let mut options = Options {
        seed: spec.experiment.seed,
        prevalence: spec.evaluate.prevalence,
        ..Options::default()
    };
    if let Some(threshold) = spec.evaluate.threshold {
        options.rules.retain(|rule| *rule != Rule::Probability(threshold));
        options.rules.insert(0, Rule::Probability(threshold));
    }
    options
}

/// Thresholds that a part's exams have chosen.
fn chosen_thresholds(figures: &Evaluation) -> Vec<(Rule, f64)> {
    let chosen = figures.operating_points.iter();
    let chosen = chosen.filter(|point| point.chosen_on == ChosenOn::TheseExams);
    chosen.filter_map(|point| Some((point.rule, point.threshold_logit?))).collect()
}

/// What a reader of a part's figures is to know of the map.
fn told(kept: &KeptCalibration, part: Part) -> String {
    match (&kept.calibrator, &kept.reason, part) {
        (None, reason, _) => format!(
            "evaluate.recalibrate: no map could be fitted on the validation part: {}",
            reason.as_deref().unwrap_or("no reason is known")
        ),
        (Some(map), _, Part::Test) => format!(
            "`recalibrated` is by {}, fitted on {} validation exams ({} positive); all other \
             figures are of the network's own probabilities",
            map.name(),
            kept.exams,
            kept.positives
        ),
        (Some(map), _, _) => format!(
            "{} was fitted on these exams: what it does to calibration shows on a test part only",
            map.name()
        ),
    }
}

fn write_json(path: &std::path::Path, value: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_string_pretty(value).expect("plain data always has a JSON form");
    Ok(crate::files::write_bytes(path, (text + "\n").as_bytes())?)
}

fn scored(row: PredictionRow) -> Scored {
    Scored {
        patient_id: row.patient,
        exam_id: row.exam,
        label: row.label == 1,
        logit: row.logit,
        probability: row.probability,
    }
}
