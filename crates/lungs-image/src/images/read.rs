//! Reads an image into a volume.

use std::path::Path;

use rayon::prelude::*;

use super::{Image, ImageFile, ImageRefusal, Kind};
use crate::dicom::{
    self, FileKind, HuRule, Series, SeriesFacts, SeriesRefusal, SliceFile, StackRules,
};
use crate::formats::{self, FormatRefusal, Rounding};
use crate::volume::Volume;

/// Reads an image into one volume of Hounsfield units in canonical order: depth from feet to
/// head, height from front to back, width from the patient's right to left. `stacks` are the rules with
/// which the image was found.
///
/// # Errors
/// An [`ImageRefusal`]: no volume, or files that changed since the folder was scanned.
pub fn read_volume(
    image: &Image,
    rule: HuRule,
    stacks: StackRules,
) -> Result<(Volume, SeriesFacts), ImageRefusal> {
    let grid = image.grid.clone()?;
    let (volume, mut facts) = match &image.kind {
        Kind::Dicom => dicom::read_volume_by(&series_of(image)?, rule, stacks)?,
        Kind::File(header) => {
            // An image without a header has a reason instead of a grid.
            let header = header.as_ref().ok_or_else(|| FormatRefusal::Unreadable {
                path: image.path.clone(),
                message: "its header has not been read".to_owned(),
            })?;
            for file in &image.files {
                check_unchanged(file)
                    .map_err(|message| FormatRefusal::Unreadable { path: file.path(), message })?;
            }
            let rounding = match rule {
                HuRule::Standard => Rounding::Standard,
                HuRule::Lungs015 => Rounding::Lungs015,
                HuRule::Sybil => Rounding::Sybil,
            };
            let read = formats::read_volume(&image.path, header, rounding)?;
            let facts = SeriesFacts {
                slices: grid.slices,
                rows: grid.rows,
                columns: grid.columns,
                geometry: grid.geometry,
                hu_min: read.range_hu.0,
                hu_max: read.range_hu.1,
                flags: Vec::new(),
                excluded: Vec::new(),
                content_hash: read.content_hash,
            };
            (read.volume, facts)
        }
    };
    facts.flags.clone_from(&image.flags);
    Ok((volume, facts))
}

/// Reads the headers of a DICOM image's files again.
fn series_of(image: &Image) -> Result<Series, SeriesRefusal> {
    let read: Vec<Result<Vec<SliceFile>, SeriesRefusal>> =
        image.files.par_iter().map(|file| headers_of(file, &image.series_uid)).collect();
    let mut series = Series { series_uid: image.series_uid.clone(), slices: Vec::new() };
    for slices in read {
        series.slices.extend(slices?);
    }
    Ok(series)
}

fn headers_of(file: &ImageFile, uid: &str) -> Result<Vec<SliceFile>, SeriesRefusal> {
    let path = file.path();
    let refusal = |message: String| SeriesRefusal::Unreadable { path: path.clone(), message };
    match dicom::read_header(&path) {
        FileKind::Slices(slices) if slices.iter().all(|slice| slice.origin.series_uid == uid) => {
            match slices.iter().find(|slice| slice.bytes != file.bytes) {
                Some(other) => Err(refusal(changed_message(other.bytes, file.bytes))),
                None => Ok(slices),
            }
        }
        FileKind::Problem(reason) => Err(refusal(reason)),
        FileKind::Slices(_) | FileKind::Other => {
            let message =
                "the file has changed since the folder was scanned: it belongs to another series";
            Err(refusal(message.to_owned()))
        }
    }
}

fn check_unchanged(file: &ImageFile) -> Result<(), String> {
    let found = size(&file.path())?;
    if found == file.bytes { Ok(()) } else { Err(changed_message(found, file.bytes)) }
}

fn size(path: &Path) -> Result<u64, String> {
    std::fs::metadata(path).map(|facts| facts.len()).map_err(|error| error.to_string())
}

fn changed_message(found: u64, before: u64) -> String {
    format!("the file has changed since the folder was scanned: {found} bytes, expected {before}")
}
