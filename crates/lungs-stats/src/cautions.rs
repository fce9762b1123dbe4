//! Warnings and remarks about an evaluation.

use super::cluster;
use super::exam::ScoredExam;
use lungs_base::text::{counted, noun};

/// Exams (or patients) of a class below which an evaluation carries a warning.
pub(super) const FEW_EXAMS: usize = 10;

/// "3 positive exams, fewer than 10", where a class has some, but few.
pub(super) fn few_of_a_class(labels: &[bool], patients: Option<&[usize]>) -> Option<String> {
    let exams = cluster::class_counts(labels, None);
    let units = cluster::class_counts(labels, patients);
    let (count, class) = [1, 0].map(|class| (units[class], class)).into_iter().min()?;
    let name = ["negative", "positive"][class];
    (count > 0 && count < FEW_EXAMS && units.iter().all(|&count| count > 0)).then(|| {
        if exams[class] == count {
            format!("{count} {name} {}, fewer than {FEW_EXAMS}", noun(count, "exam", "exams"))
        } else {
            format!(
                "{} with {} {name} exams, fewer than {FEW_EXAMS}",
                counted(count, "patient", "patients"),
                exams[class]
            )
        }
    })
}

pub(super) fn notes(exams: usize, patients: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if patients < exams {
        notes.push(format!(
            "{} of {}: intervals and tests of the AUC, of shares and of calibration \
             allow for the exams of one patient being alike (Obuchowski 1997; Rao & Scott 1992; Liang & Zeger \
             1986), and the bootstrap resamples patients; the intervals of reliability bins do not, and may be \
             too narrow",
            counted(exams, "exam", "exams"),
            counted(patients, "patient", "patients")
        ));
    }
    notes
}

/// A description of the first unusable prediction, as a diverged network gives; `None` if all are usable.
pub(super) fn unusable_reason(exams: &[ScoredExam]) -> Option<String> {
    let unusable =
        |exam: &&ScoredExam| !exam.logit.is_finite() || !(0.0..=1.0).contains(&exam.probability);
    let first = exams.iter().find(unusable)?;
    Some(format!(
        "{} of {} predictions are unusable, first exam {}: logit {}, probability {}",
        exams.iter().filter(unusable).count(),
        exams.len(),
        first.exam_id,
        first.logit,
        first.probability
    ))
}
