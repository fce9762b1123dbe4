//! The model card: what a stranger must know before using the weights, after Mitchell et al. (2019).

use crate::evaluation::{Estimate, Evaluation, OperatingPoint, Proportion, Rule};
use crate::results::Provenance;
use crate::spec::{Interpolation, Recalibrate, Spec};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The card as Markdown.
pub(super) fn model_card(
    spec: &Spec,
    parts: &BTreeMap<String, Evaluation>,
    provenance: Option<&Provenance>,
    networks: usize,
    notes: Option<&str>,
) -> String {
    let mut card = format!("# Model card: {}\n\n", spec.experiment.name);
    card += "**Research use only. Not a medical device: no decision about a patient may rest on it.**\n\n";
    card += &model(spec, provenance, networks);
    card += USE;
    card += &input(spec);
    card += &data(spec, provenance);
    card += "## Figures\n\nIntervals cover 95 %.\n\n";
    for (part, figures) in parts {
        card += &measured(part, figures);
    }
    card += &calibration(spec);
    card += LIMITS;
    card += &notes_of(parts);
    if let Some(notes) = notes {
        let _ = write!(card, "## Notes of the authors\n\n{}\n\n", notes.trim());
    }
    card += HOW;
    card
}

const USE: &str = "## Intended use\n\n\
    Research on predicting whether a lung cancer is diagnosed within the horizon of the labels that it was \
    trained with (one year, unless the authors say otherwise) from one low-dose chest CT: comparing \
    methods, studying errors, ranking exams in retrospective cohorts.\n\n\
    **Not for**: diagnosis, triage or reporting of patients; images that are not chest CT; children; \
    scans that the preparation flags as cut or reoriented, unless someone has looked at them.\n\n";

const LIMITS: &str = "## Limits\n\n\
    - Its probabilities are those of the cohort that it was trained on. Where cancers are rarer, they are \
    too high, and so is the positive predictive value: see `evaluate.prevalence` in the documentation.\n\
    - It has been judged on the exams above and no others. Scanners, kernels, slice spacings and people \
    that are rare there are untested.\n\
    - It sees one exam at a time: neither earlier exams nor age, sex or smoking.\n\
    - A high score does not say where in the lungs the reason is; `lungs predict --explain` shows where it \
    looked, which is no proof either.\n";

const HOW: &str = "## How to use it\n\n\
    ```\n\
    sha256sum -c SHA256SUMS                       # after unpacking, where wanted\n\
    lungs predict --model THIS-FILE.zip FOLDER    # DICOM series, NIfTI, MetaImage\n\
    ```\n\n\
    Series are prepared as `preprocessing.toml` says, without being told. The whole experiment is in \
    `spec.toml`; with the same data, `lungs run spec.toml` makes this model again.\n";

fn model(spec: &Spec, provenance: Option<&Provenance>, networks: usize) -> String {
    let trained = match networks {
        1 => "one network".to_owned(),
        many => format!("{many} networks of a cross-validation, whose probabilities are averaged"),
    };
    let start = match provenance.and_then(|known| known.initial_weights.as_ref()) {
        Some(hash) => format!("weights with BLAKE3 `{hash}`"),
        None => "random weights".to_owned(),
    };
    let mut told = format!(
        "## Model\n\n\
         - I3D (Carreira & Zisserman 2017; Ardila et al. 2019), width {}, {} slices of the crop: {trained}\n\
         - trained from {start}, loss `{}`, seed {}\n",
        spec.model.width,
        spec.model.slices,
        word(&spec.loss.name),
        spec.experiment.seed
    );
    if let Some(known) = provenance {
        let _ = write!(
            told,
            "- by lungs {} (commit `{}`), spec hash `{}`\n- begun {} on {}\n",
            known.version,
            known.commit,
            known.spec_hash,
            known.started.first().map_or("–", String::as_str),
            known.device
        );
    }
    told + "\n"
}

fn input(spec: &Spec) -> String {
    let preprocess = &spec.preprocess;
    let [d, h, w] = preprocess.size;
    let spline = match preprocess.interpolation {
        Interpolation::Cubic => "cubic B-splines",
        Interpolation::Linear => "linear interpolation",
    };
    format!(
        "## Input\n\n\
         One CT series in Hounsfield units, resampled to {} mm by {spline}, cut to {d} × {h} × {w} voxels \
         (depth, height, width) around the lungs, of which {} slices are seen; {} to {} HU become −1 to 1. \
         Series with fewer than {} slices, wider than {} mm apart, or with less than {} ml of lung are \
         refused.\n\n",
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
        Some(_) => " The exams are synthetic: the model knows nothing of people.",
        None => "",
    };
    let parts = provenance.and_then(|known| known.split_check.as_deref()).unwrap_or("not recorded");
    let hash = provenance.and_then(|known| known.data_hash.as_deref()).unwrap_or("not recorded");
    format!("## Data\n\nParts: {parts}. Hash of labels and volumes: `{hash}`.{synthetic}\n\n")
}

fn measured(part: &str, figures: &Evaluation) -> String {
    let name = if part == "valid" { "validation" } else { part };
    let caution = match part {
        "valid" => "The epoch was selected on these exams, which flatters the figures.\n\n",
        _ => "",
    };
    let auc = &figures.auc;
    let auc = Estimate { value: auc.value, interval: auc.interval, reason: auc.reason.clone() };
    let calibration = &figures.calibration;
    let mut rows: Vec<(String, String)> = vec![
        ("AUC".to_owned(), estimate(&auc)),
        ("average precision".to_owned(), estimate(&figures.average_precision)),
        ("Brier score".to_owned(), estimate(&calibration.brier)),
        ("calibration error".to_owned(), estimate(&calibration.expected_calibration_error)),
        ("calibration slope".to_owned(), estimate(&calibration.slope)),
    ];
    for point in &figures.operating_points {
        let at = threshold(point);
        rows.push((format!("sensitivity, {at}"), share(&point.sensitivity)));
        rows.push((format!("specificity, {at}"), share(&point.specificity)));
        if let Some(stated) = &point.at_prevalence {
            let name = format!("PPV at a prevalence of {}, {at}", stated.prevalence);
            rows.push((name, estimate(&stated.positive_predictive_value)));
        }
    }
    for groups in &figures.subgroups {
        for group in &groups.groups {
            let name = format!(
                "AUC, {} {} ({} exams, {} positive)",
                groups.by, group.group, group.exams, group.positives
            );
            rows.push((name, estimate(&group.auc)));
        }
    }
    let rows: String = rows.iter().map(|(name, told)| format!("| {name} | {told} |\n")).collect();
    format!(
        "### {} {name} exams of {} patients, {} positive\n\n{caution}| figure | value |\n|---|---|\n{rows}\n",
        figures.exams, figures.patients, figures.positives
    )
}

fn threshold(point: &OperatingPoint) -> String {
    let at = point.threshold_probability.map_or("–".to_owned(), |p| format!("p ≥ {p:.3}"));
    match point.rule {
        Rule::Probability(p) => format!("p ≥ {p}"),
        Rule::SensitivityAtSpecificity(share) => format!("{at} (specificity ≥ {share})"),
        Rule::SpecificityAtSensitivity(share) => format!("{at} (sensitivity ≥ {share})"),
        Rule::Youden => format!("{at} (Youden's index)"),
    }
}

fn calibration(spec: &Spec) -> String {
    match spec.evaluate.recalibrate {
        Recalibrate::None => {
            "Probabilities are the network's own, not recalibrated.\n\n".to_owned()
        }
        wanted => format!(
            "`calibration.json` maps the network's log-odds to calibrated probabilities ({wanted}, fitted \
             on the validation part); `lungs predict` gives both.\n\n"
        ),
    }
}

fn notes_of(parts: &BTreeMap<String, Evaluation>) -> String {
    let notes: Vec<&String> = parts.values().flat_map(|figures| &figures.notes).collect();
    notes.into_iter().fold(String::new(), |told, note| told + &format!("- {note}\n")) + "\n"
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

/// A choice as a spec writes it.
fn word(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice)
        .ok()
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}
