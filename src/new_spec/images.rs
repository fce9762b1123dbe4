//! Number, spacing and kernels of the images in a folder.

use lungs_image::images::{Image, ScanResult};
use lungs_study::cohort::{Sharpness, sharpness};
use std::collections::{BTreeMap, BTreeSet};

/// What a folder of images has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageFacts {
    /// Series and volume files by kind: `dicom`, `nifti`, `metaimage`, `prepared`.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Number of patients; images without a patient count as one each.
    pub patients: usize,
    /// Series without a volume, such as scout views.
    pub without_volume: usize,
    /// Damaged files.
    pub damaged_files: usize,
    /// Number of series by slice spacing in tenths of a millimetre.
    pub spacings: BTreeMap<u64, usize>,
    /// Reconstruction kernels with the number of their series, the most frequent first.
    pub kernels: Vec<Kernel>,
    /// Slice spacing and number of slices of each volume, by exam.
    pub exams: Vec<Vec<VolumeFacts>>,
}

/// A reconstruction kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Name in the header; empty if it is missing.
    pub name: String,
    /// Soft or sharp, if the name is known.
    pub sharpness: Option<Sharpness>,
    /// Number of series.
    pub series: usize,
}

/// A volume of an exam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolumeFacts {
    /// Distance between slices.
    pub slice_spacing_mm: f64,
    /// Number of slices.
    pub slices: usize,
}

impl ImageFacts {
    /// The facts of a scanned folder.
    pub fn of(found: &ScanResult) -> Self {
        let mut facts = Self { damaged_files: found.problems.len(), ..Self::default() };
        let mut exams = BTreeMap::<&str, Vec<VolumeFacts>>::new();
        let (mut patients, mut kernels) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
        for image in &found.images {
            *facts.kinds.entry(image.kind.name()).or_default() += 1;
            let Ok(grid) = &image.grid else {
                facts.without_volume += 1;
                continue;
            };
            patients.insert(first_non_empty(&[&image.patient_id, exam_of(image)]));
            *kernels.entry(image.kernel.as_str()).or_default() += 1;
            let tenths = (grid.slice_spacing_mm * 10.0).round() as u64;
            *facts.spacings.entry(tenths).or_default() += 1;
            exams
                .entry(exam_of(image))
                .or_default()
                .push(VolumeFacts { slice_spacing_mm: grid.slice_spacing_mm, slices: grid.slices });
        }
        facts.patients = patients.len();
        facts.exams = exams.into_values().collect();
        facts.kernels = kernels
            .into_iter()
            .map(|(name, series)| Kernel {
                name: name.to_owned(),
                sharpness: sharpness(name),
                series,
            })
            .collect();
        facts.kernels.sort_by_key(|kernel| std::cmp::Reverse(kernel.series));
        facts
    }

    /// Number of series and volume files.
    pub fn series(&self) -> usize {
        self.kinds.values().sum()
    }
}

/// The exam of an image: StudyInstanceUID, or the image itself.
fn exam_of(image: &Image) -> &str {
    first_non_empty(&[&image.exam_id, &image.series_uid])
}

fn first_non_empty<'a>(names: &[&'a str]) -> &'a str {
    names.iter().find(|name| !name.is_empty()).copied().unwrap_or_default()
}

/// The limits of series that the new spec sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SeriesLimits {
    /// `data.select.max_slice_spacing_mm`
    pub max_slice_spacing_mm: f64,
    /// `data.select.min_slices`
    pub min_slices: usize,
    /// Exams with a series within both limits.
    pub exams: usize,
}

/// Slice spacings to choose from: that of the published recipe, the default, and thick slices.
const SPACINGS_MM: [f64; 3] = [2.5, 5.0, 10.0];
/// The number of slices of the published recipe.
const MIN_SLICES: usize = 50;
/// Share of exams that a limit may exclude, as the divisor of their number.
const MAX_EXCLUDED: usize = 10;
/// Headers round positions to hundredths of a millimetre.
const TOLERANCE_MM: f64 = 1e-3;

impl SeriesLimits {
    /// The strictest limits that exclude at most a tenth of the exams.
    pub(super) fn of(facts: &ImageFacts) -> Self {
        let slices_within = |limit_mm: f64| {
            let most_slices = |volumes: &Vec<VolumeFacts>| {
                let within =
                    volumes.iter().filter(|it| it.slice_spacing_mm <= limit_mm + TOLERANCE_MM);
                within.map(|volume| volume.slices).max()
            };
            let mut slices: Vec<usize> = facts.exams.iter().filter_map(most_slices).collect();
            slices.sort_unstable();
            slices
        };
        let allowed = facts.exams.len() / MAX_EXCLUDED;
        let is_enough =
            |limit_mm: &f64| slices_within(*limit_mm).len() + allowed >= facts.exams.len();
        let max_slice_spacing_mm =
            SPACINGS_MM.into_iter().find(is_enough).unwrap_or(SPACINGS_MM[SPACINGS_MM.len() - 1]);
        let slices = slices_within(max_slice_spacing_mm);
        let fewest = slices.get(slices.len() / MAX_EXCLUDED).copied().unwrap_or(MIN_SLICES);
        let min_slices = match fewest {
            0..10 => 2,
            fewest => MIN_SLICES.min(fewest / 10 * 10),
        };
        let exams = slices.iter().filter(|count| **count >= min_slices).count();
        Self { max_slice_spacing_mm, min_slices, exams }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(exams: &[(f64, usize)]) -> (f64, usize, usize) {
        let exams = exams
            .iter()
            .map(|(slice_spacing_mm, slices)| {
                vec![VolumeFacts { slice_spacing_mm: *slice_spacing_mm, slices: *slices }]
            })
            .collect();
        let limits = SeriesLimits::of(&ImageFacts { exams, ..ImageFacts::default() });
        (limits.max_slice_spacing_mm, limits.min_slices, limits.exams)
    }

    #[test]
    fn the_limits_are_the_strictest_that_keep_nine_tenths_of_the_exams() {
        assert_eq!(limits(&[(1.0, 300), (2.5, 120)]), (2.5, 50, 2));
        // One of two exams is more than a tenth, one of ten is not.
        assert_eq!(limits(&[(1.0, 300), (5.0, 60)]), (5.0, 50, 2));
        let mut ten = vec![(1.25, 250); 9];
        ten.push((5.0, 60));
        assert_eq!(limits(&ten), (2.5, 50, 9));
        assert_eq!(limits(&[(5.0, 47), (5.0, 62)]), (5.0, 40, 2));
        assert_eq!(limits(&[(8.0, 5)]), (10.0, 2, 1));
        assert_eq!(limits(&[(20.0, 12)]), (10.0, 50, 0));
    }
}
