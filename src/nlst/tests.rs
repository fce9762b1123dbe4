//! Whole cohorts from synthetic tables with the traps of the real ones.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Persons, each with what is special about them.
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

fn labelled(folder: &Path, index: &str, rules: &Rules) -> Labelled {
    let path = folder.join("index.csv");
    fs::write(&path, index).unwrap();
    label(&read_tables(folder).unwrap(), of_index(&path).unwrap(), rules)
}

/// An exam of one axial series on the first day of a study year.
fn exam(patient: &'static str, exam: &'static str, date: &'static str) -> [&'static str; 6] {
    [patient, exam, exam, date, "", "100"]
}

/// Labels by exam.
fn labels(labelled: &Labelled) -> Vec<(&str, u8)> {
    labelled.rows.iter().map(|row| (row.exam_id.as_str(), row.label)).collect()
}

/// Reasons by exam or series.
fn reasons(labelled: &Labelled) -> Vec<(&str, &str)> {
    let named = labelled.exclusions.iter().map(|one| {
        let name = if one.series.is_empty() { &one.exam } else { &one.series };
        (name.as_str(), one.code)
    });
    named.collect()
}

#[test]
fn every_trap_ends_in_a_label_or_a_reason() {
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
    let told = labelled(folder.path(), &text, &Rules::default());
    let expected = [
        ("1-0", 0),
        ("1-1", 0),
        ("1-2", 0),
        ("2-0", 1),
        ("2-1", 1),
        ("3-0", 1),
        ("4-0", 0),
        ("4-2", 0),
    ];
    assert_eq!(labels(&told), expected);
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
    assert_eq!(reasons(&told), expected);
    let row = |exam: &str| told.rows.iter().find(|row| row.exam_id == exam).unwrap();
    assert_eq!(row("2-0").days_to_cancer, Some(364));
    assert_eq!(row("2-1").days_to_cancer, Some(0));
    assert_eq!(row("4-2").days_to_cancer, Some(365));
    assert_eq!(row("1-1").days_of_follow_up, Some(2030));
    assert_eq!((row("2-1").nodules, row("2-1").largest_nodule_mm), (Some(2), Some(12.0)));
    assert_eq!((row("3-0").nodules, row("3-0").largest_nodule_mm), (Some(1), None));
    assert_eq!(row("1-0").nodules, Some(0));
    let who = row("4-2");
    assert_eq!((who.age, who.sex, who.race, who.smoking), (Some(62), "female", "", "former"));
    assert_eq!(who.stage, "IIIA");
}

#[test]
fn every_exam_is_labelled_or_left_out_once_and_counted() {
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
        let told = labelled(folder.path(), &text, &Rules { follow_up, sample, ..Rules::default() });
        let counts = &told.counts;
        let named: BTreeSet<&str> = told
            .rows
            .iter()
            .map(|row| row.exam_id.as_str())
            .chain(told.exclusions.iter().map(|one| one.exam.as_str()))
            .collect();
        assert_eq!(named.len(), 24);
        assert_eq!(told.rows.len() + told.exclusions.len(), 24);
        assert_eq!((counts.exams, counts.patients, counts.persons_without_exam), (24, 8, 1));
        let left: usize = counts.exams_left_out.values().sum();
        assert_eq!(counts.exams, left + counts.labelled);
        assert_eq!(counts.labelled, counts.kept + counts.not_drawn);
        assert_eq!(counts.kept, told.rows.len());
    }
}

#[test]
fn the_study_year_comes_from_the_date_then_the_description_then_the_only_screening_left() {
    let folder = folder();
    let text = index(&[
        // The date counts where the description says another year.
        ["100001", "1-0", "a", "1999-01-02", "1,OPA,GE,LS16,STANDARD,360,2.5,120,80,40,1.5", "100"],
        ["100001", "1-1", "b", "2013-05-06", "1,OPA,GE,LS16,STANDARD,360,2.5,120,80,40,1.5", "100"],
        // 2001 is the only screening that no other exam has.
        ["100001", "1-2", "c", "", "CHEST", "100"],
        // Two screenings are left.
        ["200007", "7-x", "d", "", "CHEST", "100"],
        ["200009", "9-0", "e", "1999-01-02", "", "100"],
        ["200009", "9-0", "f", "2000-01-02", "", "100"],
    ]);
    let told = labelled(folder.path(), &text, &Rules::default());
    let years: Vec<(&str, u8, &str)> = told
        .rows
        .iter()
        .map(|row| (row.exam_id.as_str(), row.study_year, row.study_year_from))
        .collect();
    assert_eq!(years, [("1-0", 0, "date"), ("1-1", 1, "description"), ("1-2", 2, "screen")]);
    assert_eq!(reasons(&told), [("7-x", "no-study-year"), ("9-0", "conflicting-years")]);
    assert_eq!(told.counts.years_disagree, 1);
}

#[test]
fn two_exams_of_a_year_are_kept_or_the_larger_stands_for_both() {
    let folder = folder();
    let text = index(&[
        ["100001", "1-a", "a", "1999-01-02", "", "80"],
        ["100001", "1-b", "b", "1999-01-02", "", "60"],
        ["100001", "1-b", "c", "1999-01-02", "", "60"],
        exam("100001", "1-2", "2001-01-02"),
    ]);
    let told = labelled(folder.path(), &text, &Rules::default());
    assert_eq!(labels(&told), [("1-a", 0), ("1-b", 0), ("1-2", 0)]);
    let rules = Rules { several_exams: SeveralExams::MostImages, ..Rules::default() };
    let told = labelled(folder.path(), &text, &rules);
    assert_eq!(labels(&told), [("1-b", 0), ("1-2", 0)]);
    assert_eq!(reasons(&told), [("1-a", "second-exam")]);
}

#[test]
fn series_that_are_no_use_are_left_out_and_the_preferred_one_is_to_be_fetched() {
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
    let told = labelled(folder.path(), &text, &rules);
    assert_eq!(labels(&told), [("1-0", 0)]);
    let expected = [
        ("1-1", "no-series"),
        ("scout", "localizer"),
        ("thick", "too-thick"),
        ("only-scout", "localizer"),
    ];
    assert_eq!(reasons(&told), expected);
    assert_eq!((told.counts.series, told.counts.series_of_other_collections), (5, 1));
    assert_eq!(told.counts.series_of_other_modalities, [("SM".to_owned(), 1)].into());
    assert_eq!(told.counts.exams, 2, "slides make no exam");
    assert_eq!(told.rows[0].manufacturer, "SIEMENS");
    let uids = |series: &[SeriesRow]| -> Vec<String> {
        series.iter().map(|one| one.series_uid.clone()).collect()
    };
    assert_eq!(uids(&told.series), ["soft"]);
    assert_eq!(uids(&told.all_series), ["sharp", "soft"]);
    assert_eq!(told.series[0].address, "s3://idc-open-data/uuid-soft/*");
}

#[test]
fn a_drawn_sample_weighs_as_much_as_the_whole_and_depends_on_the_seed_alone() {
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
    let told = draw(lines.clone(), 1);
    assert_eq!((told.counts.kept_positive, told.counts.kept, told.counts.not_drawn), (2, 5, 3));
    let weight: f64 = told.rows.iter().filter(|row| row.label == 0).map(|row| row.weight).sum();
    assert!((weight - 6.0).abs() < 1e-12);
    assert!(told.rows.iter().filter(|row| row.label == 1).all(|row| row.weight == 1.0));
    let reversed = lines.iter().rev().cloned().collect();
    assert_eq!(labels(&told), labels(&draw(reversed, 1)));
    let others = (2..10).any(|seed| labels(&draw(lines.clone(), seed)) != labels(&told));
    assert!(others);
}

#[test]
fn the_other_arm_is_left_out_where_the_table_says_so() {
    let folder = folder();
    let text = "pid,rndgroup,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days\n\
                100001,2,5,.N,.N,.N,3000\n100002,1.0,5,.N,.N,.N,3000.0\n";
    fs::write(folder.path().join("nlst_prsn.csv"), text).unwrap();
    fs::remove_file(folder.path().join("nlst_canc.csv")).unwrap();
    let text = index(&[exam("100001", "1-0", "1999-01-02"), exam("100002", "2-0", "1999-01-02")]);
    let told = labelled(folder.path(), &text, &Rules::default());
    assert_eq!(labels(&told), [("2-0", 0)]);
    assert_eq!(reasons(&told), [("1-0", "xray-arm")]);
}

#[test]
fn tables_are_found_by_the_names_that_the_archives_give_them() {
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
    let told = read_tables(folder.path()).unwrap_err().to_string();
    assert!(told.contains("nlst_781_prsn_idc_20220101.csv could be the same table"), "{told}");
}

#[test]
fn a_record_belongs_to_the_labels_that_it_was_written_with() {
    let folder = folder();
    let rules = Rules::default();
    let told = labelled(folder.path(), &index(&[exam("100001", "1-0", "1999-01-02")]), &rules);
    let files = read_tables(folder.path()).unwrap().files;
    let out = folder.path().join("out");
    write(&out, &told, &rules, Wanted::Preferred, &files).unwrap();
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
    crate::cohort::Labels::read_csv(&labels, Path::new("ct")).unwrap();
    fs::write(&labels, "label\n").unwrap();
    assert!(labels_record(&labels).is_none());
}
