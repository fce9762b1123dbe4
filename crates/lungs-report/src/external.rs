//! The evaluation of a trained model on other exams: the model, its development, and both side by side.

use super::ReportError;
use super::evaluated::{read_json, summary};
use super::headline::{auc_with_interval, plain, share};
use super::plot::NamedRoc;
use super::run_predictions::RunPredictions;
use super::thresholds::{text_of_threshold, threshold_of_rule};
use lungs_base::text::counted;
use lungs_spec::results::{RunFolder, read_csv};
use lungs_spec::spec::{SplitName, horizon_words};
use lungs_stats::{
    ChosenOn, Evaluation, OperatingPoint, Proportion, RocPoint, SurvivalEstimate,
    SurvivalEvaluation, roc,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The content of `external.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct External {
    /// Path of the model, as given.
    pub model: String,
    /// Kind of the model.
    pub kind: ModelKind,
    /// BLAKE3 of the weights of each network.
    pub networks: Vec<String>,
    /// The epoch of the network of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_epoch: Option<usize>,
    /// BLAKE3 of the maps to calibrated probabilities, if every network has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
    /// Metrics of the development by split: `valid` and `test`, or `out-of-fold`; empty for weights without a run.
    #[serde(default)]
    pub development: BTreeMap<String, Evaluation>,
    /// Exams that the development and these exams have in common; `None` if the exams of the development are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// Kind of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// A run with one network.
    Run,
    /// All folds of a cross-validation, as an ensemble.
    CrossValidation,
    /// An archive of `lungs export`.
    Archive,
    /// A file of weights.
    Weights,
}

/// What the exams of the development and the external exams have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Patients with the same ID.
    pub patients: usize,
    /// Series with the same voxels.
    pub series: usize,
}

impl Overlap {
    /// A warning; `None` without anything in common.
    pub fn warning(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let ids = counted(self.patients, "patient ID is", "patient IDs are");
        let series = counted(self.series, "series has", "series have");
        Some(format!(
            "{ids} also in the data of the development, and {series} the same voxels as one of its series: the \
             metrics of exams that trained the network or selected its epoch are biased upwards"
        ))
    }
}

impl External {
    /// The model in words.
    pub fn description(&self) -> String {
        let epoch = self.selected_epoch.map_or(String::new(), |epoch| format!(", epoch {epoch}"));
        let networks = match self.networks.len() {
            0 | 1 => String::new(),
            count => format!(", mean of {count} networks"),
        };
        format!("{}{epoch}{networks}", self.model)
    }

    /// The split whose exams chose the thresholds of the development.
    pub fn chosen_on(&self) -> Option<(&'static str, &Evaluation)> {
        ["valid", "out-of-fold"].into_iter().find_map(|key| Some((key, self.development.get(key)?)))
    }
}

/// The split of the development that external exams are compared with: the one that is least biased.
fn development_split(external: &External) -> Option<(&str, &Evaluation)> {
    ["test", "out-of-fold", "valid"].into_iter().find_map(|key| {
        external.development.get_key_value(key).map(|(key, metrics)| (key.as_str(), metrics))
    })
}

/// The ROC curve of a model's development, from the predictions of its run; `None` if the run has none.
///
/// # Errors
/// The predictions cannot be read, or contradict their cohort.
pub fn development_roc(
    run: &RunFolder,
    external: &External,
) -> Result<Option<Vec<RocPoint>>, ReportError> {
    let Some((key, _)) = development_split(external) else { return Ok(None) };
    let predictions = RunPredictions::of(run)?;
    let epoch = external.selected_epoch.unwrap_or_default();
    let rows = match key {
        "test" => predictions.read(SplitName::Test, epoch)?,
        "valid" => predictions.read(SplitName::Valid, epoch)?,
        _ if run.pooled_predictions().is_file() => Some(predictions.pooled()?),
        _ => None,
    };
    Ok(rows.map(|rows| {
        let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
        roc(&logits, &labels)
    }))
}

/// The stored ROC curve of the development, for the plot; `None` if there is none.
pub(crate) fn stored_development_roc(run: &RunFolder) -> Result<Option<NamedRoc>, ReportError> {
    let (path, external) = (run.development_curve("roc"), external(run)?);
    let split = external.as_ref().and_then(development_split);
    let Some((key, metrics)) = split.filter(|_| path.is_file()) else { return Ok(None) };
    Ok(Some(NamedRoc {
        name: format!("development, {}", name_of_split(key)),
        points: read_csv(&path)?,
        band: Vec::new(),
        auc: metrics.auc.value,
        interval: metrics.auc.interval,
        positives: metrics.positives,
        negatives: metrics.exams - metrics.positives,
    }))
}

/// The model of an external evaluation; `None` for a run.
///
/// # Errors
/// [`ReportError::Results`] if `external.json` cannot be read.
pub fn external(run: &RunFolder) -> Result<Option<External>, ReportError> {
    if run.is_external() { read_json(run.external_file()).map(Some) } else { Ok(None) }
}

/// Name of a split of the development or of the external exams.
pub(crate) fn name_of_split(key: &str) -> &str {
    if key == "valid" { "validation" } else { key }
}

/// Metrics of the development and of the external exams, a column for each split; the first row has their names.
pub(crate) fn side_by_side(external: &External, metrics: &Evaluation) -> Vec<Vec<String>> {
    let development: Vec<(&str, &Evaluation)> =
        external.development.iter().rev().map(|(key, metrics)| (key.as_str(), metrics)).collect();
    let columns: Vec<(&str, &Evaluation)> =
        development.into_iter().chain([("external", metrics)]).collect();
    let row = |name: &str, text: &dyn Fn(&str, &Evaluation) -> String| -> Vec<String> {
        let cells = columns.iter().map(|(key, metrics)| text(key, metrics));
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let mut rows = vec![
        row("", &|key, _| name_of_split(key).to_owned()),
        row("exams (positive)", &|_, it| format!("{} ({})", it.exams, it.positives)),
        row("AUC", &|_, it| auc_with_interval(it)),
        row("average precision", &|_, it| plain(&it.average_precision)),
        row("Brier score", &|_, it| plain(&it.calibration.brier)),
        row("calibration slope", &|_, it| plain(&it.calibration.slope)),
    ];
    if let Some(survival) = &metrics.survival {
        rows.push(row("C-index", &|_, it| of_survival(it, |it| Some(&it.harrell_c))));
        rows.extend(survival.horizons.iter().map(|horizon| {
            let years = horizon.horizon_years;
            let auc = |it: &Evaluation| {
                of_survival(it, |it| {
                    let same = it.horizons.iter().find(|it| it.horizon_years == years);
                    same.map(|it| &it.auc)
                })
            };
            row(&format!("AUC within {}", horizon_words(years)), &|_, it| auc(it))
        }));
    }
    if metrics.recalibrated.is_some() {
        let after = |it: &Evaluation| it.recalibrated.as_ref().map(|it| plain(&it.after.brier));
        rows.push(row("Brier score, calibrated", &|_, it| after(it).unwrap_or("–".to_owned())));
    }
    for point in metrics.operating_points.iter().filter(|it| it.chosen_on != ChosenOn::TheseExams) {
        let origin = match (point.chosen_on, external.chosen_on()) {
            (ChosenOn::Development, Some((key, _))) => {
                format!(", {}, chosen on {}", threshold_of_rule(point.rule), name_of_split(key))
            }
            _ => String::new(),
        };
        let at = format!("{}{origin}", text_of_threshold(point));
        let of_split = |name: &str, read: &dyn Fn(&OperatingPoint) -> &Proportion| {
            row(&format!("{name} at {at}"), &|key, metrics| {
                let own = if key == "external" { Some(point) } else { same_point(point, metrics) };
                own.map_or("–".to_owned(), |point| share(read(point)))
            })
        };
        rows.push(of_split("sensitivity", &|point| &point.sensitivity));
        rows.push(of_split("specificity", &|point| &point.specificity));
    }
    rows
}

/// A metric of the risks of several years.
fn of_survival(
    metrics: &Evaluation,
    read: impl Fn(&SurvivalEvaluation) -> Option<&SurvivalEstimate>,
) -> String {
    let estimate = metrics.survival.as_deref().and_then(read);
    estimate.map_or("–".to_owned(), |estimate| plain(&estimate.to_estimate()))
}

/// The operating point of the development with the threshold of an external point.
fn same_point<'a>(point: &OperatingPoint, metrics: &'a Evaluation) -> Option<&'a OperatingPoint> {
    let same =
        |it: &&OperatingPoint| it.rule == point.rule && it.threshold_logit == point.threshold_logit;
    metrics.operating_points.iter().find(same)
}

/// The result of an external evaluation for the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalHeadline {
    /// The model.
    pub model: String,
    /// Metrics side by side, a column for each split; the first row has their names.
    pub rows: Vec<Vec<String>>,
    /// Warnings and remarks.
    pub remarks: Vec<String>,
}

/// The result of an external evaluation; `None` for a run.
///
/// # Errors
/// When the evaluation is not finished or cannot be read.
pub fn external_headline(run: &RunFolder) -> Result<Option<ExternalHeadline>, ReportError> {
    let Some(external) = external(run)? else { return Ok(None) };
    let summary = summary(run)?;
    let Some(metrics) = summary.splits.get("external") else { return Ok(None) };
    let warnings = metrics.warning.iter().cloned();
    let warnings = warnings.chain(external.overlap.and_then(|overlap| overlap.warning()));
    let mut remarks: Vec<String> = warnings.map(|warning| format!("Warning: {warning}.")).collect();
    if external.development.is_empty() {
        remarks.push("The metrics of the model's development are unknown.".to_owned());
    }
    Ok(Some(ExternalHeadline {
        model: external.description(),
        rows: side_by_side(&external, metrics),
        remarks,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_stats::{Options, ScoredExam, evaluate};

    fn exams(shift: f64) -> Vec<ScoredExam> {
        (0..60)
            .map(|index| {
                let label = index % 3 == 0;
                let logit = f64::from(index % 7) - 3.0 + shift * f64::from(u8::from(label));
                ScoredExam {
                    patient_id: index.to_string(),
                    exam_id: index.to_string(),
                    label,
                    logit,
                    probability: 1.0 / (1.0 + (-logit).exp()),
                }
            })
            .collect()
    }

    #[test]
    fn development_and_external_metrics_are_side_by_side_at_the_same_thresholds() {
        let options = Options { bootstrap_replicates: 0, ..Options::default() };
        let valid = evaluate(&exams(2.0), &options);
        let chosen = valid.operating_points.iter();
        let validated = chosen.filter(|point| point.chosen_on == ChosenOn::TheseExams);
        let validated = validated.filter_map(|it| Some((it.rule, it.threshold_logit?))).collect();
        let mut metrics = evaluate(&exams(0.5), &Options { validated, ..options });
        for point in &mut metrics.operating_points {
            if point.chosen_on == ChosenOn::Validation {
                point.chosen_on = ChosenOn::Development;
            }
        }
        let external = External {
            model: "results/a".to_owned(),
            kind: ModelKind::Run,
            networks: vec!["0".to_owned()],
            selected_epoch: Some(3),
            calibration: None,
            development: BTreeMap::from([("valid".to_owned(), valid.clone())]),
            overlap: None,
        };
        assert_eq!(external.description(), "results/a, epoch 3");
        let (_, survival) = crate::survival::testing::evaluated(120, &[1.0, 3.0]);
        metrics.survival = Some(Box::new(survival.clone()));
        let rows = side_by_side(&external, &metrics);
        assert_eq!(rows[0], ["", "validation", "external"]);
        // The development has no risks of several years.
        let c_index = rows.iter().find(|row| row[0] == "C-index").expect("a row");
        let value = format!("{:.3} ", survival.harrell_c.value.unwrap());
        assert!(c_index[1] == "–" && c_index[2].starts_with(&value), "{c_index:?}");
        assert!(rows.iter().any(|row| row[0] == "AUC within 3 years"));
        assert!(rows.iter().all(|row| row.len() == 3));
        let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert!(names.contains(&"sensitivity at p ≥ 0.5"), "{names:?}");
        let youden = names.iter().position(|name| {
            name.starts_with("specificity at ")
                && name.ends_with("Youden's index, chosen on validation")
        });
        let row = &rows[youden.expect("a row")];
        // The same threshold has another specificity on each split.
        let value = |points: &[OperatingPoint], chosen_on| {
            let point = points.iter().rfind(|point| point.chosen_on == chosen_on);
            format!("{:.3} ", point.unwrap().specificity.value.unwrap())
        };
        let expected = [
            value(&valid.operating_points, ChosenOn::TheseExams),
            value(&metrics.operating_points, ChosenOn::Development),
        ];
        assert!(row[1].starts_with(&expected[0]) && row[2].starts_with(&expected[1]), "{row:?}");
    }

    #[test]
    fn exams_in_common_are_a_warning() {
        assert_eq!(Overlap::default().warning(), None);
        let warning = Overlap { patients: 2, series: 1 }.warning().unwrap();
        assert!(warning.starts_with("2 patient IDs are also in"), "{warning}");
        assert!(warning.contains("1 series has the same voxels"), "{warning}");
    }
}
