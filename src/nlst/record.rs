//! Output files: the labels, the exclusions, the series to fetch, and the record of rules and counts.

use super::flow::flow;
use super::rows::{Counts, LabelRow, LabelledCohort, SeriesRow};
use super::rules::Rules;
use lungs_base::files::{WriteError, remove, write_bytes};
use lungs_base::table::to_wide_csv;
use lungs_report::plot::flow_diagram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The series of the labelled exams to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeriesChoice {
    /// One series per exam, by the defaults of `data.select`: a soft kernel, then most slices.
    Preferred,
    /// All usable series.
    All,
}

/// An error of writing labels.
#[derive(Debug, thiserror::Error)]
pub enum WriteLabelsError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An input file cannot be read again.
    #[error("cannot read {path} again to compute its hash: {source}")]
    Gone {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A table could not be serialised.
    #[error("cannot write {path}: {message}")]
    Table {
        /// The file.
        path: PathBuf,
        /// The cause.
        message: String,
    },
}

/// `labels.json`: rules, inputs and counts of the labels next to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Version of this program.
    pub version: String,
    /// The study: `nlst`.
    pub cohort: &'static str,
    /// BLAKE3 of the labels file next to it.
    pub labels_blake3: String,
    /// The rules.
    pub rules: Rules,
    /// The choice of series in `series.csv`.
    pub series: SeriesChoice,
    /// Source of the exams: `index` or `folder`.
    pub inventory: &'static str,
    /// BLAKE3 of the input files, by the name of the table; for a table in pieces, BLAKE3 of their hashes.
    pub read_blake3: BTreeMap<String, String>,
    /// The counts of the flow.
    pub counts: Counts,
}

/// Writes the labels and their records into a folder. `files` are the input files, by the names of their
/// tables.
///
/// # Errors
/// A file cannot be written, or an input file cannot be read again.
pub fn write(
    folder: &Path,
    labelled: &LabelledCohort,
    rules: &Rules,
    choice: SeriesChoice,
    files: &BTreeMap<&'static str, PathBuf>,
) -> Result<Record, WriteLabelsError> {
    let labels = labels_table(&folder.join("labels.csv"), &labelled.rows)?;
    let mut read_blake3 = BTreeMap::new();
    for (name, path) in files {
        let hash = hash_table(path)
            .map_err(|source| WriteLabelsError::Gone { path: path.clone(), source })?;
        read_blake3.insert((*name).to_owned(), hash);
    }
    let record = Record {
        version: crate::program::version().to_owned(),
        cohort: "nlst",
        labels_blake3: blake3::hash(&labels).to_hex().to_string(),
        rules: rules.clone(),
        series: choice,
        inventory: if files.contains_key("index") { "index" } else { "folder" },
        read_blake3,
        counts: labelled.counts.clone(),
    };
    let series = match choice {
        SeriesChoice::Preferred => &labelled.series,
        SeriesChoice::All => &labelled.all_series,
    };
    write_bytes(
        &folder.join("exclusions.csv"),
        &table(&folder.join("exclusions.csv"), &labelled.exclusions)?,
    )?;
    // The series to fetch, if the index has addresses. Otherwise files of an earlier run are removed.
    let manifest = manifest(series);
    for (name, bytes) in [
        ("series.csv", table(&folder.join("series.csv"), series)?),
        ("manifest.txt", manifest.clone().into_bytes()),
    ] {
        let path = folder.join(name);
        if manifest.is_empty() { remove(&path)? } else { write_bytes(&path, &bytes)? }
    }
    let drawing = flow_diagram("NLST", &flow(&labelled.counts));
    write_bytes(&folder.join("flow.svg"), drawing.svg.as_bytes())?;
    write_bytes(&folder.join("labels.csv"), &labels)?;
    // Written last: if it exists, the labels next to it are complete.
    let text = serde_json::to_string_pretty(&record).map_err(|error| WriteLabelsError::Table {
        path: folder.join("labels.json"),
        message: error.to_string(),
    })?;
    write_bytes(&folder.join("labels.json"), (text + "\n").as_bytes())?;
    Ok(record)
}

/// The labels, with the times of a survival outcome.
fn labels_table(path: &Path, rows: &[LabelRow]) -> Result<Vec<u8>, WriteLabelsError> {
    if rows.iter().all(|row| row.follow_up.is_none()) {
        return table(path, rows);
    }
    let cells = |row: &LabelRow| {
        let days = |is_event| row.follow_up.filter(|it| it.event == is_event).map(|it| it.days);
        [days(true), days(false)]
            .map(|days| days.map_or_else(String::new, |days| days.to_string()))
            .into()
    };
    to_wide_csv(rows, &["days_to_event", "days_followed"], cells).map_err(|error| {
        WriteLabelsError::Table { path: path.to_owned(), message: error.to_string() }
    })
}

fn table<T: Serialize>(path: &Path, rows: &[T]) -> Result<Vec<u8>, WriteLabelsError> {
    let failed = |error: &dyn std::fmt::Display| WriteLabelsError::Table {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| failed(&e))?;
    }
    writer.into_inner().map_err(|e| failed(&e))
}

/// The series as an s5cmd manifest; empty if the index has no addresses.
fn manifest(series: &[SeriesRow]) -> String {
    let addresses = series.iter().map(|series| &series.address).filter(|it| !it.is_empty());
    addresses.map(|address| format!("cp {address} .\n")).collect()
}

/// The hash of a file, or of the hashes of a table's pieces, one per line.
fn hash_table(path: &Path) -> std::io::Result<String> {
    let pieces = lungs_archive::table::pieces(path).map_err(std::io::Error::other)?;
    let hashes = pieces.iter().map(|piece| hash_file(piece)).collect::<Result<Vec<_>, _>>()?;
    Ok(match hashes.as_slice() {
        [hash] => hash.clone(),
        hashes => blake3::hash(hashes.join("\n").as_bytes()).to_hex().to_string(),
    })
}

fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The record next to a labels file, if it exists and its hash is that of these labels.
pub fn labels_record(labels: &Path) -> Option<serde_json::Value> {
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(labels.with_extension("json")).ok()?).ok()?;
    let hash = record.get("labels_blake3")?.as_str()?;
    (hash_file(labels).ok()? == hash).then_some(record)
}
