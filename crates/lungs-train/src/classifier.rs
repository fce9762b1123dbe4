//! The computation of one step: logits of a batch, its loss, and the gradients.

use super::batches::HostBatch;
use super::exam::Target;
use super::footprint::DeviceFailure;
use super::logits::Logits;
use super::objective::Objective;
use super::windowing::window_of;
use burn::optim::GradientsParams;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use lungs_net::model::{BatchStatistics, Network, with_gradient};
use lungs_spec::spec::Spec;

/// A batch on the device.
#[derive(Debug)]
pub struct Batch {
    /// Windowed voxels, `[batch, channel, depth, height, width]`.
    pub voxels: Tensor<5>,
    /// The outcome of each exam.
    pub targets: Vec<Target>,
    /// The training objective.
    pub objective: Objective,
    /// This batch's share of the optimizer step's exams. It scales the loss, so that the gradients of
    /// the step's batches add up to the gradient of the mean over all its exams.
    pub share: f64,
    /// Seed of the dropout masks.
    pub dropout_seed: u64,
    /// Whether to use gradient checkpointing.
    pub gradient_checkpointing: bool,
}

/// Loss and logits of a batch, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOutput {
    /// Mean loss over the batch.
    pub loss: f64,
    /// Logits of each exam.
    pub logits: Vec<Logits>,
}

/// The result of a training step, besides the gradients.
#[derive(Debug)]
pub struct TrainStepOutput {
    /// Loss and logits, unless the device failed.
    pub output: Result<BatchOutput, DeviceFailure>,
    /// The batch statistics, for [`Network::update_running_statistics`] after the optimizer's step.
    pub statistics: BatchStatistics,
}

/// The result of an inference step, unless the device failed.
#[derive(Debug)]
pub struct InferenceOutput(pub Result<BatchOutput, DeviceFailure>);

impl ItemLazy for InferenceOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl ItemLazy for TrainStepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Batch {
    /// Copies a batch to the device.
    pub(super) fn new(
        host: HostBatch,
        targets: Vec<Target>,
        objective: Objective,
        spec: &Spec,
        device: &Device,
    ) -> Self {
        let voxels = host.voxels.on_device(host.shape, window_of(spec), device);
        let gradient_checkpointing = spec.train.gradient_checkpointing;
        Self { voxels, targets, objective, share: 1.0, dropout_seed: 0, gradient_checkpointing }
    }
}

/// A network as burn-train's traits see it: one that learns from and scores batches of exams.
#[derive(Clone, Copy, Debug)]
pub struct Classifier<'a>(pub &'a Network);

impl TrainStep for Classifier<'_> {
    type Input = Batch;
    type Output = TrainStepOutput;

    fn step(&self, batch: Batch) -> TrainOutput<TrainStepOutput> {
        let Batch { voxels, targets, objective, share, dropout_seed, gradient_checkpointing } =
            batch;
        let mut output = Err(DeviceFailure::Other("the network was not computed".to_owned()));
        let mut weighted_loss = |logits: Tensor<2>| {
            let count = logits.shape().num_elements();
            output = to_host(logits.clone()).map(|outputs| {
                let (loss, gradient) = objective.mean(&outputs, &targets);
                let logits = outputs.iter().map(|outputs| objective.logits(outputs)).collect();
                (BatchOutput { loss, logits }, gradient)
            });
            let gradient = match &output {
                Ok((_, gradient)) => gradient.iter().map(|slope| slope * share).collect(),
                // The gradients of a failed step are never used.
                Err(_) => vec![0.0; count],
            };
            with_gradient(logits, 0.0, gradient)
        };
        let (statistics, grads) = if gradient_checkpointing {
            let step = self.0.step_with_gradient_checkpointing(voxels, dropout_seed, weighted_loss);
            (step.statistics, step.gradients)
        } else {
            let (logits, statistics) = self.0.forward_train(voxels, dropout_seed);
            let gradients = weighted_loss(logits).backward();
            (statistics, GradientsParams::from_grads(gradients, self.0))
        };
        let output = output.map(|(output, _)| output);
        TrainOutput { grads, item: TrainStepOutput { output, statistics } }
    }
}

impl InferenceStep for Classifier<'_> {
    type Input = Batch;
    type Output = InferenceOutput;

    fn step(&self, batch: Batch) -> InferenceOutput {
        let outputs = match to_host(self.0.forward(batch.voxels)) {
            Ok(outputs) => outputs,
            Err(failure) => return InferenceOutput(Err(failure)),
        };
        let logits = outputs.iter().map(|outputs| batch.objective.logits(outputs));
        let logits: Vec<Logits> = logits.collect();
        let losses = logits.iter().zip(&batch.targets);
        let sum: f64 =
            losses.map(|(logits, target)| batch.objective.of_exam(logits, *target)).sum();
        InferenceOutput(Ok(BatchOutput { loss: sum / logits.len().max(1) as f64, logits }))
    }
}

/// The outputs of a network, `[batch, output]`, on the host.
fn to_host(outputs: Tensor<2>) -> Result<Vec<Vec<f64>>, DeviceFailure> {
    let [_, count] = outputs.dims();
    let values: Vec<f64> = outputs.try_into_data()?.iter::<f64>().collect();
    Ok(values.chunks_exact(count).map(<[f64]>::to_vec).collect())
}
