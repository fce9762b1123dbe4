//! Labels with follow-up: checks, runs, changes and errors of survival specs, and the commands that write such labels.

use super::support::{SPEC, Workspace, cohort, table};
use std::fs;

/// A survival spec on the labels of [`write_labels`].
fn workspace() -> Workspace {
    let workspace = Workspace::prepared();
    let outcome = "\n[outcome]\nname = \"survival\"\nhorizons_years = [1, 3]\n";
    let spec = SPEC.replace("\"small\"", "\"survival\"").replace("ct/labels.csv", "labels.csv");
    workspace.write("survival.toml", &(spec + outcome));
    workspace
}

/// Labels of the cohort: the days to each cancer; of the other exams, every third is followed for 200 days, the next
/// for 500, and the next for 2000. `label` is empty where it is unknown.
fn write_labels(workspace: &Workspace) -> String {
    let mut text = "series_uid,exam_id,label,days_to_event,days_followed\n".to_owned();
    let mut free = 0;
    for row in table(&cohort().join("labels.csv")) {
        let (series, exam, cancer) = (&row["series_uid"], &row["exam_id"], &row["days_to_cancer"]);
        text += &if cancer.is_empty() {
            free += 1;
            let (label, days) = [("", 200), ("0", 500), ("0", 2000)][free % 3];
            format!("{series},{exam},{label},,{days}\n")
        } else {
            format!("{series},{exam},1,{cancer},\n")
        };
    }
    workspace.write("labels.csv", &text);
    text
}

#[test]
fn check_counts_the_follow_up_of_a_survival_spec() {
    let workspace = workspace();
    write_labels(&workspace);
    let done = workspace.lungs(&["check", "survival.toml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let exams = table(&workspace.path("labels.csv"));
    let count = |column: &str, cell: &str| exams.iter().filter(|exam| exam[column] == cell).count();
    let cancer = exams.len() - count("days_to_event", "");
    let [short, middle, long] = ["200", "500", "2000"].map(|days| count("days_followed", days));
    assert!(cancer * short * middle * long > 0);
    let all = exams.len();
    for expected in [
        format!("follow-up {cancer} of {all} exams with cancer, {} without until", all - cancer),
        format!("1 year {cancer} with cancer, {} free of it, {short} unknown", middle + long),
        format!("3 years {cancer} with cancer, {long} free of it, {} unknown", short + middle),
        format!(
            "note {short} of {all} exams are followed for less than 1 year and have no cancer: not used"
        ),
    ] {
        assert!(done.flat().contains(&expected), "{expected:?} is not in: {}", done.flat());
    }
    let json = workspace.lungs(&["check", "survival.toml", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["cohort"]["follow_up"]["horizons"][1]["unknown"], short + middle);
    // A binary spec on the one-year labels of the same exams has no follow-up.
    let binary = workspace.lungs(&["check", "small.toml", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&binary.stdout).unwrap();
    assert!(plan["cohort"]["follow_up"].is_null() && plan["cohort"]["chosen"] == all);
}

#[test]
fn a_run_stores_its_follow_up_and_stops_if_it_changes() {
    let workspace = workspace();
    let text = write_labels(&workspace);
    let run = ["run", "survival.toml", "--set", "train.epochs=1"];
    let done = workspace.lungs(&run);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.flat().contains("follow-up"), "{}", done.flat());
    let folder = workspace.newest_run("survival");
    let labels = table(&workspace.path("labels.csv"));
    for row in table(&folder.join("cohort.csv")).iter().filter(|row| row["chosen"] == "true") {
        let label = labels.iter().find(|label| label["series_uid"] == row["series"]).unwrap();
        let has_cancer = !label["days_to_event"].is_empty();
        let days = &label[if has_cancer { "days_to_event" } else { "days_followed" }];
        let years = days.parse::<f64>().unwrap() / 365.25;
        assert_eq!(row["time_years"].parse::<f64>().unwrap(), years);
        assert_eq!(row["event"], if has_cancer { "1" } else { "0" });
        assert_eq!(row["label"], row["event"], "every cancer is within the first year");
    }
    // A follow-up of 2000 days ends later, one of 500 days after 501: two changes and no other.
    assert_eq!(workspace.lungs(&run).code, 0);
    let changed = text.replacen(",2000\n", ",2001\n", 1).replacen(",500\n", ",501\n", 1);
    workspace.write("labels.csv", &changed);
    let done = workspace.lungs(&run);
    assert_eq!(done.code, 2, "{}", done.stdout);
    let flat = done.flat();
    assert!(flat.contains("2 follow-ups changed: "), "{flat}");
    assert!(flat.contains("no cancer in 5.475"), "{flat}");
    assert!(!flat.contains("labels changed"), "{flat}");
}

#[test]
fn follow_up_that_contradicts_itself_is_an_error() {
    let workspace = workspace();
    let text = write_labels(&workspace);
    let line = text.lines().position(|line| line.contains(",0,,2000")).unwrap() + 1;
    let check = |text: &str| {
        workspace.write("labels.csv", text);
        let done = workspace.lungs(&["check", "survival.toml"]);
        assert_eq!(done.code, 2, "{}", done.stdout);
        done.flat()
    };
    let error = check(&text.replacen(",0,,2000\n", ",0,300,2000\n", 1));
    let expected = "label is 0, but days_to_event is 300: cancer within 1 year, the first of";
    assert!(error.contains(&format!("labels.csv, line {line}: {expected}")), "{error}");
    let error = check(&text.replacen(",0,,2000\n", ",0,,-1\n", 1));
    let expected = "days_followed is \"-1\", expected a number from 0 to 54787, or an empty cell";
    assert!(error.contains(&format!("labels.csv, line {line}: {expected}")), "{error}");
    let error = check(&text.replace("days_followed", "follow_up"));
    assert!(error.contains("has no column `years_followed` or `days_followed`"), "{error}");
    // One row for a patient with exams on several days.
    let mut patients = "patient_id,years_to_event,years_followed\n".to_owned();
    let mut ids: Vec<String> =
        table(&cohort().join("labels.csv")).iter().map(|row| row["patient_id"].clone()).collect();
    ids.dedup();
    ids.iter().for_each(|id| patients += &format!("{id},,3\n"));
    let error = check(&patients);
    assert!(error.contains("without study_date, and the patient has several exams: "), "{error}");
}

#[test]
fn phantoms_with_follow_up_have_times_and_others_are_unchanged() {
    let workspace = workspace();
    let phantom = ["phantom", "p", "--patients", "6", "--seed", "5", "--follow-up-years", "3"];
    let done = workspace.lungs(&phantom);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let labels = fs::read_to_string(workspace.path("p/labels.csv")).unwrap();
    assert!(labels.starts_with("patient_id,exam_id,series_uid,label,days_to_event,days_followed,"));
    let set = ["--set", "data.root=p", "--set", "data.labels=p/labels.csv"];
    let done = workspace.lungs(&[&["check", "survival.toml"], &set[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.flat().contains("0 unknown"),
        "every exam is followed for a year: {}",
        done.flat()
    );
    let done = workspace.lungs(&["phantom", "q", "--follow-up-years", "0.5"]);
    assert!(done.code == 2 && done.flat().contains("`follow_up_years` is 0.5, expected 1 to 20"));
}
