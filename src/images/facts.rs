//! What is known of each file, kept small: what the slices of a series have in common is stored
//! once.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::PassedOverKind;
use crate::dicom::{self, FileKind, Found as HeaderValue, PixelPlace, SliceFile};
use crate::formats::{self, FormatRefusal, VolumeHeader};

/// A file's state: while it is the same, so are its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub bytes: u64,
    pub modified_ns: u64,
    /// When anything about the file changed, which no program can set (0 where there is no such
    /// time).
    pub changed_ns: i64,
    inode: u64,
}

impl Stamp {
    pub fn of(facts: &Metadata) -> Self {
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

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Facts {
    /// The slices of a DICOM file: one, or one for each frame.
    Slices(Box<[SliceFacts]>),
    /// A volume file.
    Volume(Box<Result<VolumeHeader, FormatRefusal>>),
    /// Claims or looks to be an image, and is unusable for this reason.
    Problem(Box<str>),
    /// Plainly something else.
    Other(PassedOverKind),
}

/// A slice's own values, and the place of the rest in the folder's templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SliceFacts {
    pub template: u32,
    frame: u32,
    instance_uid: Box<str>,
    instance_number: Option<i64>,
    position_mm: HeaderValue<[f64; 3]>,
    acquired: Box<str>,
    pixels: HeaderValue<PixelPlace>,
}

/// What slices have in common: a slice without its own values.
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
    pub fn series_uid(&self, entry: &FileEntry) -> Option<&str> {
        let Facts::Slices(slices) = &entry.facts else { return None };
        let template = self.templates.get(slices.first()?.template as usize)?;
        Some(&template.0.origin.series_uid)
    }

    /// The slices of an entry as its header had them.
    pub fn slices(&self, folder: &Path, entry: &FileEntry) -> Vec<SliceFile> {
        let Facts::Slices(slices) = &entry.facts else { return Vec::new() };
        let slice = |own: &SliceFacts| {
            let mut slice = self.templates.get(own.template as usize)?.0.clone();
            slice.marks.acquired = own.acquired.to_string();
            Some(SliceFile {
                path: folder.join(&*entry.name),
                bytes: entry.stamp.bytes,
                modified_ns: u128::from(entry.stamp.modified_ns),
                frame: own.frame,
                instance_uid: own.instance_uid.to_string(),
                instance_number: own.instance_number,
                position_mm: own.position_mm.clone(),
                pixels: own.pixels.clone(),
                ..slice
            })
        };
        slices.iter().filter_map(slice).collect()
    }

    /// Whether every slice's template is there, as it is unless the index was tampered with.
    pub fn is_whole(&self) -> bool {
        let known = |own: &SliceFacts| (own.template as usize) < self.templates.len();
        self.files.iter().all(|entry| match &entry.facts {
            Facts::Slices(slices) => !slices.is_empty() && slices.iter().all(known),
            _ => true,
        })
    }
}

/// A file just looked at, before it is kept small.
pub(super) enum Looked {
    Slices(Vec<SliceFile>),
    Facts(Facts),
}

/// Opens one file and says what it is.
pub(super) fn look(path: &Path, name: &str) -> Looked {
    if formats::is_volume_name(name) {
        return Looked::Facts(match formats::read_header(path) {
            Some(header) => Facts::Volume(Box::new(header)),
            None => Facts::Other(PassedOverKind::of(path, name)),
        });
    }
    match dicom::read_header(path) {
        FileKind::Slices(slices) => Looked::Slices(slices),
        FileKind::Problem(reason) => Looked::Facts(Facts::Problem(reason.into())),
        FileKind::Other => Looked::Facts(Facts::Other(PassedOverKind::of(path, name))),
    }
}

/// Collects a folder's files and stores what they have in common once.
#[derive(Default)]
pub(super) struct Collector {
    facts: FolderFacts,
    /// Templates by their serialized bytes.
    places: HashMap<Vec<u8>, u32>,
}

impl Collector {
    /// Adds a file that was just looked at.
    pub fn add(&mut self, name: &str, stamp: Stamp, looked: Looked) {
        let facts = match looked {
            Looked::Facts(facts) => facts,
            Looked::Slices(slices) => {
                Facts::Slices(slices.into_iter().map(|slice| self.kept_small(slice)).collect())
            }
        };
        self.facts.files.push(FileEntry { name: name.into(), stamp, facts });
    }

    /// A slice's own values; what it shares with others goes to the templates.
    fn kept_small(&mut self, mut slice: SliceFile) -> SliceFacts {
        let mut own = SliceFacts {
            template: 0,
            frame: std::mem::take(&mut slice.frame),
            instance_uid: std::mem::take(&mut slice.instance_uid).into(),
            instance_number: slice.instance_number.take(),
            position_mm: std::mem::replace(&mut slice.position_mm, Ok([0.0; 3])),
            acquired: std::mem::take(&mut slice.marks.acquired).into(),
            pixels: std::mem::replace(&mut slice.pixels, Err(String::new())),
        };
        slice.path = Default::default();
        (slice.bytes, slice.modified_ns) = (0, 0);
        own.template = self.place_of(Template(slice));
        own
    }

    /// Adds a file as it was known.
    pub fn add_known(&mut self, mut entry: FileEntry, templates: &[Template]) {
        if let Facts::Slices(slices) = &mut entry.facts {
            for own in slices {
                let Some(template) = templates.get(own.template as usize) else { return };
                own.template = self.place_of(template.clone());
            }
        }
        self.facts.files.push(entry);
    }

    fn place_of(&mut self, template: Template) -> u32 {
        // Plain data always has a serialized form; were there none, nothing would be shared.
        let key = postcard::to_stdvec(&template).unwrap_or_default();
        let next = self.facts.templates.len() as u32;
        match self.places.get(&key) {
            Some(place) if !key.is_empty() => *place,
            _ => {
                self.places.insert(key, next);
                self.facts.templates.push(template);
                next
            }
        }
    }

    /// The folder, its files sorted by name.
    pub fn finish(mut self) -> FolderFacts {
        self.facts.files.sort_by(|a, b| a.name.cmp(&b.name));
        self.facts
    }
}
