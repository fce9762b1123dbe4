//! Sequential DCT (T.81, annex F), of 8 and 12 bits.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use super::super::Shape;
use super::Header;
use super::huffman::Bits;

/// Positions of the coefficients of a block, in coding order.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Reads the tables of one DQT segment; `None` if it is cut short.
pub(super) fn read_quantisation(
    mut segment: &[u8],
    tables: &mut [Option<[u16; 64]>; 4],
) -> Option<()> {
    while let Some((&selector, rest)) = segment.split_first() {
        let width = if selector >> 4 == 0 { 1 } else { 2 };
        let (values, rest) = rest.split_at_checked(64 * width)?;
        let mut table = [0; 64];
        for (entry, bytes) in table.iter_mut().zip(values.chunks_exact(width)) {
            *entry = bytes.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
        }
        *tables.get_mut(usize::from(selector & 15))? = Some(table);
        segment = rest;
    }
    Some(())
}

pub(super) fn decode(header: &Header, shape: Shape, out: &mut [u16]) -> Result<(), String> {
    let cosines = cosines();
    let offset = (1 << (header.precision - 1)) as f32;
    let most = ((1 << header.precision) - 1) as f32;
    let blocks_per_row = shape.columns.div_ceil(8);
    let mut bits = header.bits();
    let mut prediction = 0;
    for block in 0..blocks_per_row * shape.rows.div_ceil(8) {
        let damaged = || {
            format!("the JPEG data ends early or is damaged, in row {}", block / blocks_per_row * 8)
        };
        if header.restart_interval > 0 && block > 0 && block.is_multiple_of(header.restart_interval)
        {
            bits.restart().ok_or_else(damaged)?;
            prediction = 0;
        }
        let coefficients = coefficients(header, &mut bits, &mut prediction).ok_or_else(damaged)?;
        let samples = inverse(&coefficients, &cosines);
        let (top, left) = (block / blocks_per_row * 8, block % blocks_per_row * 8);
        for (y, samples) in samples.iter().enumerate().take(shape.rows - top) {
            let start = (top + y) * shape.columns + left;
            let line = &mut out[start..(top + y + 1) * shape.columns];
            for (out, sample) in line.iter_mut().zip(samples) {
                *out = (sample + offset).round().clamp(0.0, most) as u16;
            }
        }
    }
    Ok(())
}

/// The dequantised coefficients of the next block, row by row.
fn coefficients(header: &Header, bits: &mut Bits, prediction: &mut i32) -> Option<[f32; 64]> {
    let mut block = [0.0; 64];
    let size = u32::from(bits.symbol(&header.dc)?);
    if size > 15 {
        return None;
    }
    *prediction = prediction.checked_add(bits.signed(size)?)?;
    block[0] = *prediction as f32 * f32::from(header.quantisation[0]);
    let table = header.ac.as_ref()?;
    let mut index = 1;
    while index < 64 {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => index += 16,
            (_, 0) => break,
            _ => {
                index += zeros;
                let value = bits.signed(size)?;
                let at = usize::from(*ZIGZAG.get(index)?);
                block[at] = value as f32 * f32::from(header.quantisation[index]);
                index += 1;
            }
        }
    }
    Some(block)
}

/// `cosines[x][u]` = C(u)/2 · cos((2x+1)uπ/16), one half of the two-dimensional transform (A.3.3).
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            0.5 * scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos()
        })
    })
}

/// The inverse transform: along rows, then along columns.
fn inverse(block: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let rows: [[f32; 8]; 8] = std::array::from_fn(|v| {
        let row = &block[8 * v..8 * v + 8];
        std::array::from_fn(|x| row.iter().zip(&cosines[x]).map(|(f, c)| f * c).sum())
    });
    std::array::from_fn(|y| {
        std::array::from_fn(|x| (0..8).map(|v| rows[v][x] * cosines[y][v]).sum())
    })
}
