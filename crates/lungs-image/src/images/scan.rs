//! Scans folders: takes unchanged files from the index and opens the others.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::facts::{Collector, FileContent, FolderFacts, Stamp, inspect};
use super::index::{self, Known};
use super::walk::walk;
use super::{ImagesError, ScanResult, group};
use crate::dicom::{Problem, StackRules};
use lungs_base::files::WriteError;

/// Files that a thread inspects before shared values are stored once.
const BATCH: usize = 512;

/// Scans folders and keeps the contents of their files in an index.
///
/// The default scanner has no index and opens every file.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Path of the index.
    file: Option<PathBuf>,
    known: Known,
    changed: bool,
    stacks: StackRules,
}

impl Scanner {
    /// A scanner with the index of a cache folder. An index that is damaged or of another version is
    /// ignored.
    pub fn with_index(cache_folder: &Path) -> Self {
        let file = cache_folder.join("index");
        Self { known: index::load(&file), file: Some(file), ..Self::default() }
    }

    /// The same scanner with these rules for stacks other than plain axial ones.
    #[must_use]
    pub fn with_stack_rules(self, stacks: StackRules) -> Self {
        Self { stacks, ..self }
    }

    /// Finds every image under `root` (a folder of any nesting, or one file), from headers only.
    ///
    /// Contents determine the kind of a file; names only which formats of volume files are tried. The
    /// result does not depend on the order in which the file system lists files, on the number of
    /// threads or on the index.
    ///
    /// # Errors
    /// `root` itself cannot be opened. A file or folder below it that cannot be read becomes a
    /// [`Problem`].
    pub fn scan(&mut self, root: &Path) -> Result<ScanResult, ImagesError> {
        std::fs::metadata(root)
            .map_err(|source| ImagesError::Root { path: root.to_owned(), source })?;
        let mut problems = Vec::new();
        let mut result = ScanResult::default();
        let folders = walk(root, &mut problems, &mut result.skipped);
        // Opening a single file is faster than a lookup of its folder.
        let indexed = self.file.is_some() && root.is_dir();
        let mut work = Vec::with_capacity(folders.len());
        for (folder, names) in folders {
            let key = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
            let key = key.to_str().filter(|_| indexed).map(str::to_owned);
            let known = key.as_ref().and_then(|key| self.known.remove(key)).unwrap_or_default();
            work.push((folder, key, names, known));
        }
        if indexed {
            self.remove_below(root);
        }
        let folder_scans: Vec<(PathBuf, Option<String>, FolderScan)> = work
            .into_par_iter()
            .map(|(folder, key, names, known)| {
                let folder_scan = scan_folder(&folder, &names, known);
                (folder, key, folder_scan)
            })
            .collect();
        let mut folders = Vec::with_capacity(folder_scans.len());
        for (folder, key, mut folder_scan) in folder_scans {
            self.changed |= folder_scan.changed;
            result.opened += folder_scan.opened;
            problems.append(&mut folder_scan.problems);
            folders.push((folder, key, folder_scan.facts));
        }
        let view: Vec<(&Path, &FolderFacts)> =
            folders.iter().map(|(folder, _, facts)| (folder.as_path(), facts)).collect();
        group::group(root, &view, self.stacks, &mut result, &mut problems);
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        result.problems = problems;
        self.known.extend(folders.into_iter().filter_map(|(_, key, facts)| Some((key?, facts))));
        Ok(result)
    }

    /// Writes the index if anything in it changed.
    ///
    /// # Errors
    /// The file cannot be written; the next scan then opens all files.
    pub fn save(&self) -> Result<(), WriteError> {
        match &self.file {
            Some(file) if self.changed => index::save(file, &self.known),
            _ => Ok(()),
        }
    }

    /// [`save`](Self::save) if the cache folder exists.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_if_folder_exists(&self) -> Result<(), WriteError> {
        let exists = self.file.as_deref().and_then(Path::parent).is_some_and(Path::is_dir);
        if exists { self.save() } else { Ok(()) }
    }

    /// Removes folders below `root` that the walk did not find again.
    fn remove_below(&mut self, root: &Path) {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let Some(start) = root.to_str() else { return };
        let from_root = self.known.range(start.to_owned()..).map(|(folder, _)| folder);
        let removed: Vec<String> = from_root
            .take_while(|folder| folder.starts_with(start))
            .filter(|folder| Path::new(folder).starts_with(&root))
            .cloned()
            .collect();
        self.changed |= !removed.is_empty();
        for folder in removed {
            self.known.remove(&folder);
        }
    }
}

/// The result of scanning one folder.
struct FolderScan {
    facts: FolderFacts,
    problems: Vec<Problem>,
    opened: usize,
    changed: bool,
}

/// Takes unchanged files from `known` and inspects the others.
fn scan_folder(folder: &Path, names: &[OsString], known: FolderFacts) -> FolderScan {
    let mut problems: Vec<Problem> = Vec::new();
    let mut readable: Vec<(&str, Stamp)> = Vec::with_capacity(names.len());
    let stamps: Vec<Result<(&str, Stamp), String>> = names
        .par_iter()
        .with_min_len(BATCH)
        .map(|name| {
            let text = name.to_str().ok_or("has a name that is not UTF-8; rename it")?;
            let facts = std::fs::metadata(folder.join(name))
                .map_err(|error| format!("cannot be read: {error}"))?;
            Ok((text, Stamp::of(&facts)))
        })
        .collect();
    for (name, stamp) in names.iter().zip(stamps) {
        match stamp {
            Ok(stamp) => readable.push(stamp),
            Err(reason) => problems.push(Problem { path: folder.join(name), reason }),
        }
    }
    let is_unchanged = known.files.len() == readable.len()
        && known
            .files
            .iter()
            .zip(&readable)
            .all(|(entry, (name, stamp))| &*entry.name == *name && entry.stamp == *stamp);
    if is_unchanged {
        return FolderScan { facts: known, problems, opened: 0, changed: false };
    }
    let mut collector = Collector::default();
    let mut unknown = Vec::new();
    let mut old = known.files.into_iter().peekable();
    for (name, stamp) in readable {
        while old.next_if(|entry| &*entry.name < name).is_some() {}
        match old.next_if(|entry| &*entry.name == name) {
            Some(entry) if entry.stamp == stamp => collector.add_known(entry, &known.templates),
            _ => unknown.push((name, stamp)),
        }
    }
    let opened = unknown.len();
    for names in unknown.chunks(BATCH * rayon::current_num_threads()) {
        let contents: Vec<FileContent> =
            names.par_iter().map(|(name, _)| inspect(&folder.join(name), name)).collect();
        for ((name, stamp), content) in names.iter().zip(contents) {
            collector.add(name, *stamp, content);
        }
    }
    FolderScan { facts: collector.finish(), problems, opened, changed: true }
}
