//! What differs between two looks at the inputs of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::results::{InputKind, InputRow};
use crate::spec::Part;

/// How an input changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Another label of the same scan or name.
    Label,
    /// A label where there was none.
    LabelAdded,
    /// No label where there was one.
    LabelRemoved,
    /// A scan that was not there.
    ScanAdded,
    /// A scan that is not there any more.
    ScanRemoved,
    /// Other voxels or another number of slices under the same name.
    ScanReplaced,
    /// A scan of another patient or exam than before.
    Identity,
    /// Another part in `data.train_list` and the other lists.
    Part,
    /// Chosen for its exam where another was, or not any more.
    Choice,
    /// A patient in another of `split.lists`, in one of them now, or in none any more.
    Listed,
    /// A cell of a column that `[evaluate]` names.
    Column,
    /// Other weights at `model.init`, or none.
    InitialWeights,
    /// Another way to prepare scans.
    Preparation,
}

impl Change {
    /// The change as a phrase behind its count, for one and for several.
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Label => ["label changed", "labels changed"],
            Self::LabelAdded => ["label added", "labels added"],
            Self::LabelRemoved => ["label removed", "labels removed"],
            Self::ScanAdded => ["scan added", "scans added"],
            Self::ScanRemoved => ["scan removed", "scans removed"],
            Self::ScanReplaced => ["scan replaced", "scans replaced"],
            Self::Identity => {
                ["scan with another patient or exam", "scans with another patient or exam"]
            }
            Self::Part => ["scan in another list", "scans in another list"],
            Self::Choice => ["other choice of a scan", "other choices of scans"],
            Self::Listed => ["patient changed in split.lists", "patients changed in split.lists"],
            Self::Column => {
                ["cell of an [evaluate] column changed", "cells of [evaluate] columns changed"]
            }
            Self::InitialWeights => {
                ["file of initial weights changed", "files of initial weights changed"]
            }
            Self::Preparation => [
                "other way to prepare scans, that of lungs",
                "other ways to prepare scans, those of lungs",
            ],
        }
    }
}

/// All changes by kind, each a name with what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<Change, BTreeSet<String>>);

/// Changes of one kind that are named.
const MOST_NAMED: usize = 5;

/// Rows of one kind and name.
type ByName<'a> = BTreeMap<(InputKind, &'a str), Vec<&'a InputRow>>;

fn by_name(rows: &[InputRow]) -> ByName<'_> {
    let mut all = ByName::new();
    for row in rows {
        all.entry((row.kind, &row.name)).or_default().push(row);
    }
    // Of several scans of one name, as DICOM and as a file, the chosen one speaks first.
    all.values_mut().for_each(|rows| rows.sort_by_key(|row| (!row.chosen, *row)));
    all
}

impl Changes {
    /// Adds a change of what has a name.
    pub fn add(&mut self, change: Change, name: String) {
        self.0.entry(change).or_default().insert(name);
    }

    /// Adds the changes of another look.
    pub fn merge(&mut self, other: Self) {
        for (change, names) in other.0 {
            self.0.entry(change).or_default().extend(names);
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what differs between two lists of rows. `content` says what a chosen scan holds now; it is
    /// asked only for scans whose rows are the same.
    pub fn of_rows(
        &mut self,
        before: &[InputRow],
        now: &[InputRow],
        content: impl Fn(&str) -> Option<String>,
    ) {
        let (before, now) = (by_name(before), by_name(now));
        let names: BTreeSet<(InputKind, &str)> = before.keys().chain(now.keys()).copied().collect();
        for key in names {
            let [old, new] =
                [&before, &now].map(|rows| rows.get(&key).map_or(&[][..], Vec::as_slice));
            match key.0 {
                InputKind::Scan => self.of_scans(key.1, old, new, &content),
                InputKind::Label => self.of_labels(key.1, old, new, &before, &now),
                InputKind::Listed => self.of_listed(key.1, old, new),
                InputKind::Preparation => {}
            }
        }
    }

    fn of_scans(
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
        let already = self.count();
        self.compare_labels(name, old.label, new.label);
        if (&old.patient, &old.exam) != (&new.patient, &new.exam) {
            let identity = |row: &InputRow| format!("{} / {}", row.patient, row.exam);
            self.add(Change::Identity, from_to(name, &identity(old), &identity(new)));
        }
        if old.slices != new.slices {
            self.add(Change::ScanReplaced, name.to_owned());
        }
        if old.chosen && new.chosen && old.split != new.split {
            self.add(Change::Part, from_to(name, &part_name(old.split), &part_name(new.split)));
        }
        // A scan without a label is not chosen: the label says it all.
        if self.count() > already {
            return;
        }
        if old.chosen != new.chosen {
            let what = if new.chosen { "is chosen now" } else { "is not chosen any more" };
            self.add(Change::Choice, format!("{name} {what}"));
        } else if new.chosen && content(name).unwrap_or_default() != old.content {
            self.add(Change::ScanReplaced, name.to_owned());
        }
    }

    fn compare_labels(&mut self, name: &str, old: Option<u8>, new: Option<u8>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                self.add(Change::Label, from_to(name, &old.to_string(), &new.to_string()));
            }
            (None, Some(new)) => self.add(Change::LabelAdded, format!("{name} ({new})")),
            (Some(old), None) => self.add(Change::LabelRemoved, format!("{name} ({old})")),
            _ => {}
        }
    }

    /// Labels without a scan. Where the scan came or went, the scan says it.
    fn of_labels(
        &mut self,
        name: &str,
        old: &[&InputRow],
        new: &[&InputRow],
        before: &ByName<'_>,
        now: &ByName<'_>,
    ) {
        let scan = (InputKind::Scan, name);
        if before.contains_key(&scan) || now.contains_key(&scan) {
            return;
        }
        let label = |rows: &[&InputRow]| rows.first().and_then(|row| row.label);
        self.compare_labels(name, label(old), label(new));
    }

    fn of_listed(&mut self, name: &str, old: &[&InputRow], new: &[&InputRow]) {
        let part = |rows: &[&InputRow]| rows.first().and_then(|row| row.split);
        if part(old) != part(new) {
            let change = from_to(name, &part_name(part(old)), &part_name(part(new)));
            self.add(Change::Listed, change);
        }
    }

    fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

fn part_name(part: Option<Part>) -> String {
    part.map_or_else(|| "none".to_owned(), |part| part.to_string())
}

pub(in super::super) fn from_to(name: &str, old: &str, new: &str) -> String {
    format!("{name} ({old}, now {new})")
}

impl std::fmt::Display for Changes {
    /// A line for each kind of change, with its count and the first names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (change, names) in &self.0 {
            let [one, several] = change.words();
            let words = if names.len() == 1 { one } else { several };
            let named: Vec<&str> = names.iter().take(MOST_NAMED).map(String::as_str).collect();
            let rest = names.len() - named.len();
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            write!(f, "\n  {} {words}: {}{rest}", names.len(), named.join(", "))?;
        }
        Ok(())
    }
}

/// A run cannot go on as if nothing happened.
#[derive(Debug, thiserror::Error)]
#[error("the inputs of {} changed since it began:{changes}\n{}", .run.display(), self.ways_on())]
pub struct ChangedInputs {
    /// The run folder.
    pub run: PathBuf,
    /// What changed.
    pub changes: Changes,
    /// Whether prepared volumes are missing, so that the run cannot continue with its original inputs.
    pub lost: bool,
}

impl ChangedInputs {
    fn ways_on(&self) -> String {
        let fresh = format!(
            "To begin a new run with the inputs as they are now: lungs run {} --fresh",
            self.run.join("spec.toml").display()
        );
        if self.lost {
            format!(
                "Prepared volumes that the run uses are gone, and cannot be made again from other \
                 inputs: put the inputs or the cache back.\n{fresh}"
            )
        } else {
            format!(
                "To continue with the original inputs: add --keep-inputs to the command.\n{fresh}"
            )
        }
    }
}
