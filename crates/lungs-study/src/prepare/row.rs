//! A row of `preparation.csv`, made once from what the steps of a preparation found.

use serde::{Deserialize, Serialize};

use lungs_image::codes::{Exclusion, ExclusionCode, Flag, joined_flags, optional_code};
use lungs_image::dicom::SeriesFacts;
use lungs_image::images::{Grid, Image};

use super::Refusal;

/// Whether a series was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The crop is in the cache.
    Prepared,
    /// The series is excluded for the row's reason.
    Refused,
}

/// One row of `preparation.csv`. Values that were not computed before an exclusion are empty.
///
/// Boxes and centres are in voxels of the resampled volume, first and last inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the table's columns; names carry their units")]
pub struct Row {
    pub patient_id: String,
    #[serde(rename = "study_uid")]
    pub exam_id: String,
    pub series_uid: String,
    pub status: Status,
    /// Code of the exclusion, empty when prepared.
    #[serde(with = "optional_code")]
    pub code: Option<ExclusionCode>,
    /// Reason of the exclusion as a sentence, empty when prepared.
    pub reason: String,
    pub slices: Option<usize>,
    pub rows: Option<usize>,
    pub columns: Option<usize>,
    pub spacing_d_mm: Option<f64>,
    pub spacing_h_mm: Option<f64>,
    pub spacing_w_mm: Option<f64>,
    pub hu_min: Option<i16>,
    pub hu_max: Option<i16>,
    pub lung_left_ml: Option<f64>,
    pub lung_right_ml: Option<f64>,
    /// Mean and standard deviation of the lungs' voxels.
    pub lung_hu_mean: Option<f64>,
    pub lung_hu_sd: Option<f64>,
    pub box_z0: Option<usize>,
    pub box_z1: Option<usize>,
    pub box_y0: Option<usize>,
    pub box_y1: Option<usize>,
    pub box_x0: Option<usize>,
    pub box_x1: Option<usize>,
    pub centre_z: Option<usize>,
    pub centre_y: Option<usize>,
    pub centre_x: Option<usize>,
    pub crop_d: Option<usize>,
    pub crop_h: Option<usize>,
    pub crop_w: Option<usize>,
    /// Distance by which the lungs extend beyond the crop on each side of the patient; 0 when they do not.
    pub beyond_head_mm: Option<f64>,
    pub beyond_feet_mm: Option<f64>,
    pub beyond_front_mm: Option<f64>,
    pub beyond_back_mm: Option<f64>,
    pub beyond_right_mm: Option<f64>,
    pub beyond_left_mm: Option<f64>,
    /// Observations that do not exclude the series.
    #[serde(with = "joined_flags")]
    pub flags: Vec<Flag>,
    /// File name of the crop in the cache, empty when excluded; the preview has the extension `.png`.
    pub cache_file: String,
    /// Duration of the preparation; not in the table, so that two runs write the same bytes.
    #[serde(skip)]
    pub seconds: f64,
    /// Whether the series was prepared in this call instead of loaded from the cache; not in the table.
    #[serde(skip)]
    pub new: bool,
}

/// What the steps of a preparation found; a step that did not run has found nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The voxel grid of the image.
    pub grid: Option<Grid>,
    /// The values of the volume.
    pub series: Option<SeriesFacts>,
    /// The lungs and the crop.
    pub crop: Option<CropFacts>,
}

/// The lungs and the crop, in voxels of the resampled volume along depth, height and width.
#[derive(Clone, Debug)]
pub(super) struct CropFacts {
    /// Volumes of the left and the right lung; `None` for a volume that was already prepared.
    pub lungs_ml: Option<[f64; 2]>,
    /// Mean and standard deviation of their voxels, in HU; `None` for a volume that was already prepared.
    pub lungs_hu: Option<[f64; 2]>,
    /// First and last voxel of the lungs; `None` if the file of a prepared volume does not name them.
    pub lung_box: Option<[[usize; 2]; 3]>,
    /// Centre of the crop.
    pub centre: [usize; 3],
    /// Size of the crop.
    pub size: [usize; 3],
    /// Size of the voxels.
    pub spacing_mm: [f64; 3],
    /// Observations on the lungs.
    pub flags: Vec<Flag>,
}

impl CropFacts {
    /// The first voxel of the crop, which can be outside of the volume.
    pub(super) fn start(&self) -> [i64; 3] {
        std::array::from_fn(|axis| self.centre[axis] as i64 - (self.size[axis] / 2) as i64)
    }
}

impl Row {
    /// The row of an image, without cache file and seconds.
    pub(super) fn new(image: &Image, facts: &Facts, refusal: Option<&Refusal>) -> Self {
        let Facts { grid, series, crop } = facts;
        let lungs_ml = crop.as_ref().and_then(|crop| crop.lungs_ml);
        let lungs_hu = crop.as_ref().and_then(|crop| crop.lungs_hu);
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let end = |axis: usize, side: usize| Some(crop.as_ref()?.lung_box?[axis][side]);
        let beyond = crop.as_ref().and_then(beyond_mm);
        let beyond_side = |axis: usize, side: usize| Some(beyond?[axis][side]);
        let extends = beyond.is_some_and(|beyond| beyond.as_flattened().iter().any(|mm| *mm > 0.0));
        let flags = series.iter().flat_map(|series| &series.flags);
        let flags = flags.chain(crop.iter().flat_map(|crop| &crop.flags)).cloned();
        Self {
            patient_id: image.patient_id.clone(),
            exam_id: image.exam_id.clone(),
            series_uid: image.series_uid.clone(),
            status: if refusal.is_some() { Status::Refused } else { Status::Prepared },
            code: refusal.map(Refusal::code),
            reason: refusal.map_or(String::new(), ToString::to_string),
            slices: grid.map(|grid| grid.slices),
            rows: grid.map(|grid| grid.rows),
            columns: grid.map(|grid| grid.columns),
            spacing_d_mm: grid.map(|grid| grid.geometry.spacing_mm[0]),
            spacing_h_mm: grid.map(|grid| grid.geometry.spacing_mm[1]),
            spacing_w_mm: grid.map(|grid| grid.geometry.spacing_mm[2]),
            hu_min: series.as_ref().map(|series| series.hu_min),
            hu_max: series.as_ref().map(|series| series.hu_max),
            lung_left_ml: lungs_ml.map(|[left, _]| tenth(left)),
            lung_right_ml: lungs_ml.map(|[_, right]| tenth(right)),
            lung_hu_mean: lungs_hu.map(|[mean, _]| tenth(mean)),
            lung_hu_sd: lungs_hu.map(|[_, deviation]| tenth(deviation)),
            box_z0: end(0, 0),
            box_z1: end(0, 1),
            box_y0: end(1, 0),
            box_y1: end(1, 1),
            box_x0: end(2, 0),
            box_x1: end(2, 1),
            centre_z: crop.as_ref().map(|crop| crop.centre[0]),
            centre_y: crop.as_ref().map(|crop| crop.centre[1]),
            centre_x: crop.as_ref().map(|crop| crop.centre[2]),
            crop_d: crop.as_ref().map(|crop| crop.size[0]),
            crop_h: crop.as_ref().map(|crop| crop.size[1]),
            crop_w: crop.as_ref().map(|crop| crop.size[2]),
            beyond_head_mm: beyond_side(0, 1),
            beyond_feet_mm: beyond_side(0, 0),
            beyond_front_mm: beyond_side(1, 0),
            beyond_back_mm: beyond_side(1, 1),
            beyond_right_mm: beyond_side(2, 0),
            beyond_left_mm: beyond_side(2, 1),
            flags: flags.chain(extends.then_some(Flag::LungsBeyondCrop)).collect(),
            cache_file: String::new(),
            seconds: 0.0,
            new: false,
        }
    }

    /// The code and the reason of an excluded series.
    pub fn exclusion(&self) -> Option<Exclusion> {
        let code = self.code.clone()?;
        Some(Exclusion { code, reason: self.reason.clone() })
    }
}

/// The distances by which the lungs extend beyond a crop, before and after it along depth, height and width; `None`
/// when the lungs are unknown.
fn beyond_mm(crop: &CropFacts) -> Option<[[f64; 2]; 3]> {
    let (lung_box, start) = (crop.lung_box?, crop.start());
    Some(std::array::from_fn(|axis| {
        let [first, last] = lung_box[axis];
        let before = start[axis] - first as i64;
        let after = last as i64 - (start[axis] + crop.size[axis] as i64 - 1);
        [before, after]
            .map(|voxels| (voxels.max(0) as f64 * crop.spacing_mm[axis] * 10.0).round() / 10.0)
    }))
}
