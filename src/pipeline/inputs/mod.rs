//! What a run depends on: kept when it begins, compared whenever it goes on.
//!
//! ```text
//! labels, lists, scans ──observe──▶ Inputs ──keep──▶ <run>/inputs.csv
//!                                     │                    │
//!                                     └──────compare───────┴──▶ Changes
//! ```
//!
//! Contents count, not where they lie: times, folders, the cache and the order of rows are no change.

mod changes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::preparation::{cache_folder, settings};
use super::study::scanner;
use super::{PipelineError, columns, initial_weights_changed};
use crate::cohort::{self, Cohort, CohortRow, SplitError, SplitLists};
use crate::images::Image;
use crate::prepare::{self, Row};
use crate::results::{InputKind, InputRow, Provenance, RunFolder, Table, read_csv};
use crate::spec::Spec;
pub(super) use changes::from_to;
pub use changes::{Change, ChangedInputs, Changes};

/// What a run of a spec depends on, as it is now.
pub struct Inputs {
    /// `None` where a synthetic cohort is not there, and would be made as it was.
    cohort: Option<Cohort>,
    rows: Vec<InputRow>,
}

impl Inputs {
    /// Looks at labels, lists and scans, reading headers only.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn observe(spec: &Spec) -> Result<Self, PipelineError> {
        let lists = SplitLists::read(spec).map_err(SplitError::from)?;
        if spec.data.phantom.is_some() && !spec.data.root.exists() {
            return Ok(Self { cohort: None, rows: list_rows(&lists) });
        }
        let mut scanner = scanner(spec, Some(&cache_folder(spec)));
        let cohort = cohort::gather(spec, &mut scanner)?;
        // Looking must not fail where nothing can be written.
        let _ = scanner.save_beside();
        let rows = rows_of(&cohort, &lists);
        Ok(Self { cohort: Some(cohort), rows })
    }

    /// Compares with the original inputs of a run.
    ///
    /// # Errors
    /// When the run's tables cannot be read.
    pub fn changes_since(&self, spec: &Spec, run: &RunFolder) -> Result<Changes, PipelineError> {
        let mut changes = Changes::default();
        if run.table(Table::Inputs).is_file() {
            let mut before: Vec<InputRow> = read_csv(&run.table(Table::Inputs))?;
            before.retain(|row| row.kind != InputKind::Preparation);
            match &self.cohort {
                Some(cohort) => {
                    let images = by_series(cohort.chosen.iter().map(|(_, image)| image));
                    let (settings, cache) = (settings(spec), cache_folder(spec));
                    changes.of_rows(&before, &self.rows, |series| {
                        prepare::content_of(images.get(series)?, &settings, &cache)
                    });
                    columns::note_changes(run, cohort, &mut changes)?;
                }
                None => {
                    before.retain(|row| row.kind == InputKind::Listed);
                    changes.of_rows(&before, &self.rows, |_| None);
                }
            }
        }
        let began_with = Provenance::read(run).filter(|_| run.has_checkpoints());
        if began_with.is_some_and(|known| initial_weights_changed(spec, &known)) {
            changes.add(Change::InitialWeights, spec.model.init.clone());
        }
        Ok(changes)
    }
}

fn by_series<'a>(images: impl Iterator<Item = &'a Image>) -> BTreeMap<&'a str, &'a Image> {
    images.map(|image| (image.series_uid.as_str(), image)).collect()
}

/// The rows of a cohort before its preparation.
pub(super) fn rows_of(cohort: &Cohort, lists: &SplitLists) -> Vec<InputRow> {
    let scans = cohort.rows.iter().filter(|row| row.is_image());
    let scans = scans.map(|row| (InputKind::Scan, row));
    let labels = cohort.rows.iter().filter(|row| row.is_label());
    let labels = labels.map(|row| (InputKind::Label, row));
    let rows = scans.chain(labels).map(|(kind, row)| InputRow {
        kind,
        name: name_of(row),
        patient: row.patient.clone(),
        exam: row.exam.clone(),
        label: row.label,
        split: row.split,
        chosen: row.chosen,
        slices: row.slices,
        content: String::new(),
    });
    rows.chain(list_rows(lists)).collect()
}

/// The series, or what a label without a series names.
fn name_of(row: &CohortRow) -> String {
    match (row.series.as_str(), row.study_date.as_str()) {
        ("", "") => row.patient.clone(),
        ("", date) => format!("{} {date}", row.patient),
        (series, _) => series.to_owned(),
    }
}

fn list_rows(lists: &SplitLists) -> Vec<InputRow> {
    let row = |(patient, part): (&str, _)| InputRow {
        name: patient.to_owned(),
        split: Some(part),
        ..empty(InputKind::Listed)
    };
    lists.patients().map(row).collect()
}

fn empty(kind: InputKind) -> InputRow {
    InputRow {
        kind,
        name: String::new(),
        patient: String::new(),
        exam: String::new(),
        label: None,
        split: None,
        chosen: false,
        slices: 0,
        content: String::new(),
    }
}

/// Adds to the rows of a cohort what the scans that were prepared hold, and how that was done.
pub(super) fn add_contents(rows: &mut Vec<InputRow>, images: &[&Image], spec: &Spec) {
    let (settings, cache) = (settings(spec), cache_folder(spec));
    let images = by_series(images.iter().copied());
    for row in rows.iter_mut().filter(|row| row.kind == InputKind::Scan && row.chosen) {
        let image = images.get(row.name.as_str());
        let content = image.and_then(|image| prepare::content_of(image, &settings, &cache));
        row.content = content.unwrap_or_default();
    }
    rows.push(preparation(spec));
}

fn preparation(spec: &Spec) -> InputRow {
    let content = blake3::hash(settings(spec).voxel_settings().as_bytes()).to_hex().to_string();
    InputRow { content, ..empty(InputKind::Preparation) }
}

/// Compares the inputs of a run, or of every started fold of a cross-validation, with the original
/// ones. A run without a study has nothing to compare.
///
/// # Errors
/// [`PipelineError::InputsChanged`] with all that changed; [`PipelineError::InputsUnusable`] when
/// inputs cannot be used any more.
pub fn check_inputs(spec: &Spec, whole: &RunFolder) -> Result<(), PipelineError> {
    check_against(spec, whole, || Inputs::observe(spec))
}

/// [`check_inputs`] with inputs that are observed when they are needed.
pub fn check_against<I: std::borrow::Borrow<Inputs>>(
    spec: &Spec,
    whole: &RunFolder,
    observe: impl FnOnce() -> Result<I, PipelineError>,
) -> Result<(), PipelineError> {
    let begun = begun(spec, whole);
    if begun.is_empty() {
        return Ok(());
    }
    let run = whole.root().to_owned();
    let now = observe().map_err(|error| PipelineError::InputsUnusable {
        run: run.clone(),
        source: Box::new(error),
    })?;
    let now: &Inputs = now.borrow();
    let mut changes = Changes::default();
    for member in begun {
        changes.merge(now.changes_since(spec, &member)?);
    }
    if changes.is_empty() {
        Ok(())
    } else {
        Err(ChangedInputs { run, changes, lost: false }.into())
    }
}

/// The run, or the folds of a cross-validation, as far as they have drawn up their study.
fn begun(spec: &Spec, whole: &RunFolder) -> Vec<RunFolder> {
    let folds = spec.of_folds();
    let members: Vec<RunFolder> = if spec.is_of_all_folds() {
        folds.iter().filter_map(|fold| whole.known_fold(fold)).collect()
    } else {
        vec![whole.clone()]
    };
    members.into_iter().filter(|run| run.table(Table::Cohort).is_file()).collect()
}

/// Checks that volumes which are gone can be prepared again as they were.
///
/// # Errors
/// When inputs changed, or this version of the program prepares in another way.
pub(super) fn check_lost(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    let mut changes = Inputs::observe(spec)?.changes_since(spec, run)?;
    if run.table(Table::Inputs).is_file() {
        let kept: Vec<InputRow> = read_csv(&run.table(Table::Inputs))?;
        let now = preparation(spec);
        if kept.iter().any(|row| row.kind == now.kind && row.content != now.content) {
            changes.add(Change::Preparation, env!("CARGO_PKG_VERSION").to_owned());
        }
    }
    if changes.is_empty() {
        Ok(())
    } else {
        Err(ChangedInputs { run: run.root().to_owned(), changes, lost: true }.into())
    }
}

/// Whether volumes that a run uses are missing in its cache.
pub(super) fn are_there(spec: &Spec, prepared: &[Row]) -> bool {
    let cache = cache_folder(spec);
    prepared.iter().all(|row| row.cache_file.is_empty() || cache.join(&row.cache_file).is_file())
}
