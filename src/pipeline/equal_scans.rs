//! Scans that are the same under several names.
//!
//! A scan that was exported twice, or anonymised twice, is in an archive under two patients. Drawn into
//! two parts, it leaks what the network learned of it. File contents differ then (headers, compression),
//! so the prepared voxels are compared.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;

use crate::cohort::{Cohort, CohortRow, Remark};
use crate::prepare::{Row, Status, load_prepared};
use crate::spec::EqualScans;

/// Scans with the same voxels, of several patients, or with different labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualGroup {
    /// The scans, by patient, exam and series.
    pub scans: Vec<EqualScan>,
}

/// One of several equal scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualScan {
    /// The patient.
    pub patient: String,
    /// SeriesInstanceUID, or the name of a volume file.
    pub series: String,
    /// Its folder or file.
    pub path: String,
    /// 0 or 1.
    pub label: u8,
}

/// The same voxels under several patients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct EqualScansError(pub Vec<EqualGroup>);

/// Groups that are printed.
const MOST_PRINTED: usize = 5;

impl EqualScansError {
    fn text(&self) -> String {
        let Self(groups) = self;
        let mut text = match groups.len() {
            1 => "one scan is in the study".to_owned(),
            count => format!("{count} scans are in the study"),
        };
        text += " under several patients or with several labels, with the same voxels:";
        for group in groups.iter().take(MOST_PRINTED) {
            let scans: Vec<String> = group.scans.iter().map(ToString::to_string).collect();
            text += &format!("\n  {}", scans.join(" = "));
        }
        if groups.len() > MOST_PRINTED {
            text += &format!("\n  and {} more", groups.len() - MOST_PRINTED);
        }
        let differ = groups.iter().any(EqualGroup::has_several_labels);
        text += "\nIn different parts of the study, such a scan leaks its label. Remove all but one of \
                 each from the labels or lists";
        text += if differ {
            "; equal scans with different labels cannot all be right."
        } else {
            ", or set data.equal_scans = \"keep-first\" to use the first of each."
        };
        text
    }
}

impl std::fmt::Display for EqualScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { patient, series, path, label } = self;
        write!(f, "patient {patient}, label {label}, series {series} ({path})")
    }
}

impl EqualGroup {
    fn has_several_labels(&self) -> bool {
        self.scans.iter().any(|scan| scan.label != self.scans[0].label)
    }

    fn has_several_patients(&self) -> bool {
        self.scans.iter().any(|scan| scan.patient != self.scans[0].patient)
    }
}

/// Finds equal scans among the chosen ones and, where the spec says so, keeps the first of each and takes
/// the others out of the study; what was done is in the cohort's remarks. `prepared` are rows of any of
/// the chosen series.
///
/// # Errors
/// Equal scans of several patients, unless the first is to be kept; equal scans with different labels.
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
        cohort.remarks.push(Remark::EqualScansOfOnePatient { scans: groups.len() });
        return Ok(());
    }
    let mut excluded = BTreeMap::new();
    for indices in groups {
        let reason = format!(
            "equal-scan: the voxels are those of series {}, which comes first (data.equal_scans)",
            cohort.rows[indices[0]].series
        );
        excluded.extend(indices[1..].iter().map(|index| (*index, reason.clone())));
    }
    cohort.remarks.push(Remark::EqualScansExcluded { scans: excluded.len() });
    cohort.refuse(excluded);
    Ok(())
}

/// The groups of chosen rows with equal voxels that the spec allows, by their indices.
///
/// # Errors
/// As of [`resolve`].
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
            patient: row.patient.clone(),
            series: row.series.clone(),
            path: row.path.clone(),
            label: row.label.unwrap_or_default(),
        }
    };
    let errors: Vec<EqualGroup> = groups
        .iter()
        .map(|indices| EqualGroup { scans: indices.iter().map(scan).collect() })
        .filter(|group| {
            let leaks = group.has_several_patients() && rule == EqualScans::Error;
            group.has_several_labels() || leaks
        })
        .collect();
    if errors.is_empty() { Ok(groups) } else { Err(EqualScansError(errors)) }
}

/// Indices of the chosen rows whose prepared voxels are the same, two or more in each group.
fn equal_groups(rows: &[CohortRow], prepared: &[Row], cache: &Path) -> Vec<Vec<usize>> {
    let prepared = prepared.iter().filter(|row| row.status == Status::Prepared);
    let prepared: BTreeMap<&str, &Row> =
        prepared.map(|row| (row.series_uid.as_str(), row)).collect();
    let mut alike = BTreeMap::<String, Vec<(usize, &Row)>>::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.chosen) {
        if let Some(prepared) = prepared.get(row.series.as_str()) {
            alike.entry(signature(prepared)).or_default().push((index, prepared));
        }
    }
    let alike: Vec<_> = alike.into_values().filter(|rows| rows.len() > 1).collect();
    let equal_of = |rows: Vec<(usize, &Row)>| {
        let sampled = regroup(rows, cache, sample_of_voxels);
        let equal = sampled.into_iter().flat_map(|rows| regroup(rows, cache, hash_of_voxels));
        equal.map(|rows| rows.into_iter().map(|(index, _)| index).collect()).collect::<Vec<_>>()
    };
    let mut groups: Vec<Vec<usize>> = alike.into_par_iter().flat_map_iter(equal_of).collect();
    groups.sort_unstable();
    groups
}

/// The rows whose volumes have the same `key`, two or more in each group. A volume that cannot be read ends
/// the work where it is used.
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

/// What the table of preparation says of a crop, whether its scan or a prepared volume of it was prepared:
/// equal volumes have equal ones.
fn signature(row: &Row) -> String {
    let ends = [[row.box_z0, row.box_z1], [row.box_y0, row.box_y1], [row.box_x0, row.box_x1]];
    let centre = [row.centre_z, row.centre_y, row.centre_x];
    let from_centre: [_; 3] =
        std::array::from_fn(|axis| ends[axis].map(|end| Some(end? as i64 - centre[axis]? as i64)));
    format!("{:?} {from_centre:?}", [row.crop_d, row.crop_h, row.crop_w])
}

/// Bytes that are read from the middle of a prepared volume to tell most of them apart.
const SAMPLE_BYTES: u64 = 1 << 14;

/// BLAKE3 of the middle of a prepared volume's file, whose voxels are not compressed: equal volumes have
/// equal ones. Empty for small volumes, where origin and lung box, which may differ, are near.
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

/// BLAKE3 of a prepared volume's voxels.
fn hash_of_voxels(path: &Path) -> Option<String> {
    let prepared = load_prepared(path).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", prepared.volume.hu.dim()).as_bytes());
    let values: Vec<u8> = prepared.volume.hu.iter().flat_map(|hu| hu.to_le_bytes()).collect();
    hasher.update(&values);
    Some(hasher.finalize().to_hex().to_string())
}
