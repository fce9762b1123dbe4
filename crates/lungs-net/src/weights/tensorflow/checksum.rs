//! CRC-32C as TensorFlow stores it: masked, because the CRC of data that contains its own CRCs is
//! weak.

/// The stored form of a CRC-32C.
pub(super) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Whether a checksum is the expected one. Always true under fuzzing, since a fuzzer cannot guess a
/// checksum.
pub(crate) fn agrees(actual: u32, expected: u32) -> bool {
    cfg!(fuzzing) || actual == expected
}
