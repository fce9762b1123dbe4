//! The cells of CSV text with their lines.

use super::text::Separator;
use serde::Serialize;

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
        let text = &text.as_bytes()[separator.skip..];
        let mut lines = Lines { text, read: 0, line: 1 };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(separator.byte)
            .flexible(true)
            .from_reader(text);
        let header = reader.headers()?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for cells in reader.into_records() {
            let cells = cells?;
            // Spreadsheets write empty rows.
            if cells.iter().all(str::is_empty) {
                continue;
            }
            let start = cells.position().map_or(0, |position| position.byte() as usize);
            let line = lines.of_record(start) + separator.lines_skipped();
            rows.push(TextRow { line, cells });
        }
        Ok(Self { header, rows, separator: char::from(separator.byte) })
    }

    /// Whether a row has cells beyond those of the header that are not empty.
    pub fn has_too_many_cells(&self, row: &TextRow) -> bool {
        row.cells.iter().skip(self.header.len()).any(|cell| !cell.is_empty())
    }
}

/// CSV of rows, with the columns `names` after those of the rows' type. `cells` gives the cells of a row in these
/// columns. Without rows, the text is empty.
///
/// # Errors
/// A row is not a struct of scalars.
pub fn to_wide_csv<T: Serialize>(
    rows: &[T],
    names: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<Vec<u8>, csv::Error> {
    let bytes = |writer: csv::Writer<Vec<u8>>| {
        writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    let narrow = bytes(writer)?;
    if rows.is_empty() {
        return Ok(narrow);
    }
    let mut reader = csv::Reader::from_reader(narrow.as_slice());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = reader.headers()?.clone();
    header.extend(names);
    writer.write_record(&header)?;
    for (record, row) in reader.records().zip(rows) {
        let mut record = record?;
        record.extend(cells(row));
        writer.write_record(&record)?;
    }
    bytes(writer)
}

/// Counts lines. The `csv` crate gives a record after an empty line the number of that line.
struct Lines<'a> {
    text: &'a [u8],
    /// Number of bytes whose line ends are counted.
    read: usize,
    /// Line of the byte after them, from 1.
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that starts at the first byte from `start` on that ends no line. Records are asked for
    /// in their order.
    fn of_record(&mut self, start: usize) -> u64 {
        let ends_line = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let rest = self.text.get(start..).unwrap_or_default();
        let first = start + rest.iter().take_while(ends_line).count();
        let skipped = self.text.get(self.read..first).unwrap_or_default();
        self.line += skipped.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.read = first.max(self.read);
        self.line
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
        let windows = TextTable::parse("a;b\r\n1;x\r\n\r\n2;\"y\r\nz\"\r\n3;y\r\n").unwrap();
        let lines: Vec<u64> = windows.rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4, 6]);
        assert!(TextTable::parse("").unwrap().rows.is_empty());
    }
}
