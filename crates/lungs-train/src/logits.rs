//! From the network's outputs to logits: of two classes, or of the risk at each horizon.
//!
//! A network for several years has a base `b` and a hazard `h_s` for each horizon `s` as outputs. The logit of the
//! risk until horizon `t` is `z_t = b + Σ_{s ≤ t} g(h_s)`, where `g` is not negative, so that the risk never falls
//! with time (Mikhael et al., J Clin Oncol 2023).

use super::exam::Exam;
use lungs_spec::results::{PredictionRow, RiskRow};
use lungs_spec::spec::{Hazard, Outcome, OutcomeName};

/// The logits of one exam.
#[derive(Clone, Debug, PartialEq)]
pub enum Logits {
    /// Of the classes "no cancer" and "cancer".
    Classes([f64; 2]),
    /// Of the risk of cancer until each horizon, ascending.
    Horizons(Vec<f64>),
}

impl Logits {
    /// The logits of a network's outputs for one exam.
    ///
    /// # Panics
    /// If there are not [`Outcome::outputs`] outputs.
    pub fn of_outputs(outcome: &Outcome, outputs: &[f64]) -> Self {
        assert_eq!(
            outputs.len(),
            outcome.outputs(),
            "the network has one output per logit or hazard"
        );
        match outcome.name {
            OutcomeName::Binary => Self::Classes([outputs[0], outputs[1]]),
            OutcomeName::Survival => Self::Horizons(cumulative_logits(outcome.hazard, outputs)),
        }
    }

    /// Log-odds of cancer; of cancer until the first horizon.
    pub fn log_odds(&self) -> f64 {
        match self {
            Self::Classes([without, with]) => with - without,
            Self::Horizons(logits) => logits[0],
        }
    }

    /// Risk of cancer until each horizon, ascending; none for two classes.
    pub fn risks(&self) -> Vec<f64> {
        match self {
            Self::Classes(_) => Vec::new(),
            Self::Horizons(logits) => logits.iter().map(|logit| logistic(*logit)).collect(),
        }
    }

    /// The numbers in a fixed order.
    pub(super) fn values(&self) -> &[f64] {
        match self {
            Self::Classes(logits) => logits,
            Self::Horizons(logits) => logits,
        }
    }

    /// The logits with these [`Logits::values`]; `None` if the outcome has another number of logits.
    pub(super) fn from_values(outcome: &Outcome, values: Vec<f64>) -> Option<Self> {
        match outcome.name {
            OutcomeName::Binary => Some(Self::Classes(values.try_into().ok()?)),
            OutcomeName::Survival => {
                (values.len() == outcome.horizons().len()).then_some(Self::Horizons(values))
            }
        }
    }
}

/// One exam's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct ExamLogits {
    /// Index in the list of exams.
    pub exam: usize,
    /// Its logits.
    pub logits: Logits,
}

impl ExamLogits {
    /// Log-odds of cancer; of cancer until the first horizon.
    pub fn log_odds(&self) -> f64 {
        self.logits.log_odds()
    }

    /// Probability of cancer; of cancer until the first horizon.
    pub fn probability(&self) -> f64 {
        logistic(self.log_odds())
    }

    /// The row of a predictions file; `None` if the label is unknown, because the follow-up ends before the first
    /// horizon.
    pub fn row(&self, exams: &[Exam], outcome: &Outcome) -> Option<PredictionRow> {
        let exam = &exams[self.exam];
        exam.has_known_label(outcome).then(|| PredictionRow {
            exam_id: exam.exam_id.clone(),
            patient_id: exam.patient_id.clone(),
            series_uid: exam.series_uid.clone(),
            label: exam.label,
            logit: self.log_odds(),
            probability: self.probability(),
        })
    }

    /// The row of a file of risks; `None` without follow-up.
    pub fn risks(&self, exams: &[Exam]) -> Option<RiskRow> {
        let exam = &exams[self.exam];
        Some(RiskRow {
            exam_id: exam.exam_id.clone(),
            patient_id: exam.patient_id.clone(),
            series_uid: exam.series_uid.clone(),
            follow_up: exam.follow_up?,
            risks: self.logits.risks(),
        })
    }
}

/// `1 / (1 + e^−x)`.
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The logit of the risk until each horizon, of a base and a hazard for each horizon.
fn cumulative_logits(hazard: Hazard, outputs: &[f64]) -> Vec<f64> {
    let mut logit = outputs[0];
    let each = outputs[1..].iter().map(|output| {
        logit += hazard_of(hazard, *output);
        logit
    });
    each.collect()
}

/// The gradient with respect to the outputs, from that with respect to the logits of the horizons.
pub(super) fn output_gradient(hazard: Hazard, outputs: &[f64], of_logits: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; outputs.len()];
    let mut later = 0.0;
    for (index, slope) in of_logits.iter().enumerate().rev() {
        later += slope;
        gradient[index + 1] = later * hazard_slope(hazard, outputs[index + 1]);
    }
    gradient[0] = later;
    gradient
}

fn hazard_of(hazard: Hazard, x: f64) -> f64 {
    match hazard {
        // Without overflow for large x.
        Hazard::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Hazard::Relu => x.max(0.0),
    }
}

fn hazard_slope(hazard: Hazard, x: f64) -> f64 {
    match hazard {
        Hazard::Softplus => logistic(x),
        Hazard::Relu => f64::from(u8::from(x > 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn survival(hazard: Hazard) -> Outcome {
        let horizons_years = vec![1.0, 2.0, 4.0];
        Outcome { name: OutcomeName::Survival, horizons_years, hazard }
    }

    #[test]
    fn logits_are_cumulative_sums_of_hazards() {
        let logits = |hazard| Logits::of_outputs(&survival(hazard), &[-2.0, 0.5, -1.0, 3.0]);
        assert_eq!(logits(Hazard::Relu), Logits::Horizons(vec![-1.5, -1.5, 1.5]));
        let Logits::Horizons(softplus) = logits(Hazard::Softplus) else { panic!("horizons") };
        let g = |x: f64| (1.0 + x.exp()).ln();
        let expected = [-2.0 + g(0.5), -2.0 + g(0.5) + g(-1.0), -2.0 + g(0.5) + g(-1.0) + g(3.0)];
        for (actual, expected) in softplus.iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-12);
        }
        let huge = Logits::of_outputs(&survival(Hazard::Softplus), &[0.0, 1e4, -1e4, 0.0]);
        assert_eq!(huge.log_odds(), 1e4);
    }

    #[test]
    fn values_restore_logits() {
        let outcome = survival(Hazard::Relu);
        let logits = Logits::of_outputs(&outcome, &[0.1, 0.2, 0.3, 0.4]);
        assert_eq!(Logits::from_values(&outcome, logits.values().to_vec()), Some(logits));
        assert_eq!(Logits::from_values(&outcome, vec![1.0; 2]), None);
        let classes = Logits::of_outputs(&Outcome::default(), &[0.5, 2.0]);
        assert_eq!((classes.log_odds(), classes.risks().len()), (1.5, 0));
        assert_eq!(Logits::from_values(&Outcome::default(), vec![1.0; 3]), None);
    }

    proptest! {
        #[test]
        fn risks_never_fall(outputs in proptest::collection::vec(-30.0_f64..30.0, 4)) {
            for hazard in [Hazard::Softplus, Hazard::Relu] {
                let risks = Logits::of_outputs(&survival(hazard), &outputs).risks();
                prop_assert!(risks.windows(2).all(|pair| pair[0] <= pair[1]));
            }
        }

        #[test]
        fn gradients_are_finite_differences(
            outputs in proptest::collection::vec(-3.0_f64..3.0, 4),
            slopes in proptest::collection::vec(-2.0_f64..2.0, 3),
        ) {
            for hazard in [Hazard::Softplus, Hazard::Relu] {
                // The ReLU has no derivative at 0.
                prop_assume!(outputs[1..].iter().all(|output| output.abs() > 1e-3));
                let value = |outputs: &[f64]| -> f64 {
                    let logits = cumulative_logits(hazard, outputs);
                    logits.iter().zip(&slopes).map(|(logit, slope)| logit * slope).sum()
                };
                let gradient = output_gradient(hazard, &outputs, &slopes);
                for (index, slope) in gradient.iter().enumerate() {
                    let step = 1e-5;
                    let (mut above, mut below) = (outputs.clone(), outputs.clone());
                    above[index] += step;
                    below[index] -= step;
                    let numeric = (value(&above) - value(&below)) / (2.0 * step);
                    prop_assert!((slope - numeric).abs() < 1e-7, "{slope} {numeric}");
                }
            }
        }
    }
}
