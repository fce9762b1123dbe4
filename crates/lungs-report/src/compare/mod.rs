//! Comparison of runs: the spec keys that differ, the metrics, and paired tests on the same exams.
//!
//! ```text
//!   run folders ──► Entry (spec, predictions, metrics, epochs, cost) ──► groups of seeds and folds
//!        spec keys that differ · metrics · mean ± sd over a group · DeLong's paired tests (Holm)
//! ```
//!
//! Runs whose specs differ only in seed or fold form a group. Every run of a later group is tested against
//! a run of the first group: when the groups have several runs, against the one of the same seed and fold.

mod entry;
mod naming;
mod page;
mod pairing;

use super::ReportError;
use entry::Entry;
use lungs_base::files::write_bytes;
use lungs_spec::results::{RunFolder, write_csv};
use lungs_spec::spec::{Difference, Spec, differences};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use entry::Cell;
pub use page::comparison_page;
pub use pairing::PairedTest;

/// A comparison of two or more runs.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// `experiment/stamp-hash` of each run.
    pub runs: Vec<String>,
    /// Name of the split that is compared.
    #[serde(rename = "part")]
    pub split: String,
    /// Spec keys that affect results and differ, with the value in each run.
    pub differences: Vec<KeyDifference>,
    /// Metrics of each run.
    #[serde(rename = "figures")]
    pub metrics: Vec<MetricRow>,
    /// Runs that differ only in seed or fold; empty when every group has one run.
    pub groups: Vec<Group>,
    /// Paired tests of the other runs against those of the first group.
    pub tests: Vec<PairedTest>,
    /// Warnings of the runs' evaluations, each with its split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The best combination of a sweep, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// Name of each run's group.
    #[serde(skip)]
    group_names: Vec<String>,
    #[serde(skip)]
    entries: Vec<Entry>,
}

/// A spec key whose value differs between runs.
#[derive(Debug, Serialize)]
pub struct KeyDifference {
    /// Dotted key.
    pub key: String,
    /// Value in each run; `None` when the key has no effect in a run.
    pub values: Vec<Option<String>>,
}

impl From<Difference> for KeyDifference {
    fn from(difference: Difference) -> Self {
        Self { key: difference.key, values: difference.values }
    }
}

/// One metric of every run.
#[derive(Debug, Serialize)]
pub struct MetricRow {
    /// Name of the metric, with its split: `test AUC`.
    pub name: String,
    /// The metric of each run.
    pub cells: Vec<Cell>,
}

/// Runs that differ only in seed or fold.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Name of the experiment, or the keys in which it differs from other groups of that name.
    pub name: String,
    /// Indices of the group's runs in [`Comparison::runs`].
    pub runs: Vec<usize>,
    /// Metrics over the group's runs.
    pub spread: Vec<Spread>,
}

/// Mean and standard deviation of a metric over the runs of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Name of the metric.
    pub name: String,
    /// Number of runs that have the metric.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; `None` for a single run.
    pub sd: Option<f64>,
}

impl Spread {
    /// Mean and standard deviation of `values`; `None` without values.
    pub fn over(name: &str, values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        (count > 0).then(|| Self { name: name.to_owned(), count, mean, sd })
    }
}

/// Options of [`compare`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CompareOptions {
    /// Test on the common exams when two runs have different exams.
    pub common: bool,
}

/// Compares finished runs.
///
/// # Errors
/// When a run is not finished or cannot be read, when two runs have different labels for an exam, or when
/// their exams differ and [`CompareOptions::common`] is not set.
pub fn compare(runs: &[RunFolder], options: CompareOptions) -> Result<Comparison, ReportError> {
    let split = entry::common_split(runs)?;
    let entries: Vec<Entry> =
        runs.iter().map(|run| Entry::read(run, split)).collect::<Result<_, _>>()?;
    let specs: Vec<Spec> = entries.iter().map(|entry| entry.spec.clone()).collect();
    let metrics = metrics(&entries);
    let groups = group(&specs);
    let tests = pairing::tests(&entries, &groups, &specs, options)?;
    let has_repetitions = groups.iter().any(|members| members.len() > 1);
    let names = naming::names_of_groups(&specs, &groups);
    let mut group_names = vec![String::new(); entries.len()];
    for (name, group) in names.iter().zip(&groups) {
        for &run in group {
            group_names[run].clone_from(name);
        }
    }
    let evaluations = entries.iter().flat_map(|entry| &entry.splits);
    let warnings: BTreeSet<String> = evaluations
        .filter_map(|(part, metrics)| Some(format!("{part}: {}", metrics.warning.as_ref()?)))
        .collect();
    Ok(Comparison {
        warnings: warnings.into_iter().collect(),
        runs: entries.iter().map(|entry| entry.name.clone()).collect(),
        split: entry::split_name(split).to_owned(),
        differences: differences(&specs).into_iter().map(KeyDifference::from).collect(),
        groups: if has_repetitions {
            groups.iter().zip(names).map(|(runs, name)| spread(name, runs, &metrics)).collect()
        } else {
            Vec::new()
        },
        metrics,
        tests,
        best: None,
        group_names,
        entries,
    })
}

/// Indices of specs that differ only in seed and fold, in order. When all specs have the same hash, each spec
/// is its own group: the runs are repetitions of one run.
fn group(specs: &[Spec]) -> Vec<Vec<usize>> {
    let mut order: Vec<String> = Vec::new();
    let mut groups = BTreeMap::<String, Vec<usize>>::new();
    for (index, spec) in specs.iter().enumerate() {
        let kind = spec.hash_of_kind();
        if !groups.contains_key(&kind) {
            order.push(kind.clone());
        }
        groups.entry(kind).or_default().push(index);
    }
    let all_equal = specs.windows(2).all(|pair| pair[0].hash() == pair[1].hash());
    if all_equal {
        return (0..specs.len()).map(|index| vec![index]).collect();
    }
    order.iter().filter_map(|kind| groups.remove(kind)).collect()
}

fn spread(name: String, runs: &[usize], metrics: &[MetricRow]) -> Group {
    let over_runs = |row: &MetricRow| {
        let values: Vec<f64> = runs.iter().filter_map(|&run| row.cells[run].value).collect();
        Spread::over(&row.name, &values)
    };
    Group { name, runs: runs.to_vec(), spread: metrics.iter().filter_map(over_runs).collect() }
}

fn metrics(entries: &[Entry]) -> Vec<MetricRow> {
    let mut rows: Vec<MetricRow> = Vec::new();
    for (run, entry) in entries.iter().enumerate() {
        for (name, cell) in entry.cells() {
            let index = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
                let empty = Cell { text: "–".to_owned(), ..Cell::default() };
                rows.push(MetricRow { name: name.clone(), cells: vec![empty; entries.len()] });
                rows.len() - 1
            });
            rows[index].cells[run] = cell;
        }
    }
    rows
}

/// A row of the comparison as CSV.
#[derive(Serialize)]
struct CsvRow<'a> {
    run: &'a str,
    figure: &'a str,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    text: &'a str,
}

impl Comparison {
    /// Writes the metrics as CSV, one row for each metric and run.
    pub fn write_csv(&self, path: &Path) -> Result<(), ReportError> {
        let rows = self.metrics.iter().flat_map(|metric| {
            metric.cells.iter().zip(&self.runs).map(|(cell, run)| CsvRow {
                run,
                figure: &metric.name,
                value: cell.value,
                low: cell.low,
                high: cell.high,
                text: &cell.text,
            })
        });
        Ok(write_csv(path, &rows.collect::<Vec<_>>())?)
    }

    /// Writes the comparison as an HTML page with its curves.
    pub fn write_page(&self, path: &Path) -> Result<(), ReportError> {
        Ok(write_bytes(path, comparison_page(self).as_bytes())?)
    }

    /// Writes the overlaid ROC curves as SVG and PNG.
    pub fn write_overlaid_roc(&self, folder: &Path) -> Result<(), ReportError> {
        let drawing = page::overlaid_roc(self);
        write_bytes(&folder.join("roc.svg"), drawing.svg.as_bytes())?;
        Ok(write_bytes(&folder.join("roc.png"), &drawing.png)?)
    }

    /// A warning about selection bias, when the validation split is compared.
    pub fn caution(&self) -> Option<&'static str> {
        (self.split == "validation").then_some(
            "Each run's epoch was selected on these validation exams, so the metrics are biased upwards; for a \
             paper, compare on a test split (split.test) or by cross-validation (split.folds).",
        )
    }

    /// Distinct short names of the runs: the name of the group, with seed and fold when groups have several
    /// runs, and a number where a name repeats.
    pub fn labels(&self) -> Vec<String> {
        let mut name_counts = BTreeMap::<String, usize>::new();
        let label = |(entry, group): (&Entry, &String)| {
            let mut name = group.clone();
            if !self.groups.is_empty() {
                name += &format!(", seed {}", entry.spec.experiment.seed);
                if entry.spec.split.fold > 0 {
                    name += &format!(", fold {}", entry.spec.split.fold);
                }
            }
            let count = name_counts.entry(name.clone()).or_default();
            *count += 1;
            if *count > 1 { format!("{name} ({count})") } else { name }
        };
        self.entries.iter().zip(&self.group_names).map(label).collect()
    }
}
