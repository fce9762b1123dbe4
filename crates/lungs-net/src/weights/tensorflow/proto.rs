//! The subset of protocol buffers that checkpoints need, field by field.
//!
//! Errors describe the fault; the caller adds the file and the position.

/// The value of a field, by wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// A variable-length integer.
    Number(u64),
    /// Four bytes.
    Four([u8; 4]),
    /// Eight bytes.
    Eight([u8; 8]),
    /// A string, a message, or packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The integer; an error for other wire types.
    pub(super) fn number(self, field: &str) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(number),
            other => Err(format!("{field} is {}, expected an integer", other.description())),
        }
    }

    /// The bytes; an error for other wire types.
    pub(super) fn bytes(self, field: &str) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(format!("{field} is {}, expected bytes", other.description())),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Number(_) => "an integer",
            Self::Four(_) => "four bytes",
            Self::Eight(_) => "eight bytes",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A message's fields in order, each with its number. The first error ends the iteration.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of a message.
pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Value<'a>), String> {
        let tag = varint(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut self.rest)?),
            1 => Value::Eight(self.array()?),
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(take(&mut self.rest, length)?)
            }
            5 => Value::Four(self.array()?),
            wire => return Err(format!("wire type {wire}, expected 0, 1, 2 or 5")),
        };
        match tag >> 3 {
            0 => Err("field number 0".to_owned()),
            number => Ok((number, value)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| {
            format!("expected a number of {N} bytes, {} bytes remain", self.rest.len())
        })?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Takes `length` bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let remaining = bytes.len();
    let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (front, rest) =
        split.ok_or_else(|| format!("expected {length} bytes, {remaining} bytes remain"))?;
    *bytes = rest;
    Ok(front)
}

/// Takes a variable-length integer from the front: seven bits per byte, low bits first.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        if index == 9 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    match bytes.len() {
        0..10 => Err("truncated integer".to_owned()),
        _ => Err("integer of more than 64 bits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read() {
        let message = b"\x08\xac\x02\x15\x01\x02\x03\x04\x19abcdefgh\x22\x02hi\x80\x08\x01";
        let values: Result<Vec<_>, _> = fields(message).collect();
        let expected = vec![
            (1, Value::Number(300)),
            (2, Value::Four([1, 2, 3, 4])),
            (3, Value::Eight(*b"abcdefgh")),
            (4, Value::Bytes(b"hi")),
            (128, Value::Number(1)),
        ];
        assert_eq!(values.unwrap(), expected);
    }

    #[test]
    fn integers_end_within_ten_bytes() {
        let read = |mut bytes: &[u8]| varint(&mut bytes);
        let greatest = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(read(&greatest), Ok(u64::MAX));
        let too_many_bits = [[0xff; 9].as_slice(), &[2]].concat();
        assert_eq!(read(&too_many_bits).unwrap_err(), "integer of more than 64 bits");
        assert_eq!(read(&[0x80; 11]).unwrap_err(), "integer of more than 64 bits");
        assert_eq!(read(&[0x80; 3]).unwrap_err(), "truncated integer");
    }

    #[test]
    fn an_invalid_field_ends_the_message() {
        for (message, error) in [
            (b"\x0b\x08\x01".as_slice(), "wire type 3, expected 0, 1, 2 or 5"),
            (b"\x00\x01", "field number 0"),
            (b"\x15\x01\x02", "expected a number of 4 bytes, 2 bytes remain"),
            (
                b"\x22\xff\xff\xff\xff\xff\xff\xff\xff\x0fhi",
                "expected 1152921504606846975 bytes, 2 bytes remain",
            ),
        ] {
            let values: Vec<_> = fields(message).collect();
            assert_eq!(values, [Err(error.to_owned())]);
        }
    }
}
