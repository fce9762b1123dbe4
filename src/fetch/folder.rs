//! The folder of a series.

use std::fs;
use std::path::{Path, PathBuf};

use super::ledger::Entry;
use super::store::{Object, Trouble};

/// A folder below the target, made where it is missing. Links are not followed: they could lead
/// anywhere.
pub(super) fn folder_below(target: &Path, below: &Path) -> Result<PathBuf, Trouble> {
    let mut folder = target.to_owned();
    for part in below.components() {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(facts) if !facts.is_dir() => {
                let odd = if facts.is_symlink() { "a link" } else { "a file" };
                let told = format!("{} is {odd}, and should be a folder", folder.display());
                return Err(Trouble::Lasting(told));
            }
            _ => {}
        }
    }
    crate::files::make_folder(&folder)?;
    Ok(folder)
}

/// The names of a series' files, when all that the ledger tells of are there.
pub(super) fn whole(entry: &Entry, folder: &Path) -> Option<Vec<String>> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for file in fs::read_dir(folder).ok()?.flatten() {
        let name = file.file_name().into_string().ok()?;
        let facts = file.metadata().ok()?;
        if facts.is_file() && !name.starts_with('.') {
            bytes += facts.len();
            names.push(name);
        }
    }
    (names.len() == entry.files && bytes == entry.bytes).then_some(names)
}

/// The files of a series that are not there with their size.
pub(super) fn missing<'a>(
    objects: &'a [Object],
    folder: &'a Path,
) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(|object| {
        let facts = fs::symlink_metadata(folder.join(&object.name));
        !facts.is_ok_and(|facts| facts.len() == object.bytes)
    })
}

/// Removes the files of a series and its folder, unless there is something else in it.
pub(super) fn remove(folder: &Path, names: &[String]) -> Result<(), Trouble> {
    for name in names {
        crate::files::remove(&folder.join(name))?;
    }
    if fs::remove_dir(folder).is_ok()
        && let Some(above) = folder.parent()
    {
        // The patient's folder too, when this was all that was in it.
        let _ = fs::remove_dir(above);
    }
    Ok(())
}
