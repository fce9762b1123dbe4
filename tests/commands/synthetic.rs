//! Synthetic finished runs: run folders with tables for any number of exams, without training.

use lungs_report::Summary;
use lungs_spec::results::{
    MetricsRow, PredictionRow, Program, Provenance, RunFolder, Table, now_utc, write_csv,
};
use lungs_spec::spec::{Spec, SplitName, load_resolved};
use lungs_stats::{Grouping, Options, ScoredExam, evaluate_with_curves};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Writes a finished run of the experiment `name` into `folder`, with `evaluated` validation exams, as many
/// test exams, and three times as many training exams. `seed` changes the predictions only.
pub(crate) fn run(folder: &Path, name: &str, evaluated: usize, seed: u64) -> RunFolder {
    let spec = spec(folder, name, seed);
    let run = RunFolder::create(&spec).unwrap();
    write_tables(&run, evaluated);
    let mut splits = BTreeMap::new();
    for split in [SplitName::Valid, SplitName::Test] {
        let rows = predictions(split, evaluated, seed);
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
            ..Options::default()
        };
        let (metrics, curves) = evaluate_with_curves(&scored, &options);
        write_csv(&run.curve(split, "roc"), &curves.roc_band).unwrap();
        write_csv(&run.curve(split, "precision-recall"), &curves.precision_recall).unwrap();
        write_csv(&run.curve(split, "precision-band"), &curves.precision_band).unwrap();
        write_csv(&run.curve(split, "decision"), &curves.decision).unwrap();
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

/// Predictions in which one exam in four is positive and has higher scores.
fn predictions(split: SplitName, count: usize, seed: u64) -> Vec<PredictionRow> {
    let row = |index: usize| {
        let label = u8::from(index.is_multiple_of(4));
        let share = share(index, seed + split as u64);
        let logit = (share / (1.0 - share)).ln() + 2.0 * f64::from(label) - 1.0;
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
fn write_tables(run: &RunFolder, evaluated: usize) {
    let (mut cohort, mut prepared) = (Vec::new(), Vec::new());
    let mut add = |split: Option<SplitName>,
                   index: usize,
                   [code, reason]: [&str; 2],
                   in_preparation: bool| {
        let series = series(split.unwrap_or(SplitName::Train), index);
        let patient =
            split.map_or(format!("Nobody {index}"), |split| format!("Jane Doe {split} {index}"));
        let exam = split.map_or(format!("exam-{index}"), |split| format!("exam-{split}-{index}"));
        let row: lungs_study::cohort::CohortRow = serde_json::from_value(json!({
            "patient": patient, "exam": exam, "series": series,
            "path": format!("data/{series}"), "label": u8::from(index.is_multiple_of(4)),
            "split": split, "chosen": split.is_some(), "code": code, "reason": reason, "kind": "dicom",
            "slices": 120, "slice_spacing_mm": 2.5, "coverage_mm": 300.0, "kernel": "B30f",
            "manufacturer": "", "flags": "",
        }))
        .unwrap();
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
    };
    let rows: Vec<MetricsRow> = (1..=2)
        .flat_map(|number| [SplitName::Train, SplitName::Valid].map(|split| epoch(number, split)))
        .collect();
    write_csv(&run.table(Table::Metrics), &rows).unwrap();
}
