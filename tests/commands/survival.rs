//! Risks of several years, from training to prediction.

use super::support::{Workspace, table};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// The smallest experiment with risks of several years.
const SPEC: &str = r#"
extends = "small.toml"

[experiment]
name = "years"

[data]
root   = "years"
labels = "years/labels.csv"

[outcome]
name = "survival"
horizons_years = [1, 2, 4]

[split]
train = 0.4
valid = 0.3
test  = 0.3
stratify = "none"

[train]
select = "best-valid-c-index"

[evaluate]
recalibrate = "platt"
"#;

/// A workspace with synthetic exams that are followed for up to six years.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let phantom = ["phantom", "years", "--patients", "16", "--seed", "5", "--follow-up-years", "6"];
    let made = workspace.lungs(&phantom);
    assert_eq!(made.code, 0, "{}", made.stderr);
    workspace.write("years.toml", SPEC);
    workspace
}

#[test]
fn a_run_of_several_years_is_evaluated_compared_and_used() {
    let workspace = workspace();
    let done = workspace.lungs(&["run", "years.toml"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("C-index"), "{}", done.stdout);
    let run = workspace.newest_run("years");

    // Every exam with follow-up has risks that do not fall, and only those of known status have a prediction.
    let evaluation: Value =
        serde_json::from_str(&fs::read_to_string(run.join("evaluation.json")).unwrap()).unwrap();
    let epoch = evaluation["selected_epoch"].as_u64().unwrap();
    for split in ["valid", "test"] {
        let rows = table(&run.join(format!("predictions/{split}-epoch-{epoch:03}-risks.csv")));
        let known =
            rows.iter().filter(|row| number(row, "time_years") >= 1.0 || row["event"] == "1");
        let known = known.count();
        for row in &rows {
            let risks =
                ["risk_1_year", "risk_2_years", "risk_4_years"].map(|name| number(row, name));
            assert!(risks.windows(2).all(|pair| pair[0] <= pair[1]), "{risks:?}");
        }
        let predicted = table(&run.join(format!("predictions/{split}-epoch-{epoch:03}.csv")));
        assert_eq!(predicted.len(), known, "{split}");
        let survival = &evaluation["parts"][split]["survival"];
        assert_eq!(survival["exams"].as_u64(), Some(rows.len() as u64));
        assert_eq!(survival["horizons"].as_array().unwrap().len(), 3);
        for curve in ["kaplan-meier", "risk-calibration"] {
            assert!(run.join(format!("curves/{split}-{curve}.csv")).is_file(), "{curve}");
        }
    }
    let columns = fs::read_to_string(run.join("survival.csv")).unwrap();
    assert!(columns.starts_with("split,metric,all_years,1_year,2_years,4_years\n"), "{columns}");

    // Evaluating and plotting again changes nothing.
    let page = fs::read(run.join("report.html")).unwrap();
    fs::remove_dir_all(run.join("plots")).unwrap();
    let plotted = workspace.lungs(&["plot", "results/years"]);
    assert_eq!(plotted.code, 0, "{}", plotted.stderr);
    assert!(run.join("plots/auc-by-year.svg").is_file());
    assert!(fs::read(run.join("report.html")).unwrap() == page);
    let again = workspace.lungs(&["evaluate", run.to_str().unwrap()]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout.contains("risk within"), "{}", again.stdout);

    predict_and_export(&workspace);
    compare_with_one_year(&workspace);
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn predict_and_export(workspace: &Workspace) {
    let out = ["--model", "results/years", "years/P0001", "--out", "risks.csv"];
    let predicted = workspace.lungs(&[&["predict"], &out[..]].concat());
    assert_eq!(predicted.code, 0, "{}", predicted.stderr);
    let rows = table(&workspace.path("risks.csv"));
    let row = rows.iter().find(|row| !row["probability"].is_empty()).unwrap();
    assert_eq!(row["risk_1_year"], row["probability"]);
    assert!(number(row, "risk_4_years") >= number(row, "risk_1_year"));

    let exported = workspace.lungs(&["export", "results/years", "--out", "years.zip"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let shown = workspace.lungs(&["predict", "--model", "years.zip", "years/P0001"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains("Risk of lung cancer within"), "{}", shown.stdout);
    assert!(shown.stdout.contains("1 year  2 years  4 years"), "{}", shown.stdout);
    let explain = ["predict", "--model", "years.zip", "years/P0001", "--explain", "maps"];
    let explained = workspace.lungs(&explain);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
}

fn compare_with_one_year(workspace: &Workspace) {
    let binary = [
        "run",
        "years.toml",
        "-q",
        "--set",
        "outcome.name=binary",
        "--set",
        "experiment.name=one-year",
        "--set",
        "train.select=best-valid-auc",
    ];
    let done = workspace.lungs(&binary);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let compared = workspace.lungs(&["compare", "results/one-year", "results/years"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    assert!(compared.stdout.contains("test C-index"), "{}", compared.stdout);
}
