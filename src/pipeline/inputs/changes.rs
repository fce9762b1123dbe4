//! Differences between the stored and the current inputs of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::empty;
use lungs_spec::results::{InputKind, InputRow};
use lungs_spec::spec::SplitName;

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A label has another value.
    Label,
    /// A follow-up has another time, or ends otherwise.
    FollowUp,
    /// A label is new.
    LabelAdded,
    /// A label is missing.
    LabelRemoved,
    /// A series is new.
    ScanAdded,
    /// A series is missing.
    ScanRemoved,
    /// A series has other voxels or another number of slices.
    ScanReplaced,
    /// A series has another patient or exam.
    Identity,
    /// A series is in another list (`data.train_list`, …).
    List,
    /// Another series is chosen for an exam.
    Choice,
    /// A patient was added to, removed from or moved between `split.lists`.
    Listed,
    /// A cell of a column of `[evaluate]` has another value.
    Column,
    /// The weights of `model.init` are different or missing.
    InitialWeights,
    /// The preprocessing of this version is different.
    Preparation,
}

impl Change {
    /// The phrase after the count, in singular and plural.
    fn phrases(self) -> [&'static str; 2] {
        match self {
            Self::Label => ["label changed", "labels changed"],
            Self::FollowUp => ["follow-up changed", "follow-ups changed"],
            Self::LabelAdded => ["label added", "labels added"],
            Self::LabelRemoved => ["label removed", "labels removed"],
            Self::ScanAdded => ["series added", "series added"],
            Self::ScanRemoved => ["series removed", "series removed"],
            Self::ScanReplaced => ["series replaced", "series replaced"],
            Self::Identity => {
                ["series with another patient or exam", "series with another patient or exam"]
            }
            Self::List => ["series in another list", "series in another list"],
            Self::Choice => ["choice of a series changed", "choices of series changed"],
            Self::Listed => ["patient changed in split.lists", "patients changed in split.lists"],
            Self::Column => {
                ["cell of a column of the labels changed", "cells of columns of the labels changed"]
            }
            Self::InitialWeights => {
                ["file of initial weights changed", "files of initial weights changed"]
            }
            Self::Preparation => [
                "version of the preprocessing changed, now that of lungs",
                "versions of the preprocessing changed, now those of lungs",
            ],
        }
    }
}

/// Descriptions of all changes, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<Change, BTreeSet<String>>);

/// Largest number of printed changes of one kind.
const MAX_PRINTED: usize = 5;

/// Rows of one kind and name.
type ByName<'a> = BTreeMap<(InputKind, &'a str), Vec<&'a InputRow>>;

fn by_name(rows: &[InputRow]) -> ByName<'_> {
    let mut all = ByName::new();
    for row in rows {
        all.entry((row.kind, &row.name)).or_default().push(row);
    }
    // If several series have one name (DICOM and a volume file), the chosen one is first.
    all.values_mut().for_each(|rows| rows.sort_by_key(|row| (!row.chosen, *row)));
    all
}

impl Changes {
    /// Adds a change; `description` starts with the name of the input.
    pub fn add(&mut self, change: Change, description: String) {
        self.0.entry(change).or_default().insert(description);
    }

    /// Adds all changes of `other`.
    pub fn merge(&mut self, other: Self) {
        for (change, names) in other.0 {
            self.0.entry(change).or_default().extend(names);
        }
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the differences between stored and current rows. `content` computes the current content hash of a chosen
    /// series; it is called only for series whose rows are equal.
    pub fn compare_rows(
        &mut self,
        stored: &[InputRow],
        current: &[InputRow],
        content: impl Fn(&str) -> Option<String>,
    ) {
        let (stored, current) = (by_name(stored), by_name(current));
        let names: BTreeSet<(InputKind, &str)> =
            stored.keys().chain(current.keys()).copied().collect();
        for key in names {
            let [old, new] =
                [&stored, &current].map(|rows| rows.get(&key).map_or(&[][..], Vec::as_slice));
            match key.0 {
                InputKind::Scan => self.compare_series(key.1, old, new, &content),
                InputKind::Label => self.compare_unused_labels(key.1, old, new, &stored, &current),
                InputKind::Listed => self.compare_lists(key.1, old, new),
                InputKind::Preparation => {}
            }
        }
    }

    fn compare_series(
        &mut self,
        name: &str,
        old: &[&InputRow],
        new: &[&InputRow],
        content: impl Fn(&str) -> Option<String>,
    ) {
        if old.len() < new.len() {
            self.add(Change::ScanAdded, name.to_owned());
        }
        if old.len() > new.len() {
            self.add(Change::ScanRemoved, name.to_owned());
        }
        let (Some(old), Some(new)) = (old.first(), new.first()) else { return };
        let count_before = self.count();
        self.compare_labels(name, old, new);
        if (&old.patient_id, &old.exam_id) != (&new.patient_id, &new.exam_id) {
            let identity = |row: &InputRow| format!("{} / {}", row.patient_id, row.exam_id);
            self.add(Change::Identity, from_to(name, &identity(old), &identity(new)));
        }
        if old.slices != new.slices {
            self.add(Change::ScanReplaced, name.to_owned());
        }
        if old.chosen && new.chosen && old.split != new.split {
            self.add(Change::List, from_to(name, &split_name(old.split), &split_name(new.split)));
        }
        // Other changes of a series, such as a removed label, explain a changed choice.
        if self.count() > count_before {
            return;
        }
        if old.chosen != new.chosen {
            let status = if new.chosen { "is now chosen" } else { "is no longer chosen" };
            self.add(Change::Choice, format!("{name} {status}"));
        } else if new.chosen && content(name).unwrap_or_default() != old.content {
            self.add(Change::ScanReplaced, name.to_owned());
        }
    }

    fn compare_labels(&mut self, name: &str, old: &InputRow, new: &InputRow) {
        let [before, after] = [old, new].map(|row| row.follow_up.as_str());
        if !before.is_empty() && !after.is_empty() {
            // The label follows from it.
            if before != after {
                self.add(Change::FollowUp, from_to(name, before, after));
            }
            return;
        }
        let [old, new] = [old, new].map(|row| row.label.map(u8::from));
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                self.add(Change::Label, from_to(name, &old.to_string(), &new.to_string()));
            }
            (None, Some(new)) => self.add(Change::LabelAdded, format!("{name} ({new})")),
            (Some(old), None) => self.add(Change::LabelRemoved, format!("{name} ({old})")),
            _ => {}
        }
    }

    /// Compares labels without a series. An added or removed series is a change of its own.
    fn compare_unused_labels(
        &mut self,
        name: &str,
        old: &[&InputRow],
        new: &[&InputRow],
        stored: &ByName<'_>,
        current: &ByName<'_>,
    ) {
        let series = (InputKind::Scan, name);
        if stored.contains_key(&series) || current.contains_key(&series) {
            return;
        }
        let absent = empty(InputKind::Label);
        let [old, new] = [old, new].map(|rows| rows.first().copied().unwrap_or(&absent));
        self.compare_labels(name, old, new);
    }

    fn compare_lists(&mut self, name: &str, old: &[&InputRow], new: &[&InputRow]) {
        let split = |rows: &[&InputRow]| rows.first().and_then(|row| row.split);
        if split(old) != split(new) {
            let change = from_to(name, &split_name(split(old)), &split_name(split(new)));
            self.add(Change::Listed, change);
        }
    }

    fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

fn split_name(split: Option<SplitName>) -> String {
    split.map_or_else(|| "none".to_owned(), |split| split.to_string())
}

pub(in super::super) fn from_to(name: &str, old: &str, new: &str) -> String {
    format!("{name} ({old}, now {new})")
}

impl std::fmt::Display for Changes {
    /// A line for each kind of change, with the count and the first descriptions.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (change, names) in &self.0 {
            let [singular, plural] = change.phrases();
            let phrase = if names.len() == 1 { singular } else { plural };
            let printed: Vec<&str> = names.iter().take(MAX_PRINTED).map(String::as_str).collect();
            let rest = names.len() - printed.len();
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            write!(f, "\n  {} {phrase}: {}{rest}", names.len(), printed.join(", "))?;
        }
        Ok(())
    }
}

/// The inputs of a run have changed.
#[derive(Debug, thiserror::Error)]
#[error("the inputs of {} have changed since the run began:{changes}\n{}", .run.display(), self.remedies())]
pub struct ChangedInputs {
    /// The run folder.
    pub run: PathBuf,
    /// The changes.
    pub changes: Changes,
    /// Whether prepared volumes are missing, so that the run cannot continue with its original inputs.
    pub lost: bool,
    /// Whether the folder is the evaluation of a model on other exams.
    pub external: bool,
}

impl ChangedInputs {
    fn remedies(&self) -> String {
        let fresh = if self.external {
            "To evaluate the model on the current inputs: name another folder with --out".to_owned()
        } else {
            format!(
                "To start a new run with the current inputs: `lungs run {} --fresh`",
                self.run.join("spec.toml").display()
            )
        };
        if self.lost {
            format!(
                "Prepared volumes of the run are missing and cannot be prepared again from changed inputs: \
                 restore the inputs or the cache.\n{fresh}"
            )
        } else {
            format!(
                "To continue with the original inputs: add --keep-inputs to the command.\n{fresh}"
            )
        }
    }
}
