//! Every exam with its label, or with the reason why it has none.

use super::describe::Description;
use super::inventory::{Compression, Exam, Inventory, Series};
use super::rows::{Counts, Exclusion, LabelRow, Labelled, SeriesRow};
use super::rules::{Outcome, Reason, Rules, SeveralExams, outcome, reason};
use super::sample;
use super::tables::{Person, Tables};
use super::years::years_of;
use crate::cohort::{Candidate, select};
use crate::spec::Select;
use std::collections::{BTreeMap, BTreeSet};

/// Labels every exam of the inventory.
pub fn label(tables: &Tables, mut inventory: Inventory, rules: &Rules) -> Labelled {
    let mut counts = Counts {
        persons_in_table: tables.persons_in_table,
        persons_unusable: tables.unusable.len(),
        rows_without_person: tables.rows_without_person,
        series_of_other_collections: inventory.of_others,
        series_of_other_modalities: inventory.other_modalities.clone(),
        series: inventory.series,
        exams: inventory.exams.keys().map(|(_, exam)| exam).collect::<BTreeSet<_>>().len(),
        diagnoses_disagree: diagnoses_that_disagree(tables),
        ..Counts::default()
    };
    let mut exclusions = std::mem::take(&mut inventory.excluded);
    for one in &exclusions {
        *counts.series_left_out.entry(one.code.to_owned()).or_default() += 1;
    }
    leave_out_series(&mut inventory, rules, &mut counts, &mut exclusions);
    let mut rows = Vec::new();
    let mut with_exam = 0;
    for (patient, exams) in by_patient(&inventory) {
        counts.patients += 1;
        let known = tables.persons.contains_key(patient) || tables.unusable.contains_key(patient);
        with_exam += usize::from(known);
        let (shared, exams): (Vec<_>, Vec<_>) =
            exams.into_iter().partition(|(uid, _)| inventory.shared.contains_key(*uid));
        exclusions.extend(shared.into_iter().map(|(uid, _)| {
            let patients: Vec<&str> = inventory.shared[uid].iter().map(String::as_str).collect();
            let why = format!("the exam lies under the patients {}", patients.join(", "));
            exclusion(patient, uid, "", reason("exam-of-several-patients", why))
        }));
        let mut kept = Vec::new();
        for one in years_of(patient, &exams, tables, &mut counts) {
            let told = one.year.and_then(|(year, from)| {
                let row = row(patient, one.uid, one.exam, (year, from), tables, rules)?;
                Ok((row, one.exam))
            });
            match told {
                Ok(row) => kept.push(row),
                Err(why) => exclusions.push(exclusion(patient, one.uid, "", why)),
            }
        }
        if rules.several_exams == SeveralExams::MostImages {
            keep_one_a_year(patient, &mut kept, &mut exclusions);
        }
        rows.extend(kept.into_iter().map(|(row, _)| row));
    }
    counts.persons_without_exam = tables.persons_in_table.saturating_sub(with_exam);
    counts.exams_left_out = count_exams(&exclusions);
    counts.years_not_in_screen_table = count_unknown_screenings(&rows, tables);
    counts.labelled = rows.len();
    counts.labelled_positive = positives(&rows);
    let not_drawn = sample::draw(&mut rows, &rules.sample);
    counts.not_drawn = not_drawn.len();
    exclusions.extend(not_drawn.into_iter().map(|row| {
        let told = format!("label {}; not among the exams drawn", row.label);
        exclusion(&row.patient_id, &row.exam_id, "", reason("not-drawn", told))
    }));
    counts.kept = rows.len();
    counts.kept_positive = positives(&rows);
    counts.kept_patients = rows.iter().map(|row| &row.patient_id).collect::<BTreeSet<_>>().len();
    rows.sort_by(|a, b| key(a).cmp(&key(b)));
    exclusions.sort_by(|a, b| order(a).cmp(&order(b)));
    let (series, all_series) = series_of(&rows, &inventory);
    Labelled { rows, exclusions, series, all_series, counts }
}

fn key(row: &LabelRow) -> (&str, u8, &str) {
    (&row.patient_id, row.study_year, &row.exam_id)
}

fn order(one: &Exclusion) -> (bool, &str, &str, &str) {
    (!one.series.is_empty(), &one.patient, &one.exam, &one.series)
}

fn positives(rows: &[LabelRow]) -> usize {
    rows.iter().filter(|row| row.label == 1).count()
}

fn exclusion(patient: &str, exam: &str, series: &str, why: Reason) -> Exclusion {
    let (patient, exam, series) = (patient.to_owned(), exam.to_owned(), series.to_owned());
    Exclusion { patient, exam, series, code: why.code, reason: why.told }
}

/// How many exams each reason excludes: an exam of several patients has a row for each of them.
fn count_exams(exclusions: &[Exclusion]) -> BTreeMap<String, usize> {
    let exams: BTreeSet<(&str, &str)> = exclusions
        .iter()
        .filter(|one| one.series.is_empty())
        .map(|one| (one.code, one.exam.as_str()))
        .collect();
    let mut counts = BTreeMap::new();
    for (code, _) in exams {
        *counts.entry(code.to_owned()).or_default() += 1;
    }
    counts
}

/// Labelled exams of study years that `nlst_screen`, where there is one, does not have for their patients.
fn count_unknown_screenings(rows: &[LabelRow], tables: &Tables) -> usize {
    let Some(screens) = &tables.screens else { return 0 };
    let known = |row: &&LabelRow| {
        screens.get(&row.patient_id).is_some_and(|years| years.contains(&row.study_year))
    };
    rows.iter().filter(|row| !known(row)).count()
}

fn diagnoses_that_disagree(tables: &Tables) -> usize {
    let cancers = tables.cancers.iter().flatten();
    let disagree = |(pid, cancers): &(&String, &super::tables::Cancers)| {
        let person = tables.persons.get(*pid).filter(|_| !tables.unusable.contains_key(*pid));
        let differ = |person: &Person| person.diagnosed.known() != cancers.first_days;
        cancers.first_days.is_some() && person.is_some_and(differ)
    };
    cancers.filter(disagree).count()
}

/// Takes out series that cannot be used, with their reasons.
fn leave_out_series(
    inventory: &mut Inventory,
    rules: &Rules,
    counts: &mut Counts,
    exclusions: &mut Vec<Exclusion>,
) {
    let most_mm = rules.max_thickness_mm;
    for ((patient, uid), exam) in &mut inventory.exams {
        exam.series.retain_mut(|series| {
            let thick = series.description.as_ref().and_then(|it| it.thickness_mm);
            let thick = thick.filter(|mm| most_mm > 0.0 && *mm > most_mm);
            let too_thick =
                |mm| reason("too-thick", format!("slices of {mm} mm, at most {most_mm}"));
            if let Some(compression) = series.compression {
                *counts.series_flagged.entry(compression.flag().to_owned()).or_default() += 1;
            }
            let Some(why) = series.useless.take().or_else(|| thick.map(too_thick)) else {
                return true;
            };
            *counts.series_left_out.entry(why.code.to_owned()).or_default() += 1;
            exclusions.push(exclusion(patient, uid, &series.uid, why));
            false
        });
    }
}

/// Exams of each patient, in order.
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
    (year, from): (u8, &'static str),
    tables: &Tables,
    rules: &Rules,
) -> Result<LabelRow, Reason> {
    if let Some(why) = tables.unusable.get(patient) {
        return Err(why.clone());
    }
    let person = tables.persons.get(patient);
    let person = person.ok_or_else(|| {
        reason("unknown-person", format!("no pid {patient} in the table of persons"))
    })?;
    if exam.series.is_empty() {
        return Err(reason("no-series", "none of its series can be used"));
    }
    let cancers = tables.cancers.as_ref().and_then(|cancers| cancers.get(patient));
    let told = outcome(person, cancers, year, rules)?;
    Ok(describe(patient, uid, exam, (year, from), person, told, tables))
}

fn describe(
    patient: &str,
    uid: &str,
    exam: &Exam,
    (study_year, study_year_from): (u8, &'static str),
    person: &Person,
    told: Outcome,
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
        label: told.label,
        study_year,
        days_to_cancer: told.days_to_cancer,
        days_of_follow_up: told.days_of_follow_up,
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

/// Of several exams of a study year, keeps the one with most images, of equals the first UID.
fn keep_one_a_year(
    patient: &str,
    kept: &mut Vec<(LabelRow, &Exam)>,
    exclusions: &mut Vec<Exclusion>,
) {
    kept.sort_by(|(a, exam_a), (b, exam_b)| {
        let order = a.study_year.cmp(&b.study_year).then(exam_b.images().cmp(&exam_a.images()));
        order.then_with(|| a.exam_id.cmp(&b.exam_id))
    });
    let mut first: Option<(u8, String)> = None;
    kept.retain(|(row, _)| match &first {
        Some((year, uid)) if *year == row.study_year => {
            let told = format!("exam {uid} stands for study year {year}");
            exclusions.push(exclusion(patient, &row.exam_id, "", reason("second-exam", told)));
            false
        }
        _ => {
            first = Some((row.study_year, row.exam_id.clone()));
            true
        }
    });
}

/// The preferred series of each labelled exam, and all of them. The preference is that of
/// `data.select`'s defaults: soft kernels first, then most slices.
fn series_of(rows: &[LabelRow], inventory: &Inventory) -> (Vec<SeriesRow>, Vec<SeriesRow>) {
    let rules = Select::default();
    let (mut preferred, mut all) = (Vec::new(), Vec::new());
    for row in rows {
        let key = (row.patient_id.clone(), row.exam_id.clone());
        let Some(exam) = inventory.exams.get(&key) else { continue };
        let candidates: Vec<Candidate> = exam.series.iter().map(candidate).collect();
        let chosen = select(&candidates, &rules);
        for (place, series) in exam.series.iter().enumerate() {
            let told = series_row(row, series);
            if chosen == Some(place) {
                preferred.push(told.clone());
            }
            all.push(told);
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
