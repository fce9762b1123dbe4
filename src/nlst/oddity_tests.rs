//! Irregular rows exclude their own series, exam or person with a reason, and nothing else.

use super::*;
use std::collections::BTreeMap;
use std::fs;

const PERSONS: &str = "\
pid,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days
1,5,370,735,.N,2400
2,0,364,700,.N,2400
3,0,364,700,.N,2400
";

const HEAD: &str = "PatientID,StudyInstanceUID,SeriesInstanceUID,StudyDate,Modality,\
    instanceCount,analysis_result_id,TransferSyntaxUID,aws_bucket,crdc_series_uuid\n";

/// An index of one good exam for each of three patients, and further lines.
fn index(lines: &str) -> String {
    let good = |patient: u8| {
        format!(
            "{patient},e{patient},s{patient},1999-01-02,CT,100,,1.2.840.10008.1.2.1,b,u{patient}\n"
        )
    };
    format!("{HEAD}{}{}{}{lines}", good(1), good(2), good(3))
}

fn labelled(tables: &[(&str, &str)], index: &str) -> LabelledCohort {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in tables {
        fs::write(folder.path().join(format!("nlst_{name}.csv")), text).unwrap();
    }
    let path = folder.path().join("index.csv");
    fs::write(&path, index).unwrap();
    label(
        &read_tables(folder.path()).unwrap(),
        inventory_from_index(&path).unwrap(),
        &Rules::default(),
    )
}

/// Labelled exams, and exclusions as exam, series, code.
fn outcome(labelled: &LabelledCohort) -> (Vec<&str>, Vec<(&str, &str, &str)>) {
    let exclusions = labelled.exclusions.iter();
    (
        labelled.rows.iter().map(|row| row.exam_id.as_str()).collect(),
        exclusions
            .map(|it| (it.exam_id.as_str(), it.series_uid.as_str(), it.code.code()))
            .collect(),
    )
}

#[test]
fn an_exam_of_two_patients_is_excluded_once_and_nothing_else() {
    let text = index("1,x,x1,2000-01-02,CT,9,,,,\n2,x,x2,2000-01-02,CT,9,,,,\n");
    let study = labelled(&[("prsn", PERSONS)], &text);
    let (labels, excluded) = outcome(&study);
    assert_eq!(labels, ["e1", "e2", "e3"]);
    let code = "exam-of-several-patients";
    assert_eq!(excluded, [("x", "", code), ("x", "", code)], "a row for each patient");
    assert_eq!((study.counts.exams, study.counts.patients), (4, 3));
    assert_eq!(study.counts.exams_excluded, [(ReasonCode::ExamOfSeveralPatients, 1)].into());
    assert!(study.exclusions[0].reason.contains("patients 1, 2"), "{}", study.exclusions[0].reason);
}

#[test]
fn derived_copies_are_excluded_but_not_their_exam() {
    let text = index("1,e1,copy,1999-01-02,CT,900,annotations,,,\n");
    let study = labelled(&[("prsn", PERSONS)], &text);
    let (labels, excluded) = outcome(&study);
    assert_eq!(labels, ["e1", "e2", "e3"]);
    assert_eq!(excluded, [("e1", "copy", "derived")]);
    let fetched: Vec<&str> = study.series.iter().map(|series| series.series_uid.as_str()).collect();
    assert_eq!(fetched, ["s1", "s2", "s3"], "although the copy has more images");
}

#[test]
fn a_repeated_series_counts_once_and_a_series_of_two_exams_is_excluded() {
    let text = index(
        "1,e1,s1,1999-01-02,CT,100,,,,\n2,other,s2,1999-01-02,CT,100,,,,\n3,e3,t,1999-01-02,CT,9,,,,\n",
    );
    let study = labelled(&[("prsn", PERSONS)], &text);
    let (labels, excluded) = outcome(&study);
    assert_eq!(labels, ["e1", "e3"]);
    let both = "series-of-several-exams";
    let expected = [
        ("e2", "", "no-series"),
        ("e1", "s1", "repeated-row"),
        ("e2", "s2", both),
        ("other", "s2", both),
    ];
    assert_eq!(excluded, expected);
    assert!(study.exclusions[2].reason.contains("exam other of patient 2"));
}

#[test]
fn an_unreadable_row_of_the_index_is_excluded_with_its_line() {
    let text = index("1,e1,bad,1999-01-02,CT,many,,,,\n,e9,nobody,1999-01-02,CT,9,,,,\n");
    let study = labelled(&[("prsn", PERSONS)], &text);
    let (labels, excluded) = outcome(&study);
    assert_eq!(labels, ["e1", "e2", "e3"]);
    assert_eq!(excluded, [("e9", "nobody", "unreadable-row"), ("e1", "bad", "unreadable-row")]);
    assert!(study.exclusions[1].reason.contains("line 5, column `instanceCount`: found \"many\""));
}

#[test]
fn compression_is_a_flag_and_not_a_reason() {
    let text = index(
        "1,f,lossy,2000-01-02,CT,9,,1.2.840.10008.1.2.4.51,b,u\n\
         2,g,mixed,2000-01-02,CT,9,,\"1.2.840.10008.1.2,1.2.840.10008.1.2.1\",b,u\n\
         3,h,lossless,2000-01-02,CT,9,,1.2.840.10008.1.2.4.70,b,u\n",
    );
    let study = labelled(&[("prsn", PERSONS)], &text);
    assert_eq!(study.rows.len(), 6);
    let flags: BTreeMap<&str, &str> =
        study.series.iter().map(|series| (series.series_uid.as_str(), series.flags)).collect();
    assert_eq!(flags["lossy"], "lossy-compression");
    assert_eq!(flags["mixed"], "mixed-transfer-syntaxes");
    assert_eq!((flags["lossless"], flags["s1"]), ("", ""));
    assert_eq!(study.counts.series_flagged.values().sum::<usize>(), 2);
    assert_eq!(study.series[0].address, "s3://b/u1/*");
}

#[test]
fn only_persons_with_unreadable_or_contradictory_rows_are_excluded() {
    let persons = PERSONS.replace("1,5,", "1,five,") + "2,0,364,700,90,80\n3,0,364,700,.N,2400\n";
    let cancers = "pid,candx_days\n1,70\n,80\n";
    let study = labelled(&[("prsn", &persons), ("canc", cancers)], &index(""));
    let (labels, excluded) = outcome(&study);
    assert_eq!(labels, ["e3"], "a repeated equal row is no contradiction");
    assert_eq!(excluded, [("e1", "", "unreadable-person"), ("e2", "", "contradictory-person")]);
    let counts = &study.counts;
    assert_eq!((counts.persons_in_table, counts.persons_unusable), (3, 2));
    assert_eq!((counts.persons_without_exam, counts.rows_without_person), (0, 1));
    assert_eq!(counts.diagnoses_disagree, 0, "unreadable rows are not compared");
    let unreadable =
        labelled(&[("prsn", PERSONS), ("canc", "pid,candx_days\n2,soon\n")], &index(""));
    assert_eq!(outcome(&unreadable).1, [("e2", "", "unreadable-person")]);
}
