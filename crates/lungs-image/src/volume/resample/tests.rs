use ndarray::{Array3, Axis, s};
use proptest::prelude::*;

use super::*;

fn volume(hu: Array3<i16>, spacing_mm: [f64; 3]) -> Volume {
    let geometry = Geometry {
        spacing_mm,
        origin_mm: [-100.0, 20.0, 300.5],
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    Volume { hu, geometry }
}

fn any_grid() -> impl Strategy<Value = Grid> {
    prop::sample::select(vec![Grid::Physical, Grid::AlignedEnds])
}

fn any_interpolation() -> impl Strategy<Value = Interpolation> {
    prop::sample::select(vec![Interpolation::Cubic, Interpolation::Linear])
}

fn any_spacing() -> impl Strategy<Value = [f64; 3]> {
    prop::array::uniform3(0.4..4.0f64)
}

fn noise(dim: [usize; 3], seed: u32) -> Array3<i16> {
    let mut state = seed;
    Array3::from_shape_simple_fn(dim, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16 % 2000
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_constant_stays_constant(
        dim in prop::array::uniform3(1usize..80), hu: i16, spacing in any_spacing(),
        target in any_spacing(), grid in any_grid(), interpolation in any_interpolation(),
    ) {
        let constant = volume(Array3::from_elem(dim, hu), spacing);
        let resampled = resample(&constant, target, interpolation, grid).unwrap();
        prop_assert!(resampled.hu.iter().all(|&found| found == hu));
    }

    #[test]
    fn the_same_spacing_gives_the_same_bytes(
        dim in prop::array::uniform3(1usize..30), spacing in any_spacing(), seed: u32,
        interpolation in any_interpolation(),
    ) {
        let old = volume(noise(dim, seed), spacing);
        let new = resample(&old, spacing, interpolation, Grid::Physical).unwrap();
        prop_assert_eq!(&new.hu, &old.hu);
        prop_assert_eq!(new.geometry, old.geometry);
    }

    /// A function that is linear in the patient stays that function, which checks values and
    /// geometry against each other. The spline bends where the volume ends: look inside.
    #[test]
    fn a_ramp_in_the_patient_stays_that_ramp(
        dim in prop::array::uniform3(24usize..40), spacing in any_spacing(),
        target in prop::array::uniform3(0.8..2.0f64), slope in prop::array::uniform3(-8.0..8.0f64),
        grid in any_grid(), interpolation in any_interpolation(),
    ) {
        let ramp = |geometry: &Geometry, index: [f64; 3]| {
            let mm = geometry.position_mm(index);
            let from = [-100.0, 20.0, 300.5];
            (0..3).map(|i| slope[i] * (mm[i] - from[i])).sum::<f64>()
        };
        let mut old = volume(Array3::zeros(dim), spacing);
        let geometry = old.geometry;
        for ((z, y, x), hu) in old.hu.indexed_iter_mut() {
            *hu = ramp(&geometry, [z as f64, y as f64, x as f64]).round() as i16;
        }
        let new = resample(&old, target, interpolation, grid).unwrap();
        for ((z, y, x), &hu) in new.hu.indexed_iter() {
            let index = [z as f64, y as f64, x as f64];
            let mm = new.geometry.position_mm(index);
            // LPS is width, height, depth here.
            let inside = (0..3).all(|i| {
                let old_index = (mm[i] - geometry.origin_mm[i]) / spacing[2 - i];
                old_index > 7.0 && old_index < dim[2 - i] as f64 - 8.0
            });
            if inside {
                let error = f64::from(hu) - ramp(&new.geometry, index);
                // Rounded twice; the spline through values each off by ½ can be 1.5³ · ½ off.
                prop_assert!(error.abs() < 2.3, "{hu} at {mm:?} is {error} off");
            }
        }
    }

    #[test]
    fn the_physical_grid_is_exact_and_within_the_old_one(
        dim in prop::array::uniform3(1usize..40), spacing in any_spacing(),
        target in any_spacing(),
    ) {
        let old = volume(Array3::zeros(dim), spacing);
        let new = resample(&old, target, Interpolation::Linear, Grid::Physical).unwrap();
        prop_assert_eq!(new.geometry.spacing_mm, target);
        let len: [usize; 3] = new.hu.dim().into();
        for axis in 0..3 {
            let extent = (dim[axis] - 1) as f64 * spacing[axis];
            let first = new.geometry.origin_mm[2 - axis] - old.geometry.origin_mm[2 - axis];
            let last = first + (len[axis] - 1) as f64 * target[axis];
            prop_assert!(first > -1e-4 && last < extent + 1e-4);
            prop_assert!((first - (extent - last)).abs() < 1e-4, "the rest is divided unequally");
            prop_assert!(extent - (last - first) < target[axis]);
        }
    }

    #[test]
    fn a_mirrored_volume_gives_the_mirrored_result(seed: u32, target in any_spacing()) {
        let old = volume(noise([9, 10, 70], seed), [2.0, 0.7, 0.9]);
        let mirrored = volume(old.hu.slice(s![..;-1, ..;-1, ..;-1]).to_owned(), [2.0, 0.7, 0.9]);
        let a = resample(&old, target, Interpolation::Cubic, Grid::Physical).unwrap();
        let b = resample(&mirrored, target, Interpolation::Cubic, Grid::Physical).unwrap();
        for (a, b) in a.hu.iter().zip(b.hu.slice(s![..;-1, ..;-1, ..;-1])) {
            prop_assert!((a - b).abs() <= 1);
        }
    }

    #[test]
    fn aligned_ends_equal_splines_by_elimination(
        seed: u32, dim in prop::array::uniform3(16usize..70), target in prop::array::uniform3(0.7..3.0f64),
    ) {
        let old = volume(noise(dim, seed), [1.0; 3]);
        let new = resample(&old, target, Interpolation::Cubic, Grid::AlignedEnds).unwrap();
        let mut expected = old.hu.mapv(f64::from);
        for (axis, len) in [new.hu.dim().0, new.hu.dim().1, new.hu.dim().2].into_iter().enumerate() {
            expected = zoomed(&expected, Axis(axis), len);
        }
        prop_assert_eq!(expected.dim(), new.hu.dim());
        for (found, expected) in new.hu.iter().zip(&expected) {
            prop_assert!((f64::from(*found) - expected).abs() < 0.51, "{found} is not {expected}");
        }
    }
}

/// `scipy.ndimage.zoom(values, order=3, mode="nearest")` along one axis by another method: the coefficients of the
/// spline through the values, which are repeated at both ends, come from elimination in their tridiagonal matrix.
fn zoomed(values: &Array3<f64>, axis: Axis, len: usize) -> Array3<f64> {
    const PADDING: usize = 12;
    let old_len = values.len_of(axis);
    let mut dim = values.raw_dim();
    dim[axis.index()] = len;
    let mut new = Array3::zeros(dim);
    for (old, mut new) in values.lanes(axis).into_iter().zip(new.lanes_mut(axis)) {
        let value = |index: usize| old[index.saturating_sub(PADDING).min(old_len - 1)];
        let count = old_len + 2 * PADDING;
        // Rows are c[i-1] + 4 c[i] + c[i+1] = 6 value[i], mirrored at the ends.
        let (mut upper, mut right) = (vec![0.0; count], vec![0.0; count]);
        for i in 0..count {
            let lower = if i == 0 {
                0.0
            } else if i + 1 == count {
                2.0
            } else {
                1.0
            };
            let before = if i == 0 { (0.0, 0.0) } else { (upper[i - 1], right[i - 1]) };
            let pivot = 4.0 - lower * before.0;
            upper[i] = (if i == 0 { 2.0 } else { 1.0 }) / pivot;
            right[i] = (6.0 * value(i) - lower * before.1) / pivot;
        }
        let mut coefficients = right;
        for i in (0..count - 1).rev() {
            coefficients[i] -= upper[i] * coefficients[i + 1];
        }
        let step = if len > 1 { (old_len - 1) as f64 / (len - 1) as f64 } else { 0.0 };
        for (index, new) in new.iter_mut().enumerate() {
            let position = PADDING as f64 + index as f64 * step;
            let (first, t) = (position.floor() as usize, position.fract());
            let weights = [
                (1.0 - t).powi(3),
                3.0 * t.powi(3) - 6.0 * t.powi(2) + 4.0,
                -3.0 * t.powi(3) + 3.0 * t.powi(2) + 3.0 * t + 1.0,
                t.powi(3),
            ];
            let terms = weights.iter().zip(&coefficients[first - 1..]);
            *new = terms.map(|(weight, coefficient)| weight * coefficient / 6.0).sum();
        }
    }
    new
}

#[test]
fn lengths_round_halves_to_even_as_numpy() {
    let len = |n, spacing, target| NewAxis::new(n, spacing, target, Grid::AlignedEnds).len;
    assert_eq!([len(5, 1.0, 2.0), len(7, 1.0, 2.0), len(140, 2.5, 1.5)], [2.0, 4.0, 233.0]);
    assert_eq!(len(1, 0.1, 2.0), 1.0, "never no voxel at all");
}

#[test]
fn scipy_itself() {
    // scipy.ndimage.zoom(x, 10 / 6, order=3, mode="nearest"), SciPy 1.17.
    let x = Array3::from_shape_vec((1, 1, 6), vec![0, 100, -300, 900, 50, 50]).unwrap();
    let new = resample(
        &volume(x, [1.0, 1.0, 1.0]),
        [1.0, 1.0, 0.6],
        Interpolation::Cubic,
        Grid::AlignedEnds,
    );
    assert_eq!(
        new.unwrap().hu.into_raw_vec_and_offset().0,
        [0, 139, 41, -322, -75, 733, 780, 149, -77, 50]
    );
}

#[test]
fn impossible_requests_say_what_is_wrong() {
    let old = volume(Array3::zeros((2, 2, 2)), [1.0, 0.0, 1.0]);
    let wrong = resample(&old, [1.5; 3], Interpolation::Cubic, Grid::Physical).unwrap_err();
    assert_eq!(wrong.to_string(), "voxel spacing is [1.0, 0.0, 1.0] mm, expected positive numbers");
    let old = volume(Array3::zeros((300, 2, 2)), [5e7, 1.0, 1.0]);
    let wrong = resample(&old, [1.5; 3], Interpolation::Cubic, Grid::Physical).unwrap_err();
    assert!(matches!(wrong, ResampleError::TooLarge { .. }), "{wrong}");
    let old = volume(Array3::zeros((0, 2, 2)), [1.0; 3]);
    let wrong = resample(&old, [1.5; 3], Interpolation::Cubic, Grid::AlignedEnds).unwrap_err();
    assert_eq!(wrong, ResampleError::Empty { shape: [0, 2, 2] });
}
