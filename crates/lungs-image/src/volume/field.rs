//! A heatmap as values on a regular lattice in the prepared volume, with interpolation between them.

use super::Geometry;
use ndarray::Array3;

/// Values at points of the prepared volume, `[depth, height, width]`: value `[i, j, k]` lies at
/// voxel `first + [i, j, k] · step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The values.
    pub values: Array3<f32>,
    /// Voxel of the first value.
    pub first: [f64; 3],
    /// Distance between neighbouring values in voxels.
    pub step: [f64; 3],
    /// Number of voxels of the prepared volume.
    pub shape: [usize; 3],
    /// Geometry of the prepared volume in patient coordinates.
    pub geometry: Geometry,
}

impl Field {
    /// The value at a fractional voxel of the prepared volume, by linear interpolation along each axis.
    /// Beyond the outermost values, the outermost value is used; outside the prepared volume, the value is 0.
    pub fn at(&self, voxel: [f64; 3]) -> f32 {
        let is_inside =
            |axis: usize| voxel[axis] >= -0.5 && voxel[axis] <= self.shape[axis] as f64 - 0.5;
        if !(0..3).all(is_inside) || self.values.is_empty() {
            return 0.0;
        }
        let dim: [usize; 3] = self.values.dim().into();
        let mut low = [0; 3];
        let mut fraction = [0.0_f32; 3];
        for axis in 0..3 {
            let index = (voxel[axis] - self.first[axis]) / self.step[axis];
            let index = index.clamp(0.0, (dim[axis] - 1) as f64);
            low[axis] = (index as usize).min(dim[axis].saturating_sub(2));
            fraction[axis] = (index - low[axis] as f64) as f32;
        }
        let high: [usize; 3] = std::array::from_fn(|axis| (low[axis] + 1).min(dim[axis] - 1));
        let mix = |a: f32, b: f32, axis: usize| a + (b - a) * fraction[axis];
        let along_width =
            |d: usize, h: usize| mix(self.values[[d, h, low[2]]], self.values[[d, h, high[2]]], 2);
        let along_height = |d: usize| mix(along_width(d, low[1]), along_width(d, high[1]), 1);
        mix(along_height(low[0]), along_height(high[0]), 0)
    }

    /// The voxel of the prepared volume with the highest value (the first of equals) and the value;
    /// `None` when no value is above 0.
    pub fn peak(&self) -> Option<([f64; 3], f32)> {
        let mut best: Option<([f64; 3], f32)> = None;
        for ((i, j, k), &value) in self.values.indexed_iter() {
            if value > best.map_or(0.0, |(_, highest)| highest) {
                best = Some((self.voxel_of([i, j, k]), value));
            }
        }
        best
    }

    /// The position of [`Self::peak`] in patient coordinates.
    pub fn peak_mm(&self) -> Option<[f64; 3]> {
        self.peak().map(|(voxel, _)| self.geometry.position_mm(voxel))
    }

    /// The field resampled to every voxel of the prepared volume.
    #[must_use]
    fn on_voxels(&self) -> Self {
        let values =
            Array3::from_shape_fn(self.shape, |(d, h, w)| self.at([d as f64, h as f64, w as f64]));
        Self { values, first: [0.0; 3], step: [1.0; 3], ..self.clone() }
    }

    /// The agreement of fields of one prepared volume: the product of all, each divided by its highest
    /// value, on the finest lattice; 0 where a field is not above 0. A single field is returned unchanged;
    /// `None` without fields.
    pub fn agreement(mut fields: Vec<Self>) -> Option<Self> {
        if fields.len() < 2 {
            return fields.pop();
        }
        let size = |field: &Self| field.step.iter().product::<f64>();
        let finest = fields.iter().min_by(|a, b| size(a).total_cmp(&size(b)))?;
        let highest: Vec<f32> =
            fields.iter().map(|field| field.peak().map_or(0.0, |(_, value)| value)).collect();
        let values = Array3::from_shape_fn(finest.values.dim(), |(i, j, k)| {
            let voxel = finest.voxel_of([i, j, k]);
            let share = |(field, &highest): (&Self, &f32)| {
                let value = field.at(voxel);
                if value > 0.0 { value / highest } else { 0.0 }
            };
            fields.iter().zip(&highest).map(share).product()
        });
        Some(Self { values, ..finest.clone() })
    }

    /// The voxel of a value, clamped to the volume: a cell at the border may have its centre outside.
    fn voxel_of(&self, index: [usize; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| {
            let voxel = self.first[axis] + index[axis] as f64 * self.step[axis];
            voxel.clamp(0.0, (self.shape[axis] as f64 - 1.0).max(0.0))
        })
    }

    /// The mean of fields of one prepared volume; `None` without fields. Fields with different lattices are
    /// averaged on the voxels of the volume.
    pub fn mean(fields: Vec<Self>) -> Option<Self> {
        let count = fields.len() as f32;
        let first = fields.first()?;
        let lattice = |field: &Self| (field.values.dim(), field.first, field.step);
        let same_lattice = fields.iter().all(|field| lattice(field) == lattice(first));
        let fields =
            fields.into_iter().map(|field| if same_lattice { field } else { field.on_voxels() });
        let sum = fields.reduce(|mut sum, field| {
            sum.values += &field.values;
            sum
        });
        sum.map(|mut sum| {
            sum.values /= count;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn geometry() -> Geometry {
        Geometry {
            spacing_mm: [2.0, 1.0, 0.5],
            origin_mm: [-10.0, 5.0, 100.0],
            axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        }
    }

    fn field(values: Array3<f32>, first: [f64; 3], step: [f64; 3]) -> Field {
        Field { values, first, step, shape: [20, 20, 20], geometry: geometry() }
    }

    proptest! {
        /// Linear interpolation is exact on planes and constant beyond the outermost values.
        #[test]
        fn interpolation_is_exact_on_planes(at in prop::array::uniform3(-0.5f64..19.5)) {
            let (first, step) = ([3.0, 1.5, 0.5], [4.0, 2.0, 6.0]);
            let plane = |at: [f64; 3]| 2.0 * at[0] - at[1] + 0.5 * at[2];
            let values = Array3::from_shape_fn((4, 5, 3), |(i, j, k)| {
                let index = [i as f64, j as f64, k as f64];
                plane(std::array::from_fn(|axis| first[axis] + index[axis] * step[axis])) as f32
            });
            let lengths = [4.0, 5.0, 3.0];
            let clamped: [f64; 3] = std::array::from_fn(|axis| {
                at[axis].clamp(first[axis], first[axis] + (lengths[axis] - 1.0) * step[axis])
            });
            let value = field(values, first, step).at(at);
            prop_assert!((f64::from(value) - plane(clamped)).abs() < 1e-4, "{value}");
        }
    }

    #[test]
    fn a_field_of_one_cell_is_constant_inside_the_volume_and_zero_outside() {
        let one = field(Array3::from_elem((1, 1, 1), 3.0), [9.5; 3], [20.0; 3]);
        assert_eq!((one.at([0.0; 3]), one.at([19.4, -0.4, 7.0])), (3.0, 3.0));
        assert_eq!((one.at([19.6, 0.0, 0.0]), one.at([0.0, -0.6, 0.0])), (0.0, 0.0));
    }

    #[test]
    fn the_peak_is_the_highest_value_with_its_voxel() {
        let mut values = Array3::from_elem((4, 4, 4), -1.0);
        assert_eq!(field(values.clone(), [1.0; 3], [5.0; 3]).peak(), None);
        values[[1, 2, 3]] = 2.0;
        values[[3, 3, 3]] = 2.0;
        let field = field(values, [1.0; 3], [5.0, 5.0, 7.0]);
        // 1 + 3 · 7 = 22 is outside the 20 voxels and is clamped to the last one.
        assert_eq!(field.peak(), Some(([6.0, 11.0, 19.0], 2.0)));
        assert_eq!(field.peak_mm(), Some([-10.0 + 9.5, 5.0 + 11.0, 100.0 + 12.0]));
    }

    #[test]
    fn agreement_is_the_product_of_shares_on_the_finest_lattice() {
        let mut fine = Array3::zeros((4, 4, 4));
        fine[[0, 0, 0]] = 8.0;
        fine[[3, 1, 2]] = 2.0;
        fine[[2, 2, 2]] = -4.0;
        let fine = field(fine, [2.0; 3], [5.0; 3]);
        let mut coarse = Array3::from_elem((1, 1, 2), 0.5);
        coarse[[0, 0, 0]] = 0.125;
        let coarse = field(coarse, [9.5, 9.5, 2.0], [20.0, 20.0, 10.0]);
        let agreement = Field::agreement(vec![coarse.clone(), fine.clone()]).unwrap();
        assert_eq!(
            (agreement.first, agreement.step, agreement.values.dim()),
            ([2.0; 3], [5.0; 3], (4, 4, 4))
        );
        // 8/8 · 0.125/0.5 and 2/8 · 0.5/0.5.
        assert!((agreement.values[[0, 0, 0]] - 0.25).abs() < 1e-6);
        assert!((agreement.values[[3, 1, 2]] - 0.25).abs() < 1e-6);
        assert_eq!(agreement.values.iter().filter(|value| **value != 0.0).count(), 2);
        assert_eq!(Field::agreement(vec![fine.clone()]), Some(fine.clone()));
        let none = field(Array3::zeros((1, 1, 1)), [9.5; 3], [20.0; 3]);
        assert_eq!(Field::agreement(vec![fine, none]).unwrap().peak(), None);
    }

    #[test]
    fn fields_with_different_lattices_are_averaged_on_voxels() {
        let cells = |value| field(Array3::from_elem((2, 2, 2), value), [4.5; 3], [10.0; 3]);
        assert_eq!(Field::mean(vec![cells(1.0), cells(2.0)]), Some(cells(1.5)));
        let other = field(Array3::from_elem((1, 1, 1), 4.0), [9.5; 3], [20.0; 3]);
        let mean = Field::mean(vec![cells(1.0), other]).unwrap();
        assert_eq!(mean, field(Array3::from_elem((20, 20, 20), 2.5), [0.0; 3], [1.0; 3]));
        assert_eq!(Field::mean(vec![]), None);
    }
}
