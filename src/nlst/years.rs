//! Of which study year an exam is.

use super::inventory::Exam;
use super::rows::Counts;
use super::rules::{Reason, reason};
use super::tables::Tables;
use std::collections::BTreeSet;

/// An exam with its study year and where that comes from, or why there is none.
pub(super) struct Dated<'a> {
    pub uid: &'a str,
    pub exam: &'a Exam,
    pub year: Result<(u8, &'static str), Reason>,
}

/// The study year of each exam of a patient: by its date, else by its descriptions, else the only
/// screening in `nlst_screen` that no other exam of the patient has.
pub(super) fn years_of<'a>(
    patient: &str,
    exams: &[(&'a str, &'a Exam)],
    tables: &Tables,
    counts: &mut Counts,
) -> Vec<Dated<'a>> {
    let screened = tables.screens.as_ref().and_then(|screens| screens.get(patient));
    let mut years: Vec<Result<Option<(u8, &'static str)>, Reason>> = Vec::new();
    for (_, exam) in exams {
        let (date, described) = (exam.year_by_date(), exam.year_by_description());
        if let (Ok(Some(date)), Ok(Some(described))) = (&date, &described) {
            counts.years_disagree += usize::from(date != described);
        }
        years.push(match date {
            Ok(Some(year)) => Ok(Some((year, "date"))),
            Ok(None) => described.map(|year| Some((year?, "description"))),
            Err(why) => Err(why),
        });
    }
    let taken: BTreeSet<u8> =
        years.iter().filter_map(|year| Some(year.as_ref().ok()?.as_ref()?.0)).collect();
    let undated = years.iter().filter(|year| matches!(year, Ok(None))).count();
    let free: Vec<u8> = screened.into_iter().flatten().copied().collect();
    let free: Vec<u8> = free.into_iter().filter(|year| !taken.contains(year)).collect();
    let only = match free.as_slice() {
        [year] if undated == 1 => Some(*year),
        _ => None,
    };
    let dated = exams.iter().zip(years).map(|((uid, exam), year)| {
        let year = year.and_then(|year| {
            year.or_else(|| Some((only?, "screen"))).ok_or_else(|| no_year(exam, free.len()))
        });
        Dated { uid, exam, year }
    });
    dated.collect()
}

fn no_year(exam: &Exam, free: usize) -> Reason {
    let dates = if exam.dates.is_empty() { "no".to_owned() } else { exam.dates.join(", ") };
    let told = format!(
        "StudyDate {dates} is not of 1999, 2000 or 2001, no description is the trial's, and \
         nlst_screen leaves {free} study years"
    );
    reason("no-study-year", told)
}
