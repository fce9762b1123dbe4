//! The cells of a CSV file with their lines.

use super::error::{Fault, LineFault, PredictionsError};
use lungs_base::text::{self, Separator};
use std::path::Path;

/// The header and the rows of a CSV file.
pub(super) struct CsvTable {
    /// Column names.
    pub header: Vec<String>,
    /// The rows, without empty ones.
    pub rows: Vec<CsvRow>,
    /// BLAKE3 of the text.
    pub hash: String,
}

/// A row of a CSV file.
pub(super) struct CsvRow {
    /// Line, from 1.
    pub line: u64,
    cells: csv::StringRecord,
}

impl CsvRow {
    /// The cell of a column; empty if the row is shorter.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }
}

/// Reads a CSV file with cells between `,`, `;` or tabs. Rows with too many cells are added to `faults`.
pub(super) fn read_table(
    path: &Path,
    faults: &mut Vec<LineFault>,
) -> Result<CsvTable, PredictionsError> {
    let text = text::read(path)?;
    let separator = Separator::of(text.as_bytes());
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(separator.byte)
        .flexible(true)
        .from_reader(&text.as_bytes()[separator.skip..]);
    let unreadable = |source| PredictionsError::Csv { path: path.to_owned(), source };
    let header: Vec<String> =
        reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let cells = record.map_err(unreadable)?;
        // Spreadsheets write empty rows.
        if cells.iter().all(str::is_empty) {
            continue;
        }
        let line = cells.position().map_or(0, csv::Position::line) + separator.lines_skipped();
        if cells.iter().skip(header.len()).any(|cell| !cell.is_empty()) {
            let (cells, expected) = (cells.len(), header.len());
            let separator = char::from(separator.byte);
            let fault = Fault::TooManyCells { cells, expected, separator };
            faults.push(LineFault { line, fault });
        }
        rows.push(CsvRow { line, cells });
    }
    if rows.is_empty() {
        return Err(PredictionsError::NoRows { path: path.to_owned() });
    }
    Ok(CsvTable { header, rows, hash: blake3::hash(text.as_bytes()).to_hex().to_string() })
}
