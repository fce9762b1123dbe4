//! The network with its loss: what one step computes.

use super::batches::HostBatch;
use crate::model::{I3d, Loss, Mode};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

/// The network and the loss it is trained with.
#[derive(Module, Debug)]
pub struct Classifier {
    /// I3D.
    pub network: I3d,
}

/// A batch on the device.
#[derive(Debug)]
pub struct Batch {
    /// Windowed voxels, `[batch, channel, depth, height, width]`.
    pub voxels: Tensor<5>,
    /// 0 or 1 for each exam.
    pub labels: Vec<usize>,
    /// Loss of the step.
    pub loss: Loss,
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

impl ItemLazy for Scores {
    type ItemSync = Self;

    fn sync(self) -> Self {
        self
    }
}

impl Batch {
    /// Moves a batch to the device.
    pub(super) fn new(host: HostBatch, labels: Vec<usize>, loss: Loss, device: &Device) -> Self {
        let data = TensorData::new(host.voxels, host.shape);
        let voxels = Tensor::from_data(data, device);
        Self { voxels, labels, loss, share: 1.0, dropout_seed: 0 }
    }
}

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = Scores;

    fn step(&self, batch: Batch) -> TrainOutput<Scores> {
        let mode = Mode::Train { dropout_seed: batch.dropout_seed };
        let logits = self.network.forward(batch.voxels, mode);
        let loss = batch.loss.mean(logits.clone(), &batch.labels);
        let gradients = (loss.clone() * batch.share).backward();
        let gradients = GradientsParams::from_grads(gradients, self);
        let scores = Scores { loss: f64::from(loss.into_scalar::<f32>()), logits: to_host(logits) };
        TrainOutput { grads: gradients, item: scores }
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = Scores;

    fn step(&self, batch: Batch) -> Scores {
        let logits = to_host(self.network.forward(batch.voxels, Mode::Evaluate));
        let losses = logits.iter().zip(&batch.labels);
        let sum: f64 = losses.map(|(logits, label)| batch.loss.of_exam(logits, *label)).sum();
        Scores { loss: sum / logits.len().max(1) as f64, logits }
    }
}

/// `[batch, 2]` logits as numbers.
fn to_host(logits: Tensor<2>) -> Vec<[f64; 2]> {
    let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
    values.chunks_exact(2).map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect()
}
