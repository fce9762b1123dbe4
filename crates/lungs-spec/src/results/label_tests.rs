//! Labels in tables.

use super::{read_csv, write_csv};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(with = "lungs_base::label::as_number")]
    label: bool,
    #[serde(default, with = "lungs_base::label::as_optional_number")]
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
