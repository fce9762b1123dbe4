//! What is written: the labels, what is left out, what is to be fetched, and the record of how it
//! came about.

use super::flow::flow;
use super::rows::{Counts, Labelled, SeriesRow};
use super::rules::Rules;
use crate::files::{WriteError, remove, write_bytes};
use crate::report::plot::flow_diagram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which series of the labelled exams are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// One an exam, by the defaults of `data.select`: a soft kernel, then most slices.
    Preferred,
    /// All that can be used.
    All,
}

/// The labels could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteLabelsError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file that was read is gone.
    #[error("cannot read {path} again for its hash: {source}")]
    Gone {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A table could not be put into words.
    #[error("cannot write {path}: {message}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
}

/// `labels.json`: how the labels beside it came about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Version of this program.
    pub version: String,
    /// What it is a record of.
    pub cohort: &'static str,
    /// BLAKE3 of the labels file beside it.
    pub labels_blake3: String,
    /// The rules.
    pub rules: Rules,
    /// Which series are in `series.csv`.
    pub series: Wanted,
    /// Where the exams were found: `index` or `folder`.
    pub inventory: &'static str,
    /// BLAKE3 of the files that were read, by the name of the table; of a table in pieces, BLAKE3 of
    /// theirs.
    pub read_blake3: BTreeMap<String, String>,
    /// The counts of the flow.
    pub counts: Counts,
}

/// Writes the labels and what belongs to them into a folder. `files` were read, by the names of
/// their tables.
///
/// # Errors
/// When something cannot be written, or a file that was read is gone.
pub fn write(
    folder: &Path,
    labelled: &Labelled,
    rules: &Rules,
    wanted: Wanted,
    files: &BTreeMap<&'static str, PathBuf>,
) -> Result<Record, WriteLabelsError> {
    let labels = table(&folder.join("labels.csv"), &labelled.rows)?;
    let mut read_blake3 = BTreeMap::new();
    for (name, path) in files {
        let hash = hash_table(path)
            .map_err(|source| WriteLabelsError::Gone { path: path.clone(), source })?;
        read_blake3.insert((*name).to_owned(), hash);
    }
    let record = Record {
        version: crate::results::program_version().to_owned(),
        cohort: "nlst",
        labels_blake3: blake3::hash(&labels).to_hex().to_string(),
        rules: rules.clone(),
        series: wanted,
        inventory: if files.contains_key("index") { "index" } else { "folder" },
        read_blake3,
        counts: labelled.counts.clone(),
    };
    let series = match wanted {
        Wanted::Preferred => &labelled.series,
        Wanted::All => &labelled.all_series,
    };
    write_bytes(
        &folder.join("exclusions.csv"),
        &table(&folder.join("exclusions.csv"), &labelled.exclusions)?,
    )?;
    // What is to be fetched, where an index says from where; nothing else stays under these names.
    let manifest = manifest(series);
    for (name, bytes) in [
        ("series.csv", table(&folder.join("series.csv"), series)?),
        ("manifest.txt", manifest.clone().into_bytes()),
    ] {
        if manifest.is_empty() {
            remove(&folder.join(name))?
        } else {
            write_bytes(&folder.join(name), &bytes)?
        }
    }
    let drawing = flow_diagram("NLST", &flow(&labelled.counts));
    write_bytes(&folder.join("flow.svg"), drawing.svg.as_bytes())?;
    write_bytes(&folder.join("labels.csv"), &labels)?;
    // Last: where it is, the labels beside it are whole.
    let text = serde_json::to_string_pretty(&record).map_err(|error| WriteLabelsError::Table {
        path: folder.join("labels.json"),
        message: error.to_string(),
    })?;
    write_bytes(&folder.join("labels.json"), (text + "\n").as_bytes())?;
    Ok(record)
}

fn table<T: Serialize>(path: &Path, rows: &[T]) -> Result<Vec<u8>, WriteLabelsError> {
    let refused = |error: &dyn std::fmt::Display| WriteLabelsError::Table {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| refused(&e))?;
    }
    writer.into_inner().map_err(|e| refused(&e))
}

/// The series as an s5cmd manifest; empty where the index does not say where they are.
fn manifest(series: &[SeriesRow]) -> String {
    let lines = series.iter().filter(|one| !one.address.is_empty());
    lines.map(|one| format!("cp {} .\n", one.address)).collect()
}

/// The hash of a file, or of the hashes of a table's pieces, a line each.
fn hash_table(path: &Path) -> std::io::Result<String> {
    let pieces = crate::table::pieces(path).map_err(std::io::Error::other)?;
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

/// The record beside a labels file, if there is one and it is of these labels.
pub fn labels_record(labels: &Path) -> Option<serde_json::Value> {
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(labels.with_extension("json")).ok()?).ok()?;
    let of = record.get("labels_blake3")?.as_str()?;
    (hash_file(labels).ok()? == of).then_some(record)
}
