//! CRC-32C as TensorFlow stores it: masked, so that the checksum of data that holds checksums is
//! no worse than another.

/// What is stored for a CRC-32C.
pub fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Whether a checksum is the expected one. A fuzzer gets past it: it could not guess one.
pub fn agrees(found: u32, expected: u32) -> bool {
    cfg!(fuzzing) || found == expected
}
