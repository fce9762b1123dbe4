//! Data parallelism: one network on several devices, each with its own batch.
//!
//! The batches of an optimizer step are independent, so that they can be computed one after another
//! or in parallel; their gradients are added in the order of the batches either way. The number of
//! devices therefore changes only the time of a step, and on the CPU not a bit of its result. The
//! devices share the `train.accumulate` batches of a step, and each batch is normalised by its own
//! batch statistics, as usual in data-parallel training.
//!
//! Burn's own strategy (`ExecutionStrategy::ddp`) belongs to `SupervisedTraining`: it assigns each
//! device a fixed part of the data set, waits for a collective sum within the backward pass, and
//! resumes at ends of epochs only. Its sums would depend on the number of devices.

use burn::module::Module;
use burn::tensor::Device;
use lungs_net::model::Network;
use std::panic::resume_unwind;

/// Copies of a network, one per device.
pub(super) struct Replicas<'a> {
    first: &'a Network,
    others: Vec<Network>,
}

impl<'a> Replicas<'a> {
    /// Copies `network`, which is on the first device, to the others.
    pub(crate) fn new(network: &'a Network, devices: &[Device]) -> Self {
        let others = devices.iter().skip(1).map(|device| network.clone().fork(device)).collect();
        Self { first: network, others }
    }

    /// Runs `work` for each item on its own device, in parallel. There are at most as many items as
    /// devices. The results are in the order of the items.
    pub(crate) fn each<T: Send, R: Send>(
        &self,
        items: Vec<T>,
        work: impl Fn(&Network, T) -> R + Sync,
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
