//! Runs with risks of several years: plots, tables, page, terminal and comparisons, from their tables alone.

use super::evaluated::Summary;
use super::survival::testing::risk_rows;
use super::*;
use lungs_base::follow_up::Status;
use lungs_spec::results::{
    HorizonAuc, MetricsRow, PredictionRow, RiskRow, RunFolder, SurvivalMetrics, Table, write_csv,
    write_metrics, write_risks,
};
use lungs_spec::spec::{SplitName, load_resolved};
use lungs_stats::{Options, RiskMapMethod, ScoredExam, evaluate_with_curves};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const HORIZONS: [f64; 4] = [1.0, 2.0, 3.0, 4.0];

/// A new run folder of a spec.
fn folder_of(folder: &Path, name: &str, outcome: &str) -> RunFolder {
    let file = folder.join(format!("{name}.toml"));
    let text = format!(
        "[experiment]\nname = \"{name}\"\n[data]\nroot = \"data\"\nlabels = \"labels.csv\"\n[split]\ntrain = 0.6\n\
         valid = 0.2\ntest = 0.2\n[evaluate]\nrecalibrate = \"platt\"\n{outcome}\n[runtime]\nresults = {:?}\n",
        folder.join("results")
    );
    fs::write(&file, text).unwrap();
    RunFolder::create(&load_resolved(&file, &[]).unwrap()).unwrap()
}

const SURVIVAL: &str = "[outcome]\nname = \"survival\"\nhorizons_years = [1, 2, 3, 4]";

/// Predictions at the first horizon: of the exams of known status, or of all as a binary run has them.
fn predictions(rows: &[RiskRow], known_only: bool) -> Vec<PredictionRow> {
    let known = |row: &&RiskRow| !known_only || row.follow_up.status_at(1.0) != Status::Unknown;
    let row = |row: &RiskRow| PredictionRow {
        exam_id: row.exam_id.clone(),
        patient_id: row.patient_id.clone(),
        series_uid: row.series_uid.clone(),
        label: row.follow_up.status_at(1.0) == Status::Cancer,
        logit: (row.risks[0] / (1.0 - row.risks[0])).ln(),
        probability: row.risks[0],
    };
    rows.iter().filter(known).map(row).collect()
}

fn metrics_of(rows: &[PredictionRow]) -> (lungs_stats::Evaluation, lungs_stats::Curves) {
    let exam = |row: &PredictionRow| ScoredExam {
        patient_id: row.patient_id.clone(),
        exam_id: row.exam_id.clone(),
        label: row.label,
        logit: row.logit,
        probability: row.probability,
    };
    let options = Options { bootstrap_replicates: 20, ..Options::default() };
    evaluate_with_curves(&rows.iter().map(exam).collect::<Vec<_>>(), &options)
}

fn write_evaluation(run: &RunFolder, splits: BTreeMap<String, lungs_stats::Evaluation>) {
    let summary = Summary { selected_epoch: 2, splits };
    fs::write(run.evaluation_file(), serde_json::to_string(&summary).unwrap()).unwrap();
}

/// A finished survival run whose risks have this power; other powers rank alike and are calibrated differently.
fn survival_run(folder: &Path, name: &str, exams: usize, noise: f64) -> RunFolder {
    let run = folder_of(folder, name, SURVIVAL);
    let mut splits = BTreeMap::new();
    let mut calibrator = None;
    for (split, count) in [(SplitName::Valid, exams), (SplitName::Test, exams + 20)] {
        let mut rows = risk_rows(count, &HORIZONS);
        for (index, row) in rows.iter_mut().enumerate() {
            let shift = noise * ((index * 37 % 11) as f64 / 5.0 - 1.0);
            let power = |risk: &f64| 1.0 - (1.0 - risk).powf((1.3 + shift).max(0.05));
            row.risks = row.risks.iter().map(power).collect();
        }
        write_risks(&run.risks(split, 2), &HORIZONS, &rows).unwrap();
        let predicted = predictions(&rows, true);
        assert!(predicted.len() < rows.len(), "some exams are of unknown status");
        write_csv(&run.predictions(split, 2), &predicted).unwrap();
        let (mut metrics, curves) = metrics_of(&predicted);
        write_csv(&run.curve(split, "roc"), &curves.roc_band).unwrap();
        let risks = SplitRisks::read(&run.risks(split, 2)).unwrap().unwrap();
        let calibrated = calibrator.as_ref().map(|map| risks.calibrated(map).unwrap());
        let calibrated = calibrated
            .as_ref()
            .map(|it| ("platt".to_owned(), "the validation split".to_owned(), it));
        let evaluation = risks.evaluate(calibrated).unwrap();
        write_evaluated_risks(&risks, &evaluation, |curve| run.curve(split, curve)).unwrap();
        calibrator = Some(risks.calibrator(RiskMapMethod::Platt).unwrap());
        metrics.survival = Some(Box::new(evaluation));
        splits.insert(split.to_string(), metrics);
    }
    write_evaluation(&run, splits);
    let row = |epoch: usize, split: SplitName| MetricsRow {
        epoch,
        split,
        loss: 1.0 / epoch as f64,
        accuracy: 0.7,
        auc: Some(0.7),
        auc_low: Some(0.6),
        auc_high: Some(0.8),
        learning_rate: 1e-4,
        average_precision: None,
        brier: Some(0.2),
        survival: Some(SurvivalMetrics {
            c_index: Some(0.6 + 0.02 * epoch as f64),
            c_index_low: Some(0.5),
            c_index_high: Some(0.7),
            horizons: HORIZONS.map(|years| HorizonAuc { years, auc: Some(0.65) }).into(),
        }),
    };
    let rows: Vec<MetricsRow> = (1..=3)
        .flat_map(|epoch| [SplitName::Train, SplitName::Valid].map(|split| row(epoch, split)))
        .collect();
    write_metrics(&run.table(Table::Metrics), &rows).unwrap();
    run
}

/// A finished binary run on the test exams of [`survival_run`], all of them labelled at one year.
fn binary_run(folder: &Path, exams: usize) -> RunFolder {
    let run = folder_of(folder, "binary", "");
    let mut splits = BTreeMap::new();
    for (split, count) in [(SplitName::Valid, exams), (SplitName::Test, exams + 20)] {
        let rows = predictions(&risk_rows(count, &HORIZONS), false);
        write_csv(&run.predictions(split, 2), &rows).unwrap();
        splits.insert(split.to_string(), metrics_of(&rows).0);
    }
    write_evaluation(&run, splits);
    run
}

#[test]
fn a_run_of_several_years_has_its_plots_its_table_and_its_section() {
    let folder = tempfile::tempdir().unwrap();
    let run = survival_run(folder.path(), "years", 240, 0.0);
    let written = redraw(&run, folder.path()).unwrap();
    let names: Vec<String> = written
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for name in [
        "c-index.svg",
        "auc-by-year.svg",
        "observed-risk.svg",
        "observed-risk-test.png",
        "risk-calibration.svg",
        "risk-calibration-test.svg",
        "survival.csv",
    ] {
        assert!(names.iter().any(|written| written == name), "{name}: {names:?}");
    }
    let bytes = || -> Vec<Vec<u8>> { written.iter().map(|path| fs::read(path).unwrap()).collect() };
    let before = bytes();
    fs::remove_dir_all(run.plots()).unwrap();
    fs::remove_file(run.root().join("survival.csv")).unwrap();
    assert_eq!(redraw(&run, folder.path()).unwrap(), written);
    assert!(bytes() == before);

    let page = fs::read_to_string(run.report_page()).unwrap();
    if let Some(folder) = std::env::var_os("LUNGS_PAGES") {
        fs::copy(run.report_page(), Path::new(&folder).join("report-years.html")).unwrap();
    }
    for words in [
        "<section id=\"risks\">",
        "Risk over several years",
        "260 test exams with follow-up",
        "the risk of 4 years reached a C-index of 0.",
        "Recalibration by year",
        "(censored)",
        "for cancer within 1 year.",
        "AUC, 1 year",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let text = headline(&run).unwrap();
    assert!(text.contains("C-index 0.") && text.contains("\n              4 years "), "{text}");
    assert!(!text.lines().any(|line| line.ends_with(' ')), "{text}");
}

fn compared(runs: [&RunFolder; 2]) -> Result<Comparison, ReportError> {
    let path = |run: &RunFolder| RunFolder::open(&PathBuf::from(run.root())).unwrap();
    let subjects = runs.map(|run| Subject::Run(path(run)));
    compare(&subjects, CompareOptions::default())
}

#[test]
fn runs_of_several_years_are_compared_by_c_index_and_by_year() {
    let folder = tempfile::tempdir().unwrap();
    let good = survival_run(folder.path(), "good", 240, 0.0);
    let noisy = survival_run(folder.path(), "noisy", 240, 1.2);
    let comparison = compared([&good, &noisy]).unwrap();
    let [test] = comparison.tests.as_slice() else { panic!("one test") };
    let survival = test.survival.as_ref().unwrap();
    assert_eq!((survival.exams, survival.comparison.horizons.len()), (260, HORIZONS.len()));
    let [noisy_c, good_c] = survival.comparison.harrell_c.values.unwrap();
    assert!(noisy_c < good_c, "{noisy_c} {good_c}");
    let sentences = test.sentences().join("\n");
    assert!(sentences.contains("On the same 260 test exams with follow-up ("), "{sentences}");
    assert!(sentences.contains("AUC within 4 years: 0."), "{sentences}");
    assert!(sentences.contains("Holm-corrected for 4 horizons"), "{sentences}");
    let names: Vec<&str> = comparison.metrics.iter().map(|row| row.name.as_str()).collect();
    assert!(names.contains(&"test C-index") && names.contains(&"test AUC within 3 years"));
    assert!(comparison_page(&comparison).contains("AUC within 4 years: 0."));

    // Another follow-up of one exam.
    let path = noisy.risks(SplitName::Test, 2);
    let (horizons, mut rows) = lungs_spec::results::read_risks(&path).unwrap();
    rows[3].follow_up.time_years += 0.25;
    write_risks(&path, &horizons, &rows).unwrap();
    let error = compared([&good, &noisy]).unwrap_err();
    assert!(error.is_request());
    let text = error.to_string();
    assert!(text.contains("different follow-up for 1 common exam (the first is exam-3:"), "{text}");
}

#[test]
fn a_run_of_several_years_is_compared_with_a_binary_run_at_its_first_horizon() {
    let folder = tempfile::tempdir().unwrap();
    let survival = survival_run(folder.path(), "years", 240, 0.5);
    let binary = binary_run(folder.path(), 240);
    let rows = risk_rows(260, &HORIZONS);
    let known = predictions(&rows, true);
    let positives = known.iter().filter(|row| row.label).count();
    for runs in [[&binary, &survival], [&survival, &binary]] {
        let comparison = compared(runs).unwrap();
        let test = &comparison.tests[0];
        assert_eq!((test.exams, test.positives), (known.len(), positives));
        assert!(test.is_common && test.survival.is_none());
        let remark = format!(
            "{} exams of {} are not among these: the follow-up ends before 1 year",
            260 - known.len(),
            binary.name()
        );
        assert!(test.sentence.contains(&remark), "{}", test.sentence);
    }
}
