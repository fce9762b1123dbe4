//! The checksum in an object's ETag.

use md5::{Digest, Md5};

/// The checksum in an ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// The MD5 of the bytes, of an object uploaded in one piece.
    Md5([u8; 16]),
    /// The MD5 of the MD5 of the bytes, of an object uploaded in several parts, of which there is one.
    OnePart([u8; 16]),
}

impl Checksum {
    /// Parses an ETag, with or without quotes. `None` if it has several parts or is no MD5.
    pub(crate) fn from_etag(etag: &str) -> Option<Self> {
        let etag = etag.trim().trim_matches('"');
        match etag.split_once('-') {
            None => parse_hex(etag).map(Self::Md5),
            Some((hash, "1")) => parse_hex(hash).map(Self::OnePart),
            Some(_) => None,
        }
    }

    /// Whether bytes with this MD5 match.
    pub(super) fn matches(self, md5: &[u8; 16]) -> bool {
        match self {
            Self::Md5(expected) => expected == *md5,
            Self::OnePart(expected) => expected == <[u8; 16]>::from(Md5::digest(md5)),
        }
    }
}

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_etags_of_one_part_are_checksums() {
        // RFC 1321 gives the MD5 of "abc".
        let abc = <[u8; 16]>::from(Md5::digest(b"abc"));
        let plain = Checksum::from_etag("\"900150983cd24fb0d6963f7d28e17f72\"").unwrap();
        assert!(plain.matches(&abc) && !plain.matches(&[0; 16]));
        // `printf abc | openssl md5 -binary | openssl md5`
        let one = Checksum::from_etag("af5da9f45af7a300e3aded972f8ff687-1").unwrap();
        assert!(one.matches(&abc) && !one.matches(&[0; 16]));
        for etag in ["", "\"\"", "\"CKih16GjycICEAE=\"", "900150983cd24fb0d6963f7d28e17f72-2", "é"]
        {
            assert_eq!(Checksum::from_etag(etag), None, "{etag}");
        }
    }
}
