//! A row of a table, and why a table cannot be read.

use std::path::{Path, PathBuf};

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {message}")]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// The cause.
    pub message: String,
}

impl Unreadable {
    pub(super) fn new(path: &Path, message: &dyn std::fmt::Display) -> Self {
        Self { path: path.to_owned(), message: message.to_string() }
    }
}

/// One row of a table: the cells of the requested columns, in that order and trimmed. A column that the
/// table lacks gives empty cells.
pub struct Cells<'a> {
    /// The file.
    pub path: &'a Path,
    /// The cells.
    pub cells: &'a [&'a str],
    /// The position of the row.
    pub(super) number: RowNumber,
}

/// The position of a row: `line 7` of a CSV with its header, `row 6` of a Parquet file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumber {
    /// The number of the row, from 1; of a CSV, the line that it begins on.
    pub(super) number: u64,
    /// The unit: lines or rows.
    pub(super) unit: &'static str,
}

impl std::fmt::Display for RowNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.unit, self.number)
    }
}

impl Cells<'_> {
    /// The position of the row.
    pub fn at(&self) -> RowNumber {
        self.number
    }
}
