//! `lungs evaluate MODEL --data …`: a trained model on other exams, and `--robustness`.

use super::support::{Workspace, run_files, settings, table};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The AUC: the fraction of pairs in which the positive exam has the higher score.
fn auc(rows: &[BTreeMap<String, String>]) -> f64 {
    let of = |class: &'static str| {
        let rows = rows.iter().filter(move |row| row["label"] == class);
        rows.map(|row| row["logit"].parse::<f64>().unwrap())
    };
    let pairs: Vec<f64> = of("1")
        .flat_map(|p| of("0").map(move |n| if p > n { 1.0 } else { f64::from(p == n) / 2.0 }))
        .collect();
    pairs.iter().sum::<f64>() / pairs.len() as f64
}

/// Trains the small experiment for one epoch, with calibration and half of the patients in the validation split.
fn train(workspace: &Workspace, sets: &[&str]) -> PathBuf {
    let all = [
        &["train.epochs=1", "evaluate.recalibrate=platt", "evaluate.threshold=0.4"][..],
        &["evaluate.subgroups=[\"sex\"]"],
        sets,
    ]
    .concat();
    let sets: Vec<&str> = all.iter().flat_map(|set| ["--set", set]).collect();
    let done = workspace.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    workspace.newest_run("small")
}

/// Writes the labels of the exams in a table of predictions.
fn labels_of(workspace: &Workspace, predictions: &Path, name: &str) {
    let series: BTreeSet<String> =
        table(predictions).into_iter().map(|row| row["series"].clone()).collect();
    let text = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let is_listed = |line: &&str| line.split(',').any(|cell| series.contains(cell));
    let rows: Vec<&str> = text.lines().skip(1).filter(is_listed).collect();
    assert_eq!(rows.len(), series.len());
    let header = text.lines().next().unwrap();
    workspace.write(name, &format!("{header}\n{}\n", rows.join("\n")));
}

/// `lungs evaluate MODEL` on the exams of `labels`, into `out`.
fn arguments<'a>(model: &'a str, labels: &'a str, out: &'a str) -> Vec<&'a str> {
    ["evaluate", model, "--data", "ct", "--labels", labels, "--cache", "prepared", "--out", out]
        .to_vec()
}

/// The output with the names of the metrics but without their values, which depend on the type of the processor.
fn without_metrics(stdout: &str) -> String {
    let without_value = |line: &str| {
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.is_empty()).collect();
        let [name, _, _] = cells[..] else { return line.to_owned() };
        let Some((metric, threshold)) = name.split_once("p ≥ ") else { return name.to_owned() };
        match threshold.split_once(',') {
            Some((_, rule)) => format!("{metric}p ≥ #,{rule}"),
            None => name.to_owned(),
        }
    };
    stdout.lines().map(without_value).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_validation_exams_of_a_run_give_its_predictions_and_metrics_again() {
    let workspace = Workspace::new();
    let run = train(&workspace, &["split.train=0.5", "split.valid=0.5"]);
    let own = run.join("predictions/valid-epoch-001.csv");
    labels_of(&workspace, &own, "labels.csv");
    let model = run.to_str().unwrap();
    let command = arguments(model, "labels.csv", "outside");
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let out = workspace.path("outside");
    assert!(fs::read(out.join("predictions/external.csv")).unwrap() == fs::read(&own).unwrap());

    // The metrics are those of the validation split; its thresholds are those of the development.
    let external = &json(&out.join("evaluation.json"))["parts"]["external"];
    let valid = &json(&run.join("evaluation.json"))["parts"]["valid"];
    for key in ["auc", "accuracy", "calibration", "average_precision"] {
        assert_eq!(external[key], valid[key], "{key}");
    }
    assert_eq!(external["auc"]["value"].as_f64().unwrap(), auc(&table(&own)));
    let points = |metrics: &serde_json::Value, chosen_on: &str| -> Vec<serde_json::Value> {
        let points = metrics["operating_points"].as_array().unwrap().iter();
        let points = points.filter(|point| point["chosen_on"] == chosen_on);
        points
            .map(|p| serde_json::json!([p["rule"], p["threshold_logit"], p["sensitivity"]]))
            .collect()
    };
    let developed = points(external, "development");
    assert_eq!((developed.len(), &developed), (3, &points(valid, "these-exams")));
    assert!(external["recalibrated"]["before"]["brier"] == valid["calibration"]["brier"]);
    assert_eq!(external["recalibrated"]["method"], "platt");

    // The plot has the curve of the development: the exams are the same, so the points are too.
    let curve = |rows: &[BTreeMap<String, String>]| -> f64 {
        let at = |row: &BTreeMap<String, String>, key: &str| row[key].parse::<f64>().unwrap();
        let area = |pair: &[BTreeMap<String, String>]| {
            let width = at(&pair[1], "false_positive_rate") - at(&pair[0], "false_positive_rate");
            let height = at(&pair[1], "true_positive_rate") + at(&pair[0], "true_positive_rate");
            width * height / 2.0
        };
        rows.windows(2).map(area).sum()
    };
    let development = table(&out.join("curves/development-roc.csv"));
    assert!((curve(&development) - auc(&table(&own))).abs() < 1e-12);
    let plot = fs::read_to_string(out.join("plots/roc.svg")).unwrap();
    assert!(plot.contains("development, validation"), "{plot}");

    // The study population has the external exams, and compares the excluded ones with them.
    let characteristics = table(&out.join("characteristics.csv"));
    let exams = &characteristics[0];
    assert_eq!(exams["External"], external["exams"].to_string());
    assert!(!exams.contains_key("All"), "{exams:?}");

    // Every series has a row, with the reason of its exclusion.
    let cohort = table(&out.join("cohort.csv"));
    let chosen = cohort.iter().filter(|row| row["split"] == "external").count();
    assert_eq!(chosen as u64, external["exams"].as_u64().unwrap());
    assert!(cohort.iter().any(|row| row["code"] == "no-label"));

    // Inputs, failures and exams in common.
    let drift = table(&out.join("drift.csv"));
    let spacing = drift.iter().find(|row| row["variable"] == "slice_spacing_mm").unwrap();
    assert!(spacing["standardised_difference"].parse::<f64>().unwrap().abs() < 3.0, "{spacing:?}");
    assert!(drift.iter().any(|row| row["variable"] == "sex" && !row["level"].is_empty()));
    let failures = table(&out.join("failures.csv"));
    let point = &external["operating_points"][0];
    let wrong = |key: &str| {
        let share = &point[key];
        (share["total"].as_u64().unwrap() - share["successes"].as_u64().unwrap()).to_string()
    };
    let all = [&failures[0]["false_negatives"], &failures[0]["false_positives"]];
    assert_eq!(all, [&wrong("sensitivity"), &wrong("specificity")]);
    let by = |by: &str| failures.iter().filter(|row| row["by"] == by).collect::<Vec<_>>();
    let sum = |rows: &[&BTreeMap<String, String>], key: &str| -> usize {
        rows.iter().map(|row| row[key].parse::<usize>().unwrap()).sum()
    };
    assert_eq!(
        sum(&by("sex"), "false_negatives"),
        failures[0]["false_negatives"].parse::<usize>().unwrap()
    );
    assert_eq!(
        sum(&by("lung_ml"), "negatives"),
        failures[0]["negatives"].parse::<usize>().unwrap()
    );
    // The run has the same table of its own.
    let own_failures = table(&run.join("failures.csv"));
    assert_eq!(own_failures[0]["false_negatives"], failures[0]["false_negatives"]);
    let overlap = &json(&out.join("external.json"))["overlap"];
    assert_eq!(overlap["patients"], external["patients"]);
    assert_eq!(overlap["series"], external["exams"]);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for section in ["development", "metrics", "decisions", "failures", "drift", "cohort", "worst"] {
        assert_eq!(page.matches(&format!("<section id=\"{section}\">")).count(), 1, "{section}");
    }
    assert!(page.contains("the same voxels as one of its series") && !page.contains("2.25."));
    settings().bind(|| insta::assert_snapshot!("evaluate-external", without_metrics(&done.stdout)));

    // Nothing is computed twice, and a lost product is computed again.
    let files = run_files(&out);
    let log = fs::read_to_string(out.join("run.log")).unwrap();
    let again = workspace.lungs(&command);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout.starts_with("outside is finished already."), "{}", again.stdout);
    assert_eq!(fs::read_to_string(out.join("run.log")).unwrap(), log);
    for lost in ["predictions/external.csv", "report.html", "evaluation.json"] {
        fs::remove_file(out.join(lost)).unwrap();
    }
    assert_eq!(workspace.lungs(&command).code, 0);
    assert!(run_files(&out) == files);
    // The page names the processes of the evaluation, so it differs from the first one there.
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    fs::remove_dir_all(out.join("plots")).unwrap();
    fs::remove_file(out.join("report.html")).unwrap();
    let plotted = workspace.lungs(&["plot", "outside"]);
    assert_eq!(plotted.code, 0, "{}", plotted.stderr);
    assert!(run_files(&out) == files);
    assert_eq!(fs::read_to_string(out.join("report.html")).unwrap(), page);

    // Other metrics of the same predictions.
    let sets = ["--set", "evaluate.prevalence=0.01"];
    assert_eq!(workspace.lungs(&[&command[..], &sets].concat()).code, 0);
    let point = &json(&out.join("evaluation.json"))["parts"]["external"]["operating_points"][0];
    assert_eq!(point["at_prevalence"]["prevalence"], 0.01);
    let refused = workspace.lungs(&[&command[..], &["--set", "train.epochs=7"]].concat());
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("--set train.epochs"), "{}", refused.stderr);
    refuses_other_inputs_and_folders(&workspace, model, &command);
}

/// Changed labels, a folder of a run, and commands that need a run.
fn refuses_other_inputs_and_folders(workspace: &Workspace, model: &str, command: &[&str]) {
    let refused = workspace.lungs(&arguments(model, "labels.csv", model));
    assert_eq!(refused.code, 2);
    assert!(refused.flat().contains("is the folder of a run"), "{}", refused.stderr);
    for name in ["run", "evaluate"] {
        let refused = workspace.lungs(&[name, "outside"]);
        assert_eq!(refused.code, 2, "{name}");
        let message = refused.flat();
        assert!(message.contains("the evaluation of a model on other exams"), "{message}");
    }
    let refused = workspace.lungs(&["predict", "--model", "outside", "ct"]);
    assert!(refused.flat().contains("expected a run"), "{}", refused.stderr);
    let two = workspace.lungs(&[command, &["outside"]].concat());
    assert!(two.flat().contains("found 2 models, expected one"), "{}", two.stderr);

    let labels = fs::read_to_string(workspace.path("labels.csv")).unwrap();
    let lines: Vec<&str> = labels.lines().collect();
    workspace.write("labels.csv", &format!("{}\n", lines[..lines.len() - 1].join("\n")));
    let refused = workspace.lungs(command);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    let message = refused.flat();
    assert!(message.contains("1 label removed") && message.contains("with --out"), "{message}");
    let kept = workspace.lungs(&[command, &["--keep-inputs"]].concat());
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    let missing = workspace.lungs(&["evaluate", model, "--data", "ct"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("--labels"), "{}", missing.stderr);
}

#[test]
fn folds_archives_and_weights_are_evaluated_as_they_predict() {
    let workspace = Workspace::new();
    let run = train(&workspace, &["split.folds=2", "evaluate.recalibrate=isotonic"]);
    let model = run.to_str().unwrap();
    let done = workspace.lungs(&arguments(model, "ct/labels.csv", "folds"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(workspace.lungs(&["export", model, "--out", "model.zip"]).code, 0);
    let done = workspace.lungs(&arguments("model.zip", "ct/labels.csv", "archive"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let external = |out: &str| workspace.path(out).join("predictions/external.csv");
    assert!(fs::read(external("folds")).unwrap() == fs::read(external("archive")).unwrap());

    // The mean probability of `lungs predict`, plain and calibrated, and its log-odds.
    let done = workspace
        .lungs(&["predict", "--model", model, "ct", "--out", "p.csv", "--cache", "prepared"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let predicted: BTreeMap<String, (f64, f64)> = table(&workspace.path("p.csv"))
        .into_iter()
        .filter_map(|row| {
            let calibrated = row["calibrated_probability"].parse().ok()?;
            Some((row["series"].clone(), (row["probability"].parse().ok()?, calibrated)))
        })
        .collect();
    let rows = table(&external("folds"));
    assert!(rows.len() > 10);
    let mut squares = 0.0;
    for row in &rows {
        let (probability, calibrated) = predicted[&row["series"]];
        let cell = |key: &str| row[key].parse::<f64>().unwrap();
        assert!((cell("probability") - probability).abs() < 1e-12);
        assert!((cell("logit") - (probability / (1.0 - probability)).ln()).abs() < 1e-9);
        squares += (calibrated - cell("label")).powi(2);
    }
    let metrics = &json(&workspace.path("folds/evaluation.json"))["parts"]["external"];
    assert_eq!(metrics["auc"]["value"].as_f64().unwrap(), auc(&rows));
    let brier = metrics["recalibrated"]["after"]["brier"]["value"].as_f64().unwrap();
    assert!((brier - squares / rows.len() as f64).abs() < 1e-12);
    let stored = json(&workspace.path("folds/external.json"));
    assert_eq!(stored["kind"], "cross-validation");
    let pooled = &json(&run.join("cross-validation.json"))["pooled"];
    assert_eq!(&stored["development"]["out-of-fold"], pooled);
    let archive = json(&workspace.path("archive/external.json"));
    assert_eq!(
        (&archive["kind"], &archive["overlap"]),
        (&"archive".into(), &serde_json::Value::Null)
    );
    assert_eq!(archive["networks"], stored["networks"]);

    // One network as a file: no development, and another model than that of the other folder.
    let checkpoints = run.join("fold-1/checkpoints");
    let checkpoint = fs::read_dir(checkpoints).unwrap().next().unwrap().unwrap().path();
    fs::copy(checkpoint.join("weights.safetensors"), workspace.path("one.safetensors")).unwrap();
    let done = workspace.lungs(&arguments("one.safetensors", "ct/labels.csv", "weights"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("development are unknown"), "{}", done.stdout);
    let network = |out: &str, name: &str| {
        fs::read(workspace.path(out).join("predictions").join(name)).unwrap()
    };
    assert!(network("weights", "external.csv") == network("folds", "external-network-1.csv"));
    let drift = table(&workspace.path("weights/drift.csv"));
    assert!(drift[0]["reason"].contains("unknown") && drift[0]["development_exams"].is_empty());
    let refused = workspace.lungs(&arguments("one.safetensors", "ct/labels.csv", "folds"));
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("whose weights differ"), "{}", refused.stderr);

    let compared = workspace.lungs(&["compare", "folds", "weights"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    assert!(compared.stdout.contains("external AUC"), "{}", compared.stdout);
    assert!(compared.stdout.contains("external exams"), "{}", compared.stdout);
}

/// Changes of the volumes, their predictions and the table.
const CHANGES: [&str; 8] = [
    "noise-15-hu",
    "noise-30-hu",
    "shift-minus-20-hu",
    "shift-plus-20-hu",
    "slices-of-2",
    "slices-of-3",
    "kernel-smoother",
    "kernel-sharper",
];

/// Checks `robustness.csv` in `folder` against the predictions `name` and their changed ones.
fn check_robustness(
    folder: &Path,
    name: &str,
    changed: impl Fn(&str) -> Vec<BTreeMap<String, String>>,
) {
    let before = table(&folder.join("predictions").join(name));
    let rows = table(&folder.join("robustness.csv"));
    let aucs: Vec<_> = rows.iter().filter(|row| row["metric"] == "auc").collect();
    assert_eq!(aucs.len(), CHANGES.len());
    let number = |row: &BTreeMap<String, String>, key: &str| row[key].parse::<f64>().unwrap();
    for (row, change) in aucs.iter().zip(CHANGES) {
        let after = changed(change);
        assert!(after.iter().zip(&before).all(|(a, b)| a["series"] == b["series"]));
        assert!(after.iter().zip(&before).any(|(a, b)| a["logit"] != b["logit"]), "{change}");
        assert!((number(row, "before") - auc(&before)).abs() < 1e-12);
        assert!((number(row, "after") - auc(&after)).abs() < 1e-12);
        // Decisions at p ≥ 0.5 of negative exams, counted here.
        let specificity = rows.iter().find(|it| {
            it["change"] == row["change"]
                && it["metric"] == "specificity"
                && it["threshold"] == "p ≥ 0.5"
        });
        let specificity = specificity.unwrap();
        let negative = |rows: &[BTreeMap<String, String>]| -> Vec<bool> {
            let negatives = rows.iter().filter(|row| row["label"] == "0");
            negatives.map(|row| number(row, "logit") < 0.0).collect()
        };
        let (b, a) = (negative(&before), negative(&after));
        let spoiled = b.iter().zip(&a).filter(|(b, a)| **b && !**a).count();
        assert_eq!(specificity["spoiled"], spoiled.to_string(), "{change}");
        assert!(number(specificity, "low") <= number(specificity, "difference"));
        assert!(number(specificity, "high") >= number(specificity, "difference"));
    }
}

#[test]
fn robustness_is_measured_for_runs_folds_and_other_exams() {
    let workspace = Workspace::new();
    let run = train(&workspace, &["split.folds=2"]);
    let done = workspace.lungs(&["evaluate", run.to_str().unwrap(), "--robustness"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("noise, sd 15 HU"), "{}", done.stdout);
    let fold = run.join("fold-1");
    let of_fold = |fold: usize, change: &str| {
        let name = format!("fold-{fold}/predictions/test-epoch-001-{change}.csv");
        table(&run.join(name))
    };
    check_robustness(&fold, "test-epoch-001.csv", |change| of_fold(1, change));
    check_robustness(&run, "out-of-fold.csv", |change| {
        [of_fold(1, change), of_fold(2, change)].concat()
    });
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("<section id=\"robustness\">") && page.contains("slices of 20 mm"));

    // A lost table of predictions is computed again, with the same bytes.
    let files = run_files(&run);
    fs::remove_file(fold.join("predictions/test-epoch-001-noise-30-hu.csv")).unwrap();
    let again = workspace.lungs(&["evaluate", run.to_str().unwrap(), "--robustness"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(run_files(&run) == files);
    // Without the option the tables stay, and follow other thresholds.
    let other = ["evaluate", run.to_str().unwrap(), "--set", "evaluate.threshold=0.45"];
    assert_eq!(workspace.lungs(&other).code, 0);
    let rows = table(&run.join("robustness.csv"));
    assert!(rows.iter().any(|row| row["threshold"] == "p ≥ 0.45"));
    check_robustness(&fold, "test-epoch-001.csv", |change| of_fold(1, change));

    let fold = fold.to_str().unwrap();
    let command = [&arguments(fold, "ct/labels.csv", "outside")[..], &["--robustness"]].concat();
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("Robustness, changed minus unchanged"), "{}", done.stdout);
    let out = workspace.path("outside");
    check_robustness(&out, "external.csv", |change| {
        table(&out.join(format!("predictions/external-{change}.csv")))
    });
    let again = workspace.lungs(&command);
    assert!(again.stdout.contains("is finished already"), "{}", again.stdout);
}
