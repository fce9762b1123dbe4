//! One walk over a folder: files that are known are taken from the index, the others opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::facts::{Collector, FolderFacts, Looked, Stamp, look};
use super::index::{self, Known};
use super::walk::walk;
use super::{Found, ImagesError, group};
use crate::dicom::{Problem, StackRules};
use crate::files::WriteError;

/// Files that a thread looks at before what they have in common is stored once.
const AT_A_TIME: usize = 512;

/// Scans folders, and remembers what it found in their files.
///
/// The default one has no index and opens every file.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Where the index is kept.
    file: Option<PathBuf>,
    known: Known,
    changed: bool,
    stacks: StackRules,
}

impl Scanner {
    /// A scanner that knows what the index of a cache folder knows. An index that is absent,
    /// damaged or of another version is as good as none.
    pub fn with_index(cache_folder: &Path) -> Self {
        let file = cache_folder.join("index");
        Self { known: index::load(&file), file: Some(file), ..Self::default() }
    }

    /// The same scanner with these rules for stacks that are not plain axial ones.
    #[must_use]
    pub fn stacking_by(self, stacks: StackRules) -> Self {
        Self { stacks, ..self }
    }

    /// Finds every image under `root` (a folder of any nesting, or one file), from headers only.
    ///
    /// Contents decide what a file is; names only which kinds of volume file are tried. The result
    /// does not depend on the order in which the file system lists files, on the number of
    /// threads, nor on what was in the index.
    ///
    /// # Errors
    /// Only when `root` itself cannot be opened; a file or folder below that cannot be read becomes
    /// a [`Problem`].
    pub fn scan(&mut self, root: &Path) -> Result<Found, ImagesError> {
        std::fs::metadata(root)
            .map_err(|source| ImagesError::Root { path: root.to_owned(), source })?;
        let mut problems = Vec::new();
        let mut found = Found::default();
        let folders = walk(root, &mut problems, &mut found.passed_over);
        // One file is opened sooner than its folder is looked up.
        let indexed = self.file.is_some() && root.is_dir();
        let mut work = Vec::with_capacity(folders.len());
        for (folder, names) in folders {
            let key = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
            let key = key.to_str().filter(|_| indexed).map(str::to_owned);
            let known = key.as_ref().and_then(|key| self.known.remove(key)).unwrap_or_default();
            work.push((folder, key, names, known));
        }
        if indexed {
            self.forget_below(root);
        }
        let seen: Vec<(PathBuf, Option<String>, Seen)> = work
            .into_par_iter()
            .map(|(folder, key, names, known)| {
                let seen = look_at_folder(&folder, &names, known);
                (folder, key, seen)
            })
            .collect();
        let mut folders = Vec::with_capacity(seen.len());
        for (folder, key, mut seen) in seen {
            self.changed |= seen.changed;
            found.opened += seen.opened;
            problems.append(&mut seen.problems);
            folders.push((folder, key, seen.facts));
        }
        let view: Vec<(&Path, &FolderFacts)> =
            folders.iter().map(|(folder, _, facts)| (folder.as_path(), facts)).collect();
        group::group(root, &view, self.stacks, &mut found, &mut problems);
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        found.problems = problems;
        self.known.extend(folders.into_iter().filter_map(|(_, key, facts)| Some((key?, facts))));
        Ok(found)
    }

    /// Keeps the index for the next time, if anything in it changed.
    ///
    /// # Errors
    /// When the file cannot be written; that costs nothing but time.
    pub fn save(&self) -> Result<(), WriteError> {
        match &self.file {
            Some(file) if self.changed => index::save(file, &self.known),
            _ => Ok(()),
        }
    }

    /// [`save`](Self::save) where the cache folder is there already.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_beside(&self) -> Result<(), WriteError> {
        let there = self.file.as_deref().and_then(Path::parent).is_some_and(Path::is_dir);
        if there { self.save() } else { Ok(()) }
    }

    /// Forgets folders below `root` that the walk did not find again.
    fn forget_below(&mut self, root: &Path) {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let Some(start) = root.to_str() else { return };
        let from_root = self.known.range(start.to_owned()..).map(|(folder, _)| folder);
        let gone: Vec<String> = from_root
            .take_while(|folder| folder.starts_with(start))
            .filter(|folder| Path::new(folder).starts_with(&root))
            .cloned()
            .collect();
        self.changed |= !gone.is_empty();
        for folder in gone {
            self.known.remove(&folder);
        }
    }
}

/// What became of a folder's files.
struct Seen {
    facts: FolderFacts,
    problems: Vec<Problem>,
    opened: usize,
    changed: bool,
}

/// Takes unchanged files from what is known and looks at the others.
fn look_at_folder(folder: &Path, names: &[OsString], known: FolderFacts) -> Seen {
    let mut problems: Vec<Problem> = Vec::new();
    let mut readable: Vec<(&str, Stamp)> = Vec::with_capacity(names.len());
    let stamps: Vec<Result<(&str, Stamp), String>> = names
        .par_iter()
        .with_min_len(AT_A_TIME)
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
    let as_before = known.files.len() == readable.len()
        && known
            .files
            .iter()
            .zip(&readable)
            .all(|(entry, (name, stamp))| &*entry.name == *name && entry.stamp == *stamp);
    if as_before {
        return Seen { facts: known, problems, opened: 0, changed: false };
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
    for names in unknown.chunks(AT_A_TIME * rayon::current_num_threads()) {
        let looked: Vec<Looked> =
            names.par_iter().map(|(name, _)| look(&folder.join(name), name)).collect();
        for ((name, stamp), looked) in names.iter().zip(looked) {
            collector.add(name, *stamp, looked);
        }
    }
    Seen { facts: collector.finish(), problems, opened, changed: true }
}
