//! Metrics, comparisons, plots and a page of a table of predictions: `lungs score`.
//!
//! ```text
//!   PredictionTable ──evaluate──► Evaluation of each model ──► Metrics ──► table, JSON
//!                   └─paired tests of all pairs              └► plots, page
//! ```

mod evaluate;
mod metrics;
mod page;
mod plots;
mod points;
mod text;
mod withdraw;

use super::paired::{FixedThreshold, Pair, PairSettings, PairedModel, PairedTest, tests_of};
use super::predictions::{ModelPredictions, PredictionTable};
use evaluate::undefined_reason;
use lungs_base::files::{WriteError, write_bytes};
use lungs_stats::{Curves, Evaluation, Options, repeated_patients};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use evaluate::evaluate_model;
pub use metrics::{Metric, Metrics, NamedMetric};
pub use points::{GroupMetrics, PointMetrics, PrevalenceMetrics, SubgroupMetrics, Threshold};

/// Options of [`score`]; the defaults are those of `[evaluate]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreOptions {
    /// Probability of an additional operating point.
    pub threshold: Option<f64>,
    /// Prevalence of additional predictive values.
    pub prevalence: Option<f64>,
    /// Nominal coverage of the intervals.
    pub confidence: f64,
    /// Replicates of the bootstrap.
    pub replicates: usize,
    /// Seed of the random streams.
    pub seed: u64,
    /// Non-inferiority margin of the AUC.
    pub margin: Option<f64>,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        let Options { level, bootstrap_replicates, seed, .. } = Options::default();
        Self {
            threshold: None,
            prevalence: None,
            confidence: level,
            replicates: bootstrap_replicates,
            seed,
            margin: None,
        }
    }
}

/// The metrics of all models of a table, and their comparisons.
#[derive(Debug, Serialize)]
pub struct ScoreReport {
    /// The file.
    pub file: String,
    /// BLAKE3 of its text.
    pub blake3: String,
    /// Number of exams.
    pub exams: usize,
    /// Number of patients; `None` if the file names none.
    pub patients: Option<usize>,
    /// Number of positive exams.
    pub positives: usize,
    /// Nominal coverage of the intervals.
    pub confidence: f64,
    /// Replicates of the bootstrap.
    pub bootstrap_replicates: usize,
    /// Seed of the random streams.
    pub seed: u64,
    /// Labels of the exams.
    #[serde(skip)]
    labels: Vec<bool>,
    /// Warnings about the exams and the predictions.
    pub warnings: Vec<String>,
    /// How metrics and tests are computed.
    pub notes: Vec<String>,
    /// The models, in the order of their columns.
    #[serde(flatten)]
    pub models: Models,
    /// Paired tests of all pairs of models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<PairedTest>,
}

/// One model, whose metrics are at the top of the JSON object, or several by name.
#[derive(Debug)]
pub struct Models(pub Vec<ScoredModel>);

impl Serialize for Models {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        if let [model] = self.0.as_slice() {
            return model.serialize(to);
        }
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry("models", &ByName(&self.0))?;
        map.end()
    }
}

/// Models as an object by their names, in their order.
struct ByName<'a>(&'a [ScoredModel]);

impl Serialize for ByName<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|model| (&model.name, model)))
    }
}

/// The metrics of one model.
#[derive(Debug, Serialize)]
pub struct ScoredModel {
    /// Name of the model.
    #[serde(rename = "model")]
    pub name: String,
    /// The columns of its predictions.
    pub columns: Vec<String>,
    /// The metrics of all exams.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Sensitivity, specificity and predictive values at thresholds.
    pub operating_points: Vec<PointMetrics>,
    /// Metrics by subgroup.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<SubgroupMetrics>,
    /// Metrics of the population that the weights represent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<Metrics>,
    /// Whether the model predicts probabilities.
    #[serde(skip)]
    has_probabilities: bool,
    /// Why metrics of probabilities or of log-odds are undefined.
    #[serde(skip)]
    undefined_reason: Option<String>,
    #[serde(skip)]
    scores: Vec<f64>,
    #[serde(skip)]
    probabilities: Vec<f64>,
    #[serde(skip)]
    evaluation: Evaluation,
    #[serde(skip)]
    curves: Curves,
}

/// Evaluates every model of a table on all exams, and compares all pairs of models.
pub fn score(table: &PredictionTable, options: &ScoreOptions) -> ScoreReport {
    let models: Vec<ScoredModel> =
        table.models.iter().map(|model| scored_model(table, model, options)).collect();
    let positives = table.exams.iter().filter(|exam| exam.label).count();
    let patients = table.names_patients.then(|| {
        let names = table.exams.iter().map(|exam| exam.patient_id.as_str());
        names.collect::<BTreeSet<_>>().len()
    });
    ScoreReport {
        file: table.path.display().to_string(),
        blake3: table.hash.clone(),
        exams: table.exams.len(),
        patients,
        positives,
        confidence: options.confidence,
        bootstrap_replicates: options.replicates,
        seed: options.seed,
        labels: table.exams.iter().map(|exam| exam.label).collect(),
        warnings: warnings(table, &models),
        notes: notes(table, &models),
        comparisons: comparisons(table, &models, options),
        models: Models(models),
    }
}

fn scored_model(
    table: &PredictionTable,
    model: &ModelPredictions,
    options: &ScoreOptions,
) -> ScoredModel {
    let (evaluation, curves) = evaluate_model(table, model, options);
    ScoredModel {
        name: model.name.clone(),
        columns: model.columns.clone(),
        metrics: Metrics::of(&evaluation),
        operating_points: evaluation
            .operating_points
            .iter()
            .map(|point| PointMetrics::of(point, model.probabilities.is_some()))
            .collect(),
        subgroups: evaluation.subgroups.iter().map(SubgroupMetrics::of).collect(),
        weighted: evaluation.weighted.as_ref().map(Metrics::of_weighted),
        has_probabilities: model.probabilities.is_some(),
        undefined_reason: undefined_reason(model),
        scores: model.scores.clone(),
        probabilities: model.probabilities.clone().unwrap_or_default(),
        evaluation,
        curves,
    }
}

/// Warnings about the classes of the exams, their patients, and the predictions, in this order.
fn warnings(table: &PredictionTable, models: &[ScoredModel]) -> Vec<String> {
    // Exams, and so the warnings about their classes, are those of all models.
    let mut warnings: Vec<String> =
        models.first().and_then(|first| first.evaluation.warning.clone()).into_iter().collect();
    if !table.names_patients {
        warnings.push(
            "the file has no column `patient`: every exam counts as a patient of its own, and intervals are too \
             narrow if patients have several exams"
                .to_owned(),
        );
    }
    warnings.extend(undefined_reasons(table, |model| model.probabilities.is_some()));
    warnings
}

/// How metrics and tests are computed.
fn notes(table: &PredictionTable, models: &[ScoredModel]) -> Vec<String> {
    // Exams, and so the remarks about them, are those of all models.
    let mut notes = models.first().map_or_else(Vec::new, |first| first.evaluation.notes.clone());
    if let (Some((column, _)), 2..) = (&table.weights, models.len()) {
        notes.push(format!("the paired tests do not use the weights of the column `{column}`"));
    }
    notes.extend(undefined_reasons(table, |model| model.probabilities.is_none()));
    notes
}

/// Why metrics are undefined, each reason once with the models that it holds for: `reader, points: the predictions are
/// ranking scores, not probabilities`.
fn undefined_reasons(
    table: &PredictionTable,
    is_included: impl Fn(&ModelPredictions) -> bool,
) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for model in table.models.iter().filter(|model| is_included(model)) {
        let Some(reason) = undefined_reason(model) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, models)) => models.push(&model.name),
            None => reasons.push((reason, vec![&model.name])),
        }
    }
    let sentence = |(reason, models): (String, Vec<&str>)| match table.models.len() {
        1 => reason,
        _ => format!("{}: {reason}", models.join(", ")),
    };
    reasons.into_iter().map(sentence).collect()
}

/// Paired tests of every model against every earlier one.
fn comparisons(
    table: &PredictionTable,
    models: &[ScoredModel],
    options: &ScoreOptions,
) -> Vec<PairedTest> {
    let labels: Vec<bool> = table.exams.iter().map(|exam| exam.label).collect();
    let patients = repeated_patients(table.exams.iter().map(|exam| exam.patient_id.as_str()));
    let settings =
        PairSettings { level: options.confidence, seed: options.seed, margin: options.margin };
    let mut pairs = Vec::new();
    for (index, model) in models.iter().enumerate() {
        for reference in &models[..index] {
            pairs.push(Pair {
                models: [paired_model(model), paired_model(reference)],
                labels: labels.clone(),
                patients: patients.clone(),
                exams: ["exam", "exams"].map(str::to_owned),
                is_common: false,
                remark: None,
                survival: None,
            });
        }
    }
    tests_of(pairs.into_iter().map(Ok).collect(), &settings)
}

fn paired_model(model: &ScoredModel) -> PairedModel {
    PairedModel {
        name: model.name.clone(),
        phrase: model.name.clone(),
        scores: model.scores.clone(),
        thresholds: FixedThreshold::of(&model.evaluation.operating_points),
    }
}

/// Writes `report.html`, `metrics.json` and the plots into a folder, and returns the page.
///
/// # Errors
/// When a file cannot be written.
pub fn write_score(report: &ScoreReport, folder: &Path) -> Result<PathBuf, WriteError> {
    let plots = plots::score_plots(report, &report.labels);
    for (name, drawing) in &plots {
        let file = |extension: &str| folder.join("plots").join(format!("{name}.{extension}"));
        write_bytes(&file("svg"), drawing.svg.as_bytes())?;
        write_bytes(&file("png"), &drawing.png)?;
    }
    write_bytes(&folder.join("metrics.json"), report.to_json().as_bytes())?;
    let page = folder.join("report.html");
    write_bytes(&page, page::score_page(report, &plots).as_bytes())?;
    Ok(page)
}

impl ScoreReport {
    /// The main warning, which is shown above the metrics, if the exams are of one class; then the other warnings.
    pub fn leading_and_other_warnings(&self) -> (Option<&str>, &[String]) {
        match self.warnings.split_first() {
            Some((first, others)) if self.positives == 0 || self.positives == self.exams => {
                (Some(first.as_str()), others)
            }
            _ => (None, self.warnings.as_slice()),
        }
    }

    /// The metrics as one JSON object.
    pub fn to_json(&self) -> String {
        // Names are strings and numbers are finite, so that there is a JSON form.
        serde_json::to_string_pretty(self).expect("plain data has a JSON form") + "\n"
    }
}
