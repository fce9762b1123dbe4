//! What a run would do and take, without doing it: the answer of `lungs check`.
//!
//! Memory and time are estimates from the network's arithmetic and from figures measured on a
//! cloud machine (docs/performance.md); they say hours or days, not minutes.

use crate::cohort::{self, Cohort, Remark, Unmatched};
use crate::device::{self, DeviceFacts, DeviceKind};
use crate::images::SkippedKind;
use crate::prepare::{BeyondCrop, NetworkInput, Row};
use crate::spec::{InitHead, KeepCheckpoints, Part, Spec};
use crate::training::{self, TrainingError};
use crate::usage;
use burn::tensor::Device;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The answer of `lungs check`.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Identity of the experiment.
    pub spec_hash: String,
    /// Where the network would run.
    pub device: String,
    /// Who would be in the study; `None` when a synthetic cohort is still to be made.
    pub cohort: Option<CohortPlan>,
    /// The weights that training would begin with.
    pub initial_weights: String,
    /// Numbers that training changes.
    pub parameters: usize,
    /// Memory of one training step on one device, bytes.
    pub step_bytes: f64,
    /// What to try where this machine has less memory free than a step on its processor takes.
    pub memory_warning: Option<String>,
    /// Prepared volumes, bytes.
    pub cache_bytes: Option<f64>,
    /// The run folder, bytes.
    pub run_bytes: Option<f64>,
    /// Chosen series that are prepared already, where that was looked at.
    pub prepared: Option<usize>,
    /// Those of the prepared series whose lungs reach beyond the crop, in words.
    pub lungs_beyond_crop: Option<String>,
    /// Preparing the other chosen series, seconds.
    pub preparation_seconds: Option<f64>,
    /// All epochs, seconds.
    pub training_seconds: Option<f64>,
    /// What the times rest on.
    pub time_basis: String,
}

/// Who would be in the study.
#[derive(Debug, Serialize)]
pub struct CohortPlan {
    /// Series found.
    pub series: usize,
    /// Series that stand for an exam.
    pub chosen: usize,
    /// Why others do not, the most frequent first.
    pub left_out: Vec<LeftOut>,
    /// Labels and series that do not meet, where there are both.
    pub unmatched: Option<Unmatched>,
    /// Files that are no image or are not looked into.
    pub passed_over: Vec<PassedOverPlan>,
    /// The parts.
    pub parts: Vec<PartPlan>,
    /// What is assumed about patients, labels and equal scans.
    pub remarks: Vec<RemarkPlan>,
    /// What makes figures of these parts undefined.
    pub warnings: Vec<String>,
}

/// An assumption about the study.
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

/// Files of one kind that are passed over.
#[derive(Debug, Serialize)]
pub struct PassedOverPlan {
    /// The kind of file.
    pub kind: SkippedKind,
    /// How many; of hidden folders, the files in them.
    pub count: usize,
    /// The first by path.
    pub example: PathBuf,
    /// What to do where there are images in them.
    pub remedy: Option<&'static str>,
}

/// A reason with its count.
#[derive(Debug, Serialize)]
pub struct LeftOut {
    /// How many series, files or labels.
    pub count: usize,
    /// The reason: a short word, and the sentence of the first case.
    pub reason: String,
    /// Whether the sentence is that of all cases, to the letter.
    pub same: bool,
}

/// A part of the study.
#[derive(Debug, Serialize)]
pub struct PartPlan {
    /// `train`, `valid`, `test`.
    pub name: String,
    /// Exams.
    pub exams: usize,
    /// Patients.
    pub patients: usize,
    /// Exams with cancer.
    pub positive: usize,
}

/// Multiplications and additions of a training step per input voxel, at width 1.
const STEP_OPERATIONS_PER_VOXEL: f64 = 1.05e5;
/// How time grows with the width: operations grow with its square, but narrow layers are slower to
/// compute (measured at 1 and 0.2).
const TIME_BY_WIDTH: f64 = 1.3;
/// Operations of a direct convolution that one core does the work of in a second with AVX-512 (80 to
/// 92 · 10⁹ measured at full size, 45 · 10⁹ at small ones; most of them are saved, see
/// model/convolution/winograd).
const OPERATIONS_PER_CORE: f64 = 60e9;
/// How much longer a step takes with `train.recompute`.
const RECOMPUTING: f64 = 1.6;
/// The share of a training step that scoring an exam takes.
const FORWARD_SHARE: f64 = 0.4;
/// Core-seconds to prepare a series (0.4 to 0.6 measured on 140 to 280 slices of 512×512).
const PREPARATION_SECONDS: f64 = 0.7;

/// Works out what a run of `spec` would take.
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
    let cohort = cohort.map(describe);
    let chosen = cohort.as_ref().map(|cohort| cohort.chosen as f64);
    let exams = |name: Part| {
        let parts = cohort.as_ref()?.parts.iter().find(|part| part.name == name.to_string());
        Some(parts.map_or(0.0, |part| part.exams as f64))
    };
    let epochs = spec.train.epochs as f64;
    let step = if spec.train.recompute { RECOMPUTING } else { 1.0 };
    let per_epoch =
        exams(Part::Train).zip(exams(Part::Valid)).map(|(t, v)| t * step + v * FORWARD_SHARE);
    let operations = STEP_OPERATIONS_PER_VOXEL * voxels * spec.model.width.powf(TIME_BY_WIDTH);
    let on_cpu = facts.kind == DeviceKind::Cpu;
    let step_bytes = training::step_bytes(spec, parameters);
    // The best and the last two, and two within the epoch under way.
    let within = if spec.train.checkpoint_minutes > 0.0 { 2.0 } else { 0.0 };
    let kept = match (spec.train.keep_checkpoints, spec.train.keep_every) {
        (KeepCheckpoints::All, _) => epochs,
        (KeepCheckpoints::BestAndLast, 0) => 3.0,
        (KeepCheckpoints::BestAndLast, every) => 3.0 + (epochs / every as f64).floor(),
    } + within;
    // A moving average is one more copy of the weights, in memory and on disk.
    let averages = if spec.train.weight_average > 0.0 { 1.0 } else { 0.0 };
    let runs = if spec.is_of_all_folds() { spec.split.folds as f64 } else { 1.0 };
    Ok(Plan {
        spec_hash: spec.hash(),
        initial_weights: initial_weights(spec)?,
        device: device::describe(devices),
        parameters,
        step_bytes,
        memory_warning: memory_warning(spec, step_bytes, devices),
        cache_bytes: chosen.map(|chosen| chosen * (depth * height * width * 2) as f64),
        run_bytes: chosen
            .map(|chosen| runs * (kept * (3.0 + averages) * weights + epochs * 200.0 * chosen)),
        prepared: None,
        lungs_beyond_crop: None,
        preparation_seconds: chosen.map(|chosen| chosen * PREPARATION_SECONDS / cores),
        training_seconds: per_epoch
            .filter(|_| on_cpu)
            .map(|exams| runs * exams * epochs * operations / (OPERATIONS_PER_CORE * cores)),
        time_basis: if on_cpu {
            format!("{cores} CPU threads; order of magnitude")
        } else {
            "training time on this device is not estimated; the first epoch tells".into()
        },
        cohort,
    })
}

impl Plan {
    /// Takes into account which of the chosen series are prepared already.
    pub fn with_prepared(mut self, rows: &[Row], input: NetworkInput) -> Self {
        let prepared = rows.len();
        self.lungs_beyond_crop = BeyondCrop::of(rows, input).map(|beyond| beyond.to_string());
        let chosen = self.cohort.as_ref().map_or(0, |cohort| cohort.chosen);
        let left = chosen.saturating_sub(prepared) as f64 / chosen.max(1) as f64;
        self.prepared = Some(prepared);
        self.preparation_seconds = self.preparation_seconds.map(|seconds| seconds * left);
        self
    }
}

/// What to try where training on the processor asks for more memory than is free.
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

/// What `model.init` is, and what becomes of its classifier.
fn initial_weights(spec: &Spec) -> Result<String, TrainingError> {
    let loaded = training::initial_weights(spec).map_err(Box::new)?;
    Ok(loaded.map_or_else(
        || "random".to_owned(),
        |loaded| {
            let head = match spec.model.init_head {
                InitHead::Load => "its classifier too",
                InitHead::New => "with a new classifier",
            };
            format!("{} ({}, {}), {head}", loaded.path.display(), loaded.kind, loaded.layout)
        },
    ))
}

fn describe(cohort: &Cohort) -> CohortPlan {
    let not_chosen = cohort.rows.iter().filter(|row| !row.chosen && !row.is_passed_over());
    let groups = cohort::group_reasons(not_chosen.map(|row| row.reason.as_str()));
    let left_out = groups.into_iter().map(|group| LeftOut {
        count: group.count,
        reason: format!("{}: {}", group.code, group.sentence),
        same: group.same,
    });
    let passed_over = cohort.passed_over.iter().map(|(kind, tally)| PassedOverPlan {
        kind,
        count: tally.files,
        example: tally.example.clone(),
        remedy: kind.remedy(),
    });
    let parts = [Part::Train, Part::Valid, Part::Test].into_iter().filter_map(|part| {
        let rows: Vec<_> =
            cohort.rows.iter().filter(|row| row.chosen && row.split == Some(part)).collect();
        (!rows.is_empty()).then(|| PartPlan {
            name: part.to_string(),
            exams: rows.len(),
            patients: rows.iter().map(|row| &row.patient).collect::<BTreeSet<_>>().len(),
            positive: rows.iter().filter(|row| row.label == Some(1)).count(),
        })
    });
    CohortPlan {
        series: cohort.rows.iter().filter(|row| row.is_image()).count(),
        chosen: cohort.chosen.len(),
        left_out: left_out.collect(),
        unmatched: Unmatched::of(&cohort.rows),
        passed_over: passed_over.collect(),
        parts: parts.collect(),
        remarks: cohort.remarks.iter().map(RemarkPlan::of).collect(),
        warnings: cohort::split_warnings(&cohort.rows),
    }
}
