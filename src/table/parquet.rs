//! Parquet: of each file only the columns that are wanted are unpacked.
//!
//! The crate that reads it panics at much of what can be damaged; here that is an error.

use super::{Cells, Unreadable};
use crate::panics::caught;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub(super) fn read<E: From<Unreadable>>(
    path: &Path,
    file: File,
    choose: &mut impl FnMut(&Path, &[String]) -> Result<Vec<Option<usize>>, E>,
    each: &mut impl FnMut(&Cells) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error: &dyn std::fmt::Display| Unreadable::new(path, error);
    let damaged = |told: String| unreadable(&format!("it is damaged: {told}"));
    let reader = caught(|| SerializedFileReader::new(file)).map_err(damaged)?;
    let reader = reader.map_err(|error| unreadable(&error))?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let wanted = choose(path, &names)?;
    // In the file's order, each once, as a projection has to be.
    let mut columns: Vec<usize> = wanted.iter().flatten().copied().collect();
    columns.sort_unstable();
    columns.dedup();
    if columns.is_empty() {
        // Rows are counted by a column.
        columns.extend((!fields.is_empty()).then_some(0));
    }
    let projection = Type::group_type_builder(schema.name())
        .with_fields(columns.iter().map(|&column| Arc::clone(&fields[column])).collect())
        .build()
        .map_err(|error| unreadable(&error))?;
    let places: BTreeMap<usize, usize> =
        columns.iter().enumerate().map(|(place, &column)| (column, place)).collect();
    let wanted: Vec<Option<usize>> = wanted
        .iter()
        .map(|column| column.and_then(|column| places.get(&column).copied()))
        .collect();
    let rows = caught(|| reader.get_row_iter(Some(projection))).map_err(damaged)?;
    let mut rows = rows.map_err(|error| unreadable(&error))?;
    let mut read = 0_u64;
    loop {
        let some = caught(|| {
            let some = rows.by_ref().take(AT_ONCE);
            some.map(|row| Ok(texts_of(&row?))).collect::<Vec<Result<Vec<String>, ParquetError>>>()
        });
        let some = some.map_err(damaged)?;
        if some.is_empty() {
            return Ok(());
        }
        for row in some {
            read += 1;
            let texts = row.map_err(|error| unreadable(&error))?;
            each_row(path, read, &wanted, &texts, each)?;
        }
    }
}

/// Rows that are read before the next look.
const AT_ONCE: usize = 1024;

fn each_row<E>(
    path: &Path,
    number: u64,
    wanted: &[Option<usize>],
    texts: &[String],
    each: &mut impl FnMut(&Cells) -> Result<(), E>,
) -> Result<(), E> {
    let cell = |place: &Option<usize>| place.and_then(|at| texts.get(at));
    let cells: Vec<&str> =
        wanted.iter().map(|place| cell(place).map_or("", |text| text.trim())).collect();
    each(&Cells { path, cells: &cells, number, unit: "row" })
}

fn texts_of(row: &Row) -> Vec<String> {
    row.get_column_iter().map(|(_, field)| text_of(field)).collect()
}

/// A value as CSV would have it: nothing for an absent one, days as `1999-01-02`.
fn text_of(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        other => other.to_string(),
    }
}
