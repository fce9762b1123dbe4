//! The training objective: the loss of an exam times the weight of its class.
//!
//! For risks of several years, the loss of an exam is the sum of the binary losses of the horizons at which its
//! status is known, divided by the mean number of such horizons of the training exams. The divisor is a constant,
//! so that the batches of an optimizer step add up whatever their follow-up.

use super::exam::{Exam, Target};
use super::logits::{Logits, output_gradient};
use lungs_net::model::Loss;
use lungs_spec::spec::{ClassWeights, LossName, Outcome, Spec};

/// A loss with class weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    loss: Loss,
    outcome: Outcome,
    /// Weights of the classes "no cancer" and "cancer": one pair, or one for each horizon.
    weights: Vec<[f64; 2]>,
}

impl Objective {
    /// The spec's objective for these training exams.
    ///
    /// `"balanced"` weights an exam by `n / (2 n_class)`: each class has half of the total weight, and
    /// the mean weight of the training exams is 1. With a single class all weights are 1. With several horizons,
    /// each is balanced on its own, over the exams of known status.
    pub(super) fn new(spec: &Spec, train: &[Exam]) -> Self {
        let loss = match spec.loss.name {
            LossName::CrossEntropy => Loss::CrossEntropy,
            LossName::Focal => Loss::Focal { alpha: spec.loss.alpha, gamma: spec.loss.gamma },
        };
        let outcome = spec.outcome.clone();
        let pairs = if outcome.is_survival() { outcome.horizons().len() } else { 1 };
        let mut counts = vec![[0_usize; 2]; pairs];
        for exam in train {
            let classes = exam.target().classes(&outcome);
            for (count, class) in counts.iter_mut().zip(classes) {
                if let Some(class) = class {
                    count[usize::from(class)] += 1;
                }
            }
        }
        let divisor = match counts.iter().flatten().sum::<usize>() {
            known if known > 0 => known as f64 / train.len() as f64,
            _ => 1.0,
        };
        let weights = counts.into_iter().map(|counts| {
            let weights = match spec.loss.class_weights {
                ClassWeights::None => [1.0; 2],
                ClassWeights::Balanced if counts.contains(&0) => [1.0; 2],
                ClassWeights::Balanced => {
                    let known = counts[0] + counts[1];
                    counts.map(|count| known as f64 / (2 * count) as f64)
                }
                ClassWeights::PerClass(weights) => weights,
            };
            weights.map(|weight| weight / divisor)
        });
        Self { loss, weights: weights.collect(), outcome }
    }

    /// The logits of one exam's outputs.
    pub(super) fn logits(&self, outputs: &[f64]) -> Logits {
        Logits::of_outputs(&self.outcome, outputs)
    }

    /// Mean over the batch of each exam's loss times its weight, and the gradient of the mean with
    /// respect to the outputs (`[batch, output]`, row-major). The divisor is the number of exams, not the sum
    /// of weights, so that the batches of an optimizer step add up whatever their classes.
    pub(super) fn mean(&self, outputs: &[Vec<f64>], targets: &[Target]) -> (f64, Vec<f64>) {
        let share = 1.0 / outputs.len().max(1) as f64;
        let (mut mean, mut gradient) = (0.0, Vec::new());
        for (outputs, &target) in outputs.iter().zip(targets) {
            let logits = self.logits(outputs);
            let mut of_logits = Vec::with_capacity(outputs.len());
            for part in self.parts(&logits, target) {
                let Some((weight, pair, class)) = part else {
                    of_logits.push(0.0);
                    continue;
                };
                let weight = weight * share;
                mean += weight * self.loss.of_exam(&pair, class);
                let slopes = self.loss.gradient_of_exam(&pair, class);
                match logits {
                    Logits::Classes(_) => {
                        of_logits.extend(slopes.iter().map(|slope| weight * slope))
                    }
                    Logits::Horizons(_) => of_logits.push(weight * slopes[1]),
                }
            }
            match logits {
                Logits::Classes(_) => gradient.extend(of_logits),
                Logits::Horizons(_) => {
                    gradient.extend(output_gradient(self.outcome.hazard, outputs, &of_logits));
                }
            }
        }
        (mean, gradient)
    }

    /// The loss of one exam times its weight, in double precision.
    pub(super) fn of_exam(&self, logits: &Logits, target: Target) -> f64 {
        let parts = self.parts(logits, target).into_iter().flatten();
        parts.map(|(weight, pair, class)| weight * self.loss.of_exam(&pair, class)).sum()
    }

    /// Weight, logits of the two classes, and class of each binary loss; `None` where the class is unknown.
    fn parts(&self, logits: &Logits, target: Target) -> Vec<Option<(f64, [f64; 2], usize)>> {
        let pairs: Vec<[f64; 2]> = match logits {
            Logits::Classes(pair) => vec![*pair],
            // The softmax of 0 and z is the logistic function of z.
            Logits::Horizons(logits) => logits.iter().map(|logit| [0.0, *logit]).collect(),
        };
        let classes = target.classes(&self.outcome);
        let each = pairs.into_iter().zip(classes).zip(&self.weights);
        each.map(|((pair, class), weights)| {
            let class = usize::from(class?);
            Some((weights[class], pair, class))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{exams, spec};
    use super::*;
    use lungs_base::follow_up::FollowUp;
    use proptest::prelude::*;

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
                let targets = labels.map(|label| Target { label: label == 1, follow_up: None });
                let outputs = logits.map(Vec::from);
                let (mean, gradient) = objective.mean(&outputs, &targets);
                let (expected, slopes) = reference(weights, &labels);
                assert!((mean - expected).abs() < 1e-12, "{set}");
                for (actual, expected) in gradient.iter().zip(&slopes) {
                    assert!((actual - expected).abs() < 1e-12, "{set}");
                }
                let of_exam =
                    |row: usize| objective.of_exam(&Logits::Classes(logits[row]), targets[row]);
                let sum: f64 = (0..3).map(of_exam).sum();
                assert!((sum / 3.0 - expected).abs() < 1e-12, "{set}");
            }
        }
    }

    #[test]
    fn balanced_weights_give_each_class_half_and_a_mean_of_one() {
        let train = exams(&[0, 0, 0, 0, 0, 0, 0, 1, 1]);
        let weights = Objective::new(&spec(&["loss.class_weights=balanced"]), &train).weights[0];
        assert!((7.0 * weights[0] - 2.0 * weights[1]).abs() < 1e-12);
        assert!((7.0 * weights[0] + 2.0 * weights[1] - 9.0).abs() < 1e-12);
        let single_class = Objective::new(&spec(&["loss.class_weights=balanced"]), &exams(&[0, 0]));
        assert_eq!(single_class.weights, [[1.0, 1.0]]);
    }

    const SURVIVAL: [&str; 2] = ["outcome.name=survival", "outcome.horizons_years=[1, 2, 3]"];

    /// Exams that end with cancer or without, at these times.
    fn followed(follow_ups: &[(f64, bool)]) -> Vec<Exam> {
        let mut all = exams(&vec![0; follow_ups.len()]);
        for (exam, &(time_years, event)) in all.iter_mut().zip(follow_ups) {
            exam.follow_up = Some(FollowUp { time_years, event });
        }
        all
    }

    #[test]
    fn unknown_years_have_no_loss_and_no_gradient() {
        // Cancer in year 2; followed for 1.5 years; followed for 9 years: 3, 1 and 3 known years.
        let train = followed(&[(1.7, true), (1.5, false), (9.0, false)]);
        let targets: Vec<Target> = train.iter().map(Exam::target).collect();
        let objective = Objective::new(&spec(&SURVIVAL), &train);
        let outputs = vec![vec![-1.0, 0.4, -0.3, 0.8]; 3];
        let Logits::Horizons(z) = objective.logits(&outputs[0]) else { panic!("horizons") };
        let (ln_risk, ln_free) =
            (|z: f64| -(1.0 + (-z).exp()).ln(), |z: f64| -(1.0 + z.exp()).ln());
        let expected = [
            -(ln_free(z[0]) + ln_risk(z[1]) + ln_risk(z[2])),
            -ln_free(z[0]),
            -(ln_free(z[0]) + ln_free(z[1]) + ln_free(z[2])),
        ]
        .map(|sum| sum / (7.0 / 3.0));
        for (target, expected) in targets.iter().zip(expected) {
            let loss = objective.of_exam(&objective.logits(&outputs[0]), *target);
            assert!((loss - expected).abs() < 1e-12, "{target:?}");
        }
        let (mean, gradient) = objective.mean(&outputs, &targets);
        assert!((mean - expected.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        // The hazards of the second and third year do not affect what is known of the second exam.
        assert_eq!(gradient[6..8], [0.0, 0.0]);
        assert!(gradient[5] != 0.0);
        let unknown = Target { label: false, follow_up: None };
        assert_eq!(objective.mean(&outputs[..1], &[unknown]), (0.0, vec![0.0; 4]));
    }

    #[test]
    fn every_horizon_is_balanced_on_its_own() {
        let train = followed(&[(0.5, true), (1.5, true), (1.5, false), (9.0, false), (9.0, false)]);
        let set = [SURVIVAL[0], SURVIVAL[1], "loss.class_weights=balanced"];
        let objective = Objective::new(&spec(&set), &train);
        // Known: 5, 4, 4 exams, of which 1, 2, 2 with cancer.
        let divisor = 13.0 / 5.0;
        let expected = [[5.0 / 8.0, 5.0 / 2.0], [1.0, 1.0], [1.0, 1.0]];
        for (weights, expected) in objective.weights.iter().zip(expected) {
            for (weight, expected) in weights.iter().zip(expected) {
                assert!((weight * divisor - expected).abs() < 1e-12, "{weights:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn survival_gradients_are_finite_differences(
            outputs in proptest::collection::vec(proptest::collection::vec(-2.0_f64..2.0, 4), 4),
            focal: bool,
        ) {
            let train = followed(&[(0.4, true), (2.5, true), (1.5, false), (3.0, false)]);
            let loss = if focal { "loss.name=focal" } else { "loss.name=cross-entropy" };
            let objective = Objective::new(&spec(&[SURVIVAL[0], SURVIVAL[1], loss]), &train);
            let targets: Vec<Target> = train.iter().map(Exam::target).collect();
            let (_, gradient) = objective.mean(&outputs, &targets);
            prop_assert_eq!(gradient.len(), 16);
            for index in 0..16 {
                let (mut above, mut below) = (outputs.clone(), outputs.clone());
                above[index / 4][index % 4] += 1e-5;
                below[index / 4][index % 4] -= 1e-5;
                let rise = objective.mean(&above, &targets).0 - objective.mean(&below, &targets).0;
                prop_assert!((gradient[index] - rise / 2e-5).abs() < 1e-8);
            }
        }
    }
}
