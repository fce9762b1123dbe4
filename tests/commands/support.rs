//! A small synthetic cohort, a small experiment, and calls of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A temporary working directory, with a link `ct` to the shared cohort.
pub(crate) struct Workspace {
    folder: TempDir,
}

/// Exit code and output of a command.
pub(crate) struct CommandOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Output and errors in one line, without the frame of errors.
    pub(crate) fn flat(&self) -> String {
        let text = format!("{}{}", self.stdout, self.stderr).replace('│', " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The smallest experiment with all stages.
pub(crate) const SPEC: &str = r#"
[experiment]
name = "small"

[data]
root   = "ct"
labels = "ct/labels.csv"
cache  = "prepared"

[data.select]
min_slices = 40

[preprocess]
spacing_mm = 10
size = [24, 32, 40]

[model]
slices = 24
width = 0.1
batch_norm_decay = 0.8

[train]
learning_rate = 1e-3
batch_size = 3
epochs = 2

[train.augment]
flip_width = true
shift_voxels = 1
"#;

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink(cohort(), folder.path().join("ct")).expect("a link");
        let workspace = Self { folder };
        workspace.write("small.toml", SPEC);
        workspace
    }

    /// A workspace with prepared volumes for [`SPEC`] in its cache: half of the work of a small run.
    pub(crate) fn prepared() -> Self {
        static PREPARED: OnceLock<Workspace> = OnceLock::new();
        let prepared = PREPARED.get_or_init(|| {
            let workspace = Self::new();
            let run = workspace.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]);
            assert_eq!(run.code, 0, "{}", run.stderr);
            workspace
        });
        let workspace = Self::new();
        copy_folder(&prepared.path("prepared"), &workspace.path("prepared"));
        workspace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Runs `lungs` in this directory.
    pub(crate) fn lungs(&self, arguments: &[&str]) -> CommandOutput {
        let output = self.command(arguments).output().expect("the program runs");
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: self.mask_paths(&String::from_utf8_lossy(&output.stdout)),
            stderr: self.mask_paths(&String::from_utf8_lossy(&output.stderr)),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lungs"));
        command.current_dir(self.folder.path()).args(arguments);
        // The archives of tests listen on loopback addresses.
        command.env("NO_PROXY", "127.0.0.1");
        command.env_remove("COLUMNS");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LUNGS_")) {
            command.env_remove(name);
        }
        command
    }

    /// The newest run of an experiment.
    pub(crate) fn newest_run(&self, experiment: &str) -> PathBuf {
        let mut runs: Vec<PathBuf> = fs::read_dir(self.path("results").join(experiment))
            .expect("the experiment has runs")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        runs.sort();
        runs.pop().expect("at least one run")
    }

    fn mask_paths(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        text.replace(&folder, "HERE").replace(&cohort().display().to_string(), "COHORT")
    }
}

/// Tables, weights and plots of a run that do not depend on the clock, as name and bytes.
pub(crate) fn stable_files(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![
        "cohort.csv".to_owned(),
        "preparation.csv".into(),
        "metrics.csv".into(),
        "steps.csv".into(),
        "evaluation.json".into(),
        "lists/train.list".into(),
        "predictions/valid-epoch-001.csv".into(),
        "predictions/valid-epoch-002.csv".into(),
        "plots/roc.svg".into(),
        "plots/loss.png".into(),
    ];
    for entry in fs::read_dir(run.join("checkpoints")).expect("checkpoints") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        names.push(format!("checkpoints/{name}/weights.safetensors"));
    }
    names.sort();
    let read = |name: String| {
        let bytes = fs::read(run.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// Asserts that the [`stable_files`] of two runs are identical. Names the first file that differs.
pub(crate) fn assert_same_bytes(a: &Path, b: &Path) {
    let (a, b) = (stable_files(a), stable_files(b));
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&a), names(&b));
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        assert!(a == b, "{name} differs");
    }
}

/// All files of a run as name and bytes, except files that depend on the clock or the machine, and partial
/// files of killed processes.
pub(crate) fn run_files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let excluded =
        ["spec.toml", "provenance.json", "timings.csv", "run.log", "run.lock", "report.html"];
    walkdir::WalkDir::new(run)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let name = entry.path().strip_prefix(run).expect("it is inside");
            let name = name.to_str().expect("plain names").to_owned();
            let bytes = fs::read(entry.path()).expect("a readable file");
            let file_name = entry.file_name().to_str().expect("plain names");
            let is_partial = entry.file_name().as_encoded_bytes().starts_with(b".partial-");
            let is_excluded = excluded.contains(&file_name) || name.starts_with("tensorboard/");
            (!is_partial && !is_excluded).then_some((name, bytes))
        })
        .collect()
}

/// Asserts that two runs have the same [`run_files`] with identical bytes, including checkpoints.
pub(crate) fn assert_same_runs(a: &Path, b: &Path, context: &str) {
    let (a, b) = (run_files(a), run_files(b));
    let names = |run: &BTreeMap<String, Vec<u8>>| run.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b), "{context}");
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs: {context}");
    }
}

/// The rows of a table as maps from column to cell.
pub(crate) fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

/// The files of the cohort's longest series of patient 1, exam 1.
pub(crate) fn a_series() -> Vec<PathBuf> {
    let exam = cohort().join("P0001/P0001-1/2-axial");
    let mut files: Vec<PathBuf> =
        fs::read_dir(exam).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Waits until a condition holds, for at most ten minutes.
#[track_caller]
pub(crate) fn wait_until(event: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !condition() {
        assert!(Instant::now() < deadline, "timeout: {event}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Copies a folder with all its files.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The cohort of all tests, written once by `lungs phantom`.
pub(crate) fn cohort() -> &'static Path {
    static COHORT: OnceLock<TempDir> = OnceLock::new();
    let folder = COHORT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = Command::new(env!("CARGO_BIN_EXE_lungs"))
            .args(["phantom", "ct", "--patients", "12", "--seed", "5"])
            .current_dir(folder.path())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    Box::leak(folder.path().join("ct").into_boxed_path())
}

/// Snapshot settings that mask values that change between runs: times, hashes, UIDs, durations.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{6}(-\d)?", "STAMP-HASH");
    settings.add_filter(r"\d+\.\d+ s\b", "SECONDS");
    settings.add_filter(r"spec hash  [0-9a-f]{12}", "spec hash  HASH");
    settings.add_filter(r"2\.25\.\d+", "UID");
    settings.add_filter(r"training seconds\s+\d+\s+\d+", "training seconds SECONDS");
    settings.set_prepend_module_to_snapshot(false);
    settings
}
