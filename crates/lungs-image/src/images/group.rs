//! Groups files into images: slices by SeriesInstanceUID, volume files one each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::facts::{Facts, FileEntry, FolderFacts, Stamp};
use super::{ExcludedImages, Grid, Image, ImageFile, ImageRefusal, Kind, ScanResult};
use crate::codes::{Exclusion, ExclusionCode, Flag};
use crate::dicom::{self, Problem, Series, StackRules};
use crate::formats::{self, FormatRefusal, Source, VolumeHeader};

/// Divides the files of all folders into images, problems and skipped files.
pub(super) fn group(
    root: &Path,
    folders: &[(&Path, &FolderFacts)],
    rules: StackRules,
    result: &mut ScanResult,
    problems: &mut Vec<Problem>,
) {
    let shared: Vec<Arc<Path>> = folders.iter().map(|(folder, _)| Arc::from(*folder)).collect();
    let mut series: BTreeMap<&str, Vec<(usize, &FileEntry)>> = BTreeMap::new();
    let mut volumes = Vec::new();
    let mut others = Vec::new();
    for (folder_index, (folder, facts)) in folders.iter().enumerate() {
        for entry in &facts.files {
            match &entry.facts {
                Facts::Slices(_) => {
                    if let Some(uid) = facts.series_uid(entry) {
                        series.entry(uid).or_default().push((folder_index, entry));
                    }
                }
                Facts::Volume(header) => volumes.push(VolumeFile {
                    folder: shared[folder_index].clone(),
                    entry,
                    path: folder.join(&*entry.name),
                    header,
                    copies: Vec::new(),
                }),
                Facts::Problem(_) | Facts::Other(_) => others.push((folder_index, entry)),
            }
        }
    }
    let data_files: HashSet<PathBuf> = volumes.iter().filter_map(VolumeFile::data_file).collect();
    for (folder_index, entry) in others {
        let path = folders[folder_index].0.join(&*entry.name);
        match &entry.facts {
            _ if data_files.contains(&path) => {}
            Facts::Problem(reason) => problems.push(Problem { path, reason: reason.to_string() }),
            Facts::Other(kind) => result.skipped.add(*kind, path),
            Facts::Slices(_) | Facts::Volume(_) => {}
        }
    }
    let series: Vec<(&str, Vec<(usize, &FileEntry)>)> = series.into_iter().collect();
    result.images = series
        .into_par_iter()
        .map(|(uid, entries)| series_image(uid, &entries, folders, &shared, rules))
        .collect();
    result.images.extend(name_volumes(root, volumes));
    result.images.sort_by(|a, b| order(a).cmp(&order(b)));
}

fn order(image: &Image) -> (&str, &str, &str, &str, &Path) {
    let Image { patient_id, study_date, exam_id, series_uid, path, .. } = image;
    (patient_id, study_date, exam_id, series_uid, path)
}

fn series_image(
    series_uid: &str,
    entries: &[(usize, &FileEntry)],
    folders: &[(&Path, &FolderFacts)],
    shared: &[Arc<Path>],
    rules: StackRules,
) -> Image {
    // The index of the folder of each slice.
    let mut folder_indices: Vec<usize> = Vec::new();
    let mut series = Series { series_uid: series_uid.to_owned(), slices: Vec::new() };
    for &(folder_index, entry) in entries {
        let (folder, facts) = folders[folder_index];
        series.slices.extend(facts.slices(folder, entry));
        folder_indices.resize(series.slices.len(), folder_index);
    }
    let files =
        entries.iter().map(|(folder_index, entry)| file(&shared[*folder_index], entry)).collect();
    let stack = dicom::stack_by(&series, rules);
    let origin = stack.as_ref().map_or_else(|_| series.origin(), |stack| stack.origin.clone());
    let all = || (0..series.slices.len()).collect();
    let in_volume = stack.as_ref().map_or_else(|_| all(), |stack| stack.slices.clone());
    let acquisition = series.acquisition(&in_volume, &origin);
    // Slices are ordered by path: the smallest index belongs to the first file.
    let stacked = stack.as_ref().ok().and_then(|stack| stack.slices.iter().min());
    let folder = folder_indices.get(stacked.copied().unwrap_or(0)).copied().unwrap_or_default();
    let (mut flags, mut excluded) = (Vec::new(), Vec::new());
    if let Ok(stack) = &stack {
        let copies = excluded_copies(&stack.duplicates, &folder_indices, folders);
        flags.clone_from(&stack.flags);
        flags.extend((!copies.is_empty()).then_some(Flag::CopiesCountedOnce));
        excluded.extend(stack.excluded.iter().map(|part| ExcludedImages {
            slices: part.slices.len(),
            exclusion: part.exclusion.clone(),
        }));
        excluded.extend(copies);
    }
    let grid = stack.map_err(ImageRefusal::from).map(|stack| Grid {
        geometry: stack.geometry,
        slices: stack.slices.len(),
        rows: stack.rows,
        columns: stack.columns,
        slice_spacing_mm: stack.slice_spacing_mm(),
    });
    Image {
        kind: Kind::Dicom,
        series_uid: series.series_uid,
        patient_id: origin.patient_id,
        exam_id: origin.exam_id,
        study_date: origin.study_date,
        kernel: origin.kernel,
        manufacturer: origin.manufacturer,
        acquisition,
        path: folders.get(folder).map(|(folder, _)| (*folder).to_owned()).unwrap_or_default(),
        slices: grid.as_ref().map_or(series.slices.len(), |grid| grid.slices),
        grid,
        files,
        flags,
        excluded,
    }
}

/// The slices that are copies of slices in another folder, by folder. Parameters are those of
/// [`copies_by_folder`].
fn excluded_copies(
    duplicates: &[(usize, usize)],
    folder_indices: &[usize],
    folders: &[(&Path, &FolderFacts)],
) -> Vec<ExcludedImages> {
    let copies = copies_by_folder(duplicates, folder_indices).into_iter();
    let excluded = copies.map(|(folder_index, slices)| ExcludedImages {
        slices,
        exclusion: Exclusion::new(
            ExclusionCode::Copies,
            format_args!(
                "{} holds {} identical to {} in another folder; each slice is used once",
                folders[folder_index].0.display(),
                if slices == 1 { "a slice".to_owned() } else { format!("{slices} slices") },
                if slices == 1 { "one" } else { "slices" }
            ),
        ),
    });
    excluded.collect()
}

/// Number of slices per folder that are copies of slices in another folder. `duplicates` are pairs of
/// a kept slice and its copy, `folder_indices` the folder of each slice.
fn copies_by_folder(
    duplicates: &[(usize, usize)],
    folder_indices: &[usize],
) -> BTreeMap<usize, usize> {
    let mut copies = BTreeMap::new();
    for (kept, copy) in duplicates {
        if let (Some(kept), Some(copy)) = (folder_indices.get(*kept), folder_indices.get(*copy))
            && kept != copy
        {
            *copies.entry(*copy).or_default() += 1;
        }
    }
    copies
}

fn file(folder: &Arc<Path>, entry: &FileEntry) -> ImageFile {
    ImageFile {
        folder: folder.clone(),
        name: (&*entry.name).into(),
        bytes: entry.stamp.bytes,
        modified_ns: u128::from(entry.stamp.modified_ns),
        changed_ns: entry.stamp.changed_ns,
    }
}

/// A volume file before it becomes an [`Image`].
struct VolumeFile<'a> {
    folder: Arc<Path>,
    entry: &'a FileEntry,
    path: PathBuf,
    header: &'a Result<VolumeHeader, FormatRefusal>,
    /// Paths of identical files in other folders.
    copies: Vec<PathBuf>,
}

/// Assigns a name to every volume file, and merges identical files of one name.
fn name_volumes(root: &Path, volumes: Vec<VolumeFile>) -> Vec<Image> {
    let mut by_stem: BTreeMap<String, Vec<VolumeFile>> = BTreeMap::new();
    for volume in volumes {
        let stem = formats::stem(&volume.entry.name).to_owned();
        let same_stem = by_stem.entry(stem).or_default();
        match same_stem.iter_mut().find(|known| known.is_copy(&volume)) {
            Some(known) => known.copies.push(volume.path),
            None => same_stem.push(volume),
        }
    }
    let mut images = Vec::new();
    for (stem, volumes) in by_stem {
        let is_unique = volumes.len() == 1;
        // The extension is kept where relative names are equal too (`a.nii`, `a.mhd`).
        let mut below: HashMap<String, usize> = HashMap::new();
        for volume in &volumes {
            *below.entry(volume.below(root)).or_default() += 1;
        }
        images.extend(volumes.into_iter().map(|volume| {
            let name = volume.below(root);
            let uid = match below.get(&name) {
                _ if is_unique => stem.clone(),
                Some(1) => name,
                _ => volume.path.strip_prefix(root).unwrap_or(&volume.path).display().to_string(),
            };
            volume.into_image(uid)
        }));
    }
    images
}

impl VolumeFile<'_> {
    /// The file with the values, if it is separate.
    fn data_file(&self) -> Option<PathBuf> {
        let header = self.header.as_ref().ok()?;
        header.location.file.is_some().then(|| header.data_path(&self.path))
    }

    /// The path below the root, without extension.
    fn below(&self, root: &Path) -> String {
        let folder = self.folder.strip_prefix(root).unwrap_or(&self.folder);
        folder.join(formats::stem(&self.entry.name)).display().to_string()
    }

    /// Whether another file has the same header and values.
    fn is_copy(&self, other: &Self) -> bool {
        let (Ok(a), Ok(b)) = (self.header, other.header) else { return false };
        a == b && same_bytes(&a.data_path(&self.path), &b.data_path(&other.path)).unwrap_or(false)
    }

    fn into_image(self, series_uid: String) -> Image {
        let mut files = vec![file(&self.folder, self.entry)];
        if let Some(data) = self.data_file() {
            // A missing or short file is reported below.
            let stamp = std::fs::metadata(&data).map(|facts| Stamp::of(&facts)).unwrap_or_default();
            files.push(ImageFile {
                folder: data.parent().map_or_else(|| self.folder.clone(), Arc::from),
                name: data.file_name().unwrap_or_default().to_owned(),
                bytes: stamp.bytes,
                modified_ns: u128::from(stamp.modified_ns),
                changed_ns: stamp.changed_ns,
            });
        }
        let header = self.header.as_ref();
        let fits = header
            .map_err(Clone::clone)
            .and_then(|header| formats::check_size(&self.path, header).map(|()| header));
        let grid = fits.map_err(ImageRefusal::from).map(|header| {
            let [slices, rows, columns] = header.shape();
            let geometry = header.geometry;
            let slice_spacing_mm = geometry.spacing_mm[0];
            let own = Grid { geometry, slices, rows, columns, slice_spacing_mm };
            // For a prepared volume, selection rules apply to its scan.
            header.source.as_ref().map_or(own, |source| Grid {
                geometry,
                slices: source.slices,
                rows: source.rows,
                columns: source.columns,
                slice_spacing_mm: source.slice_spacing_mm,
            })
        });
        let source = header.ok().and_then(|header| header.source.as_deref()).cloned();
        let source = source.unwrap_or_else(|| Source { series_uid, ..Source::default() });
        let mut flags = header.map_or_else(|_| Vec::new(), |header| header.flags.clone());
        if !self.copies.is_empty() {
            flags.push(Flag::CopiesCountedOnce);
        }
        let copy = |path: &PathBuf| ExcludedImages {
            slices: grid.as_ref().map_or(0, |grid| grid.slices),
            exclusion: Exclusion::new(
                ExclusionCode::Copies,
                format_args!(
                    "{} holds the same volume as {}; the volume is used once",
                    path.display(),
                    self.path.display()
                ),
            ),
        };
        let excluded = self.copies.iter().map(copy).collect();
        Image {
            kind: Kind::File(header.ok().map(|header| Box::new(header.clone()))),
            series_uid: source.series_uid,
            patient_id: source.patient_id,
            exam_id: source.exam_id,
            study_date: source.study_date,
            kernel: source.kernel,
            manufacturer: source.manufacturer,
            acquisition: source.acquisition,
            path: self.path,
            slices: grid.as_ref().map_or(0, |grid| grid.slices),
            grid,
            files,
            flags,
            excluded,
        }
    }
}

/// Whether two files have the same bytes; reads up to the first difference.
fn same_bytes(a: &Path, b: &Path) -> std::io::Result<bool> {
    if std::fs::metadata(a)?.len() != std::fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(File::open(a)?), BufReader::new(File::open(b)?));
    let mut buffers = [vec![0; 1 << 16], vec![0; 1 << 16]];
    loop {
        let [x, y] = &mut buffers;
        let count = a.read(x)?;
        if count == 0 {
            return Ok(true);
        }
        b.read_exact(&mut y[..count])?;
        if x[..count] != y[..count] {
            return Ok(false);
        }
    }
}
