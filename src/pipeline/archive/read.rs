//! Reader of model archives.

use super::write::sum;
use super::{ArchiveError, CHECKSUMS, FORMAT, MANIFEST, Manifest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::ZipArchive;

/// Largest size of a file in an archive; a full I3D has 49 MB.
const MAX_BYTES: u64 = 4 << 30;
/// Largest number of files in an archive: a few for each of at most 100 folds.
const MAX_FILES: usize = 512;

/// An unpacked archive in a temporary folder, which is deleted on drop.
#[derive(Debug)]
pub struct Unpacked {
    folder: TempDir,
    /// The folder of each network.
    pub networks: Vec<PathBuf>,
}

impl Unpacked {
    /// The temporary folder. It has the spec and the metrics as a run folder does.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether a file is a model archive: a ZIP file with a manifest.
pub fn is_archive(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    ZipArchive::new(BufReader::new(file)).is_ok_and(|zip| zip.index_for_name(MANIFEST).is_some())
}

/// Unpacks an archive and verifies its checksums.
///
/// # Errors
/// [`ArchiveError`] if the archive is damaged, was changed, has a newer format, or cannot be unpacked.
pub fn unpack(path: &Path) -> Result<Unpacked, ArchiveError> {
    let damaged = |problem: String| ArchiveError::Damaged { path: path.to_owned(), problem };
    let files = read(path).map_err(damaged)?;
    let text = |name: &str| {
        let bytes = files.get(name).ok_or_else(|| damaged(format!("{name} is missing")))?;
        std::str::from_utf8(bytes).map_err(|_| damaged(format!("{name} is not text")))
    };
    let manifest: Manifest = serde_json::from_str(text(MANIFEST)?)
        .map_err(|error| damaged(format!("{MANIFEST} is invalid: {error}")))?;
    if manifest.format > FORMAT {
        return Err(ArchiveError::Newer { path: path.to_owned(), format: manifest.format });
    }
    verify(&files, text(CHECKSUMS)?).map_err(damaged)?;
    let unpack_error = |source| ArchiveError::Unpack { path: path.to_owned(), source };
    let folder = tempfile::tempdir().map_err(unpack_error)?;
    let mut networks = Vec::new();
    for network in &manifest.networks {
        let target = folder.path().join(network);
        // File names are plain, so the folder that starts one of them is plain too.
        let weights = format!("{network}weights.safetensors");
        let weights = files
            .get(&weights)
            .ok_or_else(|| damaged(format!("{weights} is missing, but {MANIFEST} names it")))?;
        std::fs::create_dir_all(&target).map_err(unpack_error)?;
        std::fs::write(target.join("weights.safetensors"), weights).map_err(unpack_error)?;
        if let Some(map) = files.get(&format!("{network}calibration.json")) {
            std::fs::write(target.join("calibration.json"), map).map_err(unpack_error)?;
        }
        networks.push(target);
    }
    for name in ["spec.toml", "evaluation.json", "cross-validation.json"] {
        if let Some(bytes) = files.get(name) {
            std::fs::write(folder.path().join(name), bytes).map_err(unpack_error)?;
        }
    }
    if networks.is_empty() {
        return Err(damaged(format!("{MANIFEST} names no network")));
    }
    Ok(Unpacked { folder, networks })
}

/// The files by name. Names cannot lead out of the target folder.
fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    if zip.len() > MAX_FILES {
        return Err(format!("found {} files, expected at most {MAX_FILES}", zip.len()));
    }
    let mut files = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name().to_owned();
        if !is_plain(&name) || entry.is_symlink() {
            return Err(format!("unexpected file {name:?}"));
        }
        if entry.size() > MAX_BYTES {
            return Err(format!("{name} has {} bytes, expected at most {MAX_BYTES}", entry.size()));
        }
        let mut bytes = Vec::new();
        // The size in the entry can be wrong.
        let mut limited = entry.by_ref().take(MAX_BYTES + 1);
        limited.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("{name} has more than {MAX_BYTES} bytes"));
        }
        files.insert(name, bytes);
    }
    Ok(files)
}

/// Whether a name is `file` or `folder/file` of letters, digits, `-`, `_` and `.`, without leading dots.
fn is_plain(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let plain = |part: &&str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
    };
    parts.len() <= 2 && parts.iter().all(plain)
}

fn verify(files: &BTreeMap<String, Vec<u8>>, sums: &str) -> Result<(), String> {
    let expected: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != CHECKSUMS) {
        match expected.get(name.as_str()) {
            None => return Err(format!("{CHECKSUMS} does not name {name}")),
            Some(checksum) if **checksum != sum(bytes) => {
                return Err(format!("{name} does not have the checksum of {CHECKSUMS}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
