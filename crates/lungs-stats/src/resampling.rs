//! The bootstrap of all metrics: patients drawn with replacement.

use rayon::prelude::*;

use super::interval::{Interval, Method};
use super::normal::{cdf, critical_value, quantile};
use lungs_base::random;

/// Cohorts resampled with replacement by patient.
///
/// A drawn patient contributes all exams. The number of patients with a positive exam varies between
/// replicates, as it does between cohorts: with a fixed number, intervals of the Brier score and other
/// metrics that depend on the prevalence are too short. A replicate is a function of the seed and its
/// number alone, so results do not depend on the number of threads, and metrics of several models over the
/// same replicates are paired.
#[derive(Clone, Debug)]
pub struct Resampling {
    patients: usize,
    seed: u64,
}

impl Resampling {
    /// Resampling of patients with the indices 0 to `patients − 1`.
    pub fn new(patients: usize, seed: u64) -> Self {
        Self { patients, seed }
    }

    /// `metric` of each of `count` replicates, in order. Its argument is the number of draws of each patient.
    pub fn replicates<T: Send>(
        &self,
        count: usize,
        metric: impl Fn(&[u32]) -> T + Sync + Send,
    ) -> Vec<T> {
        (0..count)
            .into_par_iter()
            .map_init(
                || vec![0u32; self.patients],
                |draws, replicate| {
                    self.draw(replicate, draws);
                    metric(draws)
                },
            )
            .collect()
    }

    /// Sets the number of draws of each patient in a replicate.
    fn draw(&self, replicate: usize, draws: &mut [u32]) {
        use rand::Rng;
        draws.fill(0);
        let mut random = random::stream(self.seed, &format!("bootstrap/{replicate}"));
        for _ in 0..self.patients {
            // Multiply-shift: uniform to within 2⁻⁶⁴ times the number of patients.
            let patient = (u128::from(random.next_u64()) * self.patients as u128) >> 64;
            draws[patient as usize] += 1;
        }
    }
}

/// The percentile interval of bootstrap replicates, or `None` with fewer than two replicates.
///
/// Quantiles interpolate linearly between order statistics (R's type 7).
pub fn percentile_interval(replicates: &[f64], level: f64) -> Option<Interval> {
    let tail = (1.0 - level) / 2.0;
    let method = Method::PatientBootstrap;
    quantiles(replicates, tail, 1.0 - tail).map(|[low, high]| Interval { low, high, level, method })
}

/// The percentile interval corrected for the bias of the replicates (Efron, Canadian Journal of Statistics
/// 1981, 9:139–158): if a share `p` of them lies below `value`, the percentiles are `Φ(2Φ⁻¹(p) ± z)`, ties
/// counting one half. `None` with fewer than two replicates, or where the bias is so large that the interval
/// would exclude `value`.
pub fn bias_corrected_interval(replicates: &[f64], value: f64, level: f64) -> Option<Interval> {
    let below = replicates.iter().filter(|&&replicate| replicate < value).count() as f64;
    let tied = replicates.iter().filter(|&&replicate| replicate == value).count() as f64;
    let share = (below + 0.5 * tied) / replicates.len() as f64;
    let z = critical_value(level);
    if !(share > 0.0 && share < 1.0) || quantile(share).abs() > z {
        return None;
    }
    let shift = 2.0 * quantile(share);
    let [low, high] = quantiles(replicates, cdf(shift - z), cdf(shift + z))?;
    let method = Method::BiasCorrectedBootstrap;
    let interval = Interval { low, high, level, method };
    (low <= value && value <= high).then_some(interval)
}

/// Two quantiles of at least two values.
fn quantiles(replicates: &[f64], first: f64, second: f64) -> Option<[f64; 2]> {
    let mut values = replicates.to_vec();
    let mut quantile = |p: f64| {
        let position = p * (values.len() - 1) as f64;
        let below = (position as usize).min(values.len() - 2);
        let share = position - below as f64;
        // Two order statistics need no sorting.
        let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        low * (1.0 - share) + high * share
    };
    (replicates.len() > 1).then(|| [quantile(first), quantile(second)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replicate_draws_as_many_patients_and_each_patient_equally_often() {
        let replicates = Resampling::new(5, 37).replicates(4000, <[u32]>::to_vec);
        assert!(replicates.iter().all(|draws| draws.iter().sum::<u32>() == 5));
        for patient in 0..5 {
            let of_patient = || replicates.iter().map(|draws| f64::from(draws[patient]));
            // Binomial: mean 1 and variance 0.8.
            let mean = of_patient().sum::<f64>() / 4000.0;
            let variance = of_patient().map(|count| (count - mean).powi(2)).sum::<f64>() / 4000.0;
            assert!((mean - 1.0).abs() < 0.05 && (variance - 0.8).abs() < 0.1, "{mean} {variance}");
        }
    }

    #[test]
    fn percentiles_agree_with_r() {
        // R: quantile(c(1, 2, 4, 8, 16), c(.025, .975))
        let interval = percentile_interval(&[4.0, 1.0, 16.0, 2.0, 8.0], 0.95).unwrap();
        assert!((interval.low - 1.1).abs() < 1e-12 && (interval.high - 15.2).abs() < 1e-12);
    }
}
