//! Spec → Cohort → Prepared → Split: the cohort of a run.

use lungs_base::text::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lungs_base::files;
use lungs_base::follow_up::FollowUp;
use lungs_image::codes::{Exclusion, ExclusionCode};
use lungs_image::images::{Image, Scanner, SkippedFiles};
use lungs_phantom as phantom;
use lungs_spec::results::{ResultsError, RunFolder, Table, read_csv, write_csv, write_inputs};
use lungs_spec::spec::{Spec, SplitName};
use lungs_study::cohort::{
    self, Cohort, CohortError, CohortRow, FollowUpCounts, ListEntry, Remark, SplitError, SplitLists,
};
use lungs_study::prepare::{self, Refusal, Row, Shard};
use lungs_train::{Event, Exam, Observer};

use super::assignment::Assignment;
use super::columns::{self, check_columns};
use super::preparation::{
    cache_folder, check_prepared, exclude_unprepared, known_rows, prepare_chosen, prepare_images,
    settings,
};
use super::{PipelineError, equal_scans, inputs};

/// The cohort of a run: read from its tables, or else selected, prepared and split.
pub(super) fn load_or_create_cohort(
    spec: &Spec,
    run: &RunFolder,
    assignment: Assignment,
    observe: &Observer,
) -> Result<Vec<CohortRow>, PipelineError> {
    let (cohort_file, preparation_file) = (run.table(Table::Cohort), run.table(Table::Preparation));
    if cohort_file.is_file() && preparation_file.is_file() {
        let rows = cohort::read_cohort(&cohort_file)?;
        let prepared: Vec<Row> = read_csv(&preparation_file)?;
        if inputs::are_cached(spec, &prepared) {
            assignment.check(&rows)?;
            equal_scans::check(&rows, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
            return Ok(rows);
        }
        observe(&Event::Note("prepared volumes are missing: preparing again"));
        inputs::check_recoverable(spec, run)?;
    }
    if !cohort_file.is_file()
        && let Some(rows) = cohort_of_other_fold(spec, run)?
    {
        return Ok(rows);
    }
    make_phantom(spec, observe)?;
    let mut cohort = gather(spec, observe)?;
    let lists = SplitLists::read(spec).map_err(SplitError::from)?;
    let mut input_rows = inputs::rows_of(&cohort, &lists);
    let images: Vec<&Image> = cohort.chosen.iter().map(|(_, image)| image).collect();
    let prepared = prepare_images(spec, &images, &cache_folder(spec), observe)?;
    inputs::add_contents(&mut input_rows, &images, spec);
    exclude_unprepared(&mut cohort, &prepared);
    check_prepared(&cohort, &prepared)?;
    let reported = cohort.remarks.len();
    equal_scans::resolve(&mut cohort, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
    note_remarks(&cohort.remarks[reported..], observe);
    assignment.assign(&mut cohort, spec)?;
    write_inputs(&run.table(Table::Inputs), &input_rows)?;
    write_csv(&preparation_file, &prepared)?;
    write_lists(run, &cohort.rows)?;
    columns::write(spec, run, &cohort)?;
    cohort::write_cohort(&cohort_file, &cohort.rows)?;
    let mut summary = split_check(&cohort.rows);
    if !lists.is_empty() {
        summary += &format!("; {}", lists.summary(&cohort.rows));
    }
    observe(&Event::StageEnds { stage: "split", summary: &summary });
    note_follow_up(spec, &cohort.rows, observe);
    for warning in cohort::split_warnings(&cohort.rows, &spec.outcome) {
        observe(&Event::Note(&format!("warning: {warning}")));
    }
    Ok(cohort.rows)
}

/// The cohort of a fold, copied from another fold of the same cross-validation and split again: all folds have the
/// same inputs, even if these change meanwhile. `None` if there is no other fold, or prepared volumes are missing.
fn cohort_of_other_fold(
    spec: &Spec,
    run: &RunFolder,
) -> Result<Option<Vec<CohortRow>>, PipelineError> {
    let Some(other) = run.other_folds(spec)?.into_iter().find(|fold| {
        [Table::Cohort, Table::Preparation, Table::Inputs].map(|table| fold.table(table).is_file())
            == [true; 3]
    }) else {
        return Ok(None);
    };
    let prepared: Vec<Row> = read_csv(&other.table(Table::Preparation))?;
    if !inputs::are_cached(spec, &prepared) {
        inputs::check_recoverable(spec, &other)?;
        return Ok(None);
    }
    let rows = cohort::read_cohort(&other.table(Table::Cohort))?;
    let mut cohort = Cohort { rows, ..Cohort::default() };
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
    cohort::write_cohort(&run.table(Table::Cohort), &cohort.rows)?;
    Ok(Some(cohort.rows))
}

/// Generates the synthetic cohort of a spec, if it does not exist.
pub fn make_phantom(spec: &Spec, observe: &Observer) -> Result<(), PipelineError> {
    let Some(plan) = phantom_plan(spec) else { return Ok(()) };
    observe(&Event::StageBegins("phantom"));
    let advance = |done, of| observe(&Event::StageAdvances { done, total: of });
    let truth = phantom::write_cohort(&spec.data.root, &plan, advance)?;
    let summary = format!(
        "{} in {}",
        counted(truth.len(), "synthetic exam", "synthetic exams"),
        spec.data.root.display()
    );
    observe(&Event::StageEnds { stage: "phantom", summary: &summary });
    Ok(())
}

/// The plan of the spec's synthetic cohort.
fn phantom_plan(spec: &Spec) -> Option<phantom::PhantomPlan> {
    let settings = spec.data.phantom.as_ref()?;
    Some(phantom::PhantomPlan {
        patients: settings.patients,
        positive_fraction: settings.positive_fraction,
        cancer_diameter_mm: settings.cancer_diameter_mm,
        graded: settings.graded,
        follow_up_years: settings.follow_up_years,
        seed: settings.seed,
        ..Default::default()
    })
}

/// Checks that `data.root` can hold the spec's synthetic cohort, if it has one.
pub fn check_phantom(spec: &Spec) -> Result<(), PipelineError> {
    match phantom_plan(spec) {
        Some(plan) => Ok(phantom::check_cohort(&spec.data.root, &plan)?),
        None => Ok(()),
    }
}

/// Reads series and labels, and selects one series per exam. An index of file headers is stored with the prepared
/// volumes, so that unchanged files are not opened again.
pub fn gather(spec: &Spec, observe: &Observer) -> Result<Cohort, PipelineError> {
    observe(&Event::StageBegins("cohort"));
    let mut scanner = scanner(spec, Some(&cache_folder(spec)));
    let cohort = cohort::gather(spec, &mut scanner)?;
    check_columns(spec, &cohort)?;
    if let Err(error) = scanner.save() {
        observe(&Event::Note(&format!(
            "warning: the index of the files could not be saved, they will be read again: {error}"
        )));
    }
    let series = cohort.rows.iter().filter(|row| row.is_image()).count();
    let excluded = match cohort::count_reasons(&cohort.rows) {
        reasons if reasons.is_empty() => String::new(),
        reasons => format!("; excluded: {reasons}"),
    };
    let summary = format!("{series} series, {} chosen{excluded}", cohort.chosen.len());
    observe(&Event::StageEnds { stage: "cohort", summary: &summary });
    note_remarks(&cohort.remarks, observe);
    report_skipped_files(&cohort.skipped_files, observe);
    Ok(cohort)
}

/// Reports the follow-up of a survival outcome.
fn note_follow_up(spec: &Spec, rows: &[CohortRow], observe: &Observer) {
    let Some(counts) = FollowUpCounts::of(rows, spec.outcome.horizons()) else { return };
    observe(&Event::StageEnds { stage: "follow-up", summary: &counts.to_string() });
    for note in counts.notes() {
        observe(&Event::Note(&format!("note: {note}")));
    }
}

fn note_remarks(remarks: &[Remark], observe: &Observer) {
    for remark in remarks {
        observe(&Event::Note(&format!("{}: {remark}", remark.heading())));
    }
}

/// Reports files that are not images or are not read, and remedies for those that can contain images.
pub fn report_skipped_files(skipped_files: &SkippedFiles, observe: &Observer) {
    if skipped_files.is_empty() {
        return;
    }
    observe(&Event::StageEnds { stage: "ignored", summary: &skipped_files.counts() });
    for line in cohort::remedies(skipped_files) {
        observe(&Event::Note(&format!("warning: {line}")));
    }
}

/// A scanner for images with the settings of a spec and the index of a cache folder.
pub(super) fn scanner(spec: &Spec, cache: Option<&Path>) -> Scanner {
    let scanner = cache.map(Scanner::with_index).unwrap_or_default();
    scanner.with_stack_rules(settings(spec).stacks)
}

/// A cohort and its series that are prepared already.
#[derive(Clone)]
pub struct Survey {
    /// The cohort.
    pub cohort: Cohort,
    /// Rows of series that are prepared already.
    pub prepared: Vec<Row>,
}

impl Survey {
    /// Rows of chosen series that are prepared already.
    pub fn prepared_of_chosen(&self) -> Vec<Row> {
        let chosen = self.cohort.chosen.iter().map(|(_, image)| image.series_uid.as_str());
        let chosen: BTreeSet<&str> = chosen.collect();
        let rows = self.prepared.iter();
        rows.filter(|row| chosen.contains(row.series_uid.as_str())).cloned().collect()
    }
}

/// The cohort of a run, without preparing series and without creating a folder.
pub fn survey(spec: &Spec) -> Result<Survey, PipelineError> {
    let mut scanner = scanner(spec, Some(&cache_folder(spec)));
    let mut cohort = cohort::gather(spec, &mut scanner)?;
    check_columns(spec, &cohort)?;
    // A read-only folder is not an error here.
    let _ = scanner.save_if_folder_exists();
    exclude_prepared_otherwise(spec, &mut cohort)?;
    let prepared = known_rows(spec, &cohort);
    equal_scans::resolve(&mut cohort, &prepared, &cache_folder(spec), spec.data.equal_scans)?;
    Ok(Survey { cohort, prepared })
}

/// Excludes prepared volumes with other preprocessing, which preparation would exclude.
fn exclude_prepared_otherwise(spec: &Spec, cohort: &mut Cohort) -> Result<(), PipelineError> {
    let (settings, cache, series) = (settings(spec), cache_folder(spec), cohort.chosen.len());
    let refusal = Refusal::PreparedOtherwise;
    let otherwise = cohort.chosen.iter().filter(|(_, image)| {
        prepare::has_other_settings(image, &settings)
            && !prepare::is_prepared(image, &settings, &cache)
    });
    let exclusion = Exclusion::new(refusal.code(), &refusal);
    let exclusions = otherwise.map(|(index, _)| (*index, exclusion.clone())).collect();
    cohort.exclude(exclusions);
    if series > 0 && cohort.chosen.is_empty() {
        let (reasons, first) = (cohort::count_reasons(&cohort.rows), refusal.to_string());
        return Err(PipelineError::NothingPrepared { series, reasons, first });
    }
    Ok(())
}

/// Images without a cohort.
#[derive(Debug, Default)]
pub struct ImageSet {
    /// Images.
    pub images: Vec<Image>,
    /// Paths of damaged files, with their reasons.
    pub excluded: Vec<(String, Exclusion)>,
    /// Files that are not images or are not read, by kind.
    pub skipped_files: SkippedFiles,
}

/// All images of folders, at any depth, or of single files. With a permanent `cache`, an index of file headers is
/// stored there.
pub fn images_of(
    spec: &Spec,
    paths: &[PathBuf],
    cache: Option<&Path>,
) -> Result<ImageSet, PipelineError> {
    let mut set = ImageSet::default();
    let mut scanner = scanner(spec, cache);
    for path in paths {
        let found = scanner.scan(path).map_err(CohortError::from)?;
        if found.images.is_empty() {
            return Err(cohort::no_images_error(path.clone(), &found).into());
        }
        set.excluded.extend(found.problems.into_iter().map(|problem| {
            let exclusion = Exclusion::new(ExclusionCode::Unreadable, &problem.reason);
            (problem.path.display().to_string(), exclusion)
        }));
        set.images.extend(found.images);
        set.skipped_files.merge(found.skipped);
    }
    // Preparation reports a folder that cannot be written.
    let _ = scanner.save();
    Ok(set)
}

fn crop_path(spec: &Spec, row: &Row) -> PathBuf {
    cache_folder(spec).join(&row.cache_file)
}

/// The exams of a cohort by split.
pub(super) struct Exams(BTreeMap<SplitName, Vec<Exam>>);

impl Exams {
    pub(super) fn of(&self, split: SplitName) -> &[Exam] {
        self.0.get(&split).map_or(&[], Vec::as_slice)
    }
}

pub(super) fn exams(rows: &[CohortRow], prepared: &[Row], spec: &Spec) -> Exams {
    let crops: BTreeMap<&str, PathBuf> =
        prepared.iter().map(|row| (row.series_uid.as_str(), crop_path(spec, row))).collect();
    let mut exams = BTreeMap::<SplitName, Vec<Exam>>::new();
    for row in rows.iter().filter(|row| row.chosen) {
        let (Some(split), Some(crop)) = (row.split, crops.get(row.series_uid.as_str())) else {
            continue;
        };
        exams.entry(split).or_default().push(Exam {
            patient_id: row.patient_id.clone(),
            exam_id: row.exam_id.clone(),
            series_uid: row.series_uid.clone(),
            label: row.label.unwrap_or_default(),
            follow_up: row.follow_up,
            crop: crop.clone(),
        });
    }
    Exams(exams)
}

/// BLAKE3 of exams, labels, follow-up, splits, the content hashes in the names of prepared volumes, and the hashes of
/// `split.lists`.
pub(super) fn data_hash(exams: &Exams, split_lists: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (split, list) in split_lists {
        hasher.update(format!("{split} list {list}\n").as_bytes());
    }
    for (split, exams) in &exams.0 {
        for exam in exams {
            let crop = exam.crop.file_name().unwrap_or_default().to_string_lossy();
            hasher.update(
                format!(
                    "{split} {} {} {} {crop}\n",
                    exam.exam_id,
                    exam.series_uid,
                    u8::from(exam.label)
                )
                .as_bytes(),
            );
            if let Some(FollowUp { time_years, event }) = exam.follow_up {
                hasher.update(format!("{time_years} {}\n", u8::from(event)).as_bytes());
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// The sizes of the splits, as a sentence.
pub fn split_check(rows: &[CohortRow]) -> String {
    let sizes = [SplitName::Train, SplitName::Valid, SplitName::Test, SplitName::External]
        .into_iter()
        .filter_map(|split| {
            let rows: Vec<_> =
                rows.iter().filter(|row| row.chosen && row.split == Some(split)).collect();
            let patients: BTreeSet<_> = rows.iter().map(|row| &row.patient_id).collect();
            let positive = rows.iter().filter(|row| row.label == Some(true)).count();
            (!rows.is_empty()).then(|| {
                format!(
                    "{} {} ({positive} positive) of {}",
                    split.word(),
                    counted(rows.len(), "exam", "exams"),
                    counted(patients.len(), "patient", "patients")
                )
            })
        });
    let sizes = sizes.collect::<Vec<_>>().join(", ");
    // External exams have one split.
    let is_external = rows.iter().any(|row| row.split == Some(SplitName::External));
    if is_external { sizes } else { sizes + "; no patient in two splits" }
}

fn write_lists(run: &RunFolder, rows: &[CohortRow]) -> Result<(), PipelineError> {
    for split in [SplitName::Train, SplitName::Valid, SplitName::Test, SplitName::External] {
        let entries: Vec<ListEntry> = rows
            .iter()
            .filter(|row| row.chosen && row.split == Some(split))
            .filter_map(|row| {
                Some(ListEntry { path: (&row.path).into(), label: row.label?, line: 0 })
            })
            .collect();
        if !entries.is_empty() {
            cohort::write_list(&run.list_file(split), &entries)?;
        }
    }
    Ok(())
}

/// Prepares the chosen series of one shard.
pub fn prepare_shard(
    spec: &Spec,
    shard: Shard,
    observe: &Observer,
) -> Result<Vec<Row>, PipelineError> {
    // All shards start at the same time: one of them generates the synthetic cohort and indexes the files.
    let lock = prepare::lock_task(&cache_folder(spec), "index");
    make_phantom(spec, observe)?;
    let mut cohort = gather(spec, observe)?;
    drop(lock);
    let total = cohort.chosen.len();
    cohort.chosen.retain(|(_, image)| shard.has(&image.series_uid));
    observe(&Event::StageEnds {
        stage: "shard",
        summary: &format!("{shard}, {} of {total} series", cohort.chosen.len()),
    });
    prepare_chosen(spec, &mut cohort, observe)
}
