//! The network's opinion of exams.

use super::batches::{Purpose, Reading, read_ahead};
use super::footprint::{DeviceFailure, advice, guarded, step_bytes};
use super::objective::Objective;
use super::order::Draw;
use super::replicas::Replicas;
use super::windowing::Windowing;
use super::{Batch, Exam, TrainingError, Watch};
use crate::evaluation;
use crate::model::I3d;
use crate::results::{MetricsRow, PredictionRow};
use crate::spec::{Part, Spec};
use burn::tensor::Device;
use burn::train::InferenceStep;

/// One exam's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Place in the list of exams that was given.
    pub exam: usize,
    /// The two logits.
    pub logits: [f64; 2],
}

impl Scored {
    /// Log-odds of cancer.
    pub fn log_odds(&self) -> f64 {
        self.logits[1] - self.logits[0]
    }

    /// Probability of cancer.
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds()).exp())
    }

    /// The row of a predictions file.
    pub fn row(&self, exams: &[Exam]) -> PredictionRow {
        let exam = &exams[self.exam];
        PredictionRow {
            exam: exam.exam.clone(),
            patient: exam.patient.clone(),
            series: exam.series.clone(),
            label: exam.label,
            logit: self.log_odds(),
            probability: self.probability(),
        }
    }
}

/// Scores exams in evaluation mode: dropout off, moving statistics. The network is on the first of
/// the devices, and all share the work. Results are in the order of the exams, whatever the batch
/// size and the number of devices.
pub fn score(
    network: &I3d,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    watch: &dyn Watch,
) -> Result<Vec<Scored>, TrainingError> {
    let scored = score_until(network, spec, exams, devices, watch, &|| false)?;
    Ok(scored.unwrap_or_default())
}

/// [`score`], or nothing once `stop` says so between two batches.
pub(super) fn score_until(
    network: &I3d,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    watch: &dyn Watch,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<Scored>>, TrainingError> {
    let draws: Vec<Draw> = (0..exams.len()).map(Draw::once).collect();
    let order = draws.chunks(spec.train.batch_size).map(<[Draw]>::to_vec).collect();
    let windowing = Windowing::of(&devices[0]);
    let reading = Reading { spec, exams, purpose: Purpose::Score, windowing };
    // Its loss is of no interest here.
    let objective = Objective::new(spec, &[]);
    let replicas = Replicas::new(network, devices);
    std::thread::scope(|scope| {
        let mut batches = read_ahead(scope, reading, order);
        let mut scored = Vec::with_capacity(exams.len());
        loop {
            if stop() {
                return Ok(None);
            }
            let hosts = batches.by_ref().take(devices.len()).collect::<Result<Vec<_>, _>>()?;
            if hosts.is_empty() {
                return Ok(Some(scored));
            }
            let work = hosts.into_iter().zip(devices).collect();
            let all = replicas.each(work, |network, (host, device)| {
                let places = host.exams.clone();
                let labels = places.iter().map(|place| usize::from(exams[*place].label)).collect();
                let batch = Batch::new(host, labels, objective, spec, device);
                let scores = guarded(|| InferenceStep::step(network, batch).0)?;
                Ok((places, scores.logits))
            });
            for scores in all {
                let (places, logits) = scores.map_err(|failure| match failure {
                    DeviceFailure::OutOfMemory(words) => {
                        let bytes = step_bytes(spec, network.parameter_count());
                        TrainingError::OutOfMemoryScoring { words, advice: advice(spec, bytes) }
                    }
                    DeviceFailure::Other(words) => TrainingError::Device { words },
                })?;
                watch.exams_scored(places.len());
                let pairs = places.into_iter().zip(logits);
                scored.extend(pairs.map(|(exam, logits)| Scored { exam, logits }));
            }
        }
    })
}

/// The row of `metrics.csv` for scored exams.
pub(super) fn metrics_row(
    scored: &[Scored],
    exams: &[Exam],
    objective: &Objective,
    (epoch, split): (usize, Part),
    learning_rate: f64,
) -> MetricsRow {
    let label = |one: &Scored| exams[one.exam].label;
    let count = scored.len().max(1) as f64;
    let losses = scored.iter().map(|one| objective.of_exam(&one.logits, usize::from(label(one))));
    let right = scored.iter().filter(|one| (one.log_odds() > 0.0) == (label(one) == 1)).count();
    let odds: Vec<f64> = scored.iter().map(Scored::log_odds).collect();
    let labels: Vec<bool> = scored.iter().map(|one| label(one) == 1).collect();
    let auc = evaluation::auc_with_interval(&odds, &labels, 0.95);
    let interval = auc.interval.as_ref();
    let probabilities: Vec<f64> = scored.iter().map(Scored::probability).collect();
    MetricsRow {
        epoch,
        split,
        loss: losses.sum::<f64>() / count,
        accuracy: right as f64 / count,
        auc: auc.value,
        auc_low: interval.map(|interval| interval.low),
        auc_high: interval.map(|interval| interval.high),
        learning_rate,
        average_precision: evaluation::average_precision(&odds, &labels),
        brier: evaluation::brier(&probabilities, &labels),
    }
}
