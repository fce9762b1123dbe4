//! Writer of model archives.

use super::card::model_card;
use super::{ArchiveError, CHECKSUMS, FORMAT, MANIFEST, Manifest};
use crate::pipeline::PipelineError;
use lungs_base::files::{WriteError, write_atomically};
use lungs_report as report;
use lungs_spec::results::{Provenance, RunFolder};
use lungs_spec::spec::{Contract, Spec};
use lungs_train as training;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Summary of an exported archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Number of networks.
    pub networks: usize,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// Writes a finished run or cross-validation as an archive. `notes` is text of the authors for the model card.
///
/// # Errors
/// The run is not finished, a file of it cannot be read, or the archive cannot be written.
pub fn export(run: &RunFolder, notes: Option<&str>, to: &Path) -> Result<Export, PipelineError> {
    let spec = run.spec()?;
    let metrics = if spec.is_of_all_folds() {
        BTreeMap::from([("out-of-fold".to_owned(), report::cross_validation(run)?.pooled)])
    } else {
        report::summary(run)?.splits
    };
    let mut files = BTreeMap::<String, Vec<u8>>::new();
    let mut networks = Vec::new();
    for (member, member_spec) in run.members()? {
        let folder = if spec.is_of_all_folds() {
            format!("fold-{}/", member_spec.split.fold)
        } else {
            String::new()
        };
        files.insert(
            format!("{folder}weights.safetensors"),
            read(&training::selected_weights(&member)?)?,
        );
        if member.calibration_file().is_file() {
            files.insert(format!("{folder}calibration.json"), read(&member.calibration_file())?);
        }
        networks.push(folder);
    }
    let metrics_file = if spec.is_of_all_folds() {
        ("cross-validation.json", run.cross_validation_file())
    } else {
        ("evaluation.json", run.evaluation_file())
    };
    files.insert(metrics_file.0.to_owned(), read(&metrics_file.1)?);
    files.insert("spec.toml".to_owned(), spec.to_toml().into_bytes());
    files.insert("preprocessing.toml".to_owned(), preparation(&spec).into_bytes());
    let (first, _) = &run.members()?[0];
    let provenance =
        Provenance::read(first).map(|provenance| Provenance { host: String::new(), ..provenance });
    if let Some(provenance) = &provenance {
        files.insert("provenance.json".to_owned(), json(provenance));
    }
    let card = model_card(&spec, &metrics, provenance.as_ref(), networks.len(), notes);
    files.insert("MODEL_CARD.md".to_owned(), card.into_bytes());
    let manifest = Manifest {
        format: FORMAT,
        name: spec.experiment.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        networks,
    };
    files.insert(MANIFEST.to_owned(), json(&manifest));
    let sums: String =
        files.iter().map(|(name, bytes)| format!("{}  {name}\n", sum(bytes))).collect();
    files.insert(CHECKSUMS.to_owned(), sums.into_bytes());
    write(&files, to)?;
    let bytes =
        std::fs::metadata(to).map_err(|source| ArchiveError::Read { path: to.into(), source })?;
    Ok(Export { networks: manifest.networks.len(), bytes: bytes.len() })
}

/// SHA-256 in hexadecimal.
pub(super) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The preprocessing, as part of a spec.
fn preparation(spec: &Spec) -> String {
    let metadata = Contract::of(spec).to_metadata();
    let section = |name: &str, key: &str| {
        let table = metadata.get(key).map_or("", String::as_str);
        // A spec names nested tables in full.
        format!("[{name}]\n{}\n", table.replace("\n[", &format!("\n[{name}.")))
    };
    section("preprocess", "lungs.preprocess")
        + &section("data.select", "lungs.select")
        + &format!("[model]\nslices = {}\n", spec.model.slices)
        + &if spec.outcome.is_survival() {
            format!("\n{}", section("outcome", "lungs.outcome"))
        } else {
            String::new()
        }
}

fn read(path: &Path) -> Result<Vec<u8>, ArchiveError> {
    std::fs::read(path).map_err(|source| ArchiveError::Read { path: path.to_owned(), source })
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).expect("plain data always has a JSON form");
    (text + "\n").into_bytes()
}

/// Writes the files sorted by name and without times, so that the same files give the same bytes.
fn write(files: &BTreeMap<String, Vec<u8>>, to: &Path) -> Result<(), WriteError> {
    write_atomically(to, |out| {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            // Weights are not compressible.
            let method = if name.ends_with(".safetensors") {
                CompressionMethod::Stored
            } else {
                CompressionMethod::Deflated
            };
            let options = SimpleFileOptions::default()
                .compression_method(method)
                .last_modified_time(zip::DateTime::default())
                .unix_permissions(0o644);
            zip.start_file(name.as_str(), options).map_err(io::Error::other)?;
            zip.write_all(bytes)?;
        }
        let archive = zip.finish().map_err(io::Error::other)?;
        out.write_all(archive.get_ref())
    })
}
