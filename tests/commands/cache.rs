//! The cache of prepared series with several processes, kills and full disks.

use super::support::{Workspace, settings};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

const SMALL: [&str; 6] = [
    "--set",
    "preprocess.spacing_mm=6",
    "--set",
    "preprocess.size=[40,48,56]",
    "--set",
    "data.select.min_slices=40",
];

fn arguments<'a>(input: &'a str, out: &'a str) -> Vec<&'a str> {
    [&["prepare", input, "--out", out][..], &SMALL[..]].concat()
}

fn start(workspace: &Workspace, out: &str) -> Child {
    Process::new(env!("CARGO_BIN_EXE_lungs"))
        .current_dir(workspace.path("."))
        .args(arguments("ct", out))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Prepared files: crops, pictures, plots and the table, without the index, which has paths and times.
fn prepared(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            path.is_file() && !name.starts_with(".partial-") && name != "index"
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// The number before "new" in the output of `prepare`.
fn new_count(stdout: &str) -> usize {
    let words: Vec<&str> = stdout.split_whitespace().collect();
    let index =
        words.iter().position(|word| word.starts_with("new")).expect("a count of new volumes");
    words[index - 1].parse().unwrap()
}

#[test]
fn two_processes_share_a_cache_without_duplicate_work() {
    let workspace = Workspace::new();
    let alone = workspace.lungs(&arguments("ct", "alone"));
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let all = new_count(&alone.stdout);
    assert!(all > 10, "{}", alone.stdout);

    let processes = [start(&workspace, "shared"), start(&workspace, "shared")];
    let mut shared = 0;
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        shared += new_count(&String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(shared, all);
    assert!(prepared(&workspace.path("shared")) == prepared(&workspace.path("alone")));
    assert_eq!(fs::read_dir(workspace.path("shared/claims")).unwrap().count(), 0);
}

#[test]
fn a_killed_preparation_leaves_no_partial_files() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&arguments("ct", "reference")).code, 0);
    let reference = prepared(&workspace.path("reference"));
    for milliseconds in [20, 90, 160, 230, 300, 370, 440, 510] {
        let mut process = start(&workspace, "killed");
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = process.kill();
        process.wait().unwrap();
        if !workspace.path("killed").is_dir() {
            continue;
        }
        // Every file with a final name equals that of an uninterrupted preparation.
        for (name, bytes) in prepared(&workspace.path("killed")) {
            assert!(reference.get(&name) == Some(&bytes), "{name} after {milliseconds} ms");
        }
    }
    assert_eq!(workspace.lungs(&arguments("ct", "killed")).code, 0);
    assert!(prepared(&workspace.path("killed")) == reference);
}

/// A small file system, unmounted on drop.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let mount = Process::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "lungs-test"])
            .arg(path)
            .status();
        assert!(mount.is_ok_and(|status| status.success()), "mounting needs root");
        Self(path)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_is_an_error() {
    let workspace = Workspace::new();
    let path = workspace.path("disk");
    let _disk = SmallDisk::mount(&path);
    let prepare = workspace.lungs(&arguments("ct", "disk/out"));
    assert_eq!(prepare.code, 1, "{}{}", prepare.stdout, prepare.stderr);
    let mut settings = settings();
    settings.add_filter(r"[0-9a-f]{32}", "KEY");
    settings.add_filter(r"KEY\.(npz|png|json)", "KEY.FILE");
    // Where a line ends depends on the length of the file's name.
    let text = prepare.stderr.replace("\n  │ ", " ");
    settings.bind(|| insta::assert_snapshot!("full-disk", text));
    for (name, bytes) in prepared(&path.join("out")) {
        assert!(!bytes.is_empty(), "{name}");
    }
}
