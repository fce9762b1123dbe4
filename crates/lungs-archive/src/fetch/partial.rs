//! A partially fetched file: `.partial-…` in the folder of the final file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::ledger::forbid_links;
use super::store::Object;
use lungs_base::files::{WriteError, rename};

/// Prefix of partial files. The scan for images skips hidden files.
const PREFIX: &str = ".partial-";

/// A partially fetched file.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    /// Bytes fetched so far.
    pub bytes: u64,
    hash: Md5,
}

impl Partial {
    /// Opens the partial file of an object, or creates it. Its name is a hash of key, size and ETag, so a changed
    /// object has another partial file.
    pub(super) fn open(folder: &Path, object: &Object) -> Result<Self, WriteError> {
        let etag = object.e_tag.as_deref().unwrap_or("");
        let identity = format!("{}\0{}\0{etag}", object.key, object.bytes);
        let path =
            folder.join(format!("{PREFIX}{}", &blake3::hash(identity.as_bytes()).to_hex()[..24]));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let result = forbid_links(&mut options).open(&path).and_then(|mut file| {
            let (bytes, hash) = hash_all(&mut file)?;
            Ok((file, bytes, hash))
        });
        match result {
            Ok((file, bytes, hash)) => Ok(Self { path, file, bytes, hash }),
            Err(source) => Err(WriteError { path, source }),
        }
    }

    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|source| self.write_error(source))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Discards all bytes.
    pub(super) fn clear(&mut self) -> Result<(), WriteError> {
        self.file.set_len(0).map_err(|source| self.write_error(source))?;
        self.hash = Md5::new();
        self.bytes = 0;
        Ok(())
    }

    /// The MD5 of the bytes so far.
    pub(super) fn md5(&self) -> [u8; 16] {
        self.hash.clone().finalize().into()
    }

    /// Renames the file to its final name, durably.
    pub(super) fn finish(self, path: &Path) -> Result<(), WriteError> {
        self.file.sync_all().map_err(|source| self.write_error(source))?;
        rename(&self.path, path)
    }

    fn write_error(&self, source: io::Error) -> WriteError {
        WriteError { path: self.path.clone(), source }
    }
}

/// The MD5 of a finished file.
pub(super) fn md5_of(path: &Path) -> io::Result<[u8; 16]> {
    Ok(hash_all(&mut File::open(path)?)?.1.finalize().into())
}

fn hash_all(file: &mut File) -> io::Result<(u64, Md5)> {
    let (mut hash, mut bytes) = (Md5::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hash)),
            count => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}

/// Removes the partial files of a complete series: they belong to objects that changed meanwhile. Errors are
/// ignored, because leftover partial files are harmless.
pub(super) fn remove_partials(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bytes: u64, e_tag: &str) -> Object {
        let key = object_store::path::Path::from("a/1.dcm");
        Object { key, name: "1.dcm".into(), bytes, e_tag: Some(e_tag.into()) }
    }

    #[test]
    fn a_file_resumes_and_a_changed_object_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = Partial::open(folder.path(), &object(6, "x")).unwrap();
        partial.append(b"abc").unwrap();
        drop(partial);
        assert_eq!(Partial::open(folder.path(), &object(6, "y")).unwrap().bytes, 0);
        assert_eq!(Partial::open(folder.path(), &object(7, "x")).unwrap().bytes, 0);
        let mut partial = Partial::open(folder.path(), &object(6, "x")).unwrap();
        assert_eq!(partial.bytes, 3);
        partial.append(b"def").unwrap();
        let path = folder.path().join("1.dcm");
        assert_eq!(partial.md5(), <[u8; 16]>::from(Md5::digest(b"abcdef")));
        partial.finish(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
        assert_eq!(md5_of(&path).unwrap(), <[u8; 16]>::from(Md5::digest(b"abcdef")));
        remove_partials(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_instead_of_a_partial_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"mine").unwrap();
        let partial = Partial::open(folder.path(), &object(6, "x")).unwrap();
        let path = partial.path.clone();
        drop(partial);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        assert!(Partial::open(folder.path(), &object(6, "x")).is_err());
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
    }
}
