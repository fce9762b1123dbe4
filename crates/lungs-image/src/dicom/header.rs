//! One file's header: everything before the pixel data, read once.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use dicom_dictionary_std::uids;
use flate2::read::DeflateDecoder;

use super::elements::{DataSet, ElementError, Encoding};
use super::frames;
use super::meta::{self, Meta};
use super::text;
use super::{Origin, SliceFile};

/// The kind of a file, by its contents.
pub(crate) enum Kind {
    /// The slices of one file (one, or one for each frame), all of one series.
    Slices(Vec<SliceFile>),
    /// Claims to be DICOM or looks like it, and is unusable for this reason.
    Problem(String),
    /// Another kind of file.
    Other,
}

/// Bytes of the first read: enough for most headers, small compared with the pixel data.
const FIRST_READ: usize = 8 << 10;
/// No header is longer: 10,000 frames of functional groups are about 20 MiB.
const MAX_HEADER_BYTES: usize = 128 << 20;

/// MediaStorageSOPClassUID of a DICOMDIR, which lists files and is not an image.
const DICOMDIR_CLASS: &str = "1.2.840.10008.1.3.10";

/// Reads the header of one file, up to its pixel data.
pub(crate) fn read(path: &Path) -> Kind {
    match read_bytes(path) {
        Ok(kind) => kind,
        Err(error) => Kind::Problem(format!("cannot be read: {error}")),
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Kind> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Kind::Other);
    }
    let mut start = Vec::with_capacity(FIRST_READ);
    file.by_ref().take(FIRST_READ as u64).read_to_end(&mut start)?;

    let named_dicom = path.extension().is_some_and(|extension| {
        ["dcm", "dicom", "dic", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    // Without the magic word or the extension, DICOM is only a guess.
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
    let modified_ns = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let facts = frames::FileFacts { path, bytes: metadata.len(), modified_ns, meta: &meta };
    let deflated = meta.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    let kind = if deflated {
        let data_set = start.get(meta.data_set..).unwrap_or_default().chain(file);
        read_data_set(&facts, Vec::new(), 0, DeflateDecoder::new(data_set))
    } else {
        read_data_set(&facts, start, meta.data_set, file)
    };
    Ok(kind.unwrap_or_else(|reason| problem(format!("is not readable as DICOM: it {reason}"))))
}

/// Parses the data set that starts at `data_start` in `bytes`, and reads more from `rest` as needed.
fn read_data_set(
    facts: &frames::FileFacts,
    mut bytes: Vec<u8>,
    data_start: usize,
    mut rest: impl Read,
) -> Result<Kind, String> {
    let encoding = encoding_of(facts.meta);
    let mut step = FIRST_READ as u64;
    loop {
        let error = match DataSet::read(&bytes, data_start, encoding) {
            // Before the pixels, more elements may follow in the bytes that are not read yet.
            Ok(set) if set.complete => return slices(facts, &set),
            Ok(_) => None,
            Err(error @ ElementError::Malformed(_)) => return Err(error.reason()),
            Err(error) => Some(error),
        };
        if bytes.len() >= MAX_HEADER_BYTES {
            return Err(format!("has a header longer than {MAX_HEADER_BYTES} bytes"));
        }
        let count = rest
            .by_ref()
            .take(step)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot be read after {} bytes: {error}", bytes.len()))?;
        match (count, error) {
            (0, Some(error)) => return Err(error.reason()),
            (0, None) => {
                let set =
                    DataSet::read(&bytes, data_start, encoding).map_err(ElementError::reason)?;
                return slices(facts, &set);
            }
            _ => step = step.saturating_mul(4).min(16 << 20),
        }
    }
}

/// The encoding of the data set after a file meta group.
pub(super) fn encoding_of(meta: &Meta) -> Encoding {
    Encoding {
        explicit: meta.transfer_syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN,
        big_endian: meta.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN,
    }
}

/// Explicit VR Big Endian, retired but present in archives.
pub(super) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

fn slices(facts: &frames::FileFacts, set: &DataSet) -> Result<Kind, String> {
    let slices = frames::slices(facts, set).map(|mut slices| {
        let origin = origin(set);
        for slice in &mut slices {
            // Enhanced CT gives the kernel per frame.
            let kernel = if origin.kernel.is_empty() {
                slice.marks.kernel.clone()
            } else {
                origin.kernel.clone()
            };
            slice.origin = Origin { kernel, ..origin.clone() };
        }
        slices
    });
    match slices {
        Ok(slices) if slices.iter().any(|slice| slice.origin.series_uid.is_empty()) => {
            let reason = "SeriesInstanceUID (0020,000E) is absent, expected on every image";
            Ok(Kind::Problem(reason.to_owned()))
        }
        Ok(slices) => Ok(Kind::Slices(slices)),
        Err(reason) => Ok(Kind::Problem(reason)),
    }
}

fn origin(set: &DataSet) -> Origin {
    let charset = set.get(0x0008_0005).map(|value| value.text()).unwrap_or_default();
    // Free text in the declared character set; all other values are ASCII.
    let free_text = |tag| {
        let value = set.get(tag);
        value.map(|value| text::decode(value.start(), &charset)).unwrap_or_default()
    };
    let ascii = |tag| set.get(tag).map(|value| value.text()).unwrap_or_default();
    Origin {
        series_uid: ascii(0x0020_000E),
        exam_id: ascii(0x0020_000D),
        patient_id: free_text(0x0010_0020),
        modality: ascii(0x0008_0060),
        description: free_text(0x0008_103E),
        kernel: free_text(0x0018_1210),
        manufacturer: free_text(0x0008_0070),
        scanner_model: free_text(0x0008_1090),
        study_date: ascii(0x0008_0020),
        patient_age: ascii(0x0010_1010),
        patient_sex: ascii(0x0010_0040),
    }
}
