//! A follow-up starts at one exam: a row that names a patient alone cannot have the follow-up of several exams.

use super::matching::{UsedNames, exam_of};
use super::{Date, Label, Labels, LabelsError};
use lungs_image::images::Image;
use std::collections::BTreeMap;

/// Largest number of exams in a message.
const MAX_PRINTED: usize = 5;

/// The dates of the exams that take their follow-up from a row, by exam.
type ExamDates<'a> = BTreeMap<&'a str, Option<Date>>;

/// Checks that each row with a follow-up that names a patient without a date matches exams of one day.
///
/// # Errors
/// [`LabelsError::OneFollowUpForExams`]: the exams have different dates, or unknown ones.
pub(crate) fn check<'a>(
    labels: &Labels,
    images: impl Iterator<Item = &'a Image>,
) -> Result<(), LabelsError> {
    let mut undated = BTreeMap::<*const Label, (&str, &Label, ExamDates)>::new();
    for (patient, entries) in &labels.by_patient {
        let with_time = |label: &&Label| label.follow_up.is_some();
        let without_date = entries.iter().filter(|entry| entry.date.is_none());
        for label in without_date.map(|entry| &entry.label).filter(with_time) {
            undated.insert(std::ptr::from_ref(label), (patient, label, ExamDates::new()));
        }
    }
    if undated.is_empty() {
        return Ok(());
    }
    for image in images {
        let matched = labels.labels_of(image, &mut UsedNames::default());
        let label = matched.first().map(|label| std::ptr::from_ref(*label));
        if let Some((.., exams)) = label.and_then(|label| undated.get_mut(&label)) {
            exams.insert(exam_of(image), Date::parse(&image.study_date));
        }
    }
    for (patient, label, exams) in undated.into_values() {
        let mut dates = exams.values();
        let first = dates.next();
        let is_one_day = |date: &Option<Date>| date.is_some() && Some(date) == first;
        if !dates.all(is_one_day) {
            return Err(LabelsError::OneFollowUpForExams {
                source_name: label.source.clone(),
                patient: patient.to_owned(),
                exams: text_of(&exams),
            });
        }
    }
    Ok(())
}

fn text_of(exams: &ExamDates) -> String {
    let text = |(exam, date): (&&str, &Option<Date>)| match date {
        Some(date) => format!("{exam} ({date})"),
        None => format!("{exam} (no StudyDate)"),
    };
    let printed: Vec<String> = exams.iter().take(MAX_PRINTED).map(text).collect();
    let rest = exams.len().saturating_sub(MAX_PRINTED);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    printed.join(", ") + &rest
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_of;
    use super::*;
    use crate::cohort::testing::image;
    use lungs_spec::spec::{Outcome, OutcomeName};

    /// The error of two series with these exams and dates, and a table of two rows.
    fn error(rows: &str, exams: [(&str, &str); 2]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Outcome { name: OutcomeName::Survival, ..Outcome::default() };
        let text = format!("patient_id,study_date,exam_id,years_to_event,years_followed\n{rows}");
        let labels = read_of(folder.path(), &text, &outcome).unwrap();
        let mut images = [image("1"), image("2")];
        for (image, (exam, date)) in images.iter_mut().zip(exams) {
            (image.exam_id, image.study_date) = (exam.into(), date.into());
        }
        let error = check(&labels, images.iter()).err();
        let error = error.map_or_else(String::new, |error| error.to_string());
        error.replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn a_row_without_a_date_is_for_exams_of_one_day() {
        let days = [("E1", "20010203"), ("E2", "20020304")];
        assert_eq!(
            error("P,,,,3\n", days),
            "DIR/labels.csv line 2: the row names patient P without study_date, and the patient has several \
             exams: E1 (2001-02-03), E2 (2002-03-04). A follow-up starts at one exam. Write a row for each exam, \
             with study_date, exam_id or series_uid"
        );
        assert!(error("P,,,,3\n", [("E1", ""), ("E2", "")]).contains("E1 (no StudyDate)"));
        assert_eq!(error("P,,,,3\n", [("E1", "20010203"), ("E2", "20010203")]), "");
        assert_eq!(error("P,,,,3\n", [("E1", ""), ("E1", "")]), "");
        assert_eq!(error("P,2001-02-03,,,3\nP,2002-03-04,,1,\n", days), "");
        // A row for the other exam.
        assert_eq!(error("P,,,,3\n,,E2,1,\n", days), "");
    }
}
