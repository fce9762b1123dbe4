//! `lungs score`: predictions of any program, and their comparison with runs.

use super::support::{Workspace, settings};
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// 120 exams with a probability and an integer score; the expected metrics below are those of the same numbers in
/// Python and R: `y = i % 3 == 0`, `p = round(((i·37 + 11) % 101 + 1 + 18·y) / 130, 4)`, `s = (i·53 + 7) % 97 + 25·y`,
/// `w = 1 + i % 4`.
fn rows() -> Vec<(usize, u8, f64, usize)> {
    let row = |i: usize| {
        let label = u8::from(i.is_multiple_of(3));
        let y = usize::from(label);
        let p = ((i * 37 + 11) % 101 + 1 + 18 * y) as f64 / 130.0;
        (i, label, (p * 1e4).round() / 1e4, (i * 53 + 7) % 97 + 25 * y)
    };
    (0..120).map(row).collect()
}

/// A table with these columns of each row.
fn table(header: &str, line: impl Fn(usize, u8, f64, usize) -> String) -> String {
    let mut text = format!("{header}\n");
    for (i, label, p, s) in rows() {
        let _ = writeln!(text, "{}", line(i, label, p, s));
    }
    text
}

pub(crate) fn two_models() -> String {
    table("exam,patient,label,probability_net,score_reader,weight,sex", |i, label, p, s| {
        format!("E{i},P{i},{label},{p:.4},{s},{},{}", 1 + i % 4, ["f", "m"][i / 2 % 2])
    })
}

fn json(workspace: &Workspace, arguments: &[&str]) -> Value {
    let done = workspace.lungs(&[&["score"], arguments, &["--json"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{value}"));
    assert!((value - expected).abs() < 1e-9, "{value} {expected}");
}

#[test]
fn metrics_of_a_probability_equal_scikit_learn_and_proc() {
    let workspace = Workspace::new();
    let text = table("label;probability", |_, label, p, _| format!("{label};{p:.4}"));
    workspace.write("p.csv", &format!("\u{feff}{text}"));
    let metrics = json(&workspace, &["p.csv"]);
    // scikit-learn 1.9.1: roc_auc_score, average_precision_score, brier_score_loss, log_loss; the interval by DeLong's
    // formulas in NumPy.
    close(&metrics["auc"]["value"], 0.6903125);
    close(&metrics["auc"]["low"], 0.583905303367906);
    close(&metrics["auc"]["high"], 0.7797715182747468);
    close(&metrics["average_precision"]["value"], 0.5923578621647729);
    close(&metrics["brier"]["value"], 0.21899268133333336);
    close(&metrics["cross_entropy"]["value"], 0.6138537828236927);
    close(&metrics["accuracy"]["value"], 0.625);
    // statsmodels 0.15.0: Logit(y, [1, z])
    assert!((metrics["calibration_slope"]["value"].as_f64().unwrap() - 0.68248439).abs() < 1e-6);
    assert!(
        (metrics["calibration_intercept"]["value"].as_f64().unwrap() + 0.57108898).abs() < 1e-6
    );
    let half = &metrics["operating_points"][0];
    assert_eq!(half["sensitivity"]["counts"], serde_json::json!([23, 40]));
    assert_eq!(half["specificity"]["counts"], serde_json::json!([51, 80]));
    assert_eq!((&metrics["model"], &metrics["exams"]), (&"p".into(), &120.into()));
    // Log-odds alone give the same metrics as their probabilities.
    let logits =
        table("label\tlogit", |_, label, p, _| format!("{label}\t{}", (p / (1.0 - p)).ln()));
    workspace.write("z.csv", &logits);
    let of_logits = json(&workspace, &["z.csv"]);
    for key in ["auc", "brier", "cross_entropy", "calibration_slope"] {
        close(&of_logits[key]["value"], metrics[key]["value"].as_f64().unwrap());
    }
}

#[test]
fn several_models_are_compared_on_the_same_exams() {
    let workspace = Workspace::new();
    workspace.write("two.csv", &two_models());
    let done = workspace.lungs(&["score", "two.csv", "--group", "sex", "--prevalence", "0.01"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("score", done.stdout));
    let report = json(&workspace, &["two.csv"]);
    let (net, reader) = (&report["models"]["net"], &report["models"]["reader"]);
    // scikit-learn 1.9.1, with sample_weight for the weighted metrics.
    close(&reader["auc"]["value"], 0.71640625);
    close(&reader["average_precision"]["value"], 0.6287745452619891);
    close(&net["weighted"]["auc"]["value"], 0.68735);
    close(&net["weighted"]["average_precision"]["value"], 0.5939006052129253);
    close(&net["weighted"]["brier"]["value"], 0.22009910736666669);
    close(&reader["weighted"]["auc"]["value"], 0.71595);
    for key in ["brier", "cross_entropy", "accuracy", "calibration_slope"] {
        assert_eq!(reader[key]["value"], Value::Null);
        let reason = reader[key]["reason"].as_str().unwrap();
        assert_eq!(reason, "the predictions are ranking scores, not probabilities");
    }
    // Specificity of at least 0.9: a threshold has the unit of the predictions.
    let at = |model: &Value, key: &str| model["operating_points"][0][key].clone();
    assert_eq!(at(reader, "threshold_score"), 89.0);
    assert_eq!(
        (at(net, "threshold_probability"), at(net, "threshold_score")),
        (0.5.into(), Value::Null)
    );
    let test = &report["comparisons"][0];
    assert_eq!((&test["name_a"], &test["name_b"]), (&"reader".into(), &"net".into()));
    // pROC 1.18: roc.test(paired = TRUE, method = "delong")
    close(&test["aucs"]["difference"], 0.02609375);
    close(&test["aucs"]["p_value"], 0.7102725508618684);
    close(&test["aucs"]["interval"]["low"], -0.11157563712294544);
    close(&test["aucs"]["interval"]["high"], 0.1637631371229455);
}

#[test]
fn sensitivity_specificity_and_non_inferiority_are_tested() {
    let workspace = Workspace::new();
    let text = table("label,probability_net,probability_points", |_, label, p, s| {
        format!("{label},{p:.4},{:.4}", s as f64 / 125.0)
    });
    workspace.write("two.csv", &text);
    let test = &json(&workspace, &["two.csv", "--margin", "0.15"])["comparisons"][0];
    let half = &test["at_thresholds"][0];
    assert_eq!((&half["rule"], &half["at"]), (&"probability".into(), &0.5.into()));
    for model in ["a", "b"] {
        assert_eq!(half[format!("threshold_probability_{model}")], 0.5);
        assert_eq!(half[format!("threshold_logit_{model}")], 0.0);
    }
    // SciPy 1.17.1: binomtest for fewer than 25 discordant exams, else norm.sf of McNemar's statistic.
    for (name, shares, only, p) in [
        ("sensitivity", [23, 23], [10, 10], 1.0),
        ("specificity", [53, 51], [17, 15], 0.7236736098317631),
    ] {
        let test = &half[name];
        assert_eq!([&test["a"]["successes"], &test["b"]["successes"]], shares, "{name}");
        assert_eq!([&test["only_a"], &test["only_b"]], only, "{name}");
        close(&test["p_value"], p);
    }
    // DeLong's difference and standard error as in the test above: norm.sf((0.02609375 + 0.15) / SE).
    let margin = &test["non_inferiority"];
    close(&margin["p_value"], 0.006088003758229308);
    close(&margin["lower_bound"], -0.11157563712294544);
    assert_eq!(margin["is_non_inferior"], true);
    let done = workspace.lungs(&["score", "two.csv", "--margin", "0.15"]);
    settings().bind(|| {
        let tests = done.stdout.lines().filter(|line| line.contains("points"));
        insta::assert_snapshot!("score-tests", tests.collect::<Vec<_>>().join("\n"));
    });
}

#[test]
fn the_page_and_the_plots_are_written_and_do_not_change() {
    let workspace = Workspace::new();
    workspace.write("two.csv", &two_models());
    let score = || {
        let done = workspace.lungs(&["score", "two.csv", "--out", "scored", "--group", "sex"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        fs::read_to_string(workspace.path("scored/report.html")).unwrap()
    };
    let page = score();
    // Pages are copied to the folder LUNGS_PAGES for visual inspection.
    if let Some(folder) = std::env::var_os("LUNGS_PAGES") {
        fs::copy(
            workspace.path("scored/report.html"),
            std::path::Path::new(&folder).join("score.html"),
        )
        .unwrap();
    }
    for words in [
        "reader reached an AUC of 0.716",
        "the predictions are ranking scores, not probabilities",
        "Subgroups, reader",
        "Research use only",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script") && !page.contains(">E7<"), "no script, no exam");
    assert_eq!(page.matches("<svg").count(), 7, "five of the models and two of subgroups");
    let metrics: Value =
        serde_json::from_slice(&fs::read(workspace.path("scored/metrics.json")).unwrap()).unwrap();
    close(&metrics["models"]["reader"]["auc"]["value"], 0.71640625);
    for plot in ["roc", "precision-recall", "calibration", "decision-1", "scores-1", "subgroups-2"]
    {
        assert!(workspace.path(&format!("scored/plots/{plot}.svg")).is_file(), "{plot}");
        assert!(workspace.path(&format!("scored/plots/{plot}.png")).is_file(), "{plot}");
    }
    assert!(score() == page);
}

#[test]
fn probabilities_of_exactly_0_and_1_keep_the_ranking() {
    let workspace = Workspace::new();
    // The same ranking, with the two ends at 0 and 1: 0.0154 is the lowest and 0.9154 the highest probability.
    let text =
        table("label,probability", |_, label, p, _| match (format!("{p:.4}").as_str(), label) {
            ("0.0154", _) => format!("{label},0"),
            ("0.9154", _) => format!("{label},1"),
            (p, _) => format!("{label},{p}"),
        });
    workspace.write("p.csv", &text);
    let metrics = json(&workspace, &["p.csv"]);
    close(&metrics["auc"]["value"], 0.6903125);
    assert!(metrics["brier"]["value"].is_f64());
    for key in ["cross_entropy", "calibration_slope"] {
        assert_eq!(metrics[key]["value"], Value::Null);
        let reason = metrics[key]["reason"].as_str().unwrap();
        assert!(reason.contains("exactly 0 or 1, where log-odds are infinite"), "{reason}");
    }
    let warnings = metrics["warnings"].to_string();
    assert!(warnings.contains("exactly 0 or 1"), "{warnings}");
}

#[test]
fn bad_tables_are_errors_with_their_lines() {
    let workspace = Workspace::new();
    // The file, further arguments, and the error on one line.
    let cases: [(&str, &[&str], &str); 21] = [
        (
            "label,probability\n0,0.5\nmaybe,0.5\n",
            &[],
            "p.csv, line 3: label is \"maybe\", expected 0 or 1",
        ),
        ("label,probability\n0,0.5\n,0.5\n", &[], "p.csv, line 3: label is \"\", expected 0 or 1"),
        (
            "label,probability\n0,1.2\n1,1\n",
            &[],
            "line 2: probability is \"1.2\", expected a probability from 0 to 1",
        ),
        (
            "label,probability\n0,nan\n1,1\n",
            &[],
            "line 2: probability is \"nan\", expected a probability",
        ),
        ("label,score\n0,high\n1,1\n", &[], "line 2: score is \"high\", expected a number"),
        ("label,logit\n0,inf\n1,1\n", &[], "line 2: logit is \"inf\", expected a number"),
        (
            "label;probability\n0;0,5\n1;0.1\n",
            &[],
            "is \"0,5\", expected a probability from 0 to 1; write decimals with a point",
        ),
        (
            "exam,label,score\nA,0,1\nB,1,2\nA,0,3\n",
            &[],
            "line 4: exam \"A\" is also in line 2, expected one row for each exam",
        ),
        (
            "exam,label,score\nA,0,1\n,1,2\n",
            &[],
            "line 3: exam is \"\", expected the name of the exam",
        ),
        (
            "patient,label,score\nA,0,1\n,1,2\n",
            &[],
            "line 3: patient is \"\", expected the patient, in a file with this column",
        ),
        (
            "label,probability,logit\n0,0.5,0\n1,0.9,-2.1\n",
            &[],
            "line 3: probability is 0.9, but logit is -2.1, the log-odds of 0.1091; correct one of them, or evaluate",
        ),
        (
            "label,probability,score\n0,0.5,0\n1,0.9,7\n",
            &[],
            "line 3: probability is 0.9, but score is 7, the log-odds of 0.9991; next to the column `probability` of a \
             model, `score` is read as its log-odds; correct one of them, or evaluate them as two models with \
             --probability probability --score score",
        ),
        (
            "label,score,weight\n0,1,1\n1,2,-1\n",
            &[],
            "line 3: weight is \"-1\", expected a number that is not negative",
        ),
        ("label,score\n0,1\n1,2,3\n", &[], "line 3: found 3 cells, expected 2 as in the header"),
        (
            "label,score,age\n0,1,old\n1,2,\n",
            &["--group", "age=60"],
            "line 2: age is \"old\", expected a number, or an empty cell",
        ),
        ("outcome,score\n0,1\n", &[], "no column `label`; its columns are: outcome, score"),
        (
            "label,risk\n0,1\n",
            &[],
            "no column of predictions; its columns are: label, risk. Expected `probability`",
        ),
        (
            "label,score\n0,1\n",
            &["--probability", "risk"],
            "no column `risk`; its columns are: label, score",
        ),
        (
            "label,score\n0,1\n",
            &["--group", "sex"],
            "no column `sex`; its columns are: label, score",
        ),
        (
            "label,score,score\n0,1,1\n",
            &[],
            "the columns `score` and `score` for the predictions of p",
        ),
        ("label,score\n", &[], "p.csv has no rows"),
    ];
    for (text, arguments, expected) in cases {
        workspace.write("p.csv", text);
        let done = workspace.lungs(&[&["score", "p.csv"], arguments].concat());
        let message = done.stderr.replace("\n  │ ", " ").replace("\n", " ");
        assert_eq!(done.code, 2, "{text}: {}{message}", done.stdout);
        assert!(message.contains(expected), "{text}: {message}");
    }
    // Many faults are counted, and the first lines named.
    let text: String = (0..40).map(|line| format!("{},x\n", line % 2)).collect();
    workspace.write("p.csv", &format!("label,score\n{text}"));
    let done = workspace.lungs(&["score", "p.csv"]);
    settings().bind(|| insta::assert_snapshot!("score-faults", done.stderr));
    let missing = workspace.lungs(&["score", "nowhere.csv"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("cannot read nowhere.csv"), "{}", missing.stderr);
    workspace.write("p.csv", "label,score\n0,1\n1,2\n");
    let threshold = workspace.lungs(&["score", "p.csv", "--threshold", "0.5"]);
    assert!(threshold.stderr.contains("has ranking scores only"), "{}", threshold.stderr);
    let margin = workspace.lungs(&["score", "p.csv", "--margin", "0.05"]);
    assert_eq!(margin.code, 2);
    assert!(margin.stderr.contains("--margin compares models"), "{}", margin.stderr);
}

#[test]
fn tables_of_one_class_or_two_exams_have_reasons() {
    let workspace = Workspace::new();
    workspace.write("p.csv", "label,probability\n0,0.5\n0,0.25\n");
    let metrics = json(&workspace, &["p.csv"]);
    assert_eq!(metrics["auc"]["value"], Value::Null);
    assert!(metrics["auc"]["reason"].as_str().unwrap().contains("class"), "{metrics}");
    close(&metrics["brier"]["value"], (0.25 + 0.0625) / 2.0);
    let warning = "all 2 exams are negative: the AUC, the sensitivity and every other metric that needs positive exams \
                   cannot be computed; add positive exams";
    assert_eq!(metrics["warnings"][0], warning);
    let done = workspace.lungs(&["score", "p.csv", "--out", "scored"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let heading = format!("p.csv: 2 exams, 0 positive\n\nWarning: {warning}.\n\nAUC ");
    assert!(done.stdout.starts_with(&heading), "{}", done.stdout);
    assert_eq!(done.stdout.matches(warning).count(), 1, "{}", done.stdout);
    let page = fs::read_to_string(workspace.path("scored/report.html")).unwrap();
    assert!(page.contains(&format!("<strong>Warning: {warning}.</strong>")), "{page}");
    // Several models, positive exams only; and in a comparison.
    for name in ["p.csv", "other.csv"] {
        let first = if name == "p.csv" { "0.5" } else { "0.6" };
        let text =
            format!("exam,label,probability_a,probability_b\nA,1,{first},0.2\nB,1,0.1,0.4\n");
        workspace.write(name, &text);
    }
    let words = "all 2 exams are positive: the AUC, the specificity and every other metric that needs negative exams";
    for arguments in [&["score", "p.csv"][..], &["compare", "p.csv", "other.csv"]] {
        let done = workspace.lungs(arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains(words), "{}", done.stdout);
    }
    workspace.write("p.csv", "label,score\n0,1\n1,2\n");
    let metrics = json(&workspace, &["p.csv"]);
    close(&metrics["auc"]["value"], 1.0);
}

#[test]
fn a_model_is_not_compared_with_itself() {
    let workspace = Workspace::new();
    workspace.write("a.csv", "exam,label,score\nA,0,1\nB,1,2\n");
    workspace.write("b.csv", "exam,label,score\nA,0,1\nB,1,2\n");
    fs::create_dir(workspace.path("folder")).unwrap();
    for (arguments, expected) in [
        (
            ["a.csv", "a.csv"],
            "a.csv and a.csv are the same file, expected different runs or predictions",
        ),
        (["a.csv", "folder/../a.csv"], "a.csv and folder/../a.csv are the same file"),
        (["a.csv", "b.csv"], "a.csv and b.csv have the same content"),
    ] {
        let done = workspace.lungs(&[&["compare"], &arguments[..]].concat());
        assert_eq!(done.code, 2, "{}", done.stdout);
        assert!(done.flat().contains(expected), "{}", done.stderr);
    }
    let twice = ["score", "a.csv", "--score", "score", "--probability", "score"];
    let done = workspace.lungs(&twice);
    assert_eq!(done.code, 2, "{}", done.stdout);
    assert!(done.flat().contains("a.csv: column `score` is named twice"), "{}", done.stderr);
}
