//! Labels every exam, or excludes it with a reason.

use super::describe::Description;
use super::inventory::{Compression, Exam, Inventory, Series};
use super::person::{Cancers, Person};
use super::reasons::{Reason, ReasonCode, reason};
use super::rows::{Counts, Exclusion, LabelRow, LabelledCohort, SeriesRow, YearCounts};
use super::rules::{Outcome, Rules, SeveralExams, outcome};
use super::sample;
use super::tables::Tables;
use super::years::{ExamYear, years_of};
use lungs_spec::spec::Select;
use lungs_study::cohort::{Candidate, select};
use std::collections::{BTreeMap, BTreeSet};

/// Labels every exam of the inventory.
pub fn label(tables: &Tables, mut inventory: Inventory, rules: &Rules) -> LabelledCohort {
    let mut counts = Counts {
        persons_in_table: tables.persons_in_table,
        persons_unusable: tables.unusable.len(),
        rows_without_person: tables.rows_without_person,
        series_of_other_collections: inventory.series_of_other_collections,
        series_of_other_modalities: inventory.other_modalities.clone(),
        series: inventory.series,
        exams: inventory.exams.keys().map(|(_, exam)| exam).collect::<BTreeSet<_>>().len(),
        diagnoses_disagree: count_different_diagnoses(tables),
        ..Counts::default()
    };
    let mut exclusions = std::mem::take(&mut inventory.excluded);
    for exclusion in &exclusions {
        *counts.series_excluded.entry(exclusion.code.clone()).or_default() += 1;
    }
    exclude_series(&mut inventory, rules, &mut counts, &mut exclusions);
    let mut rows = Vec::new();
    let mut persons_with_exam = 0;
    for (patient, exams) in by_patient(&inventory) {
        counts.patients += 1;
        let is_known =
            tables.persons.contains_key(patient) || tables.unusable.contains_key(patient);
        persons_with_exam += usize::from(is_known);
        let (shared, exams): (Vec<_>, Vec<_>) =
            exams.into_iter().partition(|(uid, _)| inventory.shared.contains_key(*uid));
        exclusions.extend(shared.into_iter().map(|(uid, _)| {
            let patients: Vec<&str> = inventory.shared[uid].iter().map(String::as_str).collect();
            let message = format!("listed under the patients {}", patients.join(", "));
            exclusion(patient, uid, "", reason(ReasonCode::ExamOfSeveralPatients, message))
        }));
        let mut labelled = Vec::new();
        for ExamYear { uid, exam, year } in years_of(patient, &exams, tables, &mut counts) {
            let labelled_row = year.and_then(|year_and_source| {
                Ok((row(patient, uid, exam, year_and_source, tables, rules)?, exam))
            });
            match labelled_row {
                Ok(row_and_exam) => labelled.push(row_and_exam),
                Err(reason) => exclusions.push(exclusion(patient, uid, "", reason)),
            }
        }
        if rules.several_exams == SeveralExams::MostImages {
            keep_one_per_year(patient, &mut labelled, &mut exclusions);
        }
        rows.extend(labelled.into_iter().map(|(row, _)| row));
    }
    counts.persons_without_exam = tables.persons_in_table.saturating_sub(persons_with_exam);
    counts.exams_excluded = count_exams(&exclusions);
    counts.years_not_in_screen_table = count_missing_screenings(&rows, tables);
    counts.labelled = rows.len();
    counts.labelled_positive = count_positives(&rows);
    let not_drawn = sample::draw(&mut rows, &rules.sample);
    counts.not_drawn = not_drawn.len();
    exclusions.extend(not_drawn.into_iter().map(|row| {
        let label = row.label.map_or("unknown", |label| if label { "1" } else { "0" });
        let message = format!("label {label}; not drawn for the sample");
        exclusion(&row.patient_id, &row.exam_id, "", reason(ReasonCode::NotDrawn, message))
    }));
    counts.kept = rows.len();
    counts.kept_positive = count_positives(&rows);
    counts.years = YearCounts::of(&rows);
    counts.kept_patients = rows.iter().map(|row| &row.patient_id).collect::<BTreeSet<_>>().len();
    rows.sort_by(|a, b| row_key(a).cmp(&row_key(b)));
    exclusions.sort_by(|a, b| exclusion_key(a).cmp(&exclusion_key(b)));
    let (series, all_series) = collect_series(&rows, &inventory);
    LabelledCohort { rows, exclusions, series, all_series, counts }
}

fn row_key(row: &LabelRow) -> (&str, u8, &str) {
    (&row.patient_id, row.study_year, &row.exam_id)
}

fn exclusion_key(exclusion: &Exclusion) -> (bool, &str, &str, &str) {
    let Exclusion { patient_id: patient, exam_id: exam, series_uid: series, .. } = exclusion;
    (!series.is_empty(), patient, exam, series)
}

fn count_positives(rows: &[LabelRow]) -> usize {
    rows.iter().filter(|row| row.is_positive()).count()
}

fn exclusion(patient: &str, exam: &str, series: &str, reason: Reason) -> Exclusion {
    let (patient, exam, series) = (patient.to_owned(), exam.to_owned(), series.to_owned());
    Exclusion {
        patient_id: patient,
        exam_id: exam,
        series_uid: series,
        code: reason.code,
        reason: reason.message,
    }
}

/// Number of excluded exams by code. An exam of several patients has a row for each of them, and counts once.
fn count_exams(exclusions: &[Exclusion]) -> BTreeMap<ReasonCode, usize> {
    let exams: BTreeSet<(&ReasonCode, &str)> = exclusions
        .iter()
        .filter(|exclusion| exclusion.series_uid.is_empty())
        .map(|exclusion| (&exclusion.code, exclusion.exam_id.as_str()))
        .collect();
    let mut counts = BTreeMap::new();
    for (code, _) in exams {
        *counts.entry(code.clone()).or_default() += 1;
    }
    counts
}

/// Labelled exams without a screening in `nlst_screen`; 0 without this table.
fn count_missing_screenings(rows: &[LabelRow], tables: &Tables) -> usize {
    let Some(screens) = &tables.screens else { return 0 };
    let has_screening = |row: &LabelRow| {
        screens.get(&row.patient_id).is_some_and(|years| years.contains(&row.study_year))
    };
    rows.iter().filter(|row| !has_screening(row)).count()
}

/// Persons with different first diagnoses in `nlst_prsn` and `nlst_canc`.
fn count_different_diagnoses(tables: &Tables) -> usize {
    let cancers = tables.cancers.iter().flatten();
    let differs = |(pid, cancers): &(&String, &Cancers)| {
        let person = tables.persons.get(*pid).filter(|_| !tables.unusable.contains_key(*pid));
        cancers.first_days.is_some()
            && person.is_some_and(|person| person.diagnosis_day.known() != cancers.first_days)
    };
    cancers.filter(differs).count()
}

/// Removes unusable series from their exams, and records the reasons.
fn exclude_series(
    inventory: &mut Inventory,
    rules: &Rules,
    counts: &mut Counts,
    exclusions: &mut Vec<Exclusion>,
) {
    let limit_mm = rules.max_thickness_mm;
    for ((patient, uid), exam) in &mut inventory.exams {
        exam.series.retain_mut(|series| {
            let excess_mm = thickness_mm(series).filter(|mm| limit_mm > 0.0 && *mm > limit_mm);
            let too_thick = |mm| {
                reason(
                    ReasonCode::TooThick,
                    format!("slice thickness {mm} mm, expected at most {limit_mm} mm"),
                )
            };
            if let Some(compression) = series.compression {
                *counts.series_flagged.entry(compression.flag().to_owned()).or_default() += 1;
            }
            let Some(reason) = series.exclusion.take().or_else(|| excess_mm.map(too_thick)) else {
                return true;
            };
            *counts.series_excluded.entry(reason.code.clone()).or_default() += 1;
            exclusions.push(exclusion(patient, uid, &series.uid, reason));
            false
        });
    }
}

/// The exams of each patient, ordered by StudyInstanceUID.
fn by_patient(inventory: &Inventory) -> BTreeMap<&str, Vec<(&str, &Exam)>> {
    let mut patients = BTreeMap::<&str, Vec<(&str, &Exam)>>::new();
    for ((patient, uid), exam) in &inventory.exams {
        patients.entry(patient).or_default().push((uid, exam));
    }
    patients
}

fn row(
    patient: &str,
    uid: &str,
    exam: &Exam,
    (year, year_source): (u8, &'static str),
    tables: &Tables,
    rules: &Rules,
) -> Result<LabelRow, Reason> {
    if let Some(reason) = tables.unusable.get(patient) {
        return Err(reason.clone());
    }
    let person = tables.persons.get(patient);
    let person = person.ok_or_else(|| {
        reason(
            ReasonCode::UnknownPerson,
            format!("pid {patient} is missing in the table of persons"),
        )
    })?;
    if exam.series.is_empty() {
        return Err(reason(ReasonCode::NoSeries, "all of its series are excluded"));
    }
    let cancers = tables.cancers.as_ref().and_then(|cancers| cancers.get(patient));
    let outcome = outcome(person, cancers, year, rules)?;
    Ok(describe(patient, uid, exam, (year, year_source), person, outcome, tables))
}

fn describe(
    patient: &str,
    uid: &str,
    exam: &Exam,
    (study_year, study_year_from): (u8, &'static str),
    person: &Person,
    outcome: Outcome,
    tables: &Tables,
) -> LabelRow {
    let nodules = tables
        .nodules
        .as_ref()
        .map(|nodules| nodules.get(&(patient.to_owned(), study_year)).copied().unwrap_or_default());
    let manufacturer =
        exam.series.iter().map(|series| &series.manufacturer).find(|it| !it.is_empty());
    LabelRow {
        patient_id: patient.to_owned(),
        exam_id: uid.to_owned(),
        label: outcome.label,
        study_year,
        days_to_cancer: outcome.days_to_cancer,
        days_of_follow_up: outcome.days_of_follow_up,
        follow_up: outcome.follow_up,
        weight: 1.0,
        age: person.age,
        sex: person.sex,
        race: person.race,
        smoking: person.smoking,
        stage: person.stage,
        nodules: nodules.map(|it| it.count),
        largest_nodule_mm: nodules.and_then(|it| it.largest_mm),
        manufacturer: manufacturer.cloned().unwrap_or_default(),
        study_year_from,
    }
}

/// Keeps one exam per study year: the one with most images; ties go to the first UID.
fn keep_one_per_year(
    patient: &str,
    labelled: &mut Vec<(LabelRow, &Exam)>,
    exclusions: &mut Vec<Exclusion>,
) {
    labelled.sort_by(|(a, exam_a), (b, exam_b)| {
        let order = a.study_year.cmp(&b.study_year).then(exam_b.images().cmp(&exam_a.images()));
        order.then_with(|| a.exam_id.cmp(&b.exam_id))
    });
    let mut first: Option<(u8, String)> = None;
    labelled.retain(|(row, _)| match &first {
        Some((year, uid)) if *year == row.study_year => {
            let message = format!("exam {uid} of study year {year} is used instead");
            exclusions.push(exclusion(
                patient,
                &row.exam_id,
                "",
                reason(ReasonCode::SecondExam, message),
            ));
            false
        }
        _ => {
            first = Some((row.study_year, row.exam_id.clone()));
            true
        }
    });
}

/// The preferred series of each labelled exam, and all series. The preference is that of the defaults of
/// `data.select`: soft kernels first, then most slices.
fn collect_series(rows: &[LabelRow], inventory: &Inventory) -> (Vec<SeriesRow>, Vec<SeriesRow>) {
    let rules = Select::default();
    let (mut preferred, mut all) = (Vec::new(), Vec::new());
    for row in rows {
        let key = (row.patient_id.clone(), row.exam_id.clone());
        let Some(exam) = inventory.exams.get(&key) else { continue };
        let candidates: Vec<Candidate> = exam.series.iter().map(candidate).collect();
        let chosen = select(&candidates, &rules);
        for (index, series) in exam.series.iter().enumerate() {
            let series_row = series_row(row, series);
            if chosen == Some(index) {
                preferred.push(series_row.clone());
            }
            all.push(series_row);
        }
    }
    (preferred, all)
}

fn thickness_mm(series: &Series) -> Option<f64> {
    series.description.as_ref().and_then(|it: &Description| it.thickness_mm)
}

fn candidate(series: &Series) -> Candidate {
    let spacing_mm = thickness_mm(series).unwrap_or_default();
    Candidate {
        series_uid: series.uid.clone(),
        slices: series.images,
        slice_spacing_mm: spacing_mm,
        coverage_mm: spacing_mm * series.images as f64,
        kernel: series.kernel.clone(),
    }
}

fn series_row(row: &LabelRow, series: &Series) -> SeriesRow {
    SeriesRow {
        patient_id: row.patient_id.clone(),
        exam_id: row.exam_id.clone(),
        series_uid: series.uid.clone(),
        label: row.label,
        kernel: series.kernel.clone(),
        thickness_mm: thickness_mm(series),
        images: series.images,
        megabytes: series.megabytes,
        address: series.address.clone(),
        flags: series.compression.map_or("", Compression::flag),
    }
}
