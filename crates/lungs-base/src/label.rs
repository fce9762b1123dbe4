//! Labels in tables: 1 for cancer within the horizon, 0 for no cancer, empty for an unknown label.

/// A label as 0 or 1.
pub mod as_number {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes 0 or 1.
    pub fn serialize<S: Serializer>(label: &bool, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(u8::from(*label))
    }

    /// Reads 0 or 1.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
        match u8::deserialize(from)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::invalid_value(Unexpected::Unsigned(other.into()), &"0 or 1")),
        }
    }
}

/// A label as 0, 1 or nothing.
pub mod as_optional_number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    struct Number(#[serde(with = "super::as_number")] bool);

    /// Writes 0, 1 or nothing.
    pub fn serialize<S: Serializer>(label: &Option<bool>, to: S) -> Result<S::Ok, S::Error> {
        label.map(u8::from).serialize(to)
    }

    /// Reads 0, 1 or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
        Ok(Option::<Number>::deserialize(from)?.map(|Number(label)| label))
    }
}
