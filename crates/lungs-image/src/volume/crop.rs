//! Crops a box of fixed size out of a volume.

use ndarray::{Array3, s};

use super::Volume;

/// The box of `size` voxels (depth, height, width) around a voxel, which gets index `size / 2`; voxels
/// outside the volume are `fill_hu`. The origin moves with the box.
pub fn crop(volume: &Volume, centre_voxel: [usize; 3], size: [usize; 3], fill_hu: i16) -> Volume {
    let start = std::array::from_fn(|axis| centre_voxel[axis] as i64 - (size[axis] / 2) as i64);
    copy_box(volume, start, [0; 3], size, size, fill_hu)
}

/// The crop of `lungs` 0.1.5: as [`crop`] with zeros (water) outside, except that the rest of a box
/// beyond one face of the volume is centred again in the result, which shifts the lungs by half of the
/// cut length. Required with weights trained on such crops.
pub fn crop_original(volume: &Volume, centre_voxel: [usize; 3], size: [usize; 3]) -> Volume {
    let dim: [usize; 3] = volume.hu.dim().into();
    let start: [usize; 3] =
        std::array::from_fn(|axis| centre_voxel[axis].saturating_sub(size[axis] / 2));
    let kept: [usize; 3] = std::array::from_fn(|axis| {
        (centre_voxel[axis] + size[axis] / 2).min(dim[axis]).saturating_sub(start[axis])
    });
    let at: [usize; 3] = std::array::from_fn(|axis| size[axis] / 2 - kept[axis] / 2);
    copy_box(volume, std::array::from_fn(|axis| start[axis] as i64), at, kept, size, 0)
}

/// A result of `size` with the `kept` voxels from `start` of the volume at `at`.
fn copy_box(
    volume: &Volume,
    start: [i64; 3],
    at: [usize; 3],
    kept: [usize; 3],
    size: [usize; 3],
    fill_hu: i16,
) -> Volume {
    let dim: [usize; 3] = volume.hu.dim().into();
    let mut hu = Array3::from_elem(size, fill_hu);
    // Per axis: first voxel read, first voxel written, number of voxels (0 without overlap).
    let span: [(usize, usize, usize); 3] = std::array::from_fn(|axis| {
        let from = start[axis].max(0);
        let to = (start[axis] + kept[axis] as i64).min(dim[axis] as i64);
        let skipped = (from - start[axis]) as usize;
        (from as usize, at[axis] + skipped, (to - from).max(0) as usize)
    });
    if span.iter().all(|&(_, _, len)| len > 0) {
        let [(z, to_z, nz), (y, to_y, ny), (x, to_x, nx)] = span;
        hu.slice_mut(s![to_z..to_z + nz, to_y..to_y + ny, to_x..to_x + nx])
            .assign(&volume.hu.slice(s![z..z + nz, y..y + ny, x..x + nx]));
    }
    let mut geometry = volume.geometry;
    geometry.origin_mm = volume
        .geometry
        .position_mm(std::array::from_fn(|axis| (start[axis] - at[axis] as i64) as f64));
    Volume { hu, geometry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;
    use proptest::prelude::*;

    fn numbered(dim: [usize; 3]) -> Volume {
        Volume {
            hu: Array3::from_shape_fn(dim, |(z, y, x)| (1 + z * 100 + y * 10 + x) as i16),
            geometry: Geometry {
                spacing_mm: [2.0, 1.0, 0.5],
                origin_mm: [-10.0, 5.0, 100.0],
                axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
            },
        }
    }

    #[test]
    fn the_centre_comes_to_the_middle_and_outside_is_filled() {
        let cropped = crop(&numbered([3, 4, 5]), [0, 1, 4], [2, 4, 4], -1000);
        assert_eq!(cropped.hu[[1, 2, 2]], 1 + 10 + 4);
        assert_eq!(cropped.hu[[0, 2, 2]], -1000);
        assert_eq!(cropped.hu[[1, 2, 3]], -1000);
        assert_eq!(cropped.geometry.origin_mm, [-10.0 + 2.0 * 0.5, 5.0 - 1.0, 100.0 - 2.0]);
    }

    #[test]
    fn a_box_outside_the_volume_is_all_fill() {
        let cropped = crop(&numbered([3, 4, 5]), [0, 0, 50], [2, 2, 2], 7);
        assert!(cropped.hu.iter().all(|&hu| hu == 7));
    }

    #[test]
    fn the_original_centres_a_one_sided_box_again() {
        // Along width, voxels 0 and 1 remain of −2..2; the original puts them at 4/2 − 2/2 = 1 of a box
        // of 4, the plain crop at 2.
        let volume = numbered([3, 4, 5]);
        let plain = crop(&volume, [1, 2, 0], [2, 4, 4], 0);
        let original = crop_original(&volume, [1, 2, 0], [2, 4, 4]);
        assert_eq!(plain.hu.slice(s![0, 0, ..]).to_vec(), [0, 0, 1, 2]);
        assert_eq!(original.hu.slice(s![0, 0, ..]).to_vec(), [0, 1, 2, 0]);
        assert_eq!(original.geometry.origin_mm[0], -10.5);
    }

    proptest! {
        #[test]
        fn every_voxel_keeps_its_place_in_the_patient(
            dim in prop::array::uniform3(1usize..7),
            centre in prop::array::uniform3(0usize..7),
            size in prop::array::uniform3(1usize..9),
            original: bool,
        ) {
            let volume = numbered(dim);
            let centre = std::array::from_fn(|axis| centre[axis].min(dim[axis] - 1));
            let cropped = if original {
                crop_original(&volume, centre, size)
            } else {
                crop(&volume, centre, size, 0)
            };
            prop_assert_eq!(cropped.hu.dim(), size.into());
            let mut kept = 0;
            for (at, &hu) in cropped.hu.indexed_iter().filter(|(_, hu)| **hu != 0) {
                let value = (hu - 1) as usize;
                let source = [value / 100, value / 10 % 10, value % 10].map(|i| i as f64);
                let position = cropped.geometry.position_mm([at.0 as f64, at.1 as f64, at.2 as f64]);
                prop_assert_eq!(position, volume.geometry.position_mm(source));
                kept += 1;
            }
            // Odd boxes of the original are one voxel short, which may leave no voxel.
            prop_assert!(kept > 0 || (original && size.iter().any(|n| n % 2 == 1)));
        }
    }
}
