//! Tests of the complete network at a small size.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;

use super::*;
use lungs_base::random;

const SMALL: NetworkConfig = NetworkConfig {
    architecture: Architecture::I3d,
    pool: Pool::Average,
    outputs: 2,
    in_channels: 1,
    width_multiplier: 0.125,
    keep_prob: 0.7,
};

fn volumes(shape: [usize; 5], device: &Device) -> Tensor<5> {
    let mut stream = random::stream(37, "volumes");
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| (f64::from(stream.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn bytes<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// Converts a network to double precision, which uses Burn's own operations.
struct DoublePrecision;

impl ModuleMapper for DoublePrecision {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = Tensor::from_inner(parameter.val().inner().cast(DType::F64));
        Param::initialized(parameter.id, value).set_require_grad(parameter.is_require_grad())
    }
}

fn gradients(network: &Network, x: Tensor<5>) -> BTreeMap<String, Vec<f64>> {
    let (logits, _) = network.forward_train(x, 5);
    let loss = Loss::CrossEntropy.mean(logits, &[0, 1]);
    let gradients = GradientsParams::from_grads(loss.backward(), network);
    network
        .variables()
        .into_iter()
        .filter(|variable| !variable.name.contains("/moving_"))
        .map(|Variable { name, shape, .. }| {
            let id = parameter_id(&name);
            let data = match shape.len() {
                1 => gradients.get::<1>(id).map(Tensor::into_data),
                2 => gradients.get::<2>(id).map(Tensor::into_data),
                _ => gradients.get::<5>(id).map(Tensor::into_data),
            };
            let values = data.unwrap_or_else(|| panic!("{name} has no gradient"));
            (name, values.iter::<f64>().collect())
        })
        .collect()
}

#[test]
fn every_gradient_equals_that_of_burns_operations_in_double_precision() {
    let device = Device::flex().autodiff();
    let network = SMALL.init(37, &device).unwrap();
    let x = volumes([2, 1, 32, 64, 64], &device);
    let ours = gradients(&network, x.clone());
    let double = network.map(&mut DoublePrecision);
    let exact = gradients(&double, x.cast(DType::F64));
    assert_eq!(ours.len(), 116);
    for (name, exact) in &exact {
        let norm = exact.iter().map(|value| value * value).sum::<f64>().sqrt();
        let distance = ours[name].iter().zip(exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        // Rounding can switch a ReLU or a maximum, which changes a gradient by more than rounding.
        assert!(distance.sqrt() < 1e-2 * norm, "{name}: {} of {norm}", distance.sqrt());
    }
}

#[test]
fn a_step_has_the_same_bytes_for_any_number_of_threads() {
    let step = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::flex().autodiff();
            // Wide enough for matrix products with several threads.
            let config = NetworkConfig { width_multiplier: 0.5, ..SMALL };
            let network = config.init(37, &device).unwrap();
            let (logits, statistics) =
                network.forward_train(volumes([2, 1, 16, 48, 48], &device), 1);
            let loss = Loss::CrossEntropy.mean(logits.clone(), &[1, 0]);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            let network = AdamConfig::new().init().step(1e-3, network, gradients);
            (bytes(logits), network.update_running_statistics(&statistics, 0.001).variables())
        })
    };
    let one = step(1);
    assert!(one == step(2) && one == step(3));
}

#[test]
fn evaluation_is_deterministic_and_has_no_dropout() {
    let device = Device::flex();
    let x = volumes([2, 1, 16, 40, 48], &device);
    let network = SMALL.init(37, &device).unwrap();
    let logits = bytes(network.forward(x.clone()));
    assert_eq!(logits, bytes(network.forward(x.clone())));
    let kept = NetworkConfig { keep_prob: 1.0, ..SMALL }.init(37, &device).unwrap();
    assert_eq!(logits, bytes(kept.forward(x.clone())));
    // One exam's logits do not depend on which others are in its batch.
    assert_eq!(logits[..2], bytes(network.forward(x.clone().narrow(0, 0, 1))));
    // Training has dropout, by its seed.
    let train_logits = |seed| bytes(network.forward_train(x.clone(), seed).0);
    assert_eq!(train_logits(1), train_logits(1));
    assert_ne!(train_logits(1), train_logits(2));
}

#[test]
fn a_training_pass_does_not_change_the_running_statistics() {
    let device = Device::flex().autodiff();
    let network = SMALL.init(37, &device).unwrap();
    let before = network.variables();
    let (_, statistics) = network.forward_train(volumes([1, 1, 8, 32, 32], &device), 1);
    assert_eq!(network.variables(), before);
    let after = network.clone().update_running_statistics(&statistics, 0.001).variables();
    assert_eq!(network.variables(), before, "clones share no state");
    for (before, after) in before.iter().zip(&after) {
        // A channel whose input is all zero keeps a mean of zero, but not a variance of one.
        if before.name.ends_with("/moving_variance") {
            assert_ne!(before, after);
        } else if !before.name.ends_with("/moving_mean") {
            assert_eq!(before, after);
        }
    }
    let mean = before.iter().position(|v| v.name.ends_with("/moving_mean")).unwrap();
    assert_ne!(before[mean], after[mean]);
}

#[test]
fn a_small_network_learns_two_exams() {
    let device = Device::flex().autodiff();
    let config = NetworkConfig { keep_prob: 1.0, ..SMALL };
    let mut network = config.init(37, &device).unwrap();
    let x = volumes([2, 1, 16, 64, 64], &device);
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = vec![];
    for step in 0..8 {
        let (logits, statistics) = network.forward_train(x.clone(), step);
        let loss = Loss::Focal { alpha: 0.5, gamma: 2.0 }.mean(logits, &[0, 1]);
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = adam.step(1e-3, network, gradients);
        network = network.update_running_statistics(&statistics, 0.001);
    }
    assert!(losses[7] < 0.2 * losses[0], "{losses:?}");
}

#[test]
fn an_invalid_configuration_is_an_error() {
    let device = Device::flex();
    let invalid = [
        (NetworkConfig { outputs: 1, ..SMALL }, "classes is 1"),
        (NetworkConfig { in_channels: 2, ..SMALL }, "in_channels is 2"),
        (NetworkConfig { width_multiplier: 0.0, ..SMALL }, "width_multiplier is 0"),
        (NetworkConfig { width_multiplier: f64::NAN, ..SMALL }, "width_multiplier is NaN"),
        (NetworkConfig { keep_prob: 0.0, ..SMALL }, "keep_prob is 0"),
        (NetworkConfig { keep_prob: 1.5, ..SMALL }, "keep_prob is 1.5"),
    ];
    for (config, expected) in invalid {
        let message = config.init(1, &device).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    (folder, file)
}

#[test]
fn saved_weights_load_unchanged() {
    let (folder, file) = scratch();
    let network = SMALL.init(37, &Device::flex()).unwrap();
    let metadata: Metadata =
        [("epoch", "7"), ("spec", "5f3a9c")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    save(&network, &file, &metadata).unwrap();
    let other = SMALL.init(1, &Device::flex().autodiff()).unwrap();
    assert_ne!(other.variables(), network.variables());
    let (loaded, loaded_metadata) = load(other, &file).unwrap();
    assert_eq!(loaded.variables(), network.variables());
    assert_eq!(loaded_metadata, metadata);
    // Still trainable: 116 parameters have gradients.
    assert_eq!(
        gradients(&loaded, volumes([2, 1, 8, 32, 32], &Device::flex().autodiff())).len(),
        116
    );
    let again = folder.path().join("again.safetensors");
    save(&loaded, &again, &metadata).unwrap();
    assert!(std::fs::read(&file).unwrap() == std::fs::read(&again).unwrap());
}

#[test]
fn weights_of_another_network_are_an_error() {
    let (_folder, file) = scratch();
    let device = Device::flex();
    let network = SMALL.init(37, &device).unwrap();
    save(&network, &file, &Metadata::new()).unwrap();
    let wider = NetworkConfig { width_multiplier: 0.25, ..SMALL }.init(37, &device).unwrap();
    let message = load(wider, &file).unwrap_err().to_string();
    let line = "Conv3d_1a_7x7/conv_3d/w: expected shape [16, 1, 7, 7, 7], found [8, 1, 7, 7, 7]";
    assert!(message.contains(line), "{message}");

    let mut variables = network.variables();
    variables[0].name = "Conv3d_1a_7x7/w".to_owned();
    variables[1].values.pop();
    variables.push(variables[2].clone());
    let message = network.with_variables(variables).unwrap_err().to_string();
    for line in [
        "Conv3d_1a_7x7/conv_3d/w: missing; expected shape [8, 1, 7, 7, 7]",
        "Conv3d_1a_7x7/w: not part of the network",
        "Conv3d_1a_7x7/batch_norm/beta: shape [8] with 7 values",
        "Conv3d_1a_7x7/batch_norm/moving_mean: occurs twice",
    ] {
        assert!(message.contains(line), "{line} in {message}");
    }
}

#[test]
fn a_damaged_weights_file_is_an_error() {
    let (_folder, file) = scratch();
    let network = || SMALL.init(37, &Device::flex()).unwrap();
    let message = load(network(), &file).unwrap_err().to_string();
    assert!(message.contains("cannot read weights") && message.contains("weights.safetensors"));
    save(&network(), &file, &Metadata::new()).unwrap();
    let intact = std::fs::read(&file).unwrap();
    for damaged in [&intact[..intact.len() - 4], &intact[..100], b"not weights", b""] {
        std::fs::write(&file, damaged).unwrap();
        let message = load(network(), &file).unwrap_err().to_string();
        assert!(message.contains("is not a readable safetensors file"), "{message}");
    }
}

#[test]
fn bfloat16_convolutions_give_nearly_the_same_logits_and_gradients() {
    let device = Device::flex().autodiff();
    // Running statistics: batch statistics of few numbers in the last blocks amplify rounding.
    let network = SMALL.init(37, &device).unwrap().with_frozen_statistics();
    let mixed = network.clone().with_precision(Precision::Bf16);
    let x = volumes([2, 1, 16, 32, 32], &device);

    let logits = |network: &Network| -> Vec<f32> {
        network.valid().forward(x.clone().inner()).into_data().try_into_vec().unwrap()
    };
    let (single, half) = (logits(&network), logits(&mixed));
    assert_ne!(single, half);
    for (single, half) in single.iter().zip(&half) {
        // Eight bits of mantissa, through some twenty layers.
        assert!((single - half).abs() < 0.05 * single.abs().max(1.0), "{single} {half}");
    }

    let (single, half) = (gradients(&network, x.clone()), gradients(&mixed, x));
    let mut similarities: Vec<f64> = single
        .iter()
        .map(|(name, single)| {
            let half = &half[name];
            assert!(half.iter().all(|value| value.is_finite()), "{name}");
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            product(single, half) / (product(single, single) * product(half, half)).sqrt()
        })
        .collect();
    similarities.sort_by(f64::total_cmp);
    // Gradients of layers with one or two channels differ more.
    let at = |share: f64| similarities[(share * similarities.len() as f64) as usize];
    assert!(at(0.1) > 0.85 && at(0.5) > 0.95, "{similarities:?}");
}
