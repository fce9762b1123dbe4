//! Reads compressed data to its end, where its checksum is.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// Decompresses all members of gzip data. Zeros after the last member are padding, as for `gzip` and
/// ITK; other bytes there are an error, so that a damaged second member is detected.
pub struct Gunzip<R: BufRead> {
    /// The current member; `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: Read> Gunzip<BufReader<R>> {
    /// Decompresses `from`.
    pub fn new(from: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(1 << 16, from))) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            // The member has ended and its checksum is correct.
            let rest = self.member.take().map(GzDecoder::into_inner);
            self.member = rest.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The member at the start of `rest`; `None` if only zeros, or no bytes, follow.
fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut padding = 0_u64;
    loop {
        let bytes = rest.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros) {
            None if bytes.is_empty() => return Ok(None),
            None => {}
            Some(0x1f) if zeros == 0 && padding == 0 => return Ok(Some(GzDecoder::new(rest))),
            Some(_) => {
                let message = "the bytes after the compressed data are neither zeros nor gzip";
                return Err(io::Error::new(ErrorKind::InvalidData, message));
            }
        }
        padding += zeros as u64;
        rest.consume(zeros);
    }
}

/// Reads `from` to its end, where its checksum is checked.
///
/// # Errors
/// The error of the decoder, or more than `limit` bytes before the end.
pub fn read_to_end(from: &mut impl Read, limit: u64) -> io::Result<()> {
    let count = io::copy(&mut from.take(limit + 1), &mut io::sink())?;
    if count > limit {
        let message = match limit {
            0 => "it holds more bytes than the header states".to_owned(),
            _ => format!("more than {limit} bytes follow the data that the header describes"),
        };
        return Err(io::Error::new(ErrorKind::InvalidData, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Gunzip::new(packed).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn members_follow_one_another_and_zeros_are_padding() {
        let two = [gzip(b"one"), gzip(b" and two")].concat();
        assert_eq!(gunzip(&two).unwrap(), b"one and two");
        // Longer than the reader's buffer.
        assert_eq!(gunzip(&[two.clone(), vec![0; 200_000]].concat()).unwrap(), b"one and two");
        for garbage in [&b"x"[..], b"\0\0x", b"\x1f\x8b", b"\0\x1f\x8b", b"\x1fx"] {
            assert!(gunzip(&[&two[..], garbage].concat()).is_err(), "{garbage:?}");
        }
        assert!(gunzip(&two[..two.len() - 1]).is_err());
        assert!(gunzip(b"").is_err() && gunzip(b"\x1f").is_err());
    }

    #[test]
    fn trailing_bytes_are_limited() {
        assert!(read_to_end(&mut &b"abc"[..], 3).is_ok());
        let error = read_to_end(&mut &b"abc"[..], 2).unwrap_err().to_string();
        assert_eq!(error, "more than 2 bytes follow the data that the header describes");
        assert!(read_to_end(&mut &b""[..], 0).is_ok());
        assert!(read_to_end(&mut &b"a"[..], 0).is_err());
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_an_error_or_changes_nothing(
            bytes in prop::collection::vec(0u8..4, 1..400), at in 0usize..10_000, bit in 0u8..8,
        ) {
            let mut packed = gzip(&bytes);
            let at = at % packed.len();
            packed[at] ^= 1 << bit;
            // Name, time and system of the header are not checked.
            if let Ok(found) = gunzip(&packed) {
                prop_assert_eq!(found, bytes);
            }
        }
    }
}
