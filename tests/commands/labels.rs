//! Labels, lists and class folders as people have them, and what contradicts itself.

use super::support::{CommandOutput, Workspace, cohort};
use super::volume_files::{nifti, write_metaimage};
use lungs::dicom::{HuRule, StackRules};
use lungs::images::{read_volume, scan};
use lungs::volume::Volume;
use std::fs;

/// The axial volume of each patient's first exam.
fn volumes(count: usize) -> Vec<Volume> {
    let patient = |number: usize| format!("P{number:04}/P{number:04}-1/2-axial");
    (1..=count)
        .map(|number| {
            let found = scan(&cohort().join(patient(number))).unwrap();
            let rules = StackRules::default();
            read_volume(&found.images[0], HuRule::Standard, rules).unwrap().0
        })
        .collect()
}

/// A workplace with volume files `files/<letter>.nii`.
fn with_files(letters: &str) -> (Workspace, Vec<Volume>) {
    let place = Workspace::new();
    let volumes = volumes(letters.len());
    fs::create_dir(place.path("files")).unwrap();
    for (letter, volume) in letters.chars().zip(&volumes) {
        fs::write(place.path(&format!("files/{letter}.nii")), nifti(volume)).unwrap();
    }
    (place, volumes)
}

const FILES: [&str; 6] =
    ["--set", "train.epochs=1", "--set", "data.root=files", "--set", "data.labels=labels.csv"];

fn with_labels(place: &Workspace, command: &str, more: &[&str]) -> CommandOutput {
    place.lungs(&[&[command, "small.toml"], &FILES[..], more].concat())
}

/// What is printed, in one line, without the frame of errors.
fn words(done: &CommandOutput) -> String {
    let text = format!("{}{}", done.stdout, done.stderr).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(done: &CommandOutput, code: i32, expected: &[&str]) {
    let text = words(done);
    assert_eq!(done.code, code, "{text}");
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

#[test]
fn equal_voxels_under_two_patients_end_the_run_before_training() {
    let (place, volumes) = with_files("abcde");
    // Another container and another name, with the same voxels.
    write_metaimage(&place.path("files"), "f", &volumes[0]);
    let labels = |of_f: u8| {
        let rows = "path,patient_id,label\na.nii,A,0\nb.nii,B,1\nc.nii,C,0\nd.nii,D,1\ne.nii,E,1\n";
        place.write("labels.csv", &format!("{rows}f.mhd,F,{of_f}\n"));
    };
    labels(0);
    let expected = [
        "one scan is in the study under several patients or with several labels",
        "patient A, label 0, series a (files/a.nii) = patient F, label 0, series f (files/f.mhd)",
        "set data.equal_scans = \"keep-first\"",
    ];
    // Nothing is prepared yet: headers do not say it.
    says(&with_labels(&place, "check", &[]), 0, &["6 found, 6 chosen"]);
    says(&with_labels(&place, "run", &[]), 2, &expected);
    says(&with_labels(&place, "check", &[]), 2, &expected);
    let keep = ["--set", "data.equal_scans=\"keep-first\""];
    let excluded = "1 scan is excluded, with the voxels of another one (equal-scan)";
    says(&with_labels(&place, "run", &keep), 0, &[excluded]);
    says(&with_labels(&place, "check", &keep), 0, &[excluded, "equal-scan"]);
    let runs = fs::read_dir(place.path("results/small")).unwrap().map(Result::unwrap);
    let table = runs.map(|run| run.path().join("cohort.csv")).find(|table| table.is_file());
    let table = fs::read_to_string(table.unwrap()).unwrap();
    let row = table.lines().find(|line| line.starts_with("F,")).unwrap();
    assert!(
        row.contains("equal-scan: the voxels are those of series a, which comes first"),
        "{row}"
    );
    // Both labels cannot be right.
    labels(1);
    let both = ["label 0, series a", "label 1, series f", "cannot all be right"];
    says(&with_labels(&place, "check", &keep), 2, &both);
}

#[test]
fn a_volume_prepared_from_a_scan_equals_the_scan() {
    let (place, _) = with_files("abcd");
    let rows = "path,patient_id,label\na.nii,A,0\nb.nii,B,1\nc.nii,C,0\nd.nii,D,1\n";
    place.write("labels.csv", rows);
    says(&with_labels(&place, "prepare", &[]), 0, &["4 volumes"]);
    let mut table = csv::Reader::from_path(place.path("prepared/preparation.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|own| own == name).unwrap();
    let row = table.records().map(Result::unwrap).find(|row| &row[column("series_uid")] == "a");
    let file = row.unwrap()[column("cache_file")].to_owned();
    fs::copy(place.path("prepared").join(file), place.path("files/g.npz")).unwrap();
    place.write("labels.csv", &format!("{rows}g.npz,G,0\n"));
    let equal = "series a (files/a.nii) = patient G, label 0, series g (files/g.npz)";
    // The rules of scans stand in the way of 24 slices of 10 mm.
    let rules =
        ["--set", "data.select.min_slices=20", "--set", "data.select.max_slice_spacing_mm=10"];
    says(&with_labels(&place, "run", &rules), 2, &[equal]);
}

#[test]
fn one_scan_twice_under_one_patient_is_used_with_a_warning() {
    let (place, volumes) = with_files("abcd");
    write_metaimage(&place.path("files"), "f", &volumes[0]);
    place.write(
        "labels.csv",
        "path;patient_id;label\na.nii;A;0\nb.nii;B;1\nc.nii;C;0\nd.nii;D;1\nf.mhd;A;0\n",
    );
    let warning = "warning: 1 scan is in the study twice or more under one patient and label";
    says(&with_labels(&place, "run", &[]), 0, &[warning, "5 chosen"]);
}

#[test]
fn lists_of_volume_files_train_with_a_byte_order_mark_and_a_warning() {
    let (place, _) = with_files("abcd");
    place.write("train.list", "\u{feff}files/a.nii 1\r\nfiles/b.nii 0\r\n");
    place.write("valid.list", "files/c.nii 1\nfiles/d.nii 0\n");
    let spec = super::support::SPEC;
    let spec = spec.replace("root   = \"ct\"\n", "train_list = \"train.list\"\n");
    let spec = spec.replace("labels = \"ct/labels.csv\"", "valid_list = \"valid.list\"");
    place.write("lists.toml", &spec.replace("\"small\"", "\"lists\""));
    let warning = "patient-assumed: 4 volume files name no patient; each is taken for a patient of its \
                   own";
    says(
        &place.lungs(&["check", "lists.toml"]),
        0,
        &[warning, "2 exams of 2 patients, 1 positive"],
    );
    says(&place.lungs(&["run", "lists.toml", "--set", "train.epochs=1"]), 0, &[warning]);
    let table = fs::read_to_string(place.newest_run("lists").join("cohort.csv")).unwrap();
    assert_eq!(table.matches("patient-assumed").count(), 4);
    // One file in both lists.
    place.write("valid.list", "files/a.nii 1\nfiles/d.nii 0\n");
    let twice = "series a has two parts: train (train.list line 1) and valid (valid.list line 1)";
    says(&place.lungs(&["check", "lists.toml"]), 2, &[twice]);
    // A folder that is not there.
    place.write("valid.list", "files/c.nii 1\n\nfiles/none 0\n");
    let missing = "valid.list, line 3: cannot look for CT images in files/none";
    says(&place.lungs(&["check", "lists.toml"]), 2, &[missing]);
    // The text of another program.
    let utf16: Vec<u8> = "files/a.nii 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(place.path("valid.list"), utf16).unwrap();
    says(&place.lungs(&["check", "lists.toml"]), 2, &["valid.list is UTF-16 text; save it as"]);
}

#[test]
fn class_folders_of_volume_files_train() {
    let (place, _) = with_files("abcdefgh");
    for (folder, letters) in [("sick", "abcd"), ("well", "efgh")] {
        fs::create_dir(place.path(folder)).unwrap();
        for letter in letters.chars() {
            let name = format!("{letter}.nii");
            fs::rename(place.path("files").join(&name), place.path(folder).join(&name)).unwrap();
        }
    }
    let spec = super::support::SPEC;
    let spec = spec.replace("root   = \"ct\"\n", "positives = \"sick\"\n");
    let spec = spec.replace("labels = \"ct/labels.csv\"", "negatives = \"well\"");
    place.write("folders.toml", &spec.replace("\"small\"", "\"folders\""));
    let done = place.lungs(&["run", "folders.toml", "--set", "train.epochs=1"]);
    says(&done, 0, &["patient-assumed: 8 volume files", "8 chosen"]);
}

#[test]
fn labels_by_patient_label_every_exam_or_the_dated_one() {
    let place = Workspace::new();
    let mut table = csv::Reader::from_path(cohort().join("labels.csv")).unwrap();
    let patient = table.headers().unwrap().iter().position(|name| name == "patient_id").unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let mut patients: Vec<&str> = rows.iter().map(|row| &row[patient]).collect();
    patients.dedup();
    let lines: String =
        patients.iter().enumerate().map(|(n, patient)| format!("{patient};{}\n", n % 2)).collect();
    place.write("labels.csv", &format!("patient_id;label\n{lines}"));
    let check = ["check", "small.toml", "--set", "data.labels=labels.csv"];
    let (exams, patients) = (rows.len(), patients.len());
    let by_patient = format!(
        "{exams} exams of {patients} patients labelled by patient_id: 0 by patient and study_date, {exams} by \
         patient alone (the label of a patient counts for every exam)"
    );
    says(&place.lungs(&check), 0, &[&by_patient, &format!("{exams} chosen")]);
}

#[test]
fn two_labels_of_one_exam_are_an_error_with_both_lines() {
    let place = Workspace::new();
    let text = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|own| own == name).unwrap();
    let row = table.records().next().unwrap().unwrap();
    let (label, exam) = (&row[column("label")], &row[column("exam_id")]);
    let other = if label == "0" { "1" } else { "0" };
    place.write(
        "labels.csv",
        &format!("exam_id,patient_id,label\n{exam},,{label}\n{exam},,{other}\n{exam},X,{label}\n"),
    );
    let done = place.lungs(&["check", "small.toml", "--set", "data.labels=labels.csv"]);
    let line = format!(
        "exam {exam} has two labels: {label} (labels.csv line 2) and \
                        {other} (labels.csv line 3)"
    );
    says(&done, 2, &["the labels contradict each other", &line]);
}
