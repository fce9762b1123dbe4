//! TensorFlow's types and shapes.

use super::super::numbers::Kind;

/// The type for a value of TensorFlow's `DataType`.
pub(crate) fn kind_of(number: u64) -> Kind {
    match number {
        1 => Kind::F32,
        2 => Kind::F64,
        14 => Kind::Bf16,
        19 => Kind::F16,
        3 | 9 | 22 | 23 | 4 | 5 | 6 | 17 => Kind::Other("integers"),
        7 => Kind::Other("text"),
        10 => Kind::Other("booleans"),
        8 | 18 => Kind::Other("complex numbers"),
        _ => Kind::Other("unsupported number type"),
    }
}

/// A `TensorShapeProto`: the lengths of the axes, and their product.
pub(super) fn shape(message: &[u8]) -> Result<(Vec<usize>, usize), String> {
    let (mut sides, mut count) = (vec![], 1_usize);
    for field in super::proto::fields(message) {
        let (2, value) = field? else { continue };
        let mut side = 0;
        for field in super::proto::fields(value.bytes("an axis")?) {
            if let (1, length) = field? {
                side = length.number("an axis length")?;
            }
        }
        let side = usize::try_from(side)
            .map_err(|_| format!("an axis length is {side}, which is too large"))?;
        count = count.checked_mul(side).ok_or("the shape has more numbers than memory can hold")?;
        sides.push(side);
        if sides.len() > 16 {
            return Err("the shape has more than 16 axes".to_owned());
        }
    }
    Ok((sides, count))
}
