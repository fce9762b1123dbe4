//! Stored bits to Hounsfield units.
//!
//! Stored values have at most 16 bits, so the whole way (sign, padding, rescale, rounding, floor,
//! clamp) is one table of 65,536 entries, made once for a series and looked up once per voxel.

use super::ValueHeader;

/// Attenuation of air, the least that means anything.
const AIR_HU: i16 = -1024;

/// How stored values become Hounsfield units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HuRule {
    /// `slope · stored + intercept` in f32, rounded; padding pixels and everything below −1024
    /// become −1024 (air); clamped to 16 bits.
    Standard,
    /// The arithmetic of the Python package `lungs` 0.1.5: stored −2000 becomes 0, then the
    /// product with the slope is cut to int16 and the intercept added in int16; no floor.
    #[serde(rename = "lungs-0.1.5")]
    Lungs015,
}

/// Everything that decides what a stored value means.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct TableKey {
    slope: f64,
    intercept: f64,
    bits: u32,
    signed: bool,
    padding: Option<(u16, u16)>,
    rule: HuRule,
}

impl TableKey {
    pub fn of(values: &ValueHeader, rule: HuRule) -> Self {
        Self {
            // Presence has been checked; the identity is never used.
            slope: values.slope.clone().unwrap_or(1.0),
            intercept: values.intercept.clone().unwrap_or(0.0),
            bits: values.bits_allocated.clone().unwrap_or(16),
            signed: values.signed,
            padding: values
                .padding
                .map(|padding| (padding, values.padding_limit.unwrap_or(padding))),
            rule,
        }
    }

    /// Stored bits as the number they stand for.
    fn number(&self, bits: u16) -> i32 {
        match (self.signed, self.bits) {
            (true, 8) => i32::from((bits as u8).cast_signed()),
            (true, _) => i32::from(bits.cast_signed()),
            (false, _) => i32::from(bits),
        }
    }
}

/// Hounsfield units of each of the 65,536 stored bit patterns (the first 256 for 8 bits).
pub(super) fn hu_table(key: &TableKey) -> Vec<i16> {
    match key.rule {
        HuRule::Standard => standard_table(key),
        HuRule::Lungs015 => (0..=u16::MAX).map(|bits| lungs_015(key, bits)).collect(),
    }
}

fn standard_table(key: &TableKey) -> Vec<i16> {
    let (slope, intercept) = (key.slope as f32, key.intercept as f32);
    let padding = key.padding.map(|(a, b)| {
        let (a, b) = (key.number(a), key.number(b));
        a.min(b)..=a.max(b)
    });
    (0..=u16::MAX)
        .map(|bits| {
            let stored = key.number(bits);
            if padding.as_ref().is_some_and(|padding| padding.contains(&stored)) {
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
    let stored = match key.number(bits) as i16 {
        -2000 => 0,
        stored => stored,
    };
    let sloped =
        if key.slope == 1.0 { stored } else { (key.slope * f64::from(stored)) as i64 as i16 };
    sloped.wrapping_add(key.intercept as i64 as i16)
}

/// Applies the table to stored little-endian samples of 8 or 16 bits.
pub(super) fn look_up(stored: &[u8], table: &[i16], out: &mut [i16]) {
    if stored.len() == out.len() {
        for (out, &byte) in out.iter_mut().zip(stored) {
            *out = table[usize::from(byte)];
        }
        return;
    }
    // A fixed length lets the compiler see that no 16-bit index is out of bounds.
    let Ok(table) = <&[i16; 1 << 16]>::try_from(table) else { return };
    for (out, pair) in out.iter_mut().zip(stored.chunks_exact(2)) {
        *out = table[usize::from(u16::from_le_bytes([pair[0], pair[1]]))];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rule: HuRule) -> TableKey {
        TableKey { slope: 1.0, intercept: 0.0, bits: 16, signed: true, padding: None, rule }
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
    fn the_originals_arithmetic_zeroes_minus_2000_and_keeps_the_rest() {
        let key = TableKey { intercept: -1024.0, ..key(HuRule::Lungs015) };
        let table = hu_table(&key);
        assert_eq!(table[usize::from((-2000_i16).cast_unsigned())], -1024);
        assert_eq!(table[usize::from((-1999_i16).cast_unsigned())], -3023);
        // Cut towards zero, as a cast to an integer does.
        assert_eq!(lungs_015(&TableKey { slope: 0.7, intercept: 0.0, ..key }, 5), 3);
    }

    #[test]
    fn eight_bit_samples_use_the_first_256_entries() {
        let key = TableKey { bits: 8, intercept: -100.0, ..key(HuRule::Standard) };
        let table = hu_table(&TableKey { signed: true, ..key });
        let mut out = [0; 3];
        look_up(&[0, 127, 255], &table, &mut out);
        assert_eq!(out, [-100, 27, -101]);
    }
}
