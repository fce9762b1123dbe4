//! Free text in the character set that SpecificCharacterSet (0008,0005) names.
//!
//! With ISO 2022, escape sequences change the character set within a text (PS3.3,
//! C.12.1.1.2): after `ESC $ B` the text is Japanese, two bytes per character, until `ESC ( B`
//! returns to ASCII. All of these bytes may be below 128.

use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

const ESCAPE: u8 = 0x1B;

/// The text without padding, decoded with the declared character sets. Invalid bytes are replaced.
pub(super) fn decode(bytes: &[u8], declared: &str) -> String {
    let first = declared.split('\\').next().unwrap_or_default().trim();
    let decoded = match bytes {
        _ if bytes.contains(&ESCAPE) => decode_escaped(bytes, first),
        _ if bytes.is_ascii() => String::from_utf8_lossy(bytes).into_owned(),
        _ => decode_with(bytes, first),
    };
    decoded.trim_matches([' ', '\0']).to_owned()
}

/// Text in one character set.
fn decode_with(bytes: &[u8], name: &str) -> String {
    // Many writers use UTF-8 without declaring it.
    if name.is_empty()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    if let "ISO_IR 148" | "ISO 2022 IR 148" = name {
        return bytes.iter().map(|&byte| turkish(byte)).collect();
    }
    let charset = SpecificCharacterSet::from_code(name).unwrap_or_default();
    charset.decode(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
}

/// ISO 8859-9, which differs from ISO 8859-1 in six letters.
fn turkish(byte: u8) -> char {
    match byte {
        0xD0 => 'Ğ',
        0xDD => 'İ',
        0xDE => 'Ş',
        0xF0 => 'ğ',
        0xFD => 'ı',
        0xFE => 'ş',
        _ => char::from(byte),
    }
}

/// The character set that an escape sequence selects.
#[derive(Clone, Copy)]
enum Switch {
    /// ASCII, or its Japanese variant, for bytes below 128.
    Ascii,
    /// Two bytes below 128 per character: the escape sequence of ISO-2022-JP.
    Japanese(&'static [u8]),
    /// This character set for bytes from 128.
    Upper(&'static str),
}

/// Escape sequences (without the escape) and the character sets that they select.
const SWITCHES: [(&[u8], Switch); 19] = [
    (b"(B", Switch::Ascii),
    (b"(J", Switch::Ascii),
    (b"$B", Switch::Japanese(b"\x1B$B")),
    (b"$@", Switch::Japanese(b"\x1B$B")),
    (b"$(D", Switch::Japanese(b"\x1B$(D")),
    (b")I", Switch::Upper("ISO 2022 IR 13")),
    (b"$)C", Switch::Upper("ISO 2022 IR 149")),
    (b"$)A", Switch::Upper("ISO 2022 IR 58")),
    (b"-A", Switch::Upper("ISO 2022 IR 100")),
    (b"-B", Switch::Upper("ISO 2022 IR 101")),
    (b"-C", Switch::Upper("ISO 2022 IR 109")),
    (b"-D", Switch::Upper("ISO 2022 IR 110")),
    (b"-F", Switch::Upper("ISO 2022 IR 126")),
    (b"-G", Switch::Upper("ISO 2022 IR 127")),
    (b"-H", Switch::Upper("ISO 2022 IR 138")),
    (b"-L", Switch::Upper("ISO 2022 IR 144")),
    (b"-M", Switch::Upper("ISO 2022 IR 148")),
    (b"-T", Switch::Upper("ISO 2022 IR 166")),
    (b"$A", Switch::Upper("ISO 2022 IR 58")),
];

/// Text with escape sequences; `upper` names the initial character set of bytes from 128.
fn decode_escaped(bytes: &[u8], mut upper: &str) -> String {
    let mut japanese: Option<&[u8]> = None;
    let mut text = String::new();
    for (index, part) in bytes.split(|&byte| byte == ESCAPE).enumerate() {
        // Only the parts after an escape start with a sequence.
        let known = SWITCHES.iter().filter(|_| index > 0);
        let known = known.filter(|(sequence, _)| part.starts_with(sequence));
        let mut rest = part;
        if let Some((sequence, switch)) = known.max_by_key(|(sequence, _)| sequence.len()) {
            rest = &part[sequence.len()..];
            match switch {
                Switch::Ascii => japanese = None,
                Switch::Japanese(sequence) => japanese = Some(sequence),
                Switch::Upper(name) => upper = name,
            }
        }
        match japanese {
            Some(sequence) => {
                text.push_str(&decode_with(&[sequence, rest].concat(), "ISO 2022 IR 87"));
            }
            None => text.push_str(&decode_with(rest, upper)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of PS3.5, annexes H, I, J and K, and the spellings of writers.
    #[test]
    fn texts_in_iso_2022_character_sets_are_decoded() {
        let cases: [(&[u8], &str, &str); 13] = [
            (
                b"Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B",
                "\\ISO 2022 IR 87",
                "Yamada^Tarou=山田^太郎",
            ),
            (
                b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J",
                "ISO 2022 IR 13\\ISO 2022 IR 87",
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
            ),
            (
                b"Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7",
                "\\ISO 2022 IR 149",
                "Hong^Gildong=洪^吉洞",
            ),
            (b"Zhang=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB", "\\ISO 2022 IR 58", "Zhang=张^小东"),
            (b"Buc^J\xE9r\xF4me", "ISO_IR 100", "Buc^Jérôme"),
            (b"\xC4\xE9\xEF\xED\xF5\xF3\xE9\xEF\xF2", "ISO_IR 126", "Διονυσιος"),
            (b"A\x1B-F\xC4\x1B-A\xE9", "ISO 2022 IR 6\\ISO 2022 IR 126\\ISO 2022 IR 100", "AΔé"),
            (b"\xDEahin", "ISO_IR 148", "Şahin"),
            ("王^小東".as_bytes(), "ISO_IR 192", "王^小東"),
            ("Müller".as_bytes(), "", "Müller"),
            (b"M\xFCller", "", "Müller"),
            (b" P1 \0", "\\ISO 2022 IR 87", "P1"),
            // Escape sequences without a declared character set.
            (b"ID-\x1B$B;3\x1B(B7", "", "ID-山7"),
        ];
        for (bytes, declared, expected) in cases {
            assert_eq!(decode(bytes, declared), expected, "{declared}");
        }
    }

    #[test]
    fn damaged_escape_sequences_lose_no_more_than_themselves() {
        for bytes in [b"\x1B".as_slice(), b"A\x1B$", b"A\x1B$B;", b"\x1B\x1B$)C\xFB", b"A\x1BZ9"] {
            let _ = decode(bytes, "\\ISO 2022 IR 87");
        }
        assert!(decode(b"A\x1BZ9", "").starts_with('A'));
    }
}
