//! Updates that wait until a launch can compute several of them.

use std::cell::RefCell;

use burn_cubecl::tensor::CubeTensor;

use super::{AdamStep, GROUP, launch};

/// The kernel of an update, and its numbers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Of weights, gradient and both moments; results are the new weights and moments.
    Adam(AdamStep),
    /// Of an old and a new tensor, with the share of the new one.
    Blend(f64),
}

/// An update of one tensor. All tensors are contiguous.
pub(super) struct Update {
    pub(super) kind: Kind,
    /// The first is as long as each output.
    pub(super) inputs: Vec<CubeTensor>,
    pub(super) outputs: Vec<CubeTensor>,
    /// Numbers of a blend's new tensor that are skipped.
    pub(super) skip: usize,
}

impl Update {
    /// Whether one launch can compute both.
    fn joins(&self, other: &Self) -> bool {
        self.kind == other.kind && self.inputs[0].device == other.inputs[0].device
    }

    /// Whether it reads a result of the other.
    fn needs(&self, other: &Self) -> bool {
        let is_result = |input: &CubeTensor| {
            let memory = input.handle.memory.descriptor();
            other.outputs.iter().any(|output| output.handle.memory.descriptor() == memory)
        };
        self.inputs.iter().any(is_result)
    }
}

thread_local! {
    /// The groups that wait, while this thread is in [`together`].
    static WAITING: RefCell<Option<Vec<Vec<Update>>>> = const { RefCell::new(None) };
}

/// Ends the waiting, also when the work panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        WAITING.take();
    }
}

/// See [`super::super::together`].
pub(in super::super) fn together<R>(work: impl FnOnce() -> R) -> R {
    if WAITING.with_borrow(Option::is_some) {
        // The outer call launches all.
        return work();
    }
    WAITING.set(Some(vec![]));
    let end = End;
    let result = work();
    let groups = WAITING.take().unwrap_or_default();
    drop(end);
    groups.iter().for_each(|group| launch(group));
    result
}

/// Launches the update, or lets it wait for others in [`together`].
pub(super) fn add(update: Update) {
    let full = WAITING.with_borrow_mut(|waiting| match waiting {
        None => vec![vec![update]],
        Some(groups) => add_to(groups, update),
    });
    full.iter().for_each(|group| launch(group));
}

/// Adds an update to the group that it joins. Returns the groups that have to be launched now: a full
/// one, or all if the update needs one of them.
fn add_to(groups: &mut Vec<Vec<Update>>, update: Update) -> Vec<Vec<Update>> {
    let mut ready = vec![];
    if groups.iter().flatten().any(|other| update.needs(other)) {
        ready = std::mem::take(groups);
    }
    match groups.iter().position(|group| group.iter().any(|other| update.joins(other))) {
        Some(index) => {
            groups[index].push(update);
            if groups[index].len() == GROUP {
                ready.push(groups.swap_remove(index));
            }
        }
        None => groups.push(vec![update]),
    }
    ready
}
