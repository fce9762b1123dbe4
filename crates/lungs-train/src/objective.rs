//! The training objective: the loss of an exam times the weight of its class.

use super::Exam;
use lungs_net::model::Loss;
use lungs_spec::spec::{ClassWeights, LossName, Spec};

/// A loss with class weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    loss: Loss,
    /// Weights of the classes "no cancer" and "cancer".
    weights: [f64; 2],
}

impl Objective {
    /// The spec's objective for these training exams.
    ///
    /// `"balanced"` weights an exam by `n / (2 n_class)`: each class has half of the total weight, and
    /// the mean weight of the training exams is 1. With a single class all weights are 1.
    pub(super) fn new(spec: &Spec, train: &[Exam]) -> Self {
        let loss = match spec.loss.name {
            LossName::CrossEntropy => Loss::CrossEntropy,
            LossName::Focal => Loss::Focal { alpha: spec.loss.alpha, gamma: spec.loss.gamma },
        };
        let count = |label| train.iter().filter(|exam| exam.label == label).count();
        let counts = [count(false), count(true)];
        let weights = match spec.loss.class_weights {
            ClassWeights::None => [1.0; 2],
            ClassWeights::Balanced if counts.contains(&0) => [1.0; 2],
            ClassWeights::Balanced => counts.map(|count| train.len() as f64 / (2 * count) as f64),
            ClassWeights::PerClass(weights) => weights,
        };
        Self { loss, weights }
    }

    /// Mean over the batch of each exam's loss times its weight, and the gradient of the mean with
    /// respect to the logits (`[batch, 2]`, row-major). The divisor is the number of exams, not the sum
    /// of weights, so that the batches of an optimizer step add up whatever their classes.
    pub(super) fn mean(&self, logits: &[[f64; 2]], labels: &[usize]) -> (f64, Vec<f64>) {
        let share = 1.0 / logits.len().max(1) as f64;
        let (mut mean, mut gradient) = (0.0, Vec::with_capacity(2 * logits.len()));
        for (logits, &label) in logits.iter().zip(labels) {
            let weight = self.weights[label] * share;
            mean += weight * self.loss.of_exam(logits, label);
            let slopes = self.loss.gradient_of_exam(logits, label);
            gradient.extend(slopes.into_iter().map(|slope| weight * slope));
        }
        (mean, gradient)
    }

    /// The loss of one exam times its weight, in double precision.
    pub(super) fn of_exam(&self, logits: &[f64], label: usize) -> f64 {
        self.weights[label] * self.loss.of_exam(logits, label)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{exams, spec};
    use super::*;

    const LOGITS: [[f32; 2]; 3] = [[0.3, -1.1], [2.0, 0.4], [-0.2, 0.9]];

    /// Mean and gradient by the formula: weight · (softmax − one-hot) / n.
    fn reference(weights: [f64; 2], labels: &[usize]) -> (f64, Vec<f64>) {
        let (mut mean, mut gradient) = (0.0, Vec::new());
        for (logits, label) in LOGITS.iter().zip(labels) {
            let exp: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
            let share = weights[*label] / 3.0;
            mean -= share * (exp[*label] / (exp[0] + exp[1])).ln();
            for class in 0..2 {
                let truth = f64::from(u8::from(class == *label));
                gradient.push(share * (exp[class] / (exp[0] + exp[1]) - truth));
            }
        }
        (mean, gradient)
    }

    #[test]
    fn weighted_means_and_gradients_match_the_formula() {
        let train = exams(&[0, 0, 0, 0, 0, 0, 1, 1]);
        for (set, weights) in [
            ("loss.class_weights=none", [1.0, 1.0]),
            ("loss.class_weights=balanced", [8.0 / 12.0, 8.0 / 4.0]),
            ("loss.class_weights=[0.5, 3.0]", [0.5, 3.0]),
        ] {
            let objective = Objective::new(&spec(&[set]), &train);
            for labels in [[0, 1, 1], [0, 0, 0], [1, 1, 1]] {
                let logits = LOGITS.map(|row| row.map(f64::from));
                let (mean, gradient) = objective.mean(&logits, &labels);
                let (expected, slopes) = reference(weights, &labels);
                assert!((mean - expected).abs() < 1e-12, "{set}");
                for (actual, expected) in gradient.iter().zip(&slopes) {
                    assert!((actual - expected).abs() < 1e-12, "{set}");
                }
                let sum: f64 = (0..3).map(|row| objective.of_exam(&logits[row], labels[row])).sum();
                assert!((sum / 3.0 - expected).abs() < 1e-12, "{set}");
            }
        }
    }

    #[test]
    fn balanced_weights_give_each_class_half_and_a_mean_of_one() {
        let train = exams(&[0, 0, 0, 0, 0, 0, 0, 1, 1]);
        let weights = Objective::new(&spec(&["loss.class_weights=balanced"]), &train).weights;
        assert!((7.0 * weights[0] - 2.0 * weights[1]).abs() < 1e-12);
        assert!((7.0 * weights[0] + 2.0 * weights[1] - 9.0).abs() < 1e-12);
        let single_class = Objective::new(&spec(&["loss.class_weights=balanced"]), &exams(&[0, 0]));
        assert_eq!(single_class.weights, [1.0, 1.0]);
    }
}
