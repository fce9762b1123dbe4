//! Files that are not read, groups of reasons, and IDs that do not match.

use super::support::{Workspace, a_series, cohort, settings, table};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A readable series, and copies in forms that are not read.
fn write_hidden_scans(workspace: &Workspace, root: &str) {
    for (number, file) in a_series().iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = workspace.path(&format!("{root}/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put(&format!("a/{number:03}.dcm"), &bytes);
        put(&format!(".d/{number:03}.dcm"), &bytes);
        put(&format!("b/{number:03}.DCM.GZ"), &gzip(&bytes));
        if number < 3 {
            put(&format!("e/IM{number:04}"), &gzip(&bytes));
            put(&format!("f/{number}.dcm"), &gzip(&bytes));
        }
        put("c/scan.zip", b"PK\x03\x04");
        put("c/scan.tar.gz", b"\x1f\x8b");
    }
}

#[test]
fn skipped_files_are_counted_by_kind() {
    let workspace = Workspace::new();
    write_hidden_scans(&workspace, "scans");
    let files = a_series().len();
    let small = ["--set", "preprocess.spacing_mm=10", "--set", "preprocess.size=[24,32,40]"];
    let few = ["--set", "data.select.min_slices=40"];
    let done = workspace.lungs(&[&["prepare", "scans", "--out", "out"], &small[..], &few].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let counts =
        format!("{} compressed files, 2 archives, {files} files in hidden folders", files + 3);
    assert!(done.stdout.contains(&counts), "{}", done.stdout);
    assert!(done.stdout.contains("such as scans/b/000.DCM.GZ"), "{}", done.stdout);
    assert!(done.stdout.contains("gunzip -r FOLDER"), "{}", done.stdout);
    let packed = "3 × unreadable, for example: is not DICOM: it is compressed with gzip";
    assert!(
        done.stdout.contains(packed) || done.stdout.contains("3 × unreadable: is not"),
        "{}",
        done.stdout
    );
    let table = table(&workspace.path("out/cohort.csv"));
    let row = table.iter().find(|row| row["code"] == "compressed").unwrap();
    assert_eq!((&*row["kind"], &*row["slices"]), ("passed-over", &*(files + 3).to_string()));
    let page = fs::read_to_string(workspace.path("out/report.html")).unwrap();
    assert!(page.contains("Files not used") && page.contains("scans/c/scan.tar.gz"));

    // The same files next to a cohort.
    fs::remove_file(workspace.path("ct")).unwrap();
    fs::create_dir(workspace.path("ct")).unwrap();
    for entry in fs::read_dir(cohort()).unwrap().map(Result::unwrap) {
        std::os::unix::fs::symlink(entry.path(), workspace.path("ct").join(entry.file_name()))
            .unwrap();
    }
    fs::rename(workspace.path("scans/b"), workspace.path("ct/b")).unwrap();
    fs::rename(workspace.path("scans/c"), workspace.path("ct/c")).unwrap();
    fs::rename(workspace.path("scans/.d"), workspace.path("ct/.d")).unwrap();
    let check = workspace.lungs(&["check", "small.toml"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    for words in [
        &*format!(
            "ignored     {files} compressed files, such as ct/b/000.DCM.GZ: compressed DICOM"
        ),
        "ignored     2 archives, such as ct/c/scan.tar.gz: files in archives are not read",
        &*format!(
            "ignored     {files} files in hidden folders, such as ct/.d: folders whose names begin"
        ),
    ] {
        assert!(check.stdout.contains(words), "{words} is not in: {}", check.stdout);
    }
    let run = workspace.lungs(&["run", "small.toml", "--set", "train.epochs=1"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stdout.contains(&format!("{files} compressed files, 2 archives")),
        "{}",
        run.stdout
    );
    let flow =
        fs::read_to_string(workspace.newest_run("small").join("plots/cohort-flow.svg")).unwrap();
    assert!(
        flow.contains("Files not read:") || flow.contains("compressed"),
        "the flow counts them"
    );
    let page = fs::read_to_string(workspace.newest_run("small").join("preparation.html")).unwrap();
    assert!(page.contains("Files not used") && !page.contains("scan.tar.gz"), "no names");

    // Skipped files are not inputs of a run.
    fs::remove_dir_all(workspace.path("ct/b")).unwrap();
    let again = workspace.lungs(&["run", "small.toml", "--set", "train.epochs=1"]);
    assert!(again.stdout.contains("is finished already"), "{}{}", again.stdout, again.stderr);
}

#[test]
fn a_folder_of_compressed_files_is_an_error_with_a_remedy() {
    let workspace = Workspace::new();
    workspace.write("packed/1.dcm.gz", "");
    workspace.write("packed/2.dcm.gz", "");
    let done = workspace.lungs(&["prepare", "packed", "--out", "out"]);
    assert_eq!(done.code, 2);
    settings().bind(|| insta::assert_snapshot!("packed-alone", done.stderr));
}

/// The series with another modality, and other UIDs of the same length.
fn as_modality(bytes: &[u8], modality: &[u8; 2], uid: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let start = bytes.windows(6).position(|w| w == [0x08, 0, 0x60, 0, b'C', b'S']).unwrap();
    bytes[start + 8..start + 10].copy_from_slice(modality);
    let start = bytes.windows(6).position(|w| w == [0x20, 0, 0x0e, 0, b'U', b'I']).unwrap();
    let end = start + 8 + usize::from(bytes[start + 6]) - 2;
    bytes[end] = uid;
    bytes
}

#[test]
fn similar_reasons_are_grouped() {
    let workspace = Workspace::new();
    let slice = fs::read(&a_series()[0]).unwrap();
    for uid in 0..9 {
        let modality = if uid < 2 { b"MR" } else { b"SR" };
        let bytes = as_modality(&slice, modality, b'0' + uid);
        workspace.write(&format!("mixed/{uid}/keep"), "");
        fs::write(workspace.path(&format!("mixed/{uid}/1.dcm")), bytes).unwrap();
    }
    let done = workspace.lungs(&["prepare", "mixed", "--out", "out"]);
    assert_eq!(done.code, 1);
    let group = |count: usize, modality: &str| {
        format!("{count} × not-ct: Modality (0008,0060) is \"{modality}\", expected \"CT\"")
    };
    assert!(done.stdout.contains(&group(7, "SR")), "{}", done.stdout);
    assert!(done.stdout.contains(&group(2, "MR")), "{}", done.stdout);
    assert_eq!(done.stdout.matches("not-ct").count(), 2, "{}", done.stdout);
    let all = workspace.lungs(&["prepare", "mixed", "--out", "out", "--verbose"]);
    assert_eq!(all.stdout.matches("not-ct").count(), 2 + 9, "{}", all.stdout);
}

#[test]
fn check_warns_of_splits_with_one_label_and_shows_unmatched_ids() {
    let workspace = Workspace::new();
    let labels = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let header = labels.lines().next().unwrap();
    assert!(header.contains("series_uid"), "{header}");
    let column = header.split(',').position(|name| name == "series_uid").unwrap();
    let mut lines: Vec<Vec<String>> =
        labels.lines().skip(1).map(|l| l.split(',').map(str::to_owned).collect()).collect();
    let label = header.split(',').position(|name| name == "label").unwrap();
    lines.iter_mut().for_each(|cells| cells[label] = "0".into());
    let unmatched = format!("{}.dcm", lines[0][column]);
    lines[0][column].clone_from(&unmatched);
    let text: Vec<String> = lines.iter().map(|cells| cells.join(",")).collect();
    workspace.write("labels.csv", &format!("{header}\n{}\n", text.join("\n")));
    let set = ["--set", "data.labels=labels.csv"];
    let done = workspace.lungs(&[&["check", "small.toml"], &set[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout.contains("training exams is positive: the network cannot learn"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("validation exams is positive: its AUC is undefined"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains(&format!("the label \"{unmatched}\" matches no series")),
        "{}",
        done.stdout
    );
    let series = unmatched.trim_end_matches(".dcm");
    assert!(done.stdout.contains(&format!("series_uid \"{series}\"")), "{}", done.stdout);
}
