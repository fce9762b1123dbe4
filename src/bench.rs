//! Training steps of the network on random volumes, to measure a device: the hidden command
//! `lungs bench`.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use lungs_base::random;
use lungs_net::model::{
    self, Architecture, Loss, ModelError, Network, NetworkConfig, Pool, Precision, Variable,
    with_gradient,
};
use lungs_net::usage;
use lungs_train::{DeviceFailure, catch_panic};
use rand::Rng;
use serde::Serialize;
use std::time::Instant;

/// What a pass computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchPass {
    /// The logits, without gradients.
    Forward,
    /// A training step.
    Step,
    /// A training step with gradient checkpointing.
    StepCheckpointed,
}

/// The network and its input.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Architecture of the network.
    pub architecture: Architecture,
    /// Pool of the network.
    pub pool: Pool,
    /// Depth, height, width.
    pub size: [usize; 3],
    /// Volumes of a batch.
    pub batch: usize,
    /// Input channels.
    pub channels: usize,
    /// Width multiplier of the network.
    pub width: f64,
    /// Number type of the convolutions' factors.
    pub precision: Precision,
    /// What to compute.
    pub pass: BenchPass,
    /// Number of passes.
    pub steps: usize,
    /// Seed of weights and volumes.
    pub seed: u64,
}

/// One pass.
#[derive(Clone, Debug, Serialize)]
pub struct BenchStep {
    /// Number of the pass, from 0.
    pub step: usize,
    /// Seconds of the pass.
    pub seconds: f64,
    /// Seconds until the logits were on the host.
    pub forward_seconds: f64,
    /// Mean cross-entropy of the batch.
    pub loss: f64,
    /// Peak resident memory of this process so far, in bytes.
    pub process_peak_bytes: Option<u64>,
    /// Memory that the pools of a GPU hold, in bytes.
    pub device_bytes: Option<u64>,
}

/// Why a measurement ended.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An invalid configuration of the network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device has too little memory.
    #[error("out of memory: {0}; try a smaller --batch or --size, or --pass step-checkpointed")]
    OutOfMemory(String),
    /// Another failure of the device.
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<DeviceFailure> for BenchError {
    fn from(failure: DeviceFailure) -> Self {
        match failure {
            DeviceFailure::OutOfMemory(message) => Self::OutOfMemory(message),
            DeviceFailure::Other(message) => Self::Device(message),
        }
    }
}

/// Runs the passes, and hands each to `observe`. Returns the arrays of the first pass: `logits`, `loss`,
/// and the gradient of each parameter as `gradient/NAME`.
///
/// # Errors
/// [`BenchError`].
pub fn bench(
    options: &BenchOptions,
    device: &Device,
    observe: impl FnMut(&BenchStep),
) -> Result<Vec<Variable>, BenchError> {
    let device = device.clone().autodiff();
    let config = NetworkConfig {
        architecture: options.architecture,
        pool: options.pool,
        in_channels: options.channels,
        width_multiplier: options.width,
        ..NetworkConfig::default()
    };
    let network = config.init(options.seed, &device)?.with_precision(options.precision);
    Ok(catch_panic(|| passes(options, &config, network, &device, observe))?)
}

fn passes(
    options: &BenchOptions,
    config: &NetworkConfig,
    mut network: Network,
    device: &Device,
    mut observe: impl FnMut(&BenchStep),
) -> Result<Vec<Variable>, DeviceFailure> {
    let volumes = volumes(options, device);
    let labels: Vec<usize> = (0..options.batch).map(|exam| exam % 2).collect();
    let mut adam = lungs_train::adam();
    let mut first = vec![];
    for step in 0..options.steps {
        let start = Instant::now();
        let mut forward_seconds = 0.0;
        let mut loss_value = 0.0;
        let mut loss = |logits: Tensor<2>| {
            let shape = logits.dims();
            let values: Vec<f64> = logits.to_data().iter::<f64>().collect();
            forward_seconds = start.elapsed().as_secs_f64();
            let (mean, gradient) = mean_with_gradient(&values, &labels);
            loss_value = mean;
            if step == 0 {
                let values = values.iter().map(|value| *value as f32).collect();
                first.push(Variable { name: "logits".into(), shape: shape.to_vec(), values });
                let values = vec![mean as f32];
                first.push(Variable { name: "loss".into(), shape: vec![1], values });
            }
            with_gradient(logits, mean, gradient)
        };
        let dropout_seed = step as u64;
        let step_of = match options.pass {
            BenchPass::Forward => {
                loss(network.valid().forward(volumes.clone().inner()));
                None
            }
            BenchPass::Step => {
                let (logits, statistics) = network.forward_train(volumes.clone(), dropout_seed);
                let gradients = loss(logits).backward();
                Some((GradientsParams::from_grads(gradients, &network), statistics))
            }
            BenchPass::StepCheckpointed => {
                let step =
                    network.step_with_gradient_checkpointing(volumes.clone(), dropout_seed, loss);
                Some((step.gradients, step.statistics))
            }
        };
        if let Some((gradients, statistics)) = step_of {
            if step == 0 {
                first.extend(by_name(config, &gradients));
            }
            network = lungs_train::optimizer_step(&mut adam, 5e-5, network, gradients);
            network = network.update_running_statistics(&statistics, 0.001);
            device.sync().map_err(DeviceFailure::from)?;
        }
        observe(&BenchStep {
            step,
            seconds: start.elapsed().as_secs_f64(),
            forward_seconds,
            loss: loss_value,
            process_peak_bytes: usage::peak_memory_bytes(),
            device_bytes: device.memory_pool_usage().map(|usage| usage.bytes_reserved),
        });
    }
    Ok(first)
}

/// Random volumes between -1 and 1.
fn volumes(options: &BenchOptions, device: &Device) -> Tensor<5> {
    let [depth, height, width] = options.size;
    let shape = [options.batch, options.channels, depth, height, width];
    let mut stream = random::stream(options.seed, "bench");
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Mean cross-entropy and its gradient, for two logits of each exam.
fn mean_with_gradient(logits: &[f64], labels: &[usize]) -> (f64, Vec<f64>) {
    let share = 1.0 / labels.len() as f64;
    let mut mean = 0.0;
    let mut gradient = vec![];
    for (logits, &label) in logits.chunks_exact(2).zip(labels) {
        mean += share * Loss::CrossEntropy.of_exam(logits, label);
        let slopes = Loss::CrossEntropy.gradient_of_exam(logits, label);
        gradient.extend(slopes.into_iter().map(|slope| share * slope));
    }
    (mean, gradient)
}

/// The gradient of each parameter, with the parameter's name.
fn by_name(config: &NetworkConfig, gradients: &GradientsParams) -> Vec<Variable> {
    config
        .variable_shapes()
        .into_iter()
        .filter_map(|(name, shape)| {
            let id = model::parameter_id(&name);
            let data = match shape.len() {
                1 => gradients.get::<1>(id).map(Tensor::into_data),
                2 => gradients.get::<2>(id).map(Tensor::into_data),
                3 => gradients.get::<3>(id).map(Tensor::into_data),
                _ => gradients.get::<5>(id).map(Tensor::into_data),
            };
            let values = data?.iter::<f32>().collect();
            Some(Variable { name: format!("gradient/{name}"), shape, values })
        })
        .collect()
}
