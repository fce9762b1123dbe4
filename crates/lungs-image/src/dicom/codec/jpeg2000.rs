//! JPEG 2000 with the `hayro-jpeg2000` crate, High-Throughput JPEG 2000 with its fork
//! `dicom-toolkit-jpeg2000`; both are safe Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::Shape;

/// Most tiles; more indicate a damaged header.
const MAX_TILES: u64 = 4096;

pub(super) fn decode(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let size = Size::read(frame)?;
    shape.check(size.rows as usize, size.columns as usize, size.precision)?;
    catch_panic(|| samples(frame, shape, &size))
}

/// Decodes a frame of High-Throughput JPEG 2000 (ISO/IEC 15444-15).
pub(super) fn decode_high_throughput(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let size = Size::read(frame)?;
    shape.check(size.rows as usize, size.columns as usize, size.precision)?;
    catch_panic(|| high_throughput_samples(frame, shape, &size))
}

/// Runs a decoder whose panic on a damaged file must not stop the other series.
fn catch_panic(decode: impl FnOnce() -> Result<Vec<u16>, String>) -> Result<Vec<u16>, String> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("the decoder failed on damaged data".to_owned()))
}

fn high_throughput_samples(frame: &[u8], shape: Shape, size: &Size) -> Result<Vec<u16>, String> {
    use dicom_toolkit_jpeg2000::{DecodeSettings, Image};
    let settings =
        DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(frame, &settings).map_err(|error| error.to_string())?;
    let decoded = image.decode_native().map_err(|error| error.to_string())?;
    let samples: Vec<i32> = match decoded.bytes_per_sample {
        1 => decoded.data.iter().map(|&byte| i32::from(byte)).collect(),
        _ => {
            let pairs = decoded.data.as_chunks().0.iter();
            pairs.map(|&pair| i32::from(u16::from_le_bytes(pair))).collect()
        }
    };
    if samples.len() != shape.pixels() {
        return Err(format!("{} samples, expected {}", samples.len(), shape.pixels()));
    }
    Ok(samples.into_iter().map(|sample| size.stored(sample)).collect())
}

fn samples(frame: &[u8], shape: Shape, size: &Size) -> Result<Vec<u16>, String> {
    let settings =
        DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(frame, &settings).map_err(|error| error.to_string())?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|error| error.to_string())?;
    let [component] = decoded.components() else {
        return Err(format!("{} components, expected 1", decoded.components().len()));
    };
    let values = component.samples();
    if values.len() != shape.pixels() {
        return Err(format!("{} samples, expected {}", values.len(), shape.pixels()));
    }
    Ok(values.iter().map(|sample| size.stored(sample.round() as i32)).collect())
}

/// Values of the SIZ marker segment.
struct Size {
    rows: u32,
    columns: u32,
    precision: u32,
    signed: bool,
}

impl Size {
    /// The bit pattern of a sample. Both crates treat every image as unsigned: signed samples are offset
    /// by half the range.
    fn stored(&self, sample: i32) -> u16 {
        let (least, offset) = if self.signed {
            (-(1_i32 << (self.precision - 1)), 1_i32 << (self.precision - 1))
        } else {
            (0, 0)
        };
        let most = least + ((1_i32 << self.precision) - 1);
        sample.saturating_sub(offset).clamp(least, most) as u16
    }

    /// Reads the SIZ segment of a codestream, bare or in a JP2 file.
    fn read(frame: &[u8]) -> Result<Self, String> {
        const START: &[u8] = &[0xFF, 0x4F, 0xFF, 0x51];
        let at = frame.windows(START.len()).take(1 << 16).position(|window| window == START);
        let segment = at.and_then(|at| frame.get(at + 4..at + 4 + 41));
        let segment = segment.ok_or("no JPEG 2000 codestream, expected SOC and SIZ markers")?;
        let word = |index: usize| {
            segment[4 + 4 * index..8 + 4 * index].iter().fold(0, |n, &b| n << 8 | u32::from(b))
        };
        let components = u16::from_be_bytes([segment[36], segment[37]]);
        if components != 1 {
            return Err(format!("{components} components, expected 1"));
        }
        let (right, bottom, left, top) = (word(0), word(1), word(2), word(3));
        let (tile_width, tile_height) = (word(4), word(5));
        let tiles = u64::from(right).div_ceil(u64::from(tile_width.max(1)))
            * u64::from(bottom).div_ceil(u64::from(tile_height.max(1)));
        if tiles > MAX_TILES {
            return Err(format!("{tiles} tiles, expected at most {MAX_TILES}"));
        }
        let precision = u32::from(segment[38] & 0x7F) + 1;
        if precision > 16 || segment[39..41] != [1, 1] {
            return Err(format!(
                "{precision} bits per sample and subsampling {} × {}, expected at most 16 bits and \
                 1 × 1",
                segment[39], segment[40]
            ));
        }
        Ok(Self {
            rows: bottom.saturating_sub(top),
            columns: right.saturating_sub(left),
            precision,
            signed: segment[38] & 0x80 != 0,
        })
    }
}
