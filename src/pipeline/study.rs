//! Spec → Cohort → Prepared → Split: who is in the study.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cohort::{
    self, Cohort, CohortError, CohortRow, ListEntry, Remark, SplitError, SplitLists,
};
use crate::files;
use crate::images::{Image, PassedOver, Scanner};
use crate::phantom;
use crate::prepare::{self, Refusal, Row};
use crate::results::{ResultsError, RunFolder, Table, read_csv, write_csv};
use crate::spec::{Part, Spec};
use crate::training::Exam;

use super::columns::{self, check_columns};
use super::preparation::{
    cache_folder, check_prepared, known_rows, prepare_images, refuse_unprepared, settings,
};
use super::{PipelineError, Stages, equal_scans, inputs};

/// The study of a run: read from its tables when they are there, else gathered, prepared and
/// split.
pub(super) fn study(
    spec: &Spec,
    run: &RunFolder,
    watch: &dyn Stages,
) -> Result<Vec<CohortRow>, PipelineError> {
    let (cohort_file, preparation_file) = (run.table(Table::Cohort), run.table(Table::Preparation));
    if cohort_file.is_file() && preparation_file.is_file() {
        let rows: Vec<CohortRow> = read_csv(&cohort_file)?;
        let prepared: Vec<Row> = read_csv(&preparation_file)?;
        if inputs::are_there(spec, &prepared) {
            cohort::check_parts(&rows)?;
            equal_scans::check(&rows, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
            return Ok(rows);
        }
        watch.note("prepared volumes are missing: preparing again");
        inputs::check_lost(spec, run)?;
    }
    if !cohort_file.is_file()
        && let Some(rows) = study_of_other_fold(spec, run)?
    {
        return Ok(rows);
    }
    make_phantom(spec, watch)?;
    let mut cohort = gather(spec, watch)?;
    let lists = SplitLists::read(spec).map_err(SplitError::from)?;
    let mut began_with = inputs::rows_of(&cohort, &lists);
    let images: Vec<&Image> = cohort.chosen.iter().map(|(_, image)| image).collect();
    let prepared = prepare_images(spec, &images, &cache_folder(spec), watch)?;
    inputs::add_contents(&mut began_with, &images, spec);
    refuse_unprepared(&mut cohort, &prepared);
    check_prepared(&cohort, &prepared)?;
    let known = cohort.remarks.len();
    equal_scans::resolve(&mut cohort, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
    note_remarks(&cohort.remarks[known..], watch);
    cohort::assign(&mut cohort, spec)?;
    write_csv(&run.table(Table::Inputs), &began_with)?;
    write_csv(&preparation_file, &prepared)?;
    write_lists(run, &cohort.rows)?;
    columns::write(spec, run, &cohort)?;
    write_csv(&cohort_file, &cohort.rows)?;
    let mut told = split_check(&cohort.rows);
    if !lists.is_empty() {
        told += &format!("; {}", lists.told(&cohort.rows));
    }
    watch.stage_ends("split", &told);
    for warning in cohort::split_warnings(&cohort.rows) {
        watch.note(&format!("warning: {warning}"));
    }
    Ok(cohort.rows)
}

/// The study of a fold as another fold of the same cross-validation has drawn it up, with the parts of
/// this one: all folds are of the same inputs, whatever becomes of these meanwhile. `None` where there
/// is no other fold, or prepared volumes are missing.
fn study_of_other_fold(
    spec: &Spec,
    run: &RunFolder,
) -> Result<Option<Vec<CohortRow>>, PipelineError> {
    let Some(other) = run.other_folds(spec)?.into_iter().find(|fold| {
        [Table::Cohort, Table::Preparation, Table::Inputs].map(|it| fold.table(it).is_file())
            == [true; 3]
    }) else {
        return Ok(None);
    };
    let prepared: Vec<Row> = read_csv(&other.table(Table::Preparation))?;
    if !inputs::are_there(spec, &prepared) {
        inputs::check_lost(spec, &other)?;
        return Ok(None);
    }
    let mut cohort = Cohort { rows: read_csv(&other.table(Table::Cohort))?, ..Cohort::default() };
    cohort::assign(&mut cohort, spec)?;
    for table in [Table::Inputs, Table::Preparation, Table::ExamColumns] {
        if other.table(table).is_file() {
            let bytes = std::fs::read(other.table(table)).map_err(|error| ResultsError::Read {
                path: other.table(table),
                message: error.to_string(),
            })?;
            files::write_bytes(&run.table(table), &bytes)?;
        }
    }
    write_lists(run, &cohort.rows)?;
    write_csv(&run.table(Table::Cohort), &cohort.rows)?;
    Ok(Some(cohort.rows))
}

/// Makes the synthetic cohort that a spec asks for, where there is none.
pub fn make_phantom(spec: &Spec, watch: &dyn Stages) -> Result<(), PipelineError> {
    let Some(wanted) = &spec.data.phantom else { return Ok(()) };
    let plan = phantom::PhantomPlan {
        patients: wanted.patients,
        positive_fraction: wanted.positive_fraction,
        cancer_diameter_mm: wanted.cancer_diameter_mm,
        graded: wanted.graded,
        seed: wanted.seed,
        ..Default::default()
    };
    watch.stage_begins("phantom");
    let advance = |done, of| watch.stage_advances(done, of);
    let truth = phantom::write_cohort(&spec.data.root, &plan, advance)?;
    let told = format!("{} synthetic exams in {}", truth.len(), spec.data.root.display());
    watch.stage_ends("phantom", &told);
    Ok(())
}

/// Finds series and labels and chooses one series per exam. What is found in files is kept beside
/// the prepared volumes, so that unchanged files are not opened again.
pub fn gather(spec: &Spec, watch: &dyn Stages) -> Result<Cohort, PipelineError> {
    watch.stage_begins("cohort");
    let mut scanner = scanner(spec, Some(&cache_folder(spec)));
    let cohort = cohort::gather(spec, &mut scanner)?;
    check_columns(spec, &cohort)?;
    if let Err(error) = scanner.save() {
        watch.note(&format!("files will be looked at again next time: {error}"));
    }
    let series = cohort.rows.iter().filter(|row| row.is_image()).count();
    let left_out = match cohort::count_reasons(&cohort.rows) {
        reasons if reasons.is_empty() => String::new(),
        reasons => format!("; left out: {reasons}"),
    };
    let told = format!("{series} series, {} chosen{left_out}", cohort.chosen.len());
    watch.stage_ends("cohort", &told);
    note_remarks(&cohort.remarks, watch);
    tell_passed_over(&cohort.passed_over, watch);
    Ok(cohort)
}

fn note_remarks(remarks: &[Remark], watch: &dyn Stages) {
    for remark in remarks {
        watch.note(&format!("{}: {remark}", remark.heading()));
    }
}

/// Says which files were passed over, and what to do where there may be images in them.
pub fn tell_passed_over(passed_over: &PassedOver, watch: &dyn Stages) {
    if passed_over.is_empty() {
        return;
    }
    watch.stage_ends("passed over", &passed_over.counts());
    for line in cohort::remedies(passed_over) {
        watch.note(&format!("warning: {line}"));
    }
}

/// What looks for images as the spec says, with the index of a cache folder.
pub(super) fn scanner(spec: &Spec, cache: Option<&Path>) -> Scanner {
    let scanner = cache.map(Scanner::with_index).unwrap_or_default();
    scanner.stacking_by(settings(spec).stacks)
}

/// A study as far as it is known without preparing series.
#[derive(Clone)]
pub struct Survey {
    /// Everything seen, chosen or not.
    pub cohort: Cohort,
    /// The rows of series that are prepared already.
    pub prepared: Vec<Row>,
}

impl Survey {
    /// The rows of those chosen series that are prepared already.
    pub fn prepared_of_chosen(&self) -> Vec<Row> {
        let chosen = self.cohort.chosen.iter().map(|(_, image)| image.series_uid.as_str());
        let chosen: BTreeSet<&str> = chosen.collect();
        let rows = self.prepared.iter();
        rows.filter(|row| chosen.contains(row.series_uid.as_str())).cloned().collect()
    }
}

/// The cohort as a run would have it, without preparing series and without making a folder.
pub fn survey(spec: &Spec) -> Result<Survey, PipelineError> {
    let mut scanner = scanner(spec, Some(&cache_folder(spec)));
    let mut cohort = cohort::gather(spec, &mut scanner)?;
    check_columns(spec, &cohort)?;
    // Looking must not fail where nothing can be written.
    let _ = scanner.save_beside();
    leave_out_prepared_otherwise(spec, &mut cohort)?;
    let prepared = known_rows(spec, &cohort);
    equal_scans::resolve(&mut cohort, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
    Ok(Survey { cohort, prepared })
}

/// Takes out of the cohort what preparation would refuse, as far as that is known without reading.
fn leave_out_prepared_otherwise(spec: &Spec, cohort: &mut Cohort) -> Result<(), PipelineError> {
    let (settings, cache, series) = (settings(spec), cache_folder(spec), cohort.chosen.len());
    let refusal = Refusal::PreparedOtherwise;
    let otherwise = cohort.chosen.iter().filter(|(_, image)| {
        prepare::has_other_settings(image, &settings)
            && !prepare::is_prepared(image, &settings, &cache)
    });
    let told = format!("{}: {refusal}", refusal.code());
    let otherwise = otherwise.map(|(place, _)| (*place, told.clone())).collect();
    cohort.refuse(otherwise);
    if series > 0 && cohort.chosen.is_empty() {
        let (reasons, first) = (cohort::count_reasons(&cohort.rows), refusal.to_string());
        return Err(PipelineError::NothingPrepared { series, reasons, first });
    }
    Ok(())
}

/// Images without a study.
#[derive(Debug, Default)]
pub struct Found {
    /// Images.
    pub images: Vec<Image>,
    /// Files that are damaged, with the reason.
    pub left_out: Vec<(String, String)>,
    /// Files that are no image or are not looked into, by kind.
    pub passed_over: PassedOver,
}

/// Every image in folders, at any depth, or in single files. With a lasting `cache`, what is found
/// in files is kept there.
pub fn images_of(
    spec: &Spec,
    paths: &[PathBuf],
    cache: Option<&Path>,
) -> Result<Found, PipelineError> {
    let mut found = Found::default();
    let mut scanner = scanner(spec, cache);
    for path in paths {
        let here = scanner.scan(path).map_err(CohortError::from)?;
        if here.images.is_empty() {
            return Err(cohort::nothing(path.clone(), &here).into());
        }
        found.left_out.extend(here.problems.into_iter().map(|problem| {
            (problem.path.display().to_string(), format!("unreadable: {}", problem.reason))
        }));
        found.images.extend(here.images);
        found.passed_over.merge(here.passed_over);
    }
    // Preparation says so if nothing can be written there.
    let _ = scanner.save();
    Ok(found)
}

fn crop_path(spec: &Spec, row: &Row) -> PathBuf {
    cache_folder(spec).join(&row.cache_file)
}

/// The exams of a study by part.
pub(super) struct Exams(BTreeMap<Part, Vec<Exam>>);

impl Exams {
    pub fn of(&self, part: Part) -> &[Exam] {
        self.0.get(&part).map_or(&[], Vec::as_slice)
    }
}

pub(super) fn exams(rows: &[CohortRow], prepared: &[Row], spec: &Spec) -> Exams {
    let crops: BTreeMap<&str, PathBuf> =
        prepared.iter().map(|row| (row.series_uid.as_str(), crop_path(spec, row))).collect();
    let mut exams = BTreeMap::<Part, Vec<Exam>>::new();
    for row in rows.iter().filter(|row| row.chosen) {
        let (Some(part), Some(crop)) = (row.split, crops.get(row.series.as_str())) else {
            continue;
        };
        exams.entry(part).or_default().push(Exam {
            patient: row.patient.clone(),
            exam: row.exam.clone(),
            series: row.series.clone(),
            label: row.label.unwrap_or_default(),
            crop: crop.clone(),
        });
    }
    Exams(exams)
}

/// BLAKE3 over exams, labels, parts, the content hashes in the names of prepared volumes, and those
/// of lists that imposed the split.
pub(super) fn data_hash(exams: &Exams, split_lists: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (part, list) in split_lists {
        hasher.update(format!("{part} list {list}\n").as_bytes());
    }
    for (part, exams) in &exams.0 {
        for exam in exams {
            let crop = exam.crop.file_name().unwrap_or_default().to_string_lossy();
            hasher.update(
                format!("{part} {} {} {} {crop}\n", exam.exam, exam.series, exam.label).as_bytes(),
            );
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// The parts in words.
pub fn split_check(rows: &[CohortRow]) -> String {
    let told = [Part::Train, Part::Valid, Part::Test].into_iter().filter_map(|part| {
        let rows: Vec<_> =
            rows.iter().filter(|row| row.chosen && row.split == Some(part)).collect();
        let patients: BTreeSet<_> = rows.iter().map(|row| &row.patient).collect();
        let positive = rows.iter().filter(|row| row.label == Some(1)).count();
        (!rows.is_empty()).then(|| {
            format!(
                "{part} {} exams ({positive} positive) of {} patients",
                rows.len(),
                patients.len()
            )
        })
    });
    told.collect::<Vec<_>>().join(", ") + "; no patient in two parts"
}

fn write_lists(run: &RunFolder, rows: &[CohortRow]) -> Result<(), PipelineError> {
    for part in [Part::Train, Part::Valid, Part::Test] {
        let entries: Vec<ListEntry> = rows
            .iter()
            .filter(|row| row.chosen && row.split == Some(part))
            .filter_map(|row| {
                Some(ListEntry { path: (&row.path).into(), label: row.label?, line: 0 })
            })
            .collect();
        if !entries.is_empty() {
            cohort::write_list(&run.list_file(part), &entries)?;
        }
    }
    Ok(())
}
