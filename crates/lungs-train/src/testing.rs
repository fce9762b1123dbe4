//! Specs and exams for tests of training.

use super::Exam;
use lungs_spec::spec::{Overrides, Spec, load};
use ndarray::{Array3, arr1, arr2};
use ndarray_npy::NpzWriter;
use std::path::{Path, PathBuf};

/// A spec of a narrow network on small crops, with these keys set.
pub(crate) fn spec(set: &[&str]) -> Spec {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    let text = "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n[model]\nwidth = 0.06\nslices = 16\n\
                keep_prob = 1.0\n[preprocess]\nsize = [16, 32, 32]\n";
    std::fs::write(&path, text).unwrap();
    let set = set.iter().map(|s| s.to_string()).collect();
    load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
}

/// Exams with these labels. Their volumes, in the size of [`spec`], are written to `folder`; `hu`
/// gives the voxels of each.
pub(crate) fn prepared_exams(
    folder: &Path,
    labels: &[u8],
    hu: impl Fn(usize, [usize; 3]) -> i16,
) -> Vec<Exam> {
    let mut exams = exams(labels);
    for (index, exam) in exams.iter_mut().enumerate() {
        exam.crop = folder.join(format!("{index}.npz"));
        let crop = Array3::from_shape_fn((16, 32, 32), |(d, h, w)| hu(index, [d, h, w]));
        let mut npz = NpzWriter::new(std::fs::File::create(&exam.crop).unwrap());
        npz.add_array("data", &crop).unwrap();
        npz.add_array("spacing_mm", &arr1(&[1.0; 3])).unwrap();
        npz.add_array("origin_mm", &arr1(&[0.0; 3])).unwrap();
        npz.add_array("axes", &arr2(&[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])).unwrap();
        npz.add_array("lung_box", &arr2(&[[0_i64, 15], [0, 31], [0, 31]])).unwrap();
        npz.finish().unwrap();
    }
    exams
}

/// Exams with these labels and without volumes.
pub(crate) fn exams(labels: &[u8]) -> Vec<Exam> {
    let exam = |(index, label): (usize, &u8)| Exam {
        patient_id: format!("P{index}"),
        exam_id: format!("E{index}"),
        series_uid: format!("1.2.{index}"),
        label: *label == 1,
        follow_up: None,
        crop: PathBuf::new(),
    };
    labels.iter().enumerate().map(exam).collect()
}
