//! Runs whose labels, lists or series change after their start.

use super::support::{CommandOutput, Workspace, cohort, copy_folder};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A working folder with its own copy of the cohort.
fn workplace() -> Workspace {
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("ct")).unwrap();
    copy_folder(cohort(), &workspace.path("ct"));
    workspace
}

const ONE_EPOCH: [&str; 2] = ["--set", "train.epochs=1"];

fn run(workspace: &Workspace, more: &[&str]) -> CommandOutput {
    workspace.lungs(&[&["run", "small.toml"], &ONE_EPOCH[..], more].concat())
}

#[track_caller]
fn assert_unchanged(workspace: &Workspace, case: &str) {
    let done = run(workspace, &[]);
    assert!(
        done.code == 0 && done.flat().contains("is finished already"),
        "{case}: {}",
        done.flat()
    );
}

/// `run`, `train` and `evaluate` stop with this message; with `--keep-inputs` they continue.
#[track_caller]
fn assert_changed(workspace: &Workspace, expected: &str) {
    let folder = workspace.newest_run("small");
    let evaluate = ["evaluate", folder.to_str().unwrap()];
    let train = [&["train", "small.toml"], &ONE_EPOCH[..]].concat();
    for done in [run(workspace, &[]), workspace.lungs(&train), workspace.lungs(&evaluate)] {
        let text = done.flat();
        assert_eq!(done.code, 2, "{text}");
        assert!(text.contains(expected), "{expected} is not in: {text}");
        assert!(text.contains("add --keep-inputs to the command"), "{text}");
        assert!(text.contains("spec.toml --fresh"), "{text}");
    }
    let kept = run(workspace, &["--keep-inputs"]);
    assert!(kept.code == 0 && kept.flat().contains("is finished already"), "{}", kept.flat());
    let kept = workspace.lungs(&[&evaluate[..], &["--keep-inputs"]].concat());
    assert_eq!(kept.code, 0, "{}", kept.flat());
}

/// Slices of the exam's axial series.
fn slices(workspace: &Workspace, exam: &str) -> Vec<PathBuf> {
    let folder = workspace.path(&format!("ct/{}/{exam}/2-axial", &exam[..5]));
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn changed_inputs_stop_a_run_and_moved_ones_do_not() {
    let workspace = workplace();
    assert_eq!(run(&workspace, &["-q"]).code, 0);
    assert_unchanged(&workspace, "nothing");

    let labels = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let mut lines: Vec<&str> = labels.lines().collect();
    let header = lines.remove(0);
    let table = |lines: &[&str]| format!("{header}\n{}\n", lines.join("\n"));
    let put = |text: &str| workspace.write("ct/labels.csv", text);

    lines.reverse();
    put(&table(&lines).replace('\n', "\r\n"));
    assert_unchanged(&workspace, "other order and ends of lines");
    let column = header.split(',').position(|name| name == "label").unwrap();
    let mut cells: Vec<&str> = lines[0].split(',').collect();
    cells[column] = if cells[column] == "1" { "0" } else { "1" };
    let flipped = cells.join(",");
    put(&table(&[&[flipped.as_str()], &lines[1..]].concat()));
    assert_changed(&workspace, "1 label changed: ");
    put(&table(&lines[1..]));
    assert_changed(&workspace, "1 label removed: ");
    put(&labels);
    assert_unchanged(&workspace, "restored labels");

    let exam = workspace.path("ct/P0001/P0001-1");
    fs::rename(&exam, workspace.path("away")).unwrap();
    assert_changed(&workspace, "1 series removed: ");
    fs::rename(workspace.path("away"), &exam).unwrap();
    assert_unchanged(&workspace, "restored series");

    let slice = slices(&workspace, "P0001-1").swap_remove(20);
    let (bytes, time) = (fs::read(&slice).unwrap(), modified(&slice));
    set_modified(&slice, SystemTime::now() + Duration::from_secs(60));
    assert_unchanged(&workspace, "another time");
    let mut other = bytes.clone();
    let last = other.len() - 200;
    other[last] ^= 1;
    fs::write(&slice, &other).unwrap();
    set_modified(&slice, time);
    assert_changed(&workspace, "1 series replaced: ");
    fs::write(&slice, &bytes).unwrap();
    assert_unchanged(&workspace, "restored voxels");

    fs::rename(workspace.path("ct"), workspace.path("moved")).unwrap();
    std::os::unix::fs::symlink(workspace.path("moved"), workspace.path("ct")).unwrap();
    assert_unchanged(&workspace, "moved data");
    fs::remove_dir_all(workspace.path("prepared")).unwrap();
    assert_unchanged(&workspace, "no cache");
    let done = run(&workspace, &["--set", "data.cache=elsewhere"]);
    assert!(done.flat().contains("is finished already"), "{}", done.flat());

    fs::remove_file(workspace.path("ct")).unwrap();
    let missing = run(&workspace, &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.flat().contains("data.root: ct does not exist"), "{}", missing.flat());
    assert!(missing.flat().contains("add --keep-inputs to the command"), "{}", missing.flat());
    assert_eq!(run(&workspace, &["--keep-inputs"]).code, 0);
}

#[test]
fn an_unfinished_run_continues_with_original_inputs_on_request_only() {
    let workspace = workplace();
    let train = ["train", "small.toml", "--set", "train.epochs=1", "-q"];
    assert_eq!(workspace.lungs(&train).code, 0);
    let folder = workspace.newest_run("small");
    let before = fs::read(folder.join("cohort.csv")).unwrap();
    let labels = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let swapped: Vec<String> = labels
        .lines()
        .map(|line| match line.strip_suffix(",0") {
            Some(line) => format!("{line},1"),
            None => line.to_owned(),
        })
        .collect();
    let at_end = labels.lines().next().unwrap().ends_with(",label");
    let text = if at_end { swapped.join("\n") } else { labels.replacen(",0,", ",1,", 100) };
    assert_ne!(text, labels);
    workspace.write("ct/labels.csv", &text);
    let stopped = run(&workspace, &[]);
    assert_eq!(stopped.code, 2, "{}", stopped.flat());
    assert!(stopped.flat().contains("labels changed: "), "{}", stopped.flat());
    assert!(!folder.join("evaluation.json").exists());
    // Missing prepared volumes cannot be prepared again from changed series.
    fs::rename(workspace.path("prepared"), workspace.path("elsewhere")).unwrap();
    let lost = run(&workspace, &["--keep-inputs"]);
    assert_eq!(lost.code, 2, "{}", lost.flat());
    assert!(lost.flat().contains("restore the inputs or the cache"), "{}", lost.flat());
    fs::remove_dir_all(workspace.path("prepared")).ok();
    fs::rename(workspace.path("elsewhere"), workspace.path("prepared")).unwrap();
    let kept = run(&workspace, &["--keep-inputs"]);
    assert_eq!(kept.code, 0, "{}", kept.flat());
    assert!(fs::read(folder.join("cohort.csv")).unwrap() == before);
    let fresh = run(&workspace, &["--fresh", "-q"]);
    // All exams are positive now. In any case, it is another run.
    assert!(workspace.newest_run("small") != folder, "{}", fresh.flat());
}

#[test]
fn lists_are_compared_by_their_patients() {
    let workspace = workplace();
    let labels = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let mut ids: Vec<&str> =
        labels.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    ids.sort_unstable();
    ids.dedup();
    workspace.write("test.txt", &format!("{}\n{}\n", ids[0], ids[3]));
    let lists = ["--set", "split.lists.test=test.txt"];
    assert_eq!(run(&workspace, &[&lists[..], &["-q"]].concat()).code, 0);
    workspace.write("test.txt", &format!("# published\r\n{}\r\n\r\n{}", ids[3], ids[0]));
    let again = run(&workspace, &lists);
    assert!(again.code == 0 && again.flat().contains("is finished already"), "{}", again.flat());
    workspace.write("test.txt", &format!("{}\n{}\n", ids[1], ids[3]));
    let changed = run(&workspace, &lists);
    assert_eq!(changed.code, 2);
    let text = changed.flat();
    assert!(text.contains("2 patients changed in split.lists: "), "{text}");
    assert!(text.contains(&format!("{} (test, now none)", ids[0])), "{text}");
}

#[test]
fn all_folds_have_the_same_inputs() {
    let workspace = workplace();
    let folds = ["--set", "split.folds=2"];
    assert_eq!(run(&workspace, &[&folds[..], &["-q"]].concat()).code, 0);
    let cross_validation = workspace.newest_run("small");
    let before = fs::read(cross_validation.join("fold-2/cohort.csv")).unwrap();
    // The state after an interruption between the folds.
    fs::remove_dir_all(cross_validation.join("fold-2")).unwrap();
    fs::remove_file(cross_validation.join("cross-validation.json")).unwrap();
    let labels = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let last = labels.trim_end().rfind('\n').unwrap();
    workspace.write("ct/labels.csv", &labels[..=last]);
    let stopped = run(&workspace, &folds);
    assert_eq!(stopped.code, 2, "{}", stopped.flat());
    assert!(stopped.flat().contains("1 label removed: "), "{}", stopped.flat());
    let kept = run(&workspace, &[&folds[..], &["--keep-inputs"]].concat());
    assert_eq!(kept.code, 0, "{}", kept.flat());
    assert!(fs::read(cross_validation.join("fold-2/cohort.csv")).unwrap() == before);
}

#[test]
fn changed_inputs_stop_a_sweep() {
    let workspace = workplace();
    workspace.write(
        "sweep.toml",
        "extends = \"small.toml\"\ntrain.epochs = 1\n[sweep]\nseeds = [1, 2]\n",
    );
    let first = workspace.lungs(&["sweep", "sweep.toml", "-q"]);
    assert_eq!(first.code, 0, "{}", first.flat());
    let labels = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let last = labels.trim_end().rfind('\n').unwrap();
    workspace.write("ct/labels.csv", &labels[..=last]);
    let stopped = workspace.lungs(&["sweep", "sweep.toml"]);
    assert_eq!(stopped.code, 2, "{}", stopped.flat());
    assert!(stopped.flat().contains("1 label removed: "), "{}", stopped.flat());
    assert!(stopped.flat().contains("set another sweep.name"), "{}", stopped.flat());
    let kept = workspace.lungs(&["sweep", "sweep.toml", "--keep-inputs"]);
    assert_eq!(kept.code, 0, "{}", kept.flat());
}
