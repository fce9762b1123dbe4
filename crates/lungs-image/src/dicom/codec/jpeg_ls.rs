//! JPEG-LS (ITU-T T.87), lossless and near-lossless, one component. Names follow the standard.

use super::Shape;

/// Length of run segments by RUNindex, as a power of two (T.87, A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// Contexts of the regular mode.
const CONTEXTS: usize = 365;

pub(super) fn decode(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let (coding, scan) = read_header(frame, shape)?;
    let mut out = vec![0_u16; shape.pixels()];
    Decoder::new(coding, scan).image(shape.columns, &mut out)?;
    Ok(out)
}

/// Precision and the coding parameters (T.87, C.2.4.1).
#[derive(Clone, Copy, Debug)]
struct Coding {
    maxval: i32,
    near: i32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Coding {
    /// The default thresholds (T.87, C.2.4.1.1.1).
    fn new(maxval: i32, near: i32) -> Self {
        let clamp = |i: i32, j: i32| if i > maxval || i < j { j } else { i };
        let [t1, t2, t3] = if maxval >= 128 {
            let factor = (maxval.min(4095) + 128) / 256;
            [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
        } else {
            let factor = 256 / (maxval + 1);
            [
                (3 / factor + 3 * near).max(2),
                (7 / factor + 5 * near).max(3),
                (21 / factor + 7 * near).max(4),
            ]
        };
        let t1 = clamp(t1, near + 1);
        let t2 = clamp(t2, t1);
        Self { maxval, near, thresholds: [t1, t2, clamp(t3, t2)], reset: 64 }
    }
}

/// Reads the marker segments; returns the coding parameters and the entropy-coded data.
fn read_header(frame: &[u8], shape: Shape) -> Result<(Coding, &[u8]), String> {
    if !frame.starts_with(&[0xFF, 0xD8]) {
        return Err("no JPEG-LS image, expected an SOI marker at its start".to_owned());
    }
    let (mut at, mut precision, mut preset) = (2, None, [0; 5]);
    loop {
        let cut = || "the frame is cut short in its header".to_owned();
        let &[0xFF, marker] = frame.get(at..at + 2).ok_or_else(cut)? else {
            return Err(format!("no marker at byte {at} of the frame"));
        };
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let length = frame.get(at + 2..at + 4).ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = frame.get(at + 4..at + 2 + length.max(2)).ok_or_else(cut)?;
        let word = |index: usize| {
            let pair = segment.get(index..index + 2)?;
            Some(i32::from(u16::from_be_bytes([pair[0], pair[1]])))
        };
        at += 2 + length.max(2);
        match (marker, segment) {
            (0xF7, &[bits, r1, r0, c1, c0, components, ..]) => {
                if components != 1 {
                    return Err(format!("{components} components, expected 1"));
                }
                let rows = usize::from(u16::from_be_bytes([r1, r0]));
                let columns = usize::from(u16::from_be_bytes([c1, c0]));
                shape.check(rows, columns, u32::from(bits))?;
                if !(2..=16).contains(&bits) {
                    return Err(format!("{bits} bits per sample, expected 2 to 16"));
                }
                precision = Some(u32::from(bits));
            }
            (0xF8, &[1, ..]) => {
                for (index, value) in preset.iter_mut().enumerate() {
                    *value = word(1 + 2 * index).ok_or_else(cut)?;
                }
            }
            (0xF8, _) => return Err("mapping tables are not supported (LSE marker)".to_owned()),
            (0xDD, interval) if interval.iter().any(|&byte| byte != 0) => {
                return Err("restart intervals are not supported (DRI marker)".to_owned());
            }
            (0xDA, &[1, _, _, near, _, transform]) => {
                let precision = precision.ok_or("a scan without frame header (SOF55 marker)")?;
                if transform != 0 {
                    return Err(format!("a point transform of {transform}, expected 0"));
                }
                let coding = coding(precision, i32::from(near), preset)?;
                return Ok((coding, frame.get(at..).unwrap_or_default()));
            }
            (0xDA | 0xF7, _) => {
                return Err("a damaged SOS or SOF55 segment, expected one component".into());
            }
            (0xD8 | 0xD9, _) => return Err("no scan before the end of the image".to_owned()),
            _ => {}
        }
    }
}

/// Coding parameters: those of a preset segment, or the defaults where it has 0.
fn coding(precision: u32, near: i32, preset: [i32; 5]) -> Result<Coding, String> {
    let [maxval, t1, t2, t3, reset] = preset;
    let greatest = (1 << precision) - 1;
    let maxval = if maxval == 0 { greatest } else { maxval };
    if maxval > greatest || near > (maxval / 2).min(255) {
        return Err(format!(
            "MAXVAL {maxval} and NEAR {near} are impossible with {precision} bits per sample"
        ));
    }
    let mut coding = Coding::new(maxval, near);
    for (threshold, preset) in coding.thresholds.iter_mut().zip([t1, t2, t3]) {
        if preset != 0 {
            *threshold = preset;
        }
    }
    if reset != 0 {
        coding.reset = reset;
    }
    let [t1, t2, t3] = coding.thresholds;
    if !(near < t1 && t1 <= t2 && t2 <= t3 && t3 <= maxval.max(near + 1)) || coding.reset < 3 {
        return Err(format!("impossible coding parameters {coding:?}"));
    }
    Ok(coding)
}

/// Adaptive state of one context: A, B, C, N.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

struct Decoder<'a> {
    coding: Coding,
    bits: Bits<'a>,
    range: i32,
    qbpp: u32,
    limit: u32,
    contexts: [Context; CONTEXTS],
    /// A, N and Nn of the two contexts of run interruption.
    run_contexts: [[i32; 3]; 2],
    run_index: usize,
}

impl<'a> Decoder<'a> {
    fn new(coding: Coding, scan: &'a [u8]) -> Self {
        let Coding { maxval, near, .. } = coding;
        let range = if near == 0 { maxval + 1 } else { (maxval + 2 * near) / (2 * near + 1) + 1 };
        // Number of bits that hold values below `n`.
        let width = |n: i32| i32::BITS - (n - 1).leading_zeros();
        let bpp = width(maxval + 1).max(2);
        let a = ((range + 32) / 64).max(2);
        Self {
            coding,
            bits: Bits::new(scan),
            range,
            qbpp: width(range),
            limit: 2 * (bpp + bpp.max(8)),
            contexts: [Context { a, b: 0, c: 0, n: 1 }; CONTEXTS],
            run_contexts: [[a, 1, 0]; 2],
            run_index: 0,
        }
    }

    /// Decodes all lines. Two lines are kept, with one more sample on either side (T.87, A.2).
    fn image(&mut self, columns: usize, out: &mut [u16]) -> Result<(), String> {
        let mut above = vec![0_i32; columns + 2];
        let mut line = vec![0_i32; columns + 2];
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            above[columns + 1] = above[columns];
            line[0] = above[1];
            self.line(&above, &mut line).ok_or_else(|| {
                format!("the JPEG-LS data ends early or is damaged, in row {row}")
            })?;
            for (out, &sample) in out.iter_mut().zip(&line[1..]) {
                *out = sample as u16;
            }
            std::mem::swap(&mut above, &mut line);
        }
        Ok(())
    }

    fn line(&mut self, above: &[i32], line: &mut [i32]) -> Option<()> {
        let last = line.len() - 2;
        let near = self.coding.near;
        let mut x = 1;
        while x <= last {
            let (ra, rb, rc, rd) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
            let gradients = [rd - rb, rb - rc, rc - ra];
            if gradients.iter().all(|gradient| gradient.abs() <= near) {
                x = self.run(above, line, x)?;
            } else {
                let context = gradients.iter().fold(0, |sum, &g| 9 * sum + self.quantized(g));
                line[x] = self.regular(context, [ra, rb, rc])?;
                x += 1;
            }
        }
        Some(())
    }

    /// A.3.3
    fn quantized(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.coding.thresholds;
        let size = match gradient.abs() {
            size if size >= t3 => 4,
            size if size >= t2 => 3,
            size if size >= t1 => 2,
            size if size > self.coding.near => 1,
            _ => 0,
        };
        if gradient < 0 { -size } else { size }
    }

    /// A.4 to A.6
    fn regular(&mut self, context: i32, [ra, rb, rc]: [i32; 3]) -> Option<i32> {
        let Coding { maxval, near, reset, .. } = self.coding;
        let sign = if context < 0 { -1 } else { 1 };
        let index = context.unsigned_abs() as usize;
        let Context { mut a, mut b, mut c, mut n } = *self.contexts.get(index)?;
        let predicted = if rc >= ra.max(rb) {
            ra.min(rb)
        } else if rc <= ra.min(rb) {
            ra.max(rb)
        } else {
            ra + rb - rc
        };
        let predicted = (predicted + sign * c).clamp(0, maxval);
        let k = golomb_parameter(n, a)?;
        let mapped = self.golomb(k, self.limit)?;
        let swapped = near == 0 && k == 0 && 2 * b <= -n;
        let error = match (swapped, mapped & 1 == 1) {
            (false, false) => mapped / 2,
            (false, true) => -(mapped / 2) - 1,
            (true, true) => mapped / 2,
            (true, false) => -(mapped / 2) - 1,
        };
        let step = 2 * near + 1;
        a = a.checked_add(error.abs())?;
        b = b.checked_add(error.checked_mul(step)?)?;
        if n == reset {
            (a, b, n) = (a >> 1, b >> 1, n >> 1);
        }
        n += 1;
        if b <= -n {
            b = (b + n).max(1 - n);
            c = (c - 1).max(-128);
        } else if b > 0 {
            b = (b - n).min(0);
            c = (c + 1).min(127);
        }
        self.contexts[index] = Context { a, b, c, n };
        Some(self.reconstructed(predicted, sign * error))
    }

    /// A.4.5 and the end of A.5.3
    fn reconstructed(&self, predicted: i32, error: i32) -> i32 {
        let Coding { maxval, near, .. } = self.coding;
        let step = 2 * near + 1;
        let mut value = predicted + error * step;
        if value < -near {
            value += self.range * step;
        } else if value > maxval + near {
            value -= self.range * step;
        }
        value.clamp(0, maxval)
    }

    /// A.7: copies a run from `x` and decodes the sample that ends it; returns the next index.
    fn run(&mut self, above: &[i32], line: &mut [i32], mut x: usize) -> Option<usize> {
        let last = line.len() - 2;
        let ra = line[x - 1];
        while self.bits.take(1)? == 1 {
            let segment = 1 << J[self.run_index];
            let end = (x + segment).min(last + 1);
            line[x..end].fill(ra);
            if end - x == segment && self.run_index < 31 {
                self.run_index += 1;
            }
            x = end;
            if x > last {
                return Some(x);
            }
        }
        let order = J[self.run_index];
        let end = x + self.bits.take(order)? as usize;
        if end > last {
            return None;
        }
        line[x..end].fill(ra);
        line[end] = self.interruption(ra, above[end])?;
        self.run_index = self.run_index.saturating_sub(1);
        Some(end + 1)
    }

    /// A.7.2
    fn interruption(&mut self, ra: i32, rb: i32) -> Option<i32> {
        let flat = (ra - rb).abs() <= self.coding.near;
        let kind = usize::from(flat);
        let [mut a, mut n, mut negative] = self.run_contexts[kind];
        let k = golomb_parameter(n, if flat { a + (n >> 1) } else { a })?;
        let mapped = self.golomb(k, self.limit - J[self.run_index] - 1)?;
        let shifted = mapped + kind as i32;
        let map = shifted & 1;
        let size = (shifted + map) / 2;
        let error = if (k != 0 || 2 * negative >= n) == (map == 1) { -size } else { size };
        if error < 0 {
            negative += 1;
        }
        a = a.checked_add((mapped + 1 - kind as i32) >> 1)?;
        if n == self.coding.reset {
            (a, n, negative) = (a >> 1, n >> 1, negative >> 1);
        }
        n += 1;
        self.run_contexts[kind] = [a, n, negative];
        let sign = if !flat && ra > rb { -1 } else { 1 };
        Some(self.reconstructed(if flat { ra } else { rb }, sign * error))
    }

    /// A limited-length Golomb code (A.5.3).
    fn golomb(&mut self, k: u32, limit: u32) -> Option<i32> {
        let escape = limit.checked_sub(self.qbpp + 1)?;
        let zeros = self.bits.zeros(escape)?;
        let value = if zeros < escape {
            zeros << k | self.bits.take(k)?
        } else {
            self.bits.take(self.qbpp)? + 1
        };
        // A damaged code must not make sums overflow later.
        (value < 1 << 20).then_some(value as i32)
    }
}

/// The least `k` with `n · 2^k ≥ a`.
fn golomb_parameter(n: i32, a: i32) -> Option<u32> {
    (0..24).find(|k| i64::from(n) << k >= i64::from(a))
}

/// Bits of entropy-coded data; a byte after 0xFF has seven (T.87, A.1).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the most significant.
    buffer: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0, after_ff: false }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let width = if self.after_ff { 7 } else { 8 };
            if self.after_ff && byte >= 0x80 {
                return; // a marker
            }
            self.buffer |= u64::from(byte) << (64 - width - self.count);
            self.count += width;
            self.after_ff = byte == 0xFF;
            self.at += 1;
        }
    }

    /// The next `count` bits (at most 32), `None` when there are fewer.
    fn take(&mut self, count: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if self.count < count {
            self.fill();
        }
        let bits = (self.buffer >> (64 - count)) as u32;
        self.skip(count)?;
        Some(bits)
    }

    /// Drops buffered bits.
    fn skip(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.buffer = self.buffer.checked_shl(count).unwrap_or(0);
        Some(())
    }

    /// Counts zeros up to and including a one; `None` when there are more than `most`.
    fn zeros(&mut self, most: u32) -> Option<u32> {
        let mut zeros = 0;
        loop {
            if self.count == 0 {
                self.fill();
            }
            let run = self.buffer.leading_zeros().min(self.count);
            if run < self.count {
                zeros += run;
                self.skip(run + 1)?;
                return (zeros <= most).then_some(zeros);
            }
            zeros += run;
            self.skip(run)?;
            if run == 0 || zeros > most {
                return None;
            }
        }
    }
}
