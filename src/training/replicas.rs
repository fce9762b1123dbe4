//! One network on several devices, each with a batch of its own at the same time.
//!
//! The batches of one optimizer step need nothing of each other, so that they can be computed one
//! after another or side by side: their gradients are added in the order of the batches either way.
//! How many devices there are therefore changes the time a step takes and nothing else, on the CPU
//! to the bit. A step that several devices share is a step of `train.accumulate` batches, and each
//! batch is normalised by its own moments, as in every data-parallel training.
//!
//! Burn's own strategy (`ExecutionStrategy::ddp`) belongs to `SupervisedTraining`: it hands each
//! device a fixed part of the data set, waits for a collective sum within the backward pass, and
//! continues at ends of epochs only. Its sums would depend on the number of devices.

use crate::model::I3d;
use burn::module::Module;
use burn::tensor::Device;
use std::panic::resume_unwind;

/// A network on each of some devices.
pub(super) struct Replicas<'a> {
    first: &'a I3d,
    others: Vec<I3d>,
}

impl<'a> Replicas<'a> {
    /// Copies `network`, which is on the first of the devices, to the others.
    pub fn new(network: &'a I3d, devices: &[Device]) -> Self {
        let others = devices.iter().skip(1).map(|device| network.clone().fork(device)).collect();
        Self { first: network, others }
    }

    /// Does `work` with each item on a device of its own, at the same time; there are at most as many
    /// items as devices. The results are in the order of the items.
    pub fn each<T: Send, R: Send>(
        &self,
        items: Vec<T>,
        work: impl Fn(&I3d, T) -> R + Sync,
    ) -> Vec<R> {
        debug_assert!(items.len() <= self.others.len() + 1);
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return vec![] };
        let work = &work;
        std::thread::scope(|scope| {
            let others: Vec<_> = items
                .zip(&self.others)
                .map(|(item, network)| scope.spawn(move || work(network, item)))
                .collect();
            let first = work(self.first, first);
            let others = others.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => resume_unwind(panic),
            });
            std::iter::once(first).chain(others).collect()
        })
    }
}
