//! Sybil's input as a prepared volume: no lungs, and numbers that are not Hounsfield units
//! ([`lungs_image::volume::sybil_input`]).

use super::prepared::unknown_lungs;
use super::preview;
use super::product::Product;
use super::row::CropFacts;
use super::{Prepared, Refusal, Settings};
use lungs_image::images::{Image, Kind};
use lungs_image::volume::{SYBIL_MAX_THICKNESS_MM, Volume, sybil_input};

/// Makes the input and draws it.
pub(super) fn compute(
    image: &Image,
    volume: &Volume,
    settings: &Settings,
) -> Result<Product, Refusal> {
    let volume = sybil_input(volume, thickness_mm(image, volume)?, settings.size);
    let size = settings.size;
    let centre = size.map(|length| length / 2);
    let crop = CropFacts {
        lungs_ml: None,
        lungs_hu: None,
        lung_box: None,
        centre,
        size,
        spacing_mm: volume.geometry.spacing_mm,
        flags: Vec::new(),
    };
    let whole = size.map(|length| [0, length - 1]);
    let picture =
        preview::draw(&volume, &unknown_lungs(&volume, whole, centre), crop.start(), settings);
    // Instead of the lungs, a box whose centre is that of the volume.
    let lung_box = centre.map(|centre| [0, 2 * centre as i64]);
    Ok(Product { prepared: Prepared { volume, lung_box }, picture, crop })
}

/// The thickness that Sybil takes for the distance between slices. Volume files have none; their distance is used.
fn thickness_mm(image: &Image, volume: &Volume) -> Result<f64, Refusal> {
    let thickness_mm = match (&image.kind, image.acquisition.slice_thickness_mm) {
        (_, Some(thickness_mm)) => thickness_mm,
        (Kind::Dicom, None) => return Err(Refusal::NoThickness),
        (Kind::File(_), None) => volume.geometry.spacing_mm[0],
    };
    if thickness_mm > SYBIL_MAX_THICKNESS_MM {
        let limit_mm = SYBIL_MAX_THICKNESS_MM;
        return Err(Refusal::Thickness { found_mm: thickness_mm, limit_mm });
    }
    Ok(thickness_mm)
}
