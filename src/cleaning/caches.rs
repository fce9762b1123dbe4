//! Prepared volumes whose settings no known spec has.

use super::Kept;
use super::specs::KnownSpec;
use lungs_study::prepare::{is_cache_in_use, stored_entries};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Removable volumes of one cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldVolumes {
    /// The cache.
    pub cache: PathBuf,
    /// Number of volumes, and of series that could not be prepared.
    pub entries: usize,
    /// Number of different settings that they were prepared with.
    pub settings: usize,
    /// The files. Those that mark entries as complete come first.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    specs: Vec<KnownSpec>,
}

impl OldVolumes {
    /// Whether a process prepares volumes into the cache, or works on a run with it.
    pub(super) fn is_in_use(&self) -> bool {
        is_in_use(&self.cache, &self.specs)
    }
}

fn is_in_use(cache: &Path, specs: &[KnownSpec]) -> bool {
    is_cache_in_use(cache) || specs.iter().any(KnownSpec::is_running)
}

/// The removable volumes of the caches of these specs, or why a cache is kept. Caches without removable volumes are
/// omitted.
pub(super) fn old_volumes(specs: &[KnownSpec]) -> Vec<Result<OldVolumes, Kept>> {
    let mut by_cache = BTreeMap::<&PathBuf, Vec<&KnownSpec>>::new();
    for spec in specs {
        by_cache.entry(&spec.cache).or_default().push(spec);
    }
    let by_cache = by_cache.into_iter();
    by_cache.filter_map(|(cache, specs)| old_volumes_of(cache, &specs)).collect()
}

fn old_volumes_of(cache: &Path, specs: &[&KnownSpec]) -> Option<Result<OldVolumes, Kept>> {
    let settings: BTreeSet<&str> = specs.iter().map(|spec| spec.settings.as_str()).collect();
    let volumes: BTreeSet<&str> =
        specs.iter().flat_map(|spec| &spec.volumes).map(String::as_str).collect();
    let is_old = |entry: &lungs_study::prepare::StoredEntry| {
        !settings.contains(entry.settings.as_str()) && !volumes.contains(entry.cache_file.as_str())
    };
    let old: Vec<_> = stored_entries(cache).into_iter().filter(is_old).collect();
    if old.is_empty() {
        return None;
    }
    let specs: Vec<KnownSpec> = specs.iter().map(|spec| (*spec).clone()).collect();
    if is_in_use(cache, &specs) {
        return Some(Err(Kept::CacheInUse { cache: cache.to_owned() }));
    }
    let settings: BTreeSet<&str> = old.iter().map(|entry| entry.settings.as_str()).collect();
    Some(Ok(OldVolumes {
        cache: cache.to_owned(),
        entries: old.len(),
        settings: settings.len(),
        files: old.iter().flat_map(|entry| entry.files.clone()).collect(),
        bytes: old.iter().map(|entry| entry.bytes).sum(),
        specs,
    }))
}
