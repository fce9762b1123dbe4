//! Labels and series that do not meet, one of each next to the other.

use super::CohortRow;
use serde::Serialize;

/// Labels without a series and series without a label, where there are both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Labels that found no series.
    pub labels: usize,
    /// Series that found no label.
    pub series: usize,
    /// What one of these labels names.
    pub label_example: String,
    /// The series that looks most like it.
    pub series_example: SeriesNames,
}

/// Everything that a label could name a series by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesNames {
    /// SeriesInstanceUID, or the name of a volume file.
    pub series_uid: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// PatientID.
    pub patient_id: String,
    /// Folder or volume file.
    pub path: String,
}

/// Names that are compared at most: the mismatch of ids is the same for all of them.
const MOST_COMPARED: usize = 200;

impl Unmatched {
    /// The labels and series of a cohort that do not meet; `None` where all of one kind do.
    pub fn of(rows: &[CohortRow]) -> Option<Self> {
        let with = |code: &'static str| {
            let starts = move |row: &&CohortRow| row.reason.split(':').next() == Some(code);
            rows.iter().filter(starts)
        };
        let series = with("no-label");
        // A date that is not met is no mismatch of ids.
        let labels = with("label-without-series").filter(|row| row.study_date.is_empty());
        let label_of = |row: &CohortRow| {
            if row.series.is_empty() { row.patient.clone() } else { row.series.clone() }
        };
        let pairs = labels.clone().take(MOST_COMPARED).flat_map(|label| {
            let label = label_of(label);
            series.clone().take(MOST_COMPARED).map(move |row| {
                let names = [&row.series, &row.exam, &row.patient, &row.path];
                let alike = names.map(|name| likeness(&label, name)).into_iter().max();
                (alike, label.clone(), row)
            })
        });
        // Of equals, the first.
        let best = pairs.reduce(|best, pair| if pair.0 > best.0 { pair } else { best });
        let (_, label_example, row) = best?;
        Some(Self {
            labels: labels.count(),
            series: series.count(),
            label_example,
            series_example: SeriesNames {
                series_uid: row.series.clone(),
                exam_id: row.exam.clone(),
                patient_id: row.patient.clone(),
                path: row.path.clone(),
            },
        })
    }
}

/// How many letters two names share at their beginnings and ends.
fn likeness(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let same = |pair: &(char, char)| pair.0 == pair.1;
    let start = a.chars().zip(b.chars()).take_while(same).count();
    let end = a.chars().rev().zip(b.chars().rev()).take_while(same).count();
    start.max(end)
}

impl std::fmt::Display for Unmatched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { label_example, series_example: names, .. } = self;
        let SeriesNames { series_uid, exam_id, patient_id, path } = names;
        let or =
            |text: &str| if text.is_empty() { "none".to_owned() } else { format!("\"{text}\"") };
        write!(
            f,
            "a label names \"{label_example}\" and finds no series; a series without a label has series_uid \
             \"{series_uid}\", exam_id {}, patient_id {}, path \"{path}\"",
            or(exam_id),
            or(patient_id)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::{Labels, of_images, testing::image};
    use crate::images::ScanResult;
    use crate::spec::{Overrides, load};

    #[test]
    fn the_pair_is_the_one_whose_ids_look_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n").unwrap();
        let spec = load(&path, &Overrides { environment: Vec::new(), set: Vec::new() }).unwrap();
        let labels = folder.path().join("labels.csv");
        let text = "series_uid,label\n1.2.1,1\n9.9,0\nscan7.nii,1\n";
        std::fs::write(&labels, text).unwrap();
        let labels = Labels::read_csv(&labels, folder.path()).unwrap();
        let images = vec![image("1.2.1"), image("x"), image("scan7")];
        let found = ScanResult { images, ..ScanResult::default() };
        let rows = of_images(&spec, found, &labels).unwrap().rows;
        let unmatched = Unmatched::of(&rows).unwrap();
        assert_eq!((unmatched.labels, unmatched.series), (2, 2));
        assert_eq!(unmatched.label_example, "scan7.nii");
        assert_eq!(unmatched.series_example.series_uid, "scan7");
        let met: Vec<_> = rows.into_iter().filter(|row| row.chosen).collect();
        assert_eq!(Unmatched::of(&met), None);
    }
}
