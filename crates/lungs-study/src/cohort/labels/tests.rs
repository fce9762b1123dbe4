use super::*;
use crate::cohort::testing::image;
use lungs_image::images::{Image, Kind};
use lungs_spec::spec::Outcome;
use std::path::Path;

/// Labels of a table in `folder` for an outcome, with images below `folder/ct`.
pub(super) fn read_of(folder: &Path, text: &str, outcome: &Outcome) -> Result<Labels, LabelsError> {
    let path = folder.join("labels.csv");
    std::fs::write(&path, text).unwrap();
    Labels::read_csv(&path, &folder.join("ct"), outcome)
}

fn read(folder: &Path, text: &str) -> Result<Labels, LabelsError> {
    read_of(folder, text, &Outcome::default())
}

fn labels(text: &str) -> Labels {
    read(tempfile::tempdir().unwrap().path(), text).unwrap()
}

pub(super) fn error_of(text: &str, outcome: &Outcome) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = read_of(folder.path(), text, outcome).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "DIR")
}

fn error(text: &str) -> String {
    error_of(text, &Outcome::default())
}

/// The label of each image: the most specific one.
fn of(labels: &Labels, images: &[Image]) -> Vec<Option<u8>> {
    let matched = labels.match_images(images);
    matched.labels.iter().map(|labels| labels.first().map(|label| u8::from(label.label))).collect()
}

fn contradictions(labels: &Labels, images: &[Image]) -> String {
    let matched = labels.match_images(images);
    match check_contradictions(labels, images, &matched) {
        Ok(()) => String::new(),
        Err(error) => error.to_string().replace("labels.csv", "L"),
    }
}

#[test]
fn a_series_label_overrides_a_path_label_and_a_path_label_an_exam_label() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(root.join("a/b/scan.nii"), "").unwrap();
    let at = |path: &str| root.join(path).display().to_string();
    let labels = labels(&format!(
        "series_uid,path,exam_id,label\n1.1,,,1\n,{},,0\n,{},,1\n,,E,1\n,,F,0\n9.9,,,0\n",
        at("a/b"),
        at("a/b/scan.nii")
    ));
    let mut images = [image("1.1"), image("1.2"), image("1.3"), image("1.4"), image("F")];
    images[0].path = root.join("a/b");
    images[1].path = root.join("a/b/scan.nii");
    images[2].path = root.join("a/b");
    images[3].exam_id = "E".into();
    images[4].exam_id = String::new();
    assert_eq!(of(&labels, &images), [Some(1), Some(1), Some(0), Some(1), Some(0)]);
    let matched = labels.match_images(&images);
    let unused: Vec<&str> = matched.unused.iter().map(|unused| &*unused.name).collect();
    assert_eq!(unused, ["9.9"]);
}

#[test]
fn a_patient_label_applies_to_every_exam_or_to_a_date() {
    let labels = labels(
        "patient_id,study_date,label\nP,,1\nQ,2001-02-03,1\nQ,20020304,0\nQ,2003-01-01,1\nR,,0\n",
    );
    let mut images = [image("1"), image("2"), image("3"), image("4"), image("5"), image("6")];
    for (image, (patient, exam, date)) in images.iter_mut().zip([
        ("P", "E1", "19990101"),
        ("P", "E2", ""),
        ("P", "E2", ""),
        ("Q", "E3", "20010203"),
        ("Q", "E4", "20020304"),
        ("Q", "E5", "20020305"),
    ]) {
        (image.patient_id, image.exam_id) = (patient.into(), exam.into());
        image.study_date = date.into();
    }
    assert_eq!(of(&labels, &images), [Some(1), Some(1), Some(1), Some(1), Some(0), None]);
    let matched = labels.match_images(&images);
    let reasons: Vec<&str> = matched.unused.iter().map(|unused| &*unused.reason).collect();
    let dated = "names an exam of patient Q on 2003-01-01, but the patient has exams on 2001-02-03, \
                 2002-03-04, 2002-03-05";
    assert_eq!(reasons, [dated, "names patient R, who has no series"]);
    let expected = PatientRows { patients: 2, exams: 4, dated_exams: 2 };
    assert_eq!(matched.by_patient, expected);
    assert_eq!(
        expected.to_string(),
        "4 exams of 2 patients labelled by patient_id: 2 by patient and study_date, 2 by patient only (the \
         label applies to every exam of the patient)"
    );
    assert_eq!(contradictions(&labels, &images), "");
}

#[test]
fn the_file_or_folder_name_can_be_the_patient() {
    let folder = tempfile::tempdir().unwrap();
    let labels = read(folder.path(), "patient_id,label\nP1,1\nP2,0\nct,1\n").unwrap();
    let file = |path: &str| {
        let mut image = image(path);
        image.kind = Kind::File(None);
        (image.patient_id, image.exam_id) = (String::new(), String::new());
        image.path = folder.path().join("ct").join(path);
        image
    };
    let images =
        [file("P1.nii.gz"), file("P2/baseline/scan.nii"), file("P3/x.nii"), file("P1/P2.nii")];
    let labels_of = of(&labels, &images[..3]);
    assert_eq!(labels_of, [Some(1), Some(0), None]);
    let two = contradictions(&labels, &images);
    assert!(two.contains("series P1/P2.nii has two patients: P1 ("), "{two}");
}

#[test]
fn separators_byte_order_marks_and_line_ends_of_spreadsheets_are_read() {
    for text in [
        "series_uid;label\r\n1;1;\r\n;;\r\n2;0\r\n",
        "\u{feff}series_uid\tlabel\n1\t1\n2\t0\n",
        "sep=;\r\nseries_uid;label\r\n1;1\r\n2;0\r\n",
        "\"series_uid\",\"label\"\n\"1\",\"1\"\n\"2\",\"0.0\"\n",
    ] {
        assert_eq!(of(&labels(text), &[image("1"), image("2")]), [Some(1), Some(0)], "{text:?}");
    }
    let message = error("sep=;\r\nseries_uid;label\r\n1;maybe\r\n");
    assert_eq!(message, "DIR/labels.csv, line 3: label is \"maybe\", expected 0 or 1");
}

#[test]
fn a_path_is_relative_to_the_table_or_to_the_folder_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for path in ["ct/a", "ct/b", "b"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let labels = read(&root, "path,label\na,1\nb,0\nct/b,1\n./ct/../missing,0\n").unwrap();
    let mut images = [image("1"), image("2"), image("3")];
    for (image, path) in images.iter_mut().zip(["ct/a", "b", "ct/b"]) {
        image.path = root.join(path);
    }
    assert_eq!(of(&labels, &images), [Some(1), Some(0), Some(1)]);
}

#[test]
fn invalid_tables_of_labels_are_errors() {
    assert_eq!(
        error("series,label\n1,1\n"),
        "DIR/labels.csv has no column `series_uid`, `path`, `exam_id` or `patient_id`; its columns are: series, \
         label. Add the column, or rename an existing one"
    );
    assert_eq!(
        error("patient_id,label,label\nP,1,0\n"),
        "DIR/labels.csv has two columns `label`; rename or remove one of them"
    );
    assert_eq!(
        error("patient_id,study_date,label\nP,3/4/2001,1\n"),
        "DIR/labels.csv, line 2: study_date is \"3/4/2001\", expected a date such as 2001-12-31 or \
         20011231, or an empty cell"
    );
    assert_eq!(
        error("patient_id,label\n,1\n"),
        "DIR/labels.csv, line 2: series_uid, path, exam_id and patient_id are empty, expected at least \
         one"
    );
    assert_eq!(
        error("patient_id,label\nP,1,x\n"),
        "DIR/labels.csv, line 2: found 3 cells, expected 2 as in the header; quote cells that contain the \
         separator \",\""
    );
    let no_rows = "DIR/labels.csv has no rows; expected a header and a row for each series, exam or \
                   patient";
    assert_eq!((error(""), error("patient_id,label\n")), (no_rows.to_owned(), no_rows.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    std::fs::write(&path, b"patient_id,label\nM\xfcller,1\n").unwrap();
    let message =
        Labels::read_csv(&path, folder.path(), &Outcome::default()).unwrap_err().to_string();
    assert!(
        message.contains("labels.csv is not UTF-8 at line 2; save it as UTF-8 (in a spreadsheet"),
        "{message}"
    );
}

#[test]
fn contradictions_name_both_lines() {
    let of_series = labels(
        "series_uid,patient_id,exam_id,label\n1,A,X,0\n1,B,X,0\n2,A,X,0\n2,A,Y,0\n3,C,Z,1\n3,C,Z,1\n",
    );
    let message = contradictions(&of_series, &[]);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 4, "{message}");
    assert!(lines[1].starts_with("  series 1 has two patients: A ("), "{message}");
    assert!(lines[1].contains("L line 2) and B ("), "{message}");
    assert!(lines[2].starts_with("  series 2 has two exams: X ("), "{message}");
    // The headers of two series name the same exam.
    let of_exam = labels("series_uid,label\n1,0\n2,1\n");
    let message = contradictions(&of_exam, &[image("1"), image("2")]);
    assert!(message.contains("exam E of P has two labels: 0 ("), "{message}");
    // A label of an exam and a label of its patient.
    let both = labels("exam_id,patient_id,label\nE,,0\n,P,1\n");
    let message = contradictions(&both, &[image("1")]);
    assert!(message.contains("series 1 has two labels: 0 ("), "{message}");
    // Labels of one patient, with the same date and without a date.
    let days = labels("patient_id,study_date,label\nP,2001-01-01,0\nP,20010101,1\nP,,1\n");
    let message = contradictions(&days, &[]);
    assert!(message.contains("patient P on 2001-01-01 has two labels: 0 ("), "{message}");
    // Equal exam IDs of two patients are two exams.
    let visits = labels("series_uid,patient_id,exam_id,label\n1,A,T0,0\n2,B,T0,1\n");
    let mut images = [image("1"), image("2")];
    (images[0].patient_id, images[1].patient_id) = ("A".into(), "B".into());
    assert_eq!(contradictions(&visits, &images), "");
}

#[test]
fn the_first_five_contradictions_are_printed_and_all_are_counted() {
    let rows: String = (0..12).map(|n| format!("{n:02},0\n{n:02},1\n")).collect();
    let message = contradictions(&labels(&format!("series_uid,label\n{rows}")), &[]);
    assert_eq!(message.lines().filter(|line| line.contains("has two labels")).count(), 5);
    assert!(message.contains("\n  and 7 more\n"), "{message}");
}

#[test]
fn a_path_matches_any_folder_with_slices_of_the_series() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for path in ["ct/a", "ct/copy"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let mut image = image("1");
    image.path = root.join("ct/a");
    let file = |path: &str| lungs_image::images::ImageFile {
        folder: root.join(path).into(),
        name: "1.dcm".into(),
        bytes: 1,
        modified_ns: 0,
        changed_ns: 0,
    };
    image.files = vec![file("ct/a"), file("ct/copy"), file("ct/a")];
    let images = [image];
    let of_copy = read(&root, "path,label\nct/copy,1\n").unwrap();
    assert_eq!(of(&of_copy, &images), [Some(1)]);
    assert!(of_copy.match_images(&images).unused.is_empty());
    let both = read(&root, "path,label\nct/copy,1\nct/a,0\n").unwrap();
    assert!(contradictions(&both, &images).contains("series 1 has two labels: 0 ("));
}

#[test]
fn every_series_in_two_class_folders_is_counted() {
    let mut labels = Labels::default();
    for (folder, label) in [("sick", true), ("well", false)] {
        let mut images: Vec<Image> = ["1", "2", "3"].map(image).into();
        images.iter_mut().for_each(|image| image.path = Path::new(folder).join(&image.series_uid));
        labels.add_images(&images, label, None, None);
    }
    let error = contradictions(&labels, &[]);
    assert!(error.contains("series 2 has two labels: 1 (sick/2) and 0 (well/2)"), "{error}");
    assert_eq!(error.matches("has two labels").count(), 3);
}
