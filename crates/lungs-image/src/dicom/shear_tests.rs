//! Tilted acquisitions of a known object.

use super::{HuRule, read_volume, scan};
use crate::volume::Volume;
use lungs_testing::dicom::{TestSlice, write_series};

const CENTRE_MM: [f64; 3] = [3.0, -7.0, 41.0];
const RADIUS_MM: f64 = 20.0;

/// A sphere of 100 HU in air, its edge blurred over 3 mm, scanned by a gantry tilted by `degrees`
/// while the table moves along z.
fn tilted_sphere(degrees: f64) -> Volume {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let slices: Vec<TestSlice> = (0..48)
        .map(|number| {
            let mut slice = TestSlice::axial(number);
            (slice.rows, slice.columns, slice.spacing) = (72, 72, [1.0, 1.0]);
            slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, sin];
            slice.position = [-33.0, -43.0, 2.0 * f64::from(number) - 36.0 * sin - 6.0];
            slice.pixels = (0..72 * 72)
                .map(|pixel| {
                    let (row, column) = (f64::from(pixel / 72), f64::from(pixel % 72));
                    let [x, y, z] = slice.position;
                    let at = [x + column, y + row * cos, z + row * sin];
                    let squares = at.iter().zip(CENTRE_MM).map(|(a, c)| (a - c) * (a - c));
                    let depth = RADIUS_MM - squares.sum::<f64>().sqrt();
                    (-1000.0 + 1100.0 * (depth / 3.0 + 0.5).clamp(0.0, 1.0)).round() as i16
                })
                .collect();
            slice
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &slices);
    let (volume, facts) =
        read_volume(&scan(folder.path()).unwrap().series[0], HuRule::Standard).unwrap();
    assert_eq!(facts.flags.contains(&crate::codes::Flag::TiltResheared), degrees != 0.0);
    volume
}

/// Centre, and standard deviations along the body axes, of the voxels above half density.
fn moments(volume: &Volume) -> ([f64; 3], [f64; 3]) {
    let (mut count, mut sum, mut squares) = (0.0, [0.0; 3], [0.0; 3]);
    for ((z, y, x), _) in volume.hu.indexed_iter().filter(|(_, hu)| **hu > -450) {
        let at = volume.geometry.position_mm([z as f64, y as f64, x as f64]);
        count += 1.0;
        for axis in 0..3 {
            sum[axis] += at[axis];
            squares[axis] += at[axis] * at[axis];
        }
    }
    let mean = sum.map(|sum| sum / count);
    let deviation =
        std::array::from_fn(|axis| f64::sqrt(squares[axis] / count - mean[axis] * mean[axis]));
    (mean, deviation)
}

#[test]
fn a_sphere_scanned_with_a_tilted_gantry_stays_round_and_in_position() {
    // Of a ball, each coordinate's standard deviation is r/√5.
    let round = RADIUS_MM / 5_f64.sqrt();
    for degrees in [0.0, 4.0, 18.5, -18.5, 29.0] {
        let volume = tilted_sphere(degrees);
        let (mean, deviation) = moments(&volume);
        for axis in 0..3 {
            assert!((mean[axis] - CENTRE_MM[axis]).abs() < 0.5, "{degrees}: {mean:?}");
            assert!((deviation[axis] - round).abs() < 0.25, "{degrees}: {deviation:?}");
        }
        let upright: [[f64; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        for (axis, upright) in volume.geometry.axes.iter().zip(upright) {
            let off: [f64; 3] = std::array::from_fn(|xyz| (axis[xyz] - upright[xyz]).abs());
            assert!(off.iter().all(|off| *off < 1e-9), "{degrees}: {axis:?}");
        }
        assert!(volume.hu.iter().all(|hu| (-1024..=160).contains(hu)), "the cubic overshoots");
        let corners = if degrees == 0.0 { -1000 } else { -1024 };
        assert_eq!(volume.hu[[0, if degrees > 0.0 { 71 } else { 0 }, 0]], corners, "{degrees}");
    }
}

#[test]
fn axial_images_with_shifts_are_unsheared_within_their_planes() {
    // The same grid as a leaning stack without tilt: every slice 0.5 mm further to the back.
    let slices: Vec<TestSlice> = (0..12)
        .map(|number| {
            let mut slice = TestSlice::axial(number);
            (slice.rows, slice.columns, slice.spacing) = (40, 4, [1.0, 1.0]);
            slice.position = [0.0, 0.5 * f64::from(number), 2.0 * f64::from(number)];
            slice.pixels = (0..160)
                .map(|pixel| (10.0 * (f64::from(pixel / 4) + slice.position[1])).round() as i16)
                .collect();
            slice
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &slices);
    let (volume, _) =
        read_volume(&scan(folder.path()).unwrap().series[0], HuRule::Standard).unwrap();
    assert_eq!(volume.hu.dim(), (12, 46, 4));
    for ((z, y, x), &hu) in volume.hu.indexed_iter() {
        let [_, back, _] = volume.geometry.position_mm([z as f64, y as f64, x as f64]);
        let first = 0.5 * z as f64;
        if (first + 1.0..=first + 37.0).contains(&back) {
            assert!((f64::from(hu) - 10.0 * back).abs() <= 1.0, "{z} {y}: {hu} at {back}");
        } else if back < first || back > first + 39.0 {
            assert_eq!(hu, -1024, "{z} {y}");
        }
    }
}
