//! The canonical form of a spec, its hash, and the differences between specs.

use super::renamed::former_name;
use super::{
    Document, Evaluate, KeepCheckpoints, LossName, Report, Runtime, Schedule, Slurm, Spec,
};
use std::collections::BTreeMap;

/// A key that differs between two specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// Value in each spec, as TOML; `None` where the key has no effect.
    pub values: Vec<Option<String>>,
}

impl Spec {
    /// The resolved spec as TOML, with every default explicit.
    pub fn to_toml(&self) -> String {
        to_toml(&self.document)
    }

    /// The spec with defaults for every key that has no effect on results: name, cache, `[evaluate]`,
    /// `[report]`, `[runtime]` except `precision`, `[slurm]` and the kept checkpoints. Specs with equal
    /// identities are the same experiment.
    fn identity(&self) -> Document {
        let mut document = self.document.clone();
        document.experiment.name = String::new();
        document.data.cache = None;
        document.evaluate = Evaluate::default();
        document.report = Report::default();
        let precision = document.runtime.precision;
        document.runtime = Runtime { precision, ..Runtime::default() };
        document.slurm = Slurm::default();
        document.train.keep_checkpoints = KeepCheckpoints::BestAndLast;
        document
    }

    /// Whether metrics and report are those of another spec: `[evaluate]` and `[report]` are equal.
    pub fn has_report_of(&self, other: &Spec) -> bool {
        self.evaluate == other.evaluate && self.report == other.report
    }

    /// This spec with the `[evaluate]` and the `[report]` of another.
    #[must_use]
    pub fn with_evaluation_of(&self, other: &Spec) -> Spec {
        let mut document = self.document.clone();
        document.evaluate = other.evaluate.clone();
        document.report = other.report.clone();
        Spec::new(document)
    }

    /// Whether the spec describes all folds of a cross-validation, one run each.
    pub fn is_of_all_folds(&self) -> bool {
        self.split.folds > 0 && self.split.fold == 0
    }

    /// The spec of each fold of a cross-validation, in order.
    pub fn fold_specs(&self) -> Vec<Spec> {
        let with_fold = |fold| {
            let mut document = self.document.clone();
            document.split.fold = fold;
            Spec::new(document)
        };
        (1..=self.split.folds).map(with_fold).collect()
    }

    /// BLAKE3 of the canonical form of all keys that affect results, in hexadecimal. The form has the former
    /// names of renamed keys, so that older specs keep their hashes.
    pub fn hash(&self) -> String {
        let keys: BTreeMap<String, String> = flatten(&self.identity())
            .into_iter()
            .map(|(key, value)| (former_name(&key).map_or(key, str::to_owned), value))
            .collect();
        let flat: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        blake3::hash(flat.as_bytes()).to_hex().to_string()
    }

    /// [`Spec::hash`] without seed and fold: specs with the same value are repetitions of one experiment.
    pub fn hash_of_kind(&self) -> String {
        let mut document = self.document.clone();
        document.experiment.seed = 0;
        document.split.fold = 0;
        Spec::new(document).hash()
    }

    /// Keys whose values differ from their defaults, sorted by name.
    pub fn set_keys(&self) -> Vec<(String, String)> {
        let defaults = flatten(&Document::default());
        let own = flatten(&self.document).into_iter();
        own.filter(|(key, value)| defaults.get(key) != Some(value)).collect()
    }

    /// Settings, as `key=value`, that change `base` to this spec. Keys that only `base` has stay.
    pub fn settings_over(&self, base: &Spec) -> Vec<String> {
        let mut tables = [BTreeMap::new(), BTreeMap::new()];
        for (document, flat) in [&self.document, &base.document].into_iter().zip(&mut tables) {
            walk("", &tree(document), flat);
        }
        let [own, base] = tables;
        let changed = own.into_iter().filter(|(key, value)| base.get(key) != Some(value));
        changed.map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Keys that affect results and have another value in `other`.
    pub fn result_differences(&self, other: &Spec) -> Vec<Difference> {
        table_differences(&[flatten(&self.identity()), flatten(&other.identity())])
    }
}

/// Keys that affect results and differ between specs, sorted by name.
pub fn differences(specs: &[Spec]) -> Vec<Difference> {
    let tables: Vec<_> = specs.iter().map(|spec| flatten(&spec.identity())).collect();
    table_differences(&tables)
}

fn table_differences(tables: &[BTreeMap<String, String>]) -> Vec<Difference> {
    let mut keys: Vec<&String> = tables.iter().flat_map(|table| table.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| Difference {
            key: key.clone(),
            values: tables.iter().map(|table| table.get(key).cloned()).collect(),
        })
        .filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn to_toml(document: &Document) -> String {
    toml::to_string_pretty(document)
        .expect("a document of strings, numbers and tables is valid TOML")
}

/// All keys of a spec, with every default explicit.
pub(super) fn to_table(spec: &Spec) -> toml::Table {
    tree(&spec.document)
}

fn tree(document: &Document) -> toml::Table {
    toml::from_str(&to_toml(document)).expect("serialised TOML is valid TOML")
}

/// Dotted keys and their values, without keys that have no effect under the other values (γ of the focal
/// loss, if the loss is cross-entropy).
fn flatten(document: &Document) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    walk("", &tree(document), &mut flat);
    let mut defaults = BTreeMap::new();
    walk("", &tree(&Document::default()), &mut defaults);
    flat.retain(|key, value| {
        !OFF_BY_DEFAULT.contains(&key.as_str()) || defaults.get(key) != Some(value)
    });
    if document.loss.name != LossName::Focal {
        flat.remove("loss.gamma");
        flat.remove("loss.alpha");
    }
    if document.train.schedule != Schedule::Step {
        flat.remove("train.step_every");
        flat.remove("train.step_factor");
    }
    for key in [
        "train.checkpoint_minutes",
        "train.keep_every",
        "train.gradient_checkpointing",
        "train.tensorboard",
    ] {
        flat.remove(key);
    }
    flat
}

/// Keys of later versions. With their default values they are not part of the identity, so that older specs
/// keep their hashes.
const OFF_BY_DEFAULT: [&str; 24] = [
    "evaluate.recalibrate",
    "evaluate.subgroups",
    "loss.class_weights",
    "model.batch_norm",
    "model.init_head",
    "model.init_preprocess",
    "report.characteristics",
    "report.identifiers",
    "runtime.workers",
    "split.fold",
    "split.folds",
    "split.lists.test",
    "split.lists.train",
    "split.lists.valid",
    "train.augment.noise_hu",
    "train.augment.rotate_degrees",
    "train.augment.scale",
    "train.augment.shift_hu",
    "train.clip_norm",
    "train.freeze",
    "train.head_rate_factor",
    "train.sampling",
    "train.ema_decay",
    "train.weight_decay",
];

fn walk(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => walk(&key, inner, flat),
            leaf => {
                flat.insert(key, leaf.to_string());
            }
        }
    }
}
