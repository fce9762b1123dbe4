//! A whole cohort on disk: rendered in parallel, complete or not there at all.
//!
//! ```text
//! DIR/phantom.json            the plan: what makes this folder recognisable
//! DIR/labels.csv              patient_id, exam_id, series_uid, label, days_to_cancer, cancer_mm, subgroups
//! DIR/truth.csv               one `Truth` per exam
//! DIR/P0001/P0001-1/2-axial/  the main series; beside it 1-localizer or 3-thick in some exams
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::PhantomError;
use super::exam::ExamPlan;
use super::plan::PhantomPlan;
use super::render::render_alone;
use super::series;
use super::truth::{self, Truth};

/// Names the algorithm; cohorts of another one are not the same even if their plans are.
pub(super) const GENERATOR: &str = "lungs phantom 2";
const RECORD: &str = "phantom.json";
const TRUTH: &str = "truth.csv";
const LABELS: &str = "labels.csv";

/// `phantom.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    generator: String,
    plan: PhantomPlan,
}

/// Writes the cohort of `plan` into `dir` and returns the truth, one row per exam.
///
/// `progress` is told (exams done, exams in all), from several threads. Files are written into a
/// hidden folder beside `dir`, which takes its name when all is there; a run that fails leaves
/// nothing. A finished cohort of the same plan is recognised and left as it is.
///
/// # Errors
/// An impossible plan; `dir` is a file, or a folder with anything else in it; the disk.
pub fn write_cohort(
    dir: &Path,
    plan: &PhantomPlan,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Truth>, PhantomError> {
    let exams = plan.exams()?;
    if is_occupied(dir)? {
        return recognise(dir, plan, exams.len());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(PhantomError::io("make the folder", parent))?;
    let work = tempfile::Builder::new()
        .prefix(".phantom-partial-")
        .tempdir_in(parent)
        .map_err(PhantomError::io("make a working folder in", parent))?;
    let done = AtomicUsize::new(0);
    let truths = exams
        .par_iter()
        .map(|exam| {
            let truth = write_exam(work.path(), exam)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, exams.len());
            Ok(truth)
        })
        .collect::<Result<Vec<Truth>, PhantomError>>()?;
    truth::write_labels(&work.path().join(LABELS), &truths)?;
    truth::write_truth(&work.path().join(TRUTH), &truths)?;
    let record = Record { generator: GENERATOR.to_owned(), plan: plan.clone() };
    let mut json = serde_json::to_vec_pretty(&record)
        .map_err(|failure| damaged(&dir.join(RECORD), failure.to_string()))?;
    json.push(b'\n');
    crate::files::write_bytes(&work.path().join(RECORD), &json)?;
    share(work.path()).map_err(PhantomError::io("open to others", work.path()))?;
    fs::rename(work.path(), dir).map_err(PhantomError::io("move the finished cohort to", dir))?;
    // Renamed: there is no working folder left to be removed.
    let _: PathBuf = work.keep();
    Ok(truths)
}

fn write_exam(cohort: &Path, exam: &ExamPlan) -> Result<Truth, PhantomError> {
    let rendered = render_alone(exam);
    let study = format!("{}/{}", exam.patient_id, exam.exam_id);
    let main = series::write(exam, &rendered, &cohort.join(&study))?;
    Ok(Truth::of(exam, &rendered, format!("{study}/{main}")))
}

/// Whether something is in the way at `dir`: false when absent or an empty folder.
fn is_occupied(dir: &Path) -> Result<bool, PhantomError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(_) if dir.is_file() => Err(PhantomError::NotAFolder { path: dir.to_owned() }),
        Err(failure) => Err(PhantomError::io("read", dir)(failure)),
    }
}

fn damaged(path: &Path, reason: String) -> PhantomError {
    PhantomError::Table { path: path.to_owned(), reason }
}

/// The truth of the cohort that is already in `dir`, when it is this plan's.
fn recognise(dir: &Path, plan: &PhantomPlan, exams: usize) -> Result<Vec<Truth>, PhantomError> {
    let record = dir.join(RECORD);
    let text = match fs::read_to_string(&record) {
        Ok(text) => text,
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => {
            return Err(PhantomError::Occupied { dir: dir.to_owned() });
        }
        Err(failure) => return Err(PhantomError::io("read", &record)(failure)),
    };
    let found: Record =
        serde_json::from_str(&text).map_err(|failure| damaged(&record, failure.to_string()))?;
    if found.generator != GENERATOR {
        let difference = format!("generator is {:?}, asked for {GENERATOR:?}", found.generator);
        return Err(PhantomError::OtherPlan { dir: dir.to_owned(), difference });
    }
    if found.plan != *plan {
        let difference = difference(&found.plan, plan);
        return Err(PhantomError::OtherPlan { dir: dir.to_owned(), difference });
    }
    let table = dir.join(TRUTH);
    let truths = truth::read_truth(&table)?;
    if truths.len() != exams {
        return Err(damaged(&table, format!("{} rows, expected {exams}", truths.len())));
    }
    if let Some(lost) = truths.iter().find(|truth| !dir.join(&truth.folder).is_dir()) {
        return Err(damaged(&table, format!("the folder {} is missing", lost.folder)));
    }
    Ok(truths)
}

/// Which keys of two plans differ, and how.
fn difference(found: &PhantomPlan, asked: &PhantomPlan) -> String {
    let keys = |plan: &PhantomPlan| match serde_json::to_value(plan) {
        Ok(serde_json::Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (found, asked) = (keys(found), keys(asked));
    let parts: Vec<String> = found
        .iter()
        .filter(|(key, value)| asked.get(*key) != Some(*value))
        .map(|(key, value)| match asked.get(key) {
            Some(other) => format!("{key} is {value}, asked for {other}"),
            None => format!("{key} is {value}"),
        })
        .collect();
    parts.join("; ")
}

/// Working folders are private (0700); a cohort is for the group.
#[cfg(unix)]
fn share(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn share(_: &Path) -> std::io::Result<()> {
    Ok(())
}
