//! Labels, lists and class folders, and contradictions between them.

use super::support::{CommandOutput, Workspace, cohort};
use super::volume_files::{nifti, write_metaimage};
use lungs_image::dicom::{HuRule, StackRules};
use lungs_image::images::{read_volume, scan};
use lungs_image::volume::Volume;
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

/// A working folder with volume files `files/<letter>.nii`.
fn with_files(letters: &str) -> (Workspace, Vec<Volume>) {
    let workspace = Workspace::new();
    let volumes = volumes(letters.len());
    fs::create_dir(workspace.path("files")).unwrap();
    for (letter, volume) in letters.chars().zip(&volumes) {
        fs::write(workspace.path(&format!("files/{letter}.nii")), nifti(volume)).unwrap();
    }
    (workspace, volumes)
}

const FILES: [&str; 6] =
    ["--set", "train.epochs=1", "--set", "data.root=files", "--set", "data.labels=labels.csv"];

fn with_labels(workspace: &Workspace, command: &str, more: &[&str]) -> CommandOutput {
    workspace.lungs(&[&[command, "small.toml"], &FILES[..], more].concat())
}

#[track_caller]
fn assert_output(done: &CommandOutput, code: i32, expected: &[&str]) {
    let text = done.flat();
    assert_eq!(done.code, code, "{text}");
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

#[test]
fn identical_voxels_of_two_patients_stop_the_run_before_training() {
    let (workspace, volumes) = with_files("abcde");
    // Another format and another name, with the same voxels.
    write_metaimage(&workspace.path("files"), "f", &volumes[0]);
    let write_labels = |label: u8| {
        let rows = "path,patient_id,label\na.nii,A,0\nb.nii,B,1\nc.nii,C,0\nd.nii,D,1\ne.nii,E,1\n";
        workspace.write("labels.csv", &format!("{rows}f.mhd,F,{label}\n"));
    };
    write_labels(0);
    let expected = [
        "1 group of series with identical voxels has several patients or labels",
        "patient A, label 0, series a (files/a.nii) = patient F, label 0, series f (files/f.mhd)",
        "set data.equal_scans = \"keep-first\"",
    ];
    // Nothing is prepared yet: headers do not show it.
    assert_output(&with_labels(&workspace, "check", &[]), 0, &["6 found, 6 chosen"]);
    assert_output(&with_labels(&workspace, "run", &[]), 2, &expected);
    assert_output(&with_labels(&workspace, "check", &[]), 2, &expected);
    let keep = ["--set", "data.equal_scans=\"keep-first\""];
    let excluded = "excluded: 1 series with the same voxels as another series (equal-scan)";
    assert_output(&with_labels(&workspace, "run", &keep), 0, &[excluded]);
    let remark = excluded.trim_start_matches("excluded: ");
    assert_output(&with_labels(&workspace, "check", &keep), 0, &[remark, "equal-scan"]);
    let runs = fs::read_dir(workspace.path("results/small")).unwrap().map(Result::unwrap);
    let table = runs.map(|run| run.path().join("cohort.csv")).find(|table| table.is_file());
    let table = fs::read_to_string(table.unwrap()).unwrap();
    let row = table.lines().find(|line| line.starts_with("F,")).unwrap();
    assert!(
        row.contains(",equal-scan,")
            && row.contains("are identical to those of series a, which is used"),
        "{row}"
    );
    // Different labels are an error.
    write_labels(1);
    let both = ["label 0, series a", "label 1, series f", "must have the same label"];
    assert_output(&with_labels(&workspace, "check", &keep), 2, &both);
}

#[test]
fn a_prepared_volume_is_identical_to_its_scan() {
    let (workspace, _) = with_files("abcd");
    let rows = "path,patient_id,label\na.nii,A,0\nb.nii,B,1\nc.nii,C,0\nd.nii,D,1\n";
    workspace.write("labels.csv", rows);
    assert_output(&with_labels(&workspace, "prepare", &[]), 0, &["4 volumes"]);
    let mut table = csv::Reader::from_path(workspace.path("prepared/preparation.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let row = table.records().map(Result::unwrap).find(|row| &row[column("series_uid")] == "a");
    let file = row.unwrap()[column("cache_file")].to_owned();
    fs::copy(workspace.path("prepared").join(file), workspace.path("files/g.npz")).unwrap();
    workspace.write("labels.csv", &format!("{rows}g.npz,G,0\n"));
    let equal = "series a (files/a.nii) = patient G, label 0, series g (files/g.npz)";
    // The default rules exclude 24 slices of 10 mm.
    let rules =
        ["--set", "data.select.min_slices=20", "--set", "data.select.max_slice_spacing_mm=10"];
    assert_output(&with_labels(&workspace, "run", &rules), 2, &[equal]);
}

#[test]
fn identical_series_of_one_patient_are_used_with_a_warning() {
    let (workspace, volumes) = with_files("abcd");
    write_metaimage(&workspace.path("files"), "f", &volumes[0]);
    workspace.write(
        "labels.csv",
        "path;patient_id;label\na.nii;A;0\nb.nii;B;1\nc.nii;C;0\nd.nii;D;1\nf.mhd;A;0\n",
    );
    let warning = "warning: 1 group of series with identical voxels, patient and label";
    assert_output(&with_labels(&workspace, "run", &[]), 0, &[warning, "5 chosen"]);
}

#[test]
fn lists_of_volume_files_are_read_with_a_byte_order_mark_and_a_warning() {
    let (workspace, _) = with_files("abcd");
    workspace.write("train.list", "\u{feff}files/a.nii 1\r\nfiles/b.nii 0\r\n");
    workspace.write("valid.list", "files/c.nii 1\nfiles/d.nii 0\n");
    let spec = super::support::SPEC;
    let spec = spec.replace("root   = \"ct\"\n", "train_list = \"train.list\"\n");
    let spec = spec.replace("labels = \"ct/labels.csv\"", "valid_list = \"valid.list\"");
    workspace.write("lists.toml", &spec.replace("\"small\"", "\"lists\""));
    let warning = "patient-assumed: 4 volume files have no patient; each is treated as a separate \
                   patient";
    assert_output(
        &workspace.lungs(&["check", "lists.toml"]),
        0,
        &[warning, "2 exams of 2 patients, 1 positive"],
    );
    assert_output(
        &workspace.lungs(&["run", "lists.toml", "--set", "train.epochs=1"]),
        0,
        &[warning],
    );
    let table = fs::read_to_string(workspace.newest_run("lists").join("cohort.csv")).unwrap();
    assert_eq!(table.matches("patient-assumed").count(), 4);
    // One file in both lists.
    workspace.write("valid.list", "files/a.nii 1\nfiles/d.nii 0\n");
    let contradiction =
        "series a has two splits: train (train.list line 1) and valid (valid.list line 1)";
    assert_output(&workspace.lungs(&["check", "lists.toml"]), 2, &[contradiction]);
    // A missing folder.
    workspace.write("valid.list", "files/c.nii 1\n\nfiles/none 0\n");
    let missing = "valid.list, line 3: cannot look for CT images in files/none";
    assert_output(&workspace.lungs(&["check", "lists.toml"]), 2, &[missing]);
    // A list in UTF-16.
    let utf16: Vec<u8> = "files/a.nii 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(workspace.path("valid.list"), utf16).unwrap();
    assert_output(
        &workspace.lungs(&["check", "lists.toml"]),
        2,
        &["valid.list is UTF-16 text; save it as"],
    );
}

#[test]
fn class_folders_of_volume_files_are_read() {
    let (workspace, _) = with_files("abcdefgh");
    for (folder, letters) in [("sick", "abcd"), ("well", "efgh")] {
        fs::create_dir(workspace.path(folder)).unwrap();
        for letter in letters.chars() {
            let name = format!("{letter}.nii");
            fs::rename(workspace.path("files").join(&name), workspace.path(folder).join(&name))
                .unwrap();
        }
    }
    let spec = super::support::SPEC;
    let spec = spec.replace("root   = \"ct\"\n", "positives = \"sick\"\n");
    let spec = spec.replace("labels = \"ct/labels.csv\"", "negatives = \"well\"");
    workspace.write("folders.toml", &spec.replace("\"small\"", "\"folders\""));
    let done = workspace.lungs(&["run", "folders.toml", "--set", "train.epochs=1"]);
    assert_output(&done, 0, &["patient-assumed: 8 volume files", "8 chosen"]);
}

#[test]
fn labels_by_patient_apply_to_every_exam() {
    let workspace = Workspace::new();
    let mut table = csv::Reader::from_path(cohort().join("labels.csv")).unwrap();
    let patient = table.headers().unwrap().iter().position(|name| name == "patient_id").unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let mut patients: Vec<&str> = rows.iter().map(|row| &row[patient]).collect();
    patients.dedup();
    let lines: String =
        patients.iter().enumerate().map(|(n, patient)| format!("{patient};{}\n", n % 2)).collect();
    workspace.write("labels.csv", &format!("patient_id;label\n{lines}"));
    let check = ["check", "small.toml", "--set", "data.labels=labels.csv"];
    let (exams, patients) = (rows.len(), patients.len());
    let by_patient = format!(
        "{exams} exams of {patients} patients labelled by patient_id: 0 by patient and study_date, {exams} by \
         patient only (the label applies to every exam of the patient)"
    );
    assert_output(&workspace.lungs(&check), 0, &[&by_patient, &format!("{exams} chosen")]);
}

#[test]
fn two_labels_of_one_exam_are_an_error_with_both_lines() {
    let workspace = Workspace::new();
    let text = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let row = table.records().next().unwrap().unwrap();
    let (label, exam) = (&row[column("label")], &row[column("exam_id")]);
    let other = if label == "0" { "1" } else { "0" };
    workspace.write(
        "labels.csv",
        &format!("exam_id,patient_id,label\n{exam},,{label}\n{exam},,{other}\n{exam},X,{label}\n"),
    );
    let done = workspace.lungs(&["check", "small.toml", "--set", "data.labels=labels.csv"]);
    let line = format!(
        "exam {exam} has two labels: {label} (labels.csv line 2) and \
                        {other} (labels.csv line 3)"
    );
    assert_output(&done, 2, &["the labels contradict each other", &line]);
}
