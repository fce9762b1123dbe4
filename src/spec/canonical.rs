//! The canonical form of a spec, its identity, and what differs between two.

use super::{
    Document, Evaluate, KeepCheckpoints, LossName, Report, Runtime, Schedule, Slurm, Spec,
};
use std::collections::BTreeMap;

/// A key that differs between two specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// Its value in each spec, as TOML; `None` where the key plays no part.
    pub values: Vec<Option<String>>,
}

impl Spec {
    /// The resolved spec as TOML, with every default explicit.
    pub fn to_toml(&self) -> String {
        to_toml(&self.0)
    }

    /// What two specs must share to be the same experiment: everything but the name, the machine,
    /// which figures are wanted of its predictions, the look of the report, which checkpoints are
    /// kept and who watches.
    fn identity(&self) -> Document {
        let mut document = self.0.clone();
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

    /// This spec with the `[evaluate]` of another.
    #[must_use]
    pub fn evaluated_as(&self, other: &Spec) -> Spec {
        let mut document = self.0.clone();
        document.evaluate = other.evaluate.clone();
        Spec(document)
    }

    /// Whether the spec is of all folds of a cross-validation, one run each.
    pub fn is_of_all_folds(&self) -> bool {
        self.split.folds > 0 && self.split.fold == 0
    }

    /// The spec of each fold of a cross-validation, in order.
    pub fn of_folds(&self) -> Vec<Spec> {
        let fold = |fold| {
            let mut document = self.0.clone();
            document.split.fold = fold;
            Spec(document)
        };
        (1..=self.split.folds).map(fold).collect()
    }

    /// BLAKE3 of the canonical form of what affects results, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut flat = String::new();
        for (key, value) in flatten(&self.identity()) {
            flat += &format!("{key} = {value}\n");
        }
        blake3::hash(flat.as_bytes()).to_hex().to_string()
    }

    /// [`Spec::hash`] without seed and fold: specs that share it are repetitions of one experiment.
    pub fn hash_of_kind(&self) -> String {
        let mut document = self.0.clone();
        document.experiment.seed = 0;
        document.split.fold = 0;
        Spec(document).hash()
    }

    /// Keys with other values than their defaults, in the order of their names.
    pub fn set_keys(&self) -> Vec<(String, String)> {
        let defaults = flatten(&Document::default());
        let own = flatten(&self.0).into_iter();
        own.filter(|(key, value)| defaults.get(key) != Some(value)).collect()
    }

    /// What to set so that `kept` becomes this spec, as `key=value`. What only `kept` has stays.
    pub fn settings_over(&self, kept: &Spec) -> Vec<String> {
        let mut tables = [BTreeMap::new(), BTreeMap::new()];
        for (document, flat) in [&self.0, &kept.0].into_iter().zip(&mut tables) {
            walk("", &tree(document), flat);
        }
        let [own, kept] = tables;
        let other = own.into_iter().filter(|(key, value)| kept.get(key) != Some(value));
        other.map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Keys that affect results and differ from `other`.
    pub fn result_differences(&self, other: &Spec) -> Vec<Difference> {
        table_differences(&[flatten(&self.identity()), flatten(&other.identity())])
    }
}

/// Keys that differ between specs, in the order of their names; names and machines aside.
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
    toml::to_string_pretty(document).expect("strings, numbers and tables are all TOML can hold")
}

fn tree(document: &Document) -> toml::Table {
    toml::from_str(&to_toml(document)).expect("our own TOML is TOML")
}

/// Dotted keys and their values, without keys that play no part under the others (a focal
/// loss's γ when the loss is cross-entropy).
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
    for key in
        ["train.checkpoint_minutes", "train.keep_every", "train.recompute", "train.tensorboard"]
    {
        flat.remove(key);
    }
    flat
}

/// Keys that came after the first specs: where they are off they play no part, so that a spec
/// which does not name them keeps its hash.
const OFF_BY_DEFAULT: [&str; 23] = [
    "evaluate.recalibrate",
    "evaluate.subgroups",
    "loss.class_weights",
    "model.batch_norm",
    "model.init_head",
    "model.init_preprocess",
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
    "train.weight_average",
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
