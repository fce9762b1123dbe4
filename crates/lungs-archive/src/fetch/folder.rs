//! The folder of a series.

use std::fs;
use std::path::{Path, PathBuf};

use super::ledger::LedgerEntry;
use super::store::{FileError, Object};

/// Creates a folder below the target, if it is missing. A link is an error, because it could lead anywhere.
pub(super) fn folder_below(target: &Path, below: &Path) -> Result<PathBuf, FileError> {
    let mut folder = target.to_owned();
    for part in below.components() {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if !metadata.is_dir() => {
                let kind = if metadata.is_symlink() { "a link" } else { "a file" };
                let message = format!("{} is {kind}, expected a folder", folder.display());
                return Err(FileError::Permanent(message));
            }
            _ => {}
        }
    }
    lungs_base::files::make_folder(&folder)?;
    Ok(folder)
}

/// The names of a series' files, if number and size are those in the ledger.
pub(super) fn complete_files(entry: &LedgerEntry, folder: &Path) -> Option<Vec<String>> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for file in fs::read_dir(folder).ok()?.flatten() {
        let name = file.file_name().into_string().ok()?;
        let metadata = file.metadata().ok()?;
        if metadata.is_file() && !name.starts_with('.') {
            bytes += metadata.len();
            names.push(name);
        }
    }
    (names.len() == entry.files && bytes == entry.bytes).then_some(names)
}

/// The files of a series that are missing or have another size.
pub(super) fn missing_objects<'a>(
    objects: &'a [Object],
    folder: &'a Path,
) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(|object| {
        let metadata = fs::symlink_metadata(folder.join(&object.name));
        !metadata.is_ok_and(|metadata| metadata.len() == object.bytes)
    })
}

/// Removes the files of a series, and its folder if it is empty then.
pub(super) fn remove_files(folder: &Path, names: &[String]) -> Result<(), FileError> {
    for name in names {
        lungs_base::files::remove(&folder.join(name))?;
    }
    if fs::remove_dir(folder).is_ok()
        && let Some(parent) = folder.parent()
    {
        // Removes the patient's folder too, if it is empty.
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}
