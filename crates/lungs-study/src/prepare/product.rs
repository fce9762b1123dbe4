//! The result of preparing a series.

use super::preview::Picture;
use super::row::CropFacts;
use super::{Prepared, Settings};
use lungs_image::volume::{Volume, crop, crop_original};
use lungs_spec::spec::Compat;

/// A prepared volume with its preview and its measurements.
pub(super) struct Product {
    pub prepared: Prepared,
    pub picture: Picture,
    pub crop: CropFacts,
}

/// The crop of a resampled volume.
pub(super) fn cut_out(resampled: &Volume, centre: [usize; 3], settings: &Settings) -> Volume {
    match settings.compat {
        Compat::None => crop(resampled, centre, settings.size, settings.lower_hu.round() as i16),
        Compat::Lungs015 => crop_original(resampled, centre, settings.size),
        // 0 is the padding of Sybil's input.
        Compat::Sybil => crop(resampled, centre, settings.size, 0),
    }
}
