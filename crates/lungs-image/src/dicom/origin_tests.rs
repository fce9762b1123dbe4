//! Patient, exam and facts of a series come from the slices of its volume.

use super::{Content, Series, SeriesRefusal, SliceFile, stack};
use lungs_testing::dicom::{TestSlice, write_series};

fn series_of(slices: &[TestSlice]) -> Series {
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), slices);
    crate::dicom::scan(folder.path()).unwrap().series.remove(0)
}

/// An even series of `count` slices; `change` modifies each slice by its number.
fn series(count: i32, change: impl Fn(i64, &mut SliceFile)) -> Series {
    let mut series = series_of(&(0..count).map(TestSlice::axial).collect::<Vec<_>>());
    for slice in &mut series.slices {
        change(slice.instance_number.unwrap(), slice);
    }
    series
}

#[test]
fn facts_are_those_of_the_slices_that_make_the_volume() {
    // The first file is a scout with another kernel, date and maker, and no patient.
    let first = |slice: &SliceFile| slice.path.to_str().unwrap().contains("image-003");
    let series = series(8, |_, slice| {
        slice.origin.kernel = "B30f".to_owned();
        slice.origin.study_date = "20200102".to_owned();
        if first(slice) {
            slice.content = Content::Localizer;
            slice.origin.kernel = "T20s".to_owned();
            slice.origin.patient_id.clear();
            slice.origin.exam_id = "1.9".to_owned();
            slice.origin.study_date = "19990101".to_owned();
            slice.origin.manufacturer = "ELSE".to_owned();
        }
    });
    // The scout has the lowest position, so that the others remain evenly spaced.
    assert!(first(&series.slices[0]) && series.slices[0].instance_number == Some(0));
    let origin = stack(&series).unwrap().origin;
    let facts = [&origin.kernel, &origin.patient_id, &origin.exam_id, &origin.study_date];
    assert_eq!(facts, ["B30f", "P1", "1.2", "20200102"]);
    assert_eq!((origin.manufacturer.as_str(), origin.series_uid.as_str()), ("", "1.2.3"));
}

#[test]
fn of_two_stacks_the_one_that_is_used_names_the_kernel() {
    let mut slices: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
    slices.iter_mut().for_each(|slice| slice.kernel = "B70f");
    slices.extend((0..8).map(|number| TestSlice {
        number: 100 + number,
        kernel: "B30f",
        spacing: [0.9, 0.9],
        ..TestSlice::axial(number)
    }));
    let stack = stack(&series_of(&slices)).unwrap();
    assert_eq!((stack.slices.len(), stack.origin.kernel.as_str()), (8, "B30f"));
}

#[test]
fn slices_of_two_patients_never_become_one_volume_and_the_reason_names_both() {
    let is_upper = |number: i64| number >= 4;
    let is_odd = |number: i64| number % 2 == 1;
    for is_other in [&is_upper as &dyn Fn(i64) -> bool, &is_odd, &|number| number == 7] {
        let series = series(8, |number, slice| {
            if is_other(number) {
                slice.origin.patient_id = "P2".to_owned();
                slice.origin.exam_id = "1.3".to_owned();
            }
        });
        let refusal = stack(&series).unwrap_err();
        assert_eq!(refusal.code(), "several-patients");
        let text = refusal.to_string();
        assert!(text.contains("\"P1\" in ") && text.contains("\"P2\" in "), "{text}");
        assert!(text.contains("image-"), "{text}");
    }
}

#[test]
fn slices_of_two_exams_of_one_patient_never_become_one_volume() {
    let series = series(8, |number, slice| {
        if number % 2 == 1 {
            slice.origin.exam_id = "1.3".to_owned();
        }
    });
    let refusal = stack(&series).unwrap_err();
    assert_eq!(refusal.code(), "several-exams");
    let text = refusal.to_string();
    assert!(text.contains("\"1.2\" in 4") && text.contains("\"1.3\" in 4"), "{text}");
}

#[test]
fn two_patients_at_the_same_positions_or_with_other_pixels_are_refused_too() {
    let mut slices: Vec<TestSlice> = (0..6).map(TestSlice::axial).collect();
    let other = |number| TestSlice {
        number: 100 + number,
        patient_id: "P2".to_owned(),
        ..TestSlice::axial(number)
    };
    slices.extend((0..6).map(other));
    assert_eq!(stack(&series_of(&slices)).unwrap_err().code(), "several-patients");
    slices[6..].iter_mut().for_each(|slice| slice.spacing = [0.9, 0.9]);
    assert_eq!(stack(&series_of(&slices)).unwrap_err().code(), "several-patients");
}

#[test]
fn many_patients_are_counted() {
    let series = series(8, |number, slice| slice.origin.patient_id = format!("P{number}"));
    let SeriesRefusal::SeveralPatients { patients } = stack(&series).unwrap_err() else { panic!() };
    assert_eq!(patients.len(), 8);
    let text = SeriesRefusal::SeveralPatients { patients }.to_string();
    assert!(text.starts_with("slices of 8 patients under one SeriesInstanceUID"), "{text}");
    assert!(text.contains(", and 4 more;"), "{text}");
}

#[test]
fn spellings_of_one_id_and_absent_ids_are_one_patient() {
    let series = series(8, |number, slice| match number {
        0 => slice.origin.patient_id = "p1".to_owned(),
        1 => slice.origin.patient_id.clear(),
        2 => slice.origin.exam_id.clear(),
        _ => {}
    });
    let stack = stack(&series).unwrap();
    assert_eq!((stack.slices.len(), stack.origin.patient_id.as_str()), (8, "P1"));
    assert_eq!(stack.origin.exam_id, "1.2");
}
