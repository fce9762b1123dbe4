//! Random initial weights that are a function of the seed alone.
//!
//! Every variable draws from its own stream, `init/<variable name>`, on the host: the same seed
//! gives the same bytes on every device and in any order of construction.

use rand::Rng;

use lungs_base::random;

/// Standard deviation of a standard normal distribution truncated at ±2.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// `count` numbers from a normal distribution truncated at two standard deviations, with mean 0 and,
/// after truncation, the given standard deviation.
///
/// Kernels use `sqrt(2 / fan_in)` (He et al. 2015, for units with ReLU), the classifier
/// `sqrt(1 / fan_in)` (Sonnet 1, the original's library, uses it everywhere).
pub(super) fn truncated_normal(
    seed: u64,
    variable: &str,
    deviation: f64,
    count: usize,
) -> Vec<f32> {
    let mut stream = random::stream(seed, &format!("init/{variable}"));
    let mut uniform = move || (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut normals = std::iter::from_fn(move || {
        // Box and Muller's transform: two uniform numbers give two normal ones.
        let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), uniform());
        let (sine, cosine) = (std::f64::consts::TAU * angle).sin_cos();
        Some([radius * cosine, radius * sine])
    })
    .flatten()
    .filter(|normal| normal.abs() <= 2.0)
    .map(|normal| (normal * deviation / TRUNCATED_DEVIATION) as f32);
    normals.by_ref().take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_has_the_given_deviation_and_limits() {
        let deviation = 0.05;
        let values = truncated_normal(37, "kernel", deviation, 100_000);
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
        let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 4.0 * deviation / 1e5_f64.sqrt(), "{mean}");
        assert!((square.sqrt() / deviation - 1.0).abs() < 0.01, "{}", square.sqrt());
        let limit = (2.0 * deviation / TRUNCATED_DEVIATION) as f32;
        assert!(values.iter().all(|value| value.abs() <= limit));
    }

    #[test]
    fn streams_differ_by_seed_and_variable() {
        let first = truncated_normal(1, "a", 1.0, 8);
        assert_eq!(first, truncated_normal(1, "a", 1.0, 8));
        assert_eq!(first[..4], truncated_normal(1, "a", 1.0, 4));
        assert_ne!(first, truncated_normal(2, "a", 1.0, 8));
        assert_ne!(first, truncated_normal(1, "b", 1.0, 8));
    }
}
