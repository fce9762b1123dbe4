//! Comparison of residual networks with PyTorch and torchvision in double precision, with weights and
//! inputs that are a formula of their names. `docs/pytorch/resnet.py` made `tests/data/resnet`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Value;

use crate::model::{Architecture, Network, NetworkConfig, Pool, Variable, parameter_id};

/// `count` numbers between −1 and 1: the FNV-1a hash of the name is the start of a sequence, of which
/// SplitMix64 mixes every element.
fn pattern(name: &str, count: usize) -> Vec<f64> {
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1..=count as u64)
        .map(|index| {
            let x = start.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let x = x ^ (x >> 31);
            (x >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect()
}

/// The numbers of an array of the network.
fn array(name: &str, shape: &[usize]) -> Vec<f32> {
    let numbers = pattern(name, shape.iter().product()).into_iter();
    let fan_in: usize = shape[1..].iter().product();
    let is_unit = name.contains("/conv_3d/") && !name.starts_with("Logits");
    let bound = ((if is_unit { 6.0 } else { 3.0 }) / fan_in as f64).sqrt();
    let change = |v: f64| match name.rsplit('/').next() {
        Some("w") => v * bound,
        Some("gamma") => 0.5 + 0.25 * v,
        Some("moving_variance") => 1.0 + 0.5 * v,
        _ => 0.1 * v,
    };
    numbers.map(|v| change(v) as f32).collect()
}

/// A reference, and the network and input that it is for.
struct Reference {
    expected: Value,
    network: Network,
    input: Tensor<5>,
}

impl Reference {
    fn new(file: &str, device: &Device) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/resnet");
        let text = std::fs::read(folder.join(file)).unwrap();
        let expected: Value = serde_json::from_slice(&text).unwrap();
        let name = expected["name"].as_str().unwrap();
        let architecture = Architecture::ALL.into_iter().find(|a| a.name() == name).unwrap();
        let config = NetworkConfig {
            architecture,
            pool: if expected["pool"] == "sybil" { Pool::Sybil } else { Pool::Average },
            outputs: expected["outputs"].as_u64().unwrap() as usize,
            in_channels: 3,
            width_multiplier: 1.0,
            keep_prob: 1.0,
        };
        let variables = config.variable_shapes().into_iter().map(|(name, shape)| {
            let values = array(&name, &shape);
            Variable { name, shape, values }
        });
        let network = config.init(0, device).unwrap();
        let network = network.with_variables(variables.collect()).unwrap();
        let shape = lengths(&expected["input"]);
        let shape: [usize; 5] = shape.try_into().unwrap();
        let values: Vec<f32> =
            pattern("input", shape.iter().product()).into_iter().map(|v| v as f32).collect();
        let input = Tensor::from_data(TensorData::new(values, shape), device);
        Self { expected, network, input }
    }
}

fn lengths(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The largest difference from a summary of an array, relative to the array's largest value, of its
/// elements and of its norm.
fn difference(values: &[f64], expected: &Value) -> f64 {
    let largest = expected["largest"].as_f64().unwrap();
    let norm = expected["norm"].as_f64().unwrap();
    let actual_norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let elements = lengths(&expected["at"]).into_iter().zip(expected["value"].as_array().unwrap());
    elements
        .map(|(at, value)| (values[at] - value.as_f64().unwrap()).abs() / largest)
        .fold((actual_norm / norm - 1.0).abs(), f64::max)
}

/// Differences of all parts of an evaluation, in their order.
fn evaluate(network: &Network, input: Tensor<5>, expected: &Value) -> Vec<(String, f64)> {
    let parts = expected["parts"].as_object().unwrap();
    let mut differences = vec![];
    let outputs = network.forward_probed(input, |name, output| {
        let part = &parts[name];
        // Parts of the pool have fewer axes there.
        let shape: Vec<usize> = output.dims().into_iter().collect();
        let rank = part["shape"].as_array().unwrap().len();
        assert!(shape[rank..].iter().all(|length| *length == 1), "{name}: {shape:?}");
        let shape_there = lengths(&part["shape"]);
        let elements: usize = shape_there.iter().product();
        assert_eq!(shape.iter().product::<usize>(), elements, "{name}: {shape:?}");
        differences.push((name.to_owned(), difference(&numbers(output.clone()), part)));
    });
    differences.push(("outputs".to_owned(), difference(&numbers(outputs), &parts["outputs"])));
    assert_eq!(differences.len(), parts.len());
    differences
}

/// Converts a network to double precision, which uses Burn's own operations.
struct DoublePrecision;

impl ModuleMapper for DoublePrecision {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|value| value.cast(DType::F64))
    }
}

fn assert_evaluation(file: &str) {
    let Reference { expected, network, input } = assert_single_precision(file, &Device::flex());
    let network = network.map(&mut DoublePrecision);
    for (name, difference) in evaluate(&network, input.cast(DType::F64), &expected) {
        assert!(difference < 1e-12, "{name} in double precision: {difference:.1e}");
    }
}

fn assert_single_precision(file: &str, device: &Device) -> Reference {
    let reference = Reference::new(file, device);
    let Reference { expected, network, input } = &reference;
    for (name, difference) in evaluate(network, input.clone(), expected) {
        eprintln!("{file} {name}: {difference:.1e} of the largest value");
        assert!(difference < 1e-5, "{name}: {difference:.1e}");
    }
    reference
}

#[cfg(feature = "cubecl-cpu")]
#[test]
fn r3d_18_with_the_gpu_code_equals_torchvision() {
    assert_single_precision("r3d18_sybil.json", &Device::cpu());
}

#[test]
fn r3d_18_with_the_pool_of_sybil_equals_torchvision() {
    assert_evaluation("r3d18_sybil.json");
}

#[test]
fn r3d_18_with_the_mean_equals_torchvision_for_odd_sizes() {
    assert_evaluation("r3d18_average.json");
}

#[test]
fn i3resnet_152_equals_inflated_torchvision() {
    assert_evaluation("i3resnet152_average.json");
}

#[test]
fn a_training_step_of_r3d_18_equals_torchvisions() {
    let device = Device::flex().autodiff();
    let Reference { expected, network, input } = Reference::new("r3d18_step.json", &device);
    let (outputs, _) = network.forward_train(input, 0);
    let shape = outputs.dims();
    let slopes = pattern("slopes", shape[0] * shape[1]);
    let slopes = Tensor::<2>::from_data(TensorData::new(slopes, shape), (&device, DType::F32));
    let loss = (outputs.clone() * slopes).sum();
    let error = difference(&numbers(outputs), &expected["result"]);
    assert!(error < 1e-4, "outputs: {error:.1e}");
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let expected: BTreeMap<&String, &Value> =
        expected["gradients"].as_object().unwrap().iter().collect();
    let mut errors = vec![];
    for Variable { name, shape, .. } in network.variables() {
        if name.contains("/moving_") {
            continue;
        }
        let id = parameter_id(&name);
        let data = match shape.len() {
            1 => gradients.get::<1>(id).map(Tensor::into_data),
            2 => gradients.get::<2>(id).map(Tensor::into_data),
            3 => gradients.get::<3>(id).map(Tensor::into_data),
            _ => gradients.get::<5>(id).map(Tensor::into_data),
        };
        let values: Vec<f64> = data.unwrap().iter::<f64>().collect();
        if name.ends_with("_attention/b") {
            // It changes nothing: the gradient is 0 up to rounding.
            assert!(values.iter().all(|value| value.abs() < 1e-5), "{name}: {values:?}");
            continue;
        }
        let error = difference(&values, expected[&name]);
        // Rounding can switch a ReLU or a maximum, which changes a gradient by more than rounding.
        assert!(error < 2e-2, "{name}: {error:.1e}");
        errors.push(error);
    }
    assert_eq!(errors.len() + 3, expected.len());
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    eprintln!(
        "differences of gradients: median {median:.1e}, largest {:.1e}",
        errors[errors.len() - 1]
    );
    assert!(median < 1e-3, "{median:.1e}");
}
