//! `[sweep]` → runs.

use super::names::{plain, unique, value_in_words, word_for};
use crate::spec::{Setting, Spec, SpecError, SweepFolds, SweepSource};
use miette::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A run that a sweep stands for.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Names its folder inside the sweep's; runs that began under another name keep it.
    pub name: String,
    /// What runs of other seeds and folds share with it, in words; empty where that is all there is.
    pub combination: String,
    /// The keys that it varies.
    pub settings: Vec<Setting>,
    /// Its whole spec.
    pub spec: Spec,
    /// The hash of what affects results in it: what it is known by.
    pub hash: String,
}

/// A sweep that cannot be.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SweepError {
    /// Something in the spec, or in the keys that a run varies.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spec(#[from] SpecError),
    /// Nothing is varied.
    #[error("[sweep] of {path} varies nothing")]
    #[diagnostic(help(
        "give it seeds = [1, 2, 3], folds = \"all\", [sweep.grid] or [[sweep.list]]: docs/sweep.md"
    ))]
    Nothing {
        /// The spec.
        path: PathBuf,
    },
    /// A key that is the same for all runs of a sweep.
    #[error("[sweep] of {path} varies {key}, {why}")]
    #[diagnostic(help("set it for all runs, outside of [sweep]"))]
    Fixed {
        /// The spec.
        path: PathBuf,
        /// The key.
        key: String,
        /// Why it is fixed.
        why: &'static str,
    },
    /// A key that is varied in two places.
    #[error("[sweep] of {path} varies {key} twice: in {} and in {}", .places[0], .places[1])]
    #[diagnostic(help("leave it in one of the two"))]
    Twice {
        /// The spec.
        path: PathBuf,
        /// The key.
        key: String,
        /// Where.
        places: [&'static str; 2],
    },
    /// Two runs would be the same experiment.
    #[error("two runs of [sweep] in {path} are the same experiment:\n  {}\n  {}", .runs[0], .runs[1])]
    #[diagnostic(help("{why}"))]
    Same {
        /// The spec.
        path: PathBuf,
        /// What each sets.
        runs: [String; 2],
        /// What to do.
        why: String,
    },
    /// Folds of no cross-validation.
    #[error("sweep.folds of {path} is set, but split.folds is 0: there are no folds")]
    #[diagnostic(help("set split.folds, for example to 5"))]
    NoFolds {
        /// The spec.
        path: PathBuf,
    },
}

/// One way to set keys, with the words for it in a name.
#[derive(Clone, Default)]
struct Combination {
    words: Vec<String>,
    /// The same for people, without seed and fold.
    told: Vec<String>,
    settings: Vec<Setting>,
}

impl Combination {
    fn with(&self, word: String, settings: impl IntoIterator<Item = Setting>) -> Self {
        let mut more = self.clone();
        more.words.push(word);
        more.settings.extend(settings);
        more
    }

    fn called(mut self, told: String) -> Self {
        self.told.push(told);
        self
    }
}

/// Every run of a sweep, each with a spec that cannot be wrong: entries of the list slowest, then the
/// keys of the grid in the order of the file, folds, and seeds fastest.
///
/// # Errors
/// The first thing that is wrong with any of them; nothing has been written then.
pub fn expand(source: &SweepSource) -> Result<Vec<PlannedRun>, SweepError> {
    let path = || source.path.clone();
    check_keys(source)?;
    let mut found: Vec<(Combination, Spec)> = Vec::new();
    for combination in grid_of(source) {
        let folds: Vec<u64> = folds_of(source, &combination)?.iter().map(|&f| f as u64).collect();
        let with_folds = if folds.is_empty() {
            vec![combination]
        } else {
            spread(&combination, "split.fold", "fold", &folds)
        };
        let seeds = &source.table.seeds;
        for one in with_folds {
            let with_seeds = if seeds.is_empty() {
                vec![one]
            } else {
                spread(&one, "experiment.seed", "seed", seeds)
            };
            for one in with_seeds {
                let spec = source.resolve(&one.settings)?;
                found.push((one, spec));
            }
        }
    }
    if found.iter().all(|(one, _)| one.settings.is_empty()) {
        return Err(SweepError::Nothing { path: path() });
    }
    let mut taken = BTreeSet::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut runs: Vec<PlannedRun> = Vec::new();
    for (one, spec) in found {
        let hash = spec.hash();
        if let Some(&other) = known.get(&hash) {
            let told = [&runs[other].settings, &one.settings].map(|settings| in_words(settings));
            return Err(SweepError::Same { path: path(), why: why_same(&told), runs: told });
        }
        known.insert(hash.clone(), runs.len());
        let name = unique(&plain(&one.words.join("_")), &hash, &mut taken);
        let combination = one.told.join(", ");
        runs.push(PlannedRun { name, combination, settings: one.settings, spec, hash });
    }
    Ok(runs)
}

/// `loss.name = "focal", experiment.seed = 2`
fn in_words(settings: &[Setting]) -> String {
    let told = settings.iter().map(|setting| format!("{} = {}", setting.key, setting.value));
    told.collect::<Vec<_>>().join(", ")
}

fn why_same(told: &[String; 2]) -> String {
    if told[0] == told[1] {
        "the same values are given twice: take one of them out".to_owned()
    } else {
        "what they set differently plays no part in the results (as loss.gamma with \
                  cross-entropy): give values that belong together as [[sweep.list]]"
            .to_owned()
    }
}

/// Keys that no run can vary, and keys that two places would.
fn check_keys(source: &SweepSource) -> Result<(), SweepError> {
    let mut seen: BTreeMap<&str, &'static str> = BTreeMap::new();
    if !source.table.seeds.is_empty() {
        seen.insert("experiment.seed", "sweep.seeds");
    }
    if source.table.folds != SweepFolds::default() {
        seen.insert("split.fold", "sweep.folds");
    }
    let grid = source.grid.iter().map(|(key, _)| (key.as_str(), "[sweep.grid]"));
    let listed: BTreeSet<&str> =
        source.list.iter().flat_map(|(_, entry)| entry).map(|one| one.key.as_str()).collect();
    for (key, place) in grid.chain(listed.into_iter().map(|key| (key, "[[sweep.list]]"))) {
        let why = match key {
            "experiment.name" | "runtime.results" => "which says where all of its runs are",
            "runtime.threads" => "which is shared among the runs that work at once",
            _ if key.starts_with("slurm.") => "which all jobs of a sweep share",
            _ => "",
        };
        if !why.is_empty() {
            let (path, key) = (source.path.clone(), key.to_owned());
            return Err(SweepError::Fixed { path, key, why });
        }
        if let Some(other) = seen.insert(key, place) {
            let (path, key) = (source.path.clone(), key.to_owned());
            return Err(SweepError::Twice { path, key, places: [other, place] });
        }
    }
    Ok(())
}

/// Entries of the list with every combination of the grid.
fn grid_of(source: &SweepSource) -> Vec<Combination> {
    let keys =
        |settings: &[Setting]| settings.iter().map(|one| one.key.clone()).collect::<Vec<_>>();
    let listed = source.list.iter().flat_map(|(_, entry)| keys(entry));
    let all: BTreeSet<String> =
        source.grid.iter().map(|(key, _)| key.clone()).chain(listed).collect();
    let word =
        |one: &Setting| format!("{}-{}", word_for(&one.key, &all), value_in_words(&one.value));
    let mut found = vec![Combination::default()];
    if !source.list.is_empty() {
        let entry = |(name, entry): &(Option<String>, Vec<Setting>)| {
            let words = || entry.iter().map(word).collect::<Vec<_>>().join("_");
            let told = name.clone().unwrap_or_else(|| in_words(entry));
            let name = name.clone().unwrap_or_else(words);
            Combination::default().with(name, entry.iter().cloned()).called(told)
        };
        found = source.list.iter().map(entry).collect();
    }
    for (key, values) in &source.grid {
        let setting = |value: &toml::Value| Setting { key: key.clone(), value: value.clone() };
        let settings: Vec<Setting> = values.iter().map(setting).collect();
        let each = |one: &Combination| -> Vec<Combination> {
            let with = |setting: &Setting| {
                let told = in_words(std::slice::from_ref(setting));
                one.with(word(setting), [setting.clone()]).called(told)
            };
            settings.iter().map(with).collect()
        };
        found = found.iter().flat_map(each).collect();
    }
    found
}

/// The folds that are runs of their own.
fn folds_of(source: &SweepSource, one: &Combination) -> Result<Vec<usize>, SweepError> {
    if source.table.folds == SweepFolds::default() {
        return Ok(Vec::new());
    }
    let folds = source.resolve(&one.settings)?.split.folds;
    match &source.table.folds {
        _ if folds == 0 => Err(SweepError::NoFolds { path: source.path.clone() }),
        SweepFolds::All(_) => Ok((1..=folds).collect()),
        SweepFolds::List(folds) => Ok(folds.clone()),
    }
}

/// A combination once for each number of a key.
fn spread(one: &Combination, key: &str, word: &str, numbers: &[u64]) -> Vec<Combination> {
    let each = numbers.iter().map(|&number| {
        // What does not fit is told by the check of the spec.
        let value = toml::Value::Integer(i64::try_from(number).unwrap_or(-1));
        one.with(format!("{word}-{number}"), [Setting { key: key.to_owned(), value }])
    });
    each.collect()
}
