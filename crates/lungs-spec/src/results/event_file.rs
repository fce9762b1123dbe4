//! Event files of TensorBoard: records of protocol buffers, each with its length and checksums.
//!
//! ```text
//! file   = record(version) record(scalars) record(scalars) …
//! record = length u64 | masked CRC-32C of it | payload | masked CRC-32C of it      little-endian
//! payload = Event { 1: wall time f64, 2: step, 3: file version | 5: Summary }
//! Summary = { 1: Value { 1: tag, 2: number f32 } … }
//! ```
//!
//! The format is TensorFlow's: `core/lib/io/record_writer.h`, `core/util/event.proto` and
//! `core/framework/summary.proto`.

use std::borrow::Cow;

/// One record without its time, the only field that depends on the clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The first record of every file.
    Version,
    /// Values by name at one step.
    Scalars { step: usize, values: Vec<(Cow<'static, str>, f64)> },
}

impl Event {
    /// The bytes of the record.
    pub(super) fn record(&self, wall_time: f64) -> Vec<u8> {
        let payload = self.payload(wall_time);
        let length = (payload.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(payload.len() + 16);
        record.extend(length);
        record.extend(masked_checksum(&length));
        record.extend(&payload);
        record.extend(masked_checksum(&payload));
        record
    }

    fn payload(&self, wall_time: f64) -> Vec<u8> {
        // The wall time is the first field, because `wall_time` reads it at a fixed position.
        let mut event = vec![1 << 3 | EIGHT_BYTES];
        event.extend(wall_time.to_le_bytes());
        match self {
            Self::Version => put_bytes(&mut event, 3, b"brain.Event:2"),
            Self::Scalars { step, values } => {
                event.push(2 << 3 | VARINT);
                put_varint(&mut event, *step as u64);
                let mut summary = Vec::new();
                for (tag, number) in values {
                    let mut value = Vec::new();
                    put_bytes(&mut value, 1, tag.as_bytes());
                    value.push(2 << 3 | FOUR_BYTES);
                    value.extend((*number as f32).to_le_bytes());
                    put_bytes(&mut summary, 1, &value);
                }
                put_bytes(&mut event, 5, &summary);
            }
        }
        event
    }
}

/// The wall time of the record at the start of `bytes`; `None` if they are too short.
pub(super) fn wall_time(bytes: &[u8]) -> Option<f64> {
    let time = bytes.get(13..21)?;
    time.try_into().ok().map(f64::from_le_bytes)
}

// Wire types of protocol buffers.
const VARINT: u8 = 0;
const EIGHT_BYTES: u8 = 1;
const BYTES: u8 = 2;
const FOUR_BYTES: u8 = 5;

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by TensorFlow 2.21.0: `tf.io.TFRecordWriter` of two `event_pb2.Event`s with these
    /// contents, serialised by its protocol buffers.
    const WRITTEN_BY_TENSORFLOW: &str = "1800000000000000a37f4b220900001040fc54d9411a0d627261696e\
         2e4576656e743a32338d2fe93b000000000000001a23ac5c0900001040fc54d94110ac022a2d0a100a097374\
         65702f6c6f7373151872313f0a190a12737465702f6c6561726e696e675f726174651517b7513839e9236b";

    #[test]
    fn records_equal_those_of_tensorflow() {
        let values =
            vec![("step/loss".into(), std::f64::consts::LN_2), ("step/learning_rate".into(), 5e-5)];
        let scalars = Event::Scalars { step: 300, values };
        let time = 1_700_000_000.25;
        let file = [Event::Version.record(time), scalars.record(time)].concat();
        let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, WRITTEN_BY_TENSORFLOW);
        assert_eq!(wall_time(&file), Some(time));
        assert_eq!(wall_time(&file[..20]), None);
    }
}
