//! Warnings and remarks about an evaluation.

use super::cluster;
use super::exam::ScoredExam;
use lungs_base::text::{counted, noun};

/// Exams (or patients) of a class below which an evaluation carries a warning.
pub(super) const FEW_EXAMS: usize = 10;

/// The warning about an evaluation whose exams are of one class, or few of a class.
pub(super) fn class_warning(labels: &[bool], patients: Option<&[usize]>) -> Option<String> {
    one_class(labels).or_else(|| {
        let few = few_of_a_class(labels, patients)?;
        Some(format!("{few}: every metric is uncertain, and its interval approximate"))
    })
}

/// "all 12 exams are negative: …", where a class has no exam.
fn one_class(labels: &[bool]) -> Option<String> {
    let first = *labels.first()?;
    if labels.iter().any(|&label| label != first) {
        return None;
    }
    let (class, lost, missing) = if first {
        ("positive", "specificity", "negative")
    } else {
        ("negative", "sensitivity", "positive")
    };
    let all = match labels.len() {
        1 => format!("the only exam is {class}"),
        count => format!("all {count} exams are {class}"),
    };
    Some(format!(
        "{all}: the AUC, the {lost} and every other metric that needs {missing} exams cannot be computed; add \
         {missing} exams"
    ))
}

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
    let count = exams.iter().filter(unusable).count();
    Some(format!(
        "{count} of {} predictions {} unusable, first exam {}: logit {}, probability {}",
        exams.len(),
        noun(count, "is", "are"),
        first.exam_id,
        first.logit,
        first.probability
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_and_few_exams_give_warnings() {
        let negative = class_warning(&[false; 12], None).unwrap();
        assert!(
            negative.starts_with("all 12 exams are negative: the AUC, the sensitivity"),
            "{negative}"
        );
        assert!(negative.ends_with("add positive exams"), "{negative}");
        let positive = class_warning(&[true], None).unwrap();
        assert!(
            positive.starts_with("the only exam is positive: the AUC, the specificity"),
            "{positive}"
        );
        let mut labels = vec![false; 20];
        labels[0] = true;
        let few = class_warning(&labels, None).unwrap();
        assert!(few.starts_with("1 positive exam, fewer than 10"), "{few}");
        labels[1..11].fill(true);
        assert_eq!(class_warning(&labels[..], None), Some("9 negative exams, fewer than 10: every metric is uncertain, and its interval approximate".to_owned()));
        labels.extend([false; 5]);
        assert_eq!(class_warning(&labels, None), None);
        assert_eq!(class_warning(&[], None), None);
    }
}
