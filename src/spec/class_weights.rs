//! `loss.class_weights`: a word, or two numbers.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// `loss.class_weights`
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassWeights {
    /// Every exam counts alike.
    None,
    /// `n / (2 n_class)` over the training exams: both classes count alike, and the mean is 1.
    Balanced,
    /// Of an exam without cancer, and of one with it.
    Given([f64; 2]),
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Balanced => serializer.serialize_str("balanced"),
            Self::Given(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = ClassWeights;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("\"none\", \"balanced\", or two numbers such as [1.0, 3.0]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ClassWeights, E> {
        match text {
            "none" => Ok(ClassWeights::None),
            "balanced" => Ok(ClassWeights::Balanced),
            other => Err(E::unknown_variant(other, &["none", "balanced"])),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<ClassWeights, A::Error> {
        let mut weights = [0.0; 2];
        for (place, weight) in weights.iter_mut().enumerate() {
            *weight =
                numbers.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &self))?;
        }
        match numbers.next_element::<f64>()? {
            None => Ok(ClassWeights::Given(weights)),
            Some(_) => Err(A::Error::invalid_length(3, &self)),
        }
    }
}
