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

#[cfg(test)]
mod tests {
    use super::super::{read_csv, write_csv};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super::as_number")]
        label: bool,
        #[serde(default, with = "super::as_optional_number")]
        optional: Option<bool>,
    }

    #[test]
    fn labels_are_numbers_in_tables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let rows = [
            Row { label: true, optional: Some(false) },
            Row { label: false, optional: Some(true) },
            Row { label: false, optional: None },
        ];
        write_csv(&path, &rows).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "label,optional\n1,0\n0,1\n0,\n");
        assert_eq!(read_csv::<Row>(&path).unwrap(), rows);
        std::fs::write(&path, "label\n1\n").unwrap();
        assert_eq!(read_csv::<Row>(&path).unwrap(), [Row { label: true, optional: None }]);
        std::fs::write(&path, "label,optional\n2,\n").unwrap();
        let message = read_csv::<Row>(&path).unwrap_err().to_string();
        assert!(message.contains("expected 0 or 1"), "{message}");
    }
}
