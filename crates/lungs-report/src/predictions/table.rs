//! The cells of a CSV file of predictions.

use super::error::{Fault, LineFault, PredictionsError};
use lungs_base::table::TextTable;
use lungs_base::text;
use std::path::Path;

/// Reads a CSV file: its cells and the BLAKE3 of its text. Rows with too many cells are added to `faults`.
pub(super) fn read_table(
    path: &Path,
    faults: &mut Vec<LineFault>,
) -> Result<(TextTable, String), PredictionsError> {
    let text = text::read(path)?;
    let table = TextTable::parse(&text)
        .map_err(|source| PredictionsError::Csv { path: path.to_owned(), source })?;
    if table.rows.is_empty() {
        return Err(PredictionsError::NoRows { path: path.to_owned() });
    }
    for row in table.rows.iter().filter(|row| table.has_too_many_cells(row)) {
        let (cells, expected) = (row.cells.len(), table.header.len());
        let fault = Fault::TooManyCells { cells, expected, separator: table.separator };
        faults.push(LineFault { line: row.line, fault });
    }
    Ok((table, blake3::hash(text.as_bytes()).to_hex().to_string()))
}
