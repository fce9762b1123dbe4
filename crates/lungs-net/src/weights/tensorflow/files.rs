//! The files of a checkpoint.

use super::super::ReadError;
use super::table::{FOOTER, has_footer};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The files of a checkpoint, by format version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckpointFiles {
    /// V2: the prefix of `.index` and `.data-…`.
    Bundle(PathBuf),
    /// V1: its shards, usually one.
    Single(Vec<PathBuf>),
}

/// Whether [`super::read`] supports this path. Reads only names and the end of a file.
pub fn is_one(path: &Path) -> bool {
    if path.is_dir() {
        path.join("checkpoint").is_file() || !indexes(path).is_empty()
    } else {
        index_of(&prefix(path)).is_file() || is_table(path)
    }
}

/// The files of the checkpoint at a path.
pub(super) fn find(path: &Path) -> Result<CheckpointFiles, ReadError> {
    if path.is_dir() {
        return in_folder(path);
    }
    let prefix = prefix(path);
    if index_of(&prefix).is_file() {
        return Ok(CheckpointFiles::Bundle(prefix));
    }
    if is_table(path) {
        return Ok(CheckpointFiles::Single(shards(path)));
    }
    match fs::metadata(path) {
        Err(source) => Err(ReadError::io(path, source)),
        Ok(_) => Err(ReadError::unsupported(
            path,
            format!(
                "it is not a TensorFlow checkpoint: it has no table footer, and {} does not exist",
                index_of(&prefix).display()
            ),
        )),
    }
}

fn in_folder(folder: &Path) -> Result<CheckpointFiles, ReadError> {
    let list = folder.join("checkpoint");
    if let Ok(text) = fs::read_to_string(&list) {
        let target = text.lines().find_map(|line| {
            let value = line.trim().strip_prefix("model_checkpoint_path:")?.trim();
            value.strip_prefix('"')?.strip_suffix('"').map(PathBuf::from)
        });
        let target = target.ok_or_else(|| {
            ReadError::damaged(&list, "expected a line `model_checkpoint_path: \"…\"`, found none")
        })?;
        // After a move, the file still names the old folder.
        let in_this_folder = folder.join(target.file_name().unwrap_or_default());
        let candidates = [folder.join(&target), in_this_folder.clone()];
        let existing =
            candidates.into_iter().find(|path| index_of(path).is_file() || is_table(path));
        return find(&existing.unwrap_or(in_this_folder));
    }
    match &indexes(folder)[..] {
        [index] => Ok(CheckpointFiles::Bundle(prefix(index))),
        [] => Err(ReadError::unsupported(
            folder,
            "the folder contains no checkpoint: expected a file `checkpoint` or an .index file",
        )),
        several => Err(ReadError::unsupported(
            folder,
            format!(
                "the folder contains several checkpoints; give one of: {}",
                several.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

fn indexes(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut indexes: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "index"))
        .collect();
    indexes.sort();
    indexes
}

/// A path without the suffix of a bundle's file.
fn prefix(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bare = name
        .strip_suffix(".index")
        .or_else(|| name.strip_suffix(".meta"))
        .or_else(|| name.rsplit_once(".data-").map(|(bare, _)| bare));
    bare.map_or_else(|| path.to_owned(), |bare| path.with_file_name(bare))
}

/// `model.ckpt-5.index`
pub(crate) fn index_of(prefix: &Path) -> PathBuf {
    with_ending(prefix, ".index")
}

/// `model.ckpt-5.data-00000-of-00002`
pub(super) fn shard_of(prefix: &Path, shard: u64, of: u64) -> PathBuf {
    with_ending(prefix, &format!(".data-{shard:05}-of-{of:05}"))
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// All shards of the V1 checkpoint that `path` belongs to: `model.ckpt-5-00000-of-00003` and so on.
fn shards(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parts = name.rsplit_once("-of-").and_then(|(front, of)| {
        let (bare, _) = front.rsplit_once('-')?;
        Some((bare.to_owned(), of.parse::<usize>().ok().filter(|of| (1..=4096).contains(of))?))
    });
    match parts {
        None => vec![path.to_owned()],
        Some((bare, of)) => (0..of)
            .map(|shard| path.with_file_name(format!("{bare}-{shard:05}-of-{of:05}")))
            .collect(),
    }
}

fn is_table(path: &Path) -> bool {
    let end = || -> std::io::Result<[u8; FOOTER]> {
        let mut file = File::open(path)?;
        let mut end = [0; FOOTER];
        file.seek(SeekFrom::End(-(FOOTER as i64)))?;
        file.read_exact(&mut end)?;
        Ok(end)
    };
    path.is_file() && end().is_ok_and(|end| has_footer(&end))
}
