//! Test data and helpers shared by the tests of this module.

use std::fs::File;
use std::path::PathBuf;

use lungs_testing::{npy, shared};
use proptest::prelude::*;

use super::curves::ResampledMetrics;
use super::exam::ExamColumns;
use super::logit::sigmoid;
use super::options::Options;

/// A reference value; tests that read one need shared/fixtures.
fn fixture(path: &str) -> PathBuf {
    shared("fixtures").join(path)
}

pub(super) fn fixture_json(path: &str) -> serde_json::Value {
    serde_json::from_reader(File::open(fixture(path)).unwrap()).unwrap()
}

/// An array of an `.npz`.
pub(super) fn fixture_npz(path: &str, name: &str) -> Vec<f64> {
    npy::read_npz(&fixture(path), name)
}

pub(super) fn fixture_npy(path: &str) -> Vec<f64> {
    npy::read_npy(&fixture(path))
}

/// Scores on a coarse grid, which gives many ties, with both classes present.
pub(super) fn labelled_scores() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    prop::collection::vec((-20i32..20, any::<bool>()), 2..60)
        .prop_map(|pairs| {
            let scores = pairs.iter().map(|&(score, _)| f64::from(score) / 4.0).collect();
            let labels = pairs.iter().map(|&(_, label)| label).collect();
            (scores, labels)
        })
        .prop_filter("both classes", |(_, labels): &(Vec<f64>, Vec<bool>)| {
            labels.contains(&true) && labels.contains(&false)
        })
}

/// Standard normal draws of a named stream (Box–Muller).
pub(super) fn normal_draws(seed: u64, name: &str, count: usize) -> Vec<f64> {
    use rand::Rng;
    let mut random = lungs_base::random::stream(seed, name);
    let mut uniform = move || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (0..count)
        .map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
        .collect()
}

/// AUCs of cohorts resampled by patient.
pub(super) fn resampled_aucs(
    logits: &[f64],
    labels: &[bool],
    patients: &[usize],
    [replicates, seed]: [usize; 2],
) -> Vec<f64> {
    let probabilities: Vec<f64> = logits.iter().map(|&z| sigmoid(z)).collect();
    let exams = ExamColumns { logits, probabilities: &probabilities, labels, patients };
    let (bootstrap_replicates, seed) = (replicates, seed as u64);
    ResampledMetrics::of(&exams, &Options { bootstrap_replicates, seed, ..Options::default() })
        .aucs()
}

/// Log-odds of 200 exams.
#[rustfmt::skip]
#[allow(clippy::approx_constant)] // some draws are close to 1/π
pub(super) const Z: [f64; 200] = [
    -1.253, 0.367, -1.671, 3.191, 0.659, -1.641, 0.975, 1.477, 1.152, -0.611, 3.024, 0.78, -1.242,
    -4.429, 2.25, -0.09, -0.032, 1.888, 1.642, 1.188, 1.838, 1.564, 0.149, -3.979, 1.24, -0.112,
    -0.312, -2.942, -0.956, 0.836, 2.717, -0.206, 0.775, -0.108, -2.754, -0.83, -0.789, -0.119,
    2.2, 1.526, -0.329, -0.507, 1.394, 1.113, -1.378, -1.415, 0.729, 1.537, -0.225, 1.762, 0.796,
    -1.224, 0.682, -2.259, 2.866, 3.961, -0.734, -2.088, 1.139, -0.27, 4.803, -0.078, 1.379,
    0.056, -1.487, 0.378, -3.61, 2.931, 0.307, 4.345, 0.951, -1.42, 1.221, -1.868, -2.507, 0.583,
    -0.887, 0.002, 0.149, -1.179, -1.137, -0.27, 2.356, -3.047, 1.188, 0.666, 2.126, -0.608, 0.74,
    0.534, -1.085, 2.416, 2.321, 1.4, 3.174, 1.117, -2.553, -1.147, -2.449, -0.947, -1.241, 0.084,
    -1.822, 0.316, -1.309, 3.535, 1.433, 1.82, 0.768, 3.364, -1.271, -0.923, 2.865, -1.301,
    -0.415, -0.786, -0.64, -0.558, 0.988, -0.355, -1.012, 2.686, -0.429, -0.359, -0.2, 1.425,
    -0.147, -0.075, -1.363, -0.649, 0.12, -1.178, 1.063, -3.037, 0.613, -3.073, -0.602, -1.057,
    -1.304, -0.114, -3.829, 2.353, -3.33, -0.927, -2.232, -1.502, 4.174, 0.035, -2.573, -3.281,
    0.9, -0.037, -0.636, -1.859, -2.975, -2.15, 2.0, -1.243, -2.769, 3.739, 0.85, -0.477, 2.117,
    1.773, -1.238, 4.412, -0.51, -2.849, -0.289, 0.415, 4.616, 0.212, 0.914, -0.154, -0.668,
    -0.069, 1.575, 4.15, 2.055, 2.416, -2.463, 1.968, 0.44, -2.935, 1.042, -0.318, 2.929, -1.532,
    -0.86, -1.852, -0.354, 0.804, -1.463, 1.661, -2.416, -2.096, 2.882, -2.032, 0.824, -0.762,
];

/// Labels of the 200 exams of [`Z`].
#[rustfmt::skip]
pub(super) const Y: [u8; 200] = [
    0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0,
    0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0,
    1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1,
    1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0,
    0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
    0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0,
    1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0,
];
