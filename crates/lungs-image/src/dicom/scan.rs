//! Scans a folder for series: walks it, reads headers in parallel, groups slices by series.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::header::{self, Kind};
use super::{DicomError, Origin, Problem, Scan, Series};

/// Finds every series under `root` (a folder of any nesting, or one file), reading headers only.
///
/// Names and extensions do not matter; hidden files and folders (`.DS_Store`, `._1.dcm`, caches)
/// are skipped. Links are followed, loops are detected. The result depends neither on the order in
/// which the file system lists files nor on the number of threads.
///
/// # Errors
/// `root` itself cannot be opened. A file or folder below it that cannot be read becomes a
/// [`Problem`].
pub fn scan(root: &Path) -> Result<Scan, DicomError> {
    std::fs::metadata(root).map_err(|source| DicomError::Root { path: root.to_owned(), source })?;
    let mut scan = Scan::default();
    let paths = walk(root, &mut scan.problems);
    let kinds: Vec<Kind> = paths.par_iter().map(|path| header::read(path)).collect();

    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    for (path, kind) in paths.into_iter().zip(kinds) {
        match kind {
            Kind::Slices(slices) => {
                // A file has at least one slice, and all of them are of one series.
                let Some(uid) = slices.first().map(|slice| slice.origin.series_uid.clone()) else {
                    continue;
                };
                let new = || Series { series_uid: uid.clone(), slices: Vec::new() };
                series.entry(uid.clone()).or_insert_with(new).slices.extend(slices);
            }
            Kind::Problem(reason) => scan.problems.push(Problem { path, reason }),
            Kind::Other => scan.skipped += 1,
        }
    }
    scan.series = series.into_values().collect();
    scan.series.sort_by_cached_key(order);
    scan.problems.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

fn order(series: &Series) -> [String; 4] {
    let Origin { patient_id, study_date, exam_id: study_uid, series_uid, .. } = series.origin();
    [patient_id, study_date, study_uid, series_uid]
}

/// Every file below `root`, sorted by path.
fn walk(root: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    let mut paths = Vec::new();
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => paths.push(entry.into_path()),
            Ok(_) => {}
            // A link back to a folder above, whose files are listed anyway.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => problems.push(Problem {
                path: error.path().unwrap_or(root).to_owned(),
                reason: format!("cannot be read: {error}"),
            }),
        }
    }
    paths.sort_unstable();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_testing::dicom::{TestSlice, write_series};

    fn two_series(folder: &Path) {
        let slices = |uid: &str| -> Vec<TestSlice> {
            (0..3)
                .map(|number| {
                    let mut slice = TestSlice::axial(number);
                    slice.series_uid = uid.to_owned();
                    slice
                })
                .collect()
        };
        let mixed = [slices("1.2.9"), slices("1.2.10")].concat();
        write_series(&folder.join("deep/er"), &mixed);
    }

    #[test]
    fn series_are_distinguished_by_uid_and_not_by_folder() {
        let folder = tempfile::tempdir().unwrap();
        two_series(folder.path());
        let scan = scan(folder.path()).unwrap();
        let actual: Vec<_> =
            scan.series.iter().map(|s| (s.series_uid.as_str(), s.slices.len())).collect();
        assert_eq!(actual, [("1.2.10", 3), ("1.2.9", 3)]);
        let first = &scan.series[0];
        let origin = first.origin();
        assert_eq!((origin.patient_id.as_str(), origin.modality.as_str()), ("P1", "CT"));
        assert_eq!(first.slices[0].rows, Ok(4));
        assert_eq!(first.slices[0].pixel_spacing_mm, Ok([0.7, 0.8]));
    }

    #[test]
    fn other_files_are_counted_and_damaged_dicom_files_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        two_series(folder.path());
        std::fs::write(at("labels.csv"), "patient_id,label\nP1,1\n").unwrap();
        std::fs::write(at("crop.npz"), b"PK\x03\x04rest").unwrap();
        std::fs::write(at("notes.dcm"), "these are notes").unwrap();
        std::fs::write(at("empty.dcm"), "").unwrap();
        std::fs::write(at("._image.dcm"), "of another system").unwrap();
        let mut no_series = TestSlice::axial(0);
        no_series.series_uid.clear();
        no_series.write(&at("nameless"));
        let whole = std::fs::read(at("nameless")).unwrap();
        std::fs::write(at("cut"), &whole[..200]).unwrap();
        let scan = scan(folder.path()).unwrap();
        assert_eq!((scan.series.len(), scan.skipped), (2, 2));
        let problems: Vec<_> = scan
            .problems
            .iter()
            .map(|problem| {
                let name = problem.path.file_name().unwrap().to_str().unwrap();
                (name, problem.reason.as_str())
            })
            .collect();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(problems[0].0, "cut");
        assert!(problems[0].1.starts_with("is cut short in the file meta group"), "{problems:?}");
        assert_eq!(problems[1], ("empty.dcm", "is empty, expected a DICOM file"));
        assert_eq!(problems[2].0, "nameless");
        assert!(problems[2].1.starts_with("SeriesInstanceUID (0020,000E) is absent"));
        assert_eq!(problems[3].0, "notes.dcm");
        assert!(
            problems[3].1.starts_with("is not DICOM: starts with \"these.are.no\""),
            "{problems:?}"
        );
    }

    #[test]
    fn a_bare_data_set_and_a_file_without_preamble_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole");
        for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"] {
            let mut slice = TestSlice::axial(0);
            slice.transfer_syntax = syntax;
            slice.write(&path);
            let whole = std::fs::read(&path).unwrap();
            let expected = scan(&path).unwrap().series.remove(0);
            // The group length element has 12 bytes and contains the length of the rest of the group.
            let length = u32::from_le_bytes(whole[140..144].try_into().unwrap()) as usize;
            for start in [128, 132, 144 + length] {
                std::fs::write(&path, &whole[start..]).unwrap();
                let mut actual = scan(&path).unwrap();
                assert_eq!(actual.problems, []);
                let mut series = actual.series.remove(0);
                series.slices[0].bytes = expected.slices[0].bytes;
                series.slices[0].modified_ns = expected.slices[0].modified_ns;
                let offset = |series: &Series| series.slices[0].pixels.clone().unwrap().offset;
                assert_eq!(offset(&series) + start as u64, offset(&expected));
                series.slices[0].pixels = expected.slices[0].pixels.clone();
                assert_eq!(series, expected, "{syntax} from byte {start}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_is_harmless() {
        let folder = tempfile::tempdir().unwrap();
        two_series(folder.path());
        let before = scan(folder.path()).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("deep/up")).unwrap();
        assert_eq!(scan(folder.path()).unwrap(), before);
    }

    #[test]
    fn a_missing_root_is_named() {
        let error = scan(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().starts_with("cannot look for DICOM files in /no/such/folder"));
    }
}
