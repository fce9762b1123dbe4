//! What one step computes: the network's answer to a batch, its loss, and the gradients.

use super::batches::HostBatch;
use super::footprint::DeviceFailure;
use super::objective::Objective;
use super::windowing::window_of;
use crate::model::{BatchMoments, I3d};
use crate::spec::Spec;
use burn::optim::GradientsParams;
use burn::tensor::{Device, ExecutionError, Tensor, TensorData};
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
    /// Whether intermediate results are computed again rather than kept.
    pub recompute: bool,
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
    /// Loss and logits, unless the device failed.
    pub scores: Result<Scores, DeviceFailure>,
    /// The batch's moments, for the network to absorb after the optimizer's step.
    pub moments: BatchMoments,
}

/// What scoring a batch gave, unless the device failed.
#[derive(Debug)]
pub struct Inferred(pub Result<Scores, DeviceFailure>);

impl ItemLazy for Inferred {
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
        let recompute = spec.train.recompute;
        Self { voxels, labels, objective, share: 1.0, dropout_seed: 0, recompute }
    }
}

impl TrainStep for I3d {
    type Input = Batch;
    type Output = Trained;

    fn step(&self, batch: Batch) -> TrainOutput<Trained> {
        let Batch { voxels, labels, objective, share, dropout_seed, recompute } = batch;
        let mut loss = Ok(TensorData::new(vec![f64::NAN], [1]));
        let mut share_of_loss = |logits: Tensor<2>| {
            let mean = objective.mean(logits, &labels);
            loss = mean.try_to_data();
            mean * share
        };
        let (logits, moments, grads) = if recompute {
            let step = self.step_recomputed(voxels, dropout_seed, share_of_loss);
            (step.logits, step.moments, step.gradients)
        } else {
            let (logits, moments) = self.forward_train(voxels, dropout_seed);
            let gradients = share_of_loss(logits.clone()).backward();
            (logits, moments, GradientsParams::from_grads(gradients, self))
        };
        let scores = loss.map_err(DeviceFailure::from).and_then(|loss| {
            let loss = loss.iter::<f64>().next().unwrap_or(f64::NAN);
            Ok(Scores { loss, logits: to_host(logits)? })
        });
        TrainOutput { grads, item: Trained { scores, moments } }
    }
}

impl InferenceStep for I3d {
    type Input = Batch;
    type Output = Inferred;

    fn step(&self, batch: Batch) -> Inferred {
        let logits = match to_host(self.forward(batch.voxels)) {
            Ok(logits) => logits,
            Err(failure) => return Inferred(Err(failure)),
        };
        let losses = logits.iter().zip(&batch.labels);
        let sum: f64 = losses.map(|(logits, label)| batch.objective.of_exam(logits, *label)).sum();
        Inferred(Ok(Scores { loss: sum / logits.len().max(1) as f64, logits }))
    }
}

/// `[batch, 2]` logits as numbers.
fn to_host(logits: Tensor<2>) -> Result<Vec<[f64; 2]>, DeviceFailure> {
    let values: Vec<f64> = logits.try_into_data()?.iter::<f64>().collect();
    Ok(values.as_chunks::<2>().0.to_vec())
}
