use super::write::sum;
use super::*;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;

/// An archive with these files, and with their checksums or the text of `sums`.
fn archive(folder: &Path, files: &[(&str, &[u8])], sums: Option<&str>) -> PathBuf {
    let computed: String =
        files.iter().map(|(name, bytes)| format!("{}  {name}\n", sum(bytes))).collect();
    let path = folder.join("model.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let sums = (CHECKSUMS, sums.unwrap_or(&computed).as_bytes());
    for (name, bytes) in files.iter().chain([&sums]) {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn manifest(format: u32, networks: &[&str]) -> Vec<u8> {
    serde_json::to_vec(&Manifest {
        format,
        name: "demo".into(),
        version: "0".into(),
        networks: networks.iter().map(|name| (*name).to_owned()).collect(),
    })
    .unwrap()
}

#[test]
fn an_archive_is_unpacked_and_deleted_on_drop() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(1, &["fold-1/", "fold-2/"]);
    let files: [(&str, &[u8]); 4] = [
        (MANIFEST, &manifest),
        ("fold-1/weights.safetensors", b"one"),
        ("fold-2/weights.safetensors", b"two"),
        ("fold-2/calibration.json", b"{}"),
    ];
    let path = archive(folder.path(), &files, None);
    assert!(is_archive(&path));
    let unpacked = unpack(&path).unwrap();
    let read = |network: usize, name: &str| std::fs::read(unpacked.networks[network].join(name));
    assert_eq!(read(0, "weights.safetensors").unwrap(), b"one");
    assert_eq!(read(1, "weights.safetensors").unwrap(), b"two");
    assert!(read(0, "calibration.json").is_err() && read(1, "calibration.json").is_ok());
    let folder = unpacked.folder().to_owned();
    drop(unpacked);
    assert!(!folder.exists());
}

#[test]
fn damaged_archives_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let valid = manifest(1, &[""]);
    let weights: (&str, &[u8]) = ("weights.safetensors", b"w");
    let error = |files: &[(&str, &[u8])], sums: Option<&str>| {
        unpack(&archive(folder.path(), files, sums)).unwrap_err().to_string()
    };
    let own = (MANIFEST, &*valid);
    assert!(error(&[weights], None).contains("lungs-model.json is missing"));
    assert!(!is_archive(&archive(folder.path(), &[weights], None)), "a ZIP file of another kind");
    assert!(error(&[own], None).contains("weights.safetensors is missing"));
    assert!(error(&[own, weights], Some("")).contains("SHA256SUMS does not name lungs-model.json"));
    let wrong = format!("{}  {MANIFEST}\n{}  weights.safetensors\n", sum(&valid), sum(b"other"));
    assert!(error(&[own, weights], Some(&wrong)).contains("weights.safetensors does not have"));
    let newer = manifest(FORMAT + 1, &[""]);
    assert!(error(&[(MANIFEST, &newer), weights], None).contains("update lungs"));
    assert!(error(&[(MANIFEST, b"{"), weights], None).contains("lungs-model.json is invalid"));
    assert!(error(&[(MANIFEST, &manifest(1, &[])), weights], None).contains("names no network"));
    for name in ["../out", "/out", "a/b/c", ".hidden", "a\\b", ""] {
        let reason = error(&[own, weights, (name, b"x")], None);
        assert!(reason.contains("unexpected file"), "{name}: {reason}");
    }
    // The manifest cannot lead out either: weights must be among the files, whose names are plain.
    let outside = manifest(1, &["../"]);
    assert!(
        error(&[(MANIFEST, &outside), weights], None).contains("../weights.safetensors is missing")
    );
    std::fs::write(folder.path().join("cut.zip"), b"PK\x03\x04").unwrap();
    assert!(unpack(&folder.path().join("cut.zip")).is_err());
    assert!(!is_archive(&folder.path().join("nothing")));
}
