//! Synthetic finished runs: run folders with tables for any number of exams, without training.

use lungs_report::Summary;
use lungs_spec::results::{
    ColumnRow, MetricsRow, PredictionRow, Program, Provenance, RunFolder, Table, now_utc, write_csv,
};
use lungs_spec::spec::{Spec, SplitName, load_resolved};
use lungs_stats::{ChosenOn, Grouping, Options, ScoredExam, evaluate_with_curves};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Writes a finished run of the experiment `name` into `folder`, with `evaluated` validation exams, as many
/// test exams, and three times as many training exams, one in four positive. `seed` changes the predictions only.
pub(crate) fn run(folder: &Path, name: &str, evaluated: usize, seed: u64) -> RunFolder {
    run_of(folder, name, evaluated, seed, 4)
}

/// [`run`] with one positive exam in `one_in`, and predictions that are as probable as that.
pub(crate) fn run_of(
    folder: &Path,
    name: &str,
    evaluated: usize,
    seed: u64,
    one_in: usize,
) -> RunFolder {
    let spec = spec(folder, name, seed);
    let run = RunFolder::create(&spec).unwrap();
    write_tables(&run, evaluated, one_in);
    let mut splits = BTreeMap::new();
    let mut validated = Vec::new();
    for split in [SplitName::Valid, SplitName::Test] {
        let rows = predictions(split, evaluated, seed, one_in);
        write_csv(&run.predictions(split, 2), &rows).unwrap();
        write_csv(&run.predictions(split, 1), &rows).unwrap();
        let scored: Vec<ScoredExam> = rows.iter().map(scored).collect();
        let grouping = Grouping {
            by: "sex".into(),
            groups: vec!["female".into(), "male".into()],
            of: (0..evaluated).map(|exam| (exam % 7 != 5).then_some(exam / 4 % 2)).collect(),
        };
        let options = Options {
            bootstrap_replicates: 50,
            groupings: vec![grouping],
            prevalence: Some(0.01),
            validated: std::mem::take(&mut validated),
            ..Options::default()
        };
        let (metrics, curves) = evaluate_with_curves(&scored, &options);
        write_csv(&run.curve(split, "roc"), &curves.roc_band).unwrap();
        write_csv(&run.curve(split, "precision-recall"), &curves.precision_recall).unwrap();
        write_csv(&run.curve(split, "precision-band"), &curves.precision_band).unwrap();
        write_csv(&run.curve(split, "decision"), &curves.decision).unwrap();
        let points = metrics.operating_points.iter();
        validated = points
            .filter(|point| point.chosen_on == ChosenOn::TheseExams)
            .filter_map(|point| Some((point.rule, point.threshold_logit?)))
            .collect();
        splits.insert(split.to_string(), metrics);
    }
    let summary = Summary { selected_epoch: 2, splits };
    fs::write(run.evaluation_file(), serde_json::to_string(&summary).unwrap()).unwrap();
    let mut provenance = Provenance::begin(&spec, Program { version: "0.1.0", commit: "unknown" });
    provenance.started.push(now_utc());
    provenance.finished = Some(now_utc());
    provenance.split_check = Some("no patient in two splits".into());
    provenance.write(&run).unwrap();
    run
}

fn spec(folder: &Path, name: &str, seed: u64) -> Spec {
    let file = folder.join(format!("{name}.toml"));
    let text = format!(
        "[experiment]\nname = \"{name}\"\nseed = {seed}\n[data]\nroot = \"data\"\n\
         labels = \"labels.csv\"\n[split]\ntrain = 0.6\nvalid = 0.2\ntest = 0.2\n\
         [evaluate]\nprevalence = 0.01\nsubgroups = [\"sex\"]\n[runtime]\nresults = {:?}\n",
        folder.join("results")
    );
    fs::write(&file, text).unwrap();
    load_resolved(&file, &[]).unwrap()
}

/// A reproducible pseudo-random number in (0, 1).
fn share(index: usize, seed: u64) -> f64 {
    let position = index as f64 + 1.0 + seed as f64 * 7.3;
    (position * 0.618_033_988_749_895).fract().clamp(1e-6, 1.0 - 1e-6)
}

fn series(split: SplitName, index: usize) -> String {
    format!("2.25.{}{index:06}", split as usize + 1)
}

/// Predictions in which one exam in `one_in` is positive and has higher scores.
fn predictions(split: SplitName, count: usize, seed: u64, one_in: usize) -> Vec<PredictionRow> {
    // Rare cancers have probabilities that are about right: their mean is near the prevalence.
    let (spread, gain, offset) = if one_in == 4 { (1.0, 2.0, 1.0) } else { (0.5, 1.5, 4.9) };
    let row = |index: usize| {
        let label = u8::from(index.is_multiple_of(one_in));
        let share = share(index, seed + split as u64);
        let logit = spread * (share / (1.0 - share)).ln() + gain * f64::from(label) - offset;
        PredictionRow {
            exam_id: format!("exam-{split}-{index}"),
            patient_id: format!("Jane Doe {split} {index}"),
            series_uid: series(split, index),
            label: label == 1,
            logit,
            probability: 1.0 / (1.0 + (-logit).exp()),
        }
    };
    (0..count).map(row).collect()
}

fn scored(row: &PredictionRow) -> ScoredExam {
    ScoredExam {
        patient_id: row.patient_id.clone(),
        exam_id: row.exam_id.clone(),
        label: row.label,
        logit: row.logit,
        probability: row.probability,
    }
}

/// Writes the tables of cohort, preparation and epochs.
fn write_tables(run: &RunFolder, evaluated: usize, one_in: usize) {
    let (mut cohort, mut prepared, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    let mut add = |split: Option<SplitName>,
                   index: usize,
                   [code, reason]: [&str; 2],
                   in_preparation: bool| {
        let series = series(split.unwrap_or(SplitName::Train), index);
        let patient =
            split.map_or(format!("Nobody {index}"), |split| format!("Jane Doe {split} {index}"));
        let exam = split.map_or(format!("exam-{index}"), |split| format!("exam-{split}-{index}"));
        let (maker, scanner, kernel, thickness_mm) = [
            ("SIEMENS", "Sensation 16", "B30f", 2.0),
            ("GE MEDICAL SYSTEMS", "LightSpeed VCT", "STANDARD", 2.5),
            ("TOSHIBA", "", "FC51", 1.25),
        ][index % 3];
        let row: lungs_study::cohort::CohortRow = serde_json::from_value(json!({
            "patient": patient, "exam": exam, "series": series,
            "path": format!("data/{series}"), "label": u8::from(index.is_multiple_of(one_in)),
            "split": split, "chosen": split.is_some(), "code": code, "reason": reason, "kind": "dicom",
            "slices": 120, "slice_spacing_mm": 2.5, "coverage_mm": 300.0, 
            "kernel": kernel,
            "manufacturer": maker, "flags": "",
            "study_date": format!("{}0315", 1999 + index % 5),
            "scanner_model": scanner,
            "kilovolts": if index.is_multiple_of(11) { 140.0 } else { 120.0 },
            "tube_current_ma": (!index.is_multiple_of(7)).then(|| 40.0 + 60.0 * share(index, 5)),
            "exposure_mas": 20.0 + 30.0 * share(index, 6), "slice_thickness_mm": thickness_mm,
        }))
        .unwrap();
        if split.is_some() {
            let age = 55.0 + (20.0 * share(index, 9)).floor();
            let follow_up = if index.is_multiple_of(one_in) {
                String::new()
            } else {
                (700 + index % 900).to_string()
            };
            let cells = [
                ("age", age.to_string()),
                ("sex", ["female", "male"][index / 4 % 2].to_owned()),
                ("smoking", ["current", "former", ""][index % 3].to_owned()),
                ("days_of_follow_up", follow_up),
            ];
            columns.extend(cells.map(|(column, value)| ColumnRow {
                series_uid: series.clone(),
                column: column.to_owned(),
                value,
            }));
        }
        cohort.push(row);
        if split.is_none() && !in_preparation {
            return;
        }
        let row: lungs_study::prepare::Row = serde_json::from_value(json!({
            "patient_id": patient, "study_uid": "1.2", "series_uid": series,
            "status": if in_preparation { "refused" } else { "prepared" },
            "code": code, "reason": reason, "slices": 120, "rows": 512,
            "columns": 512, "spacing_d_mm": 2.5, "spacing_h_mm": 0.7, "spacing_w_mm": 0.7,
            "hu_min": -1024, "hu_max": 3071, "lung_left_ml": 2310.4, "lung_right_ml": 2648.9,
            "flags": if index.is_multiple_of(5) { "lungs-cut-at-top" } else { "" },
            "cache_file": if in_preparation { String::new() } else { format!("{index:06}.npz") },
        }))
        .unwrap();
        prepared.push(row);
    };
    for (split, count) in [
        (SplitName::Train, 3 * evaluated),
        (SplitName::Valid, evaluated),
        (SplitName::Test, evaluated),
    ] {
        (0..count).for_each(|index| add(Some(split), index, ["", ""], false));
    }
    let excluded = 1_000_000..1_000_000 + evaluated / 3 + 1;
    let few = ["too-few-slices", "12 slices, at least 50"];
    excluded.for_each(|index| add(None, index, few, false));
    add(None, 2_000_000, ["no-lungs", "no lungs were found"], true);
    write_csv(&run.table(Table::Cohort), &cohort).unwrap();
    write_csv(&run.table(Table::Preparation), &prepared).unwrap();
    write_csv(&run.table(Table::ExamColumns), &columns).unwrap();
    let epoch = |epoch: usize, split: SplitName| MetricsRow {
        epoch,
        split,
        loss: 1.0 / epoch as f64,
        accuracy: 0.7,
        auc: Some(0.8),
        auc_low: Some(0.7),
        auc_high: Some(0.9),
        learning_rate: 1e-4,
        average_precision: Some(0.7),
        brier: Some(0.2),
        survival: None,
    };
    let rows: Vec<MetricsRow> = (1..=2)
        .flat_map(|number| [SplitName::Train, SplitName::Valid].map(|split| epoch(number, split)))
        .collect();
    write_csv(&run.table(Table::Metrics), &rows).unwrap();
}
