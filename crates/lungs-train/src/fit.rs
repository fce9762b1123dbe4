//! The loop over epochs: train, validate, record, save, decide whether to continue.

use super::checkpoint::{self, Position};
use super::epoch::{Pause, TrainingContext, train_epoch};
use super::exam::Exam;
use super::initial::network;
use super::logits::ExamLogits;
use super::objective::Objective;
use super::recorder::Recorder;
use super::scoring::{metrics_row, score_until};
use super::state::{Completion, TrainingState};
use super::windowing::is_cpu;
use super::{Event, Observer, TrainingError, selected_epoch, stops_early};
use burn::tensor::Device;
use burn::train::Interrupter;
use lungs_net::model::{self, Network};
use lungs_net::usage::peak_memory_bytes;
use lungs_spec::results::{PredictionRow, RiskRow, RunFolder, TimingRow, write_csv, write_risks};
use lungs_spec::spec::{Spec, SplitName, weights_metadata};
use std::collections::BTreeMap;
use std::time::Instant;

/// Trains the spec's network in the run folder, from its latest checkpoint on.
///
/// Writes `metrics.csv`, `steps.csv`, `timings.csv`, `predictions/` and `checkpoints/`.
/// The devices are without gradients; `fit` enables them. The first holds the network, and all share
/// the batches of a step.
pub fn fit(
    spec: &Spec,
    (train, valid): (&[Exam], &[Exam]),
    run: &RunFolder,
    devices: &[Device],
    interrupter: &Interrupter,
    observe: &Observer,
) -> Result<Completion, TrainingError> {
    let mut state = TrainingState::restore(spec, run, &devices[0], observe)?;
    let events = spec.train.tensorboard.then(|| state.event_files(run));
    let recorder = Recorder::new(observe, devices, events);
    if !is_cpu(&devices[0]) {
        observe(&Event::Note(
            "the first step compiles the kernels for the GPU: about 90, once in each process",
        ));
    }
    let with_gradients: Vec<Device> =
        devices.iter().map(|device| device.clone().autodiff()).collect();
    let epochs = Epochs {
        training: TrainingContext {
            spec,
            exams: train,
            objective: Objective::new(spec, train),
            devices: &with_gradients,
            interrupter,
            observe: &|event: &Event| recorder.record_event(event),
        },
        valid,
        devices,
        run,
        metadata: weights_metadata(spec),
    };
    loop {
        if let Some(outcome) = epochs.outcome(&state) {
            return Ok(outcome);
        }
        let start = Instant::now();
        if !epochs.train(&mut state)? {
            return state.save_and_stop(run, spec, &epochs.metadata);
        }
        let train_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let Some(valid_logits) = epochs.validate(&state)? else {
            return state.save_and_stop(run, spec, &epochs.metadata);
        };
        let wait_seconds = std::mem::take(&mut state.learner.wait_time).as_secs_f64();
        state.timings.push(TimingRow {
            epoch: state.learner.position.epochs_done + 1,
            train_seconds: milli(train_seconds),
            valid_seconds: milli(start.elapsed().as_secs_f64()),
            wait_seconds: milli(wait_seconds),
            wait_fraction: milli((wait_seconds / train_seconds).clamp(0.0, 1.0)),
            peak_memory_bytes: peak_memory_bytes(),
            gpu_peak_memory_bytes: recorder.take_gpu_peak_bytes(),
        });
        epochs.conclude(&mut state, &valid_logits)?;
    }
}

/// The part of the loop over epochs that does not change.
struct Epochs<'a> {
    training: TrainingContext<'a>,
    valid: &'a [Exam],
    /// Devices without gradients.
    devices: &'a [Device],
    run: &'a RunFolder,
    /// Metadata of the weights in checkpoints.
    metadata: BTreeMap<String, String>,
}

impl Epochs<'_> {
    /// The outcome if all epochs are done, or if early stopping ends training.
    fn outcome(&self, state: &TrainingState) -> Option<Completion> {
        let train = &self.training.spec.train;
        let done = state.learner.position.epochs_done;
        if done < train.epochs && !stops_early(&state.metrics, train) {
            return None;
        }
        let selected = selected_epoch(&state.metrics, train).unwrap_or(done);
        if done < train.epochs {
            let message = format!(
                "stopped early after epoch {done} of {}: no improvement since epoch {selected}, \
                 or none possible (train.early_stopping)",
                train.epochs
            );
            self.run.log(&message);
            (self.training.observe)(&Event::Note(&message));
        }
        Some(Completion::Finished { selected, last: done })
    }

    /// Trains to the end of the epoch, with a checkpoint whenever one is due. `false` if the
    /// interrupter requested a stop.
    fn train(&self, state: &mut TrainingState) -> Result<bool, TrainingError> {
        let Self { training, run, metadata, .. } = self;
        let position = state.learner.position;
        (training.observe)(&Event::EpochBegins {
            epoch: position.epochs_done + 1,
            epochs: training.spec.train.epochs,
            batch: position.batches_done,
            batches: training.batches_per_epoch(),
        });
        loop {
            let due = state.next_checkpoint(&training.spec.train);
            match train_epoch(&mut state.learner, training, due)? {
                Pause::Complete => return Ok(true),
                Pause::CheckpointDue => state.save_within(run, training.spec, metadata)?,
                Pause::Stopped => return Ok(false),
            }
        }
    }

    /// Logits of the validation exams; `None` if the interrupter requested a stop.
    fn validate(&self, state: &TrainingState) -> Result<Option<Vec<ExamLogits>>, TrainingError> {
        let TrainingContext { spec, interrupter, observe, .. } = self.training;
        observe(&Event::ValidationBegins { exams: self.valid.len() });
        let network = state.learner.evaluation_network();
        let stop = || interrupter.should_stop();
        score_until(&network, spec, self.valid, self.devices, observe, &stop)
    }

    /// Writes the tables, the predictions and the checkpoint of a complete epoch.
    fn conclude(
        &self,
        state: &mut TrainingState,
        valid_logits: &[ExamLogits],
    ) -> Result<(), TrainingError> {
        let Self { training, valid, run, metadata, .. } = self;
        let position = state.learner.position;
        let epoch = position.epochs_done + 1;
        let outcome = &training.spec.outcome;
        let rate = state.learner.steps.last().map_or(0.0, |row| row.learning_rate);
        let row = |logits: &[ExamLogits], exams: &[Exam], split| {
            metrics_row(logits, exams, training.spec, &training.objective, (epoch, split), rate)
        };
        let rows = [
            row(&state.learner.logits, training.exams, SplitName::Train),
            row(valid_logits, valid, SplitName::Valid),
        ];
        state.metrics.extend(rows.iter().cloned());
        state.learner.logits.clear();
        state.learner.position = Position { epochs_done: epoch, batches_done: 0, ..position };
        let predictions: Vec<PredictionRow> =
            valid_logits.iter().filter_map(|exam| exam.row(valid, outcome)).collect();
        write_csv(&run.predictions(SplitName::Valid, epoch), &predictions)?;
        let risks: Vec<RiskRow> =
            valid_logits.iter().filter_map(|exam| exam.risks(valid)).collect();
        if outcome.is_survival() {
            write_risks(&run.risks(SplitName::Valid, epoch), outcome.horizons(), &risks)?;
        }
        state.record(run)?;
        state.save(run, training.spec, metadata)?;
        let best = selected_epoch(&state.metrics, &training.spec.train);
        (training.observe)(&Event::EpochEnds { rows: &rows, best });
        Ok(())
    }
}

/// The network of a finished run, with the weights of `epoch`.
pub fn trained_network(
    spec: &Spec,
    run: &RunFolder,
    epoch: usize,
    device: &Device,
) -> Result<Network, TrainingError> {
    let file = checkpoint::weights_file(&run.checkpoint(epoch))?;
    Ok(model::load(network(spec, device)?, &file)?.0)
}

fn milli(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
