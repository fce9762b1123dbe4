//! The state of a run's training: the learner and its tables, restored from and saved to
//! checkpoints.

use super::checkpoint::{self, Checkpoint, CheckpointError, Position};
use super::epoch::Learner;
use super::initial::{initial, network};
use super::optimizer;
use super::tables::{metrics_rows, rows};
use super::{Event, Observer, TrainingError, selected_epoch};
use burn::module::Module;
use burn::tensor::Device;
use lungs_base::files::WriteError;
use lungs_base::text::counted;
use lungs_spec::results::{
    EventFiles, MetricsRow, ResultsError, RunFolder, StepRow, Table, TimingRow, write_csv,
    write_metrics,
};
use lungs_spec::spec::{KeepCheckpoints, Spec, Train};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// All epochs are done, or early stopping ended training.
    Finished {
        /// The epoch that the spec selects.
        selected: usize,
        /// The last epoch.
        last: usize,
    },
    /// The interrupter stopped it; a checkpoint is written.
    Interrupted {
        /// The running epoch.
        epoch: usize,
        /// Optimizer steps done.
        step: usize,
    },
}

/// The learner and the run's tables.
pub(super) struct TrainingState {
    pub learner: Learner,
    pub metrics: Vec<MetricsRow>,
    pub timings: Vec<TimingRow>,
    last_saved: Instant,
}

impl TrainingState {
    /// Restores the latest intact checkpoint, or starts from the spec's initial weights. Damaged
    /// checkpoints are moved aside, with a note.
    pub(crate) fn restore(
        spec: &Spec,
        run: &RunFolder,
        device: &Device,
        observe: &Observer,
    ) -> Result<Self, TrainingError> {
        checkpoint::remove_partial(run).map_err(CheckpointError::from)?;
        let latest = latest_intact(run, observe)?;
        let device = device.clone().autodiff();
        // Initial weights are not loaded when a checkpoint replaces them.
        let network = match latest {
            Some(_) => network(spec, &device)?,
            None => initial(spec, &device)?,
        };
        let mut learner = Learner {
            optimizer: optimizer::new(spec, &network),
            ema: (spec.train.ema_decay > 0.0).then(|| network.valid()),
            network,
            position: Position::default(),
            logits: Vec::new(),
            steps: Vec::new(),
            wait_time: Duration::ZERO,
        };
        let (mut metrics, mut timings) = (Vec::new(), Vec::new());
        if let Some((position, checkpoint)) = latest {
            let folder = &checkpoint.folder;
            learner = checkpoint::load(learner, folder, position, &spec.outcome)?;
            // Rows after the checkpoint belong to steps that are repeated.
            learner.steps = rows(run, Table::Steps)?;
            learner.steps.retain(|row: &StepRow| row.step <= position.steps_done);
            check_row_count(run, Table::Steps, learner.steps.len(), position.steps_done)?;
            metrics = metrics_rows(run)?;
            metrics.retain(|row: &MetricsRow| row.epoch <= position.epochs_done);
            check_row_count(run, Table::Metrics, metrics.len(), 2 * position.epochs_done)?;
            timings = rows(run, Table::Timings)?;
            timings.retain(|row: &TimingRow| row.epoch <= position.epochs_done);
            observe(&Event::Note(&format!(
                "continuing after {} and {} from {}",
                counted(position.epochs_done, "epoch", "epochs"),
                counted(position.batches_done, "batch", "batches"),
                folder.display()
            )));
        }
        let state = Self { learner, metrics, timings, last_saved: Instant::now() };
        state.remove_old_checkpoints(run, spec)?;
        Ok(state)
    }

    /// TensorBoard's event files, consistent with these tables.
    pub(crate) fn event_files(&self, run: &RunFolder) -> Result<EventFiles, WriteError> {
        EventFiles::open(run, &self.learner.steps, &self.metrics)
    }

    /// Writes the tables.
    pub(crate) fn record(&self, run: &RunFolder) -> Result<(), TrainingError> {
        write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        write_csv(&run.table(Table::Timings), &self.timings)?;
        write_metrics(&run.table(Table::Metrics), &self.metrics)?;
        Ok(())
    }

    /// Writes a checkpoint, and removes checkpoints that are no longer needed.
    pub(crate) fn save(
        &mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), TrainingError> {
        checkpoint::save(run, &self.learner, metadata)?;
        self.remove_old_checkpoints(run, spec)?;
        self.last_saved = Instant::now();
        Ok(())
    }

    /// [`TrainingState::save`] within an epoch, after writing the table of steps.
    pub(crate) fn save_within(
        &mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), TrainingError> {
        // At the start of an epoch, the previous epoch's checkpoint exists already.
        if self.learner.position.batches_done == 0 {
            return Ok(());
        }
        write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        self.save(run, spec, metadata)
    }

    /// When the next checkpoint within an epoch is due; `None` if they are disabled.
    pub(crate) fn next_checkpoint(&self, train: &Train) -> Option<Instant> {
        let minutes = train.checkpoint_minutes;
        (minutes > 0.0).then(|| self.last_saved + Duration::from_secs_f64(60.0 * minutes))
    }

    /// Saves a checkpoint within the running epoch, and ends training.
    pub(crate) fn save_and_stop(
        mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Completion, TrainingError> {
        self.save_within(run, spec, metadata)?;
        let position = self.learner.position;
        Ok(Completion::Interrupted { epoch: position.epochs_done + 1, step: position.steps_done })
    }

    fn remove_old_checkpoints(&self, run: &RunFolder, spec: &Spec) -> Result<(), TrainingError> {
        let selected = selected_epoch(&self.metrics, &spec.train);
        let all = checkpoint::all(run);
        for checkpoint in removable(&all, self.learner.position.epochs_done, selected, &spec.train)
        {
            checkpoint::remove(&checkpoint.folder).map_err(CheckpointError::from)?;
        }
        Ok(())
    }
}

/// The latest checkpoint whose checksums are correct.
fn latest_intact(
    run: &RunFolder,
    observe: &Observer,
) -> Result<Option<(Position, Checkpoint)>, TrainingError> {
    let mut all = checkpoint::all(run);
    while let Some(checkpoint) = all.pop() {
        let damage = match checkpoint.verify() {
            Ok(position) => return Ok(Some((position, checkpoint))),
            Err(damage) => damage,
        };
        let new_folder = checkpoint.set_aside().map_err(CheckpointError::from)?;
        let next = match all.last() {
            Some(previous) => format!("trying the previous one, {}", previous.folder.display()),
            None => "no earlier checkpoint exists, so training restarts".to_owned(),
        };
        let message = format!(
            "the checkpoint {} is damaged ({damage}); moved it to {}; {next}",
            checkpoint.folder.display(),
            new_folder.display()
        );
        run.log(&message);
        observe(&Event::Note(&message));
    }
    Ok(None)
}

/// The removable ones of `all` checkpoints (sorted, the latest last) when `done` epochs are complete:
/// those within a complete epoch; all but the last two within the running epoch; and, with
/// `keep_checkpoints = "best-and-last"`, ends of epochs other than the selected one, the last two and
/// every `keep_every`-th.
fn removable<'a>(
    all: &'a [Checkpoint],
    done: usize,
    selected: Option<usize>,
    train: &Train,
) -> Vec<&'a Checkpoint> {
    let within = all.iter().filter(|checkpoint| checkpoint.batches_done > 0);
    let (of_complete, of_running): (Vec<&Checkpoint>, Vec<&Checkpoint>) =
        within.partition(|checkpoint| checkpoint.epochs_done < done);
    let older = of_running.len().saturating_sub(2);
    let every = |epoch: usize| train.keep_every > 0 && epoch.is_multiple_of(train.keep_every);
    let ends = all.iter().filter(|checkpoint| {
        checkpoint.batches_done == 0
            && checkpoint.epochs_done + 1 < done
            && Some(checkpoint.epochs_done) != selected
            && !every(checkpoint.epochs_done)
            && train.keep_checkpoints == KeepCheckpoints::BestAndLast
    });
    of_complete.into_iter().chain(of_running.into_iter().take(older)).chain(ends).collect()
}

/// Checks the number of rows. A table is written before the checkpoint that depends on it, so missing
/// rows mean that the file was changed.
fn check_row_count(
    run: &RunFolder,
    table: Table,
    actual: usize,
    expected: usize,
) -> Result<(), TrainingError> {
    if actual == expected {
        return Ok(());
    }
    let message = format!(
        "it has {} up to the last checkpoint, expected {expected}; restore the table from a backup, or remove the run's \
         checkpoints to train from the beginning",
        counted(actual, "row", "rows")
    );
    Err(ResultsError::Read { path: run.table(table), message }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_the_best_and_every_nth_checkpoint_are_kept() {
        let all: Vec<Checkpoint> = [(1, 0), (2, 0), (3, 0), (3, 7), (4, 0), (5, 0)]
            .into_iter()
            .chain([(5, 2), (5, 4), (5, 6)])
            .map(|(epochs_done, batches_done)| Checkpoint {
                epochs_done,
                batches_done,
                folder: Default::default(),
            })
            .collect();
        let removed = |selected, train: Train| {
            let checkpoints = removable(&all, 5, selected, &train);
            let mut positions: Vec<(usize, usize)> = checkpoints
                .iter()
                .map(|checkpoint| (checkpoint.epochs_done, checkpoint.batches_done))
                .collect();
            positions.sort();
            positions
        };
        assert_eq!(removed(None, Train::default()), [(1, 0), (2, 0), (3, 0), (3, 7), (5, 2)]);
        assert_eq!(removed(Some(2), Train::default()), [(1, 0), (3, 0), (3, 7), (5, 2)]);
        let every = Train { keep_every: 3, ..Train::default() };
        assert_eq!(removed(Some(2), every), [(1, 0), (3, 7), (5, 2)]);
        let everything = Train { keep_checkpoints: KeepCheckpoints::All, ..Train::default() };
        assert_eq!(removed(Some(2), everything), [(3, 7), (5, 2)]);
    }
}
