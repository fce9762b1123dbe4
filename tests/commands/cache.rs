//! The cache of prepared series under several processes, kills and full disks.

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

fn start(place: &Workspace, out: &str) -> Child {
    Process::new(env!("CARGO_BIN_EXE_lungs"))
        .current_dir(place.path("."))
        .args(arguments("ct", out))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What was prepared: crops, pictures, figures, and the table. Neither the index nor what is known
/// of the files' state, which name paths and times.
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

/// The number before "new" in what `prepare` prints.
fn new_ones(stdout: &str) -> usize {
    let words: Vec<&str> = stdout.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("new")).expect("it says how many");
    words[at - 1].parse().unwrap()
}

#[test]
fn two_processes_share_a_cache_without_doing_work_twice() {
    let place = Workspace::new();
    let alone = place.lungs(&arguments("ct", "alone"));
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let all = new_ones(&alone.stdout);
    assert!(all > 10, "{}", alone.stdout);

    let processes = [start(&place, "shared"), start(&place, "shared")];
    let mut shared = 0;
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        shared += new_ones(&String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(shared, all);
    assert!(prepared(&place.path("shared")) == prepared(&place.path("alone")));
    assert_eq!(fs::read_dir(place.path("shared/claims")).unwrap().count(), 0);
}

#[test]
fn a_preparation_killed_at_any_moment_leaves_nothing_half_done() {
    let place = Workspace::new();
    assert_eq!(place.lungs(&arguments("ct", "whole")).code, 0);
    let whole = prepared(&place.path("whole"));
    for milliseconds in [20, 90, 160, 230, 300, 370, 440, 510] {
        let mut process = start(&place, "killed");
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = process.kill();
        process.wait().unwrap();
        if !place.path("killed").is_dir() {
            continue;
        }
        // Whatever is there under its name is what a whole run has.
        for (name, bytes) in prepared(&place.path("killed")) {
            assert!(whole.get(&name) == Some(&bytes), "{name} after {milliseconds} ms");
        }
    }
    assert_eq!(place.lungs(&arguments("ct", "killed")).code, 0);
    assert!(prepared(&place.path("killed")) == whole);
}

/// A small file system of its own, unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mount = Process::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "lungs-test"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_a_clear_error() {
    let place = Workspace::new();
    let path = place.path("disk");
    let Some(_disk) = SmallDisk::mount(&path) else {
        println!("skipped: no small disk, mounting needs root");
        return;
    };
    let prepare = place.lungs(&arguments("ct", "disk/out"));
    assert_eq!(prepare.code, 1, "{}{}", prepare.stdout, prepare.stderr);
    let mut settings = settings();
    settings.add_filter(r"[0-9a-f]{32}", "KEY");
    settings.add_filter(r"KEY\.(npz|png|json)", "KEY.FILE");
    settings.bind(|| insta::assert_snapshot!("full-disk", prepare.stderr));
    for (name, bytes) in prepared(&path.join("out")) {
        assert!(!bytes.is_empty(), "{name}");
    }
}
