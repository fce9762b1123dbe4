//! `[sweep]`: one spec file that stands for many experiments.
//!
//! The table is no part of an experiment: it is read apart, and each of its runs is the spec
//! without it, under a layer of the keys that the run varies.

use super::layers::{Layers, Overrides};
use super::{Document, Spec, SpecError};
use crate::device::DeviceRequest;
use figment::Source;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// `[sweep]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepTable {
    /// Names the folder of the sweep beside the runs of the experiment.
    pub name: String,
    /// Values of `experiment.seed`; empty takes the spec's own.
    pub seeds: Vec<u64>,
    /// Folds of a cross-validation that are runs of their own.
    pub folds: SweepFolds,
    /// Keys with the values that each takes: every combination is a run.
    pub grid: toml::Table,
    /// Keys with values that belong together, a table for each: every one is a run.
    pub list: Vec<toml::Table>,
    /// Devices that runs which work at once take in turns; empty leaves each to `runtime.device`.
    pub devices: Vec<String>,
    /// What a failed run means for the others.
    pub on_failure: OnFailure,
    /// The figure by which combinations are ranked.
    pub best: BestBy,
}

impl Default for SweepTable {
    fn default() -> Self {
        Self {
            name: "sweep".into(),
            seeds: Vec::new(),
            folds: SweepFolds::default(),
            grid: toml::Table::new(),
            list: Vec::new(),
            devices: Vec::new(),
            on_failure: OnFailure::Continue,
            best: BestBy::ValidAuc,
        }
    }
}

/// `sweep.folds`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "\"all\", or a list of folds such as [1, 2]")]
pub enum SweepFolds {
    /// All folds of `split.folds`.
    All(AllFolds),
    /// These; none leaves the spec's own `split.fold`.
    These(Vec<usize>),
}

impl Default for SweepFolds {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// The word for all folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllFolds {
    /// `"all"`
    All,
}

/// `sweep.on_failure`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The others go on.
    Continue,
    /// No other begins, and those under way stop with a checkpoint.
    Stop,
}

/// `sweep.best`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BestBy {
    /// The highest area under the ROC curve.
    ValidAuc,
    /// The highest average precision.
    ValidAveragePrecision,
    /// The highest accuracy.
    ValidAccuracy,
    /// The lowest Brier score.
    ValidBrier,
    /// The lowest cross-entropy.
    ValidCrossEntropy,
}

/// A key with the value that a run gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted key.
    pub key: String,
    /// Its value.
    pub value: toml::Value,
}

/// A spec file with a sweep: its table, and what its runs have in common.
pub struct SweepSource {
    /// The spec file.
    pub path: PathBuf,
    /// `[sweep]`, checked for itself.
    pub table: SweepTable,
    /// The keys of `[sweep.grid]` with their values, in the order of the file.
    pub grid: Vec<(String, Vec<toml::Value>)>,
    /// The tables of `[[sweep.list]]`: a name where one is given, and dotted keys.
    pub list: Vec<(Option<String>, Vec<Setting>)>,
    layers: Layers,
    overrides: Overrides,
}

/// Reads the spec at `path`, which has a `[sweep]` table, with the layers above it.
///
/// # Errors
/// When there is no such table, or it is not of the right shape. The keys that its runs vary are
/// checked by [`SweepSource::resolve`].
pub fn load_sweep(path: &Path, overrides: &Overrides) -> Result<SweepSource, SpecError> {
    let mut layers = Layers::default();
    layers.add_file(path, &mut Vec::new())?;
    let Some(sweep) = layers.sweep.take() else {
        return Err(SpecError::NoSweep { path: path.to_owned() });
    };
    let (of_sweep, overrides) = divide(overrides);
    let origin = Source::File(path.to_owned());
    let keys = Dict::from([("sweep".to_owned(), serialize(&sweep))]);
    let mut own = layers.alone();
    own.add_layer(origin.clone(), keys);
    let figment = own.merged(Serialized::default("sweep", SweepTable::default()), &of_sweep)?;
    let Wrapped { sweep: table } = figment.extract().map_err(|error| own.explain(&error))?;
    if !is_plain(&table.name) {
        let message = format!(
            "found {:?}, expected a folder name of letters, digits, `-`, `_` and `.`",
            table.name
        );
        return Err(own.keys_error("sweep.name", &origin, message, None));
    }
    if let Some(odd) = table.devices.iter().find(|name| name.parse::<DeviceRequest>().is_err()) {
        let message = format!("found {odd:?}, expected devices such as [\"cuda:0\", \"cuda:1\"]");
        return Err(own.keys_error("sweep.devices", &origin, message, None));
    }
    let places = places(own.text(path).unwrap_or_default());
    let mut grid = Vec::new();
    for (key, value) in flatten_to_lists(&table.grid) {
        let problem = match &value {
            toml::Value::Array(values) if !values.is_empty() => {
                grid.push((key, values.clone()));
                continue;
            }
            toml::Value::Array(_) => "found an empty list, expected its values".to_owned(),
            other => format!("found {other}, expected a list of values such as [{other}]"),
        };
        return Err(own.keys_error(&format!("sweep.grid.{key}"), &origin, problem, None));
    }
    grid.sort_by_key(|(key, _)| places.get(&format!("grid.{key}")).copied());
    let mut list = Vec::new();
    for entry in &table.list {
        let mut entry = entry.clone();
        let name = match entry.remove("name") {
            None => None,
            Some(toml::Value::String(name)) => Some(name),
            Some(other) => {
                let problem = format!("`name`: found {other}, expected text in quotes");
                return Err(own.keys_error("sweep.list", &origin, problem, None));
            }
        };
        if entry.is_empty() {
            let problem =
                "an entry sets no key: leave it out, or set one to its default".to_owned();
            return Err(own.keys_error("sweep.list", &origin, problem, None));
        }
        list.push((name, flatten_to_leaves(&entry)));
    }
    Ok(SweepSource { path: path.to_owned(), table, grid, list, layers, overrides })
}

impl SweepSource {
    /// The spec of a run that sets these keys.
    ///
    /// # Errors
    /// As [`super::load`]; and when a key is set from outside that the sweep varies.
    pub fn resolve(&self, settings: &[Setting]) -> Result<Spec, SpecError> {
        let mut layers = self.layers.clone();
        let figment = layers.merged(Serialized::defaults(Document::default()), &self.overrides)?;
        for setting in settings {
            let found = figment.find_metadata(&setting.key).and_then(|m| m.source.clone());
            if let Some(origin @ Source::Custom(_)) = found {
                let message = "set there, and varied by [sweep]".to_owned();
                let help = Some("leave it to one of the two".to_owned());
                return Err(layers.keys_error(&setting.key, &origin, message, help));
            }
            let origin = format!("[sweep] of {}", self.path.display());
            layers.add_value(origin, &setting.key, &setting.value);
        }
        layers.finish_with(Document::check)
    }
}

#[derive(Deserialize)]
struct Wrapped {
    sweep: SweepTable,
}

/// Overrides of `sweep.…` and all others.
fn divide(overrides: &Overrides) -> (Overrides, Overrides) {
    let (own_env, environment) = overrides
        .environment
        .iter()
        .cloned()
        .partition(|(name, _)| name.starts_with("LUNGS_SWEEP__"));
    let (own_set, set) =
        overrides.set.iter().cloned().partition(|set| set.trim_start().starts_with("sweep."));
    (Overrides { environment: own_env, set: own_set }, Overrides { environment, set })
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

fn serialize(value: &toml::Value) -> Value {
    Value::serialize(value).unwrap_or_else(|_| Value::from(value.to_string()))
}

/// Dotted keys down to what is not a table.
fn flatten_to_lists(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                let below = flatten_to_lists(inner);
                flat.extend(
                    below.into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)),
                );
            }
            leaf => flat.push((key.clone(), leaf.clone())),
        }
    }
    flat
}

fn flatten_to_leaves(table: &toml::Table) -> Vec<Setting> {
    let flat = flatten_to_lists(table).into_iter();
    flat.map(|(key, value)| Setting { key, value }).collect()
}

/// Where each dotted key below `[sweep]` begins in the text of a spec.
fn places(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let Ok(root) = DeTable::parse(text) else { return found };
    for (name, value) in root.get_ref() {
        if let ("sweep", DeValue::Table(sweep)) = (name.get_ref().as_ref(), value.get_ref()) {
            note_places("", sweep, &mut found);
        }
    }
    found
}

fn note_places(prefix: &str, table: &DeTable<'_>, found: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            note_places(&format!("{key}."), inner, found);
        }
        found.insert(key, name.span().start);
    }
}
