//! Files and folders that the walk skips, counted by kind.

use lungs_base::text::counted;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::codes::ExclusionCode;

/// The kind of a skipped file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkippedKind {
    /// A single compressed file, such as `1.dcm.gz`.
    Compressed,
    /// Several files in one, such as `.zip` and `.tar`.
    Archive,
    /// A folder whose name begins with a dot.
    HiddenFolder,
    /// A folder marked by a `CACHEDIR.TAG`.
    CacheFolder,
    /// A file whose name begins with a dot.
    HiddenFile,
    /// DICOMDIR, which lists files and is not an image.
    Dicomdir,
    /// CSV, spreadsheets, JSON and the like.
    Table,
    /// PNG, JPEG and the like.
    Picture,
    /// Texts and PDF.
    Document,
    /// Everything else.
    Other,
}

impl SkippedKind {
    /// The kind of a file that is not an image, by its name or else by its first bytes.
    pub(super) fn of(path: &Path, name: &str) -> Self {
        Self::of_name(name).unwrap_or_else(|| Self::of_contents(path))
    }

    fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name == "dicomdir" {
            return Some(Self::Dicomdir);
        }
        let (inner, extension) = name.rsplit_once('.')?;
        Some(match extension {
            "gz" | "bz2" | "xz" | "zst" | "lz4" | "z" | "lzma" => {
                match inner.rsplit_once('.').map(|(_, inner)| inner) {
                    Some("tar" | "zip") => Self::Archive,
                    Some("csv" | "tsv" | "json" | "jsonl" | "xml" | "sql") => Self::Table,
                    Some("txt" | "log" | "md") => Self::Document,
                    _ => Self::Compressed,
                }
            }
            "zip" | "tar" | "tgz" | "tbz" | "tbz2" | "txz" | "7z" | "rar" | "iso" | "cab" => {
                Self::Archive
            }
            "csv" | "tsv" | "json" | "jsonl" | "xml" | "xls" | "xlsx" | "ods" | "parquet"
            | "sqlite" | "db" | "list" | "yaml" | "yml" | "toml" => Self::Table,
            "png" | "jpg" | "jpeg" | "gif" | "bmp" | "tif" | "tiff" | "svg" | "webp" => {
                Self::Picture
            }
            "txt" | "md" | "pdf" | "doc" | "docx" | "rtf" | "htm" | "html" | "log" => {
                Self::Document
            }
            _ => return None,
        })
    }

    fn of_contents(path: &Path) -> Self {
        let mut start = Vec::with_capacity(264);
        let read = File::open(path).and_then(|file| file.take(264).read_to_end(&mut start));
        if read.is_err() {
            return Self::Other;
        }
        match start.as_slice() {
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Compressed,
            [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Compressed,
            [b'P', b'K', 3, 4, ..] | [b'R', b'a', b'r', b'!', ..] => Self::Archive,
            [b'7', b'z', 0xbc, 0xaf, ..] => Self::Archive,
            _ if start.get(257..262) == Some(b"ustar") => Self::Archive,
            [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Self::Picture,
            [b'%', b'P', b'D', b'F', ..] => Self::Document,
            _ => Self::Other,
        }
    }

    /// Code for tables.
    pub fn code(self) -> ExclusionCode {
        match self {
            Self::Compressed => ExclusionCode::Compressed,
            Self::Archive => ExclusionCode::Archive,
            Self::HiddenFolder => ExclusionCode::HiddenFolder,
            Self::CacheFolder => ExclusionCode::CacheFolder,
            Self::HiddenFile => ExclusionCode::HiddenFile,
            Self::Dicomdir => ExclusionCode::Dicomdir,
            Self::Table => ExclusionCode::Table,
            Self::Picture => ExclusionCode::Picture,
            Self::Document => ExclusionCode::Document,
            Self::Other => ExclusionCode::Other,
        }
    }

    /// The kind as a noun, for one and for several.
    fn nouns(self) -> [&'static str; 2] {
        match self {
            Self::Compressed => ["compressed file", "compressed files"],
            Self::Archive => ["archive", "archives"],
            Self::HiddenFolder => ["file in hidden folders", "files in hidden folders"],
            Self::CacheFolder => ["cache folder", "cache folders"],
            Self::HiddenFile => ["hidden file", "hidden files"],
            Self::Dicomdir => ["DICOMDIR", "DICOMDIR"],
            Self::Table => ["table", "tables"],
            Self::Picture => ["picture", "pictures"],
            Self::Document => ["document", "documents"],
            Self::Other => ["other file", "other files"],
        }
    }

    /// Advice for files of this kind that contain images; `None` for kinds without images.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Compressed => Some(
                "compressed DICOM is not read; unpack it first, for example with gunzip -r FOLDER",
            ),
            Self::Archive => Some("files in archives are not read; unpack them first"),
            Self::HiddenFolder => Some(
                "folders whose names begin with a dot are skipped; rename those that hold scans",
            ),
            _ => None,
        }
    }
}

/// Files of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of files; for folders, of the files in them.
    pub files: usize,
    /// The first of them by path.
    pub example: PathBuf,
}

/// The files that a walk skips, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedFiles(BTreeMap<SkippedKind, Tally>);

/// Limit of the count of files in a hidden folder, which may contain a whole file system.
const MAX_HIDDEN: usize = 10_000;

impl SkippedFiles {
    pub(super) fn add(&mut self, kind: SkippedKind, path: PathBuf) {
        let files = match kind {
            SkippedKind::HiddenFolder => files_in(&path),
            _ => 1,
        };
        if files > 0 {
            self.add_tally(kind, Tally { files, example: path });
        }
    }

    fn add_tally(&mut self, kind: SkippedKind, other: Tally) {
        let tally = self.0.entry(kind).or_default();
        tally.files += other.files;
        if tally.example == Path::new("") || other.example < tally.example {
            tally.example = other.example;
        }
    }

    /// Adds the files that another walk skipped.
    pub fn merge(&mut self, other: Self) {
        for (kind, tally) in other.0 {
            self.add_tally(kind, tally);
        }
    }

    /// The kinds, starting with those that may contain images.
    pub fn iter(&self) -> impl Iterator<Item = (SkippedKind, &Tally)> {
        self.0.iter().map(|(kind, tally)| (*kind, tally))
    }

    /// Whether no file is skipped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of files of all kinds.
    pub fn files(&self) -> usize {
        self.0.values().map(|tally| tally.files).sum()
    }

    /// Kinds with their counts: `60 compressed files, 1 archive`; empty without skipped files.
    pub fn counts(&self) -> String {
        let count = |(kind, tally): (SkippedKind, &Tally)| counted_files(kind, tally.files);
        self.iter().map(count).collect::<Vec<_>>().join(", ")
    }
}

/// `1 archive`, `60 compressed files`.
pub fn counted_files(kind: SkippedKind, files: usize) -> String {
    let [one, several] = kind.nouns();
    let more = kind == SkippedKind::HiddenFolder && files >= MAX_HIDDEN;
    let at_least = if more { "at least " } else { "" };
    format!("{at_least}{}", counted(files, one, several))
}

fn files_in(folder: &Path) -> usize {
    let entries = WalkDir::new(folder).into_iter().take(2 * MAX_HIDDEN).flatten();
    entries.filter(|entry| entry.file_type().is_file()).take(MAX_HIDDEN).count()
}

#[cfg(test)]
mod tests {
    use super::SkippedKind::{self as Kind, *};
    use std::fs;

    #[test]
    fn names_tell_kinds_apart_whatever_the_case_and_contents_do_where_names_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("IM0001");
        for (name, bytes, expected) in [
            ("1.dcm.gz", &b""[..], Compressed),
            ("IM0001.GZ", b"", Compressed),
            ("scan.nii.bz2", b"", Compressed),
            ("1.dcm.zst", b"", Compressed),
            ("study.ZIP", b"", Archive),
            ("study.tar.gz", b"", Archive),
            ("study.tgz", b"", Archive),
            ("labels.csv.gz", b"", Table),
            ("labels.xlsx", b"PK\x03\x04", Table),
            ("DICOMDIR", b"", Dicomdir),
            ("notes.pdf", b"", Document),
            ("IM0001", b"\x1f\x8b\x08", Compressed),
            ("IM0001", b"PK\x03\x04", Archive),
            ("IM0001", b"\x89PNG", Picture),
            ("IM0001", b"VERSION 1", Other),
            ("IM0001", b"", Other),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(Kind::of(&path, name), expected, "{name} {bytes:?}");
        }
        let mut tar = vec![0; 257];
        tar.extend(b"ustar");
        fs::write(&path, tar).unwrap();
        assert_eq!(Kind::of(&path, "IM0001"), Archive);
    }
}
