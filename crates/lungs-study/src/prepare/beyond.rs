//! The distance by which the lungs extend beyond the crop.

use super::Row;
use lungs_image::codes::Flag;

/// Step of suggested crop sizes, in voxels.
const STEP: usize = 8;

impl Row {
    /// First and last voxel of the lungs along depth, height and width; `None` when unknown.
    fn lung_box(&self) -> [Option<[usize; 2]>; 3] {
        let range = |first: Option<usize>, last: Option<usize>| Some([first?, last?]);
        [
            range(self.box_z0, self.box_z1),
            range(self.box_y0, self.box_y1),
            range(self.box_x0, self.box_x1),
        ]
    }

    /// Sides of the patient on which the lungs extend beyond the crop, with the distance in millimetres.
    fn beyond_sides(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let sides = [
            ("head", self.beyond_head_mm),
            ("feet", self.beyond_feet_mm),
            ("front", self.beyond_front_mm),
            ("back", self.beyond_back_mm),
            ("right", self.beyond_right_mm),
            ("left", self.beyond_left_mm),
        ];
        sides.into_iter().filter_map(|(side, mm)| Some((side, mm.filter(|mm| *mm > 0.0)?)))
    }

    /// `25.5 mm (feet), 3 mm (left)`; `None` when the crop contains the lungs or they are unknown.
    pub fn beyond_crop(&self) -> Option<String> {
        let sides: Vec<String> =
            self.beyond_sides().map(|(side, mm)| format!("{mm} mm ({side})")).collect();
        (!sides.is_empty()).then(|| sides.join(", "))
    }

    /// The smallest crop around the centre of the lungs that contains them, `[depth, height, width]`.
    fn crop_for_lungs(&self) -> Option<[usize; 3]> {
        let centres = [self.centre_z, self.centre_y, self.centre_x];
        let lungs = self.lung_box();
        let size = |axis: usize| {
            let ([first, last], centre) = (lungs[axis]?, centres[axis]?);
            // The centre of an even size is the voxel after the middle.
            let half = centre.saturating_sub(first).max((last + 1).saturating_sub(centre));
            Some(2 * half)
        };
        Some([size(0)?, size(1)?, size(2)?])
    }
}

/// The network's input from a crop: all rows and columns of the middle slices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkInput {
    /// Number of slices of the input (`model.slices`).
    pub slices: usize,
    /// Distance between slices of the crop.
    pub spacing_mm: f64,
}

impl Row {
    /// The row with distances for the slices of the network's input instead of all slices of the crop.
    fn for_input(&self, input: NetworkInput) -> Self {
        let (Some(depth), Some(centre)) = (self.crop_d, self.centre_z) else { return self.clone() };
        if input.slices >= depth {
            return self.clone();
        }
        let first = centre as i64 - (depth / 2) as i64 + ((depth - input.slices) / 2) as i64;
        let beyond = |voxels: i64| (voxels.max(0) as f64 * input.spacing_mm * 10.0).round() / 10.0;
        let mut row = self.clone();
        row.beyond_feet_mm = self.box_z0.map(|end| beyond(first - end as i64));
        let last = first + input.slices as i64 - 1;
        row.beyond_head_mm = self.box_z1.map(|end| beyond(end as i64 - last));
        row
    }
}

/// Summary of the series whose lungs extend beyond the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct BeyondCrop {
    /// Number of series.
    pub series: usize,
    /// Number of prepared series with known lungs.
    pub of: usize,
    /// Largest distance.
    pub most_mm: f64,
    /// Side of the patient with the largest distance.
    pub side: &'static str,
    /// A crop size that contains the lungs of all series, `[depth, height, width]`.
    pub size: [usize; 3],
}

impl BeyondCrop {
    /// Summarises `rows`; `None` when the network's input contains all lungs.
    pub fn of(rows: &[Row], input: NetworkInput) -> Option<Self> {
        let known = rows.iter().filter(|row| row.crop_for_lungs().is_some());
        let known: Vec<Row> = known.map(|row| row.for_input(input)).collect();
        let sides = known.iter().flat_map(|row| row.beyond_sides());
        let (side, most_mm) = sides.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let series = known.iter().filter(|row| row.beyond_sides().next().is_some()).count();
        let mut size = [0; 3];
        for row in &known {
            let sizes = row.crop_for_lungs().unwrap_or_default();
            let crop = [row.crop_d, row.crop_h, row.crop_w].map(Option::unwrap_or_default);
            for axis in 0..3 {
                size[axis] = size[axis].max(crop[axis]).max(sizes[axis].next_multiple_of(STEP));
            }
        }
        Some(Self { series, of: known.len(), most_mm, side, size })
    }
}

impl std::fmt::Display for BeyondCrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { series, of, most_mm, side, size: [depth, height, width] } = self;
        write!(
            f,
            "the lungs extend beyond the crop in {series} of {of} series, by up to {most_mm} mm ({side}; \
             {}); preprocess.size = [{depth}, {height}, {width}] with model.slices = \
             {depth} holds all of them",
            Flag::LungsBeyondCrop
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::row::{CropFacts, Facts};
    use lungs_image::images::scan;

    /// The row of lungs in a box, cropped to `size` around the middle of the box.
    fn row(lungs: [[usize; 2]; 3], size: [usize; 3]) -> Row {
        let folder = tempfile::tempdir().unwrap();
        let slice = lungs_testing::dicom::TestSlice::axial(0);
        lungs_testing::dicom::write_series(folder.path(), &[slice]);
        let image = scan(folder.path()).unwrap().images.remove(0);
        let centre = lungs.map(|[first, last]| usize::midpoint(first, last));
        let crop = CropFacts {
            lungs_ml: None,
            lungs_hu: None,
            lung_box: Some(lungs),
            centre,
            size,
            spacing_mm: [2.5, 1.0, 0.7],
            flags: Vec::new(),
        };
        Row::new(&image, &Facts { crop: Some(crop), ..Facts::default() }, None)
    }

    /// A network whose input has all slices.
    const ALL: NetworkInput = NetworkInput { slices: usize::MAX, spacing_mm: 2.5 };

    #[test]
    fn slices_outside_the_networks_input_count_as_beyond() {
        // The crop has slices 10 to 17, the network's input 11 to 16.
        let inside = row([[11, 17], [11, 17], [11, 17]], [8, 8, 8]);
        let input = NetworkInput { slices: 6, spacing_mm: 2.5 };
        let beyond = BeyondCrop::of(&[inside], input).unwrap();
        assert_eq!(
            (beyond.series, beyond.most_mm, beyond.side, beyond.size),
            (1, 2.5, "head", [8, 8, 8])
        );
    }

    #[test]
    fn lungs_that_fill_the_crop_are_inside_and_one_more_voxel_is_reported_with_its_side() {
        // An even crop of 8 around voxel 14 has voxels 10 to 17.
        let inside = row([[11, 17], [11, 17], [11, 17]], [8, 8, 8]);
        assert_eq!((inside.beyond_crop(), inside.flags.len()), (None, 0));
        assert_eq!(inside.beyond_feet_mm, Some(0.0));
        // The middle of 10 to 18 is 14: voxel 18 is outside.
        let beyond = row([[10, 18], [11, 17], [9, 19]], [8, 8, 8]);
        assert_eq!(beyond.flags, [Flag::LungsBeyondCrop]);
        assert_eq!(beyond.beyond_crop().unwrap(), "2.5 mm (head), 0.7 mm (right), 1.4 mm (left)");
        assert_eq!(BeyondCrop::of(std::slice::from_ref(&inside), ALL), None);
        let counted = BeyondCrop::of(&[inside, beyond], ALL).unwrap();
        assert_eq!(
            counted.to_string(),
            "the lungs extend beyond the crop in 1 of 2 series, by up to 2.5 mm (head; \
             lungs-beyond-crop); preprocess.size = [16, 8, 16] with model.slices = 16 holds all of them"
        );
    }

    #[test]
    fn the_suggested_size_contains_the_lungs() {
        for lungs in [[[3, 90], [20, 41], [0, 99]], [[0, 7], [1, 8], [5, 5]]] {
            let size = BeyondCrop::of(&[row(lungs, [4, 4, 4])], ALL).map(|counted| counted.size);
            let again = row(lungs, size.unwrap());
            assert_eq!(again.beyond_crop(), None, "{lungs:?} {size:?}");
        }
    }
}
