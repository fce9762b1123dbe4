//! What TensorFlow says of types and shapes.

use super::super::numbers::Kind;

/// The type that TensorFlow's `DataType` numbers.
pub fn kind_of(number: u64) -> Kind {
    match number {
        1 => Kind::F32,
        2 => Kind::F64,
        14 => Kind::Bf16,
        19 => Kind::F16,
        3 | 9 | 22 | 23 | 4 | 5 | 6 | 17 => Kind::Other("integers"),
        7 => Kind::Other("text"),
        10 => Kind::Other("truth values"),
        8 | 18 => Kind::Other("complex numbers"),
        _ => Kind::Other("numbers of another type"),
    }
}

/// A `TensorShapeProto`: the lengths of the axes, and their product.
pub fn shape(message: &[u8]) -> Result<(Vec<usize>, usize), String> {
    let (mut sides, mut count) = (vec![], 1_usize);
    for field in super::proto::fields(message) {
        let (2, value) = field? else { continue };
        let mut side = 0;
        for field in super::proto::fields(value.bytes("a side")?) {
            if let (1, length) = field? {
                side = length.number("a length")?;
            }
        }
        let side = usize::try_from(side).map_err(|_| format!("a side of {side}"))?;
        count = count.checked_mul(side).ok_or("a shape of more numbers than there can be")?;
        sides.push(side);
        if sides.len() > 16 {
            return Err("more than 16 axes".to_owned());
        }
    }
    Ok((sides, count))
}
