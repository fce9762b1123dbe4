//! Warnings and remarks about an evaluation.

use super::cluster;
use super::exam::ScoredExam;

/// Exams (or patients) of a class below which an evaluation carries a warning.
pub(super) const FEW_EXAMS: usize = 10;

/// "3 positive exams, fewer than 10", where a class has some, but few.
pub(super) fn few_of_a_class(labels: &[bool], patients: Option<&[usize]>) -> Option<String> {
    let exams = cluster::class_counts(labels, None);
    let units = cluster::class_counts(labels, patients);
    let (count, class) = [1, 0].map(|class| (units[class], class)).into_iter().min()?;
    let name = ["negative", "positive"][class];
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    (count > 0 && count < FEW_EXAMS && units.iter().all(|&count| count > 0)).then(|| {
        if exams[class] == count {
            format!("{count} {name} exam{}, fewer than {FEW_EXAMS}", plural(count))
        } else {
            format!(
                "{count} patient{} with {} {name} exams, fewer than {FEW_EXAMS}",
                plural(count),
                exams[class]
            )
        }
    })
}

pub(super) fn notes(exams: usize, patients: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if patients < exams {
        notes.push(format!(
            "{exams} exams of {patients} patients: intervals and tests of the AUC, of shares and of calibration \
             allow for the exams of one patient being alike (Obuchowski 1997; Rao & Scott 1992; Liang & Zeger \
             1986), and the bootstrap resamples patients; the intervals of reliability bins do not, and may be \
             too narrow"
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
