//! Parquet: only the requested columns of a file are decompressed.
//!
//! The `parquet` crate panics on many kinds of damage; these panics are turned into errors.

use super::{Cells, RowNumber, Unreadable};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::schema::types::ColumnDescPtr;
use lungs_base::panics::catch_panic;
use std::fs::File;
use std::path::Path;

/// Rows that are decompressed at a time.
const BATCH: usize = 4096;

pub(super) fn read<E: From<Unreadable>>(
    path: &Path,
    file: File,
    choose: &mut impl FnMut(&Path, &[String]) -> Result<Vec<Option<usize>>, E>,
    each: &mut impl FnMut(&Cells) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error: &dyn std::fmt::Display| Unreadable::new(path, error);
    let damaged = |message: String| unreadable(&format!("it is damaged: {message}"));
    let reader = catch_panic(|| SerializedFileReader::new(file)).map_err(damaged)?;
    let reader = reader.map_err(|error| unreadable(&error))?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let columns: Vec<Option<usize>> = choose(path, &names)?;
    // The leaf column of each field without nested fields.
    let leaves = (0..schema.num_columns()).map(|leaf| (schema.get_column_root_idx(leaf), leaf));
    let leaves: std::collections::HashMap<usize, usize> = leaves.collect();
    let leaf = |field: usize| {
        let flat = leaves.get(&field).filter(|leaf| {
            fields[field].is_primitive() && schema.column(**leaf).max_rep_level() == 0
        });
        let nested = || {
            unreadable(&format!("column `{}` is nested, expected text or numbers", names[field]))
        };
        flat.copied().ok_or_else(nested)
    };
    let columns: Vec<Option<usize>> =
        columns.into_iter().map(|field| field.map(leaf).transpose()).collect::<Result<_, _>>()?;
    let mut number = 0_u64;
    for group in 0..reader.num_row_groups() {
        let opened = catch_panic(|| open_group(&reader, group, &columns)).map_err(damaged)?;
        let (rows, mut columns) = opened.map_err(|error| unreadable(&error))?;
        let mut done = 0;
        while done < rows {
            let count = BATCH.min(rows - done);
            let texts = catch_panic(|| {
                columns.iter_mut().map(|column| column.texts(count)).collect::<Result<Vec<_>, _>>()
            });
            let texts = texts.map_err(damaged)?.map_err(|error| unreadable(&error))?;
            for row in 0..count {
                number += 1;
                let cells: Vec<&str> = texts
                    .iter()
                    .map(|column| column.get(row).map_or("", |text| text.trim()))
                    .collect();
                each(&Cells { path, cells: &cells, number: RowNumber { number, unit: "row" } })?;
            }
            done += count;
        }
    }
    Ok(())
}

/// The number of rows of a row group, and its columns in the requested order.
fn open_group(
    reader: &SerializedFileReader<File>,
    group: usize,
    columns: &[Option<usize>],
) -> Result<(usize, Vec<Column>), ParquetError> {
    let group = reader.get_row_group(group)?;
    let rows = usize::try_from(group.metadata().num_rows())
        .map_err(|_| ParquetError::General("a row group has a negative number of rows".into()))?;
    let open = |leaf: &Option<usize>| match leaf {
        Some(leaf) => Column::open(group.as_ref(), *leaf),
        None => Ok(Column::Absent),
    };
    Ok((rows, columns.iter().map(open).collect::<Result<_, _>>()?))
}

/// A column of a row group.
enum Column {
    /// The table does not have it.
    Absent,
    /// Its values, in the order of the rows.
    Present(Box<ColumnReader>, ColumnDescPtr),
}

impl Column {
    fn open(group: &dyn RowGroupReader, leaf: usize) -> Result<Self, ParquetError> {
        let descriptor = group.metadata().column(leaf).column_descr_ptr();
        Ok(Self::Present(Box::new(group.get_column_reader(leaf)?), descriptor))
    }

    /// The next `count` values as in CSV: empty for an absent value, days as `1999-01-02`.
    fn texts(&mut self, count: usize) -> Result<Vec<String>, ParquetError> {
        let Self::Present(reader, descriptor) = self else { return Ok(Vec::new()) };
        let descriptor = descriptor.clone();
        let bytes = |value: ByteArray| Field::convert_byte_array(&descriptor, value);
        match reader.as_mut() {
            ColumnReader::BoolColumnReader(reader) => texts(reader, &descriptor, count, |value| {
                Ok(Field::convert_bool(&descriptor, value))
            }),
            ColumnReader::Int32ColumnReader(reader) => texts(reader, &descriptor, count, |value| {
                Ok(Field::convert_int32(&descriptor, value))
            }),
            ColumnReader::Int64ColumnReader(reader) => texts(reader, &descriptor, count, |value| {
                Ok(Field::convert_int64(&descriptor, value))
            }),
            ColumnReader::Int96ColumnReader(reader) => texts(reader, &descriptor, count, |value| {
                Ok(Field::convert_int96(&descriptor, value))
            }),
            ColumnReader::FloatColumnReader(reader) => texts(reader, &descriptor, count, |value| {
                Ok(Field::convert_float(&descriptor, value))
            }),
            ColumnReader::DoubleColumnReader(reader) => {
                texts(reader, &descriptor, count, |value| {
                    Ok(Field::convert_double(&descriptor, value))
                })
            }
            ColumnReader::ByteArrayColumnReader(reader) => texts(reader, &descriptor, count, bytes),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                texts(reader, &descriptor, count, |value| bytes(value.into()))
            }
        }
    }
}

/// The next `count` values of a column, each converted with `field`.
fn texts<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    descriptor: &ColumnDescPtr,
    count: usize,
    field: impl Fn(T::T) -> Result<Field, ParquetError>,
) -> Result<Vec<String>, ParquetError> {
    let (mut levels, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut records, mut last) = (0, 1);
    // A page at a time.
    while records < count && last > 0 {
        (last, _, _) =
            reader.read_records(count - records, Some(&mut levels), None, &mut values)?;
        records += last;
    }
    let short = || {
        ParquetError::General(format!("column {} has fewer values than rows", descriptor.name()))
    };
    if records < count {
        return Err(short());
    }
    let mut values = values.into_iter();
    if descriptor.max_def_level() == 0 {
        return values.map(|value| Ok(text_of(field(value)?))).collect();
    }
    let text = |level: i16| {
        if level == descriptor.max_def_level() {
            Ok(text_of(field(values.next().ok_or_else(short)?)?))
        } else {
            Ok(String::new())
        }
    };
    levels.into_iter().map(text).collect()
}

fn text_of(field: Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text,
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        other => other.to_string(),
    }
}
