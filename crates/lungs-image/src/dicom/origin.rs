//! Patient, exam and series of slices, by their headers.
//!
//! Some archives have files of several patients or exams under one SeriesInstanceUID by mistake. Such
//! a series has no correct patient and label, so it is excluded, and the reason lists every id.

use std::collections::BTreeMap;

use super::shares::ValueCount;
use super::{Content, Origin, Series, SeriesRefusal, SliceFile};

impl Series {
    /// Patient, exam and series of the images with content [`Content::Slice`], or of all images if
    /// there are none.
    pub fn origin(&self) -> Origin {
        let all: Vec<usize> = (0..self.slices.len()).collect();
        let is_slice = |index: &usize| self.slices[*index].content == Content::Slice;
        let body: Vec<usize> = all.iter().copied().filter(is_slice).collect();
        self.origin_of(if body.is_empty() { &all } else { &body })
    }

    /// Patient, exam and series of these slices: of each value the most frequent spelling. Slices
    /// without the value do not count.
    pub(super) fn origin_of(&self, slices: &[usize]) -> Origin {
        let most_frequent = |read: fn(&Origin) -> &String| -> String {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for &index in slices {
                let text = read(&self.slices[index].origin).as_str();
                if !text.is_empty() {
                    *counts.entry(text).or_default() += 1;
                }
            }
            // Of equally frequent values the alphabetically first, so that file names do not matter.
            let best = counts.into_iter().rev().max_by_key(|(_, count)| *count);
            best.map(|(text, _)| text.to_owned()).unwrap_or_default()
        };
        Origin {
            series_uid: self.series_uid.clone(),
            exam_id: most_frequent(|origin| &origin.exam_id),
            patient_id: most_frequent(|origin| &origin.patient_id),
            modality: most_frequent(|origin| &origin.modality),
            description: most_frequent(|origin| &origin.description),
            kernel: most_frequent(|origin| &origin.kernel),
            manufacturer: most_frequent(|origin| &origin.manufacturer),
            scanner_model: most_frequent(|origin| &origin.scanner_model),
            study_date: most_frequent(|origin| &origin.study_date),
            patient_age: most_frequent(|origin| &origin.patient_age),
            patient_sex: most_frequent(|origin| &origin.patient_sex),
        }
    }
}

/// Refuses slices of several patients, or of several exams.
///
/// # Errors
/// [`SeriesRefusal::SeveralPatients`] or [`SeriesRefusal::SeveralExams`] with every id.
pub(super) fn check(series: &Series, slices: &[usize]) -> Result<(), SeriesRefusal> {
    let patients = count_values(
        series,
        slices,
        |origin| normalize_id(&origin.patient_id),
        |origin| &origin.patient_id,
    );
    if patients.len() > 1 {
        return Err(SeriesRefusal::SeveralPatients { patients });
    }
    let exams =
        count_values(series, slices, |origin| origin.exam_id.clone(), |origin| &origin.exam_id);
    if exams.len() > 1 {
        return Err(SeriesRefusal::SeveralExams { exams });
    }
    Ok(())
}

/// An id in upper case with single spaces: within one series, other differences are spelling errors.
fn normalize_id(id: &str) -> String {
    let words: Vec<String> = id.split_whitespace().map(str::to_uppercase).collect();
    words.join(" ")
}

/// The distinct values of slices that have one, in order of their first file.
fn count_values(
    series: &Series,
    slices: &[usize],
    key: impl Fn(&Origin) -> String,
    display: impl Fn(&Origin) -> &String,
) -> Vec<ValueCount> {
    let mut counts: BTreeMap<String, ValueCount> = BTreeMap::new();
    for &index in slices {
        let SliceFile { origin, path, .. } = &series.slices[index];
        let key = key(origin);
        if key.is_empty() {
            continue;
        }
        let value = display(origin).clone();
        let first_slice = || ValueCount { value, slices: 0, first: path.clone() };
        counts.entry(key).or_insert_with(first_slice).slices += 1;
    }
    let mut counts: Vec<ValueCount> = counts.into_values().collect();
    counts.sort_by(|a, b| a.first.cmp(&b.first));
    counts
}
