//! A file under way: `.partial-…` beside the name that it will have.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::ledger::follow_no_link;
use super::store::Object;
use crate::files::{WriteError, rename};

/// How names of files under way begin; images are not looked for in hidden files.
const PREFIX: &str = ".partial-";

/// What is there of a file so far.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    /// Bytes so far.
    pub bytes: u64,
    hash: Md5,
}

impl Partial {
    /// Opens what is there of an object, or nothing yet. The name holds key, size and ETag: what was
    /// begun of another object is another file.
    pub fn open(folder: &Path, object: &Object) -> Result<Self, WriteError> {
        let etag = object.e_tag.as_deref().unwrap_or("");
        let whole = format!("{}\0{}\0{etag}", object.key, object.bytes);
        let path =
            folder.join(format!("{PREFIX}{}", &blake3::hash(whole.as_bytes()).to_hex()[..24]));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let opened = follow_no_link(&mut options).open(&path).and_then(|mut file| {
            let (bytes, hash) = hash_all(&mut file)?;
            Ok((file, bytes, hash))
        });
        match opened {
            Ok((file, bytes, hash)) => Ok(Self { path, file, bytes, hash }),
            Err(source) => Err(WriteError { path, source }),
        }
    }

    /// Adds bytes at the end.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|source| self.failed(source))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub fn clear(&mut self) -> Result<(), WriteError> {
        self.file.set_len(0).map_err(|source| self.failed(source))?;
        self.hash = Md5::new();
        self.bytes = 0;
        Ok(())
    }

    /// The MD5 of the bytes so far.
    pub fn md5(&self) -> [u8; 16] {
        self.hash.clone().finalize().into()
    }

    /// Gives the file its own name, durable when this returns.
    pub fn finish(self, path: &Path) -> Result<(), WriteError> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        rename(&self.path, path)
    }

    fn failed(&self, source: io::Error) -> WriteError {
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

/// Removes what is under way in the folder of a series that is complete: it is of objects that
/// changed meanwhile. What cannot be removed is in nobody's way.
pub(super) fn sweep(folder: &Path) {
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
    fn a_file_goes_on_where_it_was_and_another_object_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = Partial::open(folder.path(), &object(6, "x")).unwrap();
        partial.add(b"abc").unwrap();
        drop(partial);
        assert_eq!(Partial::open(folder.path(), &object(6, "y")).unwrap().bytes, 0);
        assert_eq!(Partial::open(folder.path(), &object(7, "x")).unwrap().bytes, 0);
        let mut partial = Partial::open(folder.path(), &object(6, "x")).unwrap();
        assert_eq!(partial.bytes, 3);
        partial.add(b"def").unwrap();
        let whole = folder.path().join("1.dcm");
        assert_eq!(partial.md5(), <[u8; 16]>::from(Md5::digest(b"abcdef")));
        partial.finish(&whole).unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"abcdef");
        assert_eq!(md5_of(&whole).unwrap(), <[u8; 16]>::from(Md5::digest(b"abcdef")));
        sweep(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_file_under_way_is_not_followed() {
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
