//! Resampling a block of voxels under an affine map: rotation, scaling, shift and reflection at once.

use ndarray::Array3;

/// A map from voxels of the result to the source: `matrix · index + offset`, in voxels along depth,
/// height and width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Rows for depth, height and width of the source.
    pub matrix: [[f64; 3]; 3],
    /// Source position of index `[0, 0, 0]`.
    pub offset: [f64; 3],
}

impl Affine {
    /// Source position of the voxel `index`.
    pub fn source(&self, index: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| {
            let row = self.matrix[axis];
            row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + self.offset[axis]
        })
    }
}

/// Resamples `hu` at the source positions of `map` to a block of the same shape, by linear
/// interpolation between the eight nearest voxels, rounded. Voxels outside are `fill_hu`, also in the
/// interpolation.
pub fn resample_affine(hu: &Array3<i16>, map: &Affine, fill_hu: i16) -> Array3<i16> {
    let dim: [usize; 3] = hu.dim().into();
    let hu = hu.as_standard_layout();
    let voxels = hu.as_slice().unwrap_or_default();
    let [_, height, width] = dim;
    let value = |index: [i64; 3]| {
        let inside = (0..3).all(|axis| (0..dim[axis] as i64).contains(&index[axis]));
        let [d, h, w] = index.map(|i| i as usize);
        f64::from(if inside { voxels[(d * height + h) * width + w] } else { fill_hu })
    };
    Array3::from_shape_fn(dim, |(d, h, w)| {
        let at = map.source([d as f64, h as f64, w as f64]);
        // Far outside the result is the fill; this also prevents overflow below.
        if (0..3).any(|axis| at[axis] <= -1.0 || at[axis] >= dim[axis] as f64) {
            return fill_hu;
        }
        let low = at.map(|at| at.floor() as i64);
        let fraction: [f64; 3] = std::array::from_fn(|axis| at[axis] - low[axis] as f64);
        let between = |a: f64, b: f64, axis: usize| a + (b - a) * fraction[axis];
        let along_width = |d: i64, h: i64| {
            let at = |w: i64| value([low[0] + d, low[1] + h, low[2] + w]);
            between(at(0), at(1), 2)
        };
        let along_height = |d: i64| between(along_width(d, 0), along_width(d, 1), 1);
        between(along_height(0), along_height(1), 0).round() as i16
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered() -> Array3<i16> {
        Array3::from_shape_fn((4, 5, 5), |(d, h, w)| (100 * d + 10 * h + w) as i16)
    }

    #[test]
    fn the_identity_and_quarter_turns_copy_voxels() {
        let map = |matrix, offset| resample_affine(&numbered(), &Affine { matrix, offset }, -1);
        let one = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(map(one, [0.0; 3]), numbered());
        // Height from width, width from height backwards: a quarter turn about the first axis.
        let turned = map([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], [0.0, 0.0, 4.0]);
        for ((d, h, w), hu) in turned.indexed_iter() {
            assert_eq!(*hu, numbered()[[d, w, 4 - h]]);
        }
        let moved = map(one, [1.0, 0.0, -2.0]);
        assert_eq!((moved[[0, 3, 2]], moved[[3, 0, 2]], moved[[0, 0, 1]]), (130, -1, -1));
    }

    #[test]
    fn a_plane_of_values_stays_a_plane_under_any_map() {
        // Linear interpolation is exact for linear functions.
        let plane = |at: [f64; 3]| 30.0 * at[0] - 20.0 * at[1] + 50.0 * at[2] - 400.0;
        let block = Array3::from_shape_fn((9, 10, 11), |(d, h, w)| {
            plane([d as f64, h as f64, w as f64]) as i16
        });
        let (sin, cos) = 0.3_f64.sin_cos();
        let map = Affine {
            matrix: [[1.1 * cos, -1.1 * sin, 0.0], [1.1 * sin, 1.1 * cos, 0.1], [0.0, 0.05, 0.9]],
            offset: [1.3, -2.1, 0.4],
        };
        let result = resample_affine(&block, &map, 0);
        let mut compared = 0;
        for ((d, h, w), hu) in result.indexed_iter() {
            let index = [d as f64, h as f64, w as f64];
            let at: [f64; 3] = std::array::from_fn(|axis| {
                (0..3).map(|k| map.matrix[axis][k] * index[k]).sum::<f64>() + map.offset[axis]
            });
            let inside = (0..3).all(|axis| at[axis] >= 0.0 && at[axis] <= [8.0, 9.0, 10.0][axis]);
            if inside {
                assert!((f64::from(*hu) - plane(at)).abs() <= 0.5 + 1e-9, "{index:?}");
                compared += 1;
            }
        }
        assert!(compared > 300, "{compared}");
    }

    #[test]
    fn the_border_fades_into_the_fill_and_far_away_is_fill() {
        let block = Array3::from_elem((4, 4, 4), 100);
        let half = Affine {
            matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            offset: [-0.5, 0.0, 1e30],
        };
        assert!(resample_affine(&block, &half, -1000).iter().all(|hu| *hu == -1000));
        let half = Affine { offset: [-0.5, 0.0, 0.0], ..half };
        let result = resample_affine(&block, &half, -1000);
        assert_eq!((result[[0, 1, 1]], result[[1, 1, 1]]), (-450, 100));
    }
}
