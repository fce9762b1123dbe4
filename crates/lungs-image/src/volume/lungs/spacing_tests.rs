//! The same lungs at every spacing.

use crate::codes::Flag;
use std::f64::consts::PI;

use super::tests::*;
use super::*;

/// Common spacings.
const SPACINGS_MM: [f64; 7] = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0];

/// Radii of the lungs, whose centres are those of [`LEFT_LUNG`] and [`RIGHT_LUNG`].
const LUNG_RADII_MM: [f64; 3] = [55.0, 75.0, 110.0];

/// A body with a wall of some thickness around the lungs, on a hollow table at some distance.
struct Body {
    wall_mm: f64,
    table_gap_mm: f64,
    lung_hu: i16,
}

impl Body {
    fn new(wall_mm: f64) -> Self {
        Self { wall_mm, table_gap_mm: 0.0, lung_hu: LUNG_HU }
    }

    fn chest(&self) -> Chest {
        let wall_mm = self.wall_mm;
        let around = LUNG_RADII_MM.map(|mm| mm + wall_mm);
        let back_mm = LUNG_RADII_MM[1] + wall_mm;
        let mut chest = Chest::new();
        chest.half_width_mm = 200.0;
        chest.parts = vec![
            // Table: a shell of 3 mm around foam.
            ([0.0, back_mm + self.table_gap_mm + 17.0, 0.0], [260.0, 17.0, 1e6], -200),
            ([0.0, back_mm + self.table_gap_mm + 17.0, 0.0], [257.0, 14.0, 1e6], -940),
            // Mediastinum with neck and spine, shoulders, abdomen.
            ([0.0, 0.0, 0.0], [60.0, back_mm, 1e6], 40),
            ([0.0, 0.0, 150.0], [150.0, back_mm - 5.0, 50.0], 40),
            ([0.0, 0.0, -160.0], [75.0 + around[0], back_mm, 90.0], 40),
            // The wall of the chest.
            ([-75.0, 0.0, 0.0], around, 40),
            ([75.0, 0.0, 0.0], around, 40),
            (LEFT_LUNG.0, LUNG_RADII_MM, self.lung_hu),
            (RIGHT_LUNG.0, LUNG_RADII_MM, self.lung_hu),
            TRACHEA,
        ];
        chest
    }
}

/// The true box, first and last x, y, z, and the volume of each lung, as far as the slices reach.
fn truth(chest: &Chest, slices: usize) -> ([[f64; 2]; 3], f64) {
    let low = chest.scan_mm[0] - 0.5 * chest.spacing_mm;
    let high = low + slices as f64 * chest.spacing_mm;
    let heights = [low.max(-LUNG_RADII_MM[2]), high.min(LUNG_RADII_MM[2])];
    // The widest section of the lungs in the scan.
    let last_mm = (high - 0.5 * chest.spacing_mm).min(0.0);
    let widest = (1.0 - (last_mm / LUNG_RADII_MM[2]).powi(2)).sqrt();
    let (x_mm, y_mm) = (75.0 + 55.0 * widest, 75.0 * widest);
    // The part of an ellipsoid between two heights.
    let part = |mm: f64| {
        let h = mm / LUNG_RADII_MM[2];
        h - h.powi(3) / 3.0
    };
    let ml =
        PI * LUNG_RADII_MM.iter().product::<f64>() / 1000.0 * (part(heights[1]) - part(heights[0]));
    ([[-x_mm, x_mm], [-y_mm, y_mm], heights], ml)
}

/// The errors of the lungs of a chest at a spacing, beyond tolerances of 5 mm or a voxel for the box and
/// 4 % for the volumes.
fn errors_of(chest: &Chest, flags: &[Flag]) -> Option<String> {
    let volume = chest.volume();
    let lungs = match segment_lungs(&volume) {
        Ok(lungs) => lungs,
        Err(error) => return Some(error.to_string()),
    };
    let found = box_mm(&lungs, &volume);
    let (expected, true_ml) = truth(chest, volume.hu.dim().0);
    let tolerance_mm = f64::max(5.0, chest.spacing_mm);
    let mut off = found.as_flattened().iter().zip(expected.as_flattened());
    let is_off = off.any(|(found, expected)| (found - expected).abs() > tolerance_mm);
    let wrong = [lungs.left_ml, lungs.right_ml].iter().any(|ml| (ml / true_ml - 1.0).abs() > 0.04);
    (is_off || wrong || lungs.flags != flags).then(|| {
        let (left_ml, right_ml) = (lungs.left_ml, lungs.right_ml);
        format!("{found:.1?}, {left_ml:.0} and {right_ml:.0} of {true_ml:.0} ml, {:?}", lungs.flags)
    })
}

fn assert_right_at(spacings_mm: &[f64], chest: &Chest, flags: &[Flag], name: &str) {
    let errors: Vec<String> = spacings_mm
        .iter()
        .filter_map(|&spacing_mm| {
            let chest = Chest { spacing_mm, ..chest.clone() };
            errors_of(&chest, flags).map(|error| format!("{name} at {spacing_mm}: {error}"))
        })
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn walls_of_6_to_12_mm() {
    for wall_mm in [6.0, 8.0, 10.0, 12.0] {
        let chest = Body::new(wall_mm).chest();
        assert_right_at(&SPACINGS_MM, &chest, &[], &format!("wall of {wall_mm} mm"));
    }
}

#[test]
fn twenty_spacings_give_the_same_lungs() {
    let spacings_mm: Vec<f64> = (0..20).map(|i| 1.0 + 4.0 * f64::from(i) / 19.0).collect();
    let chest = Body { table_gap_mm: 12.0, ..Body::new(7.0) }.chest();
    assert_right_at(&spacings_mm, &chest, &[], "chest");
}

#[test]
fn emphysema_in_thin_walls() {
    let chest = Body { lung_hu: -930, ..Body::new(7.0) }.chest();
    assert_right_at(&SPACINGS_MM, &chest, &[], "emphysema");
}

#[test]
fn gaps_between_back_and_table_in_a_wide_and_in_a_narrow_field_of_view() {
    for table_gap_mm in [3.0, 6.0, 10.0, 15.0, 25.0, 40.0] {
        let mut chest = Body { table_gap_mm, ..Body::new(9.0) }.chest();
        for half_width_mm in [200.0, 141.0] {
            chest.half_width_mm = half_width_mm;
            let name = format!("table {table_gap_mm} mm off, view of {half_width_mm} mm");
            assert_right_at(&SPACINGS_MM, &chest, &[], &name);
        }
    }
}

#[test]
fn arms_at_the_sides() {
    for gap_mm in [4.0, 15.0] {
        let mut chest = Body::new(8.0).chest();
        chest.half_width_mm = 240.0;
        for side in [-1.0, 1.0] {
            let x_mm = side * (138.0 + gap_mm + 38.0);
            chest.parts.insert(2, ([x_mm, 35.0, 0.0], [38.0, 48.0, 1e6], 40));
        }
        assert_right_at(&SPACINGS_MM, &chest, &[], &format!("arms {gap_mm} mm off"));
    }
}

/// Stomach and colon full of gas, under the diaphragm and lower.
fn with_bowel_gas(chest: Chest) -> Chest {
    chest
        .with(([60.0, -20.0, -132.0], [45.0, 40.0, 18.0], -1000))
        .with(([-70.0, -40.0, -170.0], [25.0, 20.0, 40.0], -1000))
        .with(([10.0, -45.0, -190.0], [90.0, 18.0, 16.0], -1000))
        .with(([80.0, 0.0, -230.0], [25.0, 25.0, 50.0], -1000))
}

#[test]
fn bowel_gas_is_no_lung() {
    let mut chest = with_bowel_gas(Body::new(8.0).chest());
    chest.scan_mm = [-160.0, 170.0];
    assert_right_at(&SPACINGS_MM, &chest, &[], "bowel gas");
}

#[test]
fn lung_bases_over_bowel_gas_are_measured_alone() {
    let mut chest = with_bowel_gas(Body::new(10.0).chest());
    chest.scan_mm = [-330.0, -50.0];
    chest.parts.insert(2, ([0.0, 0.0, -300.0], [140.0, 80.0, 220.0], 40));
    let flags = [Flag::LungsCutAtTop, Flag::SmallLungVolume, Flag::TracheaNotFound];
    assert_right_at(&SPACINGS_MM, &chest, &flags, "bases of 700 ml");
    // About 190 ml, less than the limit.
    chest.scan_mm = [-330.0, -80.0];
    for spacing_mm in SPACINGS_MM {
        let chest = Chest { spacing_mm, ..chest.clone() };
        let volume = chest.volume();
        let true_ml = 2.0 * truth(&chest, volume.hu.dim().0).1;
        let error = segment_lungs(&volume).unwrap_err();
        let SegmentationError::TooSmall { found_ml, .. } = error else { panic!("{error}") };
        assert!(
            (found_ml / true_ml - 1.0).abs() < 0.08,
            "{found_ml} of {true_ml} ml at {spacing_mm} mm"
        );
    }
}

#[test]
fn a_phantom_of_slabs_has_all_of_its_lungs_and_a_flag() {
    for gap_mm in [5.5, 8.0] {
        let mut chest = Body::new(10.0).chest();
        chest.gaps_mm = (-4..4).map(|i| f64::from(i) * 25.0).map(|z| [z, z + gap_mm]).collect();
        let name = format!("gaps of {gap_mm} mm");
        assert_right_at(&SPACINGS_MM, &chest, &[Flag::BodyInterrupted], &name);
    }
}
