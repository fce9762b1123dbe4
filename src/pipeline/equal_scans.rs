//! Series with identical voxels.
//!
//! A series that was exported or anonymised twice is in an archive under two patients. In two splits, it biases
//! the evaluation. The files differ in headers and compression, so the prepared voxels are compared.

use lungs_base::text::counted;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;

use lungs_image::codes::{Exclusion, ExclusionCode};
use lungs_spec::spec::EqualScans;
use lungs_study::cohort::{Cohort, CohortRow, Remark};
use lungs_study::prepare::{Row, Status, load_prepared};

/// Series with identical voxels, and several patients or labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualGroup {
    /// The series, sorted by patient, exam and series.
    pub scans: Vec<EqualScan>,
}

/// A series of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualScan {
    /// The patient.
    pub patient_id: String,
    /// SeriesInstanceUID, or the name of a volume file.
    pub series_uid: String,
    /// Folder or file.
    pub path: String,
    /// Label, 0 or 1.
    pub label: bool,
}

/// Series with identical voxels have several patients or labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct EqualScansError(pub Vec<EqualGroup>);

/// Largest number of printed groups.
const MAX_PRINTED: usize = 5;

impl EqualScansError {
    fn text(&self) -> String {
        let Self(groups) = self;
        let [one, many] = [
            "group of series with identical voxels has",
            "groups of series with identical voxels have",
        ];
        let mut text = counted(groups.len(), one, many);
        text += " several patients or labels:";
        for group in groups.iter().take(MAX_PRINTED) {
            let scans: Vec<String> = group.scans.iter().map(ToString::to_string).collect();
            text += &format!("\n  {}", scans.join(" = "));
        }
        if groups.len() > MAX_PRINTED {
            text += &format!("\n  and {} more", groups.len() - MAX_PRINTED);
        }
        let differ = groups.iter().any(EqualGroup::has_several_labels);
        text += "\nIn different splits, such series bias the evaluation. Keep one series of each group in the \
                 labels or lists";
        text += if differ {
            "; series with identical voxels must have the same label."
        } else {
            ", or set data.equal_scans = \"keep-first\" to use the first series of each group."
        };
        text
    }
}

impl std::fmt::Display for EqualScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { patient_id: patient, series_uid: series, path, label } = self;
        let label = u8::from(*label);
        write!(f, "patient {patient}, label {label}, series {series} ({path})")
    }
}

impl EqualGroup {
    fn has_several_labels(&self) -> bool {
        self.scans.iter().any(|scan| scan.label != self.scans[0].label)
    }

    fn has_several_patients(&self) -> bool {
        self.scans.iter().any(|scan| scan.patient_id != self.scans[0].patient_id)
    }
}

/// Finds chosen series with identical voxels. With [`EqualScans::KeepFirst`], it excludes all but the first series
/// of each group. It adds a remark to the cohort. `prepared` are the rows of prepared series.
///
/// # Errors
/// Identical series have several labels, or several patients without [`EqualScans::KeepFirst`].
pub(super) fn resolve(
    cohort: &mut Cohort,
    prepared: &[Row],
    cache: &Path,
    rule: EqualScans,
) -> Result<(), EqualScansError> {
    let groups = check(&cohort.rows, prepared, cache, rule)?;
    if groups.is_empty() {
        return Ok(());
    }
    if rule == EqualScans::Error {
        cohort.remarks.push(Remark::EqualScansOfOnePatient { groups: groups.len() });
        return Ok(());
    }
    let mut excluded = BTreeMap::new();
    for indices in groups {
        let reason = format!(
            "the voxels are identical to those of series {}, which is used (data.equal_scans)",
            cohort.rows[indices[0]].series_uid
        );
        let exclusion = Exclusion::new(ExclusionCode::EqualScan, reason);
        excluded.extend(indices[1..].iter().map(|index| (*index, exclusion.clone())));
    }
    cohort.remarks.push(Remark::EqualScansExcluded { series: excluded.len() });
    cohort.exclude(excluded);
    Ok(())
}

/// The valid groups of chosen rows with identical voxels, by their indices.
///
/// # Errors
/// As [`resolve`].
pub(super) fn check(
    rows: &[CohortRow],
    prepared: &[Row],
    cache: &Path,
    rule: EqualScans,
) -> Result<Vec<Vec<usize>>, EqualScansError> {
    let groups = equal_groups(rows, prepared, cache);
    let scan = |index: &usize| {
        let row = &rows[*index];
        EqualScan {
            patient_id: row.patient_id.clone(),
            series_uid: row.series_uid.clone(),
            path: row.path.clone(),
            label: row.label.unwrap_or_default(),
        }
    };
    let errors: Vec<EqualGroup> = groups
        .iter()
        .map(|indices| EqualGroup { scans: indices.iter().map(scan).collect() })
        .filter(|group| {
            let mixes_patients = group.has_several_patients() && rule == EqualScans::Error;
            group.has_several_labels() || mixes_patients
        })
        .collect();
    if errors.is_empty() { Ok(groups) } else { Err(EqualScansError(errors)) }
}

/// Indices of chosen rows with identical prepared voxels, at least two in each group.
fn equal_groups(rows: &[CohortRow], prepared: &[Row], cache: &Path) -> Vec<Vec<usize>> {
    let prepared = prepared.iter().filter(|row| row.status == Status::Prepared);
    let prepared: BTreeMap<&str, &Row> =
        prepared.map(|row| (row.series_uid.as_str(), row)).collect();
    let mut candidates = BTreeMap::<String, Vec<(usize, &Row)>>::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.chosen) {
        if let Some(prepared) = prepared.get(row.series_uid.as_str()) {
            candidates.entry(signature(prepared)).or_default().push((index, prepared));
        }
    }
    let candidates: Vec<_> = candidates.into_values().filter(|rows| rows.len() > 1).collect();
    let split_group = |rows: Vec<(usize, &Row)>| {
        let sampled = regroup(rows, cache, sample_of_voxels);
        let equal = sampled.into_iter().flat_map(|rows| regroup(rows, cache, hash_of_voxels));
        equal.map(|rows| rows.into_iter().map(|(index, _)| index).collect()).collect::<Vec<_>>()
    };
    let mut groups: Vec<Vec<usize>> =
        candidates.into_par_iter().flat_map_iter(split_group).collect();
    groups.sort_unstable();
    groups
}

/// Groups of rows whose volumes have the same `key`, at least two in each group. Unreadable volumes are omitted:
/// they are an error where they are used.
fn regroup<'r>(
    rows: Vec<(usize, &'r Row)>,
    cache: &Path,
    key: fn(&Path) -> Option<String>,
) -> Vec<Vec<(usize, &'r Row)>> {
    let mut groups = BTreeMap::<String, Vec<(usize, &Row)>>::new();
    for (index, row) in rows {
        if let Some(key) = key(&cache.join(&row.cache_file)) {
            groups.entry(key).or_default().push((index, row));
        }
    }
    groups.into_values().filter(|rows| rows.len() > 1).collect()
}

/// Size and lung box of a crop from the table of preparation. Identical volumes have equal signatures, whether
/// they were prepared from a scan or from a prepared volume.
fn signature(row: &Row) -> String {
    let ends = [[row.box_z0, row.box_z1], [row.box_y0, row.box_y1], [row.box_x0, row.box_x1]];
    let centre = [row.centre_z, row.centre_y, row.centre_x];
    let from_centre: [_; 3] =
        std::array::from_fn(|axis| ends[axis].map(|end| Some(end? as i64 - centre[axis]? as i64)));
    format!("{:?} {from_centre:?}", [row.crop_d, row.crop_h, row.crop_w])
}

/// Number of bytes that are compared first, from the middle of a prepared volume.
const SAMPLE_BYTES: u64 = 1 << 14;

/// BLAKE3 of the middle of the file of a prepared volume. Its voxels are not compressed, so identical volumes have
/// equal samples. Empty for small volumes, where the sample could contain the origin and the lung box, which can
/// differ.
fn sample_of_voxels(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let middle = file.metadata().ok()?.len() / 2;
    if middle < 2 * SAMPLE_BYTES {
        return Some(String::new());
    }
    file.seek(SeekFrom::Start(middle)).ok()?;
    let mut sample = Vec::new();
    file.take(SAMPLE_BYTES).read_to_end(&mut sample).ok()?;
    Some(blake3::hash(&sample).to_hex().to_string())
}

/// BLAKE3 of the voxels of a prepared volume.
fn hash_of_voxels(path: &Path) -> Option<String> {
    let prepared = load_prepared(path).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", prepared.volume.hu.dim()).as_bytes());
    let values: Vec<u8> = prepared.volume.hu.iter().flat_map(|hu| hu.to_le_bytes()).collect();
    hasher.update(&values);
    Some(hasher.finalize().to_hex().to_string())
}
