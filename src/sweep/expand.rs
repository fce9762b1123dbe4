//! Expands a `[sweep]` table into runs.

use super::names::{key_word, plain_name, unique_name, value_word};
use lungs_spec::spec::{BestBy, Setting, Spec, SpecError, SweepFolds, SweepSource};
use miette::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A run of an expanded sweep.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Name of its folder inside the folder of the sweep. A run that started under another name keeps it.
    pub name: String,
    /// The varied keys except seed and fold, as text; empty if the sweep varies only seed and fold.
    pub combination: String,
    /// The varied keys with their values.
    pub settings: Vec<Setting>,
    /// The complete spec.
    pub spec: Spec,
    /// Hash of the keys of the spec that affect results; identifies the run.
    pub hash: String,
}

impl PlannedRun {
    /// The varied keys with their values, as JSON.
    pub(super) fn settings_as_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let json = |value: &toml::Value| serde_json::to_value(value).unwrap_or_default();
        self.settings.iter().map(|setting| (setting.key.clone(), json(&setting.value))).collect()
    }
}

/// An invalid sweep.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SweepError {
    /// An invalid spec, or an invalid value of a varied key.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spec(#[from] SpecError),
    /// No key is varied.
    #[error("{path}: [sweep] varies no key")]
    #[diagnostic(help(
        "add seeds = [1, 2, 3], folds = \"all\", [sweep.grid] or [[sweep.list]]; see docs/sweep.md"
    ))]
    Nothing {
        /// The spec.
        path: PathBuf,
    },
    /// A key that must be the same for all runs of a sweep.
    #[error("{path}: [sweep] cannot vary {key}, {reason}")]
    #[diagnostic(help("set the key for all runs, outside [sweep]"))]
    Fixed {
        /// The spec.
        path: PathBuf,
        /// The key.
        key: String,
        /// Why all runs share the key.
        reason: &'static str,
    },
    /// A key that is varied in two sections.
    #[error("{path}: [sweep] varies {key} twice: in {} and in {}", .sections[0], .sections[1])]
    #[diagnostic(help("remove it from one of the two"))]
    Twice {
        /// The spec.
        path: PathBuf,
        /// The key.
        key: String,
        /// The two sections.
        sections: [&'static str; 2],
    },
    /// Two runs would be the same experiment.
    #[error("{path}: two runs of [sweep] are the same experiment:\n  {}\n  {}", .runs[0], .runs[1])]
    #[diagnostic(help("{help}"))]
    Same {
        /// The spec.
        path: PathBuf,
        /// The settings of the two runs.
        runs: [String; 2],
        /// How to correct the table.
        help: String,
    },
    /// A ranking by a metric that a run does not have.
    #[error(
        "{path}: sweep.best is \"valid-c-index\", but outcome.name is \"binary\", which has no C-index{}",
        if .run.is_empty() { String::new() } else { format!(" ({})", .run) }
    )]
    #[diagnostic(help(
        "set outcome.name = \"survival\", or rank by another metric, such as \"valid-auc\""
    ))]
    NoCIndex {
        /// The spec.
        path: PathBuf,
        /// The settings of the run; empty for the unchanged spec.
        run: String,
    },
    /// Folds without a cross-validation.
    #[error("{path}: sweep.folds is set, but split.folds is 0 (no cross-validation)")]
    #[diagnostic(help("set split.folds, e.g. to 5"))]
    NoFolds {
        /// The spec.
        path: PathBuf,
    },
}

/// A combination of settings with its name.
#[derive(Clone, Default)]
struct SettingCombination {
    /// Words of the name of the run.
    words: Vec<String>,
    /// Readable description, without seed and fold.
    description: Vec<String>,
    settings: Vec<Setting>,
}

impl SettingCombination {
    fn with(&self, word: String, settings: impl IntoIterator<Item = Setting>) -> Self {
        let mut extended = self.clone();
        extended.words.push(word);
        extended.settings.extend(settings);
        extended
    }

    fn with_description(mut self, description: String) -> Self {
        self.description.push(description);
        self
    }
}

/// Expands a sweep into runs with validated specs. Seeds vary fastest, then folds, then the keys of the grid in
/// the order of the file; entries of the list vary slowest.
///
/// # Errors
/// The first error of any run. Nothing is written.
pub fn expand(source: &SweepSource) -> Result<Vec<PlannedRun>, SweepError> {
    let path = || source.path.clone();
    check_keys(source)?;
    let mut resolved: Vec<(SettingCombination, Spec)> = Vec::new();
    for combination in grid_combinations(source) {
        let folds: Vec<u64> =
            requested_folds(source, &combination)?.iter().map(|&f| f as u64).collect();
        let with_folds = if folds.is_empty() {
            vec![combination]
        } else {
            vary_key(&combination, "split.fold", "fold", &folds)
        };
        let seeds = &source.table.seeds;
        for combination in with_folds {
            let with_seeds = if seeds.is_empty() {
                vec![combination]
            } else {
                vary_key(&combination, "experiment.seed", "seed", seeds)
            };
            for combination in with_seeds {
                let spec = source.resolve(&combination.settings)?;
                resolved.push((combination, spec));
            }
        }
    }
    if resolved.iter().all(|(combination, _)| combination.settings.is_empty()) {
        return Err(SweepError::Nothing { path: path() });
    }
    let mut taken = BTreeSet::new();
    let mut index_by_hash: BTreeMap<String, usize> = BTreeMap::new();
    let mut runs: Vec<PlannedRun> = Vec::new();
    for (SettingCombination { words, description, settings }, spec) in resolved {
        if source.table.best == BestBy::ValidCIndex && !spec.outcome.is_survival() {
            return Err(SweepError::NoCIndex { path: path(), run: settings_text(&settings) });
        }
        let hash = spec.hash();
        if let Some(&other) = index_by_hash.get(&hash) {
            let texts = [&runs[other].settings, &settings].map(|settings| settings_text(settings));
            return Err(SweepError::Same { path: path(), help: same_help(&texts), runs: texts });
        }
        index_by_hash.insert(hash.clone(), runs.len());
        let name = unique_name(&plain_name(&words.join("_")), &hash, &mut taken);
        let combination = description.join(", ");
        runs.push(PlannedRun { name, combination, settings, spec, hash });
    }
    Ok(runs)
}

/// `loss.name = "focal", experiment.seed = 2`
fn settings_text(settings: &[Setting]) -> String {
    let texts = settings.iter().map(|setting| format!("{} = {}", setting.key, setting.value));
    texts.collect::<Vec<_>>().join(", ")
}

fn same_help(runs: &[String; 2]) -> String {
    if runs[0] == runs[1] {
        "the same values are listed twice: remove one of them".to_owned()
    } else {
        "the values that differ do not affect the results (e.g. loss.gamma with cross-entropy): \
         list values that belong together with [[sweep.list]]"
            .to_owned()
    }
}

/// Rejects keys that a sweep cannot vary, and keys that two sections vary.
fn check_keys(source: &SweepSource) -> Result<(), SweepError> {
    let mut sections: BTreeMap<&str, &'static str> = BTreeMap::new();
    if !source.table.seeds.is_empty() {
        sections.insert("experiment.seed", "sweep.seeds");
    }
    if source.table.folds != SweepFolds::default() {
        sections.insert("split.fold", "sweep.folds");
    }
    let grid = source.grid.iter().map(|(key, _)| (key.as_str(), "[sweep.grid]"));
    let list_settings = source.list.iter().flat_map(|(_, entry)| entry);
    let list_keys: BTreeSet<&str> = list_settings.map(|setting| setting.key.as_str()).collect();
    for (key, section) in grid.chain(list_keys.into_iter().map(|key| (key, "[[sweep.list]]"))) {
        let reason = match key {
            "experiment.name" | "runtime.results" => "which sets the folder of all runs",
            "runtime.threads" => "which is divided among parallel runs",
            _ if key.starts_with("slurm.") => "which all jobs of a sweep share",
            _ => "",
        };
        if !reason.is_empty() {
            let (path, key) = (source.path.clone(), key.to_owned());
            return Err(SweepError::Fixed { path, key, reason });
        }
        if let Some(other) = sections.insert(key, section) {
            let (path, key) = (source.path.clone(), key.to_owned());
            return Err(SweepError::Twice { path, key, sections: [other, section] });
        }
    }
    Ok(())
}

/// Entries of the list with every combination of the grid.
fn grid_combinations(source: &SweepSource) -> Vec<SettingCombination> {
    let list_settings = source.list.iter().flat_map(|(_, entry)| entry);
    let list_keys = list_settings.map(|setting| setting.key.clone());
    let all_keys: BTreeSet<String> =
        source.grid.iter().map(|(key, _)| key.clone()).chain(list_keys).collect();
    let word = |setting: &Setting| {
        format!("{}-{}", key_word(&setting.key, &all_keys), value_word(&setting.value))
    };
    let mut combinations = vec![SettingCombination::default()];
    if !source.list.is_empty() {
        let entry = |(name, entry): &(Option<String>, Vec<Setting>)| {
            let words = || entry.iter().map(word).collect::<Vec<_>>().join("_");
            let description = name.clone().unwrap_or_else(|| settings_text(entry));
            let name = name.clone().unwrap_or_else(words);
            SettingCombination::default()
                .with(name, entry.iter().cloned())
                .with_description(description)
        };
        combinations = source.list.iter().map(entry).collect();
    }
    for (key, values) in &source.grid {
        let setting = |value: &toml::Value| Setting { key: key.clone(), value: value.clone() };
        let settings: Vec<Setting> = values.iter().map(setting).collect();
        let extend = |combination: &SettingCombination| -> Vec<SettingCombination> {
            let with = |setting: &Setting| {
                let description = settings_text(std::slice::from_ref(setting));
                combination.with(word(setting), [setting.clone()]).with_description(description)
            };
            settings.iter().map(with).collect()
        };
        combinations = combinations.iter().flat_map(extend).collect();
    }
    combinations
}

/// The folds that become separate runs.
fn requested_folds(
    source: &SweepSource,
    combination: &SettingCombination,
) -> Result<Vec<usize>, SweepError> {
    if source.table.folds == SweepFolds::default() {
        return Ok(Vec::new());
    }
    let folds = source.resolve(&combination.settings)?.split.folds;
    match &source.table.folds {
        _ if folds == 0 => Err(SweepError::NoFolds { path: source.path.clone() }),
        SweepFolds::All(_) => Ok((1..=folds).collect()),
        SweepFolds::List(folds) => Ok(folds.clone()),
    }
}

/// The combination extended by each number as the value of a key.
fn vary_key(
    combination: &SettingCombination,
    key: &str,
    word: &str,
    numbers: &[u64],
) -> Vec<SettingCombination> {
    let combinations = numbers.iter().map(|&number| {
        // The validation of the spec rejects -1.
        let value = toml::Value::Integer(i64::try_from(number).unwrap_or(-1));
        combination.with(format!("{word}-{number}"), [Setting { key: key.to_owned(), value }])
    });
    combinations.collect()
}
