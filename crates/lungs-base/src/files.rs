//! Atomic and durable writing of files. A process that is killed at any moment leaves the old file or the new
//! file, never a part of one: temporary file in the same folder, fsync, rename, fsync of the folder. The parent
//! of a new folder is synced too, because a power failure could otherwise lose the folder with all its files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}{}", advice(.source))]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Error of the operating system.
    pub source: io::Error,
}

/// The remedy, if known.
fn advice(source: &io::Error) -> &'static str {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match source.kind() {
        StorageFull | QuotaExceeded => {
            "; free some space, or choose a folder on another disk (data.cache for prepared \
             series, runtime.results for runs), then run the command again: finished work is kept"
        }
        PermissionDenied | ReadOnlyFilesystem => "; choose a folder with write permission",
        _ => "",
    }
}

/// Replaces the file at `path` by the output of `fill`; on an error the file is unchanged.
///
/// Missing parent folders are created. The file is durable when this returns.
pub fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    write(path, fill).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// [`write_atomically`] of bytes.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomically(path, |out| out.write_all(bytes))
}

/// Creates a folder and its missing parents, durable when this returns.
pub fn make_folder(folder: &Path) -> Result<(), WriteError> {
    make_durable_folder(folder).map_err(|source| WriteError { path: folder.to_owned(), source })
}

/// Renames a file or folder within its folder, durable when this returns. The content must already be durable.
pub fn rename(from: &Path, to: &Path) -> Result<(), WriteError> {
    let result = fs::rename(from, to).and_then(|()| sync_folder(parent(to)));
    result.map_err(|source| WriteError { path: to.to_owned(), source })
}

/// Removes a file if it exists, durable when this returns.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.and_then(|()| sync_folder(parent(path))),
    }
    .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Prefix of the names of temporary files.
const PARTIAL: &str = ".partial-";

/// Removes temporary files of killed processes from a folder, if they are older than a day. Files that cannot be
/// removed are ignored.
pub fn remove_stale_temporaries(folder: &Path) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let partial = entry.file_name().as_encoded_bytes().starts_with(PARTIAL.as_bytes());
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > DAY));
        if partial && old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = parent(path);
    make_durable_folder(folder)?;
    let mut builder = tempfile::Builder::new();
    share_like_other_files(builder.prefix(PARTIAL));
    let mut temporary = builder.tempfile_in(folder)?;
    {
        let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        fill(&mut out)?;
        out.flush()?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failure| failure.error)?;
    sync_folder(folder)
}

/// The folder of a path.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn make_durable_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = parent(folder);
    make_durable_folder(parent)?;
    match fs::create_dir(folder) {
        // Another thread or process created the folder; or a file has this name, which is an error here.
        Err(failure) if failure.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_dir(folder).map(drop)
        }
        result => result,
    }?;
    sync_folder(parent)
}

/// Temporary files are private (0600) by default; these files have the permissions of the umask.
#[cfg(unix)]
fn share_like_other_files(builder: &mut tempfile::Builder) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn share_like_other_files(_: &mut tempfile::Builder) {}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether two paths are those of one existing file or folder.
pub fn is_same_path(first: &Path, second: &Path) -> bool {
    let [first, second] = [first, second].map(fs::canonicalize);
    matches!((first, second), (Ok(first), Ok(second)) if first == second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permissions are those of other new files.
    #[cfg(unix)]
    #[test]
    fn permissions_follow_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write_bytes(&at("atomic"), b"x").unwrap();
        fs::write(at("plain"), b"x").unwrap();
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode("atomic"), mode("plain"));
    }

    #[test]
    fn old_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".partial-old", ".partial-new", "old.npz"] {
            fs::write(at(name), "half").unwrap();
        }
        let two_days_ago = std::time::SystemTime::now() - Duration::from_secs(48 * 3600);
        for name in [".partial-old", "old.npz"] {
            let file = File::options().write(true).open(at(name)).unwrap();
            file.set_modified(two_days_ago).unwrap();
        }
        remove_stale_temporaries(folder.path());
        assert!(!at(".partial-old").exists());
        assert!(at(".partial-new").exists() && at("old.npz").exists());
    }

    #[test]
    fn folders_are_created_with_their_parents_and_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        make_folder(&at("a/b/c")).unwrap();
        make_folder(&at("a/b/c")).unwrap();
        fs::write(at("a/b/c/file"), "x").unwrap();
        rename(&at("a/b"), &at("a/d")).unwrap();
        assert_eq!(fs::read(at("a/d/c/file")).unwrap(), b"x");
        let failure = make_folder(&at("a/d/c/file/below")).unwrap_err().to_string();
        assert!(failure.contains("below"), "{failure}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/table.csv");
        write_bytes(&path, b"old").unwrap();
        let failure = write_atomically(&path, |out| {
            out.write_all(b"half of the n")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failure.unwrap_err().to_string().contains("table.csv: disk full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }
}
