use super::*;
use crate::fetch::manifest::parse_request;
use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;

const ROWS: [[&str; 4]; 3] = [
    ["1.2.3", "P1", "s3://idc-open-data/aa/*", "CT"],
    ["1.2.4", "P2", "s3://idc-open-data-two/bb/*", "CT"],
    ["1.2.5", "P3", "s3://idc-open-data/../*", "CT"],
];
const NAMES: [&str; 4] = ["SeriesInstanceUID", "PatientID", "series_aws_url", "Modality"];

/// Writes the rows as an archive does: strings, some absent, compressed.
fn write_parquet(path: &Path, compression: Compression) {
    let fields = NAMES.map(|name| {
        let kind = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(parquet::basic::ConvertedType::UTF8)
            .build();
        Arc::new(kind.unwrap())
    });
    let schema = Type::group_type_builder("schema").with_fields(fields.into()).build().unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    // Two groups of rows, as large tables have.
    for rows in [&ROWS[..2], &ROWS[2..]] {
        let mut group = writer.next_row_group().unwrap();
        for column in 0..4 {
            let mut cells = group.next_column().unwrap().unwrap();
            let mut values: Vec<ByteArray> =
                rows.iter().map(|row| ByteArray::from(row[column])).collect();
            let mut levels = vec![1; rows.len()];
            if column == 3 {
                (values, levels) = (Vec::new(), vec![0; rows.len()]);
            }
            let typed = cells.typed::<ByteArrayType>();
            typed.write_batch(&values, Some(&levels), None).unwrap();
            cells.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn csv_and_parquet_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut text = NAMES.join(",") + "\n";
    for row in ROWS {
        text += &format!("{}\n", row.join(","));
    }
    std::fs::write(at("index.csv"), &text).unwrap();
    let mut packed = flate2::write::GzEncoder::new(
        File::create(at("index.csv.gz")).unwrap(),
        Default::default(),
    );
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap();
    write_parquet(&at("snappy.parquet"), Compression::SNAPPY);
    write_parquet(&at("zstd.parquet"), Compression::ZSTD(Default::default()));
    write_parquet(&at("plain.parquet"), Compression::UNCOMPRESSED);

    let request = b"cp s3://idc-open-data-two/bb/* .\n1.2.3\n1.2.5\n1.2.9\n";
    let request = parse_request(request).unwrap();
    let from_csv = read_index(&at("index.csv"), &request).unwrap();
    let place = |bucket: &str, key: &str| Place { bucket: bucket.into(), key: key.into() };
    let first = from_csv.series("1.2.3").unwrap();
    assert_eq!((&*first.patient, first.place.clone()), ("P1", Ok(place("idc-open-data", "aa"))));
    assert_eq!(from_csv.uid_at(&place("idc-open-data-two", "bb")), Some("1.2.4"));
    assert!(from_csv.series("1.2.5").unwrap().place.as_ref().unwrap_err().contains("bad address"));
    assert_eq!(from_csv.series("1.2.9"), None);
    for name in ["index.csv.gz", "snappy.parquet", "zstd.parquet", "plain.parquet"] {
        assert_eq!(read_index(&at(name), &request).unwrap(), from_csv, "{name}");
    }
}

#[test]
fn tables_that_are_no_index_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.csv");
    std::fs::write(&path, "SeriesInstanceUID,Modality\n1.2.3,CT\n").unwrap();
    let request = parse_request(b"1.2.3\n").unwrap();
    let error = read_index(&path, &request).unwrap_err().to_string();
    assert!(error.contains("series_aws_url") && error.contains("Modality"), "{error}");
    let path = folder.path().join("index.parquet");
    std::fs::write(&path, "PAR1 and then nothing").unwrap();
    let error = read_index(&path, &request).unwrap_err().to_string();
    assert!(error.contains("index.parquet"), "{error}");
}
