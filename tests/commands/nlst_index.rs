//! `lungs cohort nlst` on the real index of the trial (Imaging Data Commons, release 25), with synthetic clinical
//! tables of its patients. Every count is compared with an independent count.

use super::support::Workspace;
use lungs_archive::table::Unreadable;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// A row of the index.
struct Row {
    patient: String,
    exam: String,
    date: String,
    modality: String,
    description: String,
    derived: bool,
}

fn rows(index: &std::path::Path) -> Vec<Row> {
    let columns = [
        "PatientID",
        "StudyInstanceUID",
        "StudyDate",
        "Modality",
        "SeriesDescription",
        "analysis_result_id",
    ];
    let choose =
        |_: &std::path::Path, names: &[String]| -> Result<Vec<Option<usize>>, Unreadable> {
            Ok(columns.iter().map(|column| names.iter().position(|name| name == column)).collect())
        };
    let mut rows = Vec::new();
    lungs_archive::table::read(index, choose, |row| {
        let text = |column: usize| row.cells[column].to_owned();
        rows.push(Row {
            patient: text(0),
            exam: text(1),
            date: text(2),
            modality: text(3),
            description: text(4),
            derived: !text(5).is_empty(),
        });
        Ok::<(), Unreadable>(())
    })
    .unwrap();
    rows
}

fn is_localizer(description: &str) -> bool {
    let mut fields = description.split(',');
    let coded = matches!(fields.next(), Some("0" | "1" | "2"));
    coded && fields.next().is_some_and(|kind| kind.len() == 3 && kind != "OPA")
}

/// Every twentieth patient has a cancer 35 days after the second screening.
fn has_cancer(index: usize) -> bool {
    index.is_multiple_of(20)
}

#[test]
#[ignore = "needs shared/nlst"]
fn every_count_of_the_real_index_is_correct() {
    let index = lungs_testing::shared("nlst/idc-index-nlst-v25.parquet");
    let rows = rows(&index);
    let ct = || rows.iter().filter(|row| row.modality == "CT");
    let patient_ids: BTreeSet<&str> = ct().map(|row| row.patient.as_str()).collect();
    let patients_with_cancer: BTreeSet<&str> = patient_ids
        .iter()
        .enumerate()
        .filter(|(index, _)| has_cancer(*index))
        .map(|(_, pid)| *pid)
        .collect();
    let workspace = Workspace::new();
    let mut persons = "pid,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days\n".to_owned();
    for pid in &patient_ids {
        let (diagnosed, free) =
            if patients_with_cancer.contains(pid) { ("400", "399") } else { (".N", "3000") };
        writeln!(persons, "{pid},0,365,730,{diagnosed},{free}").unwrap();
    }
    // Persons of the radiography arm.
    for pid in 0..100 {
        writeln!(persons, "x{pid},.N,.N,.N,.N,3000").unwrap();
    }
    workspace.write("nlst/nlst_prsn.csv", &persons);
    let index = index.to_str().unwrap();
    let command = ["cohort", "nlst", "--tables", "nlst", "--index", index, "--out", "out"];
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(workspace.path("out/labels.json")).unwrap()).unwrap();
    let counts = &record["counts"];

    // Published counts of the index.
    assert_eq!(counts["series"], 203_111);
    assert_eq!(counts["exams"], 73_113);
    assert_eq!(counts["patients"], 26_254);
    assert_eq!(counts["series_excluded"]["derived"], 24);
    assert_eq!(counts["series_flagged"]["lossy-compression"], 151);
    assert_eq!(counts["series_flagged"]["mixed-transfer-syntaxes"], 38);
    assert_eq!(counts["series_of_other_modalities"]["SM"], 1_259);
    assert_eq!(counts["persons_without_exam"], 100);

    // Exams by their patients, years and usable series.
    let mut exams = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut years = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut usable = BTreeSet::<&str>::new();
    let mut localizers = 0;
    for row in ct() {
        exams.entry(&row.exam).or_default().insert(&row.patient);
        years.entry(&row.exam).or_default().insert(&row.date[..4]);
        let localizer = is_localizer(&row.description);
        localizers += usize::from(localizer && !row.derived);
        if !localizer && !row.derived {
            usable.insert(&row.exam);
        }
    }
    let mut expected = BTreeMap::<&str, usize>::new();
    for (exam, patients) in &exams {
        let year = years[exam].iter().next().copied().unwrap();
        let has_cancer = patients_with_cancer.contains(patients.iter().next().unwrap());
        let outcome = if patients.len() > 1 {
            "exam-of-several-patients"
        } else if years[exam].len() > 1 {
            "conflicting-years"
        } else if !usable.contains(exam) {
            "no-series"
        } else if has_cancer && year == "2001" {
            "after-diagnosis"
        } else if has_cancer && year == "2000" {
            "positive"
        } else {
            "negative"
        };
        *expected.entry(outcome).or_default() += 1;
    }
    assert_eq!(counts["series_excluded"]["localizer"], localizers);
    let labelled = expected["positive"] + expected["negative"];
    assert_eq!(counts["labelled"], labelled);
    assert_eq!(counts["labelled_positive"], expected["positive"]);
    let excluded: BTreeMap<&str, u64> = counts["exams_excluded"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, count)| (code.as_str(), count.as_u64().unwrap()))
        .collect();
    expected.retain(|code, _| !["positive", "negative"].contains(code));
    let expected: BTreeMap<&str, u64> =
        expected.into_iter().map(|(code, count)| (code, count as u64)).collect();
    assert_eq!(excluded, expected);
    assert_eq!(expected["exam-of-several-patients"], 1);

    // A line for each excluded CT series and exam, the shared exam once for each of its patients.
    let lines =
        fs::read_to_string(workspace.path("out/exclusions.csv")).unwrap().lines().count() - 1;
    let exams_excluded = exams.len() - labelled;
    assert_eq!(lines, localizers + 24 + exams_excluded + 1);
    let labels = fs::read_to_string(workspace.path("out/labels.csv")).unwrap();
    assert_eq!(labels.lines().count() - 1, labelled);
    let series = fs::read_to_string(workspace.path("out/series.csv")).unwrap();
    assert_eq!(series.lines().count() - 1, labelled, "one preferred series per exam");
}
