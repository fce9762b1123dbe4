//! Number types in files, and conversion of their bytes to `f32`.

use half::{bf16, f16};

/// The type of an array's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F64,
    F16,
    Bf16,
    /// Not a floating-point type; its description.
    Other(&'static str),
}

impl Kind {
    /// Bytes of one number; 0 for types that are not read.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_) => 0,
        }
    }

    /// Little-endian numbers as `f32`.
    pub(super) fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F64 => {
                bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
            }
            Self::F16 => {
                bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
            }
            Self::Bf16 => {
                bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
            }
            Self::Other(_) => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_float_is_read() {
        assert_eq!(Kind::F32.numbers(&1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(Kind::F64.numbers(&(-0.25_f64).to_le_bytes()), [-0.25]);
        assert_eq!(Kind::F16.numbers(&[0x00, 0x3e, 0x00, 0xc0]), [1.5, -2.0]);
        assert_eq!(Kind::Bf16.numbers(&[0xc0, 0x3f]), [1.5]);
    }
}
