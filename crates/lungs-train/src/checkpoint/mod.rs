//! Checkpoints: weights, optimizer, and position in the run.
//!
//! ```text
//! checkpoints/epoch-010/             after epoch 10
//! checkpoints/epoch-011-batch-0042/  in the middle of epoch 11
//!   weights.safetensors              the network, by stable names; with `train.ema_decay`, its
//!                                    EMA
//!   learner.safetensors              in that case, the network itself
//!   optimizer.bpk                    Adam's moments (Burn's record, in order)
//!   state.json                       epoch, batch, optimizer step
//!   seen.csv                         logits of the unfinished epoch so far
//!   checksums.json                   BLAKE3 of each of these
//! ```
//!
//! There is no random state: every draw is a function of seed, epoch and exam. A folder is written
//! under a hidden name and renamed once it is durable, so that no incomplete checkpoint exists.
//! Checksums reveal later damage. The same position in the same run gives the same bytes.

mod manifest;
mod moments;
mod seen;

#[cfg(test)]
pub(super) use moments::first_moments;

use super::epoch::Learner;
use lungs_base::files::{self, WriteError};
use lungs_net::model::{self, WeightsError};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "weights.safetensors";
const LEARNER: &str = "learner.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";
const SEEN: &str = "seen.csv";

/// Prefixes of incomplete and of damaged folders.
const PARTIAL: &str = ".partial-";
const DAMAGED: &str = "damaged-";

/// A checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A table of the checkpoint cannot be used.
    #[error(transparent)]
    Table(#[from] ResultsError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Adam's moments cannot be written or read.
    #[error("the optimizer state in {path} cannot be used: {message}")]
    Optimizer {
        /// The checkpoint.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// The requested weights are damaged or missing.
    #[error(
        "the checkpoint {path} is damaged ({message}), but its weights are required; \
         restore this folder from a backup, or train again with `lungs run SPEC --fresh`"
    )]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// The fault.
        message: String,
    },
}

/// A position in the training of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Complete epochs.
    pub epochs_done: usize,
    /// Completed batches of the next epoch.
    pub batches_done: usize,
    /// Completed optimizer steps.
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

/// A checkpoint by the name of its folder; its content is not verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Checkpoint {
    /// Complete epochs.
    pub epochs_done: usize,
    /// Completed batches of the next epoch.
    pub batches_done: usize,
    /// Folder of the checkpoint.
    pub folder: PathBuf,
}

impl Checkpoint {
    /// The checkpoint in a folder; `None` if the name is not a checkpoint's.
    fn from_folder(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let rest = name.strip_prefix("epoch-")?;
        let (epoch, batches) = rest.split_once("-batch-").unwrap_or((rest, "0"));
        let (epoch, batches_done): (usize, usize) = (epoch.parse().ok()?, batches.parse().ok()?);
        let epochs_done = if batches_done > 0 { epoch.checked_sub(1)? } else { epoch };
        let position = Position { epochs_done, batches_done, steps_done: 0 };
        let is_canonical = position.folder_name() == name;
        is_canonical.then_some(Self { epochs_done, batches_done, folder })
    }

    /// The epoch whose end this checkpoint is; `None` within an epoch.
    pub(super) fn end_of_epoch(&self) -> Option<usize> {
        (self.batches_done == 0).then_some(self.epochs_done)
    }

    /// Verifies the checkpoint, and reads its position.
    ///
    /// # Errors
    /// The fault of a damaged checkpoint.
    pub(crate) fn verify(&self) -> Result<Position, String> {
        let always = [WEIGHTS, OPTIMIZER, STATE, SEEN];
        let needed = if self.batches_done > 0 { &always[..] } else { &always[..3] };
        manifest::verify(&self.folder, needed)?;
        let state = fs::read(self.folder.join(STATE)).map_err(|e| format!("{STATE}: {e}"))?;
        let position: Position =
            serde_json::from_slice(&state).map_err(|e| format!("{STATE}: {e}"))?;
        if (position.epochs_done, position.batches_done) != (self.epochs_done, self.batches_done) {
            return Err(format!("{STATE} belongs to {}", position.folder_name()));
        }
        Ok(position)
    }

    /// Renames the folder of a damaged checkpoint, and returns its new path.
    pub(crate) fn set_aside(&self) -> Result<PathBuf, WriteError> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut target = self.folder.with_file_name(format!("{DAMAGED}{name}"));
        let mut number = 2;
        while target.exists() {
            target = self.folder.with_file_name(format!("{DAMAGED}{name}-{number}"));
            number += 1;
        }
        files::rename(&self.folder, &target)?;
        Ok(target)
    }
}

/// Writes a checkpoint and returns its folder.
pub(super) fn save(
    run: &RunFolder,
    learner: &Learner,
    metadata: &BTreeMap<String, String>,
) -> Result<PathBuf, CheckpointError> {
    let Learner { network, ema, optimizer, position, logits, .. } = learner;
    let name = position.folder_name();
    let parent = run.checkpoints();
    let (target, partial) = (parent.join(&name), parent.join(format!("{PARTIAL}{name}")));
    remove(&partial)?;
    files::make_folder(&partial)?;
    model::save(ema.as_ref().unwrap_or(network), &partial.join(WEIGHTS), metadata)?;
    if ema.is_some() {
        model::save(network, &partial.join(LEARNER), metadata)?;
    }
    let record = moments::to_bytes(optimizer)
        .map_err(|message| CheckpointError::Optimizer { path: target.clone(), message })?;
    files::write_bytes(&partial.join(OPTIMIZER), &record)?;
    let state = serde_json::to_vec_pretty(position).expect("three numbers have a JSON form");
    files::write_bytes(&partial.join(STATE), &state)?;
    if position.batches_done > 0 {
        seen::write(&partial.join(SEEN), logits)?;
    }
    // Every file is durable now; renaming the folder completes the checkpoint.
    manifest::write(&partial)?;
    remove(&target)?;
    files::rename(&partial, &target)?;
    Ok(target)
}

/// Removes a folder if it exists.
pub(super) fn remove(folder: &Path) -> Result<(), WriteError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(WriteError { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes incomplete checkpoints of killed processes. The run must be locked.
pub(super) fn remove_partial(run: &RunFolder) -> Result<(), WriteError> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PARTIAL.as_bytes()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The folders of incomplete and of damaged checkpoints of a run.
pub(super) fn leftovers(run: &RunFolder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Vec::new() };
    let is_leftover = |name: &std::ffi::OsStr| {
        let name = name.as_encoded_bytes();
        [PARTIAL, DAMAGED].iter().any(|prefix| name.starts_with(prefix.as_bytes()))
    };
    let entries = entries.flatten().filter(|entry| is_leftover(&entry.file_name()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// Every checkpoint of a run, sorted by position, the latest last.
pub(super) fn all(run: &RunFolder) -> Vec<Checkpoint> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Vec::new() };
    let mut checkpoints: Vec<Checkpoint> =
        entries.filter_map(|entry| Checkpoint::from_folder(entry.ok()?.path())).collect();
    checkpoints.sort();
    checkpoints
}

/// The verified weights file of a checkpoint.
pub(super) fn weights_file(checkpoint: &Path) -> Result<PathBuf, CheckpointError> {
    manifest::verify_file(checkpoint, WEIGHTS)
        .map_err(|message| CheckpointError::Damaged { path: checkpoint.to_owned(), message })?;
    Ok(checkpoint.join(WEIGHTS))
}

/// Loads weights, optimizer and the logits of the unfinished epoch from an intact checkpoint.
pub(super) fn load(
    mut learner: Learner,
    checkpoint: &Path,
    position: Position,
    outcome: &Outcome,
) -> Result<Learner, CheckpointError> {
    let optimizer_error =
        |message: String| CheckpointError::Optimizer { path: checkpoint.to_owned(), message };
    let weights = match learner.ema.take() {
        None => WEIGHTS,
        Some(ema) => {
            learner.ema = Some(model::load(ema, &checkpoint.join(WEIGHTS))?.0);
            LEARNER
        }
    };
    learner.network = model::load(learner.network, &checkpoint.join(weights))?.0;
    let record = fs::read(checkpoint.join(OPTIMIZER))
        .map_err(|e| optimizer_error(format!("{OPTIMIZER}: {e}")))?;
    learner.optimizer = moments::from_bytes(learner.optimizer, record).map_err(optimizer_error)?;
    learner.position = position;
    if position.batches_done > 0 {
        learner.logits = seen::read(&checkpoint.join(SEEN), outcome)?;
    }
    Ok(learner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_give_the_position() {
        let position = |name: &str| {
            let checkpoint = Checkpoint::from_folder(PathBuf::from(name))?;
            Some((checkpoint.epochs_done, checkpoint.batches_done))
        };
        assert_eq!(position("a/epoch-010"), Some((10, 0)));
        assert_eq!(position("a/epoch-011-batch-0042"), Some((10, 42)));
        assert_eq!(position("a/epoch-1000"), Some((1000, 0)));
        for other in ["damaged-epoch-010", ".partial-epoch-010", "epoch-10", "epoch-000-batch-0001"]
        {
            assert_eq!(position(other), None, "{other}");
        }
    }
}
