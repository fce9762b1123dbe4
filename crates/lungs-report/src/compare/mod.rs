//! Comparison of runs and of other programs' predictions: the spec keys that differ, the metrics, and paired tests on
//! the same exams.
//!
//! ```text
//!   run folders ─┬─► Entry (spec, predictions, metrics, epochs, cost) ──► groups of seeds and folds
//!   CSV files ───┘   spec keys that differ · metrics · mean ± sd over a group · paired tests (Holm)
//! ```
//!
//! Runs whose specs differ only in seed or fold form a group. Every run of a later group is tested against
//! a run of the first group: when the groups have several runs, against the one of the same seed and fold.

mod cells;
mod entry;
mod naming;
mod page;
mod pairing;
mod subject;

use super::ReportError;
use super::external::name_of_split;
use super::paired::PairedTest;
use entry::Entry;
use lungs_base::files::write_bytes;
use lungs_base::text::counted;
use lungs_spec::results::write_csv;
use lungs_spec::spec::{Spec, SplitName, differences};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use subject::ExamSource;

pub use cells::Cell;
pub use page::comparison_page;
pub use subject::Subject;

/// A comparison of two or more runs or models.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// `experiment/stamp-hash` of each run.
    pub runs: Vec<String>,
    /// Name of the split that is compared: `test`, `validation`, `out-of-fold`; empty for files of predictions.
    pub split: String,
    /// Spec keys that affect results and differ, with the value in each run.
    pub differences: Vec<KeyDifference>,
    /// Metrics of each run.
    pub metrics: Vec<MetricRow>,
    /// Runs that differ only in seed or fold; empty when every group has one run.
    pub groups: Vec<Group>,
    /// Paired tests of the other runs against those of the first group.
    pub tests: Vec<PairedTest>,
    /// Warnings about the compared exams, each a sentence.
    pub warnings: Vec<String>,
    /// How metrics and tests are computed, each a sentence.
    pub notes: Vec<String>,
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
    /// Non-inferiority margin of the AUC.
    pub margin: Option<f64>,
}

/// Compares finished runs and files of predictions.
///
/// # Errors
/// When a run is not finished or cannot be read, when two of them have different labels for an exam, or when
/// their exams differ and [`CompareOptions::common`] is not set.
pub fn compare(subjects: &[Subject], options: CompareOptions) -> Result<Comparison, ReportError> {
    let source = entry::common_source(subjects)?;
    let entries: Vec<Vec<Entry>> =
        subjects.iter().map(|subject| Entry::read(subject, source)).collect::<Result<_, _>>()?;
    let entries: Vec<Entry> = entries.into_iter().flatten().collect();
    let mut metrics = metrics(&entries);
    let groups = group(&entries);
    let tests = pairing::tests(&entries, &groups, source, &options)?;
    if let Some(row) = common_exams(&entries, &tests) {
        metrics.insert(1, row);
    }
    let has_repetitions = groups.iter().any(|members| members.len() > 1);
    let names = group_names(&entries, &groups);
    let mut names_of_entries = vec![String::new(); entries.len()];
    for (name, group) in names.iter().zip(&groups) {
        for &run in group {
            names_of_entries[run].clone_from(name);
        }
    }
    Ok(Comparison {
        warnings: warnings(&entries, source),
        notes: notes(&entries, &tests),
        runs: entries.iter().map(|entry| entry.name.clone()).collect(),
        split: source.name().to_owned(),
        differences: key_differences(&entries),
        groups: if has_repetitions {
            groups.iter().zip(names).map(|(runs, name)| spread(name, runs, &metrics)).collect()
        } else {
            Vec::new()
        },
        metrics,
        tests,
        best: None,
        group_names: names_of_entries,
        entries,
    })
}

/// Adds a sentence, unless it is among them.
fn add_once(sentences: &mut Vec<String>, sentence: String) {
    if !sentences.contains(&sentence) {
        sentences.push(sentence);
    }
}

/// How metrics and tests are computed, each once.
fn notes(entries: &[Entry], tests: &[PairedTest]) -> Vec<String> {
    let mut notes = Vec::new();
    if tests.iter().any(|test| test.is_common) {
        notes.push(
            "The metrics and curves are of all exams of each run or model; the paired tests are of the common exams."
                .to_owned(),
        );
    }
    for note in entries.iter().filter_map(Entry::repeated_patients) {
        add_once(&mut notes, note);
    }
    notes
}

/// The row of the numbers of common exams; `None` if all tests are of all exams.
fn common_exams(entries: &[Entry], tests: &[PairedTest]) -> Option<MetricRow> {
    let cell = |entry: &Entry| {
        let mut texts = Vec::new();
        let is_of_entry = |test: &&PairedTest| [&test.name_a, &test.name_b].contains(&&entry.name);
        let mut counts: Vec<usize> = Vec::new();
        for test in tests.iter().filter(is_of_entry).filter(|test| test.aucs.is_some()) {
            let exams = if test.is_common { "common exam" } else { "exam" };
            let exams = counted(test.exams, exams, &format!("{exams}s"));
            add_once(&mut texts, format!("{exams} ({} positive)", test.positives));
            counts.push(test.exams);
        }
        counts.dedup();
        let value = if let [count] = counts.as_slice() { Some(*count as f64) } else { None };
        let text = if texts.is_empty() { "–".to_owned() } else { texts.join("; ") };
        Cell { text, value, ..Cell::default() }
    };
    let cells = entries.iter().map(cell).collect();
    let is_common = tests.iter().any(|test| test.is_common);
    is_common.then(|| MetricRow { name: "tested on".to_owned(), cells })
}

/// Warnings about the compared exams, each once.
fn warnings(entries: &[Entry], source: ExamSource) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut add = |warning: String| add_once(&mut warnings, warning);
    for entry in entries {
        for (split, metrics) in &entry.splits {
            let Some(warning) = &metrics.warning else { continue };
            let split = if split.is_empty() { "exams" } else { name_of_split(split) };
            add(format!("{split}: {warning}."));
        }
    }
    let is_biased = |entry: &Entry| entry.source == ExamSource::Split(SplitName::Valid);
    if source != ExamSource::File && entries.iter().any(is_biased) {
        add("The epoch of each run was selected on its validation exams, so its metrics are biased upwards; for a \
             paper, compare on a test split (split.test) or by cross-validation (split.folds)."
            .to_owned());
    }
    warnings
}

/// The spec keys in which runs differ; models of files have no value.
fn key_differences(entries: &[Entry]) -> Vec<KeyDifference> {
    let specs: Vec<Spec> = entries.iter().filter_map(|entry| entry.spec.clone()).collect();
    differences(&specs)
        .into_iter()
        .map(|difference| {
            let mut of_runs = difference.values.into_iter();
            let value = |entry: &Entry| entry.spec.as_ref().and_then(|_| of_runs.next().flatten());
            KeyDifference { key: difference.key, values: entries.iter().map(value).collect() }
        })
        .collect()
}

/// Indices of runs that differ only in seed and fold, in order; a model of a file is its own group. When all runs
/// have the same hash, each is its own group: they are repetitions of one run.
fn group(entries: &[Entry]) -> Vec<Vec<usize>> {
    let hashes: BTreeSet<String> =
        entries.iter().filter_map(|entry| Some(entry.spec.as_ref()?.hash())).collect();
    let mut groups: Vec<(Option<String>, Vec<usize>)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let kind = entry.spec.as_ref().filter(|_| hashes.len() > 1).map(Spec::hash_of_kind);
        match groups.iter_mut().find(|(known, _)| kind.is_some() && *known == kind) {
            Some((_, members)) => members.push(index),
            None => groups.push((kind, vec![index])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// A name for each group: that of the model, or the experiment or differing keys of runs.
fn group_names(entries: &[Entry], groups: &[Vec<usize>]) -> Vec<String> {
    let first = |group: &[usize]| group.first().map(|&index| &entries[index]);
    let specs: Vec<Spec> = groups.iter().filter_map(|group| first(group)?.spec.clone()).collect();
    let own_groups: Vec<Vec<usize>> = (0..specs.len()).map(|index| vec![index]).collect();
    let mut of_runs = naming::names_of_groups(&specs, &own_groups).into_iter();
    let name = |group: &Vec<usize>| {
        let entry = first(group)?;
        match &entry.spec {
            Some(_) => of_runs.next(),
            None => Some(entry.name.clone()),
        }
    };
    groups.iter().map(name).map(Option::unwrap_or_default).collect()
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
    metric: &'a str,
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
                metric: &metric.name,
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

    /// What is compared: `2 runs compared on their test exams`.
    pub fn lead(&self) -> String {
        let files = self.entries.iter().filter(|entry| entry.spec.is_none()).count();
        let runs = counted(self.entries.len() - files, "run", "runs");
        let models = counted(files, "model", "models");
        match (self.entries.len() - files, files) {
            (_, 0) => format!("{runs} compared on their {} exams.", self.split),
            (0, _) => format!("{models} compared on the exams of their files."),
            _ => format!("{runs} and {models} of other programs compared on {} exams.", self.split),
        }
    }

    /// Distinct short names of the runs: the name of the group, with seed and fold when groups have several
    /// runs, and a number where a name repeats.
    pub fn labels(&self) -> Vec<String> {
        let mut name_counts = BTreeMap::<String, usize>::new();
        let label = |(entry, group): (&Entry, &String)| {
            let mut name = group.clone();
            if let (false, Some(spec)) = (self.groups.is_empty(), &entry.spec) {
                name += &format!(", seed {}", spec.experiment.seed);
                if spec.split.fold > 0 {
                    name += &format!(", fold {}", spec.split.fold);
                }
            }
            let count = name_counts.entry(name.clone()).or_default();
            *count += 1;
            if *count > 1 { format!("{name} ({count})") } else { name }
        };
        self.entries.iter().zip(&self.group_names).map(label).collect()
    }
}
