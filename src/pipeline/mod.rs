//! The sentence, as code:
//!
//! ```text
//! spec.toml → Spec → Cohort → Prepared → Split → Trained → Scored → Report
//! ```
//!
//! Each stage is one function that takes plain data and writes its product into the run folder.
//! A stage whose product is there already reads it instead, so running again continues.

pub mod archive;
mod calibrated;
mod columns;
mod conclude;
mod equal_scans;
mod error;
pub mod explain;
mod fetched;
mod folds;
mod inputs;
mod pooled;
pub mod predict;
mod preparation;
mod study;

pub use calibrated::KeptCalibration;
pub use columns::ColumnError;
pub use equal_scans::{EqualGroup, EqualScan, EqualScansError};
pub use error::PipelineError;
pub use fetched::Preparer;
pub use folds::cross_validate;
pub use inputs::{Change, ChangedInputs, Changes, Inputs, check_against, check_inputs};
pub use preparation::{
    cache_folder, network_input, prepare, prepare_chosen, prepare_images, prepare_shard, settings,
};
pub use study::{
    Found, Survey, gather, images_of, make_phantom, split_check, survey, tell_passed_over,
};

use crate::cohort::{CohortRow, SplitError, SplitLists};
use crate::device;
use crate::nlst;
use crate::prepare::Row;
use crate::report;
use crate::results::{PredictionRow, Provenance, RunFolder, Table, now_utc, read_csv, write_csv};
use crate::spec::{Part, Precision, Spec};
use crate::training::{self, Outcome, Watch};
use burn::train::Interrupter;
use conclude::conclude;
use std::time::Instant;
use study::{Exams, data_hash, exams, study};

/// What a run tells whoever watches, besides training itself.
pub trait Stages: Watch {
    /// A stage begins.
    fn stage_begins(&self, name: &str);
    /// So many of so many things are done.
    fn stage_advances(&self, done: usize, of: usize);
    /// The stage is over, with a line that sums it up.
    fn stage_ends(&self, name: &str, summary: &str);
    /// Training begins or ends: signals mean something else then.
    fn training(&self, active: bool);
}

/// How far [`run`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Training is over.
    Trained,
    /// Figures and report are written.
    Reported,
}

/// Runs what is left of a run.
pub fn run(
    spec: &Spec,
    run: &RunFolder,
    until: Until,
    interrupter: &Interrupter,
    watch: &dyn Stages,
) -> Result<Outcome, PipelineError> {
    let _lock = run.lock()?;
    let (mut provenance, devices) = open_devices(spec, run)?;
    // Before hours of preparation: weights that do not fit are told at once.
    note_initial_weights(spec, run, &mut provenance)?;

    note_sources(spec, run, &mut provenance)?;

    let began = Instant::now();
    let rows = study(spec, run, watch)?;
    report::preparation::redraw_preparation(run, &cache_folder(spec))?;
    let exams = exams(&rows, &read_csv::<Row>(&run.table(Table::Preparation))?, spec);
    provenance.data_hash = Some(data_hash(&exams, &provenance.split_lists));
    provenance.split_check = Some(split_check(&rows));
    provenance.spent("cohort and preparation", began.elapsed().as_secs_f64());
    provenance.write(run)?;

    let began = Instant::now();
    watch.training(true);
    let parts = (exams.of(Part::Train), exams.of(Part::Valid));
    let outcome = training::fit(spec, parts, run, &devices, interrupter, watch);
    watch.training(false);
    provenance.spent("training", began.elapsed().as_secs_f64());
    provenance.write(run)?;
    let outcome = outcome.inspect_err(|error| run.log(&format!("training failed: {error}")))?;
    let Outcome::Finished { selected, .. } = outcome else {
        run.log("training was interrupted; everything needed to continue is kept");
        return Ok(outcome);
    };
    if until == Until::Reported {
        report_on(spec, run, &exams, selected, &devices, &mut provenance, watch)?;
        provenance.finished = Some(now_utc());
        provenance.write(run)?;
        run.log(&format!("finished; epoch {selected} is selected"));
    }
    Ok(outcome)
}

/// Keeps in the provenance what `model.init` was when training began.
fn note_initial_weights(
    spec: &Spec,
    run: &RunFolder,
    provenance: &mut Provenance,
) -> Result<(), PipelineError> {
    if run.has_checkpoints() {
        return Ok(());
    }
    provenance.initial_weights = training::initial_weights(spec)?.map(|it| it.fingerprint());
    Ok(provenance.write(run)?)
}

/// Keeps in the provenance what imposed the split and how the labels came about when the study was
/// drawn up.
fn note_sources(
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

/// Whether `model.init` is other weights than when a run began, or cannot be read.
fn initial_weights_changed(spec: &Spec, began_with: &Provenance) -> bool {
    let Some(known) = &began_with.initial_weights else { return false };
    let now = training::initial_weights(spec).ok().flatten();
    now.is_none_or(|loaded| loaded.fingerprint() != *known)
}

/// Evaluates a run as far as it has trained, with the figures that `spec` asks for, and draws its
/// report: of a cross-validation, every fold, and then their pooled predictions.
pub fn evaluate(spec: &Spec, whole: &RunFolder, watch: &dyn Stages) -> Result<(), PipelineError> {
    if !spec.is_of_all_folds() {
        return evaluate_run(spec, whole, watch);
    }
    let _lock = whole.lock()?;
    let mut folds = Vec::new();
    for spec in spec.fold_specs() {
        let fold = whole.fold(&spec)?;
        evaluate_run(&spec, &fold, watch)?;
        folds.push(fold);
    }
    pooled::pool(spec, whole, &folds)
}

fn evaluate_run(spec: &Spec, run: &RunFolder, watch: &dyn Stages) -> Result<(), PipelineError> {
    let _lock = run.lock()?;
    let selected = training::selected_epoch_of(run)?
        .ok_or_else(|| PipelineError::NothingTrained { run: run.root().to_owned() })?;
    let (mut provenance, devices) = open_devices(spec, run)?;
    let rows: Vec<CohortRow> = read_csv(&run.table(Table::Cohort))?;
    let exams = exams(&rows, &read_csv::<Row>(&run.table(Table::Preparation))?, spec);
    report_on(spec, run, &exams, selected, &devices, &mut provenance, watch)?;
    provenance.write(run)?;
    run.log(&format!("evaluated epoch {selected}"));
    Ok(())
}

/// The spec's devices, the first of which has the network, and the run's provenance with them.
fn open_devices(
    spec: &Spec,
    run: &RunFolder,
) -> Result<(Provenance, Vec<burn::tensor::Device>), PipelineError> {
    let opened = device::open_all(spec.runtime.device.names())?;
    let mut provenance = Provenance::read(run).unwrap_or_else(|| Provenance::begin(spec));
    provenance.started.push(now_utc());
    provenance.device = device::describe(&opened);
    provenance.precision = match spec.runtime.precision {
        Precision::F32 => "f32".into(),
        Precision::Bf16 => "bf16 convolutions, everything else f32".into(),
    };
    provenance.threads = rayon::current_num_threads();
    provenance.determinism = if opened.iter().all(|(_, facts)| facts.reproducible) {
        "the same spec and data give the same bytes on this kind of processor".into()
    } else {
        "sums on this device may be taken in another order: figures agree, bytes need not".into()
    };
    provenance.write(run)?;
    run.log(&format!("lungs {} on {}", provenance.version, provenance.device));
    Ok((provenance, opened.into_iter().map(|(device, _)| device).collect()))
}

/// Scored → Report.
fn report_on(
    spec: &Spec,
    run: &RunFolder,
    exams: &Exams,
    selected: usize,
    devices: &[burn::tensor::Device],
    provenance: &mut Provenance,
    watch: &dyn Stages,
) -> Result<(), PipelineError> {
    let began = Instant::now();
    columns::complete(spec, run)?;
    score_test(spec, run, exams, selected, devices, watch)?;
    conclude(spec, run, selected)?;
    // Last: until the figures are there, the kept spec does not say so.
    run.store_evaluation(spec)?;
    report::redraw(run, &cache_folder(spec))?;
    provenance.spent("evaluation and report", began.elapsed().as_secs_f64());
    Ok(())
}

/// Scores the test part, if there is one, with the selected epoch's weights, unless that is done.
fn score_test(
    spec: &Spec,
    run: &RunFolder,
    exams: &Exams,
    selected: usize,
    devices: &[burn::tensor::Device],
    watch: &dyn Stages,
) -> Result<(), PipelineError> {
    let test = exams.of(Part::Test);
    let file = run.predictions(Part::Test, selected);
    if test.is_empty() || file.is_file() {
        return Ok(());
    }
    watch.validation_begins(test.len());
    let network = training::trained_network(spec, run, selected, &devices[0])?;
    let scored = training::score(&network, spec, test, devices, watch)?;
    let rows: Vec<PredictionRow> = scored.iter().map(|one| one.row(test)).collect();
    Ok(write_csv(&file, &rows)?)
}
