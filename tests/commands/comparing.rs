//! `lungs compare`: runs and files of predictions on the same exams, and predictions that contradict their cohort.

use super::support::Workspace;
use super::synthetic;
use lungs_spec::results::{PredictionRow, RunFolder, read_csv};
use lungs_spec::spec::SplitName;
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// A run with 120 test exams, 30 of them positive.
fn run(workspace: &Workspace) -> RunFolder {
    synthetic::run(&workspace.path(""), "ours", 120, 1)
}

/// The text of an error without the line breaks of its box.
fn unwrapped(message: &str) -> String {
    message.replace("\n  │ ", " ")
}

fn test_rows(run: &RunFolder) -> Vec<PredictionRow> {
    read_csv(&run.predictions(SplitName::Test, 2)).unwrap()
}

/// Another model's predictions for the test exams of a run, in the opposite order: the run's log-odds, less precise
/// and shifted.
fn file(workspace: &Workspace, run: &RunFolder, line: impl Fn(&PredictionRow) -> Option<String>) {
    let mut text = "exam,label,score\n".to_owned();
    for row in test_rows(run).iter().rev() {
        if let Some(line) = line(row) {
            let _ = writeln!(text, "{line}");
        }
    }
    workspace.write("theirs.csv", &text);
}

fn theirs(row: &PredictionRow) -> String {
    format!("{},{},{:.0}", row.exam_id, u8::from(row.label), 2.0 * row.logit + 7.0)
}

#[test]
fn a_file_is_tested_against_a_run_on_the_same_exams() {
    let workspace = Workspace::new();
    let run = run(&workspace);
    file(&workspace, &run, |row| Some(theirs(row)));
    let page = ["--html", "page.html"];
    let done = workspace.lungs(&[&["compare", "results/ours", "theirs.csv"], &page[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    for words in [
        "1 run and 1 model of other programs compared on test exams.",
        "On the same 120 test exams (30 positive), the AUC of theirs.csv is ",
        "DeLong's paired test",
    ] {
        assert!(done.stdout.contains(words), "{words}: {}", done.stdout);
    }
    let html = fs::read_to_string(workspace.path("page.html")).unwrap();
    assert!(html.contains("On the same 120 test exams (30 positive), the AUC of theirs.csv is "));
    let json = workspace.lungs(&["compare", "results/ours", "theirs.csv", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["split"], &json["tests"][0]["exams"]), (&"test".into(), &120.into()));
    // The AUC of the file, counted over all pairs.
    let rows = test_rows(&run);
    let score = |row: &PredictionRow| (2.0 * row.logit + 7.0).round_ties_even();
    let (mut pairs, mut wins) = (0.0, 0.0);
    for positive in rows.iter().filter(|row| row.label) {
        for negative in rows.iter().filter(|row| !row.label) {
            pairs += 1.0;
            wins += match score(positive).total_cmp(&score(negative)) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let auc = json["tests"][0]["aucs"]["auc_a"].as_f64().unwrap();
    assert!((auc - wins / pairs).abs() < 1e-12, "{auc} {}", wins / pairs);
    let names = ["name_a", "name_b"].map(|key| json["tests"][0][key].as_str().unwrap());
    assert_eq!(names[0], "theirs.csv");
    assert!(names[1].starts_with("ours/"), "{names:?}");
    let metric = |name: &str| {
        let metrics = json["metrics"].as_array().unwrap();
        metrics.iter().find(|metric| metric["name"] == name).unwrap()["cells"].clone()
    };
    assert!((metric("test AUC")[1]["value"].as_f64().unwrap() - auc).abs() < 1e-12);
    assert_eq!(metric("test Brier")[1]["value"], Value::Null);
    assert_eq!(metric("evaluated on")[0]["text"], "120 test exams (30 positive)");
}

#[test]
fn exams_and_labels_of_a_file_must_be_those_of_the_run() {
    let workspace = Workspace::new();
    let run = run(&workspace);
    let compare = |arguments: &[&str]| {
        let done =
            workspace.lungs(&[&["compare", "results/ours", "theirs.csv"], arguments].concat());
        (done.code, done.stdout, unwrapped(&done.stderr))
    };
    // 100 of 120 exams, and one that the run does not have.
    file(&workspace, &run, |row| match row.exam_id.rsplit('-').next()?.parse::<usize>().ok()? {
        119 => Some("other,0,1".to_owned()),
        index if index >= 100 => None,
        _ => Some(theirs(row)),
    });
    let (code, _, message) = compare(&[]);
    assert_eq!(code, 2);
    assert!(message.contains("(120 and 101, 100 in common)"), "{message}");
    assert!(message.contains("add the missing exams to the files of predictions, or"), "{message}");
    let (code, text, message) = compare(&["--common"]);
    assert_eq!(code, 0, "{message}");
    for words in [
        "On the same 100 test exams common to both (25 positive)",
        "Note: The metrics and curves are of all exams of each run or model; the paired tests are of the common exams.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let rows = |name: &str| -> Vec<String> {
        let row = text.lines().find(|line| line.starts_with(name)).unwrap();
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(
        rows("evaluated on"),
        ["evaluated on", "120 test exams (30 positive)", "101 exams (25 positive)"]
    );
    let common = "100 common exams (25 positive)";
    assert_eq!(rows("tested on"), ["tested on", common, common]);
    // Without an exam in common, --common is no remedy.
    file(&workspace, &run, |row| Some(theirs(row).replace("exam-", "E")));
    let (code, _, message) = compare(&["--common"]);
    assert_eq!(code, 2);
    assert!(message.contains("0 in common"), "{message}");
    assert!(message.contains("write the same names of exams into the column `exam`"), "{message}");
    // One other label.
    file(&workspace, &run, |row| {
        let label = row.label ^ (row.exam_id == "exam-test-119");
        Some(format!("{},{},{}", row.exam_id, u8::from(label), row.logit))
    });
    let (_, _, message) = compare(&[]);
    assert!(
        message.contains("different labels for 1 common exam: exam exam-test-119"),
        "{message}"
    );
    // Other labels are an error that names the exams.
    file(&workspace, &run, |row| {
        let label = row.label ^ row.exam_id.ends_with('9');
        Some(format!("{},{},{}", row.exam_id, u8::from(label), row.logit))
    });
    let (code, _, message) = compare(&[]);
    assert_eq!(code, 2);
    for words in [
        "different labels for 12 common exams",
        "exam exam-test-119 (0 and 1), exam exam-test-109 (0 and 1), exam exam-test-99 (0 and 1) and 9 more",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    workspace.write("theirs.csv", "label,score\n0,1\n1,2\n");
    let (code, _, message) = compare(&[]);
    assert_eq!(code, 2);
    assert!(message.contains("theirs.csv has no column `exam`"), "{message}");
    workspace.write("theirs.csv", "exam,patient,label,score\nexam-test-0,Jim,1,1\n");
    let (code, _, message) = compare(&["--common"]);
    assert_eq!(code, 2);
    let words = "exam exam-test-0 is of patient Jane Doe test 0 in ours/";
    assert!(
        message.contains(words) && message.contains("of patient Jim in theirs.csv"),
        "{message}"
    );
}

#[test]
fn predictions_that_contradict_the_cohort_are_errors() {
    let workspace = Workspace::new();
    let run = run(&workspace);
    let (cohort, predictions) =
        (run.root().join("cohort.csv"), run.predictions(SplitName::Test, 2));
    let [cohort_text, text] = [&cohort, &predictions].map(|path| fs::read_to_string(path).unwrap());
    let line = text.lines().find(|line| line.starts_with("exam-test-4,")).unwrap();
    let chosen = cohort_text.lines().find(|line| line.contains(",exam-test-4,")).unwrap();
    file(&workspace, &run, |row| Some(theirs(row)));
    let cases = [
        (
            &predictions,
            text.replace(line, &line.replace("exam-test-4,", "exam-X,")),
            "exam exam-X of patient Jane Doe test 4 has a prediction, but is not among the chosen exams",
        ),
        (
            &predictions,
            text.replace(line, &line.replace(",1,", ",0,")),
            "exam exam-test-4 of patient Jane Doe test 4 has label 0 in the predictions and 1 in the cohort",
        ),
        (&predictions, text.replace(line, &format!("{line}\n{line}")), "has two predictions"),
        (
            &predictions,
            text.replace(&format!("{line}\n"), ""),
            "is a chosen exam of the cohort, but has no prediction",
        ),
        (
            &cohort,
            cohort_text.replace(chosen, &chosen.replace(",test,", ",train,")),
            "is among the test predictions, but in the split train of the cohort",
        ),
    ];
    for (path, changed, expected) in cases {
        assert!(changed != text && changed != cohort_text, "{expected}");
        let original = fs::read(path).unwrap();
        fs::write(path, changed).unwrap();
        for command in [&["plot", "results/ours"][..], &["compare", "results/ours", "theirs.csv"]] {
            let done = workspace.lungs(command);
            let message = unwrapped(&done.stderr);
            assert_ne!(done.code, 0, "{command:?}: {}", done.stdout);
            assert!(message.contains(expected), "{command:?}, {expected}: {message}");
            assert!(message.contains("test-epoch-002.csv") && message.contains("cohort.csv"));
        }
        fs::write(path, original).unwrap();
    }
    assert_eq!(workspace.lungs(&["plot", "results/ours"]).code, 0);
}

#[test]
fn text_json_and_page_have_the_same_warnings_and_notes() {
    let workspace = Workspace::new();
    // Two exams of each of 8 patients; 6 exams are positive.
    for (file, step) in [("a.csv", 5), ("b.csv", 7)] {
        let mut text = "exam,patient,label,probability\n".to_owned();
        for exam in 0..16 {
            let label = usize::from(exam < 6);
            let probability = ((exam * step) % 16 + 4 * label) as f64 / 20.0 + 0.01;
            let _ = writeln!(text, "{exam},P{},{label},{probability:.3}", exam / 2);
        }
        workspace.write(file, &text);
    }
    let arguments = ["compare", "a.csv", "b.csv", "--html", "page.html"];
    let text = workspace.lungs(&arguments);
    assert_eq!(text.code, 0, "{}", text.stderr);
    let page = fs::read_to_string(workspace.path("page.html")).unwrap();
    let json = workspace.lungs(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let sentences = |key: &str| -> Vec<&str> {
        json[key].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
    };
    let warnings = sentences("warnings");
    assert_eq!(
        warnings,
        [
            "exams: 3 patients with 6 positive exams, fewer than 10: every metric is uncertain, and its interval \
          approximate."
        ]
    );
    let notes = sentences("notes");
    assert_eq!(
        notes,
        [
            "16 exams of 8 patients: exams of one patient are alike, so intervals and tests count patients."
        ]
    );
    for (label, sentences) in [("Warning", warnings), ("Note", notes)] {
        for sentence in sentences {
            assert!(text.stdout.contains(&format!("{label}: {sentence}\n")), "{}", text.stdout);
            assert!(page.contains(&format!("{label}: {sentence}<")), "{sentence}");
        }
    }
    assert!(
        text.stdout.starts_with("2 models compared on the exams of their files."),
        "{}",
        text.stdout
    );
    assert!(page.contains("2 models compared on the exams of their files."));
}

#[test]
fn evaluating_a_run_compares_its_predictions_with_its_cohort() {
    let workspace = Workspace::new();
    let done = workspace.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = workspace.newest_run("small");
    let path = run.join("predictions/valid-epoch-001.csv");
    let text = fs::read_to_string(&path).unwrap();
    let first = text.lines().nth(1).unwrap();
    let (exam, rest) = first.split_once(',').unwrap();
    fs::write(&path, text.replace(first, &format!("{exam}-other,{rest}"))).unwrap();
    let done = workspace.lungs(&["evaluate", run.to_str().unwrap()]);
    let message = unwrapped(&done.stderr);
    assert_eq!(done.code, 1, "{}", done.stdout);
    assert!(message.contains(&format!("exam {exam}-other of patient")), "{message}");
    assert!(message.contains("contradict each other for 2 exams"), "{message}");
}
