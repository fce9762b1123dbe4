//! Loss functions.
//!
//! With logits `l` and the label `y` of an exam:
//!
//! - cross-entropy: `−ln softmax(l)[y]`;
//! - focal loss (Lin et al. 2017, <https://arxiv.org/abs/1708.02002>) on the log-odds
//!   `z = l₁ − l₀`: `−α_t·(1 − p_t)^γ·ln p_t`, where `p_t` is the probability given to the true
//!   class, and `α_t` is `α` for positives and `1 − α` for negatives.
//!
//! Both are computed from logarithms of probabilities, so that values and gradients are finite at
//! log-odds of ±100 and beyond.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Tensor, TensorData};

/// A loss over exams. Labels are class indices, 1 for cancer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Cross-entropy over any number of classes.
    CrossEntropy,
    /// Focal loss over two classes.
    Focal {
        /// Weight of the positive class, 0 to 1.
        alpha: f64,
        /// Focusing exponent, at least 0: how much well-classified exams are down-weighted.
        gamma: f64,
    },
}

impl Loss {
    /// Mean over the batch, `[1]`, for `logits` of `[batch, class]`.
    ///
    /// # Panics
    /// If the number of labels differs from the number of rows, if a label is not a class, or if focal
    /// loss is used with other than two classes.
    pub fn mean(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
        let [batch, classes] = logits.dims();
        check(labels, batch, classes);
        let device = logits.device();
        match *self {
            Self::CrossEntropy => {
                let mut one_hot = vec![0.0; batch * classes];
                for (row, &label) in labels.iter().enumerate() {
                    one_hot[row * classes + label] = 1.0;
                }
                let one_hot = on_device(one_hot, [batch, classes], &logits, &device);
                let log_likelihood = (log_softmax(logits, 1) * one_hot).sum_dim(1);
                log_likelihood.mean().neg()
            }
            Self::Focal { alpha, gamma } => {
                assert_eq!(classes, 2, "focal loss is for two classes");
                let choose = |positive: f64, negative: f64| {
                    let values =
                        labels.iter().map(|&y| if y == 1 { positive } else { negative }).collect();
                    on_device(values, [batch, 1], &logits, &device)
                };
                // The log-odds of the true class.
                let log_odds = (logits.clone().narrow(1, 1, 1) - logits.clone().narrow(1, 0, 1))
                    * choose(1.0, -1.0);
                // (1 − p)^γ = exp(γ·ln(1 − p)), and 1 − p is the sigmoid of −log_odds.
                let discount = (log_sigmoid(log_odds.clone().neg()) * gamma).exp();
                let weight = choose(alpha, 1.0 - alpha);
                (weight * discount * log_sigmoid(log_odds)).mean().neg()
            }
        }
    }

    /// The loss of one exam in double precision, for evaluation.
    ///
    /// # Panics
    /// If the label is not a class, or if focal loss is used with other than two classes.
    pub fn of_exam(&self, logits: &[f64], label: usize) -> f64 {
        check(&[label], 1, logits.len());
        match *self {
            Self::CrossEntropy => {
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
                sum.ln() - (logits[label] - largest)
            }
            Self::Focal { alpha, gamma } => {
                assert_eq!(logits.len(), 2, "focal loss is for two classes");
                let log_odds = logits[label] - logits[1 - label];
                let weight = if label == 1 { alpha } else { 1.0 - alpha };
                -weight * (gamma * ln_sigmoid(-log_odds)).exp() * ln_sigmoid(log_odds)
            }
        }
    }
}

/// `ln(1 / (1 + e^−x))`, without overflow for large |x|.
fn ln_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

fn check(labels: &[usize], batch: usize, classes: usize) {
    assert_eq!(labels.len(), batch, "one label per exam");
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        panic!("label {label} is not one of {classes} classes");
    }
}

fn on_device<const D: usize>(
    values: Vec<f64>,
    shape: [usize; D],
    like: &Tensor<2>,
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, like.dtype()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values_and_gradients(loss: Loss, logits: &[[f32; 2]], labels: &[usize]) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let flat: Vec<f32> = logits.iter().flatten().copied().collect();
        let data = TensorData::new(flat, [logits.len(), 2]);
        let logits = Tensor::<2>::from_data(data, &device).require_grad();
        let mean = loss.mean(logits.clone(), labels);
        let gradients = mean.clone().backward();
        let gradient = logits.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        (mean.into_scalar::<f32>(), gradient)
    }

    #[test]
    fn extreme_logits_give_finite_losses_and_gradients() {
        for loss in [Loss::CrossEntropy, Loss::Focal { alpha: 0.75, gamma: 2.0 }] {
            for z in [-1000.0, -100.0, -17.0, 0.0, 17.0, 100.0, 1000.0] {
                for label in [0, 1] {
                    let (value, gradient) = values_and_gradients(loss, &[[0.0, z]], &[label]);
                    let exact = loss.of_exam(&[0.0, f64::from(z)], label);
                    assert!((f64::from(value) - exact).abs() <= 1e-6 * exact.max(1.0));
                    assert!(gradient.iter().all(|g| g.is_finite()), "{loss:?} {z} {gradient:?}");
                    // The gradient is full for a wrong prediction, and nearly 0 for a right one.
                    let wrong = (z > 0.0) != (label == 1);
                    if z.abs() >= 100.0 {
                        let weight = match loss {
                            Loss::CrossEntropy => 1.0,
                            Loss::Focal { .. } => [0.25, 0.75][label],
                        };
                        let expected = if wrong { weight } else { 0.0 };
                        assert!((gradient[1].abs() - expected).abs() < 1e-5, "{gradient:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        for loss in [Loss::CrossEntropy, Loss::Focal { alpha: 0.25, gamma: 1.5 }] {
            for z in [-3.0, -0.4, 0.0, 0.7, 5.0] {
                for label in [0, 1] {
                    let (_, gradient) = values_and_gradients(loss, &[[0.0, z]], &[label]);
                    let at = |z: f64| loss.of_exam(&[0.0, z], label);
                    let slope = (at(f64::from(z) + 1e-5) - at(f64::from(z) - 1e-5)) / 2e-5;
                    assert!((f64::from(gradient[1]) - slope).abs() < 1e-5, "{loss:?} {z} {label}");
                    assert!((gradient[0] + gradient[1]).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn focal_loss_without_discount_is_weighted_cross_entropy() {
        let focal = Loss::Focal { alpha: 0.75, gamma: 0.0 };
        for (logits, label) in [([0.3, -1.2], 0), ([0.3, -1.2], 1), ([5.0, 9.0], 1)] {
            let weight = [0.25, 0.75][label];
            let expected = weight * Loss::CrossEntropy.of_exam(&logits, label);
            assert!((focal.of_exam(&logits, label) - expected).abs() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "label 2 is not one of 2 classes")]
    fn a_label_must_be_a_class() {
        Loss::CrossEntropy.of_exam(&[0.0, 1.0], 2);
    }
}
