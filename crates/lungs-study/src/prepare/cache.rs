//! The content-addressed cache: the entry of a series, and whether it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use lungs_base::files::{WriteError, write_bytes};
use lungs_image::dicom::SeriesFacts;
use lungs_image::images::Image;

use super::{ALGORITHM_VERSION, Picture, Prepared, Row, Settings, Status, npz, prepared};

/// The cache folder and the settings of its entries.
pub(super) struct Cache<'a> {
    pub folder: &'a Path,
    pub settings: &'a Settings,
}

/// Content of `<key>.json`, which is written after the other files of the entry.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub algorithm_version: u32,
    pub settings: String,
    inputs: String,
    npz_bytes: Option<u64>,
    pub row: Row,
}

impl Cache<'_> {
    /// The row of an image that was prepared with these settings and whose files have not changed, or that was
    /// prepared from a scan in this cache. Reads none of the image's files.
    pub(super) fn lookup(&self, image: &Image) -> Option<Row> {
        if let Some(row) = prepared::source(image).and_then(|source| self.load(&source.inputs)) {
            return Some(row);
        }
        let inputs = fs::read_to_string(self.index_path(image)).ok()?;
        self.load(&inputs)
    }

    /// The row of this content; `None` if it was not prepared with these settings.
    pub(super) fn load(&self, inputs: &str) -> Option<Row> {
        let key = self.key(inputs);
        let entry: Entry = serde_json::from_slice(&fs::read(self.path(&key, "json")).ok()?).ok()?;
        let matches = entry.algorithm_version == ALGORITHM_VERSION
            && entry.settings == self.settings.key_text()
            && entry.inputs == inputs;
        let is_complete = match entry.row.status {
            Status::Refused => true,
            Status::Prepared => {
                let npz = fs::metadata(self.path(&key, "npz")).ok()?;
                Some(npz.len()) == entry.npz_bytes && self.path(&key, "png").is_file()
            }
        };
        (matches && is_complete).then_some(entry.row)
    }

    /// Stores a finished series, and returns its row with the cache file.
    pub(super) fn store(
        &self,
        inputs: &str,
        mut row: Row,
        result: Option<(&Prepared, &Picture)>,
    ) -> Result<Row, WriteError> {
        let key = self.key(inputs);
        let mut npz_bytes = None;
        if let Some((prepared, picture)) = result {
            let path = self.path(&key, "npz");
            npz::write(&path, prepared)?;
            npz_bytes = fs::metadata(&path).ok().map(|metadata| metadata.len());
            write_bytes(&self.path(&key, "png"), &picture.to_png())?;
            row.cache_file = format!("{key}.npz");
        }
        let entry = Entry {
            algorithm_version: ALGORITHM_VERSION,
            settings: self.settings.key_text(),
            inputs: inputs.to_owned(),
            npz_bytes,
            row: row.clone(),
        };
        let mut text = serde_json::to_string_pretty(&entry).unwrap_or_default();
        text.push('\n');
        write_bytes(&self.path(&key, "json"), text.as_bytes())?;
        Ok(row)
    }

    /// Stores the content of the image's files in the index, until the files change.
    pub(super) fn index(&self, image: &Image, inputs: &str) -> Result<(), WriteError> {
        write_bytes(&self.index_path(image), inputs.as_bytes())
    }

    fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{key}.{extension}"))
    }

    fn key(&self, inputs: &str) -> String {
        let text =
            format!("lungs prepared {ALGORITHM_VERSION}\n{}\n{inputs}\n", self.settings.key_text());
        short_hash(text.as_bytes())
    }

    /// The lock file for preparing the image with these settings.
    pub(crate) fn lock_path(&self, image: &Image) -> PathBuf {
        let text = format!("{}\n{}", self.files_hash(image), self.settings.key_text());
        self.folder.join("claims").join(short_hash(text.as_bytes()))
    }

    /// The index entry of the image's files.
    pub(super) fn index_path(&self, image: &Image) -> PathBuf {
        self.folder.join("seen").join(self.files_hash(image))
    }

    /// A hash of the paths, sizes, modification and change times of the image's files. The modification time alone
    /// is not enough: programs can set it, and a copy may keep it with different content.
    fn files_hash(&self, image: &Image) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in &image.files {
            let path = std::path::absolute(file.path()).unwrap_or_else(|_| file.path());
            let times = format!("{}\0{}", file.modified_ns, file.changed_ns);
            let line = format!("{}\0{}\0{times}\n", path.display(), file.bytes);
            hasher.update(line.as_bytes());
        }
        hasher.finalize().to_hex().as_str()[..32].to_owned()
    }
}

/// Whether an image is prepared with these settings. Reads none of its files.
pub fn is_prepared(image: &Image, settings: &Settings, cache_folder: &Path) -> bool {
    Cache { folder: cache_folder, settings }.lookup(image).is_some()
}

/// The row of an image that is prepared with these settings, with the image's current series UID.
pub fn prepared_row(image: &Image, settings: &Settings, cache_folder: &Path) -> Option<Row> {
    let row = Cache { folder: cache_folder, settings }.lookup(image)?;
    Some(Row { series_uid: image.series_uid.clone(), ..row })
}

/// The content hash of a prepared row's input files, from its cache entry.
pub fn inputs_of(cache_folder: &Path, row: &Row) -> Option<String> {
    let path = cache_folder.join(&row.cache_file).with_extension("json");
    let entry: Entry = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(entry.inputs)
}

/// The hash of the input files' content as text.
pub(super) fn inputs_text(facts: &SeriesFacts) -> String {
    blake3::Hash::from_bytes(facts.content_hash).to_hex().to_string()
}

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().as_str()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another key would leave every existing cache unused.
    #[test]
    fn the_key_of_content_and_settings_never_changes() {
        let settings = Settings::default();
        let cache = Cache { folder: Path::new(""), settings: &settings };
        assert_eq!(cache.key(&"ab".repeat(32)), "864a0bcc7b915836839b555b148a1511");
    }
}
