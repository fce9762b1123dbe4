//! Text that people write: tables, lists and specs, whichever program saved them.
//!
//! UTF-8 with or without a byte order mark, lines ended by `\n` or `\r\n`. Everything else is refused
//! by name, so that nobody trains on half-read characters.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

/// A file that is not text as it is read here.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} {fault}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it holds.
        fault: NotText,
    },
}

/// What stands in a file instead of UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// Two bytes for each character.
    #[error("is UTF-16 text; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Utf16,
    /// A workbook of Excel or LibreOffice, or another ZIP archive.
    #[error("is a spreadsheet or another archive, not text; save the sheet as \"CSV UTF-8\"")]
    Spreadsheet,
    /// Compressed text.
    #[error("is compressed with gzip; unpack it: gunzip -k FILE")]
    Gzip,
    /// Another encoding, such as that of old versions of Excel.
    #[error("is not UTF-8 at line {line}; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Encoding {
        /// The first such line, from 1.
        line: usize,
    },
    /// Zero bytes.
    #[error("is binary: there is a zero byte in line {line}; expected UTF-8 text")]
    Binary {
        /// The first such line, from 1.
        line: usize,
    },
}

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a file of text, without its byte order mark.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<String, TextError> {
    let unreadable = |source| TextError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    decode(&bytes).map_err(|fault| TextError::NotText { path: path.to_owned(), fault })
}

/// Bytes as text, without the byte order mark.
///
/// # Errors
/// When they are not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, NotText> {
    let bytes = &bytes[skip(bytes)?..];
    let line_at = |at: usize| bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(NotText::Binary { line: line_at(at) });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| NotText::Encoding { line: line_at(error.valid_up_to()) })?;
    Ok(text.replace("\r\n", "\n"))
}

/// Bytes with lines ended by `\n` alone: the CSV parser counts lines that end in `\r\n` one too low.
pub struct LineFeeds<R> {
    source: R,
    /// Whether the last byte taken from the source was a `\r` that is not given out yet.
    pending: bool,
}

impl<R: BufRead> LineFeeds<R> {
    /// The bytes of `source`.
    pub fn new(source: R) -> Self {
        Self { source, pending: false }
    }
}

impl<R: BufRead> Read for LineFeeds<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < out.len() {
            let input = self.source.fill_buf()?;
            let Some(first) = input.first() else {
                if std::mem::take(&mut self.pending) {
                    out[written] = b'\r';
                    written += 1;
                }
                break;
            };
            if std::mem::take(&mut self.pending) && *first != b'\n' {
                out[written] = b'\r';
                written += 1;
                continue;
            }
            let room = input.len().min(out.len() - written);
            let plain = input[..room].iter().position(|byte| *byte == b'\r').unwrap_or(room);
            out[written..written + plain].copy_from_slice(&input[..plain]);
            written += plain;
            self.pending = plain < room;
            self.source.consume(plain + usize::from(plain < room));
        }
        Ok(written)
    }
}

/// How many bytes at the beginning of a file are a byte order mark. `start` is its first kilobyte, or
/// all of it.
///
/// # Errors
/// When the file is recognised as something else than UTF-8 text.
pub fn skip(start: &[u8]) -> Result<usize, NotText> {
    let zeros_at = |remainder: usize| {
        let pairs = start.chunks_exact(2).take(32);
        pairs.len() >= 2 && pairs.into_iter().all(|pair| pair[remainder] == 0)
    };
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(NotText::Utf16),
        // Without a mark, the letters of a header have a zero before or behind them.
        _ if zeros_at(0) != zeros_at(1) => Err(NotText::Utf16),
        [b'P', b'K', 3 | 5 | 7, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => Err(NotText::Spreadsheet),
        [0x1f, 0x8b, ..] => Err(NotText::Gzip),
        _ if start.starts_with(BYTE_ORDER_MARK) => Ok(BYTE_ORDER_MARK.len()),
        _ => Ok(0),
    }
}

/// Where the table of a CSV begins, and what separates its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator {
    /// The byte between cells: `,`, `;` or a tab.
    pub byte: u8,
    /// Bytes before the header: a line `sep=;`, as Excel writes it.
    pub skip: usize,
}

impl Separator {
    /// Finds the separator of a table by its first line: the one that it names, else the most frequent
    /// one outside quotes; a comma where there is none.
    pub fn of(text: &[u8]) -> Self {
        let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
        let line = text[..end].trim_ascii();
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] = line {
            return Self { byte: *byte, skip: end };
        }
        // Trimming takes a tab behind `sep=` away.
        if line.eq_ignore_ascii_case(b"sep=") {
            return Self { byte: b'\t', skip: end };
        }
        let mut quoted = false;
        let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
        for byte in &text[..end] {
            quoted ^= *byte == b'"';
            if let Some((_, count)) = counts.iter_mut().find(|(it, _)| it == byte && !quoted) {
                *count += 1;
            }
        }
        // Of equals, the first.
        let best = counts.iter().rev().max_by_key(|(_, count)| *count);
        Self { byte: best.map_or(b',', |(byte, _)| *byte), skip: 0 }
    }

    /// Lines before the header.
    pub fn lines_skipped(self) -> u64 {
        u64::from(self.skip > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_other_encodings_are_named() {
        assert_eq!(decode("\u{feff}a 1\r\nü 0\n".as_bytes()).unwrap(), "a 1\nü 0\n");
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(decode(&utf16("\u{feff}label,path\n")), Err(NotText::Utf16));
        assert_eq!(decode(&utf16("label,path\n")), Err(NotText::Utf16));
        let big: Vec<u8> = "label\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&big), Err(NotText::Utf16));
        assert_eq!(decode(b"PK\x03\x04..."), Err(NotText::Spreadsheet));
        assert_eq!(decode(b"\xd0\xcf\x11\xe0\xa1"), Err(NotText::Spreadsheet));
        assert_eq!(decode(b"\x1f\x8b\x08"), Err(NotText::Gzip));
        assert_eq!(decode(b"a,b\nM\xfcller,1\n"), Err(NotText::Encoding { line: 2 }));
        assert_eq!(decode(b"a,b\nc\n\0,1\n"), Err(NotText::Binary { line: 3 }));
        assert_eq!(decode(b""), Ok(String::new()));
        assert_eq!(decode(b"a"), Ok("a".to_owned()));
    }

    #[test]
    fn line_ends_become_line_feeds_wherever_the_buffer_ends() {
        let text = b"a\r\nb\rc\r\r\n\n\r\nlast\r";
        for capacity in 1..text.len() + 1 {
            let source = io::BufReader::with_capacity(capacity, text.as_slice());
            let mut out = Vec::new();
            LineFeeds::new(source).read_to_end(&mut out).unwrap();
            assert_eq!(out, b"a\nb\rc\r\n\n\nlast\r", "{capacity}");
        }
        assert_eq!(decode(b"a\r\nb\rc\r\r\n\n\r\nlast\r").unwrap(), "a\nb\rc\r\n\n\nlast\r");
    }

    #[test]
    fn the_header_says_what_separates_cells() {
        let of = |text: &str| {
            let Separator { byte, skip } = Separator::of(text.as_bytes());
            (char::from(byte), skip)
        };
        assert_eq!(of("label,path\n1;1;1,2\n"), (',', 0));
        assert_eq!(of("label;path\n1,1,1;2\n"), (';', 0));
        assert_eq!(of("label\tpath"), ('\t', 0));
        assert_eq!(of("\"a;b;c\",label\n"), (',', 0));
        assert_eq!(of("label\n"), (',', 0));
        assert_eq!(of("sep=;\r\nlabel,x;path\n"), (';', 7));
        assert_eq!(of("sep=\t\nlabel\n"), ('\t', 6));
        assert_eq!(of(""), (',', 0));
    }
}
