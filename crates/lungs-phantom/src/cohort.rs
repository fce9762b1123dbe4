//! Writes a cohort to disk: rendered in parallel, published atomically.
//!
//! ```text
//! DIR/phantom.json            the plan, which identifies the folder as a synthetic cohort
//! DIR/labels.csv              patient_id, exam_id, series_uid, label, days_to_cancer, cancer_mm, subgroups
//!                             (with follow-up: days_to_event and days_followed instead of days_to_cancer)
//! DIR/truth.csv               one `Truth` per exam
//! DIR/P0001/P0001-1/2-axial/  the main series; some exams also have 1-localizer or 3-thick
//! ```

use lungs_base::text::counted;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::PhantomError;
use super::exam::ExamPlan;
use super::plan::PhantomPlan;
use super::render::render_on_this_thread;
use super::series::{self, GENERATOR};
use super::truth::{self, Truth};

const RECORD: &str = "phantom.json";
const TRUTH: &str = "truth.csv";
const LABELS: &str = "labels.csv";

/// The content of `phantom.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    generator: String,
    plan: PhantomPlan,
}

/// Writes the cohort of `plan` into `dir` and returns the truth, one row per exam.
///
/// `progress` receives (completed exams, total exams), from several threads. Files are written into a
/// hidden folder next to `dir`, which is renamed when it is complete; a failure leaves nothing. If `dir`
/// already contains the cohort of this plan, nothing is written.
///
/// # Errors
/// An invalid plan; `dir` is a file or a folder with other content; failures of the disk.
pub fn write_cohort(
    dir: &Path,
    plan: &PhantomPlan,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Truth>, PhantomError> {
    let exams = plan.exams()?;
    if is_occupied(dir)? {
        return read_existing(dir, plan, exams.len());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(PhantomError::io("create the folder", parent))?;
    let work = tempfile::Builder::new()
        .prefix(".phantom-partial-")
        .tempdir_in(parent)
        .map_err(PhantomError::io("create a temporary folder in", parent))?;
    let completed = AtomicUsize::new(0);
    let truths = exams
        .par_iter()
        .map(|exam| {
            let truth = write_exam(work.path(), exam)?;
            progress(completed.fetch_add(1, Ordering::Relaxed) + 1, exams.len());
            Ok(truth)
        })
        .collect::<Result<Vec<Truth>, PhantomError>>()?;
    truth::write_labels(&work.path().join(LABELS), &truths, &exams)?;
    truth::write_truth(&work.path().join(TRUTH), &truths)?;
    let record = Record { generator: GENERATOR.to_owned(), plan: plan.clone() };
    let mut json = serde_json::to_vec_pretty(&record)
        .map_err(|failure| table_error(&dir.join(RECORD), failure.to_string()))?;
    json.push(b'\n');
    lungs_base::files::write_bytes(&work.path().join(RECORD), &json)?;
    make_readable(work.path()).map_err(PhantomError::io("set permissions of", work.path()))?;
    fs::rename(work.path(), dir).map_err(PhantomError::io("move the finished cohort to", dir))?;
    // The temporary folder was renamed, so there is nothing to remove.
    let _: PathBuf = work.keep();
    Ok(truths)
}

/// Checks that [`write_cohort`] would write to `dir` or find this plan's cohort in it.
///
/// # Errors
/// As [`write_cohort`].
pub fn check_cohort(dir: &Path, plan: &PhantomPlan) -> Result<(), PhantomError> {
    let exams = plan.exams()?;
    if is_occupied(dir)? {
        read_existing(dir, plan, exams.len())?;
    }
    Ok(())
}

fn write_exam(cohort: &Path, exam: &ExamPlan) -> Result<Truth, PhantomError> {
    let rendered = render_on_this_thread(exam);
    let study = format!("{}/{}", exam.patient_id, exam.exam_id);
    let main = series::write(exam, &rendered, &cohort.join(&study))?;
    Ok(Truth::of(exam, &rendered, format!("{study}/{main}")))
}

/// Whether `dir` has content: false if it does not exist or is empty.
fn is_occupied(dir: &Path) -> Result<bool, PhantomError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(_) if dir.is_file() => Err(PhantomError::NotAFolder { path: dir.to_owned() }),
        Err(failure) => Err(PhantomError::io("read", dir)(failure)),
    }
}

fn table_error(path: &Path, reason: String) -> PhantomError {
    PhantomError::Table { path: path.to_owned(), reason }
}

/// The truth of the existing cohort in `dir`, which must belong to this plan.
fn read_existing(dir: &Path, plan: &PhantomPlan, exams: usize) -> Result<Vec<Truth>, PhantomError> {
    let record = dir.join(RECORD);
    let text = match fs::read_to_string(&record) {
        Ok(text) => text,
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => {
            return Err(PhantomError::Occupied { dir: dir.to_owned() });
        }
        Err(failure) => return Err(PhantomError::io("read", &record)(failure)),
    };
    let existing: Record =
        serde_json::from_str(&text).map_err(|failure| table_error(&record, failure.to_string()))?;
    if existing.generator != GENERATOR {
        let difference = format!("generator is {:?}, expected {GENERATOR:?}", existing.generator);
        return Err(PhantomError::OtherPlan { dir: dir.to_owned(), difference });
    }
    if existing.plan != *plan {
        let difference = difference(&existing.plan, plan);
        return Err(PhantomError::OtherPlan { dir: dir.to_owned(), difference });
    }
    let table = dir.join(TRUTH);
    let truths = truth::read_truth(&table)?;
    if truths.len() != exams {
        return Err(table_error(
            &table,
            format!("found {}, expected {exams}", counted(truths.len(), "row", "rows")),
        ));
    }
    if let Some(missing) = truths.iter().find(|truth| !dir.join(&truth.folder).is_dir()) {
        return Err(table_error(&table, format!("the folder {} is missing", missing.folder)));
    }
    Ok(truths)
}

/// The keys in which two plans differ, with both values.
fn difference(existing: &PhantomPlan, requested: &PhantomPlan) -> String {
    let keys = |plan: &PhantomPlan| match serde_json::to_value(plan) {
        Ok(serde_json::Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (existing, requested) = (keys(existing), keys(requested));
    let differences: Vec<String> = existing
        .iter()
        .filter(|(key, value)| requested.get(*key) != Some(*value))
        .map(|(key, value)| match requested.get(key) {
            Some(other) => format!("{key} is {value}, expected {other}"),
            None => format!("{key} is {value}"),
        })
        .collect();
    differences.join("; ")
}

/// Temporary folders are private (0700); makes the cohort readable for all users.
#[cfg(unix)]
fn make_readable(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
