//! The stages of a run:
//!
//! ```text
//! spec.toml → Spec → Cohort → Prepared → Split → Trained → Scored → Report
//! ```
//!
//! Each stage is one function that takes plain data and writes its output to the run folder. A stage reads existing
//! output instead of computing it again, so that a second call resumes a run.

pub mod archive;
mod assignment;
mod calibrated;
mod calibration;
mod checkpoints;
mod columns;
mod conclude;
mod equal_scans;
mod error;
pub mod explain;
mod external;
mod failures;
mod fetched;
mod folds;
mod inputs;
mod model;
mod network_calibration;
mod pooled;
pub mod predict;
mod prediction;
mod preparation;
mod risks;
mod robustness;
mod study;

pub use calibrated::StoredCalibration;
pub use calibration::calibration_sentences;
pub use equal_scans::{EqualGroup, EqualScan, EqualScansError};
pub use error::{ColumnError, PipelineError};
pub use external::{ExternalError, ExternalOutcome, ExternalRequest, evaluate_external};
pub use fetched::Preparer;
pub use folds::cross_validate;
pub use inputs::{Change, ChangedInputs, Changes, Inputs, check_against, check_inputs};
pub use model::Model;
pub use preparation::{
    cache_folder, network_input, prepare, prepare_chosen, prepare_images, settings,
};
pub use robustness::measure_robustness;
pub use study::{
    ImageSet, Survey, check_phantom, gather, images_of, make_phantom, prepare_shard,
    report_skipped_files, split_check, survey,
};

use crate::nlst;
use assignment::Assignment;
use burn::train::Interrupter;
use conclude::write_metrics;
use lungs_net::device;
use lungs_report as report;
use lungs_spec::results::{
    PredictionRow, Provenance, RiskRow, RunFolder, Table, now_utc, read_csv, write_csv, write_risks,
};
use lungs_spec::spec::{Precision, Spec, SplitName};
use lungs_study::cohort::{SplitError, SplitLists, read_cohort};
use lungs_study::prepare::Row;
use lungs_train::{self as training, Completion, Event, Observer};
use std::time::Instant;
use study::{Exams, data_hash, exams, load_or_create_cohort};

/// The last stage of [`run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStage {
    /// Stop after training.
    Training,
    /// Write metrics and report.
    Report,
}

/// Runs or resumes a run.
pub fn run(
    spec: &Spec,
    run: &RunFolder,
    last_stage: LastStage,
    interrupter: &Interrupter,
    observe: &Observer,
) -> Result<Completion, PipelineError> {
    let _lock = run.lock()?;
    let (mut provenance, devices) = open_devices(spec, run)?;
    // Errors of the initial weights are reported before hours of preparation.
    record_initial_weights(spec, run, &mut provenance)?;

    record_sources(spec, run, &mut provenance)?;

    let began = Instant::now();
    let rows = load_or_create_cohort(spec, run, Assignment::Splits, observe)?;
    report::preparation::redraw_preparation(run, &cache_folder(spec))?;
    let exams = exams(&rows, &read_csv::<Row>(&run.table(Table::Preparation))?, spec);
    provenance.data_hash = Some(data_hash(&exams, &provenance.split_lists));
    provenance.split_check = Some(split_check(&rows));
    provenance.spent("cohort and preparation", began.elapsed().as_secs_f64());
    provenance.write(run)?;

    let began = Instant::now();
    observe(&Event::TrainingBegins);
    let splits = (exams.of(SplitName::Train), exams.of(SplitName::Valid));
    let outcome = training::fit(spec, splits, run, &devices, interrupter, observe);
    observe(&Event::TrainingEnds);
    provenance.spent("training", began.elapsed().as_secs_f64());
    provenance.write(run)?;
    let outcome = outcome.inspect_err(|error| run.log(&format!("training failed: {error}")))?;
    let Completion::Finished { selected, .. } = outcome else {
        run.log("training interrupted; the run can be resumed");
        return Ok(outcome);
    };
    if last_stage == LastStage::Report {
        write_report(spec, run, &exams, selected, &devices, &mut provenance, observe)?;
        provenance.finished = Some(now_utc());
        provenance.write(run)?;
        run.log(&format!("finished; selected epoch {selected}"));
    }
    Ok(outcome)
}

/// Records the hash of the initial weights in the provenance.
fn record_initial_weights(
    spec: &Spec,
    run: &RunFolder,
    provenance: &mut Provenance,
) -> Result<(), PipelineError> {
    if run.has_checkpoints() {
        return Ok(());
    }
    provenance.initial_weights =
        training::initial_weights(spec)?.map(|loaded| loaded.fingerprint());
    Ok(provenance.write(run)?)
}

/// Records the lists of the split and the origin of the labels in the provenance, before the cohort is selected.
fn record_sources(
    spec: &Spec,
    run: &RunFolder,
    provenance: &mut Provenance,
) -> Result<(), PipelineError> {
    if run.table(Table::Cohort).is_file() {
        return Ok(());
    }
    provenance.split_lists = SplitLists::read(spec).map_err(SplitError::from)?.hashes();
    provenance.labels = spec.data.labels.as_deref().and_then(nlst::labels_record);
    Ok(provenance.write(run)?)
}

/// Whether the weights of `model.init` differ from those at the start of a run, or cannot be read.
fn initial_weights_changed(spec: &Spec, provenance: &Provenance) -> bool {
    let Some(hash) = &provenance.initial_weights else { return false };
    let loaded = training::initial_weights(spec).ok().flatten();
    loaded.is_none_or(|loaded| loaded.fingerprint() != *hash)
}

/// Evaluates the trained epochs of a run with the metrics of `spec`, and writes its report. For a cross-validation, it
/// evaluates every fold and the pooled predictions.
pub fn evaluate(spec: &Spec, run: &RunFolder, observe: &Observer) -> Result<(), PipelineError> {
    if !spec.is_of_all_folds() {
        return evaluate_run(spec, run, observe);
    }
    let _lock = run.lock()?;
    let mut folds = Vec::new();
    for spec in spec.fold_specs() {
        let fold = run.fold(&spec)?;
        evaluate_run(&spec, &fold, observe)?;
        folds.push(fold);
    }
    pooled::pool(spec, run, &folds)
}

fn evaluate_run(spec: &Spec, run: &RunFolder, observe: &Observer) -> Result<(), PipelineError> {
    let _lock = run.lock()?;
    let selected = training::selected_epoch_of(run)?
        .ok_or_else(|| PipelineError::NothingTrained { run: run.root().to_owned() })?;
    let (mut provenance, devices) = open_devices(spec, run)?;
    let rows = read_cohort(&run.table(Table::Cohort))?;
    let exams = exams(&rows, &read_csv::<Row>(&run.table(Table::Preparation))?, spec);
    write_report(spec, run, &exams, selected, &devices, &mut provenance, observe)?;
    provenance.write(run)?;
    run.log(&format!("evaluated epoch {selected}"));
    Ok(())
}

/// Opens the devices of the spec, and records them in the provenance. The first device has the network.
fn open_devices(
    spec: &Spec,
    run: &RunFolder,
) -> Result<(Provenance, Vec<burn::tensor::Device>), PipelineError> {
    let opened = device::open_all(spec.runtime.device.names())?;
    let mut provenance =
        Provenance::read(run).unwrap_or_else(|| Provenance::begin(spec, crate::program::PROGRAM));
    provenance.started.push(now_utc());
    provenance.device = device::describe(&opened);
    provenance.precision = match spec.runtime.precision {
        Precision::F32 => "f32".into(),
        Precision::Tf32 => "tf32 convolutions on a GPU, everything else f32".into(),
        Precision::Bf16 => "bf16 convolutions, everything else f32".into(),
    };
    provenance.threads = rayon::current_num_threads();
    provenance.determinism = if opened.iter().all(|(_, facts)| facts.reproducible) {
        "reproducible: the same spec and data give identical files on this type of CPU".into()
    } else {
        "not bitwise reproducible: the order of sums on this device can differ between runs".into()
    };
    provenance.write(run)?;
    run.log(&format!("lungs {} on {}", provenance.version, provenance.device));
    Ok((provenance, opened.into_iter().map(|(device, _)| device).collect()))
}

/// Predicted → Report.
fn write_report(
    spec: &Spec,
    run: &RunFolder,
    exams: &Exams,
    selected: usize,
    devices: &[burn::tensor::Device],
    provenance: &mut Provenance,
    observe: &Observer,
) -> Result<(), PipelineError> {
    let began = Instant::now();
    columns::complete(spec, run)?;
    predict_test(spec, run, exams, selected, devices, observe)?;
    write_metrics(spec, run, selected)?;
    robustness::refresh_robustness(spec, run, false)?;
    // The stored spec is updated last, when all metrics exist.
    run.store_evaluation(spec)?;
    report::redraw(run, &cache_folder(spec))?;
    provenance.spent("evaluation and report", began.elapsed().as_secs_f64());
    Ok(())
}

/// Predicts the test split with the weights of the selected epoch, if the predictions do not exist.
fn predict_test(
    spec: &Spec,
    run: &RunFolder,
    exams: &Exams,
    selected: usize,
    devices: &[burn::tensor::Device],
    observe: &Observer,
) -> Result<(), PipelineError> {
    let test = exams.of(SplitName::Test);
    let file = run.predictions(SplitName::Test, selected);
    if test.is_empty() || file.is_file() {
        return Ok(());
    }
    observe(&Event::ValidationBegins { exams: test.len() });
    let network = training::trained_network(spec, run, selected, &devices[0])?;
    let scored = training::score(&network, spec, test, devices, observe)?;
    let outcome = &spec.outcome;
    if outcome.is_survival() {
        let risks: Vec<RiskRow> = scored.iter().filter_map(|scored| scored.risks(test)).collect();
        write_risks(&run.risks(SplitName::Test, selected), outcome.horizons(), &risks)?;
    }
    let rows = scored.iter().filter_map(|scored| scored.row(test, outcome));
    Ok(write_csv(&file, &rows.collect::<Vec<PredictionRow>>())?)
}
