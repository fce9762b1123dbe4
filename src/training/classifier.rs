//! What one step computes: the network's answer to a batch, its loss, and the gradients.

use super::batches::HostBatch;
use super::objective::Objective;
use super::windowing::window_of;
use crate::model::{BatchMoments, I3d};
use crate::spec::Spec;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

/// A batch on the device.
#[derive(Debug)]
pub struct Batch {
    /// Windowed voxels, `[batch, channel, depth, height, width]`.
    pub voxels: Tensor<5>,
    /// 0 or 1 for each exam.
    pub labels: Vec<usize>,
    /// What is minimised.
    pub objective: Objective,
    /// Share of the optimizer step's exams that are in this batch: gradients of the batches of
    /// one step add up to the gradient of the mean over all its exams.
    pub share: f64,
    /// Seed of the dropout masks.
    pub dropout_seed: u64,
}

/// What a batch gave, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Mean loss over the batch.
    pub loss: f64,
    /// Two logits for each exam.
    pub logits: Vec<[f64; 2]>,
}

/// What a training step gave besides gradients.
#[derive(Debug)]
pub struct Trained {
    /// Loss and logits.
    pub scores: Scores,
    /// The batch's moments, for the network to absorb after the optimizer's step.
    pub moments: BatchMoments,
}

impl ItemLazy for Scores {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl ItemLazy for Trained {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Batch {
    /// Moves a batch to the device.
    pub(super) fn new(
        host: HostBatch,
        labels: Vec<usize>,
        objective: Objective,
        spec: &Spec,
        device: &Device,
    ) -> Self {
        let voxels = host.voxels.on_device(host.shape, window_of(spec), device);
        Self { voxels, labels, objective, share: 1.0, dropout_seed: 0 }
    }
}

impl TrainStep for I3d {
    type Input = Batch;
    type Output = Trained;

    fn step(&self, batch: Batch) -> TrainOutput<Trained> {
        let (logits, moments) = self.forward_train(batch.voxels, batch.dropout_seed);
        let loss = batch.objective.mean(logits.clone(), &batch.labels);
        let gradients = (loss.clone() * batch.share).backward();
        let loss = f64::from(loss.into_scalar::<f32>());
        let scores = Scores { loss, logits: to_host(logits) };
        TrainOutput::new(self, gradients, Trained { scores, moments })
    }
}

impl InferenceStep for I3d {
    type Input = Batch;
    type Output = Scores;

    fn step(&self, batch: Batch) -> Scores {
        let logits = to_host(self.forward(batch.voxels));
        let losses = logits.iter().zip(&batch.labels);
        let sum: f64 = losses.map(|(logits, label)| batch.objective.of_exam(logits, *label)).sum();
        Scores { loss: sum / logits.len().max(1) as f64, logits }
    }
}

/// `[batch, 2]` logits as numbers.
fn to_host(logits: Tensor<2>) -> Vec<[f64; 2]> {
    let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
    values.chunks_exact(2).map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect()
}
