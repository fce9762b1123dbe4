//! Which files make a checkpoint.

use super::super::ReadError;
use super::table::{FOOTER, ends_like_one};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A checkpoint's files.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// V2: what stands before `.index` and `.data-…`.
    Bundle(PathBuf),
    /// V1: its shards, one as a rule.
    Single(Vec<PathBuf>),
}

/// Whether [`super::read`] would try this path: nothing is read but names and the end of a file.
pub fn is_one(path: &Path) -> bool {
    if path.is_dir() {
        path.join("checkpoint").is_file() || !indexes(path).is_empty()
    } else {
        index_of(&prefix(path)).is_file() || is_table(path)
    }
}

/// The files of the checkpoint that a path means.
pub fn find(path: &Path) -> Result<Place, ReadError> {
    if path.is_dir() {
        return in_folder(path);
    }
    let prefix = prefix(path);
    if index_of(&prefix).is_file() {
        return Ok(Place::Bundle(prefix));
    }
    if is_table(path) {
        return Ok(Place::Single(shards(path)));
    }
    match fs::metadata(path) {
        Err(source) => Err(ReadError::io(path, source)),
        Ok(_) => Err(ReadError::unsupported(
            path,
            format!(
                "it is no TensorFlow checkpoint: it does not end as one does, and {} is not there",
                index_of(&prefix).display()
            ),
        )),
    }
}

fn in_folder(folder: &Path) -> Result<Place, ReadError> {
    let list = folder.join("checkpoint");
    if let Ok(text) = fs::read_to_string(&list) {
        let named = text.lines().find_map(|line| {
            let value = line.trim().strip_prefix("model_checkpoint_path:")?.trim();
            value.strip_prefix('"')?.strip_suffix('"').map(PathBuf::from)
        });
        let named = named.ok_or_else(|| {
            ReadError::damaged(&list, "it has no line `model_checkpoint_path: \"…\"`")
        })?;
        // A folder that was moved still names its old place.
        let beside = folder.join(named.file_name().unwrap_or_default());
        let there = [folder.join(&named), beside.clone()];
        let there = there.into_iter().find(|path| index_of(path).is_file() || is_table(path));
        return find(&there.unwrap_or(beside));
    }
    match &indexes(folder)[..] {
        [index] => Ok(Place::Bundle(prefix(index))),
        [] => Err(ReadError::unsupported(
            folder,
            "it holds no checkpoint: expected a file `checkpoint`, or one that ends in .index",
        )),
        several => Err(ReadError::unsupported(
            folder,
            format!(
                "it holds several checkpoints; give one of: {}",
                several.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

fn indexes(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "index"))
        .collect();
    found.sort();
    found
}

/// A path without what a bundle's files add to their common name.
fn prefix(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bare = name
        .strip_suffix(".index")
        .or_else(|| name.strip_suffix(".meta"))
        .or_else(|| name.rsplit_once(".data-").map(|(bare, _)| bare));
    bare.map_or_else(|| path.to_owned(), |bare| path.with_file_name(bare))
}

/// `model.ckpt-5.index`
pub fn index_of(prefix: &Path) -> PathBuf {
    with_ending(prefix, ".index")
}

/// `model.ckpt-5.data-00000-of-00002`
pub fn shard_of(prefix: &Path, shard: u64, of: u64) -> PathBuf {
    with_ending(prefix, &format!(".data-{shard:05}-of-{of:05}"))
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// All shards of a V1 checkpoint, of which `path` is one: `model.ckpt-5-00000-of-00003`.
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
    path.is_file() && end().is_ok_and(|end| ends_like_one(&end))
}
