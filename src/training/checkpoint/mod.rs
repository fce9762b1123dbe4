//! Everything needed to continue: weights, optimizer, and the place in the run.
//!
//! ```text
//! checkpoints/epoch-010/             after epoch 10
//! checkpoints/epoch-011-batch-0042/  in the middle of epoch 11
//!   weights.safetensors              the network, by stable names; with `train.weight_average`,
//!                                    the moving average of it
//!   learner.safetensors              in that case, the network itself
//!   optimizer.bpk                    Adam's moments (Burn's record, in order)
//!   state.json                       epoch, batch, optimizer step
//!   seen.csv                         what the unfinished epoch has scored so far
//!   checksums.json                   BLAKE3 of each of these
//! ```
//!
//! No random state is kept, for there is none: every draw is a function of seed, epoch and exam.
//! A folder is written under a hidden name and renamed once it is durable, so it is whole or not
//! there; what a disk does to it later shows in its checksums. The same place in the same run gives
//! the same bytes.

mod manifest;
mod moments;

#[cfg(test)]
pub(super) use moments::first_moments;

use super::epoch::Learner;
use super::scoring::Scored;
use crate::files::{self, WriteError};
use crate::model::{self, WeightsError};
use crate::results::{ResultsError, RunFolder, read_csv, write_csv};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "weights.safetensors";
const LEARNER: &str = "learner.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";
const SEEN: &str = "seen.csv";

/// How names of folders under way begin, and of those found damaged.
const PARTIAL: &str = ".partial-";
const DAMAGED: &str = "damaged-";

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A table of it cannot be used.
    #[error(transparent)]
    Table(#[from] ResultsError),
    /// Its weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Adam's moments cannot be stored or taken up.
    #[error("the optimizer's state in {path} cannot be used: {message}")]
    Optimizer {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The weights that are wanted are damaged or gone.
    #[error(
        "the checkpoint {path} is damaged ({message}), and these very weights are needed; bring \
         this folder back from a copy, or train anew with `lungs run SPEC --fresh`"
    )]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Where in a run training stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Complete epochs.
    pub epochs_done: usize,
    /// Batches done of the epoch after those.
    pub batches_done: usize,
    /// Optimizer steps done.
    pub steps_done: usize,
}

impl Position {
    fn folder_name(&self) -> String {
        match self.batches_done {
            0 => format!("epoch-{:03}", self.epochs_done),
            batches => format!("epoch-{:03}-batch-{batches:04}", self.epochs_done + 1),
        }
    }
}

/// A checkpoint as its folder's name has it; nothing in it has been looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kept {
    /// Complete epochs.
    pub epochs_done: usize,
    /// Batches done of the epoch after those.
    pub batches_done: usize,
    /// Where it is.
    pub folder: PathBuf,
}

impl Kept {
    fn named(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let rest = name.strip_prefix("epoch-")?;
        let (epoch, batches) = rest.split_once("-batch-").unwrap_or((rest, "0"));
        let (epoch, batches_done): (usize, usize) = (epoch.parse().ok()?, batches.parse().ok()?);
        let epochs_done = if batches_done > 0 { epoch.checked_sub(1)? } else { epoch };
        let position = Position { epochs_done, batches_done, steps_done: 0 };
        let same = position.folder_name() == name;
        same.then_some(Self { epochs_done, batches_done, folder })
    }

    /// Reads the position of a checkpoint that is whole; else says what is wrong with it.
    pub fn verify(&self) -> Result<Position, String> {
        let always = [WEIGHTS, OPTIMIZER, STATE, SEEN];
        let needed = if self.batches_done > 0 { &always[..] } else { &always[..3] };
        manifest::verify(&self.folder, needed)?;
        let state = fs::read(self.folder.join(STATE)).map_err(|e| format!("{STATE}: {e}"))?;
        let position: Position =
            serde_json::from_slice(&state).map_err(|e| format!("{STATE}: {e}"))?;
        if (position.epochs_done, position.batches_done) != (self.epochs_done, self.batches_done) {
            return Err(format!("{STATE} is of {}", position.folder_name()));
        }
        Ok(position)
    }

    /// Takes a damaged checkpoint out of the way, and returns its new place.
    pub fn set_aside(&self) -> Result<PathBuf, WriteError> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut aside = self.folder.with_file_name(format!("{DAMAGED}{name}"));
        let mut again = 2;
        while aside.exists() {
            aside = self.folder.with_file_name(format!("{DAMAGED}{name}-{again}"));
            again += 1;
        }
        files::rename(&self.folder, &aside)?;
        Ok(aside)
    }
}

/// A row of `seen.csv`.
#[derive(Serialize, Deserialize)]
struct SeenRow {
    exam: usize,
    logit_0: f64,
    logit_1: f64,
}

/// Writes a checkpoint and returns its folder.
pub(super) fn save(
    run: &RunFolder,
    learner: &Learner,
    metadata: &BTreeMap<String, String>,
) -> Result<PathBuf, CheckpointError> {
    let Learner { network, average, optimizer, position, seen, .. } = learner;
    let name = position.folder_name();
    let parent = run.checkpoints();
    let (target, partial) = (parent.join(&name), parent.join(format!("{PARTIAL}{name}")));
    remove(&partial)?;
    files::make_folder(&partial)?;
    model::save(average.as_ref().unwrap_or(network), &partial.join(WEIGHTS), metadata)?;
    if average.is_some() {
        model::save(network, &partial.join(LEARNER), metadata)?;
    }
    let record = moments::to_bytes(optimizer)
        .map_err(|message| CheckpointError::Optimizer { path: target.clone(), message })?;
    files::write_bytes(&partial.join(OPTIMIZER), &record)?;
    let state = serde_json::to_vec_pretty(position).expect("three numbers have a JSON form");
    files::write_bytes(&partial.join(STATE), &state)?;
    if position.batches_done > 0 {
        let rows: Vec<SeenRow> = seen
            .iter()
            .map(|one| SeenRow { exam: one.exam, logit_0: one.logits[0], logit_1: one.logits[1] })
            .collect();
        write_csv(&partial.join(SEEN), &rows)?;
    }
    // Files are durable in their folder each; what is left is the folder's name.
    manifest::write(&partial)?;
    remove(&target)?;
    files::rename(&partial, &target)?;
    Ok(target)
}

/// Removes a folder if it is there.
pub(super) fn remove(folder: &Path) -> Result<(), WriteError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(WriteError { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes what a killed process left half written. The run must be locked.
pub(super) fn sweep(run: &RunFolder) -> Result<(), WriteError> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PARTIAL.as_bytes()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Every checkpoint of a run, the furthest last.
pub(super) fn all(run: &RunFolder) -> Vec<Kept> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Vec::new() };
    let mut found: Vec<Kept> =
        entries.filter_map(|entry| Kept::named(entry.ok()?.path())).collect();
    found.sort();
    found
}

/// The weights file of the checkpoint that must be used, verified.
pub(super) fn weights_file(checkpoint: &Path) -> Result<PathBuf, CheckpointError> {
    manifest::verify_file(checkpoint, WEIGHTS)
        .map_err(|message| CheckpointError::Damaged { path: checkpoint.to_owned(), message })?;
    Ok(checkpoint.join(WEIGHTS))
}

/// Takes up weights, optimizer and what an unfinished epoch has seen, of a checkpoint that is whole.
pub(super) fn load(
    mut learner: Learner,
    checkpoint: &Path,
    position: Position,
) -> Result<Learner, CheckpointError> {
    let unusable =
        |message: String| CheckpointError::Optimizer { path: checkpoint.to_owned(), message };
    let weights = match learner.average.take() {
        None => WEIGHTS,
        Some(average) => {
            learner.average = Some(model::load(average, &checkpoint.join(WEIGHTS))?.0);
            LEARNER
        }
    };
    learner.network = model::load(learner.network, &checkpoint.join(weights))?.0;
    let record =
        fs::read(checkpoint.join(OPTIMIZER)).map_err(|e| unusable(format!("{OPTIMIZER}: {e}")))?;
    learner.optimizer = moments::from_bytes(learner.optimizer, record).map_err(unusable)?;
    learner.position = position;
    if position.batches_done > 0 {
        let rows: Vec<SeenRow> = read_csv(&checkpoint.join(SEEN))?;
        learner.seen = rows
            .into_iter()
            .map(|row| Scored { exam: row.exam, logits: [row.logit_0, row.logit_1] })
            .collect();
    }
    Ok(learner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_far_a_checkpoint_is() {
        let kept = |name: &str| {
            Kept::named(PathBuf::from(name)).map(|kept| (kept.epochs_done, kept.batches_done))
        };
        assert_eq!(kept("a/epoch-010"), Some((10, 0)));
        assert_eq!(kept("a/epoch-011-batch-0042"), Some((10, 42)));
        assert_eq!(kept("a/epoch-1000"), Some((1000, 0)));
        for other in ["damaged-epoch-010", ".partial-epoch-010", "epoch-10", "epoch-000-batch-0001"]
        {
            assert_eq!(kept(other), None, "{other}");
        }
    }
}
