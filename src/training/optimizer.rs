//! What is done with the gradients of a step: the optimizer that a spec describes, clipping, and
//! the moving average of the weights.

use super::TrainingError;
use crate::model::I3d;
use crate::spec::{Spec, Train};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

/// An optimizer that has not made a step: Adam, and with `weight_decay` AdamW (Loshchilov & Hutter
/// 2019) for kernels. Vectors (offsets of normalisations, the classifier's bias) do not decay.
pub(super) fn new(spec: &Spec, network: &I3d) -> ModuleOptimizer {
    let (beta_1, beta_2, epsilon) = (0.9, 0.999, 1e-8);
    let adam = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon);
    let optimizer = adam.init();
    let decay = spec.train.weight_decay;
    if decay == 0.0 {
        return optimizer;
    }
    let adam_w = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
    let adam_w = adam_w.with_epsilon(epsilon).with_weight_decay(decay as f32);
    let mut kernels = Kernels(Vec::new());
    network.visit(&mut kernels);
    optimizer.with_group(ParamGroup::from_ids(kernels.0), adam_w.build(), None)
}

/// Collects parameters of more than one axis.
struct Kernels(Vec<ParamId>);

impl ModuleVisitor for Kernels {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if D > 1 {
            self.0.push(parameter.id);
        }
    }
}

/// Scales the gradients of a step so that their norm over all parameters is at most
/// `train.clip_norm` (Pascanu et al. 2013).
///
/// The norm is summed in double precision on the host, in the order of the network's parameters:
/// the same on any number of threads.
pub(super) fn clip(
    network: &I3d,
    mut gradients: GradientsParams,
    train: &Train,
    (step, epoch): (usize, usize),
) -> Result<GradientsParams, TrainingError> {
    if train.clip_norm == 0.0 {
        return Ok(gradients);
    }
    let mut squares = Squares { gradients: &gradients, sum: 0.0 };
    network.visit(&mut squares);
    let norm = squares.sum.sqrt();
    if !norm.is_finite() {
        return Err(TrainingError::Gradient { norm, step, epoch });
    }
    if norm > train.clip_norm {
        let mut scale = Scale { gradients: &mut gradients, by: train.clip_norm / norm };
        network.visit(&mut scale);
    }
    Ok(gradients)
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
            let values = gradient.into_data();
            self.sum += values.iter::<f32>().map(|value| f64::from(value).powi(2)).sum::<f64>();
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    by: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(parameter.id) {
            self.gradients.register(parameter.id, gradient * self.by);
        }
    }
}

/// The moving average after step `step` (from 1): `average · d + network · (1 − d)` for every
/// parameter and every moving moment, with `d = min(decay, (1 + step) / (10 + step))`, so that it
/// leaves the initial weights behind early (as TensorFlow's `ExponentialMovingAverage`).
pub(super) fn average(average: I3d, network: &I3d, decay: f64, step: usize) -> I3d {
    let decay = decay.min((1.0 + step as f64) / (10.0 + step as f64));
    let mut values = Values(GradientsParams::new());
    network.visit(&mut values);
    average.map(&mut Blend { with: values.0, decay })
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
    /// Values by parameter: the container is made for gradients, and serves for values.
    with: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.with.remove::<D>(parameter.id) else { return parameter };
        let decay = self.decay;
        parameter.map(|old| old * decay + new * (1.0 - decay))
    }
}
