//! Tables with columns that only some runs have, after the columns of the row's type.

use super::ResultsError;
use super::tables::unreadable;
use lungs_base::files;
use lungs_base::table::to_wide_csv;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Writes rows as [`write_csv`](super::write_csv) does, with more columns. `cells` gives the cells of a row in these
/// columns, in the order of their `names`.
///
/// # Errors
/// The file cannot be written.
pub fn write_wide_csv<T: Serialize>(
    path: &Path,
    rows: &[T],
    names: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<(), ResultsError> {
    let bytes = to_wide_csv(rows, names, cells).map_err(|error| unreadable(path, &error))?;
    Ok(files::write_bytes(path, &bytes)?)
}

/// A row and its cells in more columns.
pub type WideRow<T, const N: usize> = (T, [Option<String>; N]);

/// Reads rows, and the cells of more columns; a cell is `None` if the table does not have its column.
///
/// # Errors
/// The file cannot be read.
pub fn read_wide_csv<T: DeserializeOwned, const N: usize>(
    path: &Path,
    names: [&str; N],
) -> Result<Vec<WideRow<T, N>>, ResultsError> {
    let invalid = |error: csv::Error| unreadable(path, &error);
    let mut reader = csv::Reader::from_path(path).map_err(invalid)?;
    let header = reader.headers().map_err(invalid)?.clone();
    let columns = names.map(|name| header.iter().position(|column| column == name));
    let rows = reader.records().map(|record| {
        let record = record?;
        let cells = columns.map(|column| record.get(column?).map(str::to_owned));
        Ok((record.deserialize(Some(&header))?, cells))
    });
    rows.collect::<Result<_, csv::Error>>().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::super::{TimingRow, read_csv, write_csv};
    use super::*;

    #[test]
    fn more_columns_follow_those_of_the_type_and_can_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let row = |epoch| TimingRow {
            epoch,
            train_seconds: 0.1 + 0.2,
            valid_seconds: 1.0,
            wait_seconds: 0.0,
            wait_fraction: 0.0,
            peak_memory_bytes: None,
            gpu_peak_memory_bytes: Some(3),
        };
        let rows = vec![row(1), row(2)];
        let cells = |row: &TimingRow| vec![format!("a, {}", row.epoch), String::new()];
        write_wide_csv(&path, &rows, &["note", "rest"], cells).unwrap();
        assert_eq!(read_csv::<TimingRow>(&path).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.lines().next().unwrap().ends_with(",gpu_peak_memory_bytes,note,rest"),
            "{text}"
        );
        let wide = read_wide_csv::<TimingRow, 3>(&path, ["rest", "other", "note"]).unwrap();
        let expected = [Some(String::new()), None, Some("a, 2".to_owned())];
        assert_eq!(wide[1], (row(2), expected));
        write_csv(&path, &rows).unwrap();
        let narrow = read_wide_csv::<TimingRow, 1>(&path, ["note"]).unwrap();
        assert_eq!(narrow[0], (row(1), [None]));
    }
}
