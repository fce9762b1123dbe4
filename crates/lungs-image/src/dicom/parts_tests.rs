//! Interleaved and consecutive stacks of one series.

use super::split::{Stack, stack};
use super::{Series, SeriesRefusal, SliceFile};
use crate::codes::Flag;
use lungs_testing::dicom::{TestSlice, write_series};

/// An even series of `count` slices 2.5 mm apart; `change` modifies each slice by its number.
fn series(count: i32, change: impl Fn(i64, &mut SliceFile)) -> Series {
    let slices: Vec<TestSlice> = (0..count).map(TestSlice::axial).collect();
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &slices);
    let mut series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
    for slice in &mut series.slices {
        change(slice.instance_number.unwrap(), slice);
    }
    series
}

fn set<T>(field: &mut T, value: T) {
    *field = value;
}

/// Sets a mark of a slice to one of several values.
type SetMark = fn(&mut SliceFile, usize);

/// Marks with one value per stack.
const DIFFERING: [(&str, SetMark); 5] = [
    ("ConvolutionKernel", |slice, n| set(&mut slice.marks.kernel, format!("B{n}0f"))),
    ("KVP", |slice, n| set(&mut slice.marks.kilovolts, (80 + 20 * n).to_string())),
    ("SliceThickness", |slice, n| set(&mut slice.marks.thickness_mm, (1 + n).to_string())),
    ("ImageType", |slice, n| set(&mut slice.marks.image_type, format!("ORIGINAL\\TYPE{n}"))),
    ("temporal position", |slice, n| set(&mut slice.marks.temporal, n.to_string())),
];

/// Marks that may also increase within one stack.
const COUNTING: [(&str, SetMark); 3] = [
    ("AcquisitionNumber", |slice, n| set(&mut slice.marks.acquisition, Some(n as i64))),
    ("time of acquisition", |slice, n| set(&mut slice.marks.acquired, format!("1200{n:02}"))),
    ("SeriesDescription", |slice, n| set(&mut slice.origin.description, format!("phase {n}"))),
];

/// The numbers of the slices in a stack, in order.
fn numbers(series: &Series, stack: &Stack) -> Vec<i64> {
    stack.slices.iter().map(|&index| series.slices[index].instance_number.unwrap()).collect()
}

#[test]
fn interleaved_stacks_are_separated_by_every_mark() {
    for (name, mark) in DIFFERING.into_iter().chain(COUNTING) {
        for stacks in [2, 3] {
            let all = 8 * stacks;
            let series = series(all as i32, |number, slice| mark(slice, number as usize % stacks));
            let stack = stack(&series).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            let found = numbers(&series, &stack);
            assert_eq!(found.len(), 8, "{name} {stacks}");
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] == stacks as i64), "{name}");
            let spacing_mm = stack.geometry.spacing_mm[0];
            assert!((spacing_mm - 2.5 * stacks as f64).abs() < 1e-9, "{name}: {spacing_mm}");
            assert_eq!(stack.flags, [Flag::OneOfStacks(stacks)]);
            let excluded: usize = stack.excluded.iter().map(|slices| slices.slices.len()).sum();
            assert_eq!(excluded, 8 * (stacks - 1));
            assert!(
                stack.excluded[0].exclusion.reason.contains(name),
                "{}",
                stack.excluded[0].exclusion.reason
            );
        }
    }
}

#[test]
fn consecutive_stacks_are_refused_with_both_unless_the_mark_may_increase_in_a_scan() {
    for (name, mark) in DIFFERING {
        let series = series(16, |number, slice| mark(slice, usize::from(number >= 9)));
        let refusal = stack(&series).unwrap_err();
        assert_eq!(refusal.code(), "several-stacks", "{name}: {refusal}");
        let text = refusal.to_string();
        assert!(text.contains(&format!("9 slices with {name}")), "{text}");
        assert!(text.contains(&format!("7 slices with {name}")), "{text}");
    }
    for (name, mark) in COUNTING {
        for blocks in [2, 4] {
            // Up and down the body.
            let up = series(16, |number, slice| mark(slice, number as usize * blocks / 16));
            let down =
                series(16, |number, slice| mark(slice, (15 - number) as usize * blocks / 16));
            for series in [up, down] {
                let stack = stack(&series).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
                assert_eq!((stack.slices.len(), stack.flags), (16, vec![]), "{name} {blocks}");
            }
        }
    }
}

#[test]
fn a_mark_that_numbers_every_slice_changes_nothing() {
    for (name, mark) in DIFFERING.into_iter().chain(COUNTING) {
        let series = series(16, |number, slice| mark(slice, number as usize));
        let stack = stack(&series).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(stack.slices.len(), 16, "{name}");
    }
}

#[test]
fn a_few_slices_with_another_value_stay_with_a_flag_and_a_mixture_is_refused() {
    for (name, mark) in DIFFERING {
        let slip = series(20, |number, slice| mark(slice, usize::from([6, 19].contains(&number))));
        let chosen = stack(&slip).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!((chosen.slices.len(), chosen.flags), (20, vec![Flag::MixedHeaders]));
        // Neither of the two groups is even.
        let odd = [0, 1, 4, 6, 7, 8, 11, 15, 16, 18];
        let mixture = series(20, |number, slice| mark(slice, usize::from(odd.contains(&number))));
        assert_eq!(stack(&mixture).unwrap_err().code(), "several-stacks", "{name}");
    }
}

#[test]
fn of_an_uneven_and_an_even_interleaved_stack_the_even_one_is_used() {
    // Two slices of one kernel, then one of the other.
    let series = series(24, |number, slice| {
        slice.marks.kernel = if number % 3 == 2 { "B30f" } else { "B70f" }.to_owned();
    });
    let stack = stack(&series).unwrap();
    assert_eq!(numbers(&series, &stack), [2, 5, 8, 11, 14, 17, 20, 23]);
}

#[test]
fn interleaved_stacks_of_different_spacings_are_separated() {
    let series = series(24, |number, slice| {
        slice.marks.thickness_mm = if number < 16 { "2.5" } else { "5" }.to_owned();
        let z_mm = match number {
            0..16 => 2.5 * number as f64,
            _ => 1.25 + 5.0 * (number - 16) as f64,
        };
        slice.position_mm = Ok([-10.0, -20.0, z_mm]);
    });
    let stack = stack(&series).unwrap();
    assert_eq!((stack.slices.len(), stack.geometry.spacing_mm[0]), (16, 2.5));
}

#[test]
fn kernels_of_two_acquisitions_are_four_stacks() {
    let series = series(32, |number, slice| {
        slice.marks.kernel = format!("B{}0f", 3 + number % 2);
        slice.marks.acquisition = Some(number / 2 % 2);
    });
    let stack = stack(&series).unwrap();
    assert_eq!((stack.slices.len(), stack.flags), (8, vec![Flag::OneOfStacks(4)]));
    assert_eq!(stack.geometry.spacing_mm[0], 10.0);
}

#[test]
fn a_value_missing_in_half_of_the_files_does_not_divide_a_scan() {
    let series = series(16, |number, slice| {
        slice.marks.kernel = if number < 8 { "B30f" } else { "" }.to_owned();
    });
    let stack = stack(&series).unwrap();
    assert_eq!((stack.slices.len(), stack.flags), (16, vec![Flag::MixedHeaders]));
}

#[test]
fn half_a_chest_in_other_pixels_does_not_stand_for_the_whole() {
    let spaced: fn(&mut SliceFile) = |slice| slice.pixel_spacing_mm = Ok([0.9, 0.9]);
    let turned: fn(&mut SliceFile) = |slice| {
        slice.orientation = Ok([-1.0, 0.0, 0.0, 0.0, -1.0, 0.0]);
        slice.position_mm.as_mut().unwrap()[0] += 4.0;
        slice.position_mm.as_mut().unwrap()[1] += 2.1;
    };
    let mirrored: fn(&mut SliceFile) = |slice| {
        slice.orientation = Ok([-1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        slice.position_mm.as_mut().unwrap()[0] += 4.0;
    };
    for change in [spaced, turned, mirrored] {
        for first_of_other in [8, 12] {
            let series = series(16, |number, slice| {
                if number >= first_of_other {
                    change(slice);
                }
            });
            let refusal = stack(&series).unwrap_err();
            assert_eq!(refusal.code(), "inconsistent-slices", "{refusal}");
        }
    }
    // A single slice beyond the others, or slices with other pixels at the same positions, are excluded.
    let lone = series(16, |number, slice| {
        if number == 15 {
            spaced(slice);
        }
    });
    assert_eq!(stack(&lone).unwrap().slices.len(), 15);
    let overlapping = series(24, |number, slice| {
        if number >= 16 {
            spaced(slice);
            slice.position_mm = Ok([-10.0, -20.0, -100.0 + 2.5 * (number - 12) as f64]);
        }
    });
    assert_eq!(stack(&overlapping).unwrap().slices.len(), 16);
}

#[test]
fn drifting_gaps_are_refused_and_rounded_positions_are_not() {
    let stack_at = |z_mm: &dyn Fn(f64) -> f64| {
        stack(&series(100, |number, slice| {
            slice.position_mm = Ok([-10.0, -20.0, z_mm(number as f64)]);
        }))
    };
    // 50 gaps of 3.0 mm, then 49 of 3.3 mm; gaps that grow little by little.
    let kinked = |step: f64| 3.0 * step + 0.3 * (step - 50.0).max(0.0);
    let growing = |step: f64| 3.0 * step + 0.0015 * step * step;
    for (z_mm, off_mm) in [(&kinked as &dyn Fn(f64) -> f64, 7.4), (&growing, 3.7)] {
        let refusal = stack_at(z_mm).unwrap_err();
        let SeriesRefusal::DriftingSpacing { off_mm: found, .. } = &refusal else {
            panic!("{refusal}")
        };
        assert!((found - off_mm).abs() < 0.1, "{refusal}");
        assert_eq!(refusal.code(), "uneven-spacing");
    }
    // Written with one decimal, and with the jitter of a table.
    let rounded = |step: f64| (6.25 * step).round() / 10.0;
    assert!((stack_at(&rounded).unwrap().geometry.spacing_mm[0] - 0.625).abs() < 1e-3);
    let turns = std::f64::consts::TAU * 38.0 / 99.0;
    let shaken = |step: f64| 2.5 * step + 0.2 * (step * turns).sin();
    assert_eq!(stack_at(&shaken).unwrap().slices.len(), 100);
}

#[test]
fn images_at_one_position_are_refused_with_the_position() {
    let series = series(4, |_, slice| slice.position_mm = Ok([-10.0, -20.0, -50.0]));
    let refusal = stack(&series).unwrap_err();
    assert_eq!(refusal.code(), "too-few-slices");
    let text = refusal.to_string();
    assert!(text.starts_with("4 images, all at -50.00 mm along the slice normal"), "{text}");
}
