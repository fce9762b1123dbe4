//! `lungs sample-size`

use super::output::{Output, columns};
use super::score::{PredictionColumns, parse_share};
use super::{CommandResult, Failure};
use clap::{ArgGroup, Args, Subcommand};
use lungs_base::text::counted;
use lungs_report::{ModelPredictions, PredictionTable};
use lungs_stats::{
    PairedAucPlan, PlanningError, auc_correlation, exams_for_auc_width,
    exams_for_observed_expected_width, exams_for_paired_auc_power, exams_for_share_width,
    exams_for_slope_width, paired_auc_power, repeated_patients,
};
use serde::Serialize;
use std::path::PathBuf;

/// Number of exams that a study needs: for an interval of a given width, for calibration, or for power.
///
/// Assumes independent exams: if patients have several exams, the result is the number of patients.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs sample-size auc --auc 0.85 --prevalence 0.02 --width 0.1\n  lungs sample-size sensitivity --sensitivity 0.9 --specificity 0.8 \\\n      --prevalence 0.02 --width 0.1\n  lungs sample-size calibration --prevalence 0.02 --width 0.4 \\\n      --slope-width 0.4 --predictions pilot.csv\n  lungs sample-size comparison --auc 0.88 --other 0.84 --correlation 0.6 \\\n      --prevalence 0.02"
)]
pub(super) struct SampleSize {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    Auc(Auc),
    Sensitivity(Sensitivity),
    Calibration(Calibration),
    Comparison(Comparison),
}

/// Options of all questions.
#[derive(Args)]
struct Common {
    /// Expected share of positive exams.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    prevalence: f64,

    /// Level of the confidence intervals. A comparison is tested at the two-sided level of 1 − this.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = parse_share)]
    confidence: f64,

    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// Exams for an interval of the AUC.
#[derive(Args)]
struct Auc {
    /// Expected AUC.
    #[arg(long, value_name = "AUC", value_parser = parse_share)]
    auc: f64,

    /// Width of the interval of the AUC, from its lower to its upper end: 0.1 for 0.80 to 0.90.
    #[arg(long, value_name = "WIDTH", value_parser = parse_share)]
    width: f64,

    #[command(flatten)]
    common: Common,
}

/// Exams for intervals of sensitivity and specificity.
#[derive(Args)]
struct Sensitivity {
    /// Expected sensitivity.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    sensitivity: f64,

    /// Expected specificity. Default: no interval of the specificity
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    specificity: Option<f64>,

    /// Width of the interval of each share, from its lower to its upper end: 0.1 for 0.85 to 0.95.
    #[arg(long, value_name = "WIDTH", value_parser = parse_share)]
    width: f64,

    #[command(flatten)]
    common: Common,
}

/// Exams for intervals of observed / expected positive exams and of the calibration slope (Riley et al. 2021).
#[derive(Args)]
struct Calibration {
    /// Width of the interval of observed / expected positive exams, if their ratio is 1: 0.4 for about 0.82 to 1.22.
    #[arg(long, value_name = "WIDTH")]
    width: f64,

    /// Width of the interval of the calibration slope, if the predictions are calibrated: 0.4 for 0.8 to 1.2.
    #[arg(long, value_name = "WIDTH", requires = "predictions")]
    slope_width: Option<f64>,

    /// CSV file of earlier predictions of the model, as for `lungs score`; their log-odds are the expected ones.
    #[arg(long, value_name = "CSV")]
    predictions: Option<PathBuf>,

    #[command(flatten)]
    columns: PredictionColumns,

    #[command(flatten)]
    common: Common,
}

/// Exams for the paired test of two AUCs, or its power.
#[derive(Args)]
#[command(group(ArgGroup::new("correlation_of_aucs").args(["correlation", "predictions"]).required(true)))]
struct Comparison {
    /// Expected AUC of one model.
    #[arg(long, value_name = "AUC", value_parser = parse_share)]
    auc: f64,

    /// Expected AUC of the other model.
    #[arg(long, value_name = "AUC", value_parser = parse_share)]
    other: f64,

    /// Expected correlation of the two AUCs on the same exams, greater than −1 and less than 1.
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    correlation: Option<f64>,

    /// CSV file with earlier predictions of both models, as for `lungs score`, that gives the correlation.
    /// Instead of --correlation.
    #[arg(long, value_name = "CSV")]
    predictions: Option<PathBuf>,

    #[command(flatten)]
    columns: PredictionColumns,

    /// Power of the test.
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = parse_share)]
    power: f64,

    /// Print the power with this number of exams instead.
    #[arg(long, value_name = "COUNT", conflicts_with = "power")]
    exams: Option<u32>,

    #[command(flatten)]
    common: Common,
}

/// The exams that one criterion needs.
#[derive(Serialize)]
struct Requirement {
    criterion: String,
    exams: u64,
    positives: u64,
}

impl Requirement {
    fn new(criterion: String, exams: u64, prevalence: f64) -> Self {
        Self { criterion, exams, positives: (exams as f64 * prevalence).ceil() as u64 }
    }
}

/// The exams that all criteria need.
#[derive(Serialize)]
struct Plan {
    exams: u64,
    positives: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<f64>,
    criteria: Vec<Requirement>,
}

/// The power of a number of exams.
#[derive(Serialize)]
struct Power {
    power: f64,
    exams: u32,
    correlation: f64,
}

impl SampleSize {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        match &self.question {
            Question::Auc(question) => question.execute(output),
            Question::Sensitivity(question) => question.execute(output),
            Question::Calibration(question) => question.execute(output),
            Question::Comparison(question) => question.execute(output),
        }
    }
}

impl Common {
    fn requirement(
        &self,
        criterion: String,
        exams: Result<u64, PlanningError>,
    ) -> Result<Requirement, Failure> {
        Ok(Requirement::new(criterion, exams.map_err(Failure::request)?, self.prevalence))
    }

    fn print(
        &self,
        criteria: Vec<Requirement>,
        correlation: Option<f64>,
        output: &Output,
    ) -> CommandResult {
        let largest = |of: fn(&Requirement) -> u64| criteria.iter().map(of).max().unwrap_or(0);
        let plan = Plan {
            exams: largest(|it| it.exams),
            positives: largest(|it| it.positives),
            correlation,
            criteria,
        };
        if self.json {
            output.answer(serde_json::to_string_pretty(&plan).map_err(Failure::work)?);
            return Ok(());
        }
        let mut rows = vec![["", "exams", "positive", "negative"].map(str::to_owned).to_vec()];
        for it in &plan.criteria {
            let counts = [it.exams, it.positives, it.exams - it.positives].map(|n| n.to_string());
            rows.push([vec![it.criterion.clone()], counts.to_vec()].concat());
        }
        output.answer(columns(&rows));
        if let Some(correlation) = correlation {
            output.answer(format!("\nCorrelation of the AUCs: {correlation:.3}"));
        }
        Ok(())
    }
}

impl Auc {
    fn execute(&self, output: &Output) -> CommandResult {
        let Common { prevalence, confidence, .. } = self.common;
        let exams = exams_for_auc_width(self.auc, prevalence, self.width, confidence);
        let criterion = format!("AUC of {}, interval {} wide", self.auc, self.width);
        self.common.print(vec![self.common.requirement(criterion, exams)?], None, output)
    }
}

impl Sensitivity {
    fn execute(&self, output: &Output) -> CommandResult {
        let Common { prevalence, confidence, .. } = self.common;
        let shares = [("sensitivity", Some(self.sensitivity), prevalence)].into_iter().chain([(
            "specificity",
            self.specificity,
            1.0 - prevalence,
        )]);
        let mut criteria = Vec::new();
        for (name, expected, share_of_class) in shares {
            let Some(expected) = expected else { continue };
            let of_class = exams_for_share_width(expected, self.width, confidence);
            let exams = of_class.map(|count| (count as f64 / share_of_class).ceil() as u64);
            let criterion = format!("{name} of {expected}, interval {} wide", self.width);
            criteria.push(self.common.requirement(criterion, exams)?);
        }
        self.common.print(criteria, None, output)
    }
}

impl Calibration {
    fn execute(&self, output: &Output) -> CommandResult {
        let Common { prevalence, confidence, .. } = self.common;
        let exams = exams_for_observed_expected_width(prevalence, self.width, confidence);
        let criterion = format!("observed / expected of 1, interval {} wide", self.width);
        let mut criteria = vec![self.common.requirement(criterion, exams)?];
        if let (Some(width), Some(path)) = (self.slope_width, &self.predictions) {
            let table = read(path, &self.columns)?;
            let [model] = table.models.as_slice() else {
                return Err(count_of_models(&table, "one model"));
            };
            if model.probabilities.is_none() || model.saturated > 0 {
                return Err(Failure::request(format!(
                    "{}: the slope needs log-odds; expected a column of probabilities greater than 0 and less than \
                     1, or of log-odds",
                    path.display()
                )));
            }
            let exams = exams_for_slope_width(&model.scores, width, confidence);
            let criterion = format!("calibration slope of 1, interval {width} wide");
            criteria.push(self.common.requirement(criterion, exams)?);
        }
        self.common.print(criteria, None, output)
    }
}

impl Comparison {
    fn execute(&self, output: &Output) -> CommandResult {
        let Common { prevalence, confidence, json } = self.common;
        let correlation = self.correlation()?;
        let plan = PairedAucPlan { aucs: [self.auc, self.other], correlation };
        let Some(exams) = self.exams else {
            let exams = exams_for_paired_auc_power(plan, prevalence, self.power, confidence);
            let criterion =
                format!("AUCs of {} and {}, power {}", self.auc, self.other, self.power);
            let criteria = vec![self.common.requirement(criterion, exams)?];
            return self.common.print(criteria, Some(correlation), output);
        };
        let count = f64::from(exams);
        let (positives, negatives) = (count * prevalence, count * (1.0 - prevalence));
        let power =
            paired_auc_power(plan, positives, negatives, confidence).map_err(Failure::request)?;
        if json {
            let power = Power { power, exams, correlation };
            output.answer(serde_json::to_string_pretty(&power).map_err(Failure::work)?);
        } else {
            output.answer(format!(
                "The paired test of AUCs of {} and {} with {} has a power of {power:.3}\n\
                 Correlation of the AUCs: {correlation:.3}",
                self.auc,
                self.other,
                counted(exams as usize, "exam", "exams")
            ));
        }
        Ok(())
    }

    /// The given correlation, or that of the two models of the file.
    fn correlation(&self) -> Result<f64, Failure> {
        let Some(path) = &self.predictions else { return Ok(self.correlation.unwrap_or(0.0)) };
        let table = read(path, &self.columns)?;
        let [ModelPredictions { scores: a, .. }, ModelPredictions { scores: b, .. }] =
            table.models.as_slice()
        else {
            return Err(count_of_models(&table, "two models"));
        };
        let labels: Vec<bool> = table.exams.iter().map(|exam| exam.label).collect();
        let patients = repeated_patients(table.exams.iter().map(|exam| exam.patient_id.as_str()));
        auc_correlation([a, b], &labels, patients.as_deref()).ok_or_else(|| {
            Failure::request(format!(
                "{}: the correlation of the AUCs is undefined, because an AUC has no variance; use --correlation",
                path.display()
            ))
        })
    }
}

fn read(path: &std::path::Path, columns: &PredictionColumns) -> Result<PredictionTable, Failure> {
    PredictionTable::read(path, &columns.requested()).map_err(Failure::request)
}

fn count_of_models(table: &PredictionTable, expected: &str) -> Failure {
    let names: Vec<&str> = table.models.iter().map(|model| model.name.as_str()).collect();
    Failure::request(format!(
        "{} has {} ({}), expected {expected}; name the columns with --probability COLUMN and --score COLUMN",
        table.path.display(),
        counted(names.len(), "model", "models"),
        names.join(", ")
    ))
}
