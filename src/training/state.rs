//! Where a run's training stands: the learner and its tables, taken up again and kept.

use super::checkpoint::{self, CheckpointError, Kept, Position};
use super::epoch::Learner;
use super::fit::Outcome;
use super::initial::{initial, network};
use super::optimizer;
use super::{TrainingError, Watch, selected_epoch};
use crate::files::WriteError;
use crate::results::{
    EventFiles, MetricsRow, ResultsError, RunFolder, StepRow, Table, TimingRow, read_csv, write_csv,
};
use crate::spec::{KeepCheckpoints, Spec, Train};
use burn::module::Module;
use burn::tensor::Device;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Learner and tables.
pub(super) struct State {
    pub learner: Learner,
    pub metrics: Vec<MetricsRow>,
    pub timings: Vec<TimingRow>,
    saved: Instant,
}

impl State {
    /// From the furthest checkpoint that is whole, or from the spec's initial weights. Damaged
    /// ones are taken out of the way, said aloud.
    pub fn restore(
        spec: &Spec,
        run: &RunFolder,
        device: &Device,
        watch: &dyn Watch,
    ) -> Result<Self, TrainingError> {
        checkpoint::sweep(run).map_err(CheckpointError::from)?;
        let whole = furthest_whole(run, watch)?;
        let device = device.clone().autodiff();
        // What training began with is not needed any more to continue.
        let network = match whole {
            Some(_) => network(spec, &device)?,
            None => initial(spec, &device)?,
        };
        let mut learner = Learner {
            optimizer: optimizer::new(spec, &network),
            average: (spec.train.weight_average > 0.0).then(|| network.valid()),
            network,
            position: Position::default(),
            seen: Vec::new(),
            steps: Vec::new(),
            waited: Duration::ZERO,
        };
        let (mut metrics, mut timings) = (Vec::new(), Vec::new());
        if let Some((position, kept)) = whole {
            let folder = &kept.folder;
            learner = checkpoint::load(learner, folder, position)?;
            // Rows beyond the checkpoint belong to work that is done again.
            learner.steps = rows(run, Table::Steps)?;
            learner.steps.retain(|row: &StepRow| row.step <= position.steps_done);
            complete(run, Table::Steps, learner.steps.len(), position.steps_done)?;
            metrics = rows(run, Table::Metrics)?;
            metrics.retain(|row: &MetricsRow| row.epoch <= position.epochs_done);
            complete(run, Table::Metrics, metrics.len(), 2 * position.epochs_done)?;
            timings = rows(run, Table::Timings)?;
            timings.retain(|row: &TimingRow| row.epoch <= position.epochs_done);
            watch.note(&format!(
                "continuing after {} epochs and {} batches, from {}",
                position.epochs_done,
                position.batches_done,
                folder.display()
            ));
        }
        let state = Self { learner, metrics, timings, saved: Instant::now() };
        state.tidy(run, spec)?;
        Ok(state)
    }

    /// TensorBoard's files as of these tables, to be continued.
    pub fn event_files(&self, run: &RunFolder) -> Result<EventFiles, WriteError> {
        EventFiles::open(run, &self.learner.steps, &self.metrics)
    }

    /// Writes the tables.
    pub fn record(&self, run: &RunFolder) -> Result<(), TrainingError> {
        write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        write_csv(&run.table(Table::Timings), &self.timings)?;
        write_csv(&run.table(Table::Metrics), &self.metrics)?;
        Ok(())
    }

    /// Writes a checkpoint, and removes those that are not needed any more.
    pub fn save(
        &mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), TrainingError> {
        checkpoint::save(run, &self.learner, metadata)?;
        self.tidy(run, spec)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// [`State::save`] within an epoch, with the steps that led there.
    pub fn save_within(
        &mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), TrainingError> {
        // At the border of an epoch its checkpoint is there already; before the first step there
        // is nothing to keep.
        if self.learner.position.batches_done == 0 {
            return Ok(());
        }
        write_csv(&run.table(Table::Steps), &self.learner.steps)?;
        self.save(run, spec, metadata)
    }

    /// When the next checkpoint within an epoch is due, if ever.
    pub fn next_checkpoint(&self, train: &Train) -> Option<Instant> {
        let minutes = train.checkpoint_minutes;
        (minutes > 0.0).then(|| self.saved + Duration::from_secs_f64(60.0 * minutes))
    }

    /// Keeps what there is of the epoch under way.
    pub fn interrupted(
        mut self,
        run: &RunFolder,
        spec: &Spec,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Outcome, TrainingError> {
        self.save_within(run, spec, metadata)?;
        let position = self.learner.position;
        Ok(Outcome::Interrupted { epoch: position.epochs_done + 1, step: position.steps_done })
    }

    fn tidy(&self, run: &RunFolder, spec: &Spec) -> Result<(), TrainingError> {
        let selected = selected_epoch(&self.metrics, spec.train.select);
        let all = checkpoint::all(run);
        for kept in superfluous(&all, self.learner.position.epochs_done, selected, &spec.train) {
            checkpoint::remove(&kept.folder).map_err(CheckpointError::from)?;
        }
        Ok(())
    }
}

/// The furthest checkpoint with the checksums it was written with.
fn furthest_whole(
    run: &RunFolder,
    watch: &dyn Watch,
) -> Result<Option<(Position, Kept)>, TrainingError> {
    let mut all = checkpoint::all(run);
    while let Some(kept) = all.pop() {
        let damage = match kept.verify() {
            Ok(position) => return Ok(Some((position, kept))),
            Err(damage) => damage,
        };
        let aside = kept.set_aside().map_err(CheckpointError::from)?;
        let then = match all.last() {
            Some(before) => format!("trying the one before it, {}", before.folder.display()),
            None => "none is left before it: training begins again".to_owned(),
        };
        let told = format!(
            "the checkpoint {} is damaged ({damage}); it is moved to {}; {then}",
            kept.folder.display(),
            aside.display()
        );
        run.log(&told);
        watch.note(&told);
    }
    Ok(None)
}

/// Checkpoints that nothing needs, of all (the furthest last) when `done` epochs are complete:
/// those within a complete epoch, all but the last two within the epoch under way, and, where the
/// spec says so, ends of epochs that are neither the selected one, nor one of the last two, nor one
/// in `keep_every`.
fn superfluous<'a>(
    all: &'a [Kept],
    done: usize,
    selected: Option<usize>,
    train: &Train,
) -> Vec<&'a Kept> {
    let within = all.iter().filter(|kept| kept.batches_done > 0);
    let (over, under_way): (Vec<&Kept>, Vec<&Kept>) =
        within.partition(|kept| kept.epochs_done < done);
    let older = under_way.len().saturating_sub(2);
    let every = |epoch: usize| train.keep_every > 0 && epoch.is_multiple_of(train.keep_every);
    let ends = all.iter().filter(|kept| {
        kept.batches_done == 0
            && kept.epochs_done + 1 < done
            && Some(kept.epochs_done) != selected
            && !every(kept.epochs_done)
            && train.keep_checkpoints == KeepCheckpoints::BestAndLast
    });
    over.into_iter().chain(under_way.into_iter().take(older)).chain(ends).collect()
}

/// Rows of a table that may not be there yet.
pub(super) fn rows<T: serde::de::DeserializeOwned>(
    run: &RunFolder,
    table: Table,
) -> Result<Vec<T>, ResultsError> {
    let path = run.table(table);
    Ok(if path.is_file() { read_csv(&path)? } else { Vec::new() })
}

/// A table is written before the checkpoint that builds on it; if rows are gone, someone took them.
fn complete(
    run: &RunFolder,
    table: Table,
    found: usize,
    expected: usize,
) -> Result<(), TrainingError> {
    if found == expected {
        return Ok(());
    }
    let message = format!(
        "it has {found} rows up to the last checkpoint, expected {expected}; bring the table back \
         from a copy, or remove the run's checkpoints to train from the beginning"
    );
    Err(ResultsError::Read { path: run.table(table), message }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_the_best_and_those_asked_for_are_kept() {
        let all: Vec<Kept> = [(1, 0), (2, 0), (3, 0), (3, 7), (4, 0), (5, 0)]
            .into_iter()
            .chain([(5, 2), (5, 4), (5, 6)])
            .map(|(epochs_done, batches_done)| Kept {
                epochs_done,
                batches_done,
                folder: Default::default(),
            })
            .collect();
        let gone = |selected, train: Train| {
            let places = superfluous(&all, 5, selected, &train);
            let mut places: Vec<(usize, usize)> =
                places.iter().map(|kept| (kept.epochs_done, kept.batches_done)).collect();
            places.sort();
            places
        };
        assert_eq!(gone(None, Train::default()), [(1, 0), (2, 0), (3, 0), (3, 7), (5, 2)]);
        assert_eq!(gone(Some(2), Train::default()), [(1, 0), (3, 0), (3, 7), (5, 2)]);
        let every = Train { keep_every: 3, ..Train::default() };
        assert_eq!(gone(Some(2), every), [(1, 0), (3, 7), (5, 2)]);
        let everything = Train { keep_checkpoints: KeepCheckpoints::All, ..Train::default() };
        assert_eq!(gone(Some(2), everything), [(3, 7), (5, 2)]);
    }
}
