//! Predictions of the network for exams.

use super::batches::{BatchReader, Purpose, read_ahead};
use super::classifier::Classifier;
use super::footprint::{DeviceFailure, advice, catch_panic, step_bytes};
use super::logits::ExamLogits;
use super::objective::Objective;
use super::order::Draw;
use super::replicas::Replicas;
use super::scanner::ScannerChange;
use super::survival::survival_metrics;
use super::windowing::Windowing;
use super::{Batch, Event, Exam, Observer, TrainingError};
use burn::tensor::Device;
use burn::train::InferenceStep;
use lungs_net::model::Network;
use lungs_spec::results::MetricsRow;
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats as evaluation;

/// Predicts exams in evaluation mode: no dropout, running statistics. The network is on the first
/// device, and all devices share the batches. Results are in the order of the exams, whatever the
/// batch size and the number of devices.
pub fn score(
    network: &Network,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    observe: &Observer,
) -> Result<Vec<ExamLogits>, TrainingError> {
    let logits = score_until(network, spec, exams, devices, observe, &|| false)?;
    Ok(logits.unwrap_or_default())
}

/// [`score`] after a change of every volume that a scanner could make.
pub fn score_changed(
    network: &Network,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    observe: &Observer,
    change: ScannerChange,
) -> Result<Vec<ExamLogits>, TrainingError> {
    let purpose = Purpose::Changed(change);
    let logits = score_for(purpose, network, spec, exams, devices, observe, &|| false)?;
    Ok(logits.unwrap_or_default())
}

/// [`score`], or `None` if `stop` returns true between two batches.
pub(super) fn score_until(
    network: &Network,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    observe: &Observer,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<ExamLogits>>, TrainingError> {
    score_for(Purpose::Score, network, spec, exams, devices, observe, stop)
}

fn score_for(
    purpose: Purpose,
    network: &Network,
    spec: &Spec,
    exams: &[Exam],
    devices: &[Device],
    observe: &Observer,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<ExamLogits>>, TrainingError> {
    let draws: Vec<Draw> = (0..exams.len()).map(Draw::once).collect();
    let order = draws.chunks(spec.train.batch_size).map(<[Draw]>::to_vec).collect();
    let windowing = Windowing::of(&devices[0]);
    let reader = BatchReader { spec, exams, purpose, windowing };
    // The loss is not used.
    let objective = &Objective::new(spec, &[]);
    let replicas = Replicas::new(network, devices);
    std::thread::scope(|scope| {
        let mut batches = read_ahead(scope, reader, order);
        let mut all_logits = Vec::with_capacity(exams.len());
        loop {
            if stop() {
                return Ok(None);
            }
            let hosts = batches.by_ref().take(devices.len()).collect::<Result<Vec<_>, _>>()?;
            if hosts.is_empty() {
                return Ok(Some(all_logits));
            }
            let work = hosts.into_iter().zip(devices).collect();
            let results = replicas.each(work, |network, (host, device)| {
                let indices = host.exams.clone();
                let targets = indices.iter().map(|exam| exams[*exam].target()).collect();
                let batch = Batch::new(host, targets, objective.clone(), spec, device);
                let output = catch_panic(|| InferenceStep::step(&Classifier(network), batch).0)?;
                Ok((indices, output.logits))
            });
            for result in results {
                let (indices, logits) = result.map_err(|failure| match failure {
                    DeviceFailure::OutOfMemory(message) => {
                        let bytes = step_bytes(spec, network.parameter_count());
                        let advice = advice(spec, bytes);
                        TrainingError::OutOfMemoryScoring { message, advice }
                    }
                    DeviceFailure::Other(message) => TrainingError::Device { message },
                })?;
                observe(&Event::ExamsScored(indices.len()));
                let pairs = indices.into_iter().zip(logits);
                all_logits.extend(pairs.map(|(exam, logits)| ExamLogits { exam, logits }));
            }
        }
    })
}

/// The row of `metrics.csv` for these exams' logits. With several horizons, the metrics of a probability are those
/// of the first horizon, over the exams whose status is known there.
pub(super) fn metrics_row(
    logits: &[ExamLogits],
    exams: &[Exam],
    spec: &Spec,
    objective: &Objective,
    (epoch, split): (usize, SplitName),
    learning_rate: f64,
) -> MetricsRow {
    let outcome = &spec.outcome;
    let losses =
        logits.iter().map(|exam| objective.of_exam(&exam.logits, exams[exam.exam].target()));
    let loss = losses.sum::<f64>() / logits.len().max(1) as f64;
    let known = logits.iter().filter(|exam| exams[exam.exam].has_known_label(outcome));
    let known: Vec<&ExamLogits> = known.collect();
    let label = |exam: &&ExamLogits| exams[exam.exam].label;
    let correct = known.iter().filter(|exam| (exam.log_odds() > 0.0) == label(exam)).count();
    let log_odds: Vec<f64> = known.iter().map(|exam| exam.log_odds()).collect();
    let labels: Vec<bool> = known.iter().map(label).collect();
    let patients = evaluation::repeated_patients(
        known.iter().map(|exam| exams[exam.exam].patient_id.as_str()),
    );
    let auc = evaluation::auc_with_interval(&log_odds, &labels, patients.as_deref(), 0.95);
    let interval = auc.interval.as_ref();
    let probabilities: Vec<f64> = known.iter().map(|exam| exam.probability()).collect();
    MetricsRow {
        epoch,
        split,
        loss,
        accuracy: correct as f64 / known.len().max(1) as f64,
        auc: auc.value,
        auc_low: interval.map(|interval| interval.low),
        auc_high: interval.map(|interval| interval.high),
        learning_rate,
        average_precision: evaluation::average_precision(&log_odds, &labels),
        brier: evaluation::brier(&probabilities, &labels),
        survival: survival_metrics(logits, exams, outcome),
    }
}
