//! Runs side by side: the spec keys that differ, the figures, and paired tests on the same exams.
//!
//! ```text
//!   run folders ──► Entry (spec, predictions, figures, epochs, cost) ──► groups of seeds and folds
//!        spec keys that differ · figures · mean ± sd over a group · DeLong's paired tests (Holm)
//! ```
//!
//! Runs whose specs differ in nothing but the seed or the fold are a group. The first group is what
//! the others are tested against, run by run: where there are several, those of the same seed and fold.

mod entry;
mod naming;
mod page;
mod pairing;

use super::ReportError;
use crate::files::write_bytes;
use crate::results::{RunFolder, write_csv};
use crate::spec::{Difference, Spec, differences};
use entry::Entry;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

pub use page::comparison_page;
pub use pairing::PairedTest;

/// Two or more runs side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// `experiment/stamp-hash` of each run.
    pub runs: Vec<String>,
    /// The part of the cohort whose exams are tested on.
    pub part: String,
    /// Spec keys that affect results and differ, with the value in each run.
    pub differences: Vec<KeyDifference>,
    /// Figures of each run.
    pub figures: Vec<Figure>,
    /// Runs that differ in seed or fold only; empty where no two do.
    pub groups: Vec<Group>,
    /// Further runs against those of the first group.
    pub tests: Vec<PairedTest>,
    /// Which combination a sweep found best, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// What the group of each run is called.
    #[serde(skip)]
    kinds: Vec<String>,
    #[serde(skip)]
    entries: Vec<Entry>,
}

/// A key that differs.
#[derive(Debug, Serialize)]
pub struct KeyDifference {
    /// Dotted key.
    pub key: String,
    /// Value in each run; `None` where the key plays no part.
    pub values: Vec<Option<String>>,
}

impl From<Difference> for KeyDifference {
    fn from(difference: Difference) -> Self {
        Self { key: difference.key, values: difference.values }
    }
}

/// A figure of every run.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// It in each run.
    pub cells: Vec<Cell>,
}

/// A figure of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cell {
    /// As it is shown.
    pub text: String,
    /// The number, where it is one.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Runs that differ in seed or fold only.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Name of its experiment, or what sets it apart from others of that name.
    pub name: String,
    /// Places of its runs.
    pub runs: Vec<usize>,
    /// Figures over its runs.
    pub spread: Vec<Spread>,
}

/// A figure over the runs of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Name of the figure.
    pub name: String,
    /// Runs that have it.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; nothing of one run.
    pub sd: Option<f64>,
}

impl Spread {
    /// A figure over runs; nothing of none.
    pub fn over(name: &str, values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        (count > 0).then(|| Self { name: name.to_owned(), count, mean, sd })
    }
}

/// What [`compare`] can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompareOptions {
    /// Test on the exams that runs have in common where they do not have the same.
    pub common: bool,
}

/// Compares finished runs.
///
/// # Errors
/// When a run is not finished or cannot be read, or when exams differ and only those in common
/// could be compared, which must be asked for.
pub fn compare(runs: &[RunFolder], options: CompareOptions) -> Result<Comparison, ReportError> {
    let part = entry::common_part(runs)?;
    let entries: Vec<Entry> =
        runs.iter().map(|run| Entry::read(run, part)).collect::<Result<_, _>>()?;
    let specs: Vec<Spec> = entries.iter().map(|entry| entry.spec.clone()).collect();
    let figures = figures(&entries);
    let groups = group(&specs);
    let tests = pairing::tests(&entries, &groups, &specs, options)?;
    let several = groups.iter().any(|members| members.len() > 1);
    let names = naming::names_of_groups(&specs, &groups);
    let mut kinds = vec![String::new(); entries.len()];
    for (name, &place) in names.iter().zip(&groups).flat_map(|(n, g)| g.iter().map(move |p| (n, p)))
    {
        kinds[place].clone_from(name);
    }
    Ok(Comparison {
        runs: entries.iter().map(|entry| entry.name.clone()).collect(),
        part: entry::in_words(part).to_owned(),
        differences: differences(&specs).into_iter().map(KeyDifference::from).collect(),
        groups: if several {
            groups.iter().zip(names).map(|(runs, name)| spread(name, runs, &figures)).collect()
        } else {
            Vec::new()
        },
        figures,
        tests,
        best: None,
        kinds,
        entries,
    })
}

/// Places of specs that differ in seed and fold only, in order. Where all are of one kind and one
/// seed, each stands for itself: it is a repetition that is compared.
fn group(specs: &[Spec]) -> Vec<Vec<usize>> {
    let mut order: Vec<String> = Vec::new();
    let mut groups = BTreeMap::<String, Vec<usize>>::new();
    for (place, spec) in specs.iter().enumerate() {
        let kind = spec.hash_of_kind();
        if !groups.contains_key(&kind) {
            order.push(kind.clone());
        }
        groups.entry(kind).or_default().push(place);
    }
    let alike = specs.windows(2).all(|pair| pair[0].hash() == pair[1].hash());
    if alike {
        return (0..specs.len()).map(|place| vec![place]).collect();
    }
    order.iter().filter_map(|kind| groups.remove(kind)).collect()
}

fn spread(name: String, runs: &[usize], figures: &[Figure]) -> Group {
    let over = |figure: &Figure| {
        let values: Vec<f64> = runs.iter().filter_map(|&at| figure.cells[at].value).collect();
        Spread::over(&figure.name, &values)
    };
    Group { name, runs: runs.to_vec(), spread: figures.iter().filter_map(over).collect() }
}

fn figures(entries: &[Entry]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        for (name, cell) in entry.cells() {
            let at = figures.iter().position(|figure| figure.name == name).unwrap_or_else(|| {
                let nothing = Cell { text: "–".to_owned(), ..Cell::default() };
                figures.push(Figure { name: name.clone(), cells: vec![nothing; entries.len()] });
                figures.len() - 1
            });
            figures[at].cells[place] = cell;
        }
    }
    figures
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
    /// Writes every figure of every run as CSV, one a row.
    pub fn write_csv(&self, path: &Path) -> Result<(), ReportError> {
        let rows = self.figures.iter().flat_map(|figure| {
            figure.cells.iter().zip(&self.runs).map(|(cell, run)| CsvRow {
                run,
                figure: &figure.name,
                value: cell.value,
                low: cell.low,
                high: cell.high,
                text: &cell.text,
            })
        });
        Ok(write_csv(path, &rows.collect::<Vec<_>>())?)
    }

    /// Writes the comparison as one page with its curves.
    pub fn write_page(&self, path: &Path) -> Result<(), ReportError> {
        Ok(write_bytes(path, comparison_page(self).as_bytes())?)
    }

    /// Writes the overlaid ROC curves as SVG and PNG.
    pub fn write_overlaid_roc(&self, folder: &Path) -> Result<(), ReportError> {
        let drawing = page::overlaid_roc(self);
        write_bytes(&folder.join("roc.svg"), drawing.svg.as_bytes())?;
        Ok(write_bytes(&folder.join("roc.png"), &drawing.png)?)
    }

    /// What a reader must know of the part that is compared, where there is something.
    pub fn caution(&self) -> Option<&'static str> {
        (self.part == "validation").then_some(
            "Each run's epoch was selected on these validation exams, which flatters the figures; for a \
             paper, compare on a test part (split.test) or cross-validation (split.folds).",
        )
    }

    /// Short names of the runs, told apart: their group's, with the seed where one has several,
    /// numbered where they repeat.
    pub fn labels(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let label = |(entry, kind): (&Entry, &String)| {
            let mut name = kind.clone();
            if !self.groups.is_empty() {
                name += &format!(", seed {}", entry.spec.experiment.seed);
                if entry.spec.split.fold > 0 {
                    name += &format!(", fold {}", entry.spec.split.fold);
                }
            }
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count > 1 { format!("{name} ({count})") } else { name }
        };
        self.entries.iter().zip(&self.kinds).map(label).collect()
    }
}
