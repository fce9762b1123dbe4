//! Evaluation of a trained model on exams of another source.
//!
//! ```text
//! run │ folds │ archive │ weights ─▶ Source ─┐
//! images + labels ─▶ cohort ─▶ prepared ─────┴─▶ predictions ─▶ metrics, drift, failures, robustness ─▶ report
//! ```
//!
//! The folder has the layout of a run without training, so that plots, comparisons and pages treat it as one. It is
//! resumed as a run: every stored product is kept, and changed inputs are an error.

mod error;
mod scores;
mod source;

use super::assignment::Assignment;
use super::calibration::Calibration;
use super::columns::Columns;
use super::conclude::{chosen_thresholds, compute_metrics, options, write_curves, write_json};
use super::failures::write_failures;
use super::risks::{CalibratedRisks, add_survival};
use super::robustness::write_robustness;
use super::study::{Exams, data_hash, exams, load_or_create_cohort, split_check};
use super::{PipelineError, cache_folder, check_inputs, columns, open_devices};
use burn::tensor::Device;
use lungs_base::files;
use lungs_base::text::counted;
use lungs_report::{self as report, External, Inputs, Overlap, SplitRisks, drift};
use lungs_spec::results::{RunFolder, Table, now_utc, read_csv, write_csv};
use lungs_spec::spec::{OtherExams, Spec, SplitName};
use lungs_stats::{CalibratedProbabilities, ChosenOn, Evaluation};
use lungs_study::cohort::{CohortRow, read_cohort};
use lungs_study::prepare::Row;
use lungs_train::{Event, Exam, Observer};
use scores::{Scores, Task};
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

pub use error::ExternalError;

/// The evaluation of a model on other exams.
#[derive(Debug)]
pub struct ExternalRequest<'a> {
    /// A run, a cross-validation, an archive or weights.
    pub model: &'a Path,
    /// Spec with the preprocessing of weights without metadata.
    pub spec: Option<&'a Path>,
    /// Accept a spec whose preprocessing differs from that of the weights.
    pub any_preprocessing: bool,
    /// The exams.
    pub exams: OtherExams,
    /// `--set` arguments.
    pub set: &'a [String],
    /// The output folder.
    pub out: &'a Path,
    /// Continue with the original inputs.
    pub keep_inputs: bool,
    /// Measure the robustness against changes of the volumes.
    pub robustness: bool,
}

/// A finished external evaluation.
#[derive(Debug)]
pub struct ExternalOutcome {
    /// Its folder.
    pub run: RunFolder,
    /// Whether an earlier call had finished it, so that nothing was computed.
    pub was_finished: bool,
}

/// Evaluates a model on other exams, or resumes it.
///
/// # Errors
/// The model or the exams cannot be used, or the folder belongs to other ones.
pub fn evaluate_external(
    request: &ExternalRequest,
    observe: &Observer,
) -> Result<ExternalOutcome, PipelineError> {
    let source = Source::open(request.model, request.spec, request.any_preprocessing)?;
    let (run, spec) = claim_folder(request, &source)?;
    let _lock = run.lock()?;
    if !request.keep_inputs {
        check_inputs(&spec, &run)?;
    }
    if is_finished(&run, &spec, &source.external, request.robustness)? {
        return Ok(ExternalOutcome { run, was_finished: true });
    }
    let (mut provenance, devices) = open_devices(&spec, &run)?;
    let began = Instant::now();
    let rows = load_or_create_cohort(&spec, &run, Assignment::External, observe)?;
    report::preparation::redraw_preparation(&run, &cache_folder(&spec))?;
    let prepared: Vec<Row> = read_csv(&run.table(Table::Preparation))?;
    let all: Exams = exams(&rows, &prepared, &spec);
    provenance.data_hash = Some(data_hash(&all, &BTreeMap::new()));
    provenance.split_check = Some(split_check(&rows));
    provenance.spent("cohort and preparation", began.elapsed().as_secs_f64());
    // The report shows it.
    provenance.write(&run)?;

    let began = Instant::now();
    let exams = all.of(SplitName::External);
    let tables = (&rows[..], &prepared[..]);
    write_products(request, &run, &spec, source, (exams, &devices), tables, observe)?;
    provenance.spent("evaluation and report", began.elapsed().as_secs_f64());
    provenance.finished = Some(now_utc());
    provenance.write(&run)?;
    run.log(&format!("evaluated {}", request.model.display()));
    Ok(ExternalOutcome { run, was_finished: false })
}

/// Predicts the exams, and writes metrics, tables and the report. `rows` and `prepared` are the tables of the exams.
fn write_products(
    request: &ExternalRequest,
    run: &RunFolder,
    spec: &Spec,
    source: Source,
    (exams, devices): (&[Exam], &[Device]),
    (rows, prepared): (&[CohortRow], &[Row]),
    observe: &Observer,
) -> Result<(), PipelineError> {
    // The report is written last: without it, the evaluation is incomplete.
    files::remove(&run.report_page())?;
    columns::complete(spec, run)?;
    let Source { models, external, run: model, development, .. } = source;
    let (calibration, networks) = (Calibration::of(&models), models.len());
    // Later calls keep the table of robustness up to date.
    let robustness = request.robustness || run.table(Table::Robustness).is_file();
    let scores = Task { spec, run, exams, devices, robustness }.predict(models, observe)?;
    let metrics = write_metrics(spec, run, &external, &scores, (&calibration, networks))?;
    if robustness {
        let changed = scores.mean_changed();
        write_robustness(spec, run, "external", &scores.mean(), &metrics, &changed)?;
    }
    let roc = model.map(|model| report::development_roc(&model, &external)).transpose()?;
    if let Some(points) = roc.flatten() {
        write_csv(&run.development_curve("roc"), &points)?;
    }
    write_drift(run, development.as_ref())?;
    let overlap = development.as_ref().map(|it| overlap(it, rows, prepared)).transpose()?;
    if let Some(warning) = overlap.and_then(|overlap| overlap.warning()) {
        observe(&Event::Note(&format!("warning: {warning}")));
    }
    write_json(&run.external_file(), &External { overlap, ..external })?;
    if run.spec()? != *spec {
        files::write_bytes(&run.spec_file(), spec.to_toml().as_bytes())?;
    }
    report::redraw(run, &cache_folder(spec))?;
    Ok(())
}

/// The output folder and the spec. Creates the folder, or checks that it belongs to this model and these settings.
fn claim_folder(
    request: &ExternalRequest,
    source: &Source,
) -> Result<(RunFolder, Spec), PipelineError> {
    let path = || request.out.to_owned();
    let mut base = source.spec.on_exams(&request.exams);
    let stored = RunFolder::open(request.out).ok();
    if let Some(run) = &stored {
        let external =
            report::external(run)?.ok_or_else(|| ExternalError::IsRun { path: path() })?;
        if external.networks != source.external.networks {
            return Err(ExternalError::OtherModel {
                path: path(),
                stored: external.model,
                requested: source.external.model.clone(),
            }
            .into());
        }
        base = base.with_evaluation_of(&run.spec()?);
    }
    let spec = base.with_settings(request.set).map_err(Box::new)?;
    if let Some(difference) = base.result_differences(&spec).into_iter().next() {
        return Err(ExternalError::Setting { key: difference.key }.into());
    }
    if let Some(run) = stored {
        let differences = other_settings(&run.spec()?, &spec);
        if !differences.is_empty() {
            return Err(ExternalError::OtherSettings { path: path(), differences }.into());
        }
        return Ok((run, spec));
    }
    // The spec is written last: it makes the folder one that can be resumed.
    let file = request.out.join("external.json");
    files::make_folder(request.out)?;
    write_json(&file, &source.external)?;
    let run = RunFolder::create_at(request.out, &spec)?;
    Ok((run, spec))
}

/// Keys with another value than the stored one, a line each. Paths of the exams may change; their contents are compared.
fn other_settings(stored: &Spec, requested: &Spec) -> Vec<String> {
    let differences = stored.result_differences(requested).into_iter();
    let is_path = |key: &str| ["data.root", "data.labels"].contains(&key);
    differences
        .filter(|difference| !is_path(&difference.key))
        .map(|difference| {
            let value =
                |index: usize| difference.values[index].clone().unwrap_or_else(|| "unset".into());
            format!("  {}: {} in the folder, {} requested", difference.key, value(0), value(1))
        })
        .collect()
}

/// Whether the folder has all products of this request.
fn is_finished(
    run: &RunFolder,
    spec: &Spec,
    external: &External,
    robustness: bool,
) -> Result<bool, PipelineError> {
    let has_all = run.report_page().is_file()
        && run.evaluation_file().is_file()
        && (!robustness || run.table(Table::Robustness).is_file());
    if !has_all || run.spec()? != *spec {
        return Ok(false);
    }
    let stored = report::external(run)?.map(|stored| External { overlap: None, ..stored });
    // The same model can be given by another path.
    let same_path = |stored: External| External { model: external.model.clone(), ..stored };
    Ok(stored.map(same_path).as_ref() == Some(external))
}

/// Writes metrics, curves and failures, and returns the metrics.
fn write_metrics(
    spec: &Spec,
    run: &RunFolder,
    external: &External,
    scores: &Scores,
    (calibration, networks): (&Calibration, usize),
) -> Result<Evaluation, PipelineError> {
    let rows = scores.mean();
    let columns = Columns::read(spec, std::slice::from_ref(run))?;
    let mut options = options(spec, &columns, &rows)?;
    options.validated =
        external.chosen_on().map(|(_, metrics)| chosen_thresholds(metrics)).unwrap_or_default();
    options.calibrated = calibrated(spec, scores, calibration);
    let (mut metrics, curves) = compute_metrics(rows.clone(), &options);
    for point in &mut metrics.operating_points {
        if point.chosen_on == ChosenOn::Validation {
            point.chosen_on = ChosenOn::Development;
        }
    }
    if let Calibration::ByNetwork(maps) = calibration
        && let [map] = &maps[..]
    {
        metrics.notes.push(map.note(SplitName::External));
    }
    if networks > 1 {
        metrics.notes.push(format!(
            "the predictions are mean probabilities of {networks} networks{}",
            if external.development.is_empty() {
                ""
            } else {
                "; thresholds and metrics of the development are those of single networks on the exams of their folds"
            }
        ));
    }
    let file = run.risks(SplitName::External, 0);
    let risks = if spec.outcome.is_survival() { SplitRisks::read(&file)? } else { None };
    if let Some(risks) = risks.filter(|risks| !risks.rows.is_empty()) {
        let origin = calibration.origin(&spec.experiment.name);
        let mut calibrated = scores.calibrated_risks(calibration);
        let raised = calibrated.as_mut().map_or(0, |rows| raise_to_earlier(rows));
        if raised > 0 {
            metrics.notes.push(format!(
                "{} a calibrated risk below that of an earlier horizon; it is raised to it for these metrics",
                counted(raised, "exam has", "exams have")
            ));
        }
        let calibrated = calibrated.zip(origin);
        let calibrated = calibrated.map(|(rows, (method, fitted_on))| {
            CalibratedRisks::of_rows(&rows, &risks, method, fitted_on, &file)
        });
        let path = |name: &str| run.curve(SplitName::External, name);
        add_survival(&mut metrics, &risks, calibrated.transpose()?, &file, path)?;
    }
    write_curves(&curves, |name| run.curve(SplitName::External, name))?;
    let splits = BTreeMap::from([("external".to_owned(), metrics.clone())]);
    let selected_epoch = external.selected_epoch.unwrap_or(0);
    write_json(&run.evaluation_file(), &report::Summary { selected_epoch, splits })?;
    let series: Vec<&str> = rows.iter().map(|row| row.series_uid.as_str()).collect();
    let groupings = columns.groupings(spec, &series);
    write_failures([run, run], "external", &rows, &metrics, groupings)?;
    Ok(metrics)
}

/// Raises risks `[exam][horizon]` to those of earlier horizons. Returns the number of exams with a raised risk.
fn raise_to_earlier(rows: &mut [Vec<f64>]) -> usize {
    let raise = |risks: &mut Vec<f64>| {
        let before = risks.clone();
        for horizon in 1..risks.len() {
            risks[horizon] = risks[horizon].max(risks[horizon - 1]);
        }
        *risks != before
    };
    rows.iter_mut().map(raise).filter(|was_raised| *was_raised).count()
}

/// Calibrated probabilities with their origin.
fn calibrated(
    spec: &Spec,
    scores: &Scores,
    calibration: &Calibration,
) -> Option<CalibratedProbabilities> {
    let (_, fitted_on) = calibration.origin(&spec.experiment.name)?;
    Some(CalibratedProbabilities {
        method: calibration.method()?,
        fitted_on,
        probabilities: scores.calibrated_probabilities(calibration)?,
    })
}

/// Writes `drift.csv`.
fn write_drift(run: &RunFolder, development: Option<&RunFolder>) -> Result<(), PipelineError> {
    let development = development.map(Inputs::read).transpose()?;
    let rows = drift(development.as_ref(), &Inputs::read(run)?);
    Ok(write_csv(&run.table(Table::Drift), &rows)?)
}

/// Patients and voxels that the development and these exams have in common.
fn overlap(
    development: &RunFolder,
    rows: &[CohortRow],
    prepared: &[Row],
) -> Result<Overlap, PipelineError> {
    let theirs = read_cohort(&development.table(Table::Cohort))?;
    let their_crops: Vec<Row> = read_csv(&development.table(Table::Preparation))?;
    fn patients(rows: &[CohortRow]) -> BTreeSet<&str> {
        rows.iter().filter(|row| row.chosen).map(|row| row.patient_id.as_str()).collect()
    }
    // The name of a crop is the hash of the voxels and of the preprocessing.
    fn crops(rows: &[Row]) -> BTreeSet<&str> {
        let names = rows.iter().map(|row| row.cache_file.as_str());
        names.filter(|name| !name.is_empty()).collect()
    }
    Ok(Overlap {
        patients: patients(&theirs).intersection(&patients(rows)).count(),
        series: crops(&their_crops).intersection(&crops(prepared)).count(),
    })
}
