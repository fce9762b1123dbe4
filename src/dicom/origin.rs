//! Whose slices these are: patient, exam and series as each header says them.
//!
//! Archives put files of several patients or exams under one SeriesInstanceUID by mistake. Such a
//! series has no true patient and no true label, so it is refused with every id that was found.

use std::collections::BTreeMap;

use super::shares::Shared;
use super::{Content, Origin, Series, SeriesRefusal, SliceFile};

impl Series {
    /// What the images that show slices of the body say of the patient, the exam and the series;
    /// what all images say when none shows a slice.
    pub fn origin(&self) -> Origin {
        let every: Vec<usize> = (0..self.slices.len()).collect();
        let is_slice = |index: &usize| self.slices[*index].content == Content::Slice;
        let body: Vec<usize> = every.iter().copied().filter(is_slice).collect();
        self.origin_of(if body.is_empty() { &every } else { &body })
    }

    /// What these slices say of the patient, the exam and the series. Where spellings differ, the
    /// one that most slices have; a slice that says nothing does not count.
    pub(super) fn origin_of(&self, slices: &[usize]) -> Origin {
        let most = |read: fn(&Origin) -> &String| -> String {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for &index in slices {
                let text = read(&self.slices[index].origin).as_str();
                if !text.is_empty() {
                    *counts.entry(text).or_default() += 1;
                }
            }
            // Of equally frequent ones the first by name, so that file names do not matter.
            let best = counts.into_iter().rev().max_by_key(|(_, count)| *count);
            best.map(|(text, _)| text.to_owned()).unwrap_or_default()
        };
        Origin {
            series_uid: self.series_uid.clone(),
            study_uid: most(|origin| &origin.study_uid),
            patient_id: most(|origin| &origin.patient_id),
            modality: most(|origin| &origin.modality),
            description: most(|origin| &origin.description),
            kernel: most(|origin| &origin.kernel),
            manufacturer: most(|origin| &origin.manufacturer),
            study_date: most(|origin| &origin.study_date),
        }
    }
}

/// Refuses slices of several patients, or of several exams.
///
/// # Errors
/// [`SeriesRefusal::SeveralPatients`] or [`SeriesRefusal::SeveralExams`] with every id.
pub(super) fn check(series: &Series, slices: &[usize]) -> Result<(), SeriesRefusal> {
    let patients = shares(
        series,
        slices,
        |origin| spelled_alike(&origin.patient_id),
        |origin| &origin.patient_id,
    );
    if patients.len() > 1 {
        return Err(SeriesRefusal::SeveralPatients { patients });
    }
    let exams =
        shares(series, slices, |origin| origin.study_uid.clone(), |origin| &origin.study_uid);
    if exams.len() > 1 {
        return Err(SeriesRefusal::SeveralExams { exams });
    }
    Ok(())
}

/// An id without differences of case and spaces: within one series these are slips of the writer.
fn spelled_alike(id: &str) -> String {
    let words: Vec<String> = id.split_whitespace().map(str::to_uppercase).collect();
    words.join(" ")
}

/// The values of slices that say one, in order of their first file.
fn shares(
    series: &Series,
    slices: &[usize],
    key: impl Fn(&Origin) -> String,
    shown: impl Fn(&Origin) -> &String,
) -> Vec<Shared> {
    let mut shares: BTreeMap<String, Shared> = BTreeMap::new();
    for &index in slices {
        let SliceFile { origin, path, .. } = &series.slices[index];
        let key = key(origin);
        if key.is_empty() {
            continue;
        }
        let value = shown(origin).clone();
        let new = || Shared { value, slices: 0, first: path.clone() };
        shares.entry(key).or_insert_with(new).slices += 1;
    }
    let mut shares: Vec<Shared> = shares.into_values().collect();
    shares.sort_by(|a, b| a.first.cmp(&b.first));
    shares
}
