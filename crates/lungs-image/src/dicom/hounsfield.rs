//! Converts stored bits to Hounsfield units.
//!
//! Stored values have at most 16 bits, so the conversion (sign, padding, rescale, rounding, floor,
//! clamp) is one table of 65,536 entries, computed once per series and looked up once per voxel.

use super::decode::Stored;
use super::{SeriesRefusal, SliceFile};
use crate::volume::sybil_levels::same_level_hu;

/// Attenuation of air, the floor of [`HuRule::Standard`].
const AIR_HU: i16 = -1024;

/// Conversion of stored values to Hounsfield units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HuRule {
    /// `slope · stored + intercept` in f32, rounded; padding pixels and everything below −1024
    /// become −1024 (air); clamped to 16 bits. Only BitsStored bits of each sample are used: older
    /// files store overlays in the others.
    Standard,
    /// The arithmetic of the Python package `lungs` 0.1.5: stored −2000 becomes 0, then the
    /// product with the slope is cut to int16 and the intercept added in int16; no floor.
    #[serde(rename = "lungs-0.1.5")]
    Lungs015,
    /// The arithmetic of Sybil: `slope · stored + intercept` in f64, without padding or floor, as the nearest whole
    /// number with the same one of Sybil's grey levels.
    Sybil,
}

/// All values that determine the meaning of a stored value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TableKey {
    slope: f64,
    intercept: f64,
    /// BitsAllocated: 8 or 16.
    allocated: u32,
    /// BitsStored.
    stored: u32,
    /// Unused bits below the stored ones.
    below: u32,
    signed: bool,
    padding: Option<(u16, u16)>,
    rule: HuRule,
}

/// Largest accepted RescaleSlope, and a thousandth of the largest accepted RescaleIntercept.
const MAX_SLOPE: f64 = 1e4;

impl TableKey {
    /// # Errors
    /// [`SeriesRefusal::BadTag`] for values that cannot give Hounsfield units.
    pub(super) fn of(slice: &SliceFile, rule: HuRule) -> Result<Self, SeriesRefusal> {
        let values = &slice.values;
        let bad = |tag, found: String, expected: &str| SeriesRefusal::BadTag {
            path: slice.path.clone(),
            tag,
            found,
            expected: expected.to_owned(),
        };
        let tag = "BitsAllocated (0028,0100)";
        let expected = "8 or 16";
        let allocated = values.bits_allocated.clone().map_err(|found| bad(tag, found, expected))?;
        if ![8, 16].contains(&allocated) {
            return Err(bad(tag, allocated.to_string(), expected));
        }
        let (tag, expected) = ("BitsStored (0028,0101)", format!("1 to {allocated}"));
        let stored = values.bits_stored.clone().map_err(|found| bad(tag, found, &expected))?;
        if !(1..=allocated).contains(&stored) {
            return Err(bad(tag, stored.to_string(), &expected));
        }
        // Absent in a few files; the usual value is assumed.
        let high = values.high_bit.clone().unwrap_or(stored - 1);
        if !(stored - 1..allocated).contains(&high) {
            let expected = format!("{} to {}", stored - 1, allocated - 1);
            return Err(bad("HighBit (0028,0102)", high.to_string(), &expected));
        }
        let (tag, expected) = ("RescaleSlope (0028,1053)", "a number");
        let slope = values.slope.clone().map_err(|found| bad(tag, found, expected))?;
        if slope == 0.0 || slope.abs() > MAX_SLOPE {
            let expected = "a number other than 0, at most 10000";
            return Err(bad(tag, slope.to_string(), expected));
        }
        let (tag, expected) = ("RescaleIntercept (0028,1052)", "a number");
        let intercept = values.intercept.clone().map_err(|found| bad(tag, found, expected))?;
        if intercept.abs() > 1000.0 * MAX_SLOPE {
            return Err(bad(tag, intercept.to_string(), "a number, at most 10000000"));
        }
        Ok(Self {
            slope,
            intercept,
            allocated,
            stored,
            below: high + 1 - stored,
            signed: values.signed,
            padding: values
                .padding
                .map(|padding| (padding, values.padding_limit.unwrap_or(padding))),
            rule,
        })
    }

    /// BitsAllocated.
    pub(crate) fn bits_allocated(&self) -> u32 {
        self.allocated
    }

    /// The number of a bit pattern: its stored bits, with their sign.
    fn number(&self, bits: u16) -> i32 {
        sign_extend(u32::from(bits) >> self.below, self.stored, self.signed)
    }
}

/// The low `width` bits, in two's complement when `signed`.
fn sign_extend(bits: u32, width: u32, signed: bool) -> i32 {
    let unused = 32 - width;
    let top = bits << unused;
    if signed { top.cast_signed() >> unused } else { (top >> unused).cast_signed() }
}

/// Hounsfield units of each of the 65,536 stored bit patterns (the first 256 for 8 bits).
pub(super) fn hu_table(key: &TableKey) -> Vec<i16> {
    match key.rule {
        HuRule::Standard => standard_table(key),
        HuRule::Lungs015 => (0..=u16::MAX).map(|bits| lungs_015(key, bits)).collect(),
        HuRule::Sybil => (0..=u16::MAX).map(|bits| sybil(key, bits)).collect(),
    }
}

fn standard_table(key: &TableKey) -> Vec<i16> {
    let (slope, intercept) = (key.slope as f32, key.intercept as f32);
    // Padding may lie outside the range of BitsStored (−2000 with 12 unsigned bits), so it is compared
    // with the allocated bits too.
    let allocated = |bits| sign_extend(u32::from(bits), key.allocated, key.signed);
    let padding_range = key.padding.map(|(a, b)| {
        let (a, b) = (allocated(a), allocated(b));
        a.min(b)..=a.max(b)
    });
    (0..=u16::MAX)
        .map(|bits| {
            let stored = key.number(bits);
            if let Some(padding) = &padding_range
                && (padding.contains(&allocated(bits)) || padding.contains(&stored))
            {
                return AIR_HU;
            }
            // `as` saturates, so the clamp to 16 bits is part of the conversion.
            ((slope * stored as f32 + intercept).round() as i16).max(AIR_HU)
        })
        .collect()
}

/// The original's arithmetic: `int16(slope · int16(stored)) + int16(intercept)`, wrapping as
/// NumPy's does, with −2000 set to 0 first.
fn lungs_015(key: &TableKey, bits: u16) -> i16 {
    let stored = match sign_extend(u32::from(bits), key.allocated, key.signed) as i16 {
        -2000 => 0,
        stored => stored,
    };
    let sloped =
        if key.slope == 1.0 { stored } else { (key.slope * f64::from(stored)) as i64 as i16 };
    sloped.wrapping_add(key.intercept as i64 as i16)
}

/// Sybil's arithmetic: every allocated bit counts, as in pydicom.
fn sybil(key: &TableKey, bits: u16) -> i16 {
    let stored = sign_extend(u32::from(bits), key.allocated, key.signed);
    same_level_hu(f64::from(stored) * key.slope + key.intercept)
}

/// Converts stored samples with the table, as many as `out` holds.
pub(super) fn look_up(stored: &Stored, table: &[i16], out: &mut [i16]) {
    // A fixed length lets the compiler omit bounds checks of 16-bit indices.
    let Ok(table) = <&[i16; 1 << 16]>::try_from(table) else { return };
    match stored {
        Stored::Bytes(bytes) => {
            for (out, &byte) in out.iter_mut().zip(*bytes) {
                *out = table[usize::from(byte)];
            }
        }
        Stored::Pairs(bytes) => {
            for (out, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *out = table[usize::from(u16::from_le_bytes([pair[0], pair[1]]))];
            }
        }
        Stored::SwappedPairs(bytes) => {
            for (out, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *out = table[usize::from(u16::from_be_bytes([pair[0], pair[1]]))];
            }
        }
        Stored::Words(words) => {
            for (out, &word) in out.iter_mut().zip(words) {
                *out = table[usize::from(word)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rule: HuRule) -> TableKey {
        TableKey {
            slope: 1.0,
            intercept: 0.0,
            allocated: 16,
            stored: 16,
            below: 0,
            signed: true,
            padding: None,
            rule,
        }
    }

    #[test]
    fn padding_is_air_however_its_sign_is_written() {
        // 63536 on signed pixels is −2000.
        let key = TableKey { padding: Some((63_536, 63_536)), ..key(HuRule::Standard) };
        let table = hu_table(&key);
        assert_eq!(table[63_536], -1024);
        assert_eq!(table[40], 40);
        let range = TableKey { padding: Some((10, 20)), ..key };
        let table = hu_table(&range);
        assert_eq!([9, 10, 15, 20, 21].map(|stored| table[stored]), [9, -1024, -1024, -1024, 21]);
    }

    #[test]
    fn values_are_rounded_floored_and_never_overflow() {
        let key =
            TableKey { slope: 0.5, intercept: -1000.2, signed: false, ..key(HuRule::Standard) };
        let table = hu_table(&key);
        assert_eq!(table[0], -1000);
        assert_eq!(table[1], -1000); // −999.7
        assert_eq!(table[65_535], 31_767); // 31767.3
        let steep = hu_table(&TableKey { slope: 2.0, intercept: -4000.0, ..key });
        assert_eq!((steep[0], steep[65_535]), (-1024, i16::MAX));
    }

    #[test]
    fn the_arithmetic_of_the_original_zeroes_minus_2000_and_keeps_the_rest() {
        let key = TableKey { intercept: -1024.0, ..key(HuRule::Lungs015) };
        let table = hu_table(&key);
        assert_eq!(table[usize::from((-2000_i16).cast_unsigned())], -1024);
        assert_eq!(table[usize::from((-1999_i16).cast_unsigned())], -3023);
        // Cut towards zero, as a cast to an integer does.
        assert_eq!(lungs_015(&TableKey { slope: 0.7, intercept: 0.0, ..key }, 5), 3);
    }

    #[test]
    fn the_arithmetic_of_sybil_keeps_padding_and_the_grey_level_of_fractions() {
        let padding = Some((63_536, 63_536));
        let key = TableKey { intercept: -1024.0, padding, ..key(HuRule::Sybil) };
        let table = hu_table(&key);
        assert_eq!((table[63_536], table[1064]), (-3024, 40));
        // Unsigned padding is above every window.
        assert_eq!(hu_table(&TableKey { signed: false, ..key })[63_536], i16::MAX);
        // −1344.4 HU rounds to −1344, the first unit of level 1, but is of level 0.
        let key = TableKey { slope: 0.1, intercept: 0.0, ..key };
        assert_eq!(hu_table(&key)[usize::from((-13_444_i16).cast_unsigned())], -1345);
    }

    #[test]
    fn eight_bit_samples_use_the_first_256_entries() {
        let key = TableKey {
            allocated: 8,
            stored: 8,
            intercept: -100.0,
            signed: true,
            ..key(HuRule::Standard)
        };
        let mut out = [0; 3];
        look_up(&Stored::Bytes(&[0, 127, 255]), &hu_table(&key), &mut out);
        assert_eq!(out, [-100, 27, -101]);
    }

    #[test]
    fn only_the_stored_bits_count_and_their_first_is_the_sign() {
        // 12 bits from bit 11 down; overlays in the upper four.
        let key = TableKey { stored: 12, ..key(HuRule::Standard) };
        let table = hu_table(&key);
        assert_eq!([table[0x8005], table[0xF7FF], table[0x0FFF]], [5, 2047, -1]);
        assert_eq!(hu_table(&TableKey { signed: false, ..key })[0x8FFF], 4095);
        // 12 bits from bit 15 down.
        assert_eq!(hu_table(&TableKey { below: 4, ..key })[0xFFF3], -1);
        // Padding that 12 unsigned bits cannot hold.
        let padded = TableKey { signed: false, padding: Some((63_536, 63_536)), ..key };
        let table = hu_table(&padded);
        assert_eq!((table[63_536], table[0x0830]), (-1024, 0x830));
    }
}
