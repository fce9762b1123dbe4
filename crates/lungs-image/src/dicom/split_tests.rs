//! Selection of the slices of the volume, from headers alone.

use super::split::{Stack, stack, stack_by};
use super::{
    GantryTilt, HuRule, Marks, Orientation, Series, SeriesRefusal, StackRules, Turn, read_volume,
};
use lungs_testing::dicom::{TestSlice, write_series};

fn series_of(slices: &[TestSlice]) -> Series {
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), slices);
    let mut scan = crate::dicom::scan(folder.path()).unwrap();
    assert_eq!(scan.problems, []);
    assert_eq!(scan.series.len(), 1);
    scan.series.remove(0)
}

fn stack_of(slices: &[TestSlice]) -> Result<Stack, SeriesRefusal> {
    stack(&series_of(slices))
}

fn axial(count: i32) -> Vec<TestSlice> {
    (0..count).map(TestSlice::axial).collect()
}

#[test]
fn slices_are_ordered_by_position_and_not_by_name_or_number() {
    let mut slices = axial(6);
    for slice in &mut slices {
        slice.number = 17 - slice.number;
    }
    let series = series_of(&slices);
    let stack = stack(&series).unwrap();
    let z: Vec<f64> = stack
        .slices
        .iter()
        .map(|&index| series.slices[index].position_mm.clone().unwrap()[2])
        .collect();
    assert_eq!(z, [-100.0, -97.5, -95.0, -92.5, -90.0, -87.5]);
    assert_eq!(stack.geometry.spacing_mm, [2.5, 0.7, 0.8]);
    assert_eq!(stack.geometry.origin_mm, [-10.0, -20.0, -100.0]);
    assert_eq!(stack.geometry.axes, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
    assert_eq!((stack.turn, stack.flags), (Turn::NONE, vec![]));
}

#[test]
fn missing_slices_are_counted_and_not_filled_in() {
    let mut slices = axial(9);
    slices.remove(4);
    slices.remove(4);
    let refusal = stack_of(&slices).unwrap_err();
    assert_eq!(refusal.code(), "missing-slices");
    assert!(refusal.to_string().starts_with("2 slices are missing"), "{refusal}");
    assert!(refusal.to_string().contains("is 7.500 mm, expected 2.500 mm"));
}

#[test]
fn an_uneven_gap_is_refused_with_its_size_and_rounded_positions_are_not() {
    let mut slices = axial(8);
    slices[7].position[2] += 1.0;
    let refusal = stack_of(&slices).unwrap_err();
    assert_eq!(refusal.code(), "uneven-spacing");
    assert!(refusal.to_string().contains("is 3.500 mm, expected 2.500"), "{refusal}");

    // 0.625 mm written with one decimal: gaps of 0.6 and 0.7, true spacing 0.625.
    let mut slices = axial(9);
    for slice in &mut slices {
        slice.position[2] = (f64::from(slice.number) * 6.25).round() / 10.0;
    }
    let stack = stack_of(&slices).unwrap();
    assert!((stack.geometry.spacing_mm[0] - 0.625).abs() < 1e-9);
}

#[test]
fn gantry_tilt_is_refused_with_its_angle_if_the_rules_exclude_it() {
    let (sin, cos) = 10_f64.to_radians().sin_cos();
    let mut slices = axial(5);
    for slice in &mut slices {
        slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, -sin];
    }
    let rules = StackRules { gantry_tilt: GantryTilt::Refuse, ..StackRules::default() };
    let refusal = stack_by(&series_of(&slices), rules).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "gantry tilt of 10.0 degrees, expected at most 0.5 (preprocess.gantry_tilt = \"refuse\")"
    );
    let stack = stack_of(&slices).unwrap();
    assert_eq!(stack.flags, ["tilt-resheared"]);
    assert!((stack.shear.unwrap().degrees - 10.0).abs() < 1e-9);
    // The table moves along the body, so the untilted grid is the body's.
    assert_eq!(stack.geometry.axes, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
    assert!((stack.geometry.spacing_mm[0] - 2.5).abs() < 1e-9);
    assert!((stack.geometry.spacing_mm[1] - 0.7 * cos).abs() < 1e-9);
}

#[test]
fn shear_other_than_gantry_tilt_is_refused() {
    let refused = |[x, y]: [f64; 2]| {
        let mut slices = axial(5);
        for slice in &mut slices {
            slice.position[0] += x * f64::from(slice.number);
            slice.position[1] += y * f64::from(slice.number);
        }
        stack_of(&slices).unwrap_err()
    };
    assert_eq!(refused([1.0, 0.0]).code(), "sheared");
    let steep = refused([0.0, 2.0]);
    assert_eq!(steep.to_string(), "gantry tilt of 38.7 degrees, expected at most 30.0");
}

#[test]
fn slices_off_the_line_are_refused() {
    let mut slices = axial(5);
    slices[2].position[0] += 30.0;
    assert_eq!(stack_of(&slices).unwrap_err().code(), "scattered-slices");
}

#[test]
fn one_slice_is_not_a_volume() {
    assert_eq!(
        stack_of(&axial(1)).unwrap_err(),
        SeriesRefusal::TooFewSlices { found: 1, limit: 2 }
    );
}

#[test]
fn other_modalities_and_localizers_are_named() {
    let mut slices = axial(3);
    for slice in &mut slices {
        slice.modality = "MR".to_owned();
    }
    assert_eq!(stack_of(&slices).unwrap_err().code(), "not-ct");
    let mut slices = axial(4);
    slices[3].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER".to_owned();
    slices[3].orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
    assert_eq!(stack_of(&slices).unwrap().flags, ["localizers-left-out"]);
    for slice in &mut slices {
        slice.image_type = "LOCALIZER".to_owned();
    }
    assert_eq!(stack_of(&slices).unwrap_err().code(), "localizer");
}

#[test]
fn differing_slices_are_refused_with_both_values() {
    let mut slices = axial(4);
    slices[2].spacing = [0.7, 0.9];
    let refusal = stack_of(&slices).unwrap_err();
    assert_eq!(refusal.code(), "inconsistent-slices");
    assert!(
        refusal.to_string().contains("PixelSpacing (0028,0030) is 0.7\\0.9, expected 0.7\\0.8"),
        "{refusal}"
    );
}

#[test]
fn impossible_orientations_are_refused() {
    let mut slices = axial(4);
    for slice in &mut slices {
        slice.orientation = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    }
    let refusal = stack_of(&slices).unwrap_err();
    assert_eq!(refusal.code(), "bad-tag");
    assert!(refusal.to_string().contains("is 1\\0\\0\\1\\0\\0, expected two perpendicular"));
}

#[test]
fn oblique_stacks_are_refused() {
    let (sin, cos) = 35_f64.to_radians().sin_cos();
    let mut slices = axial(4);
    for slice in &mut slices {
        slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, sin];
        let along = 2.5 * f64::from(slice.number);
        slice.position = [0.0, -sin * along, cos * along];
    }
    assert_eq!(stack_of(&slices).unwrap_err().code(), "oblique");
}

fn shifted(count: i32, change: impl Fn(&mut TestSlice)) -> Vec<TestSlice> {
    let mut slices = axial(count);
    for slice in &mut slices {
        slice.number += 100;
        slice.pixels.iter_mut().for_each(|value| *value += 7);
        change(slice);
    }
    slices
}

#[test]
fn of_two_kernels_under_one_uid_the_first_acquisition_is_read_and_the_other_listed() {
    let mut slices = axial(6);
    slices.iter_mut().for_each(|slice| (slice.kernel, slice.acquisition) = ("B30f", Some(2)));
    slices.extend(shifted(6, |slice| (slice.kernel, slice.acquisition) = ("B70f", Some(1))));
    let series = series_of(&slices);
    let stack = stack(&series).unwrap();
    assert_eq!(stack.flags, ["one-of-2-stacks"]);
    let kernels: Vec<&str> =
        stack.slices.iter().map(|&index| series.slices[index].marks.kernel.as_str()).collect();
    assert_eq!(kernels, ["B70f"; 6]);
    assert_eq!(
        (stack.excluded[0].slices.len(), stack.excluded[0].exclusion.code.to_string()),
        (6, "other-stack".to_owned())
    );
    assert_eq!(
        stack.excluded[0].exclusion.reason,
        "a stack of 6 slices with ConvolutionKernel (0018,1210) \"B30f\"; the stack of 6 slices with \
         ConvolutionKernel (0018,1210) \"B70f\" is used"
    );
}

#[test]
fn phases_voltages_thicknesses_types_and_stack_ids_separate_stacks_too() {
    let mut slices = axial(6);
    slices.extend(shifted(6, |_| ()));
    let series = series_of(&slices);
    assert_eq!(stack(&series).unwrap().slices.len(), 6, "duplicates by position");
    let marks: [fn(&mut Marks) -> &mut String; 5] = [
        |marks| &mut marks.temporal,
        |marks| &mut marks.kilovolts,
        |marks| &mut marks.thickness_mm,
        |marks| &mut marks.image_type,
        |marks| &mut marks.stack,
    ];
    for mark in marks {
        let mut series = series.clone();
        for slice in &mut series.slices {
            let second = slice.instance_number >= Some(100);
            *mark(&mut slice.marks) = if second { "2" } else { "1" }.to_owned();
        }
        let chosen = stack(&series).unwrap();
        assert_eq!((chosen.slices.len(), chosen.duplicates.len()), (6, 0));
        assert_eq!(chosen.flags, ["one-of-2-stacks"]);
        assert_eq!(chosen.excluded[0].slices.len(), 6);
    }
}

#[test]
fn the_stack_with_most_slices_is_chosen_and_then_the_longest() {
    // Two table positions, 2.5 mm and 5 mm apart, that overlap.
    let mut slices = axial(8);
    slices.iter_mut().for_each(|slice| slice.acquisition = Some(3));
    slices.extend(shifted(6, |slice| {
        slice.acquisition = Some(1);
        slice.position[2] += 2.5 * f64::from(slice.number - 100) + 1.0;
    }));
    let chosen = stack_of(&slices).unwrap();
    assert_eq!((chosen.slices.len(), chosen.geometry.spacing_mm[0]), (8, 2.5));
    let equal: Vec<TestSlice> = slices[2..].to_vec();
    let chosen = stack_of(&equal).unwrap();
    assert_eq!((chosen.slices.len(), chosen.geometry.spacing_mm[0]), (6, 5.0));
    assert_eq!(chosen.flags, ["one-of-2-stacks"]);
}

#[test]
fn images_of_another_plane_or_size_are_another_stack() {
    let mut slices = axial(6);
    slices.extend(shifted(3, |slice| {
        slice.orientation = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0];
        slice.position = [-10.0, f64::from(slice.number), -80.0];
    }));
    slices.extend(shifted(2, |slice| {
        (slice.rows, slice.columns) = (6, 4);
        slice.number += 50;
    }));
    let stack = stack_of(&slices).unwrap();
    assert_eq!((stack.slices.len(), stack.rows), (6, 4));
    assert_eq!(stack.flags, ["one-of-3-stacks"]);
    assert_eq!(stack.excluded.iter().map(|part| part.slices.len()).sum::<usize>(), 5);
}

#[test]
fn a_small_even_part_does_not_stand_for_an_uneven_series() {
    // Blocks of four, as step-and-shoot scans number them, with a slice missing.
    let mut slices = axial(16);
    slices.iter_mut().for_each(|slice| slice.acquisition = Some(slice.number / 4));
    assert_eq!(stack_of(&slices).unwrap().slices.len(), 16);
    slices.remove(6);
    assert_eq!(stack_of(&slices).unwrap_err().code(), "missing-slices");
}

#[test]
fn pages_and_captures_are_excluded_with_a_flag() {
    let mut slices = axial(4);
    let mut add = |number: i32, change: &dyn Fn(&mut TestSlice)| {
        let mut page = TestSlice::axial(number);
        change(&mut page);
        slices.push(page);
    };
    add(50, &|page| page.image_type = "DERIVED\\SECONDARY\\SCREEN SAVE".to_owned());
    add(51, &|page| page.image_type = "DERIVED\\SECONDARY\\DOSE_INFO".to_owned());
    add(52, &|page| page.sop_class = "1.2.840.10008.5.1.4.1.1.7");
    add(53, &|page| page.modality = "SEG".to_owned());
    add(54, &|page| page.image_type = "ORIGINAL\\PRIMARY\\LOCALIZER".to_owned());
    for (number, projection) in (55..).zip([
        "DERIVED\\SECONDARY\\MIP",
        "DERIVED\\SECONDARY\\MinIP",
        "A\\B\\PROJECTION IMAGE",
    ]) {
        add(number, &|page| page.image_type = projection.to_owned());
    }
    add(58, &|page| page.image_type = "DERIVED\\SECONDARY\\AXIAL\\CT_SOM5 MIP".to_owned());
    let stack = stack_of(&slices).unwrap();
    assert_eq!(stack.slices.len(), 4);
    assert_eq!(
        stack.flags,
        [
            "localizers-left-out",
            "dose-pages-left-out",
            "screen-saves-left-out",
            "projections-left-out",
            "secondary-captures-left-out",
            "other-modalities-left-out"
        ]
    );
    let refusal = stack_of(&slices[4..]).unwrap_err();
    assert_eq!(refusal.code(), "no-slices");
    assert!(refusal.to_string().contains("SCREEN SAVE"), "{refusal}");
}

#[test]
fn sagittal_stacks_are_refused_if_the_rules_exclude_them() {
    let mut slices = axial(4);
    for slice in &mut slices {
        slice.orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
        slice.position = [f64::from(slice.number), 0.0, 0.0];
    }
    assert_eq!(stack_of(&slices).unwrap().flags, ["reformatted-from-sagittal"]);
    let rules = StackRules { orientation: Orientation::Refuse, ..StackRules::default() };
    let refusal = stack_by(&series_of(&slices), rules).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "sagittal images, expected axial ones (preprocess.orientation = \"refuse\")"
    );
}

#[test]
fn feet_first_and_prone_patients_are_oriented_by_position() {
    // Prone, feet first: columns run to the right, rows to the front, slices stored head to feet.
    let mut slices = axial(3);
    for slice in &mut slices {
        slice.orientation = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
        slice.position = [10.0, 20.0, -2.5 * f64::from(slice.number)];
    }
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &slices);
    let series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
    let (volume, _) = read_volume(&series, HuRule::Standard).unwrap();
    assert_eq!(volume.geometry.axes, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
    // The first stored pixel of the last slice is the lowest, most to the back and left.
    assert_eq!(volume.hu[[0, 3, 5]], 200);
    assert_eq!(volume.geometry.position_mm([0.0, 3.0, 5.0]), [10.0, 20.0, -5.0]);
}
