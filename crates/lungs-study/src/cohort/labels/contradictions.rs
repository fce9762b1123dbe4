//! Contradictory labels, patients, exams or splits of one series, exam or patient.

use super::matching::exam_of;
use super::{Label, LabelMatches, Labels};
use lungs_image::images::Image;
use std::collections::{BTreeMap, BTreeSet};

/// Two different values, with their sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contradiction {
    /// The series, exam, path or patient.
    pub name: String,
    /// The attribute with two values: `labels`, `follow-ups`, `patients`, `exams` or `splits`.
    pub attribute: &'static str,
    /// The first value and its source.
    pub first: (String, String),
    /// The second value and its source.
    pub second: (String, String),
}

/// All contradictions.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the labels contradict each other:{}\nA series and an exam can have only one label, patient and split. \
     Correct the labels and run the command again.",
    self.lines()
)]
pub struct Contradictions(BTreeSet<Contradiction>);

/// Largest number of printed contradictions.
const MAX_PRINTED: usize = 5;

impl Contradictions {
    fn lines(&self) -> String {
        let lines = self.0.iter().take(MAX_PRINTED).map(|it| format!("\n  {it}"));
        let rest = self.0.len().saturating_sub(MAX_PRINTED);
        let rest = if rest > 0 { format!("\n  and {rest} more") } else { String::new() };
        lines.collect::<String>() + &rest
    }
}

/// Collects contradictions, one per attribute and pair of sources: the rows of a patient contradict each
/// other once, not again for each series of the patient.
#[derive(Default)]
struct Finder<'l> {
    contradictions: BTreeSet<Contradiction>,
    sources: BTreeSet<(&'static str, &'l str, &'l str)>,
}

impl<'l> Finder<'l> {
    /// Adds each attribute in which two labels of one name differ.
    fn compare(&mut self, name: &str, first: &'l Label, second: &'l Label) {
        let mut add = |attribute, [a, b]: [Option<String>; 2]| {
            if let (Some(a), Some(b)) = (a, b)
                && a != b
                && self.sources.insert((attribute, &first.source, &second.source))
            {
                self.contradictions.insert(Contradiction {
                    name: name.to_owned(),
                    attribute,
                    first: (a, first.source.clone()),
                    second: (b, second.source.clone()),
                });
            }
        };
        if first.follow_up.is_some() && second.follow_up.is_some() {
            // The label follows from it.
            add("follow-ups", [first, second].map(|it| it.follow_up.map(|it| it.to_string())));
        } else {
            add("labels", [first, second].map(|it| Some(u8::from(it.label).to_string())));
        }
        add("patients", [first, second].map(|it| it.patient_id.clone()));
        add("exams", [first, second].map(|it| it.exam_id.clone()));
        add("splits", [first, second].map(|it| it.split.map(|split| split.to_string())));
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
        let Self { name, attribute, first: (a, source_a), second: (b, source_b) } = self;
        write!(f, "{name} has two {attribute}: {a} ({source_a}) and {b} ({source_b})")
    }
}

/// Checks that all labels of a series, an exam or a patient agree.
///
/// # Errors
/// All [`Contradictions`].
pub(crate) fn check(
    labels: &Labels,
    images: &[Image],
    matches: &LabelMatches,
) -> Result<(), Contradictions> {
    let mut finder = Finder::default();
    for (name, entries) in &labels.by_series {
        finder.compare_all(&format!("series {name}"), entries);
    }
    for (path, entries) in &labels.by_path {
        finder.compare_all(&format!("path {}", path.display()), entries);
    }
    for (name, entries) in &labels.by_exam {
        finder.compare_all(&format!("exam {name}"), entries);
    }
    for (patient, entries) in &labels.by_patient {
        let mut days = BTreeMap::<_, Vec<&Label>>::new();
        for entry in entries {
            days.entry(&entry.date).or_default().push(&entry.label);
        }
        for (day, labels) in days {
            let on_day = day.as_ref().map(|day| format!(" on {day}")).unwrap_or_default();
            finder.compare_all(&format!("patient {patient}{on_day}"), labels);
        }
    }
    let mut exams = BTreeMap::<(&str, &str), Vec<&Label>>::new();
    for (image, labels) in images.iter().zip(&matches.labels) {
        finder.compare_all(&format!("series {}", image.series_uid), labels.iter().copied());
        let Some(label) = labels.first() else { continue };
        let exam = label.exam_id.as_deref().unwrap_or_else(|| exam_of(image));
        let patient = label.patient_id.as_ref().filter(|_| image.patient_id.is_empty());
        exams.entry((patient.unwrap_or(&image.patient_id), exam)).or_default().push(label);
    }
    for ((patient, exam), labels) in exams {
        let Some(first) = labels.first() else { continue };
        let of_patient = if patient.is_empty() { String::new() } else { format!(" of {patient}") };
        let outcome = |label: &Label| (label.label, label.follow_up);
        for label in labels.iter().filter(|label| outcome(label) != outcome(first)) {
            finder.compare(&format!("exam {exam}{of_patient}"), first, label);
        }
    }
    if finder.contradictions.is_empty() {
        Ok(())
    } else {
        Err(Contradictions(finder.contradictions))
    }
}
