//! Header values that distinguish the stacks of one series.

use std::collections::BTreeMap;

use super::{Marks, Series, SliceFile};

/// More stacks than this under one UID indicate a damaged series.
pub(super) const MAX_STACKS: usize = 64;
/// A value shared by fewer slices than this, on average, numbers slices and does not distinguish
/// stacks.
const FEWEST_SLICES: usize = 3;
/// Thicknesses that differ by at most this share are equal but for rounding …
const SAME_THICKNESS: f64 = 0.1;
/// … plus this.
const SAME_THICKNESS_MM: f64 = 0.05;

/// One value of the header.
pub(super) struct Mark {
    /// Its name in messages; empty for the combination of all values.
    pub name: &'static str,
    /// Whether a stack may have several values.
    pub kind: MarkKind,
    read: fn(&SliceFile) -> String,
}

/// The behaviour of a mark within one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkKind {
    /// A stack has one value: slices with several values belong to several stacks.
    Constant,
    /// A scanner may increment it within one stack, block by block: it separates only interleaved
    /// stacks.
    Counter,
}

/// The marks, the most reliable first.
pub(super) const MARKS: [Mark; 11] = [
    constant("temporal position", |slice| slice.marks.temporal.clone()),
    constant("ConvolutionKernel (0018,1210)", |slice| slice.marks.kernel.clone()),
    constant("KVP (0018,0060)", |slice| number(&slice.marks.kilovolts)),
    constant("ImageType (0008,0008)", |slice| slice.marks.image_type.clone()),
    constant(THICKNESS, |slice| number(&slice.marks.thickness_mm)),
    counter("AcquisitionNumber (0020,0012)", |slice| {
        slice.marks.acquisition.map_or_else(String::new, |number| number.to_string())
    }),
    counter("time of acquisition", |slice| slice.marks.acquired.clone()),
    counter("StackID (0020,9056)", |slice| slice.marks.stack.clone()),
    counter("SeriesDescription (0008,103E)", |slice| slice.origin.description.clone()),
    counter("FrameOfReferenceUID (0020,0052)", |slice| slice.marks.frame_of_reference.clone()),
    counter("", |slice| {
        let Marks { temporal, kernel, kilovolts, thickness_mm, image_type, .. } = &slice.marks;
        let acquisition = slice.marks.acquisition.map(|number| number.to_string());
        [
            ("temporal position", temporal.clone()),
            ("ConvolutionKernel (0018,1210)", kernel.clone()),
            ("KVP (0018,0060)", number(kilovolts)),
            ("ImageType (0008,0008)", image_type.clone()),
            (THICKNESS, number(thickness_mm)),
            ("AcquisitionNumber (0020,0012)", acquisition.unwrap_or_default()),
            ("StackID (0020,9056)", slice.marks.stack.clone()),
        ]
        .map(|(name, value)| format!("{name} {value:?}"))
        .join(", ")
    }),
];

const THICKNESS: &str = "SliceThickness (0018,0050)";

const fn constant(name: &'static str, read: fn(&SliceFile) -> String) -> Mark {
    Mark { name, kind: MarkKind::Constant, read }
}

const fn counter(name: &'static str, read: fn(&SliceFile) -> String) -> Mark {
    Mark { name, kind: MarkKind::Counter, read }
}

/// Slices with one value of a mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The value; empty where the header does not have it.
    pub value: String,
    /// Indices into the series' slices.
    pub slices: Vec<usize>,
}

impl Mark {
    /// Groups the slices by value, in the order of the values; `None` if the mark does not
    /// distinguish stacks, because all slices have one value, or nearly each has a different one.
    pub(super) fn groups(&self, series: &Series, slices: &[usize]) -> Option<Vec<Group>> {
        let mut values: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &index in slices {
            let value = (self.read)(&series.slices[index]);
            // Case and spaces vary between writers, not between scans.
            values.entry(value.trim().to_ascii_uppercase()).or_default().push(index);
        }
        let first = |slices: &[usize]| {
            let value = slices.first().map(|&index| (self.read)(&series.slices[index]));
            value.unwrap_or_default().trim().to_owned()
        };
        let mut groups: Vec<Group> =
            values.into_values().map(|slices| Group { value: first(&slices), slices }).collect();
        if self.name == THICKNESS {
            groups = merge_thicknesses(groups);
        }
        let several = (2..=MAX_STACKS).contains(&groups.len());
        (several && slices.len() >= FEWEST_SLICES * groups.len()).then_some(groups)
    }

    /// The mark with this value, for messages.
    pub(super) fn label(&self, value: &str) -> String {
        match (self.name, value) {
            ("", _) => value.to_owned(),
            (name, "") => format!("no {name}"),
            (name, _) => format!("{name} {value:?}"),
        }
    }
}

/// Merges groups of thicknesses that are equal but for rounding.
fn merge_thicknesses(groups: Vec<Group>) -> Vec<Group> {
    let thickness = |group: &Group| group.value.parse::<f64>().ok();
    let mut groups = groups;
    groups.sort_by(|a, b| {
        let [a, b] = [a, b].map(|group| thickness(group).unwrap_or(-1.0));
        a.total_cmp(&b)
    });
    let mut merged: Vec<Group> = Vec::new();
    for group in groups {
        let same = merged.last().and_then(thickness).zip(thickness(&group));
        let same = same.is_some_and(|(first_mm, mm)| {
            mm - first_mm <= SAME_THICKNESS * first_mm + SAME_THICKNESS_MM
        });
        match merged.last_mut().filter(|_| same) {
            Some(last) => last.slices.extend(group.slices),
            None => merged.push(group),
        }
    }
    merged
}

/// Normalises a number: `2.50` becomes `2.5`. Other text is unchanged.
fn number(text: &str) -> String {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string(),
        _ => text.to_owned(),
    }
}

/// Whether no header value assigns two slices at one position to different stacks.
pub(super) fn same_stack(a: &SliceFile, b: &SliceFile) -> bool {
    let same = |mark: &Mark| {
        let [a, b] = [a, b].map(|slice| (mark.read)(slice).trim().to_ascii_uppercase());
        // A copy transferred by another route may have lost the value.
        a == b || (mark.kind == MarkKind::Counter && (a.is_empty() || b.is_empty()))
    };
    let description = "SeriesDescription (0008,103E)";
    let frame = "FrameOfReferenceUID (0020,0052)";
    MARKS.iter().filter(|mark| !["", description, frame].contains(&mark.name)).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_testing::dicom::{TestSlice, write_series};

    fn of_thicknesses(values: &[&str]) -> Series {
        let folder = tempfile::tempdir().unwrap();
        let count = values.len() as i32;
        write_series(folder.path(), &(0..count).map(TestSlice::axial).collect::<Vec<_>>());
        let mut series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
        for (slice, value) in series.slices.iter_mut().zip(values) {
            slice.marks.thickness_mm = (*value).to_owned();
        }
        series
    }

    fn thicknesses(values: &[&str]) -> Option<Vec<String>> {
        let series = of_thicknesses(values);
        let all: Vec<usize> = (0..values.len()).collect();
        let mark = MARKS.iter().find(|mark| mark.name == THICKNESS).unwrap();
        let groups = mark.groups(&series, &all)?;
        Some(groups.into_iter().map(|group| group.value).collect())
    }

    #[test]
    fn spellings_and_rounding_of_a_thickness_are_equal_and_other_thicknesses_are_not() {
        assert_eq!(thicknesses(&["2.5", "2.50", "2.500000", "2.5", "2.4999", "2.5"]), None);
        assert_eq!(thicknesses(&["0.6", "0.7", "0.6", "0.7", "0.6", "0.6"]), None);
        let separated = |a: &str, b: &str| thicknesses(&[a, b, a, b, a, b]).unwrap();
        assert_eq!(separated("1", "1.25"), ["1", "1.25"]);
        assert_eq!(separated("3", "2.5"), ["2.5", "3"]);
        assert_eq!(separated("", "2.5"), ["", "2.5"]);
    }

    #[test]
    fn a_value_that_numbers_slices_does_not_separate_stacks() {
        assert_eq!(thicknesses(&["1", "2", "3", "4", "5", "6"]), None);
        assert_eq!(thicknesses(&["1", "1", "2", "2", "3", "3"]), None);
        assert_eq!(thicknesses(&["1", "1", "1", "2", "2", "2"]).unwrap().len(), 2);
    }
}
