//! The cells of CSV text with their lines.

use super::text::Separator;

/// The header and the rows of CSV text.
#[derive(Debug)]
pub struct TextTable {
    /// Column names.
    pub header: Vec<String>,
    /// The rows, without empty ones.
    pub rows: Vec<TextRow>,
    /// The separator of cells.
    pub separator: char,
}

/// A row of CSV text.
#[derive(Debug)]
pub struct TextRow {
    /// Line, from 1.
    pub line: u64,
    /// The cells, without spaces around them; they may be fewer or more than those of the header.
    pub cells: csv::StringRecord,
}

impl TextTable {
    /// Reads text with cells between `,`, `;` or tabs: see [`Separator`].
    ///
    /// # Errors
    /// The text is not CSV.
    pub fn parse(text: &str) -> Result<Self, csv::Error> {
        let separator = Separator::of(text.as_bytes());
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(separator.byte)
            .flexible(true)
            .from_reader(&text.as_bytes()[separator.skip..]);
        let header = reader.headers()?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for cells in reader.into_records() {
            let cells = cells?;
            // Spreadsheets write empty rows.
            if cells.iter().all(str::is_empty) {
                continue;
            }
            let line = cells.position().map_or(0, csv::Position::line) + separator.lines_skipped();
            rows.push(TextRow { line, cells });
        }
        Ok(Self { header, rows, separator: char::from(separator.byte) })
    }

    /// Whether a row has cells beyond those of the header that are not empty.
    pub fn has_too_many_cells(&self, row: &TextRow) -> bool {
        row.cells.iter().skip(self.header.len()).any(|cell| !cell.is_empty())
    }
}

impl TextRow {
    /// The cell of a column; empty if the row is shorter.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_lines_and_their_number_of_cells() {
        let table = TextTable::parse("sep=;\n a ;b\n1; x \n;\n\n2\n3;y;;\n4;y;z\n").unwrap();
        assert_eq!(
            (table.header.as_slice(), table.separator),
            (["a", "b"].map(String::from).as_slice(), ';')
        );
        let rows: Vec<(u64, &str, &str, bool)> = table
            .rows
            .iter()
            .map(|row| (row.line, row.cell(0), row.cell(1), table.has_too_many_cells(row)))
            .collect();
        let expected =
            [(3, "1", "x", false), (6, "2", "", false), (7, "3", "y", false), (8, "4", "y", true)];
        assert_eq!(rows, expected);
        assert!(TextTable::parse("").unwrap().rows.is_empty());
    }
}
