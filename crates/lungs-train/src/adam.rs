//! Adam in one pass over memory.
//!
//! Burn's Adam is a dozen tensor operations, each a pass over memory; for 12 million parameters that is
//! a fifth of a small training step on the CPU. This implementation computes the same bits number by
//! number. Other devices use Burn's Adam.

use super::windowing::is_cpu;
use burn::optim::{
    Adam as BurnAdam, AdamConfig, AdamState, AdaptiveMomentumState, LearningRate, Optimizer,
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

/// Adam (Kingma & Ba 2015, <https://arxiv.org/abs/1412.6980>) with TensorFlow's and PyTorch's usual
/// constants: β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
#[derive(Clone)]
pub struct Adam {
    burn: BurnAdam,
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

impl Default for Adam {
    fn default() -> Self {
        let config = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2);
        Self { burn: config.with_epsilon(EPSILON).build() }
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let device = tensor.device();
        let state = match state {
            Some(state)
                if is_cpu(&device)
                    && tensor.dtype() == DType::F32
                    && gradient.dtype() == DType::F32 =>
            {
                state.momentum
            }
            // The first step creates the moments.
            state => return self.burn.step(rate, tensor, gradient, state),
        };
        let time = state.time + 1;
        let mut data = [tensor, state.moment_1, state.moment_2].map(|tensor| tensor.into_data());
        let gradient = gradient.into_data();
        update(&mut data, &gradient, Constants::of_step(time, rate));
        let [tensor, moment_1, moment_2] = data.map(|data| Tensor::from_data(data, &device));
        (tensor, Some(AdamState::new(AdaptiveMomentumState::new(time, moment_1, moment_2))))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        BurnAdam::to_device(state, device)
    }
}

/// Constants of one step.
#[derive(Clone, Copy)]
struct Constants {
    /// Factor of the first moment: bias correction of both moments.
    scale: f32,
    /// ε with the second moment's bias correction.
    epsilon: f32,
    rate: f32,
}

impl Constants {
    /// In Burn's arithmetic, so that the bits are the same.
    fn of_step(time: usize, rate: LearningRate) -> Self {
        let time = time as i32;
        let correction = (1.0 - BETA_2.powi(time)).sqrt();
        Self {
            scale: correction / (1.0 - BETA_1.powi(time)),
            epsilon: EPSILON * correction,
            rate: rate as f32,
        }
    }
}

/// Numbers per unit of parallel work.
const PIECE: usize = 1 << 15;

/// Updates parameters and both moments.
fn update(data: &mut [TensorData; 3], gradient: &TensorData, constants: Constants) {
    let reason = "types are checked, and tensors on the CPU are writable";
    let [values, moment_1, moment_2] =
        data.each_mut().map(|data| data.as_mut_slice::<f32>().expect(reason));
    let gradient = gradient.as_slice::<f32>().expect(reason);
    values
        .par_chunks_mut(PIECE)
        .zip(moment_1.par_chunks_mut(PIECE))
        .zip(moment_2.par_chunks_mut(PIECE))
        .zip(gradient.par_chunks(PIECE))
        .for_each(|(((values, moment_1), moment_2), gradient)| {
            let piece = Piece { values, moment_1, moment_2, gradient, constants };
            pulp::Arch::new().dispatch(piece);
        });
}

struct Piece<'a> {
    values: &'a mut [f32],
    moment_1: &'a mut [f32],
    moment_2: &'a mut [f32],
    gradient: &'a [f32],
    constants: Constants,
}

impl pulp::NullaryFnOnce for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { values, moment_1, moment_2, gradient, constants } = self;
        let Constants { scale, epsilon, rate } = constants;
        let numbers = values.iter_mut().zip(moment_1).zip(moment_2).zip(gradient);
        for (((value, moment_1), moment_2), &gradient) in numbers {
            *moment_1 = *moment_1 * BETA_1 + gradient * (1.0 - BETA_1);
            *moment_2 = *moment_2 * BETA_2 + gradient * gradient * (1.0 - BETA_2);
            let step = *moment_1 * scale / (moment_2.sqrt() + epsilon);
            *value -= step * rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_base::random;
    use rand::Rng;

    #[test]
    fn steps_have_the_bits_of_burns_adam() {
        let device = Device::flex();
        let numbers = |name: &str| {
            let mut stream = random::stream(3, name);
            let values: Vec<f32> =
                (0..40_000).map(|_| stream.next_u32() as f32 / u32::MAX as f32 - 0.5).collect();
            Tensor::<2>::from_data(TensorData::new(values, [200, 200]), &device)
        };
        let bits = |tensor: &Tensor<2>| -> Vec<u32> {
            tensor.to_data().iter::<f32>().map(f32::to_bits).collect()
        };
        let ours = Adam::default();
        let (mut own, mut reference) = ((numbers("start"), None), (numbers("start"), None));
        for step in 0..12 {
            // Gradients over many orders of magnitude, with zeros.
            let gradient = numbers(&format!("gradient {step}")).powi_scalar(9);
            let rate = 5e-5 * f64::from(step % 3 + 1);
            own = ours.step(rate, own.0, gradient.clone(), own.1);
            reference = ours.burn.step(rate, reference.0, gradient, reference.1);
            let (one, other) = (own.1.as_ref().unwrap(), reference.1.as_ref().unwrap());
            assert_eq!(one.momentum.time, other.momentum.time);
            assert!(bits(&own.0) == bits(&reference.0), "parameters after step {step}");
            assert!(bits(&one.momentum.moment_1) == bits(&other.momentum.moment_1));
            assert!(bits(&one.momentum.moment_2) == bits(&other.momentum.moment_2));
        }
        assert!(bits(&own.0) != bits(&numbers("start")));
    }
}
