//! `loss.class_weights`: a name, or two numbers.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// `loss.class_weights`
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassWeights {
    /// Every exam has weight 1.
    None,
    /// `n / (2 n_class)` over the training exams: both classes have the same total weight, and the mean
    /// weight is 1.
    Balanced,
    /// Weights of an exam without and with cancer.
    PerClass([f64; 2]),
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Balanced => serializer.serialize_str("balanced"),
            Self::PerClass(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClassWeightsVisitor)
    }
}

struct ClassWeightsVisitor;

impl<'de> Visitor<'de> for ClassWeightsVisitor {
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
        for (index, weight) in weights.iter_mut().enumerate() {
            *weight =
                numbers.next_element()?.ok_or_else(|| A::Error::invalid_length(index, &self))?;
        }
        match numbers.next_element::<f64>()? {
            None => Ok(ClassWeights::PerClass(weights)),
            Some(_) => Err(A::Error::invalid_length(3, &self)),
        }
    }
}
