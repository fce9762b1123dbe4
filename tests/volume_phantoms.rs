//! The lung segmentation against the truth of synthetic chests.

use lungs::phantom::{ExamPlan, PhantomPlan, Rendered, Side, Variants, render};
use lungs::volume::{Grid, Interpolation, LungFlag, Lungs, Volume, resample, segment_lungs};

fn segmented(rendered: &Rendered, spacing_mm: f64) -> (Volume, Lungs) {
    let volume =
        resample(&rendered.volume, [spacing_mm; 3], Interpolation::Cubic, Grid::Physical).unwrap();
    let lungs = segment_lungs(&volume).unwrap();
    (volume, lungs)
}

/// How far each end of the found box lies outside the true one: first and last, by axis.
fn off_mm(rendered: &Rendered, volume: &Volume, lungs: &Lungs) -> [[f64; 3]; 2] {
    let truth = rendered.lungs.voxels.unwrap();
    std::array::from_fn(|end| {
        let found = lungs.bounding_box.map(|range| range[end] as f64);
        let found = volume.geometry.position_mm(found);
        let right = rendered.volume.geometry.position_mm(truth[end].map(|i| i as f64));
        let outwards = if end == 0 { -1.0 } else { 1.0 };
        // Depth, height, width are z, y, x here.
        std::array::from_fn(|axis| outwards * (found[2 - axis] - right[2 - axis]))
    })
}

/// The box within 1.6 slices of the scan or 1.6 voxels of the grid, the volumes within 5 %.
fn assert_true(rendered: &Rendered, spacing_mm: f64, flags: &[LungFlag]) {
    let (volume, lungs) = segmented(rendered, spacing_mm);
    let off_mm = off_mm(rendered, &volume, &lungs);
    let coarsest_mm = rendered.volume.geometry.spacing_mm.into_iter().fold(spacing_mm, f64::max);
    for mm in off_mm.as_flattened() {
        assert!(mm.abs() < 1.6 * coarsest_mm, "box {off_mm:?} mm off, flags {:?}", lungs.flags);
    }
    let truth = rendered.lungs;
    for (found_ml, true_ml) in [(lungs.left_ml, truth.left_ml), (lungs.right_ml, truth.right_ml)] {
        assert!((found_ml - true_ml).abs() <= 0.05 * true_ml, "{found_ml} is not {true_ml} ml");
    }
    assert_eq!(lungs.flags, flags);
}

fn assert_variant(seed: u64, variants: Variants, flags: &[LungFlag]) {
    let rendered = render(&ExamPlan::example(seed, variants).unwrap());
    for spacing_mm in [1.5, 4.0] {
        assert_true(&rendered, spacing_mm, flags);
    }
}

#[test]
fn ordinary_chests() {
    let plan = PhantomPlan { patients: 8, ..PhantomPlan::default() };
    for exam in plan.exams().unwrap().iter().take(12) {
        assert_true(&render(exam), 4.0, &[]);
    }
}

#[test]
fn airways_need_not_join_the_lungs() {
    assert_variant(1, Variants { unjoined_airways: true, ..Variants::default() }, &[]);
}

#[test]
fn one_lung_without_air() {
    for side in [Side::Left, Side::Right] {
        let variants = Variants { opaque_lung: Some(side), ..Variants::default() };
        assert_variant(2, variants, &[LungFlag::OneLung]);
    }
}

#[test]
fn a_scan_that_begins_below_the_apices() {
    assert_variant(4, Variants { cut_at_top: true, ..Variants::default() }, &[LungFlag::CutAtTop]);
}

#[test]
fn bowel_gas_under_the_diaphragm() {
    for seed in [5, 6, 7] {
        assert_variant(seed, Variants { bowel_gas: true, ..Variants::default() }, &[]);
    }
}

#[test]
fn lowered_arms_and_no_table() {
    assert_variant(6, Variants { arms_down: true, ..Variants::default() }, &[]);
    assert_variant(7, Variants { no_table: true, ..Variants::default() }, &[]);
}
