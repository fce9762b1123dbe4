//! Event files of TensorBoard, read by an independent decoder.

use super::support::{Workspace, assert_same_runs};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Tag and step → value, of one file. Fails on damaged records and duplicate steps.
type Scalars = BTreeMap<(String, u64), f32>;

fn scalars(run: &Path, split: &str) -> Scalars {
    let folder = run.join("tensorboard").join(split);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].to_str().unwrap().contains("tfevents"));
    let bytes = fs::read(&files[0]).unwrap();
    let (mut scalars, mut start, mut last_time) = (Scalars::new(), 0, 0.0);
    while start < bytes.len() {
        let length = u64::from_le_bytes(bytes[start..start + 8].try_into().unwrap()) as usize;
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(number(start + 8), masked(&bytes[start..start + 8]));
        let payload = &bytes[start + 12..start + 12 + length];
        assert_eq!(number(start + 12 + length), masked(payload));
        let event = message(payload);
        let time = f64::from_le_bytes(event[0].1.as_slice().try_into().unwrap());
        assert!(event[0].0 == 1 && time >= last_time && time > 1.7e9, "{time}");
        last_time = time;
        if start == 0 {
            assert_eq!(event[1], (3, b"brain.Event:2".to_vec()));
        } else {
            let [_, (2, step), (5, summary)] = &event[..] else { panic!("{event:?}") };
            let step = varint(&mut step.as_slice());
            for (field, value) in message(summary) {
                let value = message(&value);
                let [(1, tag), (2, number)] = &value[..] else { panic!("{value:?}") };
                assert_eq!(field, 1);
                let tag = String::from_utf8(tag.clone()).unwrap();
                let number = f32::from_le_bytes(number.as_slice().try_into().unwrap());
                let previous = scalars.insert((tag.clone(), step), number);
                assert_eq!(previous, None, "{tag} {step} occurs twice");
            }
        }
        start += length + 16;
    }
    scalars
}

/// CRC-32C bit by bit (reflected polynomial 0x82f63b78), masked as TensorFlow stores it.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

/// Fields of a protocol buffer: number and bytes.
fn message(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => bytes.iter().position(|byte| *byte < 128).unwrap() + 1,
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    fields
}

/// The expected scalars: the values of the tables in single precision.
fn table_scalars(run: &Path, split: &str) -> Scalars {
    let mut expected = Scalars::new();
    let mut table = |name: &str, key: &str, group: &str, columns: &[&str]| {
        let mut rows = csv::Reader::from_path(run.join(name)).unwrap();
        for row in rows.deserialize() {
            let row: BTreeMap<String, String> = row.unwrap();
            if row.get("split").is_some_and(|of_row| of_row != split) {
                continue;
            }
            for column in columns {
                if let Ok(number) = row[*column].parse::<f64>() {
                    let step = row[key].parse().unwrap();
                    expected.insert((format!("{group}/{column}"), step), number as f32);
                }
            }
        }
    };
    if split == "train" {
        table("steps.csv", "step", "step", &["loss", "learning_rate", "gradient_norm"]);
    }
    let columns = ["loss", "accuracy", "auc", "auc_low", "auc_high", "average_precision", "brier"];
    table("metrics.csv", "epoch", "epoch", &columns);
    expected
}

fn assert_events_are_the_tables(run: &Path) {
    for split in ["train", "valid"] {
        let (actual, expected) = (scalars(run, split), table_scalars(run, split));
        assert!(expected.len() >= 8, "{expected:?}");
        assert_eq!(actual, expected, "{split}");
    }
}

#[test]
fn event_files_hold_the_tables_and_change_nothing_else() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q"]).code, 0);
    let plain = workspace.newest_run("small");
    assert!(!plain.join("tensorboard").exists());
    let steps = fs::read_to_string(plain.join("steps.csv")).unwrap();
    assert!(steps.starts_with("step,epoch,loss,learning_rate,gradient_norm\n"), "{steps}");

    let other = Workspace::new();
    let run = ["run", "small.toml", "-q", "--set", "train.tensorboard=true"];
    assert_eq!(other.lungs(&run).code, 0);
    let watched = other.newest_run("small");
    assert_same_runs(&plain, &watched, "with event files");
    assert_events_are_the_tables(&watched);

    // From the tables, for a run without event files and for one with deleted event files.
    let before = (scalars(&watched, "train"), scalars(&watched, "valid"));
    fs::remove_dir_all(watched.join("tensorboard")).unwrap();
    assert_eq!(other.lungs(&["plot", watched.to_str().unwrap()]).code, 0);
    assert_eq!((scalars(&watched, "train"), scalars(&watched, "valid")), before);
    assert_eq!(workspace.lungs(&["plot", plain.to_str().unwrap()]).code, 0);
    assert!(!plain.join("tensorboard").exists());
    let plot = workspace.lungs(&["plot", plain.to_str().unwrap(), "--tensorboard"]);
    assert!(plot.stdout.contains("event files in "), "{}", plot.stdout);
    assert_eq!((scalars(&plain, "train"), scalars(&plain, "valid")), before);
}

#[test]
fn no_step_occurs_twice_after_kills() {
    let workspace = Workspace::new();
    let key = "train.tensorboard=true";
    // Killed later each time, with checkpoints after every step or at the end of each epoch only.
    for attempt in 1.. {
        let minutes = if attempt % 2 == 0 { "0" } else { "0.000001" };
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lungs"))
            .args(["run", "small.toml", "-q", "--set", key, "--set"])
            .arg(format!("train.checkpoint_minutes={minutes}"))
            .current_dir(workspace.path(""))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150 * attempt));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_events_are_the_tables(&workspace.newest_run("small"));
}

#[test]
fn events_can_be_enabled_for_a_resumed_run() {
    let workspace = Workspace::new();
    // The run is trained, but has no report yet.
    assert_eq!(workspace.lungs(&["train", "small.toml", "-q"]).code, 0);
    let run = workspace.newest_run("small");
    assert!(!run.join("tensorboard").exists());
    let again = ["run", "small.toml", "-q", "--set", "train.tensorboard=true"];
    let again = workspace.lungs(&again);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(workspace.newest_run("small"), run, "it is the same run");
    assert_events_are_the_tables(&run);
}

#[test]
fn unwritable_events_do_not_stop_training() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["train", "small.toml", "-q"]).code, 0);
    let run = workspace.newest_run("small");
    fs::write(run.join("tensorboard"), "a file in place of the folder").unwrap();
    let again = workspace.lungs(&["run", "small.toml", "--set", "train.tensorboard=true"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let output = again.stdout.replace('\n', " ");
    assert!(output.contains("recording no further TensorBoard events: cannot write "), "{output}");
    assert!(run.join("evaluation.json").is_file());
}
