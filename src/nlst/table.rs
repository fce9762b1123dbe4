//! One way to read a table: rows of the columns that are wanted, one after the other. Reading
//! another format than CSV is a matter of this file alone.

use std::path::{Path, PathBuf};

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is not there, or not a table.
    #[error("cannot read {path}: {message}; expected {expected}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
        /// What it should be.
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
    #[error("{path}, line {line}, column `{column}`: found \"{found}\", expected {expected}")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
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
    path: &'a Path,
    columns: &'a [Column],
    cells: &'a [&'a str],
    /// Line in the file, from 1.
    pub line: u64,
}

impl Row<'_> {
    /// The text of the cell at a place of the columns asked for, without blanks around it.
    pub fn text(&self, place: usize) -> &str {
        self.cells[place]
    }

    /// An error about the cell at `place`.
    pub fn wrong(&self, place: usize, expected: impl Into<String>) -> TableError {
        TableError::BadValue {
            path: self.path.to_owned(),
            line: self.line,
            column: self.columns[place].name,
            found: self.cells[place].to_owned(),
            expected: expected.into(),
        }
    }

    /// Text that must not be empty.
    pub fn needed_text(&self, place: usize) -> Result<&str, TableError> {
        match self.cells[place] {
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

/// Reads a CSV table row by row, whatever the order of its columns.
///
/// # Errors
/// When the file cannot be read, lacks a needed column, or `each` refuses a row.
pub fn read_rows(
    path: &Path,
    columns: &[Column],
    mut each: impl FnMut(&Row) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let unreadable = |error: &dyn std::fmt::Display| TableError::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
        expected: "a table in CSV with a line of column names",
    };
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
        return Err(unreadable(&"it is Parquet, which this command does not read"));
    }
    let file = std::fs::File::open(path).map_err(|e| unreadable(&e))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|e| unreadable(&e))?.clone();
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let place = headers
            .iter()
            .position(|name| name.trim_start_matches('\u{feff}').eq_ignore_ascii_case(column.name));
        if place.is_none() && column.needed {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            let path = path.to_owned();
            return Err(TableError::NoColumn { path, column: column.name, found });
        }
        places.push(place);
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| unreadable(&e))? {
        let cell = |place: &Option<usize>| place.and_then(|at| record.get(at)).unwrap_or_default();
        let cells: Vec<&str> = places.iter().map(cell).collect();
        let line = record.position().map_or(0, csv::Position::line);
        each(&Row { path, columns, cells: &cells, line })?;
    }
    Ok(())
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
