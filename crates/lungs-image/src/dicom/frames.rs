//! From a header to its slices: one, or one for each frame of a multi-frame file.
//!
//! In Enhanced CT, values that differ between frames are in PerFrameFunctionalGroups (5200,9230),
//! shared values in SharedFunctionalGroups (5200,9229), and all others at the top level as in
//! single-frame files. Values are looked up in that order.

use std::path::Path;

use super::elements::{DataSet, ElementError, Kind, TagNumber, Value};
use super::meta::Meta;
use super::{Content, Exposure, HeaderValue, Marks, Origin, PixelLocation, SliceFile, ValueHeader};

/// Facts of a file that are known before its data set is parsed.
pub(super) struct FileFacts<'a> {
    pub path: &'a Path,
    pub bytes: u64,
    pub modified_ns: u128,
    pub meta: &'a Meta,
}

const SHARED_GROUPS: TagNumber = 0x5200_9229;
const PER_FRAME_GROUPS: TagNumber = 0x5200_9230;
/// More frames than this indicate a damaged header.
const MAX_FRAMES: i64 = 1 << 20;
const NUMBER_OF_FRAMES: TagNumber = 0x0028_0008;
/// CTImageFrameTypeSequence.
const FRAME_TYPE: TagNumber = 0x0018_9329;

/// The slices that a header describes, in the order of the frames.
///
/// # Errors
/// A multi-frame header that contradicts itself, as a sentence.
pub(super) fn slices(file: &FileFacts, set: &DataSet) -> Result<Vec<SliceFile>, String> {
    let items = |tag| -> Result<Vec<DataSet>, String> {
        let value = set.get(tag).map(|value| value.items());
        value.transpose().map(Option::unwrap_or_default).map_err(ElementError::reason)
    };
    let (shared, per_frame) = (items(SHARED_GROUPS)?, items(PER_FRAME_GROUPS)?);
    let frames = match set.get(NUMBER_OF_FRAMES).map(|value| value.integer(Kind::Text)) {
        // Some writers give 0, or no value, for a single image.
        None | Some(Ok(0)) => 1,
        Some(Ok(frames @ 1..=MAX_FRAMES)) => frames as u32,
        Some(Ok(frames)) => {
            return Err(format!(
                "NumberOfFrames (0028,0008) is {frames}, expected 1 to {MAX_FRAMES}"
            ));
        }
        Some(Err(_)) => 1,
    };
    if !per_frame.is_empty() && per_frame.len() != frames as usize {
        return Err(format!(
            "NumberOfFrames (0028,0008) is {frames}, expected {}, the number of items in \
             PerFrameFunctionalGroupsSequence (5200,9230)",
            per_frame.len()
        ));
    }
    let slice = |frame: u32, frame_group: Option<&DataSet>| {
        slice_file(&Groups { set, shared: shared.first(), own: frame_group }, file, frame, frames)
    };
    if per_frame.is_empty() {
        let mut slice = slice(0, None);
        if frames > 1 {
            slice.position_mm = Err(format!("absent for each of the {frames} frames"));
        }
        return Ok(vec![slice]);
    }
    Ok((0..).zip(&per_frame).map(|(frame, frame_group)| slice(frame, Some(frame_group))).collect())
}

/// The data sets in which values of one frame are looked up.
struct Groups<'a, 'b> {
    set: &'b DataSet<'a>,
    shared: Option<&'b DataSet<'a>>,
    own: Option<&'b DataSet<'a>>,
}

impl<'a> Groups<'a, '_> {
    /// The value of `tag` in the functional group `group`, else at the top.
    fn find(&self, group: TagNumber, tag: TagNumber) -> Option<Value<'a>> {
        let from_group = |set: &DataSet<'a>| set.get(group)?.first_item()?.get(tag);
        let grouped = self.own.and_then(from_group).or_else(|| self.shared.and_then(from_group));
        grouped.or_else(|| self.set.get(tag))
    }

    fn text(&self, group: TagNumber, tag: TagNumber) -> String {
        self.find(group, tag).map(|value| value.text()).unwrap_or_default()
    }

    fn numbers<const N: usize>(&self, group: TagNumber, tag: TagNumber) -> HeaderValue<[f64; N]> {
        self.find(group, tag).ok_or_else(absent)?.numbers(Kind::Text)
    }

    fn integer(&self, group: TagNumber, tag: TagNumber) -> Option<i64> {
        self.find(group, tag)?.integer(Kind::Text).ok()
    }
}

fn slice_file(groups: &Groups, file: &FileFacts, frame: u32, frames: u32) -> SliceFile {
    let top = groups.set;
    let plain = |tag| top.get(tag).map(|value| value.text()).unwrap_or_default();
    let image_type = groups.text(FRAME_TYPE, 0x0008_9007);
    let image_type = if image_type.is_empty() { plain(0x0008_0008) } else { image_type };
    // VolumeBasedCalculationTechnique, of enhanced images.
    let technique = groups.text(FRAME_TYPE, 0x0008_9207);
    let class = plain(0x0008_0016);
    let modality = plain(0x0008_0060);
    SliceFile {
        path: file.path.to_owned(),
        bytes: file.bytes,
        modified_ns: file.modified_ns,
        // The caller sets it, once for all frames.
        origin: Origin::default(),
        instance_uid: plain(0x0008_0018),
        instance_number: groups.integer(0x0020_9171, 0x0020_0013),
        content: content(top, &modality, &class, &[&image_type, &technique]),
        frames,
        frame,
        rows: count(top, 0x0028_0010),
        columns: count(top, 0x0028_0011),
        position_mm: groups.numbers(0x0020_9113, 0x0020_0032),
        orientation: groups.numbers(0x0020_9116, 0x0020_0037),
        pixel_spacing_mm: groups.numbers(0x0028_9110, 0x0028_0030),
        marks: Marks {
            temporal: [
                groups.find(0x0020_9111, 0x0020_9128).map(|index| number_text(&index)),
                groups.find(0, 0x0020_0100).map(|identifier| identifier.text()),
                groups.find(0x0018_9118, 0x0020_9241).map(|phase| number_text(&phase)),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
            kernel: groups.text(0x0018_9314, 0x0018_1210),
            kilovolts: groups.text(0x0018_9325, 0x0018_0060),
            thickness_mm: groups.text(0x0028_9110, 0x0018_0050),
            acquisition: groups
                .find(0x0020_9111, 0x0020_9156)
                .and_then(|value| value.integer(Kind::Short).ok())
                .or_else(|| top.get(0x0020_0012)?.integer(Kind::Text).ok()),
            acquired: acquired(groups),
            stack: groups.text(0x0020_9111, 0x0020_9056),
            frame_of_reference: plain(0x0020_0052),
            image_type,
        },
        exposure: exposure(groups),
        values: value_header(groups),
        pixels: top.pixels.map_or_else(
            || Err(absent()),
            |element| {
                Ok(PixelLocation {
                    offset: element.start as u64,
                    length: element.length.map(u64::from),
                })
            },
        ),
        transfer_syntax: file.meta.transfer_syntax.clone(),
    }
}

/// Current, exposure and dose of the slice.
fn exposure(groups: &Groups) -> Exposure {
    /// CTExposureSequence.
    const EXPOSURE: TagNumber = 0x0018_9321;
    let number = |tag| {
        let [value] = groups.find(EXPOSURE, tag)?.numbers::<1>(Kind::Text).ok()?;
        Some(value as f32)
    };
    let micro = || Some(number(0x0018_1153)? / 1000.0);
    Exposure {
        tube_current_ma: number(0x0018_9330).or_else(|| number(0x0018_1151)),
        exposure_mas: number(0x0018_9332).or_else(|| number(0x0018_1152)).or_else(micro),
        ctdi_vol_mgy: number(0x0018_9345),
    }
}

/// Date and time of the acquisition, with the delay after a heartbeat; empty parts are omitted.
fn acquired(groups: &Groups) -> String {
    let date_time = [groups.text(0x0020_9111, 0x0018_9074), groups.text(0, 0x0008_002A)];
    let date_and_time = || [groups.text(0, 0x0008_0022), groups.text(0, 0x0008_0032)].join(" ");
    let moment = date_time.into_iter().find(|text| !text.is_empty()).unwrap_or_else(date_and_time);
    let trigger = groups.text(0, 0x0018_1060);
    [moment.trim(), trigger.as_str()].join(" ").trim().to_owned()
}

fn value_header(groups: &Groups) -> ValueHeader {
    let top = groups.set;
    const TRANSFORM: TagNumber = 0x0028_9145;
    ValueHeader {
        slope: groups.numbers(TRANSFORM, 0x0028_1053).map(|[slope]| slope),
        intercept: groups.numbers(TRANSFORM, 0x0028_1052).map(|[intercept]| intercept),
        rescale_type: groups.text(TRANSFORM, 0x0028_1054),
        units: real_world_units(groups),
        bits_allocated: count(top, 0x0028_0100),
        bits_stored: count(top, 0x0028_0101),
        high_bit: count(top, 0x0028_0102),
        signed: top.get(0x0028_0103).is_some_and(|value| value.integer(Kind::Short) == Ok(1)),
        padding: stored_bits(top, 0x0028_0120),
        padding_limit: stored_bits(top, 0x0028_0121),
    }
}

/// Code of the units that RealWorldValueMapping (0040,9096) gives, empty when absent.
fn real_world_units(groups: &Groups) -> String {
    const UNITS: TagNumber = 0x0040_08EA;
    let code = groups.find(0x0040_9096, UNITS).and_then(|units| units.first_item());
    code.and_then(|code| Some(code.get(0x0008_0100)?.text())).unwrap_or_default()
}

/// The content of the image, from the parts of ImageType and other words for how it was made.
fn content(set: &DataSet, modality: &str, class: &str, words: &[&str]) -> Content {
    /// Secondary Capture Image Storage and its multi-frame variants.
    const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
    if modality != "CT" {
        return Content::OtherModality(modality.to_owned());
    }
    let parts: Vec<&str> = words.iter().flat_map(|text| text.split('\\')).map(str::trim).collect();
    let contains = |known: &[&str]| {
        parts.iter().any(|part| known.iter().any(|word| part.eq_ignore_ascii_case(word)))
    };
    let samples = set.get(0x0028_0002).and_then(|value| value.integer(Kind::Short).ok());
    let photometric = set.get(0x0028_0004).map(|value| value.text()).unwrap_or_default();
    if contains(&["LOCALIZER", "SCOUT", "TOPOGRAM"]) {
        Content::Localizer
    } else if contains(&["DOSE", "DOSE_INFO", "DOSE_REPORT", "DOSE INFO", "DOSE REPORT"]) {
        Content::DosePage
    } else if contains(&["SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "SCREEN SHOT", "SCREENSHOT"]) {
        Content::ScreenSave
    } else if parts.iter().any(|part| is_projection(part)) {
        Content::Projection
    } else if class.starts_with(SECONDARY_CAPTURE) {
        Content::SecondaryCapture
    } else if samples.unwrap_or(1) != 1
        || !(photometric.is_empty() || photometric.starts_with("MONOCHROME"))
    {
        Content::Colour
    } else {
        Content::Slice
    }
}

/// Whether a part of ImageType marks a projection through many slices, as the only word (`MIP`) or
/// among others (`CT_SOM5 MIP`, `MIP_THIN`).
fn is_projection(part: &str) -> bool {
    const PHRASES: [&str; 6] =
        ["PROJECTION IMAGE", "PROJECTION", "MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER"];
    const WORDS: [&str; 4] = ["MIP", "MINIP", "MAXIP", "VRT"];
    let part = part.to_ascii_uppercase();
    let mut words = part.split(|letter: char| !letter.is_ascii_alphanumeric());
    PHRASES.iter().any(|phrase| part.replace('_', " ") == phrase.replace('_', " "))
        || words.any(|word| WORDS.contains(&word))
}

fn count(set: &DataSet, tag: TagNumber) -> HeaderValue<u32> {
    let number = set.get(tag).ok_or_else(absent)?.integer(Kind::Short)?;
    u32::try_from(number).map_err(|_| number.to_string())
}

/// A 16-bit value whose sign depends on PixelRepresentation (US or SS), as its bits: 63536 and
/// −2000 are the same padding.
fn stored_bits(set: &DataSet, tag: TagNumber) -> Option<u16> {
    let value = set.get(tag)?.integer(Kind::Short).ok()?;
    u16::try_from(value).ok().or_else(|| i16::try_from(value).ok().map(i16::cast_unsigned))
}

/// A binary number as text.
fn number_text(value: &Value) -> String {
    value.numbers::<1>(Kind::Short).map_or_else(|text| text, |[number]| number.to_string())
}

fn absent() -> String {
    "absent".to_owned()
}
