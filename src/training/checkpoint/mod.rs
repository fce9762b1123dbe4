//! Everything needed to continue: weights, optimizer, and the place in the run.
//!
//! ```text
//! checkpoints/epoch-010/             after epoch 10
//! checkpoints/epoch-011-batch-0042/  in the middle of epoch 11, after an interruption
//!   weights.safetensors              the network, by stable names
//!   optimizer.bpk                    Adam's moments (Burn's record)
//!   state.json                       epoch, batch, optimizer step
//!   seen.csv                         what the unfinished epoch has scored so far
//! ```
//!
//! No random state is kept, for there is none: every draw is a function of seed, epoch and exam.
//! A folder is written under a hidden name and renamed, so it is whole or not there.

use super::scoring::Scored;
use crate::files::WriteError;
use crate::model::{self, I3d, WeightsError};
use crate::results::{ResultsError, RunFolder, read_csv, write_csv};
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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
    /// Part of it is damaged.
    #[error(
        "the checkpoint {path} is damaged: {message}; delete this folder to continue from the \
         checkpoint before it"
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
    position: Position,
    network: &I3d,
    optimizer: &ModuleOptimizer,
    seen: &[Scored],
    metadata: &BTreeMap<String, String>,
) -> Result<PathBuf, CheckpointError> {
    let parent = run.checkpoints();
    let name = position.folder_name();
    let (target, partial) = (parent.join(&name), parent.join(format!(".partial-{name}")));
    let failed = |path: &Path, source| WriteError { path: path.to_owned(), source };
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(|e| failed(&partial, e))?;
    model::save(network, &partial.join("weights.safetensors"), metadata)?;
    let record = optimizer.into_bytes().map_err(|e| CheckpointError::Damaged {
        path: target.clone(),
        message: format!("Adam's moments cannot be stored: {e}"),
    })?;
    crate::files::write_bytes(&partial.join("optimizer.bpk"), &record)?;
    let state = serde_json::to_vec_pretty(&position).expect("three numbers have a JSON form");
    crate::files::write_bytes(&partial.join("state.json"), &state)?;
    if position.batches_done > 0 {
        let rows: Vec<SeenRow> = seen
            .iter()
            .map(|one| SeenRow { exam: one.exam, logit_0: one.logits[0], logit_1: one.logits[1] })
            .collect();
        write_csv(&partial.join("seen.csv"), &rows)?;
    }
    remove(&target)?;
    fs::rename(&partial, &target).map_err(|e| failed(&target, e))?;
    // The new name is durable once its folder is.
    let synced = fs::File::open(&parent).and_then(|folder| folder.sync_all());
    synced.map_err(|e| failed(&parent, e))?;
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

/// Every checkpoint of a run, the furthest last.
pub(super) fn all(run: &RunFolder) -> Vec<(Position, PathBuf)> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Vec::new() };
    let mut found: Vec<(Position, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let state = fs::read(path.join("state.json")).ok()?;
            let position: Position = serde_json::from_slice(&state).ok()?;
            let named = path.file_name()?.to_str()? == position.folder_name();
            named.then_some((position, path))
        })
        .collect();
    found.sort();
    found
}

/// The checkpoint that a run would continue from.
pub fn latest_checkpoint(run: &RunFolder) -> Option<(Position, PathBuf)> {
    all(run).pop()
}

/// Loads a checkpoint's weights into a network of the same shape.
pub fn load_weights(network: I3d, checkpoint: &Path) -> Result<I3d, WeightsError> {
    Ok(model::load(network, &checkpoint.join("weights.safetensors"))?.0)
}

/// Loads weights, optimizer and what an unfinished epoch has seen.
pub(super) fn load(
    network: I3d,
    optimizer: ModuleOptimizer,
    checkpoint: &Path,
    position: Position,
) -> Result<(I3d, ModuleOptimizer, Vec<Scored>), CheckpointError> {
    let damaged =
        |message: String| CheckpointError::Damaged { path: checkpoint.to_owned(), message };
    let network = load_weights(network, checkpoint)?;
    let record = fs::read(checkpoint.join("optimizer.bpk"))
        .map_err(|e| damaged(format!("optimizer.bpk: {e}")))?;
    let optimizer = optimizer
        .from_bytes(burn::tensor::Bytes::from_bytes_vec(record))
        .map_err(|e| damaged(format!("optimizer.bpk: {e}")))?;
    let mut seen = Vec::new();
    if position.batches_done > 0 {
        let rows: Vec<SeenRow> = read_csv(&checkpoint.join("seen.csv"))?;
        seen = rows
            .into_iter()
            .map(|row| Scored { exam: row.exam, logits: [row.logit_0, row.logit_1] })
            .collect();
    }
    Ok((network, optimizer, seen))
}
