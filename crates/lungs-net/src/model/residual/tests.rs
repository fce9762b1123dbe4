//! Tests of residual networks at a small size.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;

use crate::model::{
    Architecture, BatchStatistics, Explained, Network, NetworkConfig, Pool, TrainingStep,
    inspected_layers, layer_cells, parameter_id,
};
use lungs_base::random;

fn config(architecture: Architecture, pool: Pool) -> NetworkConfig {
    NetworkConfig {
        architecture,
        pool,
        outputs: 3,
        in_channels: 1,
        width_multiplier: 0.1,
        keep_prob: 0.7,
    }
}

fn volumes(shape: [usize; 5], device: &Device) -> Tensor<5> {
    let mut stream = random::stream(37, "volumes");
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| (f64::from(stream.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The gradient of each trainable array, by name.
fn gradients(network: &Network, gradients: &GradientsParams) -> Vec<(String, Option<Vec<f64>>)> {
    let variables = network.variables().into_iter();
    variables
        .filter(|variable| !variable.name.contains("/moving_"))
        .map(|variable| {
            let id = parameter_id(&variable.name);
            let data = match variable.shape.len() {
                1 => gradients.get::<1>(id).map(Tensor::into_data),
                2 => gradients.get::<2>(id).map(Tensor::into_data),
                3 => gradients.get::<3>(id).map(Tensor::into_data),
                _ => gradients.get::<5>(id).map(Tensor::into_data),
            };
            (variable.name, data.map(|data| data.iter::<f64>().collect()))
        })
        .collect()
}

/// A linear function of the outputs.
fn loss(outputs: Tensor<2>) -> Tensor<1> {
    let [batch, count] = outputs.dims();
    let slopes: Vec<f64> = (0..batch * count).map(|i| (i as f64 + 1.0).sin()).collect();
    let options = (&outputs.device(), outputs.dtype());
    (outputs * Tensor::from_data(TensorData::new(slopes, [batch, count]), options)).sum()
}

/// Outputs, statistics and gradients of a usual step.
fn step(network: &Network, input: Tensor<5>) -> TrainingStep {
    let (outputs, statistics) = network.forward_train(input, 7);
    let loss = loss(outputs.clone());
    let gradients = GradientsParams::from_grads(loss.backward(), network);
    TrainingStep { logits: outputs.inner(), loss: loss.inner(), statistics, gradients }
}

#[test]
fn the_described_shapes_are_those_of_the_network() {
    for architecture in [Architecture::R3d18, Architecture::I3Resnet152] {
        for pool in [Pool::Average, Pool::Sybil] {
            let config = config(architecture, pool);
            let network = config.init(1, &Device::flex()).unwrap();
            let shapes: Vec<(String, Vec<usize>)> =
                network.variables().into_iter().map(|v| (v.name, v.shape)).collect();
            assert_eq!(config.variable_shapes(), shapes);
            assert_eq!(config.parameter_count(), network.parameter_count());
            let layers = architecture.layer_names(pool);
            let layer = |(name, _): &(String, Vec<usize>)| {
                layers.iter().any(|layer| name.starts_with(&format!("{layer}/")))
            };
            assert!(config.variable_shapes().iter().all(layer));
            let units = network.unit_count();
            assert_eq!(layers.len(), units + if pool == Pool::Sybil { 5 } else { 0 } + 1);
            assert_eq!(network.architecture(), architecture);
        }
    }
}

#[test]
fn gradient_checkpointing_gives_the_same_bits() {
    let device = Device::flex().autodiff();
    for architecture in [Architecture::R3d18, Architecture::I3Resnet152] {
        let network = config(architecture, Pool::Sybil).init(37, &device).unwrap();
        let frozen = ["stem", "layer1/0"].map(str::to_owned);
        for (network, without) in [(network.clone(), 0), (network.with_frozen(&frozen), 1)] {
            let input = volumes([2, 1, 16, 40, 36], &device);
            let usual = step(&network, input.clone());
            let checkpointed = network.step_with_gradient_checkpointing(input, 7, loss);
            assert_eq!(numbers(usual.logits), numbers(checkpointed.logits));
            let all = |statistics: &BatchStatistics| -> Vec<Vec<f64>> {
                statistics.0.iter().map(|both| numbers(both.0.clone())).collect()
            };
            assert_eq!(all(&usual.statistics), all(&checkpointed.statistics));
            let usual = gradients(&network, &usual.gradients);
            assert!(usual == gradients(&network, &checkpointed.gradients));
            let frozen = usual.iter().filter(|(_, gradient)| gradient.is_none()).count();
            assert_eq!(frozen > 0, without > 0, "{frozen}");
        }
    }
}

#[test]
fn a_step_has_the_same_bytes_for_any_number_of_threads() {
    let step_on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::flex().autodiff();
            let config =
                NetworkConfig { width_multiplier: 0.5, ..config(Architecture::R3d18, Pool::Sybil) };
            let network = config.init(37, &device).unwrap();
            let step = step(&network, volumes([2, 1, 12, 48, 48], &device));
            let gradients = gradients(&network, &step.gradients);
            (gradients, network.update_running_statistics(&step.statistics, 0.1).variables())
        })
    };
    let one = step_on(1);
    assert!(one == step_on(2) && one == step_on(3));
}

/// Converts a network to double precision, which uses Burn's own operations.
struct DoublePrecision;

impl ModuleMapper for DoublePrecision {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = Tensor::from_inner(parameter.val().inner().cast(DType::F64));
        Param::initialized(parameter.id, value).set_require_grad(parameter.is_require_grad())
    }
}

#[test]
fn every_gradient_equals_that_of_burns_operations_in_double_precision() {
    assert_gradients(Device::flex());
}

#[cfg(feature = "cubecl-cpu")]
#[test]
fn every_gradient_of_the_gpu_code_equals_that_of_burns_operations() {
    assert_gradients(Device::cpu());
}

fn assert_gradients(device: Device) {
    let shape = [2, 1, 16, 64, 64];
    let network_on = |device: &Device| {
        config(Architecture::R3d18, Pool::Sybil).init(37, &device.clone().autodiff()).unwrap()
    };
    let network = network_on(&device);
    let input = volumes(shape, &device.autodiff());
    let ours = gradients(&network, &step(&network, input).gradients);
    let double = network_on(&Device::flex()).map(&mut DoublePrecision);
    let input = volumes(shape, &Device::flex().autodiff());
    let exact = gradients(&double, &step(&double, input.cast(DType::F64)).gradients);
    // 20 units, nine arrays of the pool, and the classifier.
    assert_eq!(ours.len(), 3 * 20 + 9 + 2);
    for ((name, ours), (_, exact)) in ours.into_iter().zip(exact) {
        let (ours, exact) = (ours.unwrap(), exact.unwrap());
        let norm = exact.iter().map(|value| value * value).sum::<f64>().sqrt();
        let distance = ours.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        // The bias of an attention changes nothing: its gradient is 0 up to rounding.
        let is_bias_of_attention = name.ends_with("_attention/b");
        let limit = if is_bias_of_attention { 1e-5 } else { 1e-2 * norm };
        // Rounding can switch a ReLU or a maximum, which changes a gradient by more than rounding.
        assert!(distance < limit, "{name}: {distance} of {norm}");
    }
}

#[test]
fn the_cells_of_layers_are_those_of_the_network() {
    for architecture in [Architecture::R3d18, Architecture::I3Resnet152] {
        let network = config(architecture, Pool::Average).init(1, &Device::flex()).unwrap();
        let lengths = [17, 33, 50];
        let input = Tensor::zeros([1, 1, 17, 33, 50], &Device::flex());
        let mut names = vec![];
        let _ = network.forward_probed(input, |name, output| {
            let Some(cells) = layer_cells(architecture, name, lengths) else { return };
            let [_, _, a, b, c] = output.dims();
            assert_eq!(cells.map(|cells| cells.count), [a, b, c], "{name}");
            names.push(name.to_owned());
        });
        assert_eq!(names, inspected_layers(architecture));
    }
    // layer4 of r3d-18: eight slices, and 16 × 16 positions in a slice, from the first voxel on.
    let [depth, height, _] = layer_cells(Architecture::R3d18, "layer4", [16, 64, 64]).unwrap();
    assert_eq!((depth.count, depth.first, depth.step), (2, 0.0, 8.0));
    assert_eq!((height.count, height.first, height.step), (4, 0.0, 16.0));
}

#[test]
fn an_inspected_layer_has_its_output_and_the_gradient_of_the_log_odds() {
    let device = Device::flex().autodiff();
    let network = config(Architecture::I3Resnet152, Pool::Sybil).init(3, &device).unwrap();
    let network = network.for_inspection();
    let input = volumes([1, 1, 16, 40, 36], &Device::flex());
    let mut probed = vec![];
    let plain = network.valid().forward_probed(input.clone(), |name, output| {
        probed.push((name.to_owned(), numbers(output.clone())));
    });
    let plain = numbers(plain);
    for layer in inspected_layers(Architecture::I3Resnet152) {
        let inspection = network.inspect(&layer, input.clone(), Explained::ReluHazards).unwrap();
        assert_eq!(numbers(inspection.logits), plain, "{layer}");
        let (_, expected) = probed.iter().find(|(name, _)| *name == layer).unwrap();
        assert_eq!(&numbers(inspection.activations), expected, "{layer}");
        assert!(numbers(inspection.gradients).iter().any(|gradient| *gradient != 0.0));
    }
    assert!(network.inspect("Logits", input, Explained::Classes).is_none());
}
