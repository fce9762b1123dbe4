//! Tables of a small population, by hand.

use super::*;
use lungs_image::codes::ExclusionCode;
use lungs_image::dicom::Sex;

/// A row of the cohort; an excluded one has a code.
fn row(patient: &str, exam: &str, label: bool, split: Option<SplitName>) -> CohortRow {
    CohortRow {
        patient_id: patient.into(),
        exam_id: exam.into(),
        series_uid: format!("1.2.{exam}"),
        label: Some(label),
        split,
        chosen: split.is_some(),
        code: split.is_none().then_some(ExclusionCode::TooFewSlices),
        kind: "dicom".into(),
        slices: 100,
        slice_spacing_mm: Some(2.5),
        manufacturer: "SIEMENS".into(),
        kernel: "B30f".into(),
        kilovolts: Some(120.0),
        study_date: "20010203".into(),
        ..CohortRow::default()
    }
}

/// Four training exams of three patients, two test exams, one exam that is excluded with two of its series.
fn population() -> Population {
    let (train, test) = (Some(SplitName::Train), Some(SplitName::Test));
    let mut cohort = vec![
        row("P1", "1", true, train),
        row("P1", "2", false, train),
        row("P2", "3", false, train),
        row("P3", "4", false, train),
        row("P4", "5", true, test),
        row("P5", "6", false, test),
        row("P6", "7", true, None),
        row("P6", "7", true, None),
    ];
    cohort[7].series_uid = "1.2.7b".into();
    // A second series of an included exam, a label without a series and a damaged file lose no further exam, one, none.
    cohort.push(CohortRow {
        series_uid: "1.2.1b".into(),
        code: Some(ExclusionCode::NotPreferred),
        chosen: false,
        split: None,
        ..cohort[0].clone()
    });
    cohort.push(CohortRow {
        patient_id: "P7".into(),
        exam_id: "8".into(),
        label: Some(false),
        code: Some(ExclusionCode::LabelWithoutSeries),
        ..CohortRow::default()
    });
    cohort.push(CohortRow { code: Some(ExclusionCode::Unreadable), ..CohortRow::default() });
    for (index, age) in [60.0, 61.0, 65.0, 70.0, 58.0].into_iter().enumerate() {
        cohort[index].age_years = Some(age);
    }
    for (index, sex) in
        [Sex::Female, Sex::Female, Sex::Male, Sex::Male, Sex::Male].into_iter().enumerate()
    {
        cohort[index].sex = Some(sex);
    }
    cohort[3].manufacturer = "GE".into();
    let cell = |exam: usize, column: &str, value: &str| ColumnRow {
        series_uid: format!("1.2.{exam}"),
        column: column.into(),
        value: value.into(),
    };
    let days = ["", "400", "700", "", "", "1000"];
    let mut cells: Vec<ColumnRow> =
        days.iter().enumerate().map(|(i, days)| cell(i + 1, "days_of_follow_up", days)).collect();
    // The cancer of exam 4 comes after the horizon and ends its follow-up.
    cells.push(cell(4, "days_to_cancer", "500"));
    cells.push(cell(1, "days_to_cancer", "30"));
    cells.extend(
        (1..=6).map(|exam| cell(exam, "smoking", if exam % 2 == 0 { "current" } else { "" })),
    );
    Population::new(cohort, cells, &Report::default())
}

fn text(cells: &[Vec<String>]) -> String {
    cells.iter().map(|row| row.join(" | ") + "\n").collect()
}

#[test]
fn external_exams_are_the_only_group_of_included_ones() {
    let external = Some(SplitName::External);
    let cohort = vec![
        row("P1", "1", true, external),
        row("P2", "2", false, external),
        row("P3", "3", true, None),
    ];
    let population = Population::new(cohort, Vec::new(), &Report::default());
    let (groups, pairs) = crate::run_page::split_columns(&population);
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!((names, pairs), (vec!["External", "Excluded"], vec![[1, 0]]));
    assert_eq!(groups[0].exams.len(), 2);
}

#[test]
fn characteristics_by_split_and_outcome() {
    let population = population();
    let groups = population.by_split();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["All", "Training", "Test", "Excluded"]);
    let table = PopulationTable::of_characteristics(&population, &groups, &[[2, 1], [3, 0]]);
    insta::assert_snapshot!(text(&table.cells()));
    let outcomes = population.by_outcome(&groups[0]);
    let table = PopulationTable::of_acquisition(&population, &outcomes, &[[0, 1]]);
    insta::assert_snapshot!(text(&table.cells()));
}

#[test]
fn an_exam_is_lost_once_and_only_if_no_series_of_it_is_included() {
    let rows: Vec<Vec<String>> =
        exclusions(&population()).iter().map(ExclusionRow::cells).collect();
    let counts: Vec<[&str; 5]> =
        rows.iter().map(|row| [&*row[0], &row[2], &row[3], &row[4], &row[5]]).collect();
    assert_eq!(
        counts,
        [
            ["too-few-slices", "2", "1", "0", "0"],
            ["label-without-series", "1", "0", "1", "0"],
            ["not-preferred", "1", "0", "0", "0"],
            ["unreadable", "1", "0", "0", "0"],
        ]
    );
}

#[test]
fn texts_that_may_name_persons_are_not_listed() {
    let cohort: Vec<CohortRow> = (0..60)
        .map(|i| row(&format!("P{i}"), &i.to_string(), i % 2 == 0, Some(SplitName::Train)))
        .collect();
    let cells = (0..60).map(|i| ColumnRow {
        series_uid: format!("1.2.{i}"),
        column: "doctor".into(),
        value: format!("Doctor {i}"),
    });
    let report = Report { characteristics: vec!["doctor".into()], ..Report::default() };
    let population = Population::new(cohort, cells.collect(), &report);
    let table = PopulationTable::of_characteristics(&population, &population.by_split(), &[]);
    let text = text(&table.cells());
    assert!(
        text.contains("doctor | known (more than 50 values, not listed) | 60 (100.0 %)"),
        "{text}"
    );
    assert!(!text.contains("Doctor 1"), "{text}");
}
