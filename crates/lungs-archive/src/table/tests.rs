use super::*;
use ::parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::Type;
use std::io::Write;
use std::sync::Arc;

fn read_all(path: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>, Unreadable> {
    let mut rows = Vec::new();
    let choose = |_: &Path, names: &[String]| {
        let index = |column: &&str| names.iter().position(|name| name == *column);
        Ok(columns.iter().map(index).collect())
    };
    read(path, choose, |row: &Cells| {
        let mut cells = vec![row.at().to_string()];
        cells.extend(row.cells.iter().map(|cell| (*cell).to_owned()));
        rows.push(cells);
        Ok(())
    })?;
    Ok(rows)
}

/// A table of a participant, a code, a day and a size, as an archive writes it: with gaps, in two
/// groups of rows.
fn write_parquet(path: &Path, compression: Compression) {
    let field = |name: &str, physical: Physical, converted: ConvertedType| {
        let kind = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(converted);
        Arc::new(kind.build().unwrap())
    };
    let fields = vec![
        field("pid", Physical::INT64, ConvertedType::NONE),
        field("scr_days0", Physical::BYTE_ARRAY, ConvertedType::UTF8),
        field("StudyDate", Physical::INT32, ConvertedType::DATE),
        field("series_size_MB", Physical::DOUBLE, ConvertedType::NONE),
    ];
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build().unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    for (pids, codes) in [(vec![100_012_i64, 100_013], vec![".N", " 12 "]), (vec![7], vec!["5"])] {
        let levels = vec![1_i16; pids.len()];
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&pids, Some(&levels), None).unwrap();
        column.close().unwrap();
        let codes: Vec<ByteArray> = codes.into_iter().map(ByteArray::from).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&codes, Some(&levels), None).unwrap();
        column.close().unwrap();
        // 2 January 1999, and absent values after it.
        let mut levels = vec![0_i16; pids.len()];
        levels[0] = 1;
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[10_593], Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[50.5], Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

const CSV: &str = "pid,scr_days0,StudyDate,series_size_MB\n100012,.N,1999-01-02,50.5\n\
                   100013, 12 ,,\n7,5,1999-01-02,50.5\n";

#[test]
fn csv_and_parquet_give_the_same_rows_in_any_order_of_columns() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.csv"), CSV).unwrap();
    let packed = File::create(at("a.csv.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, Default::default());
    packed.write_all(CSV.as_bytes()).unwrap();
    packed.finish().unwrap();
    for (name, compression) in [
        ("snappy.parquet", Compression::SNAPPY),
        ("zstd.parquet", Compression::ZSTD(Default::default())),
        ("plain.PARQUET", Compression::UNCOMPRESSED),
    ] {
        write_parquet(&at(name), compression);
    }
    for columns in [
        &["pid", "scr_days0", "StudyDate", "series_size_MB"][..],
        &["series_size_MB", "pid", "absent", "pid"],
        &["absent"],
    ] {
        let expected = read_all(&at("a.csv"), columns).unwrap();
        assert_eq!(expected.len(), 3);
        assert_eq!(read_all(&at("a.csv.gz"), columns).unwrap(), expected);
        for name in ["snappy.parquet", "zstd.parquet", "plain.PARQUET"] {
            let mut rows = read_all(&at(name), columns).unwrap();
            for (number, row) in rows.iter_mut().enumerate() {
                assert_eq!(row[0], format!("row {}", number + 1));
                row[0] = format!("line {}", number + 2);
            }
            assert_eq!(rows, expected, "{name}");
        }
    }
    let rows = read_all(&at("a.csv"), &["StudyDate", "pid", "scr_days0"]).unwrap();
    assert_eq!(rows[0], ["line 2", "1999-01-02", "100012", ".N"]);
    assert_eq!(rows[1], ["line 3", "", "100013", "12"]);
}

#[test]
fn a_folder_is_read_as_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_parquet(&at("000000000001.parquet"), Compression::SNAPPY);
    write_parquet(&at("000000000000.parquet"), Compression::SNAPPY);
    std::fs::write(at(".partial-1.parquet"), "half").unwrap();
    std::fs::write(at("notes.txt"), "not a table").unwrap();
    assert_eq!(read_all(folder.path(), &["pid"]).unwrap().len(), 6);
    let empty = tempfile::tempdir().unwrap();
    let message = read_all(empty.path(), &["pid"]).unwrap_err().to_string();
    assert!(message.ends_with("the folder contains no .parquet or .csv file"), "{message}");
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.parquet"), "PAR1 and then nothing").unwrap();
    std::fs::write(at("a.csv.gz"), "not packed").unwrap();
    std::fs::write(at("a.csv"), "pid,age\n1,2\n3\n").unwrap();
    for name in ["a.parquet", "a.csv.gz", "a.csv", "absent.csv"] {
        let message = read_all(&at(name), &["pid"]).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let message = read_all(&at("a.csv"), &["pid"]).unwrap_err().to_string();
    assert!(message.contains("line: 3"), "{message}");
}

/// With any byte damaged, reading gives rows or an error that names the file, never a panic.
#[test]
fn a_damaged_parquet_file_is_an_error_or_another_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, Compression::SNAPPY);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for index in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[index] ^= 0xFF;
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = read_all(&path, &["pid", "scr_days0", "StudyDate"]) {
            assert!(error.to_string().contains("a.parquet"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > whole.len() / 4, "{refused} of {}", whole.len());
}
