//! The loop over epochs: train, validate, record, save, decide whether to continue.

use super::batches::Exam;
use super::checkpoint::{self, Position};
use super::epoch::{Pause, TrainingContext, train_epoch};
use super::initial::network;
use super::objective::Objective;
use super::recorder::Recorder;
use super::scoring::{metrics_row, score_until};
use super::state::{Outcome, TrainingState};
use super::{Event, Observer, TrainingError, selected_epoch, stops_early};
use burn::tensor::Device;
use burn::train::Interrupter;
use lungs_net::model::{self, I3d};
use lungs_net::usage::peak_memory_bytes;
use lungs_spec::results::{PredictionRow, RunFolder, TimingRow, write_csv};
use lungs_spec::spec::{Spec, SplitName, weights_metadata};
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
) -> Result<Outcome, TrainingError> {
    let mut state = TrainingState::restore(spec, run, &devices[0], observe)?;
    let events = spec.train.tensorboard.then(|| state.event_files(run));
    let recorder = Recorder::new(observe, devices, events);
    let observe: &Observer = &|event: &Event| recorder.record_event(event);
    let with_gradients: Vec<Device> =
        devices.iter().map(|device| device.clone().autodiff()).collect();
    let objective = Objective::new(spec, train);
    let context = TrainingContext {
        spec,
        exams: train,
        objective,
        devices: &with_gradients,
        interrupter,
        observe,
    };
    let metadata = weights_metadata(spec);
    loop {
        let done = state.learner.position.epochs_done;
        let out_of_patience =
            stops_early(&state.metrics, spec.train.select, spec.train.early_stopping);
        if done >= spec.train.epochs || out_of_patience {
            let selected = selected_epoch(&state.metrics, spec.train.select).unwrap_or(done);
            if done < spec.train.epochs {
                let message = format!(
                    "stopped early after epoch {done} of {}: no improvement since epoch {selected}, \
                     or none possible (train.early_stopping)",
                    spec.train.epochs
                );
                run.log(&message);
                observe(&Event::Note(&message));
            }
            return Ok(Outcome::Finished { selected, last: done });
        }
        let epoch = done + 1;
        let batch = state.learner.position.batches_done;
        observe(&Event::EpochBegins {
            epoch,
            epochs: spec.train.epochs,
            batch,
            batches: context.batches_per_epoch(),
        });
        let start = Instant::now();
        loop {
            let due = state.next_checkpoint(&spec.train);
            match train_epoch(&mut state.learner, &context, due)? {
                Pause::Complete => break,
                Pause::CheckpointDue => state.save_within(run, spec, &metadata)?,
                Pause::Stopped => return state.save_and_stop(run, spec, &metadata),
            }
        }
        let train_seconds = start.elapsed().as_secs_f64();
        let wait_seconds = std::mem::take(&mut state.learner.wait_time).as_secs_f64();
        let start = Instant::now();
        observe(&Event::ValidationBegins { exams: valid.len() });
        let network = state.learner.evaluation_network();
        let stop = || interrupter.should_stop();
        let Some(valid_logits) = score_until(&network, spec, valid, devices, observe, &stop)?
        else {
            return state.save_and_stop(run, spec, &metadata);
        };
        let rate = state.learner.steps.last().map_or(0.0, |row| row.learning_rate);
        let rows = [
            metrics_row(&state.learner.logits, train, &objective, (epoch, SplitName::Train), rate),
            metrics_row(&valid_logits, valid, &objective, (epoch, SplitName::Valid), rate),
        ];
        state.metrics.extend(rows.iter().cloned());
        let timing = TimingRow {
            epoch,
            train_seconds: milli(train_seconds),
            valid_seconds: milli(start.elapsed().as_secs_f64()),
            wait_seconds: milli(wait_seconds),
            wait_fraction: milli((wait_seconds / train_seconds).clamp(0.0, 1.0)),
            peak_memory_bytes: peak_memory_bytes(),
            gpu_peak_memory_bytes: recorder.take_gpu_peak_bytes(),
        };
        state.timings.push(timing);
        state.learner.logits.clear();
        let position = &mut state.learner.position;
        *position = Position { epochs_done: epoch, batches_done: 0, ..*position };
        let predictions: Vec<PredictionRow> =
            valid_logits.iter().map(|exam| exam.row(valid)).collect();
        write_csv(&run.predictions(SplitName::Valid, epoch), &predictions)?;
        state.record(run)?;
        state.save(run, spec, &metadata)?;
        observe(&Event::EpochEnds {
            rows: &rows,
            best: selected_epoch(&state.metrics, spec.train.select),
        });
    }
}

/// The network of a finished run, with the weights of `epoch`.
pub fn trained_network(
    spec: &Spec,
    run: &RunFolder,
    epoch: usize,
    device: &Device,
) -> Result<I3d, TrainingError> {
    let file = checkpoint::weights_file(&run.checkpoint(epoch))?;
    Ok(model::load(network(spec, device)?, &file)?.0)
}

fn milli(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
