//! A run whose labels, lists or scans change after it began.

use super::support::{CommandOutput, Workspace, cohort};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A workplace with a cohort of its own, which may change.
fn workplace() -> Workspace {
    let place = Workspace::new();
    fs::remove_file(place.path("ct")).unwrap();
    copy(cohort(), &place.path("ct"));
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            let _ = fs::copy(entry.path(), to).unwrap();
        }
    }
}

const ONE_EPOCH: [&str; 2] = ["--set", "train.epochs=1"];

fn run(place: &Workspace, more: &[&str]) -> CommandOutput {
    place.lungs(&[&["run", "small.toml"], &ONE_EPOCH[..], more].concat())
}

/// What is printed, in one line, without the frame of errors.
fn words(done: &CommandOutput) -> String {
    let text = format!("{}{}", done.stdout, done.stderr).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn is_unchanged(place: &Workspace, what: &str) {
    let done = run(place, &[]);
    assert!(
        done.code == 0 && words(&done).contains("is finished already"),
        "{what}: {}",
        words(&done)
    );
}

/// `run`, `train` and `evaluate` stop and say these words; with `--keep-inputs` they go on.
#[track_caller]
fn has_changed(place: &Workspace, expected: &str) {
    let folder = place.newest_run("small");
    let evaluate = ["evaluate", folder.to_str().unwrap()];
    let train = [&["train", "small.toml"], &ONE_EPOCH[..]].concat();
    for done in [run(place, &[]), place.lungs(&train), place.lungs(&evaluate)] {
        let text = words(&done);
        assert_eq!(done.code, 2, "{text}");
        assert!(text.contains(expected), "{expected} is not in: {text}");
        assert!(text.contains("add --keep-inputs to the command"), "{text}");
        assert!(text.contains("spec.toml --fresh"), "{text}");
    }
    let kept = run(place, &["--keep-inputs"]);
    assert!(kept.code == 0 && words(&kept).contains("is finished already"), "{}", words(&kept));
    let kept = place.lungs(&[&evaluate[..], &["--keep-inputs"]].concat());
    assert_eq!(kept.code, 0, "{}", words(&kept));
}

/// Slices of the exam's axial series.
fn slices(place: &Workspace, exam: &str) -> Vec<PathBuf> {
    let folder = place.path(&format!("ct/{}/{exam}/2-axial", &exam[..5]));
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
fn changed_inputs_stop_a_run_and_equal_ones_elsewhere_do_not() {
    let place = workplace();
    assert_eq!(run(&place, &["-q"]).code, 0);
    is_unchanged(&place, "nothing");

    let labels = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
    let mut lines: Vec<&str> = labels.lines().collect();
    let header = lines.remove(0);
    let table = |lines: &[&str]| format!("{header}\n{}\n", lines.join("\n"));
    let put = |text: &str| place.write("ct/labels.csv", text);

    lines.reverse();
    put(&table(&lines).replace('\n', "\r\n"));
    is_unchanged(&place, "other order and ends of lines");
    let column = header.split(',').position(|name| name == "label").unwrap();
    let mut cells: Vec<&str> = lines[0].split(',').collect();
    cells[column] = if cells[column] == "1" { "0" } else { "1" };
    let flipped = cells.join(",");
    put(&table(&[&[flipped.as_str()], &lines[1..]].concat()));
    has_changed(&place, "1 label changed: ");
    put(&table(&lines[1..]));
    has_changed(&place, "1 label removed: ");
    put(&labels);
    is_unchanged(&place, "the old labels");

    let exam = place.path("ct/P0001/P0001-1");
    fs::rename(&exam, place.path("away")).unwrap();
    has_changed(&place, "1 scan removed: ");
    fs::rename(place.path("away"), &exam).unwrap();
    is_unchanged(&place, "the scan is back");

    let slice = slices(&place, "P0001-1").swap_remove(20);
    let (bytes, time) = (fs::read(&slice).unwrap(), modified(&slice));
    set_modified(&slice, SystemTime::now() + Duration::from_secs(60));
    is_unchanged(&place, "another time");
    let mut other = bytes.clone();
    let last = other.len() - 200;
    other[last] ^= 1;
    fs::write(&slice, &other).unwrap();
    set_modified(&slice, time);
    has_changed(&place, "1 scan replaced: ");
    fs::write(&slice, &bytes).unwrap();
    is_unchanged(&place, "the old voxels");

    fs::rename(place.path("ct"), place.path("moved")).unwrap();
    std::os::unix::fs::symlink(place.path("moved"), place.path("ct")).unwrap();
    is_unchanged(&place, "moved data");
    fs::remove_dir_all(place.path("prepared")).unwrap();
    is_unchanged(&place, "no cache");
    let done = run(&place, &["--set", "data.cache=elsewhere"]);
    assert!(words(&done).contains("is finished already"), "{}", words(&done));

    fs::remove_file(place.path("ct")).unwrap();
    let gone = run(&place, &[]);
    assert_eq!(gone.code, 2);
    assert!(words(&gone).contains("cannot look for CT images in ct"), "{}", words(&gone));
    assert!(words(&gone).contains("add --keep-inputs to the command"), "{}", words(&gone));
    assert_eq!(run(&place, &["--keep-inputs"]).code, 0);
}

#[test]
fn a_run_that_is_not_finished_goes_on_with_old_inputs_on_request_only() {
    let place = workplace();
    let train = ["train", "small.toml", "--set", "train.epochs=1", "-q"];
    assert_eq!(place.lungs(&train).code, 0);
    let folder = place.newest_run("small");
    let before = fs::read(folder.join("cohort.csv")).unwrap();
    let labels = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
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
    place.write("ct/labels.csv", &text);
    let stopped = run(&place, &[]);
    assert_eq!(stopped.code, 2, "{}", words(&stopped));
    assert!(words(&stopped).contains("labels changed: "), "{}", words(&stopped));
    assert!(!folder.join("evaluation.json").exists());
    // Prepared volumes that are gone cannot be made again from scans that are others now.
    fs::rename(place.path("prepared"), place.path("elsewhere")).unwrap();
    let lost = run(&place, &["--keep-inputs"]);
    assert_eq!(lost.code, 2, "{}", words(&lost));
    assert!(words(&lost).contains("put the inputs or the cache back"), "{}", words(&lost));
    fs::remove_dir_all(place.path("prepared")).ok();
    fs::rename(place.path("elsewhere"), place.path("prepared")).unwrap();
    let kept = run(&place, &["--keep-inputs"]);
    assert_eq!(kept.code, 0, "{}", words(&kept));
    assert!(fs::read(folder.join("cohort.csv")).unwrap() == before);
    let fresh = run(&place, &["--fresh", "-q"]);
    // All exams are positive now: whatever becomes of that, it is another run.
    assert!(place.newest_run("small") != folder, "{}", words(&fresh));
}

#[test]
fn lists_are_compared_by_what_they_say() {
    let place = workplace();
    let labels = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
    let mut ids: Vec<&str> =
        labels.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    ids.sort_unstable();
    ids.dedup();
    place.write("test.txt", &format!("{}\n{}\n", ids[0], ids[3]));
    let lists = ["--set", "split.lists.test=test.txt"];
    assert_eq!(run(&place, &[&lists[..], &["-q"]].concat()).code, 0);
    place.write("test.txt", &format!("# published\r\n{}\r\n\r\n{}", ids[3], ids[0]));
    let again = run(&place, &lists);
    assert!(again.code == 0 && words(&again).contains("is finished already"), "{}", words(&again));
    place.write("test.txt", &format!("{}\n{}\n", ids[1], ids[3]));
    let changed = run(&place, &lists);
    assert_eq!(changed.code, 2);
    let text = words(&changed);
    assert!(text.contains("2 patients changed in split.lists: "), "{text}");
    assert!(text.contains(&format!("{} (test, now none)", ids[0])), "{text}");
}

#[test]
fn folds_are_of_the_same_inputs_whatever_becomes_of_these() {
    let place = workplace();
    let folds = ["--set", "split.folds=2"];
    assert_eq!(run(&place, &[&folds[..], &["-q"]].concat()).code, 0);
    let whole = place.newest_run("small");
    let before = fs::read(whole.join("fold-2/cohort.csv")).unwrap();
    // As if it had been stopped after the first fold.
    fs::remove_dir_all(whole.join("fold-2")).unwrap();
    fs::remove_file(whole.join("cross-validation.json")).unwrap();
    let labels = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
    let last = labels.trim_end().rfind('\n').unwrap();
    place.write("ct/labels.csv", &labels[..=last]);
    let stopped = run(&place, &folds);
    assert_eq!(stopped.code, 2, "{}", words(&stopped));
    assert!(words(&stopped).contains("1 label removed: "), "{}", words(&stopped));
    let kept = run(&place, &[&folds[..], &["--keep-inputs"]].concat());
    assert_eq!(kept.code, 0, "{}", words(&kept));
    assert!(fs::read(whole.join("fold-2/cohort.csv")).unwrap() == before);
}

#[test]
fn a_sweep_stops_too() {
    let place = workplace();
    place.write(
        "sweep.toml",
        "extends = \"small.toml\"\ntrain.epochs = 1\n[sweep]\nseeds = [1, 2]\n",
    );
    let first = place.lungs(&["sweep", "sweep.toml", "-q"]);
    assert_eq!(first.code, 0, "{}", words(&first));
    let labels = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
    let last = labels.trim_end().rfind('\n').unwrap();
    place.write("ct/labels.csv", &labels[..=last]);
    let stopped = place.lungs(&["sweep", "sweep.toml"]);
    assert_eq!(stopped.code, 2, "{}", words(&stopped));
    assert!(words(&stopped).contains("1 label removed: "), "{}", words(&stopped));
    assert!(words(&stopped).contains("set another sweep.name"), "{}", words(&stopped));
    let kept = place.lungs(&["sweep", "sweep.toml", "--keep-inputs"]);
    assert_eq!(kept.code, 0, "{}", words(&kept));
}
