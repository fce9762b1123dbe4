//! `tensorboard/`: what `steps.csv` and `metrics.csv` say, for TensorBoard.
//!
//! ```text
//! tensorboard/train/events.out.tfevents.lungs   step/loss, step/learning_rate, step/gradient_norm
//!                                               epoch/loss, epoch/auc, … of the training exams
//! tensorboard/valid/events.out.tfevents.lungs   epoch/loss, epoch/auc, … of the validation exams
//! ```
//!
//! Every event is written when it happens, so that TensorBoard shows a run live. What the files hold
//! is a function of the tables but for the times, and [`EventFiles::open`] makes it true: events that
//! the tables have not are cut off, as those of steps that a killed process did after its last
//! checkpoint and that are done again; events that the files have not are added. So no step is ever
//! there twice. Files are appended to and never replaced: TensorBoard keeps them open, and would not
//! see a new file of the same name. A record that is cut off and written again has the same length, so
//! that an open reader stays in step.

use super::event_file::{Event, wall_time};
use super::provenance::unix_seconds;
use super::tables::{MetricsRow, StepRow, read_csv};
use super::{ResultsError, RunFolder, Table};
use crate::files::{WriteError, make_folder};
use crate::spec::Part;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The event files of a run, open at their ends.
#[derive(Debug)]
pub struct EventFiles {
    train: EventFile,
    valid: EventFile,
}

impl EventFiles {
    /// Opens the files of a run whose tables have these rows, and makes them say what the rows say.
    pub fn open(
        run: &RunFolder,
        steps: &[StepRow],
        metrics: &[MetricsRow],
    ) -> Result<Self, WriteError> {
        let rows = |part| metrics.iter().filter(move |row| row.split == part);
        let mut train = vec![Event::Version];
        let mut steps = steps.iter().peekable();
        for row in rows(Part::Train) {
            while let Some(step) = steps.next_if(|step| step.epoch <= row.epoch) {
                train.push(of_step(step));
            }
            train.push(of_epoch(row));
        }
        train.extend(steps.map(of_step));
        let valid = [Event::Version].into_iter().chain(rows(Part::Valid).map(of_epoch));
        let folder = run.tensorboard();
        Ok(Self {
            train: EventFile::open(&folder.join("train"), train)?,
            valid: EventFile::open(&folder.join("valid"), valid)?,
        })
    }

    /// Makes the files of a run say what its tables on disk say.
    pub fn redraw(run: &RunFolder) -> Result<Vec<PathBuf>, ResultsError> {
        let (steps, metrics) = (run.table(Table::Steps), run.table(Table::Metrics));
        let steps = if steps.is_file() { read_csv(&steps)? } else { Vec::new() };
        let metrics = if metrics.is_file() { read_csv(&metrics)? } else { Vec::new() };
        let files = Self::open(run, &steps, &metrics)?;
        Ok(vec![files.train.path, files.valid.path])
    }

    /// A step is done.
    pub fn step(&mut self, row: &StepRow) -> Result<(), WriteError> {
        self.train.append(&of_step(row))
    }

    /// An epoch is complete.
    pub fn epoch(&mut self, rows: &[MetricsRow]) -> Result<(), WriteError> {
        for row in rows {
            match row.split {
                Part::Train => self.train.append(&of_epoch(row))?,
                Part::Valid => self.valid.append(&of_epoch(row))?,
                Part::Test => {}
            }
        }
        Ok(())
    }
}

fn of_step(row: &StepRow) -> Event {
    let mut values = vec![("step/loss", row.loss), ("step/learning_rate", row.learning_rate)];
    values.extend(row.gradient_norm.map(|norm| ("step/gradient_norm", norm)));
    Event::Scalars { step: row.step, values }
}

fn of_epoch(row: &MetricsRow) -> Event {
    let mut values = vec![("epoch/loss", row.loss), ("epoch/accuracy", row.accuracy)];
    for (tag, value) in [
        ("epoch/auc", row.auc),
        ("epoch/auc_low", row.auc_low),
        ("epoch/auc_high", row.auc_high),
        ("epoch/average_precision", row.average_precision),
        ("epoch/brier", row.brier),
    ] {
        values.extend(value.map(|value| (tag, value)));
    }
    Event::Scalars { step: row.epoch, values }
}

#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Opens the file in `folder`, cuts it off where it stops saying these events, and adds what is
    /// missing of them.
    fn open(folder: &Path, events: impl IntoIterator<Item = Event>) -> Result<Self, WriteError> {
        make_folder(folder)?;
        let path = folder.join("events.out.tfevents.lungs");
        let open = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut found = Vec::new();
            file.read_to_end(&mut found)?;
            let mut events = events.into_iter().peekable();
            let mut whole = 0;
            while let Some(event) = events.peek() {
                let there = &found[whole..];
                let record = wall_time(there).map(|time| event.record(time));
                let Some(record) = record.filter(|record| there.starts_with(record)) else { break };
                whole += record.len();
                events.next();
            }
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::Start(whole as u64))?;
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
        let written = self.file.write_all(&event.record(unix_seconds()));
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize, epoch: usize) -> StepRow {
        let (loss, gradient_norm) = (1.0 / step as f64, Some(step as f64));
        StepRow { step, epoch, loss, learning_rate: 1e-3, gradient_norm }
    }

    fn epoch(epoch: usize) -> [MetricsRow; 2] {
        [Part::Train, Part::Valid].map(|split| MetricsRow {
            epoch,
            split,
            loss: 0.5,
            accuracy: 0.75,
            auc: (split == Part::Valid).then_some(0.875),
            auc_low: None,
            auc_high: None,
            learning_rate: 1e-3,
            average_precision: None,
            brier: Some(0.25),
        })
    }

    fn run() -> (tempfile::TempDir, RunFolder) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.toml"), "").unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        (folder, run)
    }

    fn file(run: &RunFolder, part: &str) -> PathBuf {
        run.tensorboard().join(part).join("events.out.tfevents.lungs")
    }

    /// A file without its times.
    fn timeless(run: &RunFolder, part: &str) -> Vec<u8> {
        let mut bytes = std::fs::read(file(run, part)).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            assert!(wall_time(&bytes[at..]).unwrap() > 1.7e9);
            bytes[at + 13..at + 21].fill(0);
            // The checksum covers the time.
            bytes[at + 12 + length..at + 16 + length].fill(0);
            at += length + 16;
        }
        assert_eq!(at, bytes.len());
        bytes
    }

    fn both(run: &RunFolder) -> [Vec<u8>; 2] {
        ["train", "valid"].map(|part| timeless(run, part))
    }

    #[test]
    fn written_live_stopped_anywhere_or_drawn_from_tables_the_files_say_the_same() {
        let steps: Vec<StepRow> = (1..=6).map(|n| step(n, n.div_ceil(2))).collect();
        let metrics: Vec<MetricsRow> = (1..=3).flat_map(epoch).collect();
        let (_drawn, drawn) = run();
        EventFiles::open(&drawn, &steps, &metrics).unwrap();
        let whole = both(&drawn);

        let (_live, live) = run();
        let mut files = EventFiles::open(&live, &[], &[]).unwrap();
        for number in 1..=3 {
            files.step(&steps[2 * number - 2]).unwrap();
            files.step(&steps[2 * number - 1]).unwrap();
            files.epoch(&metrics[2 * number - 2..2 * number]).unwrap();
        }
        assert_eq!(both(&live), whole);

        // Killed after any byte, and continued from any earlier checkpoint.
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
                assert_eq!(both(&live), whole, "{length} {done}");
            }
        }
    }

    #[test]
    fn what_happened_keeps_its_time_and_what_did_not_is_cut_off() {
        let (_folder, run) = run();
        EventFiles::open(&run, &[step(1, 1), step(2, 1)], &[]).unwrap();
        let before = std::fs::read(file(&run, "train")).unwrap();
        let mut files = EventFiles::open(&run, &[step(1, 1), step(2, 1)], &[]).unwrap();
        files.step(&step(3, 1)).unwrap();
        let longer = std::fs::read(file(&run, "train")).unwrap();
        assert!(longer.starts_with(&before) && longer.len() > before.len());
        // Other numbers, as a GPU may give: from there on they are the new ones.
        let other = StepRow { loss: 9.0, ..step(2, 1) };
        EventFiles::open(&run, &[step(1, 1), other.clone()], &[]).unwrap();
        let (_fresh, fresh) = self::run();
        EventFiles::open(&fresh, &[step(1, 1), other], &[]).unwrap();
        assert_eq!(both(&run), both(&fresh));
    }
}
