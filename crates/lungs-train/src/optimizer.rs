//! The optimizer of a spec, gradient clipping, and the EMA of the weights.

use super::TrainingError;
use super::windowing::is_cpu;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{
    Adam, AdamConfig, AdamState, AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState,
    GradientsParams, LearningRate, ModuleOptimizer, Optimizer,
};
use burn::tensor::{Device, FloatDType, Tensor};
use lungs_net::model::{
    AdamStep, Network, SquaresInput, adam_step, blend, squares_of_parts, together,
};
use lungs_spec::spec::{Spec, Train};
use rayon::prelude::*;

/// TensorFlow's and PyTorch's usual β₁ and β₂.
const BETAS: [f32; 2] = [0.9, 0.999];
/// TensorFlow's and PyTorch's usual ε.
const EPSILON: f32 = 1e-8;

/// Adam (Kingma & Ba 2015, <https://arxiv.org/abs/1412.6980>) with the usual constants.
pub fn adam() -> ModuleOptimizer {
    DecoupledAdam::new(0.0).into()
}

/// One step of the optimizer. On GPUs, a launch updates several parameters.
pub fn step(
    optimizer: &mut ModuleOptimizer,
    rate: f64,
    network: Network,
    gradients: GradientsParams,
) -> Network {
    together(|| optimizer.step(rate, network, gradients))
}

/// Burn's Adam or AdamW, and the same in one pass on GPUs. All have the same state.
#[derive(Clone)]
struct DecoupledAdam {
    adam: Adam,
    adam_w: AdamW,
    decay: f32,
}

impl DecoupledAdam {
    fn new(decay: f32) -> Self {
        let [beta_1, beta_2] = BETAS;
        let adam = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
        let adam_w = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
        Self {
            adam: adam.with_epsilon(EPSILON).build(),
            adam_w: adam_w.with_epsilon(EPSILON).with_weight_decay(decay).build(),
            decay,
        }
    }
}

impl Optimizer for DecoupledAdam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let (time, moments) = match &state {
            Some(AdamState { momentum: old }) => {
                (old.time + 1, Some([old.moment_1.clone(), old.moment_2.clone()]))
            }
            None => (1, None),
        };
        let step = AdamStep { rate, betas: BETAS, epsilon: EPSILON, decay: self.decay, time };
        if let Some([weights, moment_1, moment_2]) =
            adam_step(weights.clone(), gradient.clone(), moments, &step)
        {
            let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
            return (weights, Some(AdamState::new(momentum)));
        }
        if self.decay == 0.0 {
            return self.adam.step(rate, weights, gradient, state);
        }
        let state = state.map(|state| AdamWState::new(state.momentum));
        let (weights, state) = self.adam_w.step(rate, weights, gradient, state);
        (weights, state.map(|state| AdamState::new(state.momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        Adam::to_device(state, device)
    }
}

/// A new optimizer: Adam, and with `weight_decay` AdamW (Loshchilov & Hutter 2019) for kernels.
/// Vectors (offsets of normalisations, the classifier's bias) do not decay.
pub(super) fn new(spec: &Spec, network: &Network) -> ModuleOptimizer {
    let optimizer = adam();
    let decay = spec.train.weight_decay;
    if decay == 0.0 {
        return optimizer;
    }
    let mut kernels = Kernels(Vec::new());
    network.visit(&mut kernels);
    optimizer.with_group(ParamGroup::from_ids(kernels.0), DecoupledAdam::new(decay as f32), None)
}

/// Collects parameters with more than one axis.
struct Kernels(Vec<ParamId>);

impl ModuleVisitor for Kernels {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if D > 1 {
            self.0.push(parameter.id);
        }
    }
}

/// Clips the global norm of a step's gradients to `train.clip_norm`, if that is set (Pascanu et al.
/// 2013). Returns the gradients and their norm before clipping.
pub(super) fn clip(
    network: &Network,
    mut gradients: GradientsParams,
    train: &Train,
    (step, epoch): (usize, usize),
) -> Result<(GradientsParams, f64), TrainingError> {
    let norm = norm(network, &mut gradients);
    if !norm.is_finite() {
        return Err(TrainingError::Gradient { norm, step, epoch });
    }
    if train.clip_norm > 0.0 && norm > train.clip_norm {
        let mut scale = Scale { gradients: &mut gradients, factor: train.clip_norm / norm };
        network.visit(&mut scale);
    }
    Ok((gradients, norm))
}

/// The global norm of the gradients, over all parameters.
///
/// On the CPU it is summed in double precision, in an order that does not depend on the number of
/// threads. On a GPU the squares of parts of each parameter are summed on the device, and these sums are
/// fetched after all launches.
fn norm(network: &Network, gradients: &mut GradientsParams) -> f64 {
    let mut squares =
        Squares { gradients, on_host: 0.0, on_gpu: SquaresInput::default(), on_device: Vec::new() };
    network.visit(&mut squares);
    let Squares { mut on_host, on_gpu, on_device, .. } = squares;
    on_host += squares_of_parts(&on_gpu).into_iter().map(f64::from).sum::<f64>();
    if !on_device.is_empty() {
        let sums = Tensor::cat(on_device, 0).into_data();
        on_host += sums.iter::<f32>().map(f64::from).sum::<f64>();
    }
    on_host.sqrt()
}

struct Squares<'a> {
    gradients: &'a mut GradientsParams,
    on_host: f64,
    /// Gradients whose squares are added by our kernels.
    on_gpu: SquaresInput,
    /// Sums of other gradients on devices.
    on_device: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        // Removed and registered again: a tensor with one owner is not copied.
        let Some(gradient) = self.gradients.remove::<D>(parameter.id) else { return };
        let (device, dtype) = (gradient.device(), gradient.dtype());
        let gradient = if is_cpu(&device) {
            let values = gradient.into_data();
            self.on_host += match values.as_slice::<f32>() {
                Ok(values) => sum_of_squares(values),
                Err(_) => values.iter::<f32>().map(|value| f64::from(value).powi(2)).sum(),
            };
            Tensor::from_data(values, (&device, dtype))
        } else if self.on_gpu.add(&gradient) {
            gradient
        } else {
            let single = gradient.clone().cast(FloatDType::F32);
            self.on_device.push((single.clone() * single).sum());
            gradient
        };
        self.gradients.register(parameter.id, gradient);
    }
}

/// Sums pieces of a fixed length, so that the number of threads does not change the sum, with eight
/// independent accumulators.
fn sum_of_squares(values: &[f32]) -> f64 {
    let of_piece = |piece: &[f32]| {
        let mut sums = [0.0; 8];
        for eight in piece.chunks(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(eight) {
                *sum += f64::from(*value).powi(2);
            }
        }
        sums.iter().sum()
    };
    let sums: Vec<f64> = values.par_chunks(1 << 14).map(of_piece).collect();
    sums.iter().sum()
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(parameter.id) {
            self.gradients.register(parameter.id, gradient * self.factor);
        }
    }
}

/// The EMA after step `step` (from 1): `ema · d + network · (1 − d)` for every parameter and every
/// running statistic, with `d = min(decay, (1 + step) / (10 + step))`, so that the initial weights
/// lose their influence early (as in TensorFlow's `ExponentialMovingAverage`).
pub(super) fn update_ema(ema: Network, network: &Network, decay: f64, step: usize) -> Network {
    let decay = decay.min((1.0 + step as f64) / (10.0 + step as f64));
    let mut values = Values(GradientsParams::new());
    network.visit(&mut values);
    together(|| ema.map(&mut Blend { values: values.0, decay }))
}

/// Collects the values of parameters, without gradients.
struct Values(GradientsParams);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val();
        let value = if value.is_autodiff() { value.inner() } else { value };
        self.0.register(parameter.id, value);
    }
}

struct Blend {
    /// Values by parameter, in a container for gradients.
    values: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.values.remove::<D>(parameter.id) else { return parameter };
        let decay = self.decay;
        parameter.map(|old| {
            blend(&old, &new, 1.0 - decay).unwrap_or_else(|| old * decay + new * (1.0 - decay))
        })
    }
}
