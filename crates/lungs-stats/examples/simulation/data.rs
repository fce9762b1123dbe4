//! Simulated exams.

use lungs_base::random;
use rand::Rng;
use std::f64::consts::TAU;

/// Standard normal and uniform draws of a named stream.
pub(crate) struct Draws(Box<dyn Rng>);

impl Draws {
    pub(crate) fn new(name: &str) -> Self {
        Self(Box::new(random::stream(37, name)))
    }

    /// A number between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// A standard normal number (Box & Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    /// A whole number from 0 to `end − 1`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end - 1)
    }
}

/// Distance of the classes' means, in standard deviations, at which normal scores have this AUC.
pub(crate) fn separation(auc: f64) -> f64 {
    // Bisection on the normal distribution function.
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        let area = 0.5 * libm::erfc(-middle / 2.0);
        *(if area < auc { &mut low } else { &mut high }) = middle;
    }
    low
}

/// Scores and labels of `positives` and `negatives` independent exams. The scores of positive exams have the standard
/// deviation `spread`, those of negative ones 1.
pub(crate) fn exams(
    draws: &mut Draws,
    positives: usize,
    negatives: usize,
    auc: f64,
    spread: f64,
) -> (Vec<f64>, Vec<bool>) {
    // The AUC is the normal distribution function at the shift over √(1 + spread²).
    let shift = separation(auc) * ((1.0 + spread * spread) / 2.0).sqrt();
    let labels: Vec<bool> = (0..positives + negatives).map(|exam| exam < positives).collect();
    let score = |label: &bool| {
        let draw = draws.normal();
        if *label { shift + spread * draw } else { draw }
    };
    (labels.iter().map(score).collect(), labels)
}
