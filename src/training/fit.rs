//! The run of epochs: train, score, record, keep, decide.

use super::batches::Exam;
use super::checkpoint::{self, Position};
use super::epoch::{Learner, Setting, train_epoch};
use super::initial::{initial, network};
use super::scoring::{loss_of, metrics_row, score};
use super::{TrainingError, Watch, selected_epoch, stops_early};
use crate::model::I3d;
use crate::results::{
    MetricsRow, PredictionRow, ResultsError, RunFolder, StepRow, Table, TimingRow, read_csv,
    write_csv,
};
use crate::spec::{KeepCheckpoints, Part, Spec, weights_metadata};
use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::Device;
use burn::train::Interrupter;
use std::collections::BTreeMap;
use std::time::Instant;

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done, or early stopping ended them.
    Finished {
        /// The epoch that the spec selects.
        selected: usize,
        /// The last epoch.
        last: usize,
    },
    /// The interrupter stopped it; a checkpoint is written.
    Interrupted {
        /// The epoch that was under way.
        epoch: usize,
        /// Optimizer steps done.
        step: usize,
    },
}

/// Trains the spec's network in the run folder, from where the run stands.
///
/// Writes `metrics.csv`, `steps.csv`, `timings.csv`, `predictions/` and `checkpoints/`.
/// `device` is without gradients; `fit` adds them.
pub fn fit(
    spec: &Spec,
    (train, valid): (&[Exam], &[Exam]),
    run: &RunFolder,
    device: &Device,
    interrupter: &Interrupter,
    watch: &dyn Watch,
) -> Result<Outcome, TrainingError> {
    let mut state = State::restore(spec, run, device, watch)?;
    let with_gradients = device.clone().autodiff();
    let setting = Setting { spec, exams: train, device: &with_gradients, interrupter, watch };
    let metadata = weights_metadata(spec);
    loop {
        let done = state.learner.position.epochs_done;
        let patience_over =
            stops_early(&state.metrics, spec.train.select, spec.train.early_stopping);
        if done >= spec.train.epochs || patience_over {
            let selected = selected_epoch(&state.metrics, spec.train.select).unwrap_or(done);
            if done < spec.train.epochs {
                let told = format!(
                    "stopped early after epoch {done} of {}: nothing better than epoch {selected} \
                     came or can come (train.early_stopping)",
                    spec.train.epochs
                );
                run.log(&told);
                watch.note(&told);
            }
            return Ok(Outcome::Finished { selected, last: done });
        }
        let epoch = done + 1;
        let batch = state.learner.position.batches_done;
        watch.epoch_begins(epoch, spec.train.epochs, batch, setting.batches_per_epoch());
        let began = Instant::now();
        let complete = train_epoch(&mut state.learner, &setting)?;
        if !complete {
            return state.interrupted(run, epoch, &metadata);
        }
        let train_seconds = began.elapsed().as_secs_f64();
        let began = Instant::now();
        watch.validation_begins(valid.len());
        let scored = score(&state.learner.network.valid(), spec, valid, device, watch)?;
        let rate = state.learner.steps.last().map_or(0.0, |row| row.learning_rate);
        let loss = loss_of(spec);
        let rows = [
            metrics_row(&state.learner.seen, train, loss, (epoch, Part::Train), rate),
            metrics_row(&scored, valid, loss, (epoch, Part::Valid), rate),
        ];
        state.metrics.extend(rows.iter().cloned());
        let timing = TimingRow {
            epoch,
            train_seconds: milli(train_seconds),
            valid_seconds: milli(began.elapsed().as_secs_f64()),
        };
        state.timings.push(timing);
        state.learner.seen.clear();
        let position = &mut state.learner.position;
        *position = Position { epochs_done: epoch, batches_done: 0, ..*position };
        let predictions: Vec<PredictionRow> = scored.iter().map(|one| one.row(valid)).collect();
        write_csv(&run.predictions(Part::Valid, epoch), &predictions)?;
        state.record(run)?;
        state.save(run, &metadata)?;
        state.tidy(run, spec)?;
        watch.epoch_ends(&rows, selected_epoch(&state.metrics, spec.train.select));
    }
}

/// Learner and tables.
struct State {
    learner: Learner,
    metrics: Vec<MetricsRow>,
    timings: Vec<TimingRow>,
}

impl State {
    /// From the latest checkpoint, or from the spec's initial weights.
    fn restore(
        spec: &Spec,
        run: &RunFolder,
        device: &Device,
        watch: &dyn Watch,
    ) -> Result<Self, TrainingError> {
        let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.999).with_epsilon(1e-8);
        let device = device.clone().autodiff();
        let latest = checkpoint::latest_checkpoint(run);
        let mut learner = Learner {
            // The weights that training began with are not needed any more to continue.
            network: match latest {
                Some(_) => network(spec, &device)?,
                None => initial(spec, &device)?,
            },
            optimizer: adam.init(),
            position: Position::default(),
            seen: Vec::new(),
            steps: Vec::new(),
        };
        let (mut metrics, mut timings) = (Vec::new(), Vec::new());
        if let Some((position, folder)) = latest {
            let loaded = checkpoint::load(learner.network, learner.optimizer, &folder, position)?;
            (learner.network, learner.optimizer, learner.seen) = loaded;
            learner.position = position;
            // Rows beyond the checkpoint belong to work that is done again.
            learner.steps = rows(run, Table::Steps)?;
            learner.steps.retain(|row: &StepRow| row.step <= position.steps_done);
            metrics = rows(run, Table::Metrics)?;
            metrics.retain(|row: &MetricsRow| row.epoch <= position.epochs_done);
            timings = rows(run, Table::Timings)?;
            timings.retain(|row: &TimingRow| row.epoch <= position.epochs_done);
            watch.note(&format!(
                "continuing after {} epochs and {} batches, from {}",
                position.epochs_done,
                position.batches_done,
                folder.display()
            ));
        }
        Ok(Self { learner, metrics, timings })
    }

    fn record(&self, run: &RunFolder) -> Result<(), TrainingError> {
        write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        write_csv(&run.table(Table::Timings), &self.timings)?;
        write_csv(&run.table(Table::Metrics), &self.metrics)?;
        Ok(())
    }

    fn save(
        &self,
        run: &RunFolder,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), TrainingError> {
        let Learner { network, optimizer, position, seen, .. } = &self.learner;
        checkpoint::save(run, *position, network, optimizer, seen, metadata)?;
        Ok(())
    }

    fn interrupted(
        self,
        run: &RunFolder,
        epoch: usize,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Outcome, TrainingError> {
        if !self.learner.steps.is_empty() {
            write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        }
        // At the border of an epoch its checkpoint is there already; before the first step there
        // is nothing to keep.
        if self.learner.position.batches_done > 0 {
            self.save(run, metadata)?;
        }
        Ok(Outcome::Interrupted { epoch, step: self.learner.position.steps_done })
    }

    /// Removes checkpoints that nothing needs: those within an epoch that is complete, and, where
    /// the spec says so, epochs that are neither the selected one nor one of the last two.
    fn tidy(&self, run: &RunFolder, spec: &Spec) -> Result<(), TrainingError> {
        let done = self.learner.position.epochs_done;
        let selected = selected_epoch(&self.metrics, spec.train.select);
        for (position, folder) in checkpoint::all(run) {
            let within = position.batches_done > 0 && position.epochs_done < done;
            let old = position.batches_done == 0
                && position.epochs_done + 1 < done
                && Some(position.epochs_done) != selected
                && spec.train.keep_checkpoints == KeepCheckpoints::BestAndLast;
            if within || old {
                checkpoint::remove(&folder).map_err(checkpoint::CheckpointError::from)?;
            }
        }
        Ok(())
    }
}

fn rows<T: serde::de::DeserializeOwned>(
    run: &RunFolder,
    table: Table,
) -> Result<Vec<T>, ResultsError> {
    let path = run.table(table);
    Ok(if path.is_file() { read_csv(&path)? } else { Vec::new() })
}

/// The network of a finished run: the weights of its selected epoch.
pub fn trained_network(
    spec: &Spec,
    run: &RunFolder,
    epoch: usize,
    device: &Device,
) -> Result<I3d, TrainingError> {
    Ok(checkpoint::load_weights(network(spec, device)?, &run.checkpoint(epoch))?)
}

/// The epoch that a run's spec selects among those trained so far, if there is one.
pub fn selected_epoch_of(run: &RunFolder) -> Result<Option<usize>, ResultsError> {
    let metrics: Vec<MetricsRow> = rows(run, Table::Metrics)?;
    Ok(selected_epoch(&metrics, run.spec()?.train.select))
}

fn milli(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
