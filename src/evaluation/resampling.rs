//! Patients drawn with replacement: the bootstrap that every figure shares.

use rayon::prelude::*;

use super::interval::{Interval, Method};
use crate::random;

/// Cohorts resampled with replacement by patient.
///
/// Patients with at least one positive exam and patients with none are drawn apart, as many of each
/// as there are, and bring all their exams. A replicate is a function of the seed and its number
/// alone, so that results do not depend on the number of threads, and figures of several models
/// over the same replicates are paired.
#[derive(Clone, Debug)]
pub struct Resampling {
    strata: [Vec<usize>; 2],
    patients: usize,
    seed: u64,
}

impl Resampling {
    /// For exams with these labels, each of a patient given as an index.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn new(labels: &[bool], patients: &[usize], seed: u64) -> Self {
        assert_eq!(labels.len(), patients.len(), "one patient per label");
        let count = patients.iter().max().map_or(0, |&last| last + 1);
        let mut seen: Vec<Option<bool>> = vec![None; count];
        for (&patient, &label) in patients.iter().zip(labels) {
            seen[patient] = Some(seen[patient].unwrap_or(false) || label);
        }
        let of = |class| (0..count).filter(|&patient| seen[patient] == Some(class)).collect();
        Self { strata: [of(false), of(true)], patients: count, seed }
    }

    /// `metric` of each of `count` replicates, in order. It is told how often each patient was
    /// drawn.
    pub fn replicates<T: Send>(
        &self,
        count: usize,
        metric: impl Fn(&[u32]) -> T + Sync + Send,
    ) -> Vec<T> {
        (0..count)
            .into_par_iter()
            .map_init(
                || vec![0u32; self.patients],
                |times, replicate| {
                    self.draw(replicate, times);
                    metric(times)
                },
            )
            .collect()
    }

    /// How often each patient is drawn in this replicate.
    fn draw(&self, replicate: usize, times: &mut [u32]) {
        use rand::Rng;
        times.fill(0);
        let mut random = random::stream(self.seed, &format!("bootstrap/auc/{replicate}"));
        for stratum in &self.strata {
            for _ in 0..stratum.len() {
                // Multiply-shift: uniform to within 2⁻⁶⁴ times the number of patients.
                let at = (u128::from(random.next_u64()) * stratum.len() as u128) >> 64;
                times[stratum[at as usize]] += 1;
            }
        }
    }
}

/// The percentile interval of bootstrap replicates, or `None` where there are fewer than two.
///
/// Quantiles interpolate linearly between order statistics (R's type 7).
pub fn percentile_interval(replicates: &[f64], level: f64) -> Option<Interval> {
    if replicates.len() < 2 {
        return None;
    }
    let mut sorted = replicates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |p: f64| {
        let position = p * (sorted.len() - 1) as f64;
        let below = (position as usize).min(sorted.len() - 2);
        let share = position - below as f64;
        sorted[below] * (1.0 - share) + sorted[below + 1] * share
    };
    let outside = (1.0 - level) / 2.0;
    Some(Interval {
        low: quantile(outside),
        high: quantile(1.0 - outside),
        level,
        method: Method::PatientBootstrap,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_metric_can_be_resampled_and_patients_come_whole() {
        let labels = [true, true, false, false, false];
        let patients = [0, 0, 1, 1, 2];
        let drawn = Resampling::new(&labels, &patients, 37).replicates(50, <[u32]>::to_vec);
        // One positive patient, two negative: each stratum keeps its size.
        assert!(drawn.iter().all(|times| times[0] == 1 && times[1] + times[2] == 2));
        assert!(drawn.iter().any(|times| times[1] == 2) && drawn.iter().any(|times| times[1] == 1));
    }

    #[test]
    fn percentiles_agree_with_r() {
        // R: quantile(c(1, 2, 4, 8, 16), c(.025, .975))
        let found = percentile_interval(&[4.0, 1.0, 16.0, 2.0, 8.0], 0.95).unwrap();
        assert!((found.low - 1.1).abs() < 1e-12 && (found.high - 15.2).abs() < 1e-12);
    }
}
