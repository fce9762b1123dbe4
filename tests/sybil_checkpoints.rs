//! Checkpoints with the names and the file format of Sybil, against PyTorch (`docs/pytorch/sybil_checkpoint.py`).

use burn::tensor::{Device, Tensor, TensorData};
use lungs_net::model::{Architecture, Pool};
use lungs_net::weights::{self, Head, LoadedNetwork, ResidualLayout};
use lungs_stats::SybilCalibrators;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Expected {
    input: [usize; 5],
    /// Cumulative logits of each network.
    logits: Vec<Vec<f64>>,
    mean_risks: Vec<f64>,
    calibrated_risks: Vec<f64>,
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", "sybil", name].iter().collect()
}

fn expected() -> Expected {
    serde_json::from_str(&std::fs::read_to_string(file("expected.json")).unwrap()).unwrap()
}

fn load(name: &str, head: Head) -> LoadedNetwork {
    weights::load(&file(name), None, head).unwrap()
}

/// The input of the script: a formula of the index.
fn volume(shape: [usize; 5]) -> Tensor<5> {
    let value =
        |index: u64| (index * 2_654_435_761 % (1 << 32)) as f64 / f64::from(1_u32 << 31) - 1.0;
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count as u64).map(|index| value(index) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// The base, and the sum of positive hazards until each year.
fn cumulative_logits(outputs: &[f32]) -> Vec<f64> {
    let mut logit = f64::from(outputs[0]);
    let add = |hazard: &f32| {
        logit += f64::from(hazard.max(0.0));
        logit
    };
    outputs[1..].iter().map(add).collect()
}

#[test]
fn networks_have_the_logits_of_pytorch() {
    let expected = expected();
    for (name, logits) in ["1.ckpt", "2.ckpt"].into_iter().zip(&expected.logits) {
        let loaded = load(name, Head::Load);
        assert_eq!(loaded.layout, ResidualLayout::Sybil.into());
        assert_eq!(loaded.prefix, "state_dict.model.");
        let config = loaded.config;
        assert_eq!((config.architecture, config.pool), (Architecture::R3d18, Pool::Sybil));
        assert_eq!((config.outputs, config.in_channels), (7, 3));
        let unused: Vec<&str> = loaded.unused_entries.iter().map(|it| &*it.name).collect();
        assert!(unused.contains(&"state_dict.model.pool.multi_img_hidden_fc.weight"), "{unused:?}");
        let network = config.init(0, &Device::flex()).unwrap();
        let network = network.with_variables(loaded.variables).unwrap();
        let outputs = network.forward(volume(expected.input)).into_data();
        let actual = cumulative_logits(&outputs.try_into_vec::<f32>().unwrap());
        for (actual, expected) in actual.iter().zip(logits) {
            assert!((actual - expected).abs() < 1e-5, "{name}: {actual}, expected {expected}");
        }
    }
}

/// All channels of Sybil's input are equal: one channel has the same output.
#[test]
fn one_channel_replaces_three_equal_ones() {
    let [batch, _, depth, height, width] = expected().input;
    let one = volume([batch, 1, depth, height, width]);
    let outputs = |loaded: LoadedNetwork, input: Tensor<5>| -> Vec<f32> {
        let network = loaded.config.init(0, &Device::flex()).unwrap();
        let network = network.with_variables(loaded.variables).unwrap();
        network.forward(input).into_data().try_into_vec().unwrap()
    };
    let three = outputs(load("1.ckpt", Head::Load), one.clone().repeat(&[1, 3, 1, 1, 1]));
    let single = outputs(load("1.ckpt", Head::Load).with_channels(1), one);
    for (single, three) in single.iter().zip(&three) {
        assert!((single - three).abs() < 1e-5, "{single}, expected {three}");
    }
}

#[test]
fn the_ensemble_has_the_calibrated_risks_of_its_definition() {
    let Expected { mean_risks, calibrated_risks, .. } = expected();
    let text = std::fs::read_to_string(file("sybil_ensemble_simple_calibrator.json")).unwrap();
    let calibrators: SybilCalibrators = serde_json::from_str(&text).unwrap();
    let calibrated = calibrators.all_calibrated(&mean_risks).unwrap();
    for (actual, expected) in calibrated.iter().zip(&calibrated_risks) {
        assert!((actual - expected).abs() < 1e-12, "{calibrated:?}, expected {calibrated_risks:?}");
    }
}

#[test]
fn the_encoder_loads_without_its_classifier() {
    let loaded = load("1.ckpt", Head::New);
    assert!(!loaded.has_head());
    assert_eq!(loaded.config.pool, Pool::Sybil);
}
