//! I3D against the original program: its own graph, run by TensorFlow 1.14 with patterned weights
//! on a real crop. See `fixtures/i3d` of the shared reference values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use lungs::model::{self, I3dConfig, Loss, Variable, sum_input_channels};
use lungs::weights::Head;
use serde_json::Value;

const PREFIX: &str = "RGB/inception_i3d/";

fn fixtures() -> Option<PathBuf> {
    let shared = std::env::var_os("LUNGS_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("fixtures/i3d");
    if !folder.exists() {
        eprintln!("skipped: no fixtures");
        return None;
    }
    Some(folder)
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

/// The reference checkpoint, unpacked.
fn checkpoint(folder: &std::path::Path) -> tempfile::TempDir {
    let archive = std::fs::File::open(folder.join("i3d_patterned_tf.tar.xz")).unwrap();
    let mut archive = tar::Archive::new(lzma_rust2::XzReader::new(archive, true));
    let unpacked = tempfile::tempdir().unwrap();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_owned();
        if entry.header().entry_type().is_file() {
            let mut file = std::fs::File::create(unpacked.path().join(name)).unwrap();
            std::io::copy(&mut entry, &mut file).unwrap();
        }
    }
    unpacked
}

/// The reference weights, under our names and in our layout.
fn weights(folder: &std::path::Path) -> Vec<Variable> {
    let unpacked = checkpoint(folder);
    let loaded = lungs::weights::load(unpacked.path(), None, Head::Keep).unwrap();
    assert_eq!(loaded.layout, lungs::weights::Layout::TensorFlowI3d);
    assert_eq!(loaded.prefix, PREFIX);
    assert_eq!(loaded.variables.len(), 230);
    assert!(loaded.left_out.is_empty());
    assert_eq!((loaded.config.in_channels, loaded.config.classes), (3, 2));
    assert_eq!(loaded.config.width_multiplier, 1.0);
    loaded.variables
}

/// Our index of what lies at TensorFlow's flat index of a variable of TensorFlow's shape.
fn our_index(flat: usize, shape: &[usize]) -> usize {
    match shape {
        [a, b, c, inputs, outputs] if shape[..4] != [1, 1, 1, 1] => {
            let taps = a * b * c;
            let (output, input) = (flat % outputs, flat / outputs % inputs);
            (output * inputs + input) * taps + flat / (inputs * outputs)
        }
        _ => flat,
    }
}

/// The windowed reference input, `[1, channels, 16, 224, 224]`.
fn input(folder: &std::path::Path, channels: usize, device: &Device) -> Tensor<5> {
    let hu: ndarray::Array3<i16> =
        ndarray_npy::read_npy(folder.join("i3d_patterned_input_hu_int16.npy")).unwrap();
    let windowed: Vec<f32> = hu
        .iter()
        .map(|&hu| ((f32::from(hu) + 1000.0) / 1400.0).clamp(0.0, 1.0) * 2.0 - 1.0)
        .collect();
    let one = Tensor::<5>::from_data(TensorData::new(windowed, [1, 1, 16, 224, 224]), device);
    one.repeat_dim(1, channels)
}

fn config(in_channels: usize) -> I3dConfig {
    I3dConfig { in_channels, keep_prob: 1.0, ..I3dConfig::default() }
}

#[test]
fn the_published_network_has_the_published_number_of_parameters() {
    let network = config(3).init(37, &Device::flex()).unwrap();
    assert_eq!(network.parameter_count(), 12_282_034);
    assert_eq!(network.variables().len(), 230);
}

#[test]
fn evaluation_gives_the_originals_logits_and_layers() {
    let Some(folder) = fixtures() else { return };
    let device = Device::flex();
    let expected = &json(folder.join("i3d_patterned_eval.json"))["eval_mode"];
    let logits = floats(&expected["logits"][0]);
    let close = |found: Tensor<2>| {
        let found: Vec<f64> = found.into_data().iter::<f64>().collect();
        for (found, expected) in found.iter().zip(&logits) {
            assert!((found - expected).abs() < 1e-3, "logits {found} for {expected}");
        }
    };
    // As the original has it, with three channels.
    let variables = weights(&folder);
    let network = config(3).init(0, &device).unwrap().with_variables(variables.clone()).unwrap();
    let mut layers = 0;
    let mut worst = 0.0_f64;
    let found = network.forward_probed(input(&folder, 3, &device), |name, output| {
        let layer = &expected[name];
        let shape = indices(&layer["shape_ndhwc"]);
        let [n, c, d, h, w] = output.dims();
        assert_eq!([n, d, h, w, c], shape[..], "{name}");
        let max = layer["max"].as_f64().unwrap();
        let values = output.to_data();
        let values = values.as_slice::<f32>().unwrap();
        for (flat, expected) in indices(&layer["flat_index"]).iter().zip(floats(&layer["value"])) {
            let (channel, position) = (flat % c, flat / c);
            let (sample, position) = (position / (d * h * w), position % (d * h * w));
            let found = f64::from(values[(sample * c + channel) * d * h * w + position]);
            let difference = (found - expected).abs() / max;
            assert!(difference < 1e-3, "{name} at {flat}: {found} for {expected}");
            worst = worst.max(difference);
        }
        layers += 1;
    });
    assert_eq!(layers, 16);
    eprintln!("worst difference of a probe: {worst:.1e} of its layer's largest value");
    close(found);
    // With one channel, and through a file.
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("three.safetensors");
    model::save(&network, &file, &model::Metadata::new()).unwrap();
    drop(network);
    let (network, _) = model::load(config(1).init(0, &device).unwrap(), &file).unwrap();
    close(network.forward(input(&folder, 1, &device)));
}

/// Whether a variable's gradient is comparable with the fixture's.
///
/// Where several elements of a max pool's window are equally large, TensorFlow's CPU kernel gives
/// each of them the whole gradient; we, like PyTorch and cuDNN, give it to one. The air around a
/// body makes such ties everywhere, so that only what no max pool lies behind can be compared.
/// (All 116 gradients are compared with Burn's own operations in the library's tests.)
fn is_after_the_last_pool(name: &str) -> bool {
    name.starts_with("Mixed_5c/") || name.starts_with("Logits/")
}

#[test]
fn a_training_step_is_the_originals() {
    let Some(folder) = fixtures() else { return };
    let device = Device::flex().autodiff();
    let expected = json(folder.join("i3d_patterned_train_step.json"));
    let network = config(3).init(0, &device).unwrap();
    let network = network.with_variables(weights(&folder)).unwrap();
    let x = input(&folder, 3, &device);
    let x = Tensor::cat(vec![x.clone(), x.flip([4])], 0);
    let (logits, moments) = network.forward_train(x, 0);
    let loss = Loss::CrossEntropy.mean(logits.clone(), &[0, 1]);

    // TensorFlow's own single-precision loss is 4.3e-4 from what double precision gives (and ours
    // 3e-5): these weights magnify rounding. The tolerances leave room for its error.
    let expected_loss = expected["loss"].as_f64().unwrap();
    let found = f64::from(loss.clone().into_scalar::<f32>());
    assert!((found / expected_loss - 1.0).abs() < 1e-3, "loss {found} for {expected_loss}");
    let expected_logits = expected["logits"].as_array().unwrap().iter().flat_map(floats);
    for (found, expected) in logits.into_data().iter::<f64>().zip(expected_logits) {
        assert!((found - expected).abs() < 1e-3, "logit {found} for {expected}");
    }

    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let expected_gradients = expected["gradients"].as_object().unwrap();
    assert_eq!(expected_gradients.len(), 116);
    let mut compared = 0;
    for (full_name, expected) in expected_gradients {
        let name = full_name.strip_prefix(PREFIX).unwrap();
        let gradient = gradient(&gradients, name);
        if !is_after_the_last_pool(name) {
            continue;
        }
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let expected_norm = expected["l2"].as_f64().unwrap();
        let difference = (norm / expected_norm - 1.0).abs();
        assert!(difference < 1e-2, "{name}: norm {norm} for {expected_norm}");
        let shape = indices(&expected["shape"]);
        let largest = gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        for (flat, value) in indices(&expected["flat_index"]).iter().zip(floats(&expected["value"]))
        {
            let found = gradient[our_index(*flat, &shape)];
            let close = (found - value).abs() < 5e-2 * largest;
            assert!(close, "{name} at {flat}: {found} for {value}, the largest being {largest}");
        }
        compared += 1;
    }
    assert_eq!(compared, 14);

    // One step of Adam. The fixture's run applied its moving averages twice, both times with the
    // moments of the weights before the step.
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let network = adam.step(1e-4, network, gradients).absorb(&moments).absorb(&moments);
    let after: BTreeMap<String, Vec<f32>> =
        network.variables().into_iter().map(|v| (v.name, v.values)).collect();
    let mut compared = 0;
    for (full_name, expected) in expected["after_step"].as_object().unwrap() {
        let name = full_name.strip_prefix(PREFIX).unwrap();
        if !(name.contains("/moving_") || is_after_the_last_pool(name)) {
            continue;
        }
        let values = &after[name];
        let shape = match expected_gradients.get(full_name) {
            Some(gradient) => indices(&gradient["shape"]),
            None => vec![values.len()],
        };
        let flat = indices(&expected["flat_index"]);
        for (flat, value) in flat.iter().zip(floats(&expected["value"])) {
            let found = f64::from(values[our_index(*flat, &shape)]);
            let close = (found - value).abs() < 1e-6;
            assert!(close, "{name} at {flat} after the step: {found} for {value}");
        }
        compared += 1;
    }
    assert_eq!(compared, 2 * 57 + 14);
}

fn gradient(gradients: &GradientsParams, name: &str) -> Vec<f64> {
    let id = model::parameter_id(name);
    let data = if name.contains("batch_norm") || name.ends_with("/b") {
        gradients.get::<1>(id).map(Tensor::into_data)
    } else if name.starts_with("Logits") {
        gradients.get::<2>(id).map(Tensor::into_data)
    } else {
        gradients.get::<5>(id).map(Tensor::into_data)
    };
    data.unwrap_or_else(|| panic!("{name} has no gradient")).iter::<f64>().collect()
}

#[test]
fn summing_input_channels_sums_them() {
    let kernel = Variable {
        name: "w".to_owned(),
        shape: vec![2, 3, 1, 1, 2],
        values: (0..12).map(|v| v as f32).collect(),
    };
    let summed = sum_input_channels(kernel);
    assert_eq!(summed.shape, [2, 1, 1, 1, 2]);
    assert_eq!(summed.values, [6.0, 9.0, 24.0, 27.0]);
}
