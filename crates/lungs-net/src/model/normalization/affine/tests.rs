//! Comparison with Burn's operations in double precision.

use burn::tensor::{Device, Element, TensorData};
use proptest::prelude::*;
use rand::Rng;

use super::*;
use lungs_base::random;

/// Output, gradients of input, gamma and beta, and statistics. With f64, Burn's operations are used.
fn scaled<E: Element>(
    device: Device,
    shape: [usize; 5],
    (by_batch, rectifies): (bool, bool),
    seed: u64,
) -> [Vec<f64>; 6] {
    let device = device.autodiff();
    let numbers = |name: &str, count: usize| -> Vec<f64> {
        let mut stream = random::stream(seed, name);
        (0..count).map(|_| f64::from(stream.next_u32()) / 2e9 - 1.0).collect()
    };
    let options = (&device, E::dtype());
    let tensor = |name: &str| {
        let values = numbers(name, shape.iter().product());
        Tensor::<5>::from_data(TensorData::new(values, shape), options)
    };
    let vector = |name: &str| {
        Tensor::<1>::from_data(TensorData::new(numbers(name, shape[1]), [shape[1]]), options)
    };
    let x = tensor("input").require_grad();
    let (gamma, beta) = (vector("gamma").require_grad(), vector("beta").require_grad());
    let affine = Affine { gamma: gamma.clone(), beta: beta.clone(), rectifies };
    let given = ChannelStatistics::of(vector("mean"), vector("variance").abs() + 0.5);
    let (y, statistics) = if by_batch {
        scale_by_batch(x.clone(), affine)
    } else {
        (scale_by(x.clone(), affine, &given), given)
    };
    let gradients = (y.clone() * tensor("gradient")).sum().backward();
    let values = |data: TensorData| data.iter::<f64>().collect();
    let [mean, variance] = statistics.mean_and_variance();
    [
        values(y.into_data()),
        values(x.grad(&gradients).unwrap().into_data()),
        values(gamma.grad(&gradients).unwrap().into_data()),
        values(beta.grad(&gradients).unwrap().into_data()),
        values(mean.into_data()),
        values(variance.into_data()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_cpu_passes_equal_burns_operations(
        shape in shapes(),
        mode in any::<(bool, bool)>(),
        seed in any::<u64>(),
    ) {
        assert_equals_burn(Device::flex(), shape, mode, seed);
    }
}

#[cfg(feature = "cubecl-cpu")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_kernels_for_gpus_equal_burns_operations(
        shape in shapes(),
        mode in any::<(bool, bool)>(),
        seed in any::<u64>(),
    ) {
        assert_equals_burn(Device::cpu(), shape, mode, seed);
    }
}

/// Shapes with several elements in a channel: with one or two, all of them equal their mean up to
/// rounding.
fn shapes() -> impl Strategy<Value = [usize; 5]> {
    (1_usize..6, prop::array::uniform4(2_usize..6)).prop_map(
        |(channels, [batch, depth, height, width])| [batch, channels, depth, height, width],
    )
}

fn assert_equals_burn(device: Device, shape: [usize; 5], mode: (bool, bool), seed: u64) {
    let ours = scaled::<f32>(device, shape, mode, seed);
    let burns = scaled::<f64>(Device::flex(), shape, mode, seed);
    for (ours, burns) in ours.iter().zip(&burns) {
        let largest = burns.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        for (ours, burns) in ours.iter().zip(burns) {
            assert!((ours - burns).abs() < 2e-5 * largest, "{ours} for {burns}");
        }
    }
}
