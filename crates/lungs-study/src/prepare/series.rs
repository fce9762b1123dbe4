//! Preparation of one image: from files to crop, table row and preview.

use lungs_image::dicom::{HuRule, SeriesFacts, SeriesRefusal};
use lungs_image::images::{Image, read_volume};
use lungs_image::volume::{
    Grid, LungLimits, Lungs, Volume, crop, crop_original, resample, segment_lungs_original,
    segment_lungs_within,
};

use super::prepared;
use super::preview::{self, Picture};
use super::{Prepared, Refusal, Row, Settings, Status};

/// Result of preparing one image.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The image's row of the table, without cache file and seconds.
    pub row: Row,
    /// The crop and its preview, or the reason of the exclusion.
    pub result: Result<(Prepared, Picture), Refusal>,
}

/// Prepares one image in memory, without a cache.
pub fn prepare_image(image: &Image, settings: &Settings) -> Outcome {
    let mut row = empty_row(image);
    let result = read(image, settings, &mut row)
        .and_then(|(volume, _)| make(image, volume, settings, &mut row));
    if let Err(refusal) = &result {
        refuse(&mut row, refusal);
    }
    Outcome { row, result }
}

/// A row with the names of the image and no values.
pub(super) fn empty_row(image: &Image) -> Row {
    Row {
        patient_id: image.patient_id.clone(),
        exam_id: image.exam_id.clone(),
        series_uid: image.series_uid.clone(),
        status: Status::Prepared,
        code: None,
        reason: String::new(),
        slices: None,
        rows: None,
        columns: None,
        spacing_d_mm: None,
        spacing_h_mm: None,
        spacing_w_mm: None,
        hu_min: None,
        hu_max: None,
        lung_left_ml: None,
        lung_right_ml: None,
        box_z0: None,
        box_z1: None,
        box_y0: None,
        box_y1: None,
        box_x0: None,
        box_x1: None,
        centre_z: None,
        centre_y: None,
        centre_x: None,
        crop_d: None,
        crop_h: None,
        crop_w: None,
        beyond_head_mm: None,
        beyond_feet_mm: None,
        beyond_front_mm: None,
        beyond_back_mm: None,
        beyond_right_mm: None,
        beyond_left_mm: None,
        flags: Vec::new(),
        cache_file: String::new(),
        seconds: 0.0,
        new: false,
    }
}

pub(super) fn refuse(row: &mut Row, refusal: &Refusal) {
    row.status = Status::Refused;
    row.code = Some(refusal.code());
    row.reason = refusal.to_string();
}

/// Checks the limits that need no pixels, then reads the volume.
pub(super) fn read(
    image: &Image,
    settings: &Settings,
    row: &mut Row,
) -> Result<(Volume, SeriesFacts), Refusal> {
    let grid = image.grid.clone()?;
    if prepared::has_other_settings(image, settings) {
        return Err(Refusal::PreparedOtherwise);
    }
    let limits = &settings.limits;
    let [d, h, w] = grid.geometry.spacing_mm;
    row.slices = Some(grid.slices);
    (row.rows, row.columns) = (Some(grid.rows), Some(grid.columns));
    (row.spacing_d_mm, row.spacing_h_mm, row.spacing_w_mm) = (Some(d), Some(h), Some(w));
    // The limits apply to scans; a volume that was already prepared met them as a scan.
    let is_scan = prepared::lung_box(image, settings).is_none();
    if is_scan && grid.slices < limits.min_slices {
        let (found, limit) = (grid.slices, limits.min_slices);
        return Err(SeriesRefusal::TooFewSlices { found, limit }.into());
    }
    // Positions are decimal texts: 5 mm may be computed as 5.0000001.
    if is_scan && grid.slice_spacing_mm > limits.max_slice_spacing_mm + 1e-3 {
        return Err(Refusal::SliceSpacing {
            found_mm: grid.slice_spacing_mm,
            limit_mm: limits.max_slice_spacing_mm,
        });
    }
    let rule = if settings.compat { HuRule::Lungs015 } else { HuRule::Standard };
    let (volume, facts) = read_volume(image, rule, settings.stacks)?;
    (row.hu_min, row.hu_max) = (Some(facts.hu_min), Some(facts.hu_max));
    row.flags.clone_from(&facts.flags);
    Ok((volume, facts))
}

/// Makes the crop: computed from a scan, or cut from a volume that was already prepared.
pub(super) fn make(
    image: &Image,
    volume: Volume,
    settings: &Settings,
    row: &mut Row,
) -> Result<(Prepared, Picture), Refusal> {
    match prepared::lung_box(image, settings) {
        Some(lung_box) => Ok(prepared::cut(&volume, lung_box, settings, row)),
        None => compute(volume, settings, row),
    }
}

/// Resamples, segments the lungs, crops and draws; no files.
fn compute(
    volume: Volume,
    settings: &Settings,
    row: &mut Row,
) -> Result<(Prepared, Picture), Refusal> {
    let grid = if settings.compat { Grid::AlignedEnds } else { settings.grid };
    let resampled = resample(&volume, settings.spacing_mm, settings.interpolation, grid)?;
    // The scan needs several times more memory than the remaining steps.
    drop(volume);
    let lungs = if settings.compat {
        segment_lungs_original(&resampled)?
    } else {
        let min_volume_ml = settings.limits.min_lung_ml;
        segment_lungs_within(&resampled, &LungLimits { min_volume_ml, ..LungLimits::default() })?
    };
    note_lungs(row, &lungs);
    let crop = if settings.compat {
        crop_original(&resampled, lungs.centre_voxel, settings.size)
    } else {
        crop(&resampled, lungs.centre_voxel, settings.size, settings.lower_hu.round() as i16)
    };
    let [d, h, w] = settings.size;
    (row.crop_d, row.crop_h, row.crop_w) = (Some(d), Some(h), Some(w));
    let start = std::array::from_fn(|axis| {
        lungs.centre_voxel[axis] as i64 - (settings.size[axis] / 2) as i64
    });
    row.note_beyond_crop(start, resampled.geometry.spacing_mm);
    let picture = preview::draw(&resampled, &lungs, start, settings);
    let lung_box = std::array::from_fn(|axis| {
        lungs.bounding_box[axis].map(|voxel| voxel as i64 - start[axis])
    });
    Ok((Prepared { volume: crop, lung_box }, picture))
}

fn note_lungs(row: &mut Row, lungs: &Lungs) {
    let tenth = |ml: f64| Some((ml * 10.0).round() / 10.0);
    (row.lung_left_ml, row.lung_right_ml) = (tenth(lungs.left_ml), tenth(lungs.right_ml));
    let [z, y, x] = lungs.bounding_box.map(|range| range.map(Some));
    [row.box_z0, row.box_z1] = z;
    [row.box_y0, row.box_y1] = y;
    [row.box_x0, row.box_x1] = x;
    [row.centre_z, row.centre_y, row.centre_x] = lungs.centre_voxel.map(Some);
    row.flags.extend(lungs.flags.iter().cloned());
}
