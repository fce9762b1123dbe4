//! `lungs sample-size`.

use super::score::two_models;
use super::support::Workspace;
use serde_json::Value;

fn json(workspace: &Workspace, arguments: &[&str]) -> Value {
    let done = workspace.lungs(&[&["sample-size"], arguments, &["--json"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

#[test]
fn numbers_of_exams_equal_published_and_computed_ones() {
    let workspace = Workspace::new();
    let exams = |arguments: &[&str]| json(&workspace, arguments)["exams"].as_u64().unwrap();
    // Riley et al. 2021, section 4: a C-statistic of 0.8 at a prevalence of 0.018 needs 4,252 exams. The paper has 905
    // for O/E from a rounded standard error; the formula gives 905.1.
    let riley = ["--prevalence", "0.018"];
    assert_eq!(exams(&[&["auc", "--auc", "0.8", "--width", "0.1"], &riley[..]].concat()), 4252);
    assert_eq!(exams(&[&["calibration", "--width", "1"], &riley[..]].concat()), 906);
    // NumPy and SciPy 1.17.1 with the formulas of Newcombe (2006), Wilson (1927) and Hanley & McNeil (1983).
    let screening = ["--prevalence", "0.02"];
    assert_eq!(
        exams(&[&["auc", "--auc", "0.85", "--width", "0.1"], &screening[..]].concat()),
        2950
    );
    let shares = ["sensitivity", "--sensitivity", "0.9", "--specificity", "0.8", "--width", "0.1"];
    let plan = json(&workspace, &[&shares[..], &screening].concat());
    assert_eq!((&plan["exams"], &plan["positives"]), (&7050.into(), &141.into()));
    assert_eq!(plan["criteria"][1]["exams"], 250);
    let aucs = ["comparison", "--auc", "0.88", "--other", "0.84", "--correlation", "0.6"];
    assert_eq!(exams(&[&aucs[..], &screening].concat()), 7140);
    let power = json(&workspace, &[&aucs[..], &screening, &["--exams", "5000"]].concat());
    assert!((power["power"].as_f64().unwrap() - 0.6496816758130813).abs() < 1e-9, "{power}");
}

#[test]
fn earlier_predictions_give_the_log_odds_and_the_correlation() {
    let workspace = Workspace::new();
    workspace.write("two.csv", &two_models());
    let slope = ["calibration", "--width", "1", "--slope-width", "0.4", "--prevalence", "0.3"];
    let file = ["--predictions", "two.csv"];
    let net = ["--probability", "probability_net"];
    let plan = json(&workspace, &[&slope[..], &file, &net].concat());
    // NumPy: the information of the log-odds of the 120 exams in `score.rs` gives 564.77.
    assert_eq!(plan["criteria"][1]["exams"], 565);
    let aucs = ["comparison", "--auc", "0.88", "--other", "0.84", "--prevalence", "0.02"];
    let plan = json(&workspace, &[&aucs[..], &file].concat());
    // NumPy: DeLong's covariance of the two models divided by the root of their variances.
    assert!((plan["correlation"].as_f64().unwrap() - 0.001446727593551989).abs() < 1e-9, "{plan}");
    for (arguments, expected) in [
        ([&slope[..], &file].concat(), "two.csv has 2 models (net, reader), expected one model"),
        ([&slope[..], &file, &["--score", "score_reader"]].concat(), "the slope needs log-odds"),
        ([&aucs[..], &file, &net].concat(), "expected two models"),
        (
            [&aucs[..4], &["0.88", "--prevalence", "0.02", "--correlation", "0.5"]].concat(),
            "no number of exams",
        ),
        (aucs.to_vec(), "<--correlation <R>|--predictions <CSV>>"),
        (
            vec!["auc", "--auc", "1.2", "--width", "0.1", "--prevalence", "0.02"],
            "greater than 0 and less than 1",
        ),
    ] {
        let done = workspace.lungs(&[vec!["sample-size"], arguments.clone()].concat());
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.stdout);
        let message = done.stderr.replace("\n  │ ", " ");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}
