//! From an archive to networks.

use super::write::sum;
use super::{ArchiveError, CHECKSUMS, FORMAT, MANIFEST, Manifest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::ZipArchive;

/// No file of an archive is larger than this; a full I3D has 49 MB.
const MOST_BYTES: u64 = 4 << 30;
/// An archive has few files: some for each of at most 100 folds.
const MOST_FILES: usize = 512;

/// An archive in a temporary folder, which goes when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    folder: TempDir,
    /// A folder with weights for each network.
    pub networks: Vec<PathBuf>,
}

impl Unpacked {
    /// The temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether a file is a model archive: a ZIP file that says so.
pub fn is_archive(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    ZipArchive::new(BufReader::new(file)).is_ok_and(|zip| zip.index_for_name(MANIFEST).is_some())
}

/// Unpacks an archive, every file of which must have its checksum.
///
/// # Errors
/// [`ArchiveError`] when it is damaged, was changed, is of a newer version, or cannot be unpacked.
pub fn unpack(path: &Path) -> Result<Unpacked, ArchiveError> {
    let damaged = |found: String| ArchiveError::Damaged { path: path.to_owned(), found };
    let files = read(path).map_err(damaged)?;
    let text = |name: &str| {
        let bytes = files.get(name).ok_or_else(|| damaged(format!("{name} is missing")))?;
        std::str::from_utf8(bytes).map_err(|_| damaged(format!("{name} is no text")))
    };
    let manifest: Manifest = serde_json::from_str(text(MANIFEST)?)
        .map_err(|error| damaged(format!("{MANIFEST} cannot be understood: {error}")))?;
    if manifest.format > FORMAT {
        return Err(ArchiveError::Newer { path: path.to_owned(), found: manifest.format });
    }
    verify(&files, text(CHECKSUMS)?).map_err(damaged)?;
    let cannot = |source| ArchiveError::Unpack { path: path.to_owned(), source };
    let folder = tempfile::tempdir().map_err(cannot)?;
    let mut networks = Vec::new();
    for network in &manifest.networks {
        let place = folder.path().join(network);
        // Names of files are plain, and so is that of a folder which begins one.
        let weights = format!("{network}weights.safetensors");
        let weights = files
            .get(&weights)
            .ok_or_else(|| damaged(format!("{weights} is missing, which {MANIFEST} names")))?;
        std::fs::create_dir_all(&place).map_err(cannot)?;
        std::fs::write(place.join("weights.safetensors"), weights).map_err(cannot)?;
        if let Some(map) = files.get(&format!("{network}calibration.json")) {
            std::fs::write(place.join("calibration.json"), map).map_err(cannot)?;
        }
        networks.push(place);
    }
    if networks.is_empty() {
        return Err(damaged(format!("{MANIFEST} names no network")));
    }
    Ok(Unpacked { folder, networks })
}

/// The files by their names, none of which leads out of a folder.
fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    if zip.len() > MOST_FILES {
        return Err(format!("it has {} files, at most {MOST_FILES} are expected", zip.len()));
    }
    let mut files = BTreeMap::new();
    for place in 0..zip.len() {
        let mut entry = zip.by_index(place).map_err(|error| error.to_string())?;
        let name = entry.name().to_owned();
        if !is_plain(&name) || entry.is_symlink() {
            return Err(format!("the name {name:?} in it is none of a model's"));
        }
        if entry.size() > MOST_BYTES {
            return Err(format!("{name} says it has {} bytes", entry.size()));
        }
        let mut bytes = Vec::new();
        // What an entry says of its size need not be true.
        let mut limited = entry.by_ref().take(MOST_BYTES + 1);
        limited.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("{name} has more than {MOST_BYTES} bytes"));
        }
        files.insert(name, bytes);
    }
    Ok(files)
}

/// `file` or `folder/file` of letters, digits, `-`, `_` and `.`, neither of them beginning with a dot.
fn is_plain(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let plain = |part: &&str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    parts.len() <= 2 && parts.iter().all(plain)
}

fn verify(files: &BTreeMap<String, Vec<u8>>, sums: &str) -> Result<(), String> {
    let told: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != CHECKSUMS) {
        match told.get(name.as_str()) {
            None => return Err(format!("{CHECKSUMS} does not name {name}")),
            Some(told) if **told != sum(bytes) => {
                return Err(format!("{name} does not have the checksum that {CHECKSUMS} names"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
