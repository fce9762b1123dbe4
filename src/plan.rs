//! The plan of a run and estimates of its memory, disk space and time, for `lungs check`.
//!
//! The estimates follow from the arithmetic of the network and from measurements on a cloud machine
//! (docs/performance.md). They are orders of magnitude.

use burn::tensor::Device;
use lungs_image::images::SkippedKind;
use lungs_net::device::{self, DeviceFacts, DeviceKind};
use lungs_net::model::multiplications_per_voxel;
use lungs_net::usage;
use lungs_net::weights::Head;
use lungs_spec::spec::{KeepCheckpoints, Outcome, Spec, SplitName};
use lungs_study::cohort::{
    self, Cohort, CohortRow, FollowUpCounts, ReasonGroup, Remark, UnmatchedIds,
};
use lungs_study::prepare::{BeyondCrop, NetworkInput, Row};
use lungs_train::{self as training, TrainingError};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The plan of a run, as `lungs check` prints it.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Hash of the experiment.
    pub spec_hash: String,
    /// Device of the network.
    pub device: String,
    /// The cohort; `None` if a synthetic cohort does not exist yet.
    pub cohort: Option<CohortPlan>,
    /// Initial weights of the training.
    pub initial_weights: String,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Memory of one training step on one device, in bytes.
    pub step_bytes: f64,
    /// Remedies, if a training step on the CPU needs more memory than is free.
    pub memory_warning: Option<String>,
    /// Size of the prepared volumes, in bytes.
    pub cache_bytes: Option<f64>,
    /// Size of the run folder, in bytes.
    pub run_bytes: Option<f64>,
    /// Number of chosen series that are prepared already, if known.
    pub prepared: Option<usize>,
    /// Warning about prepared series whose lungs extend beyond the crop.
    pub lungs_beyond_crop: Option<String>,
    /// Time to prepare the other chosen series, in seconds.
    pub preparation_seconds: Option<f64>,
    /// Time of all epochs, in seconds.
    pub training_seconds: Option<f64>,
    /// Basis of the times.
    pub time_basis: String,
}

/// The cohort of a run.
#[derive(Debug, Serialize)]
pub struct CohortPlan {
    /// Number of series.
    pub series: usize,
    /// Number of series that are used for an exam.
    pub chosen: usize,
    /// Excluded series by reason, the most frequent first.
    pub excluded: Vec<ReasonGroup>,
    /// Labels and series without a match, if there are both.
    pub unmatched: Option<UnmatchedIds>,
    /// Files that are not images or are not read.
    pub skipped_files: Vec<SkippedFilesPlan>,
    /// The splits.
    #[serde(rename = "parts")]
    pub splits: Vec<SplitPlan>,
    /// Follow-up of a survival outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUpCounts>,
    /// Assumptions about patients, labels and identical series.
    pub remarks: Vec<RemarkPlan>,
    /// Warnings about splits with undefined metrics.
    pub warnings: Vec<String>,
}

/// An assumption about the cohort.
#[derive(Debug, Serialize)]
pub struct RemarkPlan {
    /// `labels`, `excluded` or `warning`.
    pub heading: &'static str,
    /// The sentence.
    pub text: String,
}

impl RemarkPlan {
    fn of(remark: &Remark) -> Self {
        Self { heading: remark.heading(), text: remark.to_string() }
    }
}

/// Files of one kind that are not images or are not read.
#[derive(Debug, Serialize)]
pub struct SkippedFilesPlan {
    /// The kind of file.
    pub kind: SkippedKind,
    /// Number of files; for hidden folders, of the files in them.
    pub count: usize,
    /// The first file by path.
    pub example: PathBuf,
    /// Remedy, if the files can contain images.
    pub remedy: Option<&'static str>,
}

/// A split of the cohort.
#[derive(Debug, Serialize)]
pub struct SplitPlan {
    /// The split.
    pub name: SplitName,
    /// Number of exams.
    pub exams: usize,
    /// Number of patients.
    pub patients: usize,
    /// Number of positive exams.
    pub positive: usize,
}

/// Multiplications and additions of a training step per input voxel, at width 1.
const STEP_OPERATIONS_PER_VOXEL: f64 = 1.05e5;
/// Operations of a training step for each multiplication of a forward pass: a product and a sum, forward and in
/// both gradients.
const STEP_FACTOR: f64 = 6.0;
/// Exponent of the time as a function of the width: operations grow with its square, but narrow layers are less
/// efficient (measured at 1 and 0.2).
const TIME_BY_WIDTH: f64 = 1.3;
/// Operations of a direct convolution per core and second with AVX-512 (80 to 92 · 10⁹ measured at full size,
/// 45 · 10⁹ at small sizes; model/convolution/winograd saves most of them).
const OPERATIONS_PER_CORE: f64 = 60e9;
/// Factor of the time of a step with gradient checkpointing (`train.gradient_checkpointing`).
const GRADIENT_CHECKPOINTING_FACTOR: f64 = 1.6;
/// Time to predict an exam, as a fraction of the time of a training step.
const FORWARD_FRACTION: f64 = 0.4;
/// Core-seconds to prepare a series (0.4 to 0.6 measured on 140 to 280 slices of 512×512).
const PREPARATION_SECONDS: f64 = 0.7;

/// Computes the plan of a run of `spec`.
pub fn plan(
    spec: &Spec,
    cohort: Option<&Cohort>,
    devices: &[(Device, DeviceFacts)],
) -> Result<Plan, TrainingError> {
    let (device, facts) = &devices[0];
    let parameters = training::network(spec, device)?.parameter_count();
    let [depth, height, width] = spec.preprocess.size;
    let voxels = (spec.model.slices * height * width) as f64;
    let cores = match spec.runtime.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    } as f64;
    let weights = parameters as f64 * 4.0;
    let cohort = cohort.map(|cohort| describe(cohort, &spec.outcome));
    let chosen = cohort.as_ref().map(|cohort| cohort.chosen as f64);
    let exams = |name: SplitName| {
        let split = cohort.as_ref()?.splits.iter().find(|split| split.name == name);
        Some(split.map_or(0.0, |split| split.exams as f64))
    };
    let epochs = spec.train.epochs as f64;
    let step = if spec.train.gradient_checkpointing { GRADIENT_CHECKPOINTING_FACTOR } else { 1.0 };
    let per_epoch = exams(SplitName::Train)
        .zip(exams(SplitName::Valid))
        .map(|(t, v)| t * step + v * FORWARD_FRACTION);
    let per_voxel = multiplications_per_voxel(spec.model.architecture())
        .map_or(STEP_OPERATIONS_PER_VOXEL, |multiplications| STEP_FACTOR * multiplications);
    let operations = per_voxel * voxels * spec.model.width.powf(TIME_BY_WIDTH);
    let on_cpu = facts.kind == DeviceKind::Cpu;
    let step_bytes = training::step_bytes(spec, parameters);
    // The selected epoch, the last two epochs, and two checkpoints within the current epoch.
    let within = if spec.train.checkpoint_minutes > 0.0 { 2.0 } else { 0.0 };
    let checkpoints = match (spec.train.keep_checkpoints, spec.train.keep_every) {
        (KeepCheckpoints::All, _) => epochs,
        (KeepCheckpoints::BestAndLast, 0) => 3.0,
        (KeepCheckpoints::BestAndLast, every) => 3.0 + (epochs / every as f64).floor(),
    } + within;
    // The EMA is one more copy of the weights, in memory and on disk.
    let ema_copies = if spec.train.ema_decay > 0.0 { 1.0 } else { 0.0 };
    let runs = if spec.is_of_all_folds() { spec.split.folds as f64 } else { 1.0 };
    Ok(Plan {
        spec_hash: spec.hash(),
        initial_weights: initial_weights(spec)?,
        device: device::describe(devices),
        parameters,
        step_bytes,
        memory_warning: memory_warning(spec, step_bytes, devices),
        cache_bytes: chosen.map(|chosen| chosen * (depth * height * width * 2) as f64),
        run_bytes: chosen.map(|chosen| {
            runs * (checkpoints * (3.0 + ema_copies) * weights + epochs * 200.0 * chosen)
        }),
        prepared: None,
        lungs_beyond_crop: None,
        preparation_seconds: chosen.map(|chosen| chosen * PREPARATION_SECONDS / cores),
        training_seconds: per_epoch
            .filter(|_| on_cpu)
            .map(|exams| runs * exams * epochs * operations / (OPERATIONS_PER_CORE * cores)),
        time_basis: if on_cpu {
            format!("{cores} CPU threads; order of magnitude")
        } else {
            "no estimate of the training time on this device; the first epoch shows it".into()
        },
        cohort,
    })
}

impl Plan {
    /// Accounts for the chosen series that are prepared already.
    pub fn with_prepared(mut self, rows: &[Row], input: NetworkInput) -> Self {
        let prepared = rows.len();
        self.lungs_beyond_crop = BeyondCrop::of(rows, input).map(|warning| warning.to_string());
        let chosen = self.cohort.as_ref().map_or(0, |cohort| cohort.chosen);
        let remaining = chosen.saturating_sub(prepared) as f64 / chosen.max(1) as f64;
        self.prepared = Some(prepared);
        self.preparation_seconds = self.preparation_seconds.map(|seconds| seconds * remaining);
        self
    }
}

/// Remedies, if training on the CPU needs more memory than is free.
pub fn memory_warning(
    spec: &Spec,
    step_bytes: f64,
    devices: &[(Device, DeviceFacts)],
) -> Option<String> {
    let free = usage::available_memory_bytes()? as f64;
    let on_cpu = devices.iter().filter(|(_, facts)| facts.kind == DeviceKind::Cpu).count();
    (step_bytes * on_cpu as f64 > free)
        .then(|| format!("{:.1} GB are free; {}", free / 1e9, training::advice(spec, step_bytes)))
}

/// Description of the initial weights and of their classifier.
fn initial_weights(spec: &Spec) -> Result<String, TrainingError> {
    let loaded = training::initial_weights(spec).map_err(Box::new)?;
    Ok(loaded.map_or_else(
        || "random".to_owned(),
        |loaded| {
            let head = match spec.model.init_head {
                Head::Load => "with its classifier",
                Head::New => "with a new classifier",
            };
            format!("{} ({}, {}), {head}", loaded.path.display(), loaded.kind, loaded.layout)
        },
    ))
}

fn describe(cohort: &Cohort, outcome: &Outcome) -> CohortPlan {
    let not_chosen = cohort.rows.iter().filter(|row| !row.chosen && !row.is_skipped_file());
    let excluded = cohort::group_reasons(not_chosen.filter_map(CohortRow::exclusion));
    let skipped_files = cohort.skipped_files.iter().map(|(kind, tally)| SkippedFilesPlan {
        kind,
        count: tally.files,
        example: tally.example.clone(),
        remedy: kind.remedy(),
    });
    let splits =
        [SplitName::Train, SplitName::Valid, SplitName::Test].into_iter().filter_map(|split| {
            let rows: Vec<_> =
                cohort.rows.iter().filter(|row| row.chosen && row.split == Some(split)).collect();
            (!rows.is_empty()).then(|| SplitPlan {
                name: split,
                exams: rows.len(),
                patients: rows.iter().map(|row| &row.patient_id).collect::<BTreeSet<_>>().len(),
                positive: rows.iter().filter(|row| row.label == Some(true)).count(),
            })
        });
    CohortPlan {
        series: cohort.rows.iter().filter(|row| row.is_image()).count(),
        chosen: cohort.chosen.len(),
        excluded,
        unmatched: UnmatchedIds::of(&cohort.rows),
        skipped_files: skipped_files.collect(),
        splits: splits.collect(),
        remarks: cohort.remarks.iter().map(RemarkPlan::of).collect(),
        follow_up: FollowUpCounts::of(&cohort.rows, outcome.horizons()),
        warnings: cohort::split_warnings(&cohort.rows, outcome),
    }
}
