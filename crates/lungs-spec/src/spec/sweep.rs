//! `[sweep]`: one spec file that describes many experiments.
//!
//! The table is not part of an experiment: it is read separately, and each of its runs is the spec without
//! the table, below a layer with the keys that the run varies.

use super::layers::{Layers, Overrides};
use super::{Document, Spec, SpecError};
use figment::Source;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use lungs_base::device::DeviceRequest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// `[sweep]`
///
/// Describes several runs, for `lungs sweep`. The table is not part of any run, and specs that extend this one do
/// not inherit it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepTable {
    /// Name of the folder of the sweep, in the folder of the experiment: `results/<experiment>/<name>`.
    pub name: String,
    /// Values of `experiment.seed`. An empty list uses the seed of the spec.
    pub seeds: Vec<u64>,
    /// Folds of `split.folds` that are separate runs: `"all"`, or a list such as `[1, 2]`. An empty list uses
    /// the `split.fold` of the spec.
    pub folds: SweepFolds,
    /// Keys, each with a list of values. Every combination of values is a run.
    pub grid: toml::Table,
    /// Tables of keys that are set together, with an optional `name`. Each table is a run, for every
    /// combination of the grid.
    pub list: Vec<toml::Table>,
    /// Devices that parallel runs (`--jobs`) are distributed over. An empty list uses the `runtime.device` of
    /// each run.
    pub devices: Vec<String>,
    /// Reaction to a failed run.
    pub on_failure: OnFailure,
    /// Metric that ranks the combinations, as the mean over seeds and folds.
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
    /// A list of folds; an empty list uses the `split.fold` of the spec.
    List(Vec<usize>),
}

impl Default for SweepFolds {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The name for all folds.
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
    /// Continue with the other runs.
    Continue,
    /// Start no other run, and stop running ones with a checkpoint.
    Stop,
}

/// `sweep.best`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BestBy {
    /// The highest area under the ROC curve; with `outcome.name = "survival"`, at the first horizon.
    ValidAuc,
    /// The highest C-index of the risk at the last horizon, with `outcome.name = "survival"`.
    ValidCIndex,
    /// The highest average precision.
    ValidAveragePrecision,
    /// The highest accuracy.
    ValidAccuracy,
    /// The lowest Brier score.
    ValidBrier,
    /// The lowest cross-entropy.
    ValidCrossEntropy,
}

impl BestBy {
    /// Name of the metric in tables.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::ValidAuc => "AUC",
            Self::ValidCIndex => "C-index",
            Self::ValidAveragePrecision => "average precision",
            Self::ValidAccuracy => "accuracy",
            Self::ValidBrier => "Brier",
            Self::ValidCrossEntropy => "cross-entropy",
        }
    }

    /// Whether a higher value is better.
    pub fn is_higher_better(self) -> bool {
        !matches!(self, Self::ValidBrier | Self::ValidCrossEntropy)
    }
}

/// A key and its value in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted key.
    pub key: String,
    /// Value of the key.
    pub value: toml::Value,
}

/// A spec file with a `[sweep]` table, and the layers that its runs share.
pub struct SweepSource {
    /// The spec file.
    pub path: PathBuf,
    /// The checked `[sweep]` table.
    pub table: SweepTable,
    /// The keys of `[sweep.grid]` with their values, in the order of the file.
    pub grid: Vec<(String, Vec<toml::Value>)>,
    /// The tables of `[[sweep.list]]`: an optional name, and dotted keys.
    pub list: Vec<(Option<String>, Vec<Setting>)>,
    layers: Layers,
    overrides: Overrides,
}

/// Reads the spec with a `[sweep]` table at `path`, and the layers above it.
///
/// # Errors
/// The table is missing, or a value in it has the wrong type. [`SweepSource::resolve`] checks the keys that
/// the runs vary.
pub fn load_sweep(path: &Path, overrides: &Overrides) -> Result<SweepSource, SpecError> {
    let mut layers = Layers::default();
    layers.add_file(path, &mut Vec::new())?;
    let Some(sweep) = layers.sweep.take() else {
        return Err(SpecError::NoSweep { path: path.to_owned() });
    };
    let (sweep_overrides, overrides) = partition(overrides);
    let origin = Source::File(path.to_owned());
    let keys = Dict::from([("sweep".to_owned(), serialize(&sweep))]);
    let mut sweep_layers = layers.without_layers();
    sweep_layers.add_layer(origin.clone(), keys)?;
    let defaults = Serialized::default("sweep", SweepTable::default());
    let figment = sweep_layers.merged(defaults, &sweep_overrides)?;
    let SweepSection { sweep: table } =
        figment.extract().map_err(|error| sweep_layers.explain(&error))?;
    if !is_plain(&table.name) {
        let message = format!(
            "found {:?}, expected a folder name of letters, digits, `-`, `_` and `.`",
            table.name
        );
        return Err(sweep_layers.keys_error("sweep.name", &origin, message, None));
    }
    if let Some(invalid) = table.devices.iter().find(|name| name.parse::<DeviceRequest>().is_err())
    {
        let message =
            format!("found {invalid:?}, expected devices such as [\"cuda:0\", \"cuda:1\"]");
        return Err(sweep_layers.keys_error("sweep.devices", &origin, message, None));
    }
    let positions = key_positions(sweep_layers.text(path).unwrap_or_default());
    let mut grid = Vec::new();
    for (key, value) in flatten_to_lists(&table.grid) {
        let problem = match &value {
            toml::Value::Array(values) if !values.is_empty() => {
                grid.push((key, values.clone()));
                continue;
            }
            toml::Value::Array(_) => "found an empty list, expected at least one value".to_owned(),
            other => format!("found {other}, expected a list of values such as [{other}]"),
        };
        return Err(sweep_layers.keys_error(&format!("sweep.grid.{key}"), &origin, problem, None));
    }
    grid.sort_by_key(|(key, _)| positions.get(&format!("grid.{key}")).copied());
    layers.rename_group(grid.iter_mut().map(|(key, _)| key), "sweep.grid", &origin)?;
    let mut list = Vec::new();
    for entry in &table.list {
        let mut entry = entry.clone();
        let name = match entry.remove("name") {
            None => None,
            Some(toml::Value::String(name)) => Some(name),
            Some(other) => {
                let problem = format!("`name`: found {other}, expected text in quotes");
                return Err(sweep_layers.keys_error("sweep.list", &origin, problem, None));
            }
        };
        if entry.is_empty() {
            let problem = "an entry sets no key; remove it, or set a key to its default".to_owned();
            return Err(sweep_layers.keys_error("sweep.list", &origin, problem, None));
        }
        let mut settings = flatten_to_leaves(&entry);
        let keys = settings.iter_mut().map(|setting| &mut setting.key);
        layers.rename_group(keys, "sweep.list", &origin)?;
        list.push((name, settings));
    }
    Ok(SweepSource { path: path.to_owned(), table, grid, list, layers, overrides })
}

impl SweepSource {
    /// The spec of a run with these settings.
    ///
    /// # Errors
    /// As [`super::load`]; and if the environment or `--set` sets a key that the sweep varies.
    pub fn resolve(&self, settings: &[Setting]) -> Result<Spec, SpecError> {
        let mut layers = self.layers.clone();
        let figment = layers.merged(Serialized::defaults(Document::default()), &self.overrides)?;
        for setting in settings {
            let source = figment.find_metadata(&setting.key).and_then(|m| m.source.clone());
            if let Some(origin @ Source::Custom(_)) = source {
                let message = "set outside the spec, but varied by [sweep]".to_owned();
                let help = Some("remove one of the two".to_owned());
                return Err(layers.keys_error(&setting.key, &origin, message, help));
            }
            let origin = format!("[sweep] of {}", self.path.display());
            layers.add_value(origin, &setting.key, &setting.value)?;
        }
        layers.finish_with(Document::check)
    }
}

#[derive(Deserialize)]
struct SweepSection {
    sweep: SweepTable,
}

/// Splits overrides into those of `sweep.…` and all others.
fn partition(overrides: &Overrides) -> (Overrides, Overrides) {
    let (sweep_environment, environment) = overrides
        .environment
        .iter()
        .cloned()
        .partition(|(name, _)| name.starts_with("LUNGS_SWEEP__"));
    let (sweep_set, set) =
        overrides.set.iter().cloned().partition(|set| set.trim_start().starts_with("sweep."));
    (Overrides { environment: sweep_environment, set: sweep_set }, Overrides { environment, set })
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

fn serialize(value: &toml::Value) -> Value {
    Value::serialize(value).unwrap_or_else(|_| Value::from(value.to_string()))
}

/// Dotted keys of all values that are not tables (an empty table counts as a value).
fn flatten_to_lists(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                let nested = flatten_to_lists(inner);
                flat.extend(
                    nested.into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)),
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

/// The byte position of each dotted key below `[sweep]` in the text of a spec.
fn key_positions(text: &str) -> BTreeMap<String, usize> {
    let mut positions = BTreeMap::new();
    let Ok(root) = DeTable::parse(text) else { return positions };
    for (name, value) in root.get_ref() {
        if let ("sweep", DeValue::Table(sweep)) = (name.get_ref().as_ref(), value.get_ref()) {
            add_key_positions("", sweep, &mut positions);
        }
    }
    positions
}

fn add_key_positions(prefix: &str, table: &DeTable<'_>, positions: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            add_key_positions(&format!("{key}."), inner, positions);
        }
        positions.insert(key, name.span().start);
    }
}
