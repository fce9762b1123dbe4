//! Rows of the trial's tables: of the columns that are wanted, one after the other.

use crate::table::{self, Cells, RowNumber, Unreadable};
use std::path::{Path, PathBuf};

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("{0}; expected a table as CSV or Parquet, with named columns")]
    Unreadable(#[from] Unreadable),
    /// The tables are not there, or there are too many.
    #[error("cannot read {path}: {message}; expected {expected}")]
    NoTables {
        /// Where they should be.
        path: PathBuf,
        /// What is there instead.
        message: String,
        /// What should be.
        expected: &'static str,
    },
    /// A column that is needed is absent.
    #[error("{path} has no column `{column}`; its columns are: {found}")]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
        /// What is there.
        found: String,
    },
    /// A value that cannot be.
    #[error("{path}, {at}, column `{column}`: found \"{found}\", expected {expected}")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Where in it: `line 7`, or `row 6` of a Parquet file.
        at: RowNumber,
        /// The column.
        column: &'static str,
        /// What was found.
        found: String,
        /// What is needed.
        expected: String,
    },
}

/// A column that is wanted of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name; case does not matter.
    pub name: &'static str,
    /// Whether the table is of no use without it.
    pub needed: bool,
}

/// A column that must be there.
pub const fn needed(name: &'static str) -> Column {
    Column { name, needed: true }
}

/// A column that may be absent: its cells are then empty.
pub const fn optional(name: &'static str) -> Column {
    Column { name, needed: false }
}

/// One row, its cells in the order in which the columns were asked for.
pub struct Row<'a> {
    columns: &'a [Column],
    row: &'a Cells<'a>,
}

impl Row<'_> {
    /// The text of the cell at a place of the columns asked for, without blanks around it.
    pub fn text(&self, place: usize) -> &str {
        self.row.cells[place]
    }

    /// Where it is in its file.
    pub fn at(&self) -> RowNumber {
        self.row.at()
    }

    /// An error about the cell at `place`.
    pub fn wrong(&self, place: usize, expected: impl Into<String>) -> TableError {
        TableError::BadValue {
            path: self.row.path.to_owned(),
            at: self.row.at(),
            column: self.columns[place].name,
            found: self.text(place).to_owned(),
            expected: expected.into(),
        }
    }

    /// Text that must not be empty.
    pub fn needed_text(&self, place: usize) -> Result<&str, TableError> {
        match self.text(place) {
            "" => Err(self.wrong(place, "something")),
            text => Ok(text),
        }
    }

    /// A whole number of the participant's own, such as `pid`: `100012`, or `100012.0` as some
    /// programs write it.
    pub fn identifier(&self, place: usize) -> Result<String, TableError> {
        let text = self.needed_text(place)?;
        Ok(text.strip_suffix(".0").unwrap_or(text).to_owned())
    }
}

/// Reads a table row by row, whatever the order of its columns.
///
/// # Errors
/// When it cannot be read, lacks a needed column, or `each` refuses a row.
pub fn read_rows(
    path: &Path,
    columns: &[Column],
    mut each: impl FnMut(&Row) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let choose =
        |path: &Path, names: &[String]| columns.iter().map(|one| place(path, names, one)).collect();
    table::read(path, choose, |row| each(&Row { columns, row }))
}

/// Where a column is among the names.
fn place(path: &Path, names: &[String], column: &Column) -> Result<Option<usize>, TableError> {
    let place = names.iter().position(|name| name.eq_ignore_ascii_case(column.name));
    if place.is_none() && column.needed {
        let (path, found) = (path.to_owned(), names.join(", "));
        return Err(TableError::NoColumn { path, column: column.name, found });
    }
    Ok(place)
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
            rows.push((0..columns.len()).map(|place| row.text(place).to_owned()).collect());
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn columns_come_in_any_order_and_case_and_optional_ones_may_be_absent() {
        let columns = [needed("pid"), optional("rndgroup"), needed("age")];
        let rows = read("\u{feff}AGE,other,PID\n 61 ,x,100001\n", &columns).unwrap();
        assert_eq!(rows, [["100001", "", "61"]]);
    }

    #[test]
    fn a_missing_column_is_named_with_those_there() {
        let told = read("a,b\n1,2\n", &[needed("pid")]).unwrap_err().to_string();
        assert!(told.ends_with("table.csv has no column `pid`; its columns are: a, b"), "{told}");
    }

    #[test]
    fn a_row_of_another_length_is_an_error_with_its_line() {
        let told = read("pid,age\n1,2\n3\n", &[needed("pid")]).unwrap_err().to_string();
        assert!(told.contains("line: 3"), "{told}");
    }
}
