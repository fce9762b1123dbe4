//! Preparation of one image: from files to crop, table row and preview.

use lungs_image::dicom::{SeriesFacts, SeriesRefusal};
use lungs_image::images::{self, Image, read_volume};
use lungs_image::volume::{
    Grid, LungLimits, Volume, resample, segment_lungs_original, segment_lungs_within,
};

use super::prepared;
use super::preview::{self, Picture};
use super::product::{Product, cut_out};
use super::row::{CropFacts, Facts};
use super::{Prepared, Refusal, Row, Settings, sybil};
use lungs_spec::spec::Compat;

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
    let mut facts = Facts::default();
    let result = prepare(image, settings, &mut facts);
    Outcome { row: Row::new(image, &facts, result.as_ref().err()), result }
}

fn prepare(
    image: &Image,
    settings: &Settings,
    facts: &mut Facts,
) -> Result<(Prepared, Picture), Refusal> {
    let grid = usable_grid(image, settings)?;
    facts.grid = Some(grid);
    let (volume, series) = read(image, &grid, settings)?;
    facts.series = Some(series);
    let Product { prepared, picture, crop } = make(image, volume, settings)?;
    facts.crop = Some(crop);
    Ok((prepared, picture))
}

/// The voxel grid of an image that is a volume and can be prepared with these settings.
pub(super) fn usable_grid(image: &Image, settings: &Settings) -> Result<images::Grid, Refusal> {
    let grid = image.grid.clone()?;
    let is_unusable = prepared::is_of_unknown_settings(image, settings);
    if is_unusable || prepared::has_other_settings(image, settings) {
        return Err(Refusal::PreparedOtherwise);
    }
    Ok(grid)
}

/// Checks the limits that need no pixels, then reads the volume.
pub(super) fn read(
    image: &Image,
    grid: &images::Grid,
    settings: &Settings,
) -> Result<(Volume, SeriesFacts), Refusal> {
    let limits = &settings.limits;
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
    Ok(read_volume(image, settings.hu_rule(), settings.stacks)?)
}

/// Makes the crop: computed from a scan, or cut from a volume that was already prepared.
pub(super) fn make(image: &Image, volume: Volume, settings: &Settings) -> Result<Product, Refusal> {
    match prepared::lung_box(image, settings) {
        Some(lung_box) => Ok(prepared::cut(&volume, &lung_box, settings)),
        None if settings.compat == Compat::Sybil => sybil::compute(image, &volume, settings),
        None => compute(volume, settings),
    }
}

/// Resamples, segments the lungs, crops and draws; no files.
fn compute(volume: Volume, settings: &Settings) -> Result<Product, Refusal> {
    let is_original = settings.compat == Compat::Lungs015;
    let grid = if is_original { Grid::AlignedEnds } else { settings.grid };
    let resampled = resample(&volume, settings.spacing_mm, settings.interpolation, grid)?;
    // The scan needs several times more memory than the remaining steps.
    drop(volume);
    let lungs = if is_original {
        segment_lungs_original(&resampled)?
    } else {
        let min_volume_ml = settings.limits.min_lung_ml;
        segment_lungs_within(&resampled, &LungLimits { min_volume_ml, ..LungLimits::default() })?
    };
    let crop = CropFacts {
        lungs_ml: Some([lungs.left_ml, lungs.right_ml]),
        lungs_hu: lungs.mean_and_deviation_hu(&resampled),
        lung_box: Some(lungs.bounding_box),
        centre: lungs.centre_voxel,
        size: settings.size,
        spacing_mm: resampled.geometry.spacing_mm,
        flags: lungs.flags.clone(),
    };
    let start = crop.start();
    let lung_box = std::array::from_fn(|axis| {
        lungs.bounding_box[axis].map(|voxel| voxel as i64 - start[axis])
    });
    let volume = cut_out(&resampled, lungs.centre_voxel, settings);
    let picture = preview::draw(&resampled, &lungs, start, settings);
    Ok(Product { prepared: Prepared { volume, lung_box }, picture, crop })
}
