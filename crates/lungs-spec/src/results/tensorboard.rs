//! `tensorboard/`: the values of `steps.csv` and `metrics.csv`, for TensorBoard.
//!
//! ```text
//! tensorboard/train/events.out.tfevents.lungs   step/loss, step/learning_rate, step/gradient_norm
//!                                               epoch/loss, epoch/auc, … of the training exams
//! tensorboard/valid/events.out.tfevents.lungs   epoch/loss, epoch/auc, … of the validation exams
//! ```
//!
//! Events are written during training, so that TensorBoard shows a run live. Except for the times, the files are
//! a function of the tables. [`EventFiles::open`] ensures this: it truncates events that are not in the tables
//! (steps of a killed process after its last checkpoint, which are repeated), and appends events that are
//! missing in the files. No step occurs twice. Files are never replaced, because TensorBoard keeps them open and
//! does not notice a new file with the same name. A repeated record has the length of the truncated one, so that
//! the position of an open reader stays valid.

use super::clock::unix_seconds;
use super::event_file::{Event, wall_time};
use super::tables::{MetricsRow, StepRow, read_csv};
use super::{ResultsError, RunFolder, Table, read_metrics};
use crate::spec::{SplitName, horizon_name};
use lungs_base::files::{WriteError, make_folder};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The open event files of a run.
#[derive(Debug)]
pub struct EventFiles {
    train: EventFile,
    valid: EventFile,
}

impl EventFiles {
    /// Opens the files of a run, and updates them to these rows of its tables.
    pub fn open(
        run: &RunFolder,
        steps: &[StepRow],
        metrics: &[MetricsRow],
    ) -> Result<Self, WriteError> {
        let rows = |split| metrics.iter().filter(move |row| row.split == split);
        let mut train = vec![Event::Version];
        let mut steps = steps.iter().peekable();
        for row in rows(SplitName::Train) {
            while let Some(step) = steps.next_if(|step| step.epoch <= row.epoch) {
                train.push(step_event(step));
            }
            train.push(epoch_event(row));
        }
        train.extend(steps.map(step_event));
        let valid = [Event::Version].into_iter().chain(rows(SplitName::Valid).map(epoch_event));
        let folder = run.tensorboard();
        Ok(Self {
            train: EventFile::open(&folder.join("train"), train)?,
            valid: EventFile::open(&folder.join("valid"), valid)?,
        })
    }

    /// Updates the files of a run to its stored tables.
    pub fn redraw(run: &RunFolder) -> Result<Vec<PathBuf>, ResultsError> {
        let (steps, metrics) = (run.table(Table::Steps), run.table(Table::Metrics));
        let steps = if steps.is_file() { read_csv(&steps)? } else { Vec::new() };
        let metrics = if metrics.is_file() { read_metrics(&metrics)? } else { Vec::new() };
        let files = Self::open(run, &steps, &metrics)?;
        Ok(vec![files.train.path, files.valid.path])
    }

    /// Appends the event of a step.
    pub fn step(&mut self, row: &StepRow) -> Result<(), WriteError> {
        self.train.append(&step_event(row))
    }

    /// Appends the events of an epoch.
    pub fn epoch(&mut self, rows: &[MetricsRow]) -> Result<(), WriteError> {
        for row in rows {
            match row.split {
                SplitName::Train => self.train.append(&epoch_event(row))?,
                SplitName::Valid => self.valid.append(&epoch_event(row))?,
                SplitName::Test | SplitName::External => {}
            }
        }
        Ok(())
    }
}

/// The values that exist, by name.
fn scalars(step: usize, values: Vec<(Cow<'static, str>, Option<f64>)>) -> Event {
    let values = values.into_iter().filter_map(|(tag, value)| Some((tag, value?)));
    Event::Scalars { step, values: values.collect() }
}

fn step_event(row: &StepRow) -> Event {
    let values = vec![
        ("step/loss".into(), Some(row.loss)),
        ("step/learning_rate".into(), Some(row.learning_rate)),
        ("step/gradient_norm".into(), row.gradient_norm),
    ];
    scalars(row.step, values)
}

fn epoch_event(row: &MetricsRow) -> Event {
    let mut values = vec![
        ("epoch/loss".into(), Some(row.loss)),
        ("epoch/accuracy".into(), Some(row.accuracy)),
        ("epoch/auc".into(), row.auc),
        ("epoch/auc_low".into(), row.auc_low),
        ("epoch/auc_high".into(), row.auc_high),
        ("epoch/average_precision".into(), row.average_precision),
        ("epoch/brier".into(), row.brier),
    ];
    if let Some(survival) = &row.survival {
        values.push(("epoch/c_index".into(), survival.c_index));
        values.push(("epoch/c_index_low".into(), survival.c_index_low));
        values.push(("epoch/c_index_high".into(), survival.c_index_high));
        values.extend(survival.horizons.iter().map(|horizon| {
            (format!("epoch/auc_{}", horizon_name(horizon.years)).into(), horizon.auc)
        }));
    }
    scalars(row.epoch, values)
}

#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Opens the file in `folder`, truncates it at the first record that differs from `events`, and appends the
    /// missing events.
    fn open(folder: &Path, events: impl IntoIterator<Item = Event>) -> Result<Self, WriteError> {
        make_folder(folder)?;
        let path = folder.join("events.out.tfevents.lungs");
        let open = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let mut events = events.into_iter().peekable();
            let mut length = 0;
            while let Some(event) = events.peek() {
                let rest = &bytes[length..];
                let record = wall_time(rest).map(|time| event.record(time));
                let Some(record) = record.filter(|record| rest.starts_with(record)) else { break };
                length += record.len();
                events.next();
            }
            file.set_len(length as u64)?;
            file.seek(SeekFrom::Start(length as u64))?;
            let now = unix_seconds();
            let missing: Vec<u8> = events.flat_map(|event| event.record(now)).collect();
            file.write_all(&missing)?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(WriteError { path, source }),
        }
    }

    fn append(&mut self, event: &Event) -> Result<(), WriteError> {
        let result = self.file.write_all(&event.record(unix_seconds()));
        result.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HorizonAuc, SurvivalMetrics};
    use super::*;

    fn step(step: usize, epoch: usize) -> StepRow {
        let (loss, gradient_norm) = (1.0 / step as f64, Some(step as f64));
        StepRow { step, epoch, loss, learning_rate: 1e-3, gradient_norm }
    }

    fn epoch(epoch: usize) -> [MetricsRow; 2] {
        [SplitName::Train, SplitName::Valid].map(|split| MetricsRow {
            epoch,
            split,
            loss: 0.5,
            accuracy: 0.75,
            auc: (split == SplitName::Valid).then_some(0.875),
            auc_low: None,
            auc_high: None,
            learning_rate: 1e-3,
            average_precision: None,
            brier: Some(0.25),
            survival: None,
        })
    }

    fn run() -> (tempfile::TempDir, RunFolder) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.toml"), "").unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        (folder, run)
    }

    fn file(run: &RunFolder, split: &str) -> PathBuf {
        run.tensorboard().join(split).join("events.out.tfevents.lungs")
    }

    /// The bytes of a file with zeros for its times and their checksums.
    fn timeless(run: &RunFolder, split: &str) -> Vec<u8> {
        let mut bytes = std::fs::read(file(run, split)).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            assert!(wall_time(&bytes[at..]).unwrap() > 1.7e9);
            bytes[at + 13..at + 21].fill(0);
            // The checksum depends on the time.
            bytes[at + 12 + length..at + 16 + length].fill(0);
            at += length + 16;
        }
        assert_eq!(at, bytes.len());
        bytes
    }

    fn both(run: &RunFolder) -> [Vec<u8>; 2] {
        ["train", "valid"].map(|split| timeless(run, split))
    }

    #[test]
    fn files_are_equal_if_written_live_resumed_or_redrawn_from_tables() {
        let steps: Vec<StepRow> = (1..=6).map(|n| step(n, n.div_ceil(2))).collect();
        let metrics: Vec<MetricsRow> = (1..=3).flat_map(epoch).collect();
        let (_redrawn_folder, redrawn) = run();
        EventFiles::open(&redrawn, &steps, &metrics).unwrap();
        let expected = both(&redrawn);

        let (_live_folder, live) = run();
        let mut files = EventFiles::open(&live, &[], &[]).unwrap();
        for number in 1..=3 {
            files.step(&steps[2 * number - 2]).unwrap();
            files.step(&steps[2 * number - 1]).unwrap();
            files.epoch(&metrics[2 * number - 2..2 * number]).unwrap();
        }
        assert_eq!(both(&live), expected);

        // Killed after any byte, and resumed from any earlier checkpoint.
        let bytes = std::fs::read(file(&live, "train")).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            for done in 0..=6 {
                std::fs::write(file(&live, "train"), &bytes[..length]).unwrap();
                let epochs = done / 2;
                let kept = (&steps[..done], &metrics[..2 * epochs]);
                let mut files = EventFiles::open(&live, kept.0, kept.1).unwrap();
                for row in &steps[done..] {
                    files.step(row).unwrap();
                    if row.step % 2 == 0 {
                        files.epoch(&metrics[row.step - 2..row.step]).unwrap();
                    }
                }
                assert_eq!(both(&live), expected, "{length} {done}");
            }
        }
    }

    #[test]
    fn an_epoch_of_several_horizons_has_a_value_for_each() {
        let survival = SurvivalMetrics {
            c_index: Some(0.75),
            c_index_low: None,
            c_index_high: Some(0.875),
            horizons: vec![
                HorizonAuc { years: 1.0, auc: Some(0.5) },
                HorizonAuc { years: 2.5, auc: None },
                HorizonAuc { years: 6.0, auc: Some(0.25) },
            ],
        };
        let [_, valid] = epoch(3);
        let Event::Scalars { step, values } =
            epoch_event(&MetricsRow { survival: Some(survival), ..valid })
        else {
            panic!("scalars")
        };
        assert_eq!(step, 3);
        let names: Vec<&str> = values.iter().map(|(tag, _)| tag.as_ref()).collect();
        let expected =
            ["epoch/c_index", "epoch/c_index_high", "epoch/auc_1_year", "epoch/auc_6_years"];
        assert_eq!(names[names.len() - 4..], expected);
    }

    #[test]
    fn equal_events_keep_their_times_and_different_ones_are_replaced() {
        let (_folder, run) = run();
        EventFiles::open(&run, &[step(1, 1), step(2, 1)], &[]).unwrap();
        let before = std::fs::read(file(&run, "train")).unwrap();
        let mut files = EventFiles::open(&run, &[step(1, 1), step(2, 1)], &[]).unwrap();
        files.step(&step(3, 1)).unwrap();
        let longer = std::fs::read(file(&run, "train")).unwrap();
        assert!(longer.starts_with(&before) && longer.len() > before.len());
        // Other values, as a GPU can compute: from this step on, the file has the new values.
        let other = StepRow { loss: 9.0, ..step(2, 1) };
        EventFiles::open(&run, &[step(1, 1), other.clone()], &[]).unwrap();
        let (_fresh, fresh) = self::run();
        EventFiles::open(&fresh, &[step(1, 1), other], &[]).unwrap();
        assert_eq!(both(&run), both(&fresh));
    }
}
