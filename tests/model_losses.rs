//! The losses against reference values of TensorFlow 1.14 (cross-entropy) and NumPy (focal loss).

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use lungs_net::model::Loss;
use ndarray::{Array1, Array2};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/losses")
}

fn reference(folder: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("loss_reference.json")).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn labels(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

/// The mean of a loss over a batch of two logits each, and its gradient.
fn mean_and_gradient(loss: Loss, logits: &[[f32; 2]], labels: &[usize]) -> (f64, Vec<f64>) {
    let device = Device::flex().autodiff();
    let flat: Vec<f32> = logits.iter().flatten().copied().collect();
    let data = TensorData::new(flat, [logits.len(), 2]);
    let logits = Tensor::<2>::from_data(data, &device).require_grad();
    let mean = loss.mean(logits.clone(), labels);
    let gradients = mean.clone().backward();
    let gradient = logits.grad(&gradients).unwrap().into_data().iter::<f64>().collect();
    (f64::from(mean.into_scalar::<f32>()), gradient)
}

#[test]
fn cross_entropy_equals_tensorflows() {
    let folder = folder();
    let reference = reference(&folder);
    let logits: Array2<f32> = ndarray_npy::read_npy(folder.join("logits.npy")).unwrap();
    let logits: Vec<[f32; 2]> = logits.rows().into_iter().map(|row| [row[0], row[1]]).collect();
    let labels: Array1<i64> = ndarray_npy::read_npy(folder.join("labels.npy")).unwrap();
    let labels: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
    let (mean, gradient) = mean_and_gradient(Loss::CrossEntropy, &logits, &labels);
    assert!((mean - 5.515_289_783).abs() < 1e-6, "{mean}");
    let expected = reference["cross_entropy_grad"].as_array().unwrap().iter().flat_map(floats);
    for (actual, expected) in gradient.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-7, "{actual}, expected {expected}");
    }
    let each = floats(&reference["cross_entropy_each"]);
    for ((logits, &label), expected) in logits.iter().zip(&labels).zip(each) {
        let actual = Loss::CrossEntropy.of_exam(&logits.map(f64::from), label);
        assert!(
            (actual - expected).abs() < 1e-6 * expected.max(1.0),
            "{actual}, expected {expected}"
        );
    }
}

#[test]
fn focal_loss_equals_that_of_lin_et_al() {
    let folder = folder();
    let reference = reference(&folder);
    let z: Array1<f32> = ndarray_npy::read_npy(folder.join("focal_logits.npy")).unwrap();
    let labels = labels(&reference["focal_labels"]);
    // The loss depends only on the difference of the logits.
    let logits: Vec<[f32; 2]> = z.iter().map(|&z| [1.5, 1.5 + z]).collect();
    for (alpha, mean, key) in [
        (0.75, 0.304_372_847, "focal_Lin2017_alpha0.75_gamma2"),
        (0.25, 0.441_918_376, "focal_Lin2017_alpha0.25_gamma2"),
    ] {
        let loss = Loss::Focal { alpha, gamma: 2.0 };
        let (actual, _) = mean_and_gradient(loss, &logits, &labels);
        assert!((actual - mean).abs() < 1e-6, "{actual}, expected {mean}");
        let each = floats(&reference[key]["each"]);
        for ((&z, &label), expected) in z.iter().zip(&labels).zip(each) {
            let actual = loss.of_exam(&[0.0, f64::from(z)], label);
            assert!((actual - expected).abs() < 1e-9, "{actual}, expected {expected}");
        }
    }
}
