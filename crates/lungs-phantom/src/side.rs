//! The sides of a patient.

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's right (small columns of an image, negative x).
    Right,
    /// The patient's left.
    Left,
}

impl Side {
    /// −1 for right, +1 for left: the sign of x on that side.
    pub(super) fn sign(self) -> f32 {
        match self {
            Self::Right => -1.0,
            Self::Left => 1.0,
        }
    }

    /// The side of the coordinate x.
    pub(super) fn of(x: f32) -> Self {
        if x < 0.0 { Self::Right } else { Self::Left }
    }
}
