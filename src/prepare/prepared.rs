//! Volumes that were prepared before, by us or by the Python package `lungs`, are cut to the size
//! wanted around the lungs that were found then. Finding lungs again would see the padding, and
//! resampling would soften what was resampled already.

use super::preview::{self, Picture};
use super::{Prepared, Row, Settings};
use crate::formats::{Format, Source};
use crate::images::{Image, Kind};
use crate::volume::{Lungs, Mask, Volume, crop, crop_original};

/// Spacings this near are the same: the grid with aligned ends is only near its target.
const SAME_SPACING: f64 = 0.01;

/// The lungs' box of a prepared volume whose spacing is the one wanted, as the file says, else the
/// whole volume, in whose middle the package put the lungs; `None` for what has to be prepared.
pub(super) fn lung_box(image: &Image, settings: &Settings) -> Option<LungBox> {
    let Kind::File(Some(header)) = &image.kind else { return None };
    let same = header
        .geometry
        .spacing_mm
        .iter()
        .zip(settings.spacing_mm)
        .all(|(found, wanted)| (found - wanted).abs() <= SAME_SPACING * wanted);
    (header.format == Format::Prepared && same).then(|| LungBox {
        said: header.lung_box.is_some(),
        ends: header.lung_box.unwrap_or_else(|| {
            // Of an even length, the voxel after the middle is the centre, as for crops.
            header.shape().map(|length| [0, length as i64 - i64::from(length % 2 == 1)])
        }),
    })
}

/// The scan that an image was prepared from, where that is told beside it.
pub(super) fn source(image: &Image) -> Option<&Source> {
    match &image.kind {
        Kind::File(Some(header)) => header.source.as_deref(),
        _ => None,
    }
}

/// Whether an image was prepared before with other settings than these.
pub fn is_prepared_otherwise(image: &Image, settings: &Settings) -> bool {
    source(image).is_some_and(|source| source.prepared_as != settings.of_voxels())
}

/// First and last voxel of the lungs, and whether the file said so.
pub(super) struct LungBox {
    ends: [[i64; 2]; 3],
    said: bool,
}

/// Cuts and draws.
pub(super) fn cut(
    volume: &Volume,
    lung_box: LungBox,
    settings: &Settings,
    row: &mut Row,
) -> (Prepared, Picture) {
    let dim: [usize; 3] = volume.hu.dim().into();
    let within = |axis: usize, voxel: i64| voxel.clamp(0, dim[axis] as i64 - 1) as usize;
    let centre: [usize; 3] = std::array::from_fn(|axis| {
        let [first, last] = lung_box.ends[axis];
        within(axis, first.saturating_add(last).div_euclid(2))
    });
    let bounding_box: [[usize; 2]; 3] =
        std::array::from_fn(|axis| lung_box.ends[axis].map(|voxel| within(axis, voxel)));
    let size = settings.size;
    let kept = if settings.compat {
        crop_original(volume, centre, size)
    } else {
        crop(volume, centre, size, settings.lower_hu.round() as i16)
    };
    let start: [i64; 3] = std::array::from_fn(|axis| centre[axis] as i64 - (size[axis] / 2) as i64);
    if lung_box.said {
        let [z, y, x] = bounding_box.map(|ends| ends.map(Some));
        [row.box_z0, row.box_z1] = z;
        [row.box_y0, row.box_y1] = y;
        [row.box_x0, row.box_x1] = x;
    }
    [row.centre_z, row.centre_y, row.centre_x] = centre.map(Some);
    [row.crop_d, row.crop_h, row.crop_w] = size.map(Some);
    row.flags = [row.flags.as_str(), "prepared-before"]
        .into_iter()
        .filter(|flags| !flags.is_empty())
        .collect::<Vec<_>>()
        .join(";");
    row.note_beyond_crop(start, volume.geometry.spacing_mm);
    let lungs = Lungs {
        mask: Mask::empty(dim),
        left_ml: 0.0,
        right_ml: 0.0,
        bounding_box,
        centre_voxel: centre,
        centre_mm: volume.geometry.position_mm(centre.map(|voxel| voxel as f64)),
        flags: Vec::new(),
    };
    let picture = preview::draw(volume, &lungs, start, settings);
    let lung_box =
        std::array::from_fn(|axis| lung_box.ends[axis].map(|end| end.saturating_sub(start[axis])));
    (Prepared { volume: kept, lung_box }, picture)
}
