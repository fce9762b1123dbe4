//! Labels without a series and series without a label, with the most similar pair as an example.

use super::CohortRow;
use lungs_image::codes::ExclusionCode;
use serde::Serialize;

/// Counts and an example of labels without a series and series without a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmatchedIds {
    /// Number of labels without a series.
    pub labels: usize,
    /// Number of series without a label.
    pub series: usize,
    /// The name in one of these labels.
    pub label_example: String,
    /// The series with the most similar name.
    pub series_example: SeriesNames,
}

/// All names of a series that a label can match.
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

/// Largest number of compared names: a systematic mismatch of IDs shows in the first ones.
const MAX_COMPARED: usize = 200;

impl UnmatchedIds {
    /// Labels and series of a cohort without a match; `None` if there are not both.
    pub fn of(rows: &[CohortRow]) -> Option<Self> {
        let with_code =
            |code: ExclusionCode| rows.iter().filter(move |row| row.code.as_ref() == Some(&code));
        let series = with_code(ExclusionCode::NoLabel);
        // A label with an unmatched date is not a mismatch of IDs.
        let labels =
            with_code(ExclusionCode::LabelWithoutSeries).filter(|row| row.study_date.is_empty());
        let name_of = |row: &CohortRow| {
            if row.series_uid.is_empty() { row.patient_id.clone() } else { row.series_uid.clone() }
        };
        let pairs = labels.clone().take(MAX_COMPARED).flat_map(|label| {
            let label = name_of(label);
            series.clone().take(MAX_COMPARED).map(move |row| {
                let names = [&row.series_uid, &row.exam_id, &row.patient_id, &row.path];
                let similarity = names.map(|name| similarity(&label, name)).into_iter().max();
                (similarity, label.clone(), row)
            })
        });
        // The first of equally similar pairs.
        let best = pairs.reduce(|best, pair| if pair.0 > best.0 { pair } else { best });
        let (_, label_example, row) = best?;
        Some(Self {
            labels: labels.count(),
            series: series.count(),
            label_example,
            series_example: SeriesNames {
                series_uid: row.series_uid.clone(),
                exam_id: row.exam_id.clone(),
                patient_id: row.patient_id.clone(),
                path: row.path.clone(),
            },
        })
    }
}

/// The number of letters that two names share, at their start or at their end.
fn similarity(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let same = |pair: &(char, char)| pair.0 == pair.1;
    let start = a.chars().zip(b.chars()).take_while(same).count();
    let end = a.chars().rev().zip(b.chars().rev()).take_while(same).count();
    start.max(end)
}

impl std::fmt::Display for UnmatchedIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { label_example, series_example: names, .. } = self;
        let SeriesNames { series_uid, exam_id, patient_id, path } = names;
        let quoted =
            |text: &str| if text.is_empty() { "none".to_owned() } else { format!("\"{text}\"") };
        write!(
            f,
            "the label \"{label_example}\" matches no series; a series without a label has series_uid \
             \"{series_uid}\", exam_id {}, patient_id {}, path \"{path}\"",
            quoted(exam_id),
            quoted(patient_id)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::{Labels, select_from_images, testing::image};
    use lungs_image::images::ScanResult;
    use lungs_spec::spec::{Overrides, load};

    #[test]
    fn the_example_is_the_pair_with_the_most_similar_ids() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n").unwrap();
        let spec = load(&path, &Overrides { environment: Vec::new(), set: Vec::new() }).unwrap();
        let labels = folder.path().join("labels.csv");
        let text = "series_uid,label\n1.2.1,1\n9.9,0\nscan7.nii,1\n";
        std::fs::write(&labels, text).unwrap();
        let labels = Labels::read_csv(&labels, folder.path(), &spec.outcome).unwrap();
        let images = vec![image("1.2.1"), image("x"), image("scan7")];
        let found = ScanResult { images, ..ScanResult::default() };
        let rows = select_from_images(&spec, found, &labels).unwrap().rows;
        let unmatched = UnmatchedIds::of(&rows).unwrap();
        assert_eq!((unmatched.labels, unmatched.series), (2, 2));
        assert_eq!(unmatched.label_example, "scan7.nii");
        assert_eq!(unmatched.series_example.series_uid, "scan7");
        let matched: Vec<_> = rows.into_iter().filter(|row| row.chosen).collect();
        assert_eq!(UnmatchedIds::of(&matched), None);
    }
}
