//! The model card, after Mitchell et al. (2019).

use lungs_base::text::counted;
use lungs_image::volume::{Interpolation, SYBIL_MAX_THICKNESS_MM};
use lungs_report::threshold_of_rule;
use lungs_spec::results::Provenance;
use lungs_spec::spec::{Compat, ModelName, PoolName, Recalibrate, Spec, horizon_words};
use lungs_stats::{Estimate, Evaluation, OperatingPoint, Proportion, Rule};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The card as Markdown.
pub(super) fn model_card(
    spec: &Spec,
    splits: &BTreeMap<String, Evaluation>,
    provenance: Option<&Provenance>,
    networks: usize,
    notes: Option<&str>,
) -> String {
    let mut card = format!("# Model card: {}\n\n", spec.experiment.name);
    card += "**Research use only. Not a medical device: do not use it for decisions about patients.**\n\n";
    card += &model(spec, provenance, networks);
    card += INTENDED_USE;
    card += &outcome(spec);
    card += &input(spec);
    card += &data(spec, provenance);
    card += "## Metrics\n\nIntervals are 95 % confidence intervals.\n\n";
    for (split, metrics) in splits {
        card += &metrics_section(split, metrics);
    }
    card += &calibration(spec);
    card += LIMITS;
    card += &evaluation_notes(splits);
    if let Some(notes) = notes {
        let _ = write!(card, "## Notes of the authors\n\n{}\n\n", notes.trim());
    }
    card += USAGE;
    card
}

const INTENDED_USE: &str = "## Intended use\n\n\
    Research on predicting, from one low-dose chest CT, whether a lung cancer is diagnosed within the horizon \
    of the training labels (one year, unless the authors state another): comparison of methods, analysis of \
    errors, ranking of exams in retrospective cohorts.\n\n\
    **Not for**: diagnosis, triage or reporting of patients; images that are not chest CT; children; \
    series that the preparation flags as cut or reoriented, unless they were inspected.\n\n";

const LIMITS: &str = "## Limits\n\n\
    - Its probabilities apply to the prevalence of the training cohort. At a lower prevalence, probabilities \
    and positive predictive values are too high: see `evaluate.prevalence` in the documentation.\n\
    - It was evaluated on the exams above only. Scanners, kernels, slice spacings and patient groups that are \
    rare among them are untested.\n\
    - Its input is a single exam, without earlier exams, age, sex or smoking history.\n\
    - A high probability does not locate a cancer. `lungs predict --explain` computes heatmaps, which do not \
    prove a location either.\n";

const USAGE: &str = "## How to use it\n\n\
    ```\n\
    sha256sum -c SHA256SUMS                       # optional, after unpacking\n\
    lungs predict --model THIS-FILE.zip FOLDER    # DICOM series, NIfTI, MetaImage\n\
    ```\n\n\
    Series are prepared automatically with `preprocessing.toml`. The complete experiment is in `spec.toml`; with \
    the same data, `lungs run spec.toml` trains this model again.\n";

/// The predicted risks; empty for one probability.
fn outcome(spec: &Spec) -> String {
    if !spec.outcome.is_survival() {
        return String::new();
    }
    let horizons: Vec<String> =
        spec.outcome.horizons().iter().map(|years| horizon_words(*years)).collect();
    format!(
        "## Outcome\n\n\
         The risk of lung cancer within {} after the exam. `probability` is the risk within {}. The risks were learned from \
         times to cancer or to the end of follow-up; deaths from other causes count as ends of follow-up.\n\n",
        horizons.join(", "),
        horizons.first().map_or("–", String::as_str)
    )
}

fn model(spec: &Spec, provenance: Option<&Provenance>, networks: usize) -> String {
    let training = match networks {
        1 => "one network".to_owned(),
        many => format!("{many} networks of a cross-validation, whose probabilities are averaged"),
    };
    let initial_weights =
        match provenance.and_then(|provenance| provenance.initial_weights.as_ref()) {
            Some(hash) => format!("weights with BLAKE3 `{hash}`"),
            None => "random weights".to_owned(),
        };
    let network = match (spec.model.name, spec.model.pool) {
        (ModelName::I3d, _) => "I3D (Carreira & Zisserman 2017; Ardila et al. 2019)",
        (ModelName::R3d18, PoolName::Average) => "R3D-18 (Tran et al. 2018)",
        (ModelName::R3d18, PoolName::Sybil) => {
            "R3D-18 (Tran et al. 2018) with the pooling of Sybil (Mikhael et al. 2023)"
        }
        (ModelName::I3Resnet152, PoolName::Average) => "inflated ResNet-152 (He et al. 2016)",
        (ModelName::I3Resnet152, PoolName::Sybil) => {
            "inflated ResNet-152 (He et al. 2016) with the pooling of Sybil (Mikhael et al. 2023)"
        }
    };
    let mut text = format!(
        "## Model\n\n\
         - {network}, width {}, {} slices of the crop: {training}\n\
         - trained from {initial_weights}, loss `{}`, seed {}\n",
        spec.model.width,
        spec.model.slices,
        spec_text(&spec.loss.name),
        spec.experiment.seed
    );
    if let Some(provenance) = provenance {
        let _ = write!(
            text,
            "- trained with lungs {} (commit `{}`), spec hash `{}`\n- started {} on {}\n",
            provenance.version,
            provenance.commit,
            provenance.spec_hash,
            provenance.started.first().map_or("–", String::as_str),
            provenance.device
        );
    }
    text + "\n"
}

fn input(spec: &Spec) -> String {
    let preprocess = &spec.preprocess;
    let [d, h, w] = preprocess.size;
    if preprocess.compat == Compat::Sybil {
        return format!(
            "## Input\n\n\
             One CT series as the input of Sybil (`preprocess.compat = \"sybil\"`): {d} × {h} × {w} voxels (depth, \
             height, width), of which {} slices are the input. Series with fewer than {} slices, a slice spacing of \
             more than {} mm or a slice thickness of more than {SYBIL_MAX_THICKNESS_MM} mm are excluded.\n\n",
            spec.model.slices, spec.data.select.min_slices, spec.data.select.max_slice_spacing_mm
        );
    }
    let interpolation = match preprocess.interpolation {
        Interpolation::Cubic => "cubic B-splines",
        Interpolation::Linear => "linear interpolation",
    };
    format!(
        "## Input\n\n\
         One CT series in Hounsfield units, resampled to {} mm by {interpolation} and cropped to {d} × {h} × {w} \
         voxels (depth, height, width) around the lungs, of which {} slices are the input; {} to {} HU map to −1 \
         to 1. Series with fewer than {} slices, a slice spacing of more than {} mm, or less than {} ml of lung \
         are excluded.\n\n",
        preprocess.spacing_mm,
        spec.model.slices,
        preprocess.window.lower_hu,
        preprocess.window.upper_hu,
        spec.data.select.min_slices,
        spec.data.select.max_slice_spacing_mm,
        preprocess.min_lung_ml
    )
}

fn data(spec: &Spec, provenance: Option<&Provenance>) -> String {
    let synthetic = match &spec.data.phantom {
        Some(_) => " The exams are synthetic: the model is not trained on patients.",
        None => "",
    };
    let splits = provenance.and_then(|it| it.split_check.as_deref()).unwrap_or("not recorded");
    let hash = provenance.and_then(|it| it.data_hash.as_deref()).unwrap_or("not recorded");
    format!("## Data\n\nSplits: {splits}. Hash of labels and volumes: `{hash}`.{synthetic}\n\n")
}

fn metrics_section(split: &str, metrics: &Evaluation) -> String {
    let name = if split == "valid" { "validation" } else { split };
    let caution = match split {
        "valid" => "The epoch was selected on these exams, which biases the metrics upwards.\n\n",
        _ => "",
    };
    let auc = &metrics.auc;
    let auc = Estimate { value: auc.value, interval: auc.interval, reason: auc.reason.clone() };
    let calibration = &metrics.calibration;
    let mut rows: Vec<(String, String)> = Vec::new();
    if let Some(survival) = &metrics.survival {
        rows.push(("C-index (Harrell)".to_owned(), estimate(&survival.harrell_c.to_estimate())));
        for it in &survival.horizons {
            let years = horizon_words(it.horizon_years);
            rows.push((format!("AUC, {years}"), estimate(&it.auc.to_estimate())));
            let ratio = it.calibration.observed_expected.to_estimate();
            rows.push((format!("observed / expected, {years}"), estimate(&ratio)));
        }
    }
    rows.extend([
        ("AUC".to_owned(), estimate(&auc)),
        ("average precision".to_owned(), estimate(&metrics.average_precision)),
        ("Brier score".to_owned(), estimate(&calibration.brier)),
        ("calibration error".to_owned(), estimate(&calibration.expected_calibration_error)),
        ("calibration slope".to_owned(), estimate(&calibration.slope)),
    ]);
    for point in &metrics.operating_points {
        let at = threshold(point);
        rows.push((format!("sensitivity at {at}"), share(&point.sensitivity)));
        rows.push((format!("specificity at {at}"), share(&point.specificity)));
        if let Some(at_prevalence) = &point.at_prevalence {
            let name = format!("PPV at {at}, prevalence {}", at_prevalence.prevalence);
            rows.push((name, estimate(&at_prevalence.positive_predictive_value)));
        }
    }
    for groups in &metrics.subgroups {
        for group in &groups.groups {
            let name = format!(
                "AUC, {} {} ({}, {} positive)",
                groups.by,
                group.group,
                counted(group.exams, "exam", "exams"),
                group.positives
            );
            rows.push((name, estimate(&group.auc)));
        }
    }
    let rows: String = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!(
        "### {} of {}, {} positive\n\n{caution}| metric | value |\n|---|---|\n{rows}\n",
        counted(metrics.exams, &format!("{name} exam"), &format!("{name} exams")),
        counted(metrics.patients, "patient", "patients"),
        metrics.positives
    )
}

fn threshold(point: &OperatingPoint) -> String {
    let at = point.threshold_probability.map_or("–".to_owned(), |p| format!("p ≥ {p:.3}"));
    match point.rule {
        rule @ Rule::Probability(_) => threshold_of_rule(rule),
        rule => format!("{at}, {}", threshold_of_rule(rule)),
    }
}

fn calibration(spec: &Spec) -> String {
    match spec.evaluate.recalibrate {
        Recalibrate::None => "Probabilities are not recalibrated.\n\n".to_owned(),
        method => format!(
            "`calibration.json` maps log-odds to calibrated probabilities ({method}, fitted on the validation \
             split); `lungs predict` reports both.\n\n"
        ),
    }
}

fn evaluation_notes(splits: &BTreeMap<String, Evaluation>) -> String {
    let notes: Vec<&String> = splits.values().flat_map(|metrics| &metrics.notes).collect();
    notes.into_iter().fold(String::new(), |text, note| text + &format!("- {note}\n")) + "\n"
}

fn estimate(estimate: &Estimate) -> String {
    match (estimate.value, estimate.interval) {
        (Some(value), Some(it)) => format!("{value:.3} ({:.3} to {:.3})", it.low, it.high),
        (Some(value), None) => format!("{value:.3}"),
        (None, _) => format!("undefined: {}", estimate.reason.as_deref().unwrap_or("no value")),
    }
}

fn share(share: &Proportion) -> String {
    match (share.value, share.interval) {
        (Some(value), Some(it)) => format!(
            "{value:.3} ({:.3} to {:.3}; {} of {})",
            it.low, it.high, share.successes, share.total
        ),
        _ => format!("undefined: {}", share.reason.as_deref().unwrap_or("no value")),
    }
}

/// The name of a value in a spec.
fn spec_text(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
