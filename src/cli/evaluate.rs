//! `lungs evaluate`

use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::{CommandResult, Failure};
use crate::pipeline::{self, ExternalRequest};
use clap::Args;
use lungs_report::{self as report, RobustnessRow, robustness_table};
use lungs_spec::results::{RunFolder, Table, read_csv};
use lungs_spec::spec::{OtherExams, load_resolved};
use lungs_train::Observer;
use std::path::{Path, PathBuf};

/// Evaluate runs at their selected epoch, or a trained model on other exams.
///
/// Selects an epoch by the rule of the spec, predicts the test split if that has not been done, and rewrites
/// `evaluation.json` and the plots. For a cross-validation, evaluates each fold and then the pooled predictions.
///
/// With --data, evaluates one model on other exams (external validation): a run, the folds of a cross-validation as
/// an ensemble, an archive of `lungs export`, or a weights file. The model's preprocessing, thresholds and
/// calibration are applied unchanged. The folder --out has the tables, plots and page of a run. The same command
/// resumes an interrupted evaluation.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c \\\n      --set 'evaluate.subgroups=[\"manufacturer\"]'\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c --robustness\n  lungs evaluate demo.lungs.zip --data data/other \\\n      --labels data/other/labels.csv --out results/demo-on-other"
)]
pub(super) struct Evaluate {
    /// Run folders; with --data, one run, archive or weights file.
    #[arg(required = true, value_name = "RUN|MODEL")]
    runs: Vec<PathBuf>,

    /// Override a key of [evaluate], e.g. evaluate.prevalence=0.01; saved with the run. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Use the original labels, lists and images even if they have changed since the run began.
    #[arg(long)]
    keep_inputs: bool,

    /// Predict again after changes of the prepared volumes that a scanner could make: noise, shifts of
    /// Hounsfield units, thicker slices, smoother and sharper kernels; reports the change of AUC and decisions.
    #[arg(long)]
    robustness: bool,

    #[command(flatten)]
    external: External,
}

/// Options of the evaluation on other exams.
#[derive(Args)]
#[command(next_help_heading = "Other exams")]
struct External {
    /// Folder with the CT images of other exams.
    #[arg(long, value_name = "FOLDER", requires = "labels", requires = "out")]
    data: Option<PathBuf>,

    /// CSV file with the labels of these exams, as data.labels of a spec.
    #[arg(long, value_name = "CSV", requires = "data")]
    labels: Option<PathBuf>,

    /// Output folder of the evaluation.
    #[arg(long, value_name = "FOLDER", requires = "data")]
    out: Option<PathBuf>,

    /// Folder of prepared volumes. Default: next to the images.
    #[arg(long, value_name = "FOLDER", requires = "data")]
    cache: Option<PathBuf>,

    /// Spec with the [preprocess] and model.slices of the training, for weights without metadata.
    #[arg(long, value_name = "SPEC", requires = "data")]
    spec: Option<PathBuf>,

    /// Use the preprocessing of --spec even if the metadata of the weights differ; predictions may be wrong.
    #[arg(long, requires = "spec")]
    any_preprocessing: bool,

    /// Device: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto", requires = "data")]
    device: String,
}

impl Evaluate {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        let External { data, labels, out, .. } = &self.external;
        if let (Some(data), Some(labels), Some(out)) = (data, labels, out) {
            return self.evaluate_external([data, labels, out], output, &progress.observer());
        }
        for path in &self.runs {
            let folder = RunFolder::open_run(path)?;
            let spec = load_resolved(&folder.spec_file(), &self.set)?;
            output.report_renamed_keys(&spec);
            let differences = folder.spec()?.result_differences(&spec);
            if let Some(difference) = differences.first() {
                return Err(Failure::request(format!(
                    "--set {}: this key affects training and cannot change after it; expected a key of \
                     [evaluate]",
                    difference.key
                )));
            }
            use_threads(&spec);
            if !self.keep_inputs {
                pipeline::check_inputs(&spec, &folder)?;
            }
            let observe = progress.observer();
            pipeline::evaluate(&spec, &folder, &observe)?;
            if self.robustness {
                pipeline::measure_robustness(&spec, &folder, &observe)?;
            }
            for (run, _) in folder.members()? {
                output.answer(report::headline(&run)?);
            }
            if spec.is_of_all_folds() {
                output.answer(report::headline_of_folds(&folder)?);
            }
            if self.robustness {
                answer_robustness(&folder, output)?;
            }
        }
        Ok(())
    }

    fn evaluate_external(
        &self,
        [data, labels, out]: [&Path; 3],
        output: &Output,
        observe: &Observer,
    ) -> CommandResult {
        let [model] = &self.runs[..] else {
            return Err(Failure::request(format!(
                "found {} models, expected one with --data; evaluate each model into a folder of its own, then \
                 compare the folders with `lungs compare`",
                self.runs.len()
            )));
        };
        let External { cache, spec, any_preprocessing, device, .. } = &self.external;
        let request = ExternalRequest {
            model,
            spec: spec.as_deref(),
            any_preprocessing: *any_preprocessing,
            exams: OtherExams {
                root: data.to_owned(),
                labels: labels.to_owned(),
                cache: cache.clone(),
                device: device.clone(),
            },
            set: &self.set,
            out,
            keep_inputs: self.keep_inputs,
            robustness: self.robustness,
        };
        let outcome = pipeline::evaluate_external(&request, observe)?;
        if outcome.was_finished {
            output.say(format!("{} is finished already.\n", outcome.run.root().display()));
        }
        answer_external(&outcome.run, output)
    }
}

/// Prints development and external metrics side by side.
fn answer_external(run: &RunFolder, output: &Output) -> CommandResult {
    let headline = report::external_headline(run)?;
    if let Some(headline) = headline {
        output.answer(format!("Model: {}\n", headline.model));
        output.answer(columns(&headline.rows));
        if !headline.remarks.is_empty() {
            output.answer(format!("\n{}", headline.remarks.join("\n")));
        }
    }
    if run.table(Table::Robustness).is_file() {
        answer_robustness(run, output)?;
    }
    output.answer(format!("\nTables: {}", run.root().display()));
    output.answer(format!("Report: {}", run.report_page().display()));
    Ok(())
}

/// Prints the table of robustness.
fn answer_robustness(run: &RunFolder, output: &Output) -> CommandResult {
    let rows: Vec<RobustnessRow> = read_csv(&run.table(Table::Robustness))?;
    output.answer(format!(
        "\nRobustness, changed minus unchanged:\n{}",
        columns(&robustness_table(&rows))
    ));
    Ok(())
}
