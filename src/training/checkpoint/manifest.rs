//! Whether a checkpoint is what was written: `checksums.json`, the BLAKE3 of every file in it.

use crate::files::{WriteError, write_bytes};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The manifest's own name.
const NAME: &str = "checksums.json";

/// Writes the manifest of a folder's files.
pub(super) fn write(folder: &Path) -> Result<(), WriteError> {
    let failed = |path: &Path, source| WriteError { path: path.to_owned(), source };
    let mut sums = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|e| failed(folder, e))? {
        let entry = entry.map_err(|e| failed(folder, e))?;
        let sum = checksum(&entry.path()).map_err(|e| failed(&entry.path(), e))?;
        sums.insert(entry.file_name().to_string_lossy().into_owned(), sum);
    }
    let text = serde_json::to_string_pretty(&sums).expect("text has a JSON form");
    write_bytes(&folder.join(NAME), (text + "\n").as_bytes())
}

/// Compares the files of a folder with its manifest, which must name those that are `needed`.
/// The error says what is wrong.
pub(super) fn verify(folder: &Path, needed: &[&str]) -> Result<(), String> {
    let sums = read(folder)?;
    if let Some(absent) = needed.iter().find(|name| !sums.contains_key(**name)) {
        return Err(format!("{NAME} does not name {absent}"));
    }
    sums.keys().try_for_each(|name| compare(folder, name, &sums))
}

/// Compares one file of a folder with its manifest, whatever became of the others.
pub(super) fn verify_file(folder: &Path, name: &str) -> Result<(), String> {
    compare(folder, name, &read(folder)?)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read(folder.join(NAME)).map_err(|e| format!("{NAME}: {e}"))?;
    serde_json::from_slice(&text).map_err(|e| format!("{NAME}: {e}"))
}

fn compare(folder: &Path, name: &str, sums: &BTreeMap<String, String>) -> Result<(), String> {
    let expected = sums.get(name).ok_or_else(|| format!("{NAME} does not name {name}"))?;
    let found = checksum(&folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    if found == *expected {
        Ok(())
    } else {
        Err(format!("{name}: its checksum is not the one in {NAME}"))
    }
}

fn checksum(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn any_change_to_any_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("weights"), b"12345678").unwrap();
        fs::write(at("state"), b"{}").unwrap();
        write(folder.path()).unwrap();
        let verdict = || verify(folder.path(), &["weights", "state"]);
        assert_eq!(verdict(), Ok(()));
        assert!(verify(folder.path(), &["moments"]).unwrap_err().contains("not name moments"));

        fs::write(at("weights"), b"12345679").unwrap();
        assert!(verdict().unwrap_err().starts_with("weights: its checksum"));
        fs::write(at("weights"), b"1234567").unwrap();
        assert!(verdict().unwrap_err().starts_with("weights: its checksum"));
        assert_eq!(verify_file(folder.path(), "state"), Ok(()), "this one is as it was");
        assert!(verify_file(folder.path(), "weights").is_err());
        assert!(verify_file(folder.path(), "moments").unwrap_err().contains("not name moments"));
        fs::remove_file(at("weights")).unwrap();
        assert!(verdict().unwrap_err().starts_with("weights: No such file"));
        fs::write(at("weights"), b"12345678").unwrap();
        assert_eq!(verdict(), Ok(()));

        let manifest = fs::read_to_string(at(NAME)).unwrap();
        fs::write(at(NAME), &manifest[..manifest.len() / 2]).unwrap();
        assert!(verdict().unwrap_err().starts_with("checksums.json: "));
        fs::remove_file(at(NAME)).unwrap();
        assert!(verdict().unwrap_err().starts_with("checksums.json: No such file"));
    }
}
