//! Volumes that were already prepared, by this program or by the Python package `lungs`: they are only cropped
//! to the requested size around the stored lung box. Segmenting the lungs again would include the padding,
//! and resampling again would blur the volume.

use super::preview;
use super::product::{Product, cut_out};
use super::row::CropFacts;
use super::{Prepared, Settings};
use lungs_image::codes::Flag;
use lungs_image::formats::{Format, Source};
use lungs_image::images::{Image, Kind};
use lungs_image::volume::{Lungs, Mask, Volume};
use lungs_spec::spec::Compat;

/// Relative tolerance of spacings: the spacing of a grid with aligned ends is only close to its target.
const SPACING_TOLERANCE: f64 = 0.01;

/// The lung box of a prepared volume that has the requested spacing: the box in the file, else the whole volume,
/// because the Python package centred the lungs in it. `None` for an image that must be prepared.
pub(super) fn lung_box(image: &Image, settings: &Settings) -> Option<LungBox> {
    let Kind::File(Some(header)) = &image.kind else { return None };
    let has_spacing = header
        .geometry
        .spacing_mm
        .iter()
        .zip(settings.spacing_mm)
        .all(|(found, requested)| (found - requested).abs() <= SPACING_TOLERANCE * requested);
    // The true spacing of Sybil's input is that of the scan.
    let is_usable = has_spacing || settings.compat == Compat::Sybil;
    (header.format == Format::Prepared && is_usable).then(|| LungBox {
        is_from_file: header.lung_box.is_some(),
        ends: header.lung_box.unwrap_or_else(|| {
            // The centre of an even length is the voxel after the middle, as for crops.
            header.shape().map(|length| [0, length as i64 - i64::from(length % 2 == 1)])
        }),
    })
}

/// The scan that an image was prepared from; `None` when the file does not name it.
pub(super) fn source(image: &Image) -> Option<&Source> {
    match &image.kind {
        Kind::File(Some(header)) => header.source.as_deref(),
        _ => None,
    }
}

/// Whether an image was already prepared with other settings than these.
pub fn has_other_settings(image: &Image, settings: &Settings) -> bool {
    source(image).is_some_and(|source| source.prepared_as != settings.voxel_settings())
}

/// Whether an image is a prepared volume without the name of its settings, which Sybil's input cannot be made from: it
/// is normalised, or the window of its Hounsfield units is unknown.
pub(super) fn is_of_unknown_settings(image: &Image, settings: &Settings) -> bool {
    let Kind::File(Some(header)) = &image.kind else { return false };
    settings.compat == Compat::Sybil && header.format == Format::Prepared && header.source.is_none()
}

/// The lung box of a volume that was already prepared.
pub(super) struct LungBox {
    /// First and last voxel along depth, height, width.
    ends: [[i64; 2]; 3],
    /// Whether the box is stored in the file.
    is_from_file: bool,
}

/// Crops the volume around the lung box and draws the preview.
pub(super) fn cut(volume: &Volume, lung_box: &LungBox, settings: &Settings) -> Product {
    let dim: [usize; 3] = volume.hu.dim().into();
    let clamp = |axis: usize, voxel: i64| voxel.clamp(0, dim[axis] as i64 - 1) as usize;
    let centre: [usize; 3] = std::array::from_fn(|axis| {
        let [first, last] = lung_box.ends[axis];
        clamp(axis, first.saturating_add(last).div_euclid(2))
    });
    let bounding_box: [[usize; 2]; 3] =
        std::array::from_fn(|axis| lung_box.ends[axis].map(|voxel| clamp(axis, voxel)));
    let crop = CropFacts {
        lungs_ml: None,
        lungs_hu: None,
        lung_box: lung_box.is_from_file.then_some(bounding_box),
        centre,
        size: settings.size,
        spacing_mm: volume.geometry.spacing_mm,
        flags: vec![Flag::PreparedBefore],
    };
    let start = crop.start();
    let picture =
        preview::draw(volume, &unknown_lungs(volume, bounding_box, centre), start, settings);
    let lung_box =
        std::array::from_fn(|axis| lung_box.ends[axis].map(|end| end.saturating_sub(start[axis])));
    let prepared = Prepared { volume: cut_out(volume, centre, settings), lung_box };
    Product { prepared, picture, crop }
}

/// Lungs of which only a box and a centre are known.
pub(super) fn unknown_lungs(
    volume: &Volume,
    bounding_box: [[usize; 2]; 3],
    centre_voxel: [usize; 3],
) -> Lungs {
    Lungs {
        mask: Mask::empty(volume.hu.dim().into()),
        left_ml: 0.0,
        right_ml: 0.0,
        bounding_box,
        centre_voxel,
        centre_mm: volume.geometry.position_mm(centre_voxel.map(|voxel| voxel as f64)),
        flags: Vec::new(),
    }
}
