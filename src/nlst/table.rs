//! Rows of the trial's tables, with the cells of the requested columns.

use lungs_archive::table::{self, Cells, RowNumber, Unreadable};
use std::path::{Path, PathBuf};

/// An error of reading a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The table cannot be read.
    #[error("{0}; expected a CSV or Parquet table with named columns")]
    Unreadable(#[from] Unreadable),
    /// A table is missing or ambiguous.
    #[error("cannot read {path}: {message}; expected {expected}")]
    NoTables {
        /// The folder or file.
        path: PathBuf,
        /// What was found.
        message: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A required column is missing.
    #[error("{path} has no column `{column}`; its columns are: {found}")]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
        /// The columns of the table.
        found: String,
    },
    /// A cell has an invalid value.
    #[error("{path}, {at}, column `{column}`: found \"{found}\", expected {expected}")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Its position: `line 7`, or `row 6` of a Parquet file.
        at: RowNumber,
        /// The column.
        column: &'static str,
        /// The value.
        found: String,
        /// The expected value.
        expected: String,
    },
}

/// A requested column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its name, in any case.
    pub name: &'static str,
    /// Whether its absence is an error.
    pub is_required: bool,
}

/// A column whose absence is an error.
pub(super) const fn required(name: &'static str) -> Column {
    Column { name, is_required: true }
}

/// A column that may be absent; its cells are then empty.
pub(super) const fn optional(name: &'static str) -> Column {
    Column { name, is_required: false }
}

/// One row, with its cells in the order of the requested columns.
pub(super) struct Row<'a> {
    columns: &'a [Column],
    row: &'a Cells<'a>,
}

impl Row<'_> {
    /// The text of the cell of a requested column, without surrounding blanks.
    pub(super) fn text(&self, column: usize) -> &str {
        self.row.cells[column]
    }

    /// Its position in the file.
    pub(super) fn at(&self) -> RowNumber {
        self.row.at()
    }

    /// The error of an invalid cell.
    pub(super) fn wrong(&self, column: usize, expected: impl Into<String>) -> TableError {
        TableError::BadValue {
            path: self.row.path.to_owned(),
            at: self.row.at(),
            column: self.columns[column].name,
            found: self.text(column).to_owned(),
            expected: expected.into(),
        }
    }

    /// Text that must not be empty.
    pub(super) fn required_text(&self, column: usize) -> Result<&str, TableError> {
        match self.text(column) {
            "" => Err(self.wrong(column, "a value")),
            text => Ok(text),
        }
    }

    /// An identifier such as `pid`: `100012`, or `100012.0` as some programs write it.
    pub(super) fn identifier(&self, column: usize) -> Result<String, TableError> {
        let text = self.required_text(column)?;
        Ok(text.strip_suffix(".0").unwrap_or(text).to_owned())
    }
}

/// Reads a table row by row. Its columns may be in any order.
///
/// # Errors
/// The table cannot be read or lacks a required column, or `each` fails.
pub(super) fn read_rows(
    path: &Path,
    columns: &[Column],
    mut each: impl FnMut(&Row) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let choose = |path: &Path, names: &[String]| {
        columns.iter().map(|column| find_column(path, names, column)).collect()
    };
    table::read(path, choose, |row| each(&Row { columns, row }))
}

/// The index of a column among the names.
fn find_column(
    path: &Path,
    names: &[String],
    column: &Column,
) -> Result<Option<usize>, TableError> {
    let index = names.iter().position(|name| name.eq_ignore_ascii_case(column.name));
    if index.is_none() && column.is_required {
        let (path, found) = (path.to_owned(), names.join(", "));
        return Err(TableError::NoColumn { path, column: column.name, found });
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, columns: &[Column]) -> Result<Vec<Vec<String>>, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let mut rows = Vec::new();
        read_rows(&path, columns, |row| {
            rows.push((0..columns.len()).map(|column| row.text(column).to_owned()).collect());
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn columns_come_in_any_order_and_case_and_optional_ones_may_be_absent() {
        let columns = [required("pid"), optional("rndgroup"), required("age")];
        let rows = read("\u{feff}AGE,other,PID\n 61 ,x,100001\n", &columns).unwrap();
        assert_eq!(rows, [["100001", "", "61"]]);
    }

    #[test]
    fn a_missing_column_is_named_with_those_of_the_table() {
        let message = read("a,b\n1,2\n", &[required("pid")]).unwrap_err().to_string();
        assert!(
            message.ends_with("table.csv has no column `pid`; its columns are: a, b"),
            "{message}"
        );
    }

    #[test]
    fn a_row_of_another_length_is_an_error_with_its_line() {
        let message = read("pid,age\n1,2\n3\n", &[required("pid")]).unwrap_err().to_string();
        assert!(message.contains("line: 3"), "{message}");
    }
}
