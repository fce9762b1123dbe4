//! The study year of an exam.

use super::inventory::Exam;
use super::reasons::{Reason, ReasonCode, reason};
use super::rows::Counts;
use super::tables::Tables;
use std::collections::BTreeSet;

/// An exam with its study year and the source of the year, or the reason why it has none.
pub(super) struct ExamYear<'a> {
    pub uid: &'a str,
    pub exam: &'a Exam,
    pub year: Result<(u8, &'static str), Reason>,
}

/// The study year of each exam of a patient: by its date, else by its descriptions, else the only screening in
/// `nlst_screen` without an exam of the patient.
pub(super) fn years_of<'a>(
    patient: &str,
    exams: &[(&'a str, &'a Exam)],
    tables: &Tables,
    counts: &mut Counts,
) -> Vec<ExamYear<'a>> {
    let screenings = tables.screens.as_ref().and_then(|screens| screens.get(patient));
    let mut years: Vec<Result<Option<(u8, &'static str)>, Reason>> = Vec::new();
    for (_, exam) in exams {
        let (by_date, by_description) = (exam.year_by_date(), exam.year_by_description());
        if let (Ok(Some(date)), Ok(Some(description))) = (&by_date, &by_description) {
            counts.years_disagree += usize::from(date != description);
        }
        years.push(match by_date {
            Ok(Some(year)) => Ok(Some((year, "date"))),
            Ok(None) => by_description.map(|year| Some((year?, "description"))),
            Err(reason) => Err(reason),
        });
    }
    let known: BTreeSet<u8> =
        years.iter().filter_map(|year| Some(year.as_ref().ok()?.as_ref()?.0)).collect();
    let unknown_count = years.iter().filter(|year| matches!(year, Ok(None))).count();
    let candidates = screenings.into_iter().flatten().copied();
    let candidates: Vec<u8> = candidates.filter(|year| !known.contains(year)).collect();
    let only_candidate = match candidates.as_slice() {
        [year] if unknown_count == 1 => Some(*year),
        _ => None,
    };
    let exam_years = exams.iter().zip(years).map(|((uid, exam), year)| {
        let year = year.and_then(|year| {
            year.or_else(|| Some((only_candidate?, "screen")))
                .ok_or_else(|| no_year(exam, candidates.len()))
        });
        ExamYear { uid, exam, year }
    });
    exam_years.collect()
}

fn no_year(exam: &Exam, candidates: usize) -> Reason {
    let dates = if exam.dates.is_empty() { "empty".to_owned() } else { exam.dates.join(", ") };
    let message = format!(
        "StudyDate is {dates}, expected 1999, 2000 or 2001; no description is coded; {candidates} study \
         years of nlst_screen are without an exam, expected 1"
    );
    reason(ReasonCode::NoStudyYear, message)
}
