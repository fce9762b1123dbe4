//! Compact facts of each file: values that the slices of a series share are stored once.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::SkippedKind;
use crate::dicom::{self, Exposure, FileKind, HeaderValue, PixelLocation, SliceFile};
use crate::formats::{self, FormatRefusal, VolumeHeader};

/// The state of a file: an equal stamp means equal contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub bytes: u64,
    pub modified_ns: u64,
    /// Time of the last change of the inode, which programs cannot set (0 if unavailable).
    pub changed_ns: i64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(facts: &Metadata) -> Self {
        let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (changed_ns, inode) = identity(facts);
        Self {
            bytes: facts.len(),
            modified_ns: modified.map_or(0, |since| since.as_nanos() as u64),
            changed_ns,
            inode,
        }
    }
}

#[cfg(unix)]
fn identity(facts: &Metadata) -> (i64, u64) {
    use std::os::unix::fs::MetadataExt;
    (facts.ctime().wrapping_mul(1_000_000_000).wrapping_add(facts.ctime_nsec()), facts.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (i64, u64) {
    (0, 0)
}

/// The contents of a file, in the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Facts {
    /// The slices of a DICOM file: one, or one for each frame.
    Slices(Box<[SliceFacts]>),
    /// A volume file.
    Volume(Box<Result<VolumeHeader, FormatRefusal>>),
    /// Claims to be an image or looks like it, and is unusable for this reason.
    Problem(Box<str>),
    /// Another kind of file.
    Other(SkippedKind),
}

/// The values of one slice, with the index of its shared values in the folder's templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SliceFacts {
    pub template: u32,
    frame: u32,
    instance_uid: Box<str>,
    instance_number: Option<i64>,
    position_mm: HeaderValue<[f64; 3]>,
    acquired: Box<str>,
    exposure: Exposure,
    pixels: HeaderValue<PixelLocation>,
}

/// Values that slices share: a slice without its individual values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Template(SliceFile);

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub name: Box<str>,
    pub stamp: Stamp,
    pub facts: Facts,
}

/// The files of one folder, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FolderFacts {
    pub templates: Vec<Template>,
    pub files: Vec<FileEntry>,
}

impl FolderFacts {
    /// The SeriesInstanceUID of an entry's slices, which are all of one series.
    pub(super) fn series_uid(&self, entry: &FileEntry) -> Option<&str> {
        let Facts::Slices(slices) = &entry.facts else { return None };
        let template = self.templates.get(slices.first()?.template as usize)?;
        Some(&template.0.origin.series_uid)
    }

    /// The slices of an entry, as read from its header.
    pub(super) fn slices(&self, folder: &Path, entry: &FileEntry) -> Vec<SliceFile> {
        let Facts::Slices(slices) = &entry.facts else { return Vec::new() };
        let slice = |facts: &SliceFacts| {
            let mut slice = self.templates.get(facts.template as usize)?.0.clone();
            slice.marks.acquired = facts.acquired.to_string();
            Some(SliceFile {
                path: folder.join(&*entry.name),
                bytes: entry.stamp.bytes,
                modified_ns: u128::from(entry.stamp.modified_ns),
                frame: facts.frame,
                instance_uid: facts.instance_uid.to_string(),
                instance_number: facts.instance_number,
                position_mm: facts.position_mm.clone(),
                exposure: facts.exposure,
                pixels: facts.pixels.clone(),
                ..slice
            })
        };
        slices.iter().filter_map(slice).collect()
    }

    /// Whether every slice has a template, which fails only in a manipulated index.
    pub(crate) fn has_all_templates(&self) -> bool {
        let known = |slice: &SliceFacts| (slice.template as usize) < self.templates.len();
        self.files.iter().all(|entry| match &entry.facts {
            Facts::Slices(slices) => !slices.is_empty() && slices.iter().all(known),
            _ => true,
        })
    }
}

/// The contents of a file, before they are made compact.
pub(super) enum FileContent {
    Slices(Vec<SliceFile>),
    Facts(Facts),
}

/// Opens one file and determines its contents.
pub(super) fn inspect(path: &Path, name: &str) -> FileContent {
    if formats::is_volume_name(name) {
        return FileContent::Facts(match formats::read_header(path) {
            Some(header) => Facts::Volume(Box::new(header)),
            None => Facts::Other(SkippedKind::of(path, name)),
        });
    }
    match dicom::read_header(path) {
        FileKind::Slices(slices) => FileContent::Slices(slices),
        FileKind::Problem(reason) => FileContent::Facts(Facts::Problem(reason.into())),
        FileKind::Other => FileContent::Facts(Facts::Other(SkippedKind::of(path, name))),
    }
}

/// Collects the files of a folder and stores shared values once.
#[derive(Default)]
pub(super) struct Collector {
    facts: FolderFacts,
    /// Templates by their serialized bytes.
    indices: HashMap<Vec<u8>, u32>,
}

impl Collector {
    /// Adds a file that was inspected.
    pub(super) fn add(&mut self, name: &str, stamp: Stamp, content: FileContent) {
        let facts = match content {
            FileContent::Facts(facts) => facts,
            FileContent::Slices(slices) => {
                Facts::Slices(slices.into_iter().map(|slice| self.compact(slice)).collect())
            }
        };
        self.facts.files.push(FileEntry { name: name.into(), stamp, facts });
    }

    /// Moves shared values to the templates and returns the others.
    fn compact(&mut self, mut slice: SliceFile) -> SliceFacts {
        let mut facts = SliceFacts {
            template: 0,
            frame: std::mem::take(&mut slice.frame),
            instance_uid: std::mem::take(&mut slice.instance_uid).into(),
            instance_number: slice.instance_number.take(),
            position_mm: std::mem::replace(&mut slice.position_mm, Ok([0.0; 3])),
            acquired: std::mem::take(&mut slice.marks.acquired).into(),
            exposure: std::mem::take(&mut slice.exposure),
            pixels: std::mem::replace(&mut slice.pixels, Err(String::new())),
        };
        slice.path = Default::default();
        (slice.bytes, slice.modified_ns) = (0, 0);
        facts.template = self.template_index(Template(slice));
        facts
    }

    /// Adds a file from the index.
    pub(crate) fn add_known(&mut self, mut entry: FileEntry, templates: &[Template]) {
        if let Facts::Slices(slices) = &mut entry.facts {
            for slice in slices {
                let Some(template) = templates.get(slice.template as usize) else { return };
                slice.template = self.template_index(template.clone());
            }
        }
        self.facts.files.push(entry);
    }

    fn template_index(&mut self, template: Template) -> u32 {
        // Serialization of plain data does not fail; if it did, nothing would be shared.
        let key = postcard::to_stdvec(&template).unwrap_or_default();
        let next = self.facts.templates.len() as u32;
        match self.indices.get(&key) {
            Some(index) if !key.is_empty() => *index,
            _ => {
                self.indices.insert(key, next);
                self.facts.templates.push(template);
                next
            }
        }
    }

    /// The folder, its files sorted by name.
    pub(super) fn finish(mut self) -> FolderFacts {
        self.facts.files.sort_by(|a, b| a.name.cmp(&b.name));
        self.facts
    }
}
