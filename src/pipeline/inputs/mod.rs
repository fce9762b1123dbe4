//! The inputs of a run: they are stored when the run begins, and compared when it continues.
//!
//! ```text
//! labels, lists, scans ──observe──▶ Inputs ──store─▶ <run>/inputs.csv
//!                                     │                    │
//!                                     └──────compare───────┴──▶ Changes
//! ```
//!
//! Only contents are compared: other times, folders, caches and orders of rows are no changes.

mod changes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::preparation::{cache_folder, settings};
use super::study::scanner;
use super::{PipelineError, columns, initial_weights_changed};
pub(super) use changes::from_to;
pub use changes::{Change, ChangedInputs, Changes};
use lungs_image::images::Image;
use lungs_spec::results::{InputKind, InputRow, Provenance, RunFolder, Table, read_inputs};
use lungs_spec::spec::Spec;
use lungs_study::cohort::{self, Cohort, CohortRow, SplitError, SplitLists};
use lungs_study::prepare::{self, Row};

/// The current inputs of a spec.
pub struct Inputs {
    /// `None` if the synthetic cohort is missing; it would be generated again without changes.
    cohort: Option<Cohort>,
    rows: Vec<InputRow>,
}

impl Inputs {
    /// Reads labels, lists and headers of series.
    ///
    /// # Errors
    /// An input is invalid.
    pub fn observe(spec: &Spec) -> Result<Self, PipelineError> {
        let lists = SplitLists::read(spec).map_err(SplitError::from)?;
        if spec.data.phantom.is_some() && !spec.data.root.exists() {
            return Ok(Self { cohort: None, rows: list_rows(&lists) });
        }
        let mut scanner = scanner(spec, Some(&cache_folder(spec)));
        let cohort = cohort::gather(spec, &mut scanner)?;
        // A read-only folder is not an error here.
        let _ = scanner.save_if_folder_exists();
        let rows = rows_of(&cohort, &lists);
        Ok(Self { cohort: Some(cohort), rows })
    }

    /// Compares the inputs with the stored inputs of a run.
    ///
    /// # Errors
    /// The tables of the run cannot be read.
    pub fn changes_since(&self, spec: &Spec, run: &RunFolder) -> Result<Changes, PipelineError> {
        let mut changes = Changes::default();
        if run.table(Table::Inputs).is_file() {
            let mut stored = read_inputs(&run.table(Table::Inputs))?;
            stored.retain(|row| row.kind != InputKind::Preparation);
            match &self.cohort {
                Some(cohort) => {
                    let images = by_series(cohort.chosen.iter().map(|(_, image)| image));
                    let (settings, cache) = (settings(spec), cache_folder(spec));
                    changes.compare_rows(&stored, &self.rows, |series| {
                        prepare::content_of(images.get(series)?, &settings, &cache)
                    });
                    columns::add_changes(run, cohort, &mut changes)?;
                }
                None => {
                    stored.retain(|row| row.kind == InputKind::Listed);
                    changes.compare_rows(&stored, &self.rows, |_| None);
                }
            }
        }
        let provenance = Provenance::read(run).filter(|_| run.has_checkpoints());
        if provenance.is_some_and(|provenance| initial_weights_changed(spec, &provenance)) {
            changes.add(Change::InitialWeights, spec.model.init.clone());
        }
        Ok(changes)
    }
}

fn by_series<'a>(images: impl Iterator<Item = &'a Image>) -> BTreeMap<&'a str, &'a Image> {
    images.map(|image| (image.series_uid.as_str(), image)).collect()
}

/// The rows of a cohort before preparation.
pub(super) fn rows_of(cohort: &Cohort, lists: &SplitLists) -> Vec<InputRow> {
    let series = cohort.rows.iter().filter(|row| row.is_image());
    let series = series.map(|row| (InputKind::Scan, row));
    let labels = cohort.rows.iter().filter(|row| row.is_label());
    let labels = labels.map(|row| (InputKind::Label, row));
    let rows = series.chain(labels).map(|(kind, row)| InputRow {
        kind,
        name: name_of(row),
        patient_id: row.patient_id.clone(),
        exam_id: row.exam_id.clone(),
        label: row.label,
        split: row.split,
        chosen: row.chosen,
        slices: row.slices,
        content: String::new(),
        follow_up: row.follow_up.map_or_else(String::new, |follow_up| follow_up.to_string()),
    });
    rows.chain(list_rows(lists)).collect()
}

/// The series, or the name in a label without a series.
fn name_of(row: &CohortRow) -> String {
    match (row.series_uid.as_str(), row.study_date.as_str()) {
        ("", "") => row.patient_id.clone(),
        ("", date) => format!("{} {date}", row.patient_id),
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
        patient_id: String::new(),
        exam_id: String::new(),
        label: None,
        split: None,
        chosen: false,
        slices: 0,
        content: String::new(),
        follow_up: String::new(),
    }
}

/// Adds the content hashes of prepared series, and the preprocessing, to the rows of a cohort.
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

/// Compares the current inputs of a run, or of every started fold of a cross-validation, with the stored inputs. A
/// run without a cohort has no stored inputs.
///
/// # Errors
/// [`PipelineError::InputsChanged`] with all changes; [`PipelineError::InputsUnusable`] if the current inputs are
/// invalid.
pub fn check_inputs(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    check_against(spec, run, || Inputs::observe(spec))
}

/// [`check_inputs`] with a function that reads the current inputs if they are needed.
pub fn check_against<I: std::borrow::Borrow<Inputs>>(
    spec: &Spec,
    run: &RunFolder,
    observe: impl FnOnce() -> Result<I, PipelineError>,
) -> Result<(), PipelineError> {
    let members = started_members(spec, run);
    if members.is_empty() {
        return Ok(());
    }
    let external = run.is_external();
    let run = run.root().to_owned();
    let inputs = observe().map_err(|error| PipelineError::InputsUnusable {
        run: run.clone(),
        source: Box::new(error),
    })?;
    let inputs: &Inputs = inputs.borrow();
    let mut changes = Changes::default();
    for member in members {
        changes.merge(inputs.changes_since(spec, &member)?);
    }
    if changes.is_empty() {
        Ok(())
    } else {
        Err(ChangedInputs { run, changes, lost: false, external }.into())
    }
}

/// The run, or the folds of a cross-validation, if they have a stored cohort.
fn started_members(spec: &Spec, run: &RunFolder) -> Vec<RunFolder> {
    let folds = spec.fold_specs();
    let members: Vec<RunFolder> = if spec.is_of_all_folds() {
        folds.iter().filter_map(|fold| run.known_fold(fold)).collect()
    } else {
        vec![run.clone()]
    };
    members.into_iter().filter(|run| run.table(Table::Cohort).is_file()).collect()
}

/// Checks that missing volumes can be prepared again without changes.
///
/// # Errors
/// The inputs have changed, or this version of the program has other preprocessing.
pub(super) fn check_recoverable(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    let mut changes = Inputs::observe(spec)?.changes_since(spec, run)?;
    if run.table(Table::Inputs).is_file() {
        let stored = read_inputs(&run.table(Table::Inputs))?;
        let current = preparation(spec);
        if stored.iter().any(|row| row.kind == current.kind && row.content != current.content) {
            changes.add(Change::Preparation, env!("CARGO_PKG_VERSION").to_owned());
        }
    }
    if changes.is_empty() {
        Ok(())
    } else {
        let external = run.is_external();
        Err(ChangedInputs { run: run.root().to_owned(), changes, lost: true, external }.into())
    }
}

/// Whether the cache has all prepared volumes of a run.
pub(super) fn are_cached(spec: &Spec, prepared: &[Row]) -> bool {
    let cache = cache_folder(spec);
    prepared.iter().all(|row| row.cache_file.is_empty() || cache.join(&row.cache_file).is_file())
}
