//! Whole cohorts from synthetic tables with the special cases of the real ones.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Persons, one for each special case.
const PRSN: &str = "\
pid,dataset_version,age,gender,race,cigsmok,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days,can_scr,cancyr,de_stag
100001,x,61,1,1,1,5,370,735,.N,2400,0,.N,.N
100002,x,60,2,2,0,0,364,.N,364,.N,1,1,110
100003,x,59,1,1,1,10,.E,.E,200,200,1,0,400
100004,x,62,2,95,0,7,.W,740,1105,900,4,2,310
100005,x,70,1,1,1,.N,,700,.N,1000,0,.N,.N
100006,x,65,1,1,1,3,360,720,.N,3000,3,.N,.N
200007,x,66,2,1,1,4,362,728,.N,2000,0,.N,.N
200008,x,55,2,1,0,6,380,.N,.N,300,0,.N,.N
200009,x,55,2,1,0,6,380,740,.N,3000,0,.N,.N
";

const CANC: &str = "\
pid,candx_days,first_lc,lc_order
100002,900,0,2
100002,364,1,1
100003,200,1,1
100004,1105,1,1
100006,.M,1,1
";

const SCREEN: &str = "\
pid,study_yr,ctdxqual
100001,0,1
100001,1,1
100001,2,1
200007,0,1
200007,1,1
200008,0,1
";

const CTAB: &str = "\
pid,study_yr,sct_ab_desc,sct_long_dia
100002,1,51,12
100002,1,51,8
100002,1,59,.N
100003,0,51,.M
";

const INDEX_HEAD: &str = "collection_id,PatientID,StudyInstanceUID,SeriesInstanceUID,StudyDate,Modality,SeriesDescription,instanceCount,series_size_MB,crdc_series_uuid\n";

/// Lines of an index: patient, exam, series, date, description, images.
fn index(lines: &[[&str; 6]]) -> String {
    let mut text = INDEX_HEAD.to_owned();
    for [patient, exam, series, date, description, images] in lines {
        text += &format!(
            "nlst,{patient},{exam},{series},{date},CT,\"{description}\",{images},50.5,uuid-{series}\n"
        );
    }
    text
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("prsn", PRSN), ("canc", CANC), ("screen", SCREEN), ("ctab", CTAB)] {
        fs::write(folder.path().join(format!("nlst_{name}.csv")), text).unwrap();
    }
    folder
}

fn labelled(folder: &Path, index: &str, rules: &Rules) -> LabelledCohort {
    let path = folder.join("index.csv");
    fs::write(&path, index).unwrap();
    label(&read_tables(folder).unwrap(), inventory_from_index(&path).unwrap(), rules)
}

/// An exam of one axial series on the first day of a study year.
fn exam(patient: &'static str, exam: &'static str, date: &'static str) -> [&'static str; 6] {
    [patient, exam, exam, date, "", "100"]
}

/// Labels by exam.
fn labels(labelled: &LabelledCohort) -> Vec<(&str, bool)> {
    labelled.rows.iter().map(|row| (row.exam_id.as_str(), row.label == Some(true))).collect()
}

/// Reasons by exam or series.
fn reasons(labelled: &LabelledCohort) -> Vec<(&str, &str)> {
    let reasons = labelled.exclusions.iter().map(|exclusion| {
        let Exclusion { exam_id: exam, series_uid: series, code, .. } = exclusion;
        (if series.is_empty() { exam.as_str() } else { series.as_str() }, code.code())
    });
    reasons.collect()
}

#[test]
fn every_special_case_has_a_label_or_a_reason() {
    let folder = folder();
    let text = index(&[
        exam("100001", "1-0", "1999-01-02"),
        exam("100001", "1-1", "20000102"),
        exam("100001", "1-2", "2001-01-02"),
        // Diagnosed 364 days after the first screening, and on the day of the second.
        exam("100002", "2-0", "1999-01-02"),
        exam("100002", "2-1", "2000-01-02"),
        exam("100003", "3-0", "1999-01-02"),
        exam("100003", "3-1", "2000-01-02"),
        exam("100004", "4-0", "1999-01-02"),
        exam("100004", "4-1", "2000-01-02"),
        // Diagnosed exactly 365 days after.
        exam("100004", "4-2", "2001-01-02"),
        exam("100005", "5-0", "1999-01-02"),
        exam("100005", "5-1", "2000-01-02"),
        exam("100005", "5-2", "2001-01-02"),
        exam("100006", "6-0", "1999-01-02"),
        exam("200008", "8-0", "1999-01-02"),
        exam("300000", "x-0", "1999-01-02"),
    ]);
    let cohort = labelled(folder.path(), &text, &Rules::default());
    let expected = [
        ("1-0", false),
        ("1-1", false),
        ("1-2", false),
        ("2-0", true),
        ("2-1", true),
        ("3-0", true),
        ("4-0", false),
        ("4-2", false),
    ];
    assert_eq!(labels(&cohort), expected);
    let expected = [
        ("3-1", "after-diagnosis"),
        ("4-1", "wrong-screen"),
        ("5-0", "no-screen-date"),
        ("5-1", "no-screen-date"),
        // 1000 − 700 days.
        ("5-2", "short-follow-up"),
        ("6-0", "cancer-without-date"),
        ("8-0", "short-follow-up"),
        ("x-0", "unknown-person"),
    ];
    assert_eq!(reasons(&cohort), expected);
    let row = |exam: &str| cohort.rows.iter().find(|row| row.exam_id == exam).unwrap();
    assert_eq!(row("2-0").days_to_cancer, Some(364));
    assert_eq!(row("2-1").days_to_cancer, Some(0));
    assert_eq!(row("4-2").days_to_cancer, Some(365));
    assert_eq!(row("1-1").days_of_follow_up, Some(2030));
    assert_eq!((row("2-1").nodules, row("2-1").largest_nodule_mm), (Some(2), Some(12.0)));
    assert_eq!((row("3-0").nodules, row("3-0").largest_nodule_mm), (Some(1), None));
    assert_eq!(row("1-0").nodules, Some(0));
    let last = row("4-2");
    assert_eq!((last.age, last.sex, last.race, last.smoking), (Some(62), "female", "", "former"));
    assert_eq!(last.stage, "IIIA");
}

#[test]
fn every_exam_is_labelled_or_excluded_once_and_counted() {
    let folder = folder();
    let persons: Vec<&str> = PRSN.lines().skip(1).map(|line| &line[..6]).collect();
    let mut text = INDEX_HEAD.to_owned();
    for pid in persons.iter().take(8) {
        for (year, date) in ["1999-01-02", "2000-01-02", "2001-01-02"].iter().enumerate() {
            text += &format!("nlst,{pid},{pid}-{year},{pid}-{year}-1,{date},CT,,100,1,\n");
        }
    }
    let follow_ups = [FollowUp::CancFreeDays, FollowUp::LaterScreen, FollowUp::None];
    for (follow_up, negatives) in follow_ups.into_iter().zip([None, Some(2), Some(100)]) {
        let sample = Sample { negatives, ..Sample::default() };
        let cohort =
            labelled(folder.path(), &text, &Rules { follow_up, sample, ..Rules::default() });
        let counts = &cohort.counts;
        let exams: BTreeSet<&str> = cohort
            .rows
            .iter()
            .map(|row| row.exam_id.as_str())
            .chain(cohort.exclusions.iter().map(|exclusion| exclusion.exam_id.as_str()))
            .collect();
        assert_eq!(exams.len(), 24);
        assert_eq!(cohort.rows.len() + cohort.exclusions.len(), 24);
        assert_eq!((counts.exams, counts.patients, counts.persons_without_exam), (24, 8, 1));
        let excluded: usize = counts.exams_excluded.values().sum();
        assert_eq!(counts.exams, excluded + counts.labelled);
        assert_eq!(counts.labelled, counts.kept + counts.not_drawn);
        assert_eq!(counts.kept, cohort.rows.len());
    }
}

#[test]
fn the_study_year_comes_from_the_date_then_the_description_then_the_only_free_screening() {
    let folder = folder();
    let text = index(&[
        // The date takes precedence over the description.
        ["100001", "1-0", "a", "1999-01-02", "1,OPA,GE,LS16,STANDARD,360,2.5,120,80,40,1.5", "100"],
        ["100001", "1-1", "b", "2013-05-06", "1,OPA,GE,LS16,STANDARD,360,2.5,120,80,40,1.5", "100"],
        // Year 2 is the only screening without an exam.
        ["100001", "1-2", "c", "", "CHEST", "100"],
        // Two screenings are without an exam.
        ["200007", "7-x", "d", "", "CHEST", "100"],
        ["200009", "9-0", "e", "1999-01-02", "", "100"],
        ["200009", "9-0", "f", "2000-01-02", "", "100"],
    ]);
    let cohort = labelled(folder.path(), &text, &Rules::default());
    let years: Vec<(&str, u8, &str)> = cohort
        .rows
        .iter()
        .map(|row| (row.exam_id.as_str(), row.study_year, row.study_year_from))
        .collect();
    assert_eq!(years, [("1-0", 0, "date"), ("1-1", 1, "description"), ("1-2", 2, "screen")]);
    assert_eq!(reasons(&cohort), [("7-x", "no-study-year"), ("9-0", "conflicting-years")]);
    assert_eq!(cohort.counts.years_disagree, 1);
}

#[test]
fn two_exams_of_a_year_are_kept_or_only_the_larger() {
    let folder = folder();
    let text = index(&[
        ["100001", "1-a", "a", "1999-01-02", "", "80"],
        ["100001", "1-b", "b", "1999-01-02", "", "60"],
        ["100001", "1-b", "c", "1999-01-02", "", "60"],
        exam("100001", "1-2", "2001-01-02"),
    ]);
    let cohort = labelled(folder.path(), &text, &Rules::default());
    assert_eq!(labels(&cohort), [("1-a", false), ("1-b", false), ("1-2", false)]);
    let rules = Rules { several_exams: SeveralExams::MostImages, ..Rules::default() };
    let cohort = labelled(folder.path(), &text, &rules);
    assert_eq!(labels(&cohort), [("1-b", false), ("1-2", false)]);
    assert_eq!(reasons(&cohort), [("1-a", "second-exam")]);
}

#[test]
fn unusable_series_are_excluded_and_the_preferred_one_is_fetched() {
    let folder = folder();
    let mut text = index(&[
        ["100001", "1-0", "sharp", "1999-01-02", "0,OPA,SE,VZOOM,B50f,300,2,120,75,40,na", "150"],
        ["100001", "1-0", "soft", "1999-01-02", "0,OPA,SE,VZOOM,B30f,300,2,120,75,40,na", "150"],
        ["100001", "1-0", "thick", "1999-01-02", "0,OPA,SE,VZOOM,B30f,300,5,120,75,40,na", "60"],
        ["100001", "1-0", "scout", "1999-01-02", "0,OPL,SE,VZOOM,na,300,na,120,75,40,na", "1"],
        ["100001", "1-1", "only-scout", "2000-01-02", "1,OPL,SE,VZOOM,na,,,,,,", "1"],
    ]);
    text += "nlst,100001,1-9,slides,2001-01-02,SM,,1,9,\nlidc_idri,L,L,L,2000-01-01,CT,,1,9,\n";
    let rules = Rules { max_thickness_mm: 2.5, ..Rules::default() };
    let cohort = labelled(folder.path(), &text, &rules);
    assert_eq!(labels(&cohort), [("1-0", false)]);
    let expected = [
        ("1-1", "no-series"),
        ("scout", "localizer"),
        ("thick", "too-thick"),
        ("only-scout", "localizer"),
    ];
    assert_eq!(reasons(&cohort), expected);
    assert_eq!((cohort.counts.series, cohort.counts.series_of_other_collections), (5, 1));
    assert_eq!(cohort.counts.series_of_other_modalities, [("SM".to_owned(), 1)].into());
    assert_eq!(cohort.counts.exams, 2, "slides make no exam");
    assert_eq!(cohort.rows[0].manufacturer, "SIEMENS");
    let uids = |series: &[SeriesRow]| -> Vec<String> {
        series.iter().map(|series| series.series_uid.clone()).collect()
    };
    assert_eq!(uids(&cohort.series), ["soft"]);
    assert_eq!(uids(&cohort.all_series), ["sharp", "soft"]);
    assert_eq!(cohort.series[0].address, "s3://idc-open-data/uuid-soft/*");
}

#[test]
fn the_weights_of_a_sample_sum_to_the_cohort_and_the_draw_depends_on_the_seed_only() {
    let folder = folder();
    let lines: Vec<String> = [
        "1-0 100001 1999",
        "1-1 100001 2000",
        "1-2 100001 2001",
        "9-0 200009 1999",
        "9-1 200009 2000",
        "9-2 200009 2001",
        "2-0 100002 1999",
        "3-0 100003 1999",
    ]
    .iter()
    .map(|words| {
        let words: Vec<&str> = words.split(' ').collect();
        format!("nlst,{},{},{},{}-01-02,CT,,100,1,\n", words[1], words[0], words[0], words[2])
    })
    .collect();
    let draw = |lines: Vec<String>, seed| {
        let sample = Sample { positives: None, negatives: Some(3), seed };
        let text = INDEX_HEAD.to_owned() + &lines.concat();
        labelled(folder.path(), &text, &Rules { sample, ..Rules::default() })
    };
    let cohort = draw(lines.clone(), 1);
    assert_eq!(
        (cohort.counts.kept_positive, cohort.counts.kept, cohort.counts.not_drawn),
        (2, 5, 3)
    );
    let weight: f64 =
        cohort.rows.iter().filter(|row| !row.is_positive()).map(|row| row.weight).sum();
    assert!((weight - 6.0).abs() < 1e-12);
    assert!(cohort.rows.iter().filter(|row| row.is_positive()).all(|row| row.weight == 1.0));
    let reversed = lines.iter().rev().cloned().collect();
    assert_eq!(labels(&cohort), labels(&draw(reversed, 1)));
    let seed_matters = (2..10).any(|seed| labels(&draw(lines.clone(), seed)) != labels(&cohort));
    assert!(seed_matters);
}

#[test]
fn a_survival_outcome_keeps_short_follow_up_and_counts_censoring() {
    let folder = folder();
    let text = index(&[
        exam("100001", "1-0", "1999-01-02"),
        exam("100002", "2-0", "1999-01-02"),
        exam("100004", "4-0", "1999-01-02"),
        // 300 days without cancer.
        exam("100005", "5-2", "2001-01-02"),
        exam("100006", "6-0", "1999-01-02"),
        exam("200008", "8-0", "1999-01-02"),
    ]);
    let rules = Rules { outcome: LabelledOutcome::Survival, ..Rules::default() };
    let cohort = labelled(folder.path(), &text, &rules);
    let times: Vec<_> = cohort
        .rows
        .iter()
        .map(|row| {
            let DaysFollowed { days, event } = row.follow_up.unwrap();
            (row.exam_id.as_str(), days, event, row.label)
        })
        .collect();
    let expected = [
        ("1-0", 2395, false, Some(false)),
        ("2-0", 364, true, Some(true)),
        ("4-0", 1098, true, Some(false)),
        ("5-2", 300, false, None),
        ("8-0", 294, false, None),
    ];
    assert_eq!(times, expected);
    assert_eq!(reasons(&cohort), [("6-0", "cancer-without-date")]);
    assert_eq!((cohort.counts.labelled_positive, cohort.counts.kept_positive), (2, 2));
    let year = |years, cancer, free, unknown| YearCounts { years, cancer, free, unknown };
    assert_eq!(cohort.counts.years[0], year(1, 1, 2, 2));
    assert_eq!(cohort.counts.years[3], year(4, 2, 1, 2));
    assert_eq!(cohort.counts.years.len(), 6);
    let files = read_tables(folder.path()).unwrap().files;
    let out = folder.path().join("out");
    write(&out, &cohort, &rules, SeriesChoice::Preferred, &files).unwrap();
    let outcome = lungs_spec::spec::OutcomeName::Survival;
    let outcome = lungs_spec::spec::Outcome { name: outcome, ..Default::default() };
    let labels = out.join("labels.csv");
    lungs_study::cohort::Labels::read_csv(&labels, Path::new("ct"), &outcome).unwrap();
    let text = fs::read_to_string(&labels).unwrap();
    assert!(text.lines().next().unwrap().ends_with(",days_to_event,days_followed"), "{text}");
    assert!(text.contains("\n100002,2-0,1,0,364,,") && text.contains(",364,\n"), "{text}");
    assert!(text.contains("\n100005,5-2,,2,,300,") && text.contains(",,300\n"), "{text}");
    let record = labels_record(&labels).unwrap();
    assert_eq!(record["rules"]["outcome"], "survival");
    assert_eq!(record["counts"]["years"][0]["unknown"], 2);
    let flow = flow_table(&cohort.counts).into_iter().map(|row| row.join("  "));
    let flow = flow.collect::<Vec<_>>().join("\n");
    let line = "      2    censored before 1 year (1 with cancer by then, 2 free of it)";
    assert!(flow.contains(line), "{flow}");
    assert!(flow.contains("5  exams of 5 patients in the labels, 2 with cancer\n"), "{flow}");
}

#[test]
fn the_radiography_arm_is_excluded() {
    let folder = folder();
    let text = "pid,rndgroup,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days\n\
                100001,2,5,.N,.N,.N,3000\n100002,1.0,5,.N,.N,.N,3000.0\n";
    fs::write(folder.path().join("nlst_prsn.csv"), text).unwrap();
    fs::remove_file(folder.path().join("nlst_canc.csv")).unwrap();
    let text = index(&[exam("100001", "1-0", "1999-01-02"), exam("100002", "2-0", "1999-01-02")]);
    let cohort = labelled(folder.path(), &text, &Rules::default());
    assert_eq!(labels(&cohort), [("2-0", false)]);
    assert_eq!(reasons(&cohort), [("1-0", "xray-arm")]);
}

#[test]
fn tables_are_found_by_the_names_of_the_archives() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("nlst_780_prsn_idc_20210527.csv"), PRSN).unwrap();
    fs::write(at("nlst_780_ctab_idc_20210527.csv"), CTAB).unwrap();
    fs::write(at("nlst_780_ctabc_idc_20210527.csv"), "pid\n").unwrap();
    let tables = read_tables(folder.path()).unwrap();
    assert_eq!(tables.files["ctab"], at("nlst_780_ctab_idc_20210527.csv"));
    assert_eq!(tables.persons.len(), 9);
    assert!(tables.cancers.is_none() && tables.screens.is_none());
    fs::write(at("nlst_781_prsn_idc_20220101.csv"), PRSN).unwrap();
    let error = read_tables(folder.path()).unwrap_err().to_string();
    let expected = "nlst_781_prsn_idc_20220101.csv is another file of the same table";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_record_is_valid_only_for_its_labels() {
    let folder = folder();
    let rules = Rules::default();
    let cohort = labelled(folder.path(), &index(&[exam("100001", "1-0", "1999-01-02")]), &rules);
    let files = read_tables(folder.path()).unwrap().files;
    let out = folder.path().join("out");
    write(&out, &cohort, &rules, SeriesChoice::Preferred, &files).unwrap();
    let labels = out.join("labels.csv");
    let record = labels_record(&labels).unwrap();
    assert_eq!(record["rules"]["horizon_days"], 365);
    assert_eq!(record["rules"]["follow_up"], "canc-free-days");
    let hash = blake3::hash(PRSN.as_bytes()).to_hex().to_string();
    assert_eq!(record["read_blake3"]["prsn"], hash.as_str());
    assert_eq!(
        fs::read_to_string(out.join("manifest.txt")).unwrap(),
        "cp s3://idc-open-data/uuid-1-0/* .\n"
    );
    let outcome = lungs_spec::spec::Outcome::default();
    lungs_study::cohort::Labels::read_csv(&labels, Path::new("ct"), &outcome).unwrap();
    fs::write(&labels, "label\n").unwrap();
    assert!(labels_record(&labels).is_none());
}
