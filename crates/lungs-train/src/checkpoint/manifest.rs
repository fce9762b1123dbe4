//! The manifest of a checkpoint, `checksums.json`: the BLAKE3 of every file.

use lungs_base::files::{WriteError, write_bytes};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// File name of the manifest.
const NAME: &str = "checksums.json";

/// Writes the manifest of a folder's files.
pub(super) fn write(folder: &Path) -> Result<(), WriteError> {
    let write_error = |path: &Path, source| WriteError { path: path.to_owned(), source };
    let mut sums = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|e| write_error(folder, e))? {
        let entry = entry.map_err(|e| write_error(folder, e))?;
        let sum = checksum(&entry.path()).map_err(|e| write_error(&entry.path(), e))?;
        sums.insert(entry.file_name().to_string_lossy().into_owned(), sum);
    }
    let text = serde_json::to_string_pretty(&sums).expect("text has a JSON form");
    write_bytes(&folder.join(NAME), (text + "\n").as_bytes())
}

/// Compares the files of a folder with its manifest, which must list the `required` files.
///
/// # Errors
/// The first fault.
pub(super) fn verify(folder: &Path, required: &[&str]) -> Result<(), String> {
    let sums = read(folder)?;
    if let Some(missing) = required.iter().find(|name| !sums.contains_key(**name)) {
        return Err(format!("{NAME} does not list {missing}"));
    }
    sums.keys().try_for_each(|name| compare(folder, name, &sums))
}

/// Compares one file of a folder with its manifest.
pub(super) fn verify_file(folder: &Path, name: &str) -> Result<(), String> {
    compare(folder, name, &read(folder)?)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read(folder.join(NAME)).map_err(|e| format!("{NAME}: {e}"))?;
    serde_json::from_slice(&text).map_err(|e| format!("{NAME}: {e}"))
}

fn compare(folder: &Path, name: &str, sums: &BTreeMap<String, String>) -> Result<(), String> {
    let expected = sums.get(name).ok_or_else(|| format!("{NAME} does not list {name}"))?;
    let actual = checksum(&folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    if actual == *expected {
        Ok(())
    } else {
        Err(format!("{name}: its checksum does not match {NAME}"))
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
    fn any_change_to_any_file_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("weights"), b"12345678").unwrap();
        fs::write(path("state"), b"{}").unwrap();
        write(folder.path()).unwrap();
        let result = || verify(folder.path(), &["weights", "state"]);
        assert_eq!(result(), Ok(()));
        assert!(verify(folder.path(), &["moments"]).unwrap_err().contains("not list moments"));

        fs::write(path("weights"), b"12345679").unwrap();
        assert!(result().unwrap_err().starts_with("weights: its checksum"));
        fs::write(path("weights"), b"1234567").unwrap();
        assert!(result().unwrap_err().starts_with("weights: its checksum"));
        assert_eq!(verify_file(folder.path(), "state"), Ok(()), "unchanged file");
        assert!(verify_file(folder.path(), "weights").is_err());
        assert!(verify_file(folder.path(), "moments").unwrap_err().contains("not list moments"));
        fs::remove_file(path("weights")).unwrap();
        assert!(result().unwrap_err().starts_with("weights: No such file"));
        fs::write(path("weights"), b"12345678").unwrap();
        assert_eq!(result(), Ok(()));

        let manifest = fs::read_to_string(path(NAME)).unwrap();
        fs::write(path(NAME), &manifest[..manifest.len() / 2]).unwrap();
        assert!(result().unwrap_err().starts_with("checksums.json: "));
        fs::remove_file(path(NAME)).unwrap();
        assert!(result().unwrap_err().starts_with("checksums.json: No such file"));
    }
}
