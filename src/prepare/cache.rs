//! The content-addressed cache: which entry belongs to a series, and whether it is whole.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dicom::SeriesFacts;
use crate::files::{WriteError, write_bytes};
use crate::images::Image;

use super::{ALGORITHM_VERSION, Picture, Prepared, Row, Settings, Status, npz, prepared};

/// Where prepared series are kept.
pub(super) struct Cache<'a> {
    pub folder: &'a Path,
    pub settings: &'a Settings,
}

/// What `<key>.json` holds; it is written after the files that it speaks of.
#[derive(Serialize, Deserialize)]
struct Entry {
    algorithm_version: u32,
    settings: String,
    inputs: String,
    npz_bytes: Option<u64>,
    row: Row,
}

impl Cache<'_> {
    /// The row of an image whose files have not changed since it was prepared under these
    /// settings, or which was prepared from a scan that is known here, without reading any of them.
    pub fn seen(&self, image: &Image) -> Option<Row> {
        if let Some(row) = prepared::source(image).and_then(|source| self.find(&source.inputs)) {
            return Some(row);
        }
        let inputs = fs::read_to_string(self.seen_path(image)).ok()?;
        self.find(&inputs)
    }

    /// The row of these contents, if they were prepared under these settings before.
    pub fn find(&self, inputs: &str) -> Option<Row> {
        let key = self.key(inputs);
        let entry: Entry = serde_json::from_slice(&fs::read(self.path(&key, "json")).ok()?).ok()?;
        let same = entry.algorithm_version == ALGORITHM_VERSION
            && entry.settings == self.settings_text()
            && entry.inputs == inputs;
        let whole = match entry.row.status {
            Status::Refused => true,
            Status::Prepared => {
                let npz = fs::metadata(self.path(&key, "npz")).ok()?;
                Some(npz.len()) == entry.npz_bytes && self.path(&key, "png").is_file()
            }
        };
        (same && whole).then_some(entry.row)
    }

    /// Keeps a finished series and names its file in the row.
    pub fn keep(
        &self,
        inputs: &str,
        row: &mut Row,
        result: Option<(&Prepared, &Picture)>,
    ) -> Result<(), WriteError> {
        let key = self.key(inputs);
        let mut npz_bytes = None;
        if let Some((prepared, picture)) = result {
            let path = self.path(&key, "npz");
            npz::write(&path, prepared)?;
            npz_bytes = fs::metadata(&path).ok().map(|facts| facts.len());
            write_bytes(&self.path(&key, "png"), &picture.to_png())?;
            row.cache_file = format!("{key}.npz");
        }
        let entry = Entry {
            algorithm_version: ALGORITHM_VERSION,
            settings: self.settings_text(),
            inputs: inputs.to_owned(),
            npz_bytes,
            row: row.clone(),
        };
        let mut text = serde_json::to_string_pretty(&entry).unwrap_or_default();
        text.push('\n');
        write_bytes(&self.path(&key, "json"), text.as_bytes())
    }

    /// Remembers what the image's files contain as long as they do not change.
    pub fn remember(&self, image: &Image, inputs: &str) -> Result<(), WriteError> {
        write_bytes(&self.seen_path(image), inputs.as_bytes())
    }

    fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{key}.{extension}"))
    }

    fn key(&self, inputs: &str) -> String {
        let text =
            format!("lungs prepared {ALGORITHM_VERSION}\n{}\n{inputs}\n", self.settings_text());
        short_hash(text.as_bytes())
    }

    /// Every field of the settings, as text that changes when one of them does.
    fn settings_text(&self) -> String {
        format!("{:?}", self.settings)
    }

    /// The file that whoever prepares the image under these settings holds.
    pub fn claim_path(&self, image: &Image) -> PathBuf {
        let text = format!("{}\n{}", self.state(image), self.settings_text());
        self.folder.join("claims").join(short_hash(text.as_bytes()))
    }

    pub(super) fn seen_path(&self, image: &Image) -> PathBuf {
        self.folder.join("seen").join(self.state(image))
    }

    /// Names the state of the image's files: their paths, sizes and times of change. The time that
    /// programs can set is not enough: a copy may keep it with other contents.
    fn state(&self, image: &Image) -> String {
        let mut state = blake3::Hasher::new();
        for file in &image.files {
            let path = std::path::absolute(file.path()).unwrap_or_else(|_| file.path());
            let times = format!("{}\0{}", file.modified_ns, file.changed_ns);
            let line = format!("{}\0{}\0{times}\n", path.display(), file.bytes);
            state.update(line.as_bytes());
        }
        state.finalize().to_hex().as_str()[..32].to_owned()
    }
}

/// Whether an image is prepared under these settings, from what is known of its files.
pub fn is_prepared(image: &Image, settings: &Settings, cache_folder: &Path) -> bool {
    Cache { folder: cache_folder, settings }.seen(image).is_some()
}

/// The row of an image that is prepared under these settings, with the names that the image has now.
pub fn prepared_row(image: &Image, settings: &Settings, cache_folder: &Path) -> Option<Row> {
    let row = Cache { folder: cache_folder, settings }.seen(image)?;
    Some(Row { series_uid: image.series_uid.clone(), ..row })
}

/// The inputs of a prepared row, as its entry in the cache has them.
pub fn inputs_of(cache_folder: &Path, row: &Row) -> Option<String> {
    let path = cache_folder.join(&row.cache_file).with_extension("json");
    let entry: Entry = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(entry.inputs)
}

/// The hash of the files' contents as text.
pub(super) fn inputs_text(facts: &SeriesFacts) -> String {
    blake3::Hash::from_bytes(facts.content_hash).to_hex().to_string()
}

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().as_str()[..32].to_owned()
}
