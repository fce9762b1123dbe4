//! The device of this machine, and the batch that its memory has room for.

use super::NewSpecError;
use lungs_net::device::{self, DeviceKind};
use lungs_net::usage::{self, Meter};
use lungs_spec::spec::{Spec, SpecError};
use lungs_train::{self as training, TrainingError};

/// Exams of an optimizer step, and how they are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `train.batch_size`
    pub batch_size: usize,
    /// `train.accumulate`
    pub accumulate: usize,
    /// `train.gradient_checkpointing`
    pub gradient_checkpointing: bool,
}

/// Two exams in a step, as in the published recipe, with less and less memory.
const BATCHES: [Batch; 3] = [
    Batch { batch_size: 2, accumulate: 1, gradient_checkpointing: false },
    Batch { batch_size: 2, accumulate: 1, gradient_checkpointing: true },
    Batch { batch_size: 1, accumulate: 2, gradient_checkpointing: true },
];

/// Share of the free memory that a step may take; the rest is for reading and preparing exams.
const SHARE: f64 = 0.8;

impl Default for Batch {
    fn default() -> Self {
        BATCHES[0]
    }
}

/// The device, its memory, and the memory of a training step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// The device that `"auto"` opens.
    pub device: String,
    /// Free memory of the device, if it is known.
    pub free_bytes: Option<f64>,
    /// Memory of a training step.
    pub step_bytes: f64,
    /// The batch with this step.
    pub batch: Batch,
}

impl Resources {
    /// Opens the device of `spec`, and chooses the first batch that its memory has room for, or the smallest.
    pub(super) fn measure(
        spec: &Spec,
        spec_with: impl Fn(&Batch) -> Result<Spec, SpecError>,
    ) -> Result<Self, NewSpecError> {
        let devices = device::open_all(spec.runtime.device.names())?;
        let (first, facts) = &devices[0];
        let free_bytes = if facts.kind == DeviceKind::Cuda {
            let gpu = Meter::of(&[first]).read().gpus.first().copied();
            gpu.map(|gpu| gpu.memory_total_bytes.saturating_sub(gpu.memory_bytes) as f64)
        } else {
            usage::available_memory_bytes().map(|bytes| bytes as f64)
        };
        let network = training::network(spec, first).map_err(TrainingError::from)?;
        let parameters = network.parameter_count();
        let mut steps = Vec::new();
        for batch in BATCHES {
            steps.push((batch, training::step_bytes(&spec_with(&batch)?, parameters)));
        }
        let (batch, step_bytes) = choose(&steps, free_bytes);
        Ok(Self { device: device::describe(&devices), free_bytes, step_bytes, batch })
    }
}

/// The first batch whose step has room in the memory, or the last.
fn choose(steps: &[(Batch, f64)], free_bytes: Option<f64>) -> (Batch, f64) {
    let has_room = |(_, step): &&(Batch, f64)| free_bytes.is_none_or(|free| *step <= SHARE * free);
    let last = steps.last().copied().unwrap_or_default();
    steps.iter().find(has_room).copied().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_with_room_is_chosen_and_the_smallest_without() {
        let steps: Vec<(Batch, f64)> = BATCHES.into_iter().zip([6e9, 3.5e9, 1.9e9]).collect();
        for (free, expected) in [
            (None, 0),
            (Some(80e9), 0),
            (Some(7.5e9), 0),
            (Some(7.4e9), 1),
            (Some(3e9), 2),
            (Some(1e9), 2),
        ] {
            assert_eq!(choose(&steps, free), steps[expected], "{free:?}");
        }
    }
}
