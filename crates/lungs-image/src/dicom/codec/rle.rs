//! RLE Lossless (PS3.5, annex G): one PackBits segment for each byte of a sample, greatest first.

use super::Shape;

/// Number of segments and fifteen offsets.
const HEADER: usize = 64;

pub(super) fn decode(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let word = |index: usize| {
        let bytes = frame.get(4 * index..4 * index + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes) as usize)
    };
    let expected = shape.bits_allocated as usize / 8;
    let segments = word(0).filter(|_| frame.len() >= HEADER);
    let segments = segments.ok_or("the RLE header is cut short")?;
    if segments != expected {
        return Err(format!("{segments} RLE segments, expected {expected}"));
    }
    let mut out = vec![0_u16; shape.pixels()];
    for segment in 0..segments {
        let start = word(1 + segment).unwrap_or(0);
        let end = if segment + 1 < segments { word(2 + segment) } else { Some(frame.len()) };
        let bytes =
            end.filter(|_| start >= HEADER).and_then(|end| frame.get(start..end)).ok_or_else(
                || format!("RLE segment {segment} starts at byte {start}, outside the frame"),
            )?;
        unpack(bytes, &mut out).map_err(|done| {
            format!("RLE segment {segment} ends after {done} of {} samples", shape.pixels())
        })?;
    }
    Ok(out)
}

/// Unpacks one segment as the low byte of every sample, after shifting the previous bytes up.
fn unpack(bytes: &[u8], out: &mut [u16]) -> Result<(), usize> {
    let (mut at, mut done) = (0, 0);
    while done < out.len() {
        let control = *bytes.get(at).ok_or(done)?;
        at += 1;
        match control {
            0..128 => {
                let run = bytes.get(at..at + usize::from(control) + 1).ok_or(done)?;
                for (sample, &byte) in out[done..].iter_mut().zip(run) {
                    *sample = *sample << 8 | u16::from(byte);
                }
                at += run.len();
                done += run.len();
            }
            128 => {}
            129.. => {
                let byte = *bytes.get(at).ok_or(done)?;
                let run = 257 - usize::from(control);
                for sample in out[done..].iter_mut().take(run) {
                    *sample = *sample << 8 | u16::from(byte);
                }
                at += 1;
                done += run;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut frame = vec![0; HEADER];
        frame[0] = segments.len() as u8;
        for (index, segment) in segments.iter().enumerate() {
            let start = frame.len() as u32;
            frame[4 + 4 * index..8 + 4 * index].copy_from_slice(&start.to_le_bytes());
            frame.extend_from_slice(segment);
        }
        frame
    }

    #[test]
    fn runs_and_literals_of_both_bytes_join() {
        let shape = Shape { rows: 1, columns: 4, bits_allocated: 16 };
        let whole = frame(&[&[253, 1], &[1, 7, 8, 255, 9]]);
        assert_eq!(decode(&whole, shape).unwrap(), [0x107, 0x108, 0x109, 0x109]);
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], shape).is_err(), "{length}");
        }
        let other = decode(&frame(&[&[253, 1]]), shape).unwrap_err();
        assert_eq!(other, "1 RLE segments, expected 2");
    }
}
