//! How the slices of a series divide among several values: what refusals list.

use std::path::PathBuf;

/// A header value with the slices that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The value.
    pub value: String,
    /// How many slices have it.
    pub slices: usize,
    /// The first file of them.
    pub first: PathBuf,
}

/// A stack of a series with the slices that are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackShare {
    /// What tells it from the others.
    pub label: String,
    /// How many slices are of it.
    pub slices: usize,
}

/// More values than this are counted instead of named.
const MOST_NAMED: usize = 4;

/// Values in words, each with its slices and their first file.
pub(super) fn listed(shared: &[Shared]) -> String {
    let named = shared.iter().take(MOST_NAMED).map(|one| {
        let Shared { value, slices, first } = one;
        format!("{value:?} in {slices} slices (first: {})", first.display())
    });
    and_more(named.collect(), shared.len())
}

/// Stacks in words.
pub(super) fn listed_stacks(stacks: &[StackShare]) -> String {
    let named = stacks.iter().take(MOST_NAMED);
    and_more(
        named.map(|one| format!("{} slices with {}", one.slices, one.label)).collect(),
        stacks.len(),
    )
}

fn and_more(named: Vec<String>, all: usize) -> String {
    let text = named.join(", ");
    if all > named.len() { format!("{text}, and {} more", all - named.len()) } else { text }
}
