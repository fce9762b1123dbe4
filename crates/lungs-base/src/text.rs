//! Reader of text files: tables, lists and specs.
//!
//! Text is UTF-8 with or without a byte order mark, and lines end with `\n` or `\r\n`. Other encodings are errors
//! that name the encoding.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

/// A file that cannot be read as text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has another format.
    #[error("{path} {fault}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// The format that was recognised.
        fault: NotText,
    },
}

/// Content of a file that is not UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// UTF-16 text.
    #[error("is UTF-16 text; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Utf16,
    /// A workbook of Excel or LibreOffice, or another archive.
    #[error("is a spreadsheet or an archive, expected text; save the sheet as \"CSV UTF-8\"")]
    Spreadsheet,
    /// A gzip file.
    #[error("is compressed with gzip, expected text; unpack it with `gunzip -k FILE`")]
    Gzip,
    /// Another encoding, for example of old versions of Excel.
    #[error("is not UTF-8 at line {line}; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Encoding {
        /// The first line with invalid bytes, from 1.
        line: usize,
    },
    /// Text with zero bytes.
    #[error("is binary: found a zero byte in line {line}, expected UTF-8 text")]
    Binary {
        /// The first line with invalid bytes, from 1.
        line: usize,
    },
}

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a text file, without its byte order mark.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<String, TextError> {
    let unreadable = |source| TextError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    decode(&bytes).map_err(|fault| TextError::NotText { path: path.to_owned(), fault })
}

/// Decodes text, without its byte order mark.
///
/// # Errors
/// The bytes are not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, NotText> {
    let bytes = &bytes[byte_order_mark_length(bytes)?..];
    let line_at = |index: usize| bytes[..index].iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(index) = bytes.iter().position(|byte| *byte == 0) {
        return Err(NotText::Binary { line: line_at(index) });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| NotText::Encoding { line: line_at(error.valid_up_to()) })?;
    Ok(text.replace("\r\n", "\n"))
}

/// A reader that replaces `\r\n` by `\n`: the CSV parser reports line numbers that are one too low for lines that
/// end with `\r\n`.
pub struct LineFeeds<R> {
    source: R,
    /// Whether the last byte of the source was a `\r` that is not written yet.
    pending: bool,
}

impl<R: BufRead> LineFeeds<R> {
    /// A reader of `source`.
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

/// The length of the byte order mark. `start` is the first kilobyte of a file, or all of it.
///
/// # Errors
/// The file is recognised as another format than UTF-8 text.
pub fn byte_order_mark_length(start: &[u8]) -> Result<usize, NotText> {
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

/// The separator of a CSV file, and the start of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator {
    /// The separator of cells: `,`, `;` or a tab.
    pub byte: u8,
    /// Number of bytes before the header: the line `sep=;` of Excel.
    pub skip: usize,
}

impl Separator {
    /// Detects the separator in the first line of a table: the one that `sep=` names, or the most frequent one
    /// outside quotes, or a comma.
    pub fn of(text: &[u8]) -> Self {
        let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
        let line = text[..end].trim_ascii();
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] = line {
            return Self { byte: *byte, skip: end };
        }
        // Trimming removes a tab after `sep=`.
        if line.eq_ignore_ascii_case(b"sep=") {
            return Self { byte: b'\t', skip: end };
        }
        let mut quoted = false;
        let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
        for byte in &text[..end] {
            quoted ^= *byte == b'"';
            if let Some((_, count)) =
                counts.iter_mut().find(|(separator, _)| separator == byte && !quoted)
            {
                *count += 1;
            }
        }
        // The first of equally frequent separators.
        let best = counts.iter().rev().max_by_key(|(_, count)| *count);
        Self { byte: best.map_or(b',', |(byte, _)| *byte), skip: 0 }
    }

    /// Number of lines before the header.
    pub fn lines_skipped(self) -> u64 {
        u64::from(self.skip > 0)
    }
}

/// `1 picture`, `12 pictures`: a count with its noun.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", noun(count, one, many))
}

/// The noun of a count: `one` for 1, else `many`.
pub fn noun<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_nouns() {
        let texts = [0, 1, 2].map(|count| counted(count, "exam", "exams"));
        assert_eq!(texts, ["0 exams", "1 exam", "2 exams"]);
    }

    #[test]
    fn byte_order_marks_are_removed_and_other_encodings_are_errors() {
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
    fn line_ends_become_line_feeds_for_every_buffer_size() {
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
    fn the_first_line_determines_the_separator() {
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
