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
//!
//! A loss and its gradient are computed on the host, in double precision, from the two logits of each
//! exam: the numbers are few, they are copied to the host anyway, and a GPU needs the CUDA toolkit's
//! library of device functions for an exponential or a logarithm. [`with_gradient`] hands the gradient
//! to the backward pass.

use burn::tensor::{Tensor, TensorData};

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
    /// Mean over the batch, `[1]`, with its gradient, for `logits` of `[batch, class]`.
    ///
    /// # Panics
    /// If the number of labels differs from the number of rows, if a label is not a class, or if focal
    /// loss is used with other than two classes.
    pub fn mean(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
        let [batch, classes] = logits.dims();
        check(labels, batch, classes);
        let values: Vec<f64> = logits.to_data().iter::<f64>().collect();
        let share = 1.0 / batch as f64;
        let (mut mean, mut gradient) = (0.0, Vec::with_capacity(values.len()));
        for (logits, &label) in values.chunks_exact(classes).zip(labels) {
            mean += self.of_exam(logits, label) * share;
            gradient.extend(self.gradient_of_exam(logits, label).iter().map(|slope| slope * share));
        }
        with_gradient(logits, mean, gradient)
    }

    /// The loss of one exam in double precision.
    ///
    /// # Panics
    /// If the label is not a class, or if focal loss is used with other than two classes.
    pub fn of_exam(&self, logits: &[f64], label: usize) -> f64 {
        check(&[label], 1, logits.len());
        match *self {
            Self::CrossEntropy => log_sum_exp(logits) - logits[label],
            Self::Focal { alpha, gamma } => {
                let log_odds = log_odds_of(logits, label);
                let weight = class_weight(alpha, label);
                -weight * (gamma * ln_sigmoid(-log_odds)).exp() * ln_sigmoid(log_odds)
            }
        }
    }

    /// The gradient of [`Loss::of_exam`] with respect to the logits, `[class]`.
    ///
    /// # Panics
    /// As [`Loss::of_exam`].
    pub fn gradient_of_exam(&self, logits: &[f64], label: usize) -> Vec<f64> {
        check(&[label], 1, logits.len());
        match *self {
            Self::CrossEntropy => {
                let total = log_sum_exp(logits);
                let mut gradient: Vec<f64> =
                    logits.iter().map(|logit| (logit - total).exp()).collect();
                // 1 − p of the true class, from the other classes: exact for p near 1.
                let others: f64 =
                    (0..logits.len()).filter(|&class| class != label).map(|c| gradient[c]).sum();
                gradient[label] = -others;
                gradient
            }
            Self::Focal { alpha, gamma } => {
                // With p = σ(z) and q = σ(−z): d/dz of −w·q^γ·ln p is w·q^γ·(γ·p·ln p − q).
                let log_odds = log_odds_of(logits, label);
                let (ln_p, ln_q) = (ln_sigmoid(log_odds), ln_sigmoid(-log_odds));
                let slope = class_weight(alpha, label)
                    * (gamma * ln_q).exp()
                    * (gamma * ln_p.exp() * ln_p - ln_q.exp());
                let mut gradient = vec![-slope; 2];
                gradient[label] = slope;
                gradient
            }
        }
    }
}

/// A number on the device of the `logits` (`[batch, class]`) whose value is `value` and whose gradient
/// with respect to the logits is `gradient`, in row-major order.
///
/// # Panics
/// If the numbers of logits and slopes differ.
pub fn with_gradient(logits: Tensor<2>, value: f64, gradient: Vec<f64>) -> Tensor<1> {
    let shape = logits.dims();
    assert_eq!(gradient.len(), shape[0] * shape[1], "one slope per logit");
    let options = (&logits.device(), logits.dtype());
    let gradient = Tensor::from_data(TensorData::new(gradient, shape), options);
    let linear = (logits * gradient).sum();
    // The difference is 0, with the gradient of its first term.
    linear.clone() - linear.detach() + value
}

/// `ln Σ e^l`, without overflow.
fn log_sum_exp(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
}

/// The log-odds of the class `label` of two.
fn log_odds_of(logits: &[f64], label: usize) -> f64 {
    assert_eq!(logits.len(), 2, "focal loss is for two classes");
    logits[label] - logits[1 - label]
}

fn class_weight(alpha: f64, label: usize) -> f64 {
    if label == 1 { alpha } else { 1.0 - alpha }
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

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
