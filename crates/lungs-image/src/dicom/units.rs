//! Checks that values are Hounsfield units.

use super::{Series, SeriesRefusal, SliceFile, Stack, ValueHeader};

/// The unit of values by their header, which may be attenuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Hounsfield units, stated or by the default of the standard for CT.
    Hounsfield,
    /// A word that is not in the standard: the range of values decides.
    Unknown,
}

/// Reads the unit from RescaleType, RealWorldValueMapping and ImageType.
///
/// # Errors
/// [`SeriesRefusal::NotHounsfield`] if the header names another quantity.
pub(super) fn unit_of(slice: &SliceFile) -> Result<Unit, SeriesRefusal> {
    let refusal = |tag, found: &str, expected| SeriesRefusal::NotHounsfield {
        path: slice.path.clone(),
        tag,
        found: found.to_owned(),
        expected,
    };
    let ValueHeader { rescale_type, units, .. } = &slice.values;
    if is_one_of(rescale_type, &OTHER_QUANTITIES) {
        return Err(refusal(RESCALE_TYPE, rescale_type, "\"HU\""));
    }
    if !(units.is_empty() || units.eq_ignore_ascii_case("[hnsf'U]") || is_hounsfield(units)) {
        let tag = "the unit in RealWorldValueMappingSequence (0040,9096)";
        return Err(refusal(tag, units, "\"[hnsf'U]\""));
    }
    let image_type = &slice.marks.image_type;
    if image_type.split('\\').any(|part| is_one_of(part, &MAPS)) {
        return Err(refusal("ImageType (0008,0008)", image_type, "an image of attenuation"));
    }
    // US means "unspecified" in the standard, the same as an empty value.
    let is_known = rescale_type.is_empty() || rescale_type == "US" || is_hounsfield(rescale_type);
    Ok(if is_known { Unit::Hounsfield } else { Unit::Unknown })
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Whether a text names Hounsfield units, including common misspellings.
fn is_hounsfield(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    ["hu", "hounsfield", "houndsfield"].iter().any(|prefix| text.starts_with(prefix))
}

/// Checks that values without a known unit range from air to tissue.
pub(super) fn check_range(
    series: &Series,
    stack: &Stack,
    least: i16,
    most: i16,
) -> Result<(), SeriesRefusal> {
    if least <= AIR_BELOW_HU && most >= TISSUE_ABOVE_HU {
        return Ok(());
    }
    for &index in &stack.slices {
        let slice = &series.slices[index];
        if unit_of(slice)? == Unit::Unknown {
            return Err(SeriesRefusal::NotHounsfieldRange {
                path: slice.path.clone(),
                found: slice.values.rescale_type.clone(),
                least,
                most,
                air_hu: AIR_BELOW_HU,
                tissue_hu: TISSUE_ABOVE_HU,
            });
        }
    }
    Ok(())
}

/// At least one value must be below this (air) …
const AIR_BELOW_HU: i16 = -200;
/// … and one above this (tissue).
const TISSUE_ABOVE_HU: i16 = -100;

const RESCALE_TYPE: &str = "RescaleType (0028,1054)";

/// Values of RescaleType for other quantities (PS3.3, C.11.1.1.2): optical density, density of a
/// material, atomic number, densities of electrons, percent.
const OTHER_QUANTITIES: [&str; 6] = ["OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"];

/// Words of ImageType for maps of blood flow and other derived quantities (PS3.3, C.8.16.1.3 and
/// C.8.15.3).
const MAPS: [&str; 12] = [
    "PERFUSION",
    "RCBF",
    "RCBV",
    "CBF",
    "CBV",
    "MTT",
    "TTP",
    "TMAX",
    "MATERIAL_FRACTION",
    "EFF_ATOMIC_NUM",
    "ELECTRON_DENSITY",
    "PERMEABILITY",
];
