//! The main commands: run, evaluate, plot, compare, predict, check, prepare.

use super::support::{Workspace, assert_same_bytes, settings};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn a_run_writes_all_files_and_a_second_call_reports_it_finished() {
    let workspace = Workspace::new();
    let run = workspace.lungs(&["run", "small.toml"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let folder = workspace.newest_run("small");
    for name in [
        "spec.toml",
        "provenance.json",
        "cohort.csv",
        "preparation.csv",
        "preparation.html",
        "metrics.csv",
        "steps.csv",
        "timings.csv",
        "evaluation.json",
        "run.log",
        "lists/train.list",
        "lists/valid.list",
        "predictions/valid-epoch-002.csv",
        "checkpoints/epoch-002/weights.safetensors",
        "plots/loss.svg",
        "plots/auc-accuracy.png",
        "plots/roc.svg",
        "plots/roc-epoch-002.png",
        "plots/calibration.svg",
    ] {
        assert!(folder.join(name).is_file(), "{name} is missing");
    }
    // Metrics depend on the processor; the other text does not.
    let text: String =
        run.stdout.lines().filter(|line| !line.contains("epoch ")).collect::<Vec<_>>().join("\n");
    let text = text.lines().take(6).collect::<Vec<_>>().join("\n");
    settings().bind(|| insta::assert_snapshot!("run", text));

    let again = workspace.lungs(&["run", "small.toml"]);
    assert_eq!(again.code, 0);
    assert!(again.stdout.contains("is finished already"), "{}", again.stdout);
    assert!(again.stdout.contains("Selected epoch"), "{}", again.stdout);
    assert_eq!(workspace.newest_run("small"), folder);
}

#[test]
fn separate_and_combined_stages_give_identical_files() {
    let workspace = Workspace::new();
    for (results, verbs) in [("combined", &["run"][..]), ("separate", &["train", "run"][..])] {
        let set = format!("runtime.results={results}");
        for verb in verbs {
            let done = workspace.lungs(&[verb, "small.toml", "--set", &set]);
            assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
            assert_eq!(*verb == "train", done.stdout.contains("lungs evaluate"), "{}", done.stdout);
        }
    }
    let run = |results: &str| {
        let parent = workspace.path(results).join("small");
        fs::read_dir(parent).unwrap().next().unwrap().unwrap().path()
    };
    assert_same_bytes(&run("combined"), &run("separate"));

    let before = fs::read(run("separate").join("evaluation.json")).unwrap();
    fs::remove_file(run("separate").join("evaluation.json")).unwrap();
    let evaluate = workspace.lungs(&["evaluate", run("separate").to_str().unwrap()]);
    assert_eq!(evaluate.code, 0, "{}", evaluate.stderr);
    assert!(evaluate.stdout.contains("Selected epoch"), "{}", evaluate.stdout);
    assert!(fs::read(run("separate").join("evaluation.json")).unwrap() == before);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let workspace = Workspace::new();
    for threads in ["1", "2"] {
        let set = format!("runtime.threads={threads}");
        let cache = format!("data.cache=prepared-{threads}");
        let run = workspace.lungs(&[
            "run",
            "small.toml",
            "--set",
            &set,
            "--set",
            &cache,
            "--fresh",
            "-q",
        ]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        fs::rename(workspace.path("results"), workspace.path(&format!("results-{threads}")))
            .unwrap();
    }
    let run = |threads: &str| {
        let parent = workspace.path(&format!("results-{threads}")).join("small");
        fs::read_dir(parent).unwrap().next().unwrap().unwrap().path()
    };
    assert_same_bytes(&run("1"), &run("2"));
}

#[test]
fn a_run_with_bfloat16_convolutions_is_a_different_experiment() {
    let workspace = Workspace::new();
    let single = workspace.lungs(&["run", "small.toml", "--set", "train.epochs=1"]);
    assert_eq!(single.code, 0, "{}", single.stderr);
    let single = workspace.newest_run("small");
    let set = ["--set", "train.epochs=1", "--set", "runtime.precision=bf16"];
    let half = workspace.lungs(&[&["run", "small.toml"][..], &set].concat());
    assert_eq!(half.code, 0, "{}", half.stderr);
    let half = workspace.newest_run("small");
    let provenance = fs::read_to_string(half.join("provenance.json")).unwrap();
    assert!(provenance.contains("bf16 convolutions, everything else f32"), "{provenance}");
    let hash = |run: &Path| {
        let text = fs::read_to_string(run.join("provenance.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["spec_hash"].as_str().unwrap().to_owned()
    };
    assert_ne!(hash(&single), hash(&half));
    let loss = |run: &Path| -> f64 {
        let steps = fs::read_to_string(run.join("steps.csv")).unwrap();
        steps.lines().nth(1).unwrap().split(',').nth(2).unwrap().parse().unwrap()
    };
    let (single, half) = (loss(&single), loss(&half));
    // Small crops in small batches amplify rounding errors, but only to a limited extent.
    assert!(single != half && (single - half).abs() < 0.25 * single, "{single} {half}");
}

#[test]
fn deleted_plots_are_redrawn_with_identical_bytes() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q"]).code, 0);
    let run = workspace.newest_run("small");
    let before = files(&run.join("plots"));
    assert!(before.len() >= 10);
    let page = fs::read(run.join("preparation.html")).unwrap();
    let text = String::from_utf8_lossy(&page);
    assert!(text.contains("<img src=\"../../../prepared/"), "pictures by relative path");
    assert!(!text.contains("All pictures are missing"));
    fs::remove_dir_all(run.join("plots")).unwrap();
    fs::remove_file(run.join("preparation.html")).unwrap();
    let plot = workspace.lungs(&["plot", run.to_str().unwrap()]);
    assert_eq!(plot.code, 0, "{}", plot.stderr);
    assert!(fs::read(run.join("preparation.html")).unwrap() == page);
    assert!(files(&run.join("plots")) == before);
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let entries = entries.filter(|entry| entry.path().is_file());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn focal_and_cross_entropy_runs_compare() {
    let workspace = Workspace::new();
    workspace.write(
        "focal.toml",
        "extends = \"small.toml\"\nexperiment.name = \"focal\"\nloss = { name = \"focal\" }\n",
    );
    // Enough validation exams for a paired test.
    let half = ["--set", "split.train=0.5", "--set", "split.valid=0.5"];
    for spec in ["small.toml", "focal.toml"] {
        assert_eq!(workspace.lungs(&[&["run", spec, "-q"][..], &half].concat()).code, 0);
    }
    let compare = workspace.lungs(&["compare", "results/small", "results/focal"]);
    assert_eq!(compare.code, 0, "{}", compare.stderr);
    let keys: Vec<&str> = compare
        .stdout
        .lines()
        .skip_while(|line| !line.contains("keys that differ"))
        .skip(1)
        .take_while(|line| !line.contains("metrics"))
        .collect();
    settings().bind(|| insta::assert_snapshot!("compare-keys", keys.join("\n")));
    assert!(compare.stdout.contains("validation AUC"), "{}", compare.stdout);
    // The validation split has fewer than twenty exams of a class.
    assert!(compare.stdout.contains("permutation test"), "{}", compare.stdout);
    assert!(workspace.path("results/comparison/roc.svg").is_file());
    assert!(workspace.path("results/comparison/roc.png").is_file());

    let json = workspace.lungs(&["compare", "results/small", "results/focal", "--json", "-q"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["differences"][2]["key"], "loss.name");
    assert!(json["tests"][0]["aucs"]["p_value"].is_f64());
}

#[test]
fn predict_reproduces_the_probabilities_of_the_run() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q"]).code, 0);
    let run = workspace.newest_run("small");
    let run_name = run.to_str().unwrap();
    let predict = workspace.lungs(&["predict", "--model", run_name, "ct", "--out", "p.csv"]);
    assert_eq!(predict.code, 0, "{}", predict.stderr);
    let read = |path: &Path| {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let rows: Vec<BTreeMap<String, String>> =
            reader.deserialize().map(|row| row.unwrap()).collect();
        rows
    };
    let by_series: BTreeMap<String, String> = read(&workspace.path("p.csv"))
        .into_iter()
        .map(|row| (row["series"].clone(), row["probability"].clone()))
        .collect();
    let evaluation: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("evaluation.json")).unwrap()).unwrap();
    let epoch = evaluation["selected_epoch"].as_u64().unwrap();
    let rows = read(&run.join(format!("predictions/valid-epoch-{epoch:03}.csv")));
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(by_series[&row["series"]], row["probability"]);
    }

    // An ensemble, with a table of excluded series. A run is not in it twice.
    let weights = run.join(format!("checkpoints/epoch-{epoch:03}/weights.safetensors"));
    let ensemble = |second: &str| {
        workspace.lungs(&["predict", "--model", run_name, "--model", second, "ct/P0001"])
    };
    let predicted = ensemble("results/small");
    assert_eq!(predicted.code, 2, "{}", predicted.stdout);
    assert!(predicted.stderr.contains("is in the ensemble"), "{}", predicted.stderr);
    let predicted = ensemble(weights.to_str().unwrap());
    assert_eq!(predicted.code, 0, "{}", predicted.stderr);
    assert!(predicted.stdout.starts_with("probability  patient"), "{}", predicted.stdout);
}

#[test]
fn check_prints_the_plan_without_training() {
    let workspace = Workspace::new();
    let check = workspace.lungs(&["check", "small.toml"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    let plan = check.stdout.split("spec hash").nth(1).unwrap();
    let plan: Vec<&str> = plan.lines().skip(1).filter(|line| !line.starts_with("time")).collect();
    settings().bind(|| insta::assert_snapshot!("check", plan.join("\n")));
    assert!(!workspace.path("results").exists());
    assert!(!workspace.path("prepared").exists());

    let json = workspace.lungs(&["check", "small.toml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["cohort"]["chosen"].as_u64().unwrap() > 10);
}

#[test]
fn preparing_a_folder_writes_crops_previews_and_a_table() {
    let workspace = Workspace::new();
    let arguments = [
        "prepare",
        "ct/P0001",
        "--out",
        "out",
        "--set",
        "preprocess.spacing_mm=6",
        "--set",
        "preprocess.size=[40,48,56]",
        "--set",
        "data.select.min_slices=40",
    ];
    let prepare = workspace.lungs(&arguments);
    assert_eq!(prepare.code, 0, "{}{}", prepare.stdout, prepare.stderr);
    let names: Vec<String> = files(&workspace.path("out")).into_keys().collect();
    assert!(names.iter().any(|name| name.ends_with(".npz")));
    assert!(names.iter().any(|name| name.ends_with(".png")));
    assert!(names.contains(&"preparation.csv".to_owned()));
    assert!(names.contains(&"cohort.csv".to_owned()));

    // The report shows the previews; the last line of the output names it.
    assert!(prepare.stdout.trim_end().ends_with("quality page  out/report.html"));
    let page = fs::read_to_string(workspace.path("out/report.html")).unwrap();
    let pictures: Vec<&String> = names.iter().filter(|name| name.ends_with(".png")).collect();
    assert_eq!(page.matches("<img").count(), pictures.len());
    for picture in pictures {
        assert!(page.contains(&format!("<img src=\"{picture}\"")), "{picture}");
    }
    assert!(page.contains("Preparation of ct/P0001") && page.contains("<b>P0001</b>"));
    let again = workspace.lungs(&arguments);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(fs::read_to_string(workspace.path("out/report.html")).unwrap() == page);
}

#[test]
fn a_preparation_without_usable_series_still_writes_the_report() {
    let workspace = Workspace::new();
    let set = ["--set", "data.select.min_slices=4000"];
    let folder = workspace.lungs(&[&["prepare", "ct/P0001", "--out", "out"], &set[..]].concat());
    assert_eq!(folder.code, 1, "{}", folder.stdout);
    let page = fs::read_to_string(workspace.path("out/report.html")).unwrap();
    assert!(page.contains("0 prepared (0 flagged)") && page.contains("expected at least 4000"));
    assert!(page.contains("too few slices") && page.contains("ct/P0001"));
}

#[test]
fn lists_can_define_the_split() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]).code, 0);
    let lists = workspace.newest_run("small").join("lists");
    workspace.write("listed.toml", &format!(
        "extends = \"small.toml\"\nexperiment.name = \"listed\"\n[train]\nepochs = 1\n[data]\ntrain_list = \"{0}/train.list\"\nvalid_list = \"{0}/valid.list\"\n",
        lists.display()
    ));
    let text = fs::read_to_string(workspace.path("small.toml")).unwrap();
    workspace.write("small.toml", &text.replace("labels = \"ct/labels.csv\"\n", ""));
    let run = workspace.lungs(&["run", "listed.toml", "-q"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let written = workspace.newest_run("listed").join("lists");
    for list in ["train.list", "valid.list"] {
        let lines = |folder: &Path| fs::read_to_string(folder.join(list)).unwrap().lines().count();
        assert_eq!(lines(&written), lines(&lists), "{list}");
    }
}
