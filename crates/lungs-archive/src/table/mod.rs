//! Reads external tables row by row: CSV, CSV compressed with gzip, and Parquet, each as one file or as
//! a folder of parts of one table. Cells are text, regardless of their type in the file.

mod parquet;
mod row;
#[cfg(test)]
mod tests;

use lungs_base::text::{self, LineFeeds, Separator};
use lungs_base::unpack::Gunzip;
pub use row::{Cells, RowNumber, Unreadable};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The extensions of tables.
pub const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".parquet"];

/// The extension of a file if it is that of a table.
fn ending(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    ENDINGS.into_iter().find(|ending| name.ends_with(ending) && !name.starts_with('.'))
}

/// Reads a table. `choose` gets the column names and returns the indices of the requested columns;
/// `each` gets the rows, in file order. Of a folder, all parts are read, sorted by name.
///
/// # Errors
/// [`Unreadable`] as `E`, and the errors of `choose` and `each`.
pub fn read<E: From<Unreadable>>(
    path: &Path,
    mut choose: impl FnMut(&Path, &[String]) -> Result<Vec<Option<usize>>, E>,
    mut each: impl FnMut(&Cells) -> Result<(), E>,
) -> Result<(), E> {
    for piece in pieces(path)? {
        let file = File::open(&piece).map_err(|error| Unreadable::new(&piece, &error))?;
        match ending(&piece) {
            Some(".parquet") => parquet::read(&piece, file, &mut choose, &mut each)?,
            Some(".csv.gz") => {
                read_csv(&piece, Gunzip::new(file), &mut choose, &mut each)?;
            }
            // A single file without a known extension is read as CSV.
            _ => read_csv(&piece, file, &mut choose, &mut each)?,
        }
    }
    Ok(())
}

/// The files of a table: the file at `path`, or the tables in the folder at `path`.
///
/// # Errors
/// The folder contains no table.
pub fn pieces(path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Unreadable::new(path, &error))?;
    let mut pieces: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    pieces.retain(|piece| ending(piece).is_some());
    pieces.sort();
    if pieces.is_empty() {
        Err(Unreadable::new(path, &"the folder contains no .parquet or .csv file"))
    } else {
        Ok(pieces)
    }
}

fn read_csv<E: From<Unreadable>>(
    path: &Path,
    source: impl Read,
    choose: &mut impl FnMut(&Path, &[String]) -> Result<Vec<Option<usize>>, E>,
    each: &mut impl FnMut(&Cells) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error: csv::Error| Unreadable::new(path, &error);
    let mut source = BufReader::with_capacity(1 << 20, source);
    let start = source.fill_buf().map_err(|error| Unreadable::new(path, &error))?;
    let mark = text::byte_order_mark_length(start)
        .map_err(|fault| Unreadable::new(path, &format!("it {fault}")))?;
    let separator = Separator::of(&start[mark..]);
    source.consume(mark + separator.skip);
    // Quotes within quotes may be escaped either way.
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .escape(Some(b'\\'))
        .delimiter(separator.byte)
        .from_reader(LineFeeds::new(source));
    let header = reader.headers().map_err(unreadable)?;
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    let columns = choose(path, &names)?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let cell = |index: &Option<usize>| index.and_then(|at| record.get(at)).unwrap_or_default();
        let cells: Vec<&str> = columns.iter().map(cell).collect();
        let line = record.position().map_or(0, csv::Position::line);
        let number = line + separator.lines_skipped();
        each(&Cells { path, cells: &cells, number: RowNumber { number, unit: "line" } })?;
    }
    Ok(())
}
