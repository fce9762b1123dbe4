//! Complete networks from other programs: their outputs here, compared with PyTorch's in double
//! precision (see tests/vectors/pytorch/make_networks.py).

use burn::tensor::{Device, Tensor, TensorData};
use lungs_net::model::{Network, Variable};
use lungs_net::weights::{Head, Layout, LoadedNetwork, Target, export, load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pytorch").join(name)
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vector(name)).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn network(loaded: &LoadedNetwork) -> Network {
    let network = loaded.config.init(1, &Device::flex()).unwrap();
    if loaded.has_head() {
        return network.with_variables(loaded.variables.clone()).unwrap();
    }
    let mut variables = loaded.variables.clone();
    variables.extend(network.variables().into_iter().filter(lungs_net::model::is_head));
    network.with_variables(variables).unwrap()
}

/// `[1, 3, depth, side, side]`; all slices are equal if `flat`.
fn input(depth: usize, side: usize, flat: bool) -> Tensor<5> {
    let mut values = Vec::with_capacity(3 * depth * side * side);
    for c in 0..3_u64 {
        for z in 0..depth as u64 {
            for y in 0..side as u64 {
                for x in 0..side as u64 {
                    let of_depth = if flat { 0 } else { z * 15_485_863 };
                    let sum = c * 7919 + of_depth + y * 104_729 + x * 1_299_709;
                    values.push(((sum % 1000) as f64 / 500.0 - 1.0) as f32);
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, depth, side, side]), &Device::flex())
}

fn assert_close(actual: f64, expected: f64, scale: f64, name: &str) {
    assert!((actual - expected).abs() < 1e-4 * scale, "{name}: {actual}, expected {expected}");
}

/// The features of the last block in the middle of a volume of equal slices, `[feature][position]`.
fn middle_features(network: &Network) -> Vec<Vec<f64>> {
    // The receptive field spans about 100 slices: the middle ones see no border.
    let mut features = vec![];
    network.forward_probed(input(120, 223, true), |name, output| {
        if name != "Mixed_5c" {
            return;
        }
        let [_, channels, depth, height, width] = output.dims();
        let values: Vec<f64> = output.to_data().iter::<f64>().collect();
        let plane = height * width;
        for channel in 0..channels {
            let start = (channel * depth + depth / 2) * plane;
            features.push(values[start..start + plane].to_vec());
        }
    });
    features
}

#[test]
fn an_inflated_network_has_the_flat_networks_features_on_equal_slices() {
    let loaded = load(&vector("googlenet.pth"), None, Head::New).unwrap();
    assert_eq!(loaded.layout, Layout::GoogLeNet.into());
    assert_eq!((loaded.config.in_channels, loaded.config.width_multiplier), (3, 0.0625));
    assert!(loaded.unused_entries.iter().any(|entry| entry.description.contains("auxiliary")));
    let features = middle_features(&network(&loaded));
    let expected = &expected("googlenet.json")["inception5b"];
    let flat: Vec<f64> = features.concat();
    assert_eq!(floats(&expected["shape"]), [1.0, features.len() as f64, 7.0, 7.0]);
    let largest = expected["max"].as_f64().unwrap();
    for (index, value) in floats(&expected["flat_index"]).iter().zip(floats(&expected["value"])) {
        assert_close(flat[*index as usize], value, largest, "feature");
    }
}

#[test]
fn an_inflated_network_has_the_flat_networks_logits_on_equal_slices() {
    let loaded = load(&vector("googlenet.pth"), None, Head::Load).unwrap();
    assert_eq!(loaded.config.outputs, 10);
    let features = middle_features(&network(&loaded));
    let [kernel, bias] = lungs_net::model::head_names()
        .map(|name| loaded.variables.iter().find(|v| v.name == name).unwrap().values.clone());
    let means: Vec<f64> =
        features.iter().map(|plane| plane.iter().sum::<f64>() / plane.len() as f64).collect();
    let logits = floats(&expected("googlenet.json")["logits"]);
    let largest = logits.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
    for (class, expected) in logits.into_iter().enumerate() {
        let row = &kernel[class * means.len()..][..means.len()];
        let sum: f64 = row.iter().zip(&means).map(|(w, mean)| f64::from(*w) * mean).sum();
        assert_close(sum + f64::from(bias[class]), expected, largest, "logit");
    }
}

/// `[out, in, height, width]` as TF-slim's `[height, width, in, out]`.
fn outputs_last(array: &Variable) -> Variable {
    let [outputs, inputs, height, width] = array.shape[..] else { return array.clone() };
    let taps = height * width;
    let mut values = vec![0.0; array.values.len()];
    for (index, value) in array.values.iter().enumerate() {
        let (output, input, tap) = (index / (inputs * taps), index / taps % inputs, index % taps);
        values[(tap * inputs + input) * outputs + output] = *value;
    }
    Variable { name: array.name.clone(), shape: vec![height, width, inputs, outputs], values }
}

#[test]
fn tf_slims_names_and_shapes_give_the_same_network() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("slim.safetensors");
    let flat = lungs_net::weights::pytorch::read(&vector("googlenet.pth")).unwrap().arrays;
    let blocks = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"];
    let slims = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"];
    let mut units: Vec<(String, String)> =
        [("conv1", "Conv2d_1a_7x7"), ("conv2", "Conv2d_2b_1x1"), ("conv3", "Conv2d_2c_3x3")]
            .map(|(torch, slim)| (torch.to_owned(), slim.to_owned()))
            .to_vec();
    for (torch, slim) in blocks.into_iter().zip(slims) {
        let second = if slim == "5b" { "Conv2d_0a_3x3" } else { "Conv2d_0b_3x3" };
        for (branch, name) in [
            ("branch1", "Branch_0/Conv2d_0a_1x1"),
            ("branch2.0", "Branch_1/Conv2d_0a_1x1"),
            ("branch2.1", "Branch_1/Conv2d_0b_3x3"),
            ("branch3.0", "Branch_2/Conv2d_0a_1x1"),
            ("branch3.1", &format!("Branch_2/{second}")),
            ("branch4.1", "Branch_3/Conv2d_0b_1x1"),
        ] {
            units.push((format!("inception{torch}.{branch}"), format!("Mixed_{slim}/{name}")));
        }
    }
    let mut arrays = vec![];
    for (torch, slim) in units {
        for (of_torch, of_slim) in [
            ("conv.weight", "weights"),
            ("bn.weight", "BatchNorm/gamma"),
            ("bn.bias", "BatchNorm/beta"),
            ("bn.running_mean", "BatchNorm/moving_mean"),
            ("bn.running_var", "BatchNorm/moving_variance"),
        ] {
            let array = flat.iter().find(|a| a.name == format!("{torch}.{of_torch}")).unwrap();
            let name = format!("InceptionV1/{slim}/{of_slim}");
            arrays.push(Variable { name, ..outputs_last(array) });
        }
    }
    lungs_net::model::save_variables(&arrays, &file, &BTreeMap::new()).unwrap();
    let slim = load(&file, None, Head::New).unwrap();
    assert_eq!((slim.layout, slim.prefix.as_str()), (Layout::SlimInception.into(), "InceptionV1/"));
    let torch = load(&vector("googlenet.pth"), None, Head::New).unwrap();
    assert_eq!(slim.variables, torch.variables);
    // TF-slim itself saves no gamma.
    arrays.retain(|array| !array.name.ends_with("gamma"));
    lungs_net::model::save_variables(&arrays, &file, &BTreeMap::new()).unwrap();
    assert_eq!(load(&file, None, Head::New).unwrap().variables.len(), 228);
}

#[test]
fn a_pytorch_i3d_has_pytorchs_logits() {
    let loaded = load(&vector("i3d-public.pt"), None, Head::Load).unwrap();
    assert_eq!(loaded.layout, Layout::PyTorchI3d.into());
    assert_eq!((loaded.config.in_channels, loaded.config.outputs), (3, 7));
    let actual = network(&loaded).forward(input(16, 224, false));
    let logits = floats(&expected("i3d-public.json")["logits"]);
    let largest = logits.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
    for (actual, expected) in actual.into_data().iter::<f64>().zip(logits) {
        assert_close(actual, expected, largest, "logit");
    }
}

#[test]
fn folded_scales_are_the_same_function_in_training_too() {
    let mut loaded = load(&vector("i3d-public.pt"), None, Head::Load).unwrap();
    loaded.config.keep_prob = 1.0;
    let x = input(16, 224, false);
    let pair = Tensor::cat(vec![x.clone(), x.flip([4])], 0);
    let (actual, _) = network(&loaded).forward_train(pair, 0);
    let logits = floats(&expected("i3d-public.json")["logits_by_batch_statistics"]);
    let largest = logits.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
    assert_eq!(logits.len(), 14);
    for (actual, expected) in actual.into_data().iter::<f64>().zip(logits) {
        assert_close(actual, expected, 10.0 * largest, "logit");
    }
}

/// Variables by name, to compare them in any order.
fn by_name(variables: &[Variable]) -> BTreeMap<&str, &Variable> {
    variables.iter().map(|variable| (&*variable.name, variable)).collect()
}

#[test]
fn an_export_for_pytorch_has_pytorchs_names_and_loads_unchanged() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("out.safetensors");
    let loaded = load(&vector("i3d-public.pt"), None, Head::Load).unwrap();
    export(&loaded, Target::PyTorchSafetensors, &file).unwrap();
    let original = lungs_net::weights::pytorch::read(&vector("i3d-public.pt")).unwrap();
    let exported = lungs_net::weights::safetensors::read(&file).unwrap();
    let names = |archive: &lungs_net::weights::Archive| -> Vec<(String, Vec<usize>)> {
        archive.arrays.iter().map(|a| (a.name.clone(), a.shape.clone())).collect()
    };
    assert_eq!(names(&exported), names(&original));
    let back = load(&file, None, Head::Load).unwrap();
    assert_eq!(back.layout, Layout::PyTorchI3d.into());
    assert_eq!(by_name(&back.variables), by_name(&loaded.variables));
}

#[test]
fn an_export_for_burn_loads_in_burn() {
    use burn::store::{BurnpackStore, ModuleSnapshot};
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("out.bpk");
    let loaded = load(&vector("i3d-public.pt"), None, Head::Load).unwrap();
    export(&loaded, Target::Burn, &file).unwrap();
    let mut network = loaded.config.init(5, &Device::flex()).unwrap();
    network.load_from(&mut BurnpackStore::from_file(&file)).unwrap();
    assert_eq!(by_name(&network.variables()), by_name(&loaded.variables));
}

#[test]
fn missing_and_wrong_arrays_are_listed_with_the_expected_shape() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("odd.safetensors");
    let mut arrays = lungs_net::weights::pytorch::read(&vector("i3d-public.pt")).unwrap().arrays;
    arrays.retain(|array| array.name != "Mixed_3b.b1b.bn.bias");
    for array in &mut arrays {
        if array.name == "Mixed_4b.b0.bn.running_mean" {
            array.shape.push(2);
            array.values.extend(array.values.clone());
        }
        if array.name == "Mixed_5c.b0.conv3d.weight" {
            array.values[7] = f32::NAN;
        }
    }
    arrays.push(Variable { name: "extra".into(), shape: vec![1], values: vec![0.0] });
    lungs_net::model::save_variables(&arrays, &file, &BTreeMap::new()).unwrap();
    let error = load(&file, None, Head::Load).unwrap_err().to_string();
    for part in [
        "3 arrays are missing or wrong",
        "Mixed_3b.b1b.bn.bias: missing; expected shape [8]",
        "Mixed_4b.b0.bn.running_mean: expected shape [12], found [12, 2]",
        "Mixed_5c.b0.conv3d.weight: found NaN at index 7",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}
