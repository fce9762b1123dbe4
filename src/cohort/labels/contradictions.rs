//! Two labels, patients, exams or parts of what can have only one.

use super::matching::exam_of;
use super::{Label, Labels, Matched};
use crate::images::Image;
use std::collections::{BTreeMap, BTreeSet};

/// One contradiction, with both sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contradiction {
    /// The series, exam, path or patient.
    pub name: String,
    /// What it has two of: `labels`, `patients`, `exams` or `parts`.
    pub what: &'static str,
    /// The first value and its source.
    pub first: (String, String),
    /// The second value and its source.
    pub second: (String, String),
}

/// Everything that contradicts itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the labels contradict each other:{}\nA series and an exam can have only one label, patient and part. \
     Correct the labels and start again.",
    self.lines()
)]
pub struct Contradictions(BTreeSet<Contradiction>);

/// Contradictions that are printed.
const MOST_PRINTED: usize = 5;

impl Contradictions {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn lines(&self) -> String {
        let lines = self.0.iter().take(MOST_PRINTED).map(|it| format!("\n  {it}"));
        let rest = self.0.len().saturating_sub(MOST_PRINTED);
        let rest = if rest > 0 { format!("\n  and {rest} more") } else { String::new() };
        lines.collect::<String>() + &rest
    }
}

/// Contradictions on the way, each pair of sources once: the rows of a patient contradict each other, not
/// the rows of each of the patient's series.
#[derive(Default)]
struct Finder<'l> {
    all: BTreeSet<Contradiction>,
    sources: BTreeSet<(&'static str, &'l str, &'l str)>,
}

impl<'l> Finder<'l> {
    /// Adds the values in which two labels of one name differ.
    fn compare(&mut self, name: &str, first: &'l Label, second: &'l Label) {
        let mut add = |what, [a, b]: [Option<String>; 2]| {
            if let (Some(a), Some(b)) = (a, b)
                && a != b
                && self.sources.insert((what, &first.source, &second.source))
            {
                self.all.insert(Contradiction {
                    name: name.to_owned(),
                    what,
                    first: (a, first.source.clone()),
                    second: (b, second.source.clone()),
                });
            }
        };
        add("labels", [first, second].map(|it| Some(it.label.to_string())));
        add("patients", [first, second].map(|it| it.patient.clone()));
        add("exams", [first, second].map(|it| it.exam.clone()));
        add("parts", [first, second].map(|it| it.part.map(|part| part.to_string())));
    }

    fn compare_all(&mut self, name: &str, labels: impl IntoIterator<Item = &'l Label>) {
        let mut labels = labels.into_iter();
        let Some(first) = labels.next() else { return };
        for label in labels {
            self.compare(name, first, label);
        }
    }
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, what, first: (a, from_a), second: (b, from_b) } = self;
        write!(f, "{name} has two {what}: {a} ({from_a}) and {b} ({from_b})")
    }
}

/// Checks that everything that names a series, an exam or a patient says the same of it.
///
/// # Errors
/// [`Contradictions`], all of them.
pub fn check(labels: &Labels, images: &[Image], matched: &Matched) -> Result<(), Contradictions> {
    let mut all = Finder::default();
    for (name, entries) in &labels.by_series {
        all.compare_all(&format!("series {name}"), entries);
    }
    for (path, entries) in &labels.by_path {
        all.compare_all(&format!("path {}", path.display()), entries);
    }
    for (name, entries) in &labels.by_exam {
        all.compare_all(&format!("exam {name}"), entries);
    }
    for (patient, entries) in &labels.by_patient {
        let mut days = BTreeMap::<_, Vec<&Label>>::new();
        for entry in entries {
            days.entry(&entry.date).or_default().push(&entry.label);
        }
        for (day, labels) in days {
            let of_day = day.as_ref().map(|day| format!(" on {day}")).unwrap_or_default();
            all.compare_all(&format!("patient {patient}{of_day}"), labels);
        }
    }
    let mut exams = BTreeMap::<(&str, &str), Vec<&Label>>::new();
    for (image, labels) in images.iter().zip(&matched.of) {
        all.compare_all(&format!("series {}", image.series_uid), labels.iter().copied());
        let Some(label) = labels.first() else { continue };
        let exam = label.exam.as_deref().unwrap_or_else(|| exam_of(image));
        let patient = label.patient.as_ref().filter(|_| image.patient_id.is_empty());
        exams.entry((patient.unwrap_or(&image.patient_id), exam)).or_default().push(label);
    }
    for ((patient, exam), labels) in exams {
        let Some(first) = labels.first() else { continue };
        let of_patient = if patient.is_empty() { String::new() } else { format!(" of {patient}") };
        for label in labels.iter().filter(|label| label.label != first.label) {
            all.compare(&format!("exam {exam}{of_patient}"), first, label);
        }
    }
    if all.all.is_empty() { Ok(()) } else { Err(Contradictions(all.all)) }
}
