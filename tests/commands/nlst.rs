//! `lungs cohort nlst` on synthetic tables with the special cases of the real ones, and splits by lists.

use super::support::{Workspace, cohort, settings};
use std::collections::BTreeSet;
use std::fs;

const PRSN: &str = "\
pid,age,gender,cigsmok,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days,can_scr,cancyr
100001,61,1,1,5,370,735,.N,2400,0,.N
100002,60,2,0,0,364,.N,364,.N,1,1
100003,59,1,1,10,.E,.E,200,200,1,0
100004,62,2,0,7,.W,740,1105,900,4,2
100005,70,1,1,.N,,700,.N,1000,0,.N
100006,65,1,1,3,360,720,.N,3000,0,.N
";

const INDEX: &str = "\
PatientID,StudyInstanceUID,SeriesInstanceUID,StudyDate,Modality,SeriesDescription,instanceCount,series_size_MB,crdc_series_uuid
100001,1.1.0,1.1.0.1,1999-01-02,CT,\"0,OPA,SE,VZOOM,B30f,300,2,120,75,40,na\",150,79.1,u1
100001,1.1.0,1.1.0.2,1999-01-02,CT,\"0,OPA,SE,VZOOM,B50f,300,2,120,75,40,na\",150,79.1,u2
100001,1.1.0,1.1.0.3,1999-01-02,CT,\"0,OPL,SE,VZOOM,na,,,,,,\",1,0.5,u3
100001,1.1.1,1.1.1.1,2000-01-02,CT,\"1,OPA,GE,LSULT,STANDARD,380,2.5,120,60,44.4,1.4\",120,63.2,u4
100002,1.2.0,1.2.0.1,1999-01-02,CT,\"0,OPA,GE,LSULT,LUNG,380,1.2,120,60,44.4,1.4\",240,126.4,u5
100003,1.3.0,1.3.0.1,1999-01-02,CT,\"0,OPA,PH,MX8000,C,286,5,120,120,80,1.5\",60,31.6,u6
100003,1.3.1,1.3.1.1,2000-01-02,CT,\"1,OPA,PH,MX8000,C,286,2,120,120,80,1.5\",150,79.1,u7
100004,1.4.0,1.4.0.1,1999-01-02,CT,\"0,OPA,TO,Aquilion,FC51,320,2,120,120,80,1.5\",150,79.1,u8
100004,1.4.2,1.4.2.1,2001-01-02,CT,\"2,OPA,TO,Aquilion,FC51,320,2,120,120,80,1.5\",150,79.1,u9
100005,1.5.2,1.5.2.1,2001-01-02,CT,\"2,OPA,GE,LSULT,STANDARD,380,2.5,120,60,44.4,1.4\",120,63.2,u10
999999,1.9.0,1.9.0.1,1999-01-02,CT,\"0,OPA,GE,LSULT,STANDARD,380,2.5,120,60,44.4,1.4\",120,63.2,u11
";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("nlst/nlst_prsn.csv", PRSN);
    workspace.write("nlst/nlst_canc.csv", "pid,candx_days\n100002,364\n100003,200\n100004,1105\n");
    workspace.write("index.csv", INDEX);
    workspace
}

const COMMAND: [&str; 8] =
    ["cohort", "nlst", "--tables", "nlst", "--index", "index.csv", "--out", "out"];

/// The command with more options.
fn with_options<'a>(options: &[&'a str]) -> Vec<&'a str> {
    COMMAND.iter().copied().chain(options.iter().copied()).collect()
}

#[track_caller]
fn assert_fails(workspace: &Workspace, name: &str, arguments: &[&str]) {
    let done = workspace.lungs(arguments);
    assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
    settings().bind(|| insta::assert_snapshot!(name, done.stderr));
}

#[test]
fn the_flow_counts_every_exam_and_exclusion() {
    let workspace = workspace();
    let done = workspace.lungs(&with_options(&["--max-thickness-mm", "2.5"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("nlst-flow", done.stdout));
    let read = |name: &str| fs::read_to_string(workspace.path("out").join(name)).unwrap();
    settings().bind(|| insta::assert_snapshot!("nlst-labels", read("labels.csv")));
    settings().bind(|| insta::assert_snapshot!("nlst-exclusions", read("exclusions.csv")));
    settings().bind(|| insta::assert_snapshot!("nlst-manifest", read("manifest.txt")));
    assert!(read("flow.svg").contains("flow of exams"));
    let record: serde_json::Value = serde_json::from_str(&read("labels.json")).unwrap();
    assert_eq!(record["rules"]["max_thickness_mm"], 2.5);
    assert_eq!(record["rules"]["later_cancers"], "negative");
    assert_eq!(record["counts"]["kept_positive"], 1);
    for table in ["prsn", "canc", "index"] {
        assert_eq!(record["read_blake3"][table].as_str().unwrap().len(), 64);
    }
}

#[test]
fn rules_and_draws_are_options() {
    let workspace = workspace();
    let options = [
        "--later-cancers",
        "exclude",
        "--follow-up",
        "later-screen",
        "--positives",
        "1",
        "--negatives",
        "5",
        "--series",
        "all",
    ];
    let done = workspace.lungs(&with_options(&options));
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("nlst-flow-of-a-draw", done.stdout));
}

#[test]
fn times_of_a_survival_outcome_are_written_and_censoring_is_counted() {
    let workspace = workspace();
    let done = workspace.lungs(&with_options(&["--outcome", "survival"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("nlst-survival-flow", done.stdout));
    let read = |name: &str| fs::read_to_string(workspace.path("out").join(name)).unwrap();
    settings().bind(|| insta::assert_snapshot!("nlst-survival-labels", read("labels.csv")));
    assert!(read("flow.svg").contains("censored"));
    for (options, message) in [
        (["--horizon-days", "700"], "--horizon-days has no effect on times"),
        (["--later-cancers", "exclude"], "--later-cancers exclude would exclude exams"),
        (["--follow-up", "none"], "--follow-up none has no end of follow-up"),
    ] {
        let done =
            workspace.lungs(&with_options(&[&["--outcome", "survival"], &options[..]].concat()));
        assert_eq!(done.code, 2, "{}", done.stdout);
        assert!(done.flat().contains(message), "{}", done.flat());
    }
}

#[test]
fn exams_on_disk_are_labelled_by_their_headers() {
    let workspace = workspace();
    let mut persons = PRSN.lines().next().unwrap().to_owned() + "\n";
    let mut screens = "pid,study_yr\n".to_owned();
    for patient in patients() {
        persons += &format!("{patient},61,1,1,5,370,735,.N,2400,0,.N\n");
        screens += &format!("{patient},0\n");
    }
    workspace.write("nlst/nlst_prsn.csv", &persons);
    workspace.write("nlst/nlst_screen.csv", &screens);
    let done =
        workspace.lungs(&["cohort", "nlst", "--tables", "nlst", "--data", "ct", "--out", "out"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    // Whatever the headers' dates, every exam has either a label or a reason.
    let exams = |name: &str, skip_series: bool| -> BTreeSet<String> {
        let text = fs::read_to_string(workspace.path("out").join(name)).unwrap();
        let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let rows = rows.filter(|row| !skip_series || row[2].is_empty());
        rows.map(|row| row[1].to_owned()).collect()
    };
    let (labelled, excluded) = (exams("labels.csv", false), exams("exclusions.csv", true));
    assert!(!labelled.is_empty() && labelled.is_disjoint(&excluded));
    let exam_count = fs::read_to_string(cohort().join("labels.csv")).unwrap().lines().count() - 1;
    assert_eq!(labelled.len() + excluded.len(), exam_count);
    assert!(!workspace.path("out/manifest.txt").exists());
}

#[test]
fn errors_of_tables_name_the_file_and_the_column() {
    let workspace = workspace();
    assert_fails(
        &workspace,
        "nlst-no-tables",
        &["cohort", "nlst", "--tables", "ct", "--index", "index.csv", "--out", "out"],
    );
    workspace.write("nlst/nlst_prsn.csv", &PRSN.replace("candx_days", "cancer_days"));
    assert_fails(&workspace, "nlst-no-column", &COMMAND);
    workspace.write("nlst/nlst_prsn.csv", PRSN);
    workspace.write("index.csv", &INDEX.replace("SeriesInstanceUID", "Series"));
    assert_fails(&workspace, "nlst-no-index-column", &COMMAND);
    assert!(!workspace.path("out").exists());
}

#[test]
fn irregular_rows_exclude_their_series_exam_or_person() {
    let workspace = workspace();
    workspace.write(
        "nlst/nlst_prsn.csv",
        &PRSN.replace("100003,59,1,1,10", "100003,59,1,1,ten").replace("100005,70", "100002,70"),
    );
    let extra_rows =
        "100001,1.4.2,1.4.2.9,2001-01-02,CT,,9,1,u12\n100001,1.1.0,p1,1999-01-02,SM,,9,1,u13\n";
    workspace.write("index.csv", &(INDEX.replace("1.2.0.1,", "1.1.1.1,") + extra_rows));
    let done = workspace.lungs(&COMMAND);
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("nlst-oddities", done.stdout));
    let exclusions = fs::read_to_string(workspace.path("out/exclusions.csv")).unwrap();
    settings().bind(|| insta::assert_snapshot!("nlst-oddities-exclusions", exclusions));
}

/// Patients of the cohort, each once.
fn patients() -> Vec<String> {
    let text = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let mut ids: Vec<String> =
        text.lines().skip(1).filter_map(|line| Some(line.split(',').next()?.to_owned())).collect();
    ids.sort();
    ids.dedup();
    ids
}

#[test]
fn a_list_of_patients_defines_the_test_split_and_is_recorded_with_the_run() {
    let workspace = Workspace::new();
    let ids = patients();
    let list = format!("# published\n{}\n{}\nelsewhere\n", ids[0], ids[3]);
    workspace.write("test.txt", &list);
    let set = ["--set", "split.lists.test=test.txt", "--set", "train.epochs=1"];
    let check = workspace.lungs(&[&["check", "small.toml"], &set[..]].concat());
    assert_eq!(check.code, 0, "{}", check.stderr);
    assert!(
        check.stdout.contains("test list: 3 patients, 1 not in the cohort"),
        "{}",
        check.stdout
    );
    let done = workspace.lungs(&[&["run", "small.toml"], &set[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("test list: 3 patients, 1 not in the cohort"), "{}", done.stdout);
    let run = workspace.newest_run("small");
    let rows = fs::read_to_string(run.join("cohort.csv")).unwrap();
    let tested: BTreeSet<&str> = rows
        .lines()
        .filter(|line| line.contains(",test,"))
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(tested.into_iter().collect::<Vec<_>>(), [&ids[0], &ids[3]]);
    let provenance: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
    let hash = blake3::hash(list.as_bytes()).to_hex().to_string();
    assert_eq!(provenance["split_lists"]["test"], hash.as_str());
    // A changed list with the same path is a change of the inputs.
    workspace.write("test.txt", &format!("{}\n", ids[1]));
    let again = workspace.lungs(&[&["run", "small.toml"], &set[..]].concat());
    assert_eq!(again.code, 2, "{}", again.stdout);
    assert!(again.stderr.contains("4 patients changed in split.lists"), "{}", again.stderr);
}

#[test]
fn a_list_without_a_patient_of_the_cohort_is_an_error() {
    let workspace = Workspace::new();
    workspace.write("test.txt", &format!("{}\nP9999\n", patients()[0].to_lowercase()));
    let done = workspace.lungs(&["check", "small.toml", "--set", "split.lists.test=test.txt"]);
    assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("none of its 2 patients"), "{}", done.stderr);
}

#[test]
fn a_patient_in_two_lists_is_an_error_before_preparation() {
    let workspace = Workspace::new();
    let ids = patients();
    workspace.write("train.txt", &format!("{}\n{}\n", ids[0], ids[1]));
    workspace.write("test.txt", &format!("{}\n", ids[1]));
    let set = ["--set", "split.lists.train=train.txt", "--set", "split.lists.test=test.txt"];
    let done = workspace.lungs(&[&["run", "small.toml"], &set[..]].concat());
    assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
    let error = done.stderr.replace(&ids[1], "PATIENT");
    settings().bind(|| insta::assert_snapshot!("patient-in-two-split-lists", error));
    assert!(!workspace.path("prepared").exists());
}
