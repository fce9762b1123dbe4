//! One file's header: everything before the pixel data, read once.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::file::ReadPreamble;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions};

use super::meta::{self, Meta};
use super::{Found, Series, SliceFile, ValueHeader};

/// What a file turned out to be.
pub(crate) enum Kind {
    /// A slice, with the texts that its series has in common (and no slices yet).
    Slice(Box<(Series, SliceFile)>),
    /// Claims or looks to be DICOM, and is unusable for this reason.
    Problem(String),
    /// Plainly something else.
    Other,
}

/// The first read of every file: enough for most headers, small against the pixel data.
const FIRST_READ: usize = 8 << 10;

/// MediaStorageSOPClassUID of a DICOMDIR, which lists files and is no image.
const DICOMDIR_CLASS: &str = "1.2.840.10008.1.3.10";

/// Looks at one file, reading no further than its pixel data.
pub(crate) fn read(path: &Path) -> Kind {
    match read_bytes(path) {
        Ok(kind) => kind,
        Err(error) => Kind::Problem(format!("cannot be read: {error}")),
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Kind> {
    let mut file = File::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Ok(Kind::Other);
    }
    let mut start = Vec::with_capacity(FIRST_READ);
    file.by_ref().take(FIRST_READ as u64).read_to_end(&mut start)?;

    let named_dicom = path.extension().is_some_and(|extension| {
        ["dcm", "dicom", "dic", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    // Without the magic word or a name that says so, taking it for DICOM is only a guess.
    let claims = meta::has_magic(&start) || named_dicom;
    if !claims && !meta::looks_like_a_data_set(&start) {
        return Ok(Kind::Other);
    }
    if start.is_empty() {
        return Ok(Kind::Problem("is empty, expected a DICOM file".to_owned()));
    }
    let problem = |reason| if claims { Kind::Problem(reason) } else { Kind::Other };
    let meta = match meta::read(&start) {
        Ok(meta) if meta.storage_class == DICOMDIR_CLASS => return Ok(Kind::Other),
        Ok(meta) => meta,
        Err(reason) => return Ok(problem(reason)),
    };
    let data_set = start.get(meta.data_set..).unwrap_or_default().chain(file);
    let object = match parse(&meta, data_set, Some(tags::PIXEL_DATA)) {
        Ok(object) => object,
        Err(reason) => return Ok(problem(format!("is not readable as DICOM: {reason}"))),
    };
    if text(&object, tags::SERIES_INSTANCE_UID).is_empty() {
        let reason = "SeriesInstanceUID (0020,000E) is absent, expected on every image";
        return Ok(problem(reason.to_owned()));
    }
    let modified_ns = facts
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let slice = slice_file(&object, path, facts.len(), modified_ns, meta.transfer_syntax);
    Ok(Kind::Slice(Box::new((series_texts(&object), slice))))
}

/// Parses the data set that `meta` announces, up to the pixel data or whole.
pub(super) fn parse(
    meta: &Meta,
    data_set: impl Read,
    until: Option<Tag>,
) -> Result<FileDicomObject<InMemDicomObject>, String> {
    let options = OpenFileOptions::new().read_preamble(ReadPreamble::Never);
    let options = match until {
        Some(tag) => options.read_until(tag),
        None => options,
    };
    options.from_reader(Cursor::new(meta.clean()).chain(data_set)).map_err(|error| chain(&error))
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

fn series_texts(object: &InMemDicomObject) -> Series {
    Series {
        series_uid: text(object, tags::SERIES_INSTANCE_UID),
        study_uid: text(object, tags::STUDY_INSTANCE_UID),
        patient_id: text(object, tags::PATIENT_ID),
        modality: text(object, tags::MODALITY),
        description: text(object, tags::SERIES_DESCRIPTION),
        kernel: text(object, tags::CONVOLUTION_KERNEL),
        manufacturer: text(object, tags::MANUFACTURER),
        study_date: text(object, tags::STUDY_DATE),
        slices: Vec::new(),
    }
}

fn slice_file(
    object: &InMemDicomObject,
    path: &Path,
    bytes: u64,
    modified_ns: u128,
    transfer_syntax: String,
) -> SliceFile {
    let frames = integer(object, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    SliceFile {
        path: path.to_owned(),
        bytes,
        modified_ns,
        instance_uid: text(object, tags::SOP_INSTANCE_UID),
        instance_number: integer(object, tags::INSTANCE_NUMBER).ok(),
        localizer: text(object, tags::IMAGE_TYPE)
            .split('\\')
            .any(|part| part.trim() == "LOCALIZER"),
        frames: u32::try_from(frames).unwrap_or(1),
        rows: count(object, tags::ROWS),
        columns: count(object, tags::COLUMNS),
        position_mm: numbers(object, tags::IMAGE_POSITION_PATIENT),
        orientation: numbers(object, tags::IMAGE_ORIENTATION_PATIENT),
        pixel_spacing_mm: numbers(object, tags::PIXEL_SPACING),
        values: ValueHeader {
            slope: numbers(object, tags::RESCALE_SLOPE).map(|[slope]| slope),
            intercept: numbers(object, tags::RESCALE_INTERCEPT).map(|[intercept]| intercept),
            rescale_type: text(object, tags::RESCALE_TYPE),
            bits_allocated: count(object, tags::BITS_ALLOCATED),
            signed: integer(object, tags::PIXEL_REPRESENTATION) == Ok(1),
            samples: count(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1),
            padding: stored_bits(object, tags::PIXEL_PADDING_VALUE),
            padding_limit: stored_bits(object, tags::PIXEL_PADDING_RANGE_LIMIT),
        },
        transfer_syntax,
    }
}

/// A text value without padding, empty when absent.
fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object
        .get(tag)
        .and_then(|element| element.to_str().ok())
        .map(|text| text.trim_matches([' ', '\0']).to_owned())
        .unwrap_or_default()
}

/// Exactly `N` finite numbers, or what stands there.
fn numbers<const N: usize>(object: &InMemDicomObject, tag: Tag) -> Found<[f64; N]> {
    let element = object.get(tag).ok_or_else(absent)?;
    let values = element.to_multi_float64().unwrap_or_default();
    <[f64; N]>::try_from(values)
        .ok()
        .filter(|values| values.iter().all(|value| value.is_finite()))
        .ok_or_else(|| shown(object, tag))
}

fn integer(object: &InMemDicomObject, tag: Tag) -> Found<i64> {
    let element = object.get(tag).ok_or_else(absent)?;
    element.to_int::<i64>().map_err(|_| shown(object, tag))
}

fn count(object: &InMemDicomObject, tag: Tag) -> Found<u32> {
    u32::try_from(integer(object, tag)?).map_err(|_| shown(object, tag))
}

/// A 16-bit value whose sign depends on PixelRepresentation (US or SS), as its bits: 63536 and
/// −2000 are the same padding.
fn stored_bits(object: &InMemDicomObject, tag: Tag) -> Option<u16> {
    let value = integer(object, tag).ok()?;
    u16::try_from(value).ok().or_else(|| i16::try_from(value).ok().map(i16::cast_unsigned))
}

fn absent() -> String {
    "absent".to_owned()
}

fn shown(object: &InMemDicomObject, tag: Tag) -> String {
    match text(object, tag) {
        text if text.is_empty() => "empty".to_owned(),
        text => format!("{:?}", text.chars().take(80).collect::<String>()),
    }
}
