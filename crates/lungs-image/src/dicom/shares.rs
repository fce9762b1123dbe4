//! Counts of slices by header value and by stack, as errors list them.

use lungs_base::text::counted;
use std::path::PathBuf;

/// A header value with the number of slices that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// Number of slices with this value.
    pub slices: usize,
    /// Their first file.
    pub first: PathBuf,
}

/// A stack of a series with its number of slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackSummary {
    /// Header values that distinguish it from the other stacks.
    pub label: String,
    /// Number of slices.
    pub slices: usize,
}

/// Most values listed by name; the others are counted.
const MAX_LISTED: usize = 4;

/// Lists values, each with its number of slices and their first file.
pub(super) fn list_values(counts: &[ValueCount]) -> String {
    let items = counts.iter().take(MAX_LISTED).map(|count| {
        let ValueCount { value, slices, first } = count;
        format!("{value:?} in {} (first: {})", counted(*slices, "slice", "slices"), first.display())
    });
    join_items(items.collect(), counts.len())
}

/// Lists stacks.
pub(super) fn list_stacks(stacks: &[StackSummary]) -> String {
    let items = stacks.iter().take(MAX_LISTED);
    join_items(
        items
            .map(|stack| {
                format!("{} with {}", counted(stack.slices, "slice", "slices"), stack.label)
            })
            .collect(),
        stacks.len(),
    )
}

fn join_items(items: Vec<String>, total: usize) -> String {
    let text = items.join(", ");
    if total > items.len() { format!("{text}, and {} more", total - items.len()) } else { text }
}
