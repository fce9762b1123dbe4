//! Resampling patients: an interval that does not pretend that two exams of one patient are two
//! patients.

use rayon::prelude::*;

use super::interval::{Interval, Method};
use crate::random;

/// AUCs of `replicates` cohorts resampled with replacement by patient.
///
/// `patients` gives each exam's patient as an index. Patients with at least one positive exam and
/// patients with none are drawn apart, as many of each as there are, and bring all their exams.
/// A replicate is a function of `seed` and its number alone, so the result does not depend on the
/// number of threads. Replicates in which one class has vanished (possible where the only
/// negatives belong to patients with a positive) are left out. Scores must not be NaN.
///
/// The exams are sorted once; a replicate is then a weight per exam and one pass, `O(n)`.
///
/// # Panics
/// When the slices differ in length.
pub fn bootstrap_auc(
    scores: &[f64],
    labels: &[bool],
    patients: &[usize],
    replicates: usize,
    seed: u64,
) -> Vec<f64> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    assert_eq!(scores.len(), patients.len(), "one patient per score");
    let strata = Strata::new(labels, patients);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Exams in ascending order of score: patient, label, and whether the next one ties.
    let sorted: Vec<(usize, bool, bool)> = order
        .iter()
        .enumerate()
        .map(|(at, &exam)| {
            let tied = order.get(at + 1).is_some_and(|&next| scores[next] == scores[exam]);
            (patients[exam], labels[exam], tied)
        })
        .collect();
    let patient_count = patients.iter().max().map_or(0, |&last| last + 1);
    (0..replicates)
        .into_par_iter()
        .map_init(
            || vec![0u32; patient_count],
            |weights, replicate| {
                strata.draw(seed, replicate, weights);
                weighted_auc(&sorted, weights)
            },
        )
        .collect::<Vec<Option<f64>>>()
        .into_iter()
        .flatten()
        .collect()
}

/// Patients by whether any of their exams is positive.
struct Strata([Vec<usize>; 2]);

impl Strata {
    fn new(labels: &[bool], patients: &[usize]) -> Self {
        let count = patients.iter().max().map_or(0, |&last| last + 1);
        let mut seen: Vec<Option<bool>> = vec![None; count];
        for (&patient, &label) in patients.iter().zip(labels) {
            seen[patient] = Some(seen[patient].unwrap_or(false) || label);
        }
        let of = |class| (0..count).filter(|&patient| seen[patient] == Some(class)).collect();
        Self([of(false), of(true)])
    }

    /// How often each patient is drawn in this replicate.
    fn draw(&self, seed: u64, replicate: usize, weights: &mut [u32]) {
        use rand::Rng;
        weights.fill(0);
        let mut random = random::stream(seed, &format!("bootstrap/auc/{replicate}"));
        for stratum in &self.0 {
            for _ in 0..stratum.len() {
                // Multiply-shift: uniform to within 2⁻⁶⁴ times the number of patients.
                let at = (u128::from(random.next_u64()) * stratum.len() as u128) >> 64;
                weights[stratum[at as usize]] += 1;
            }
        }
    }
}

/// AUC in which each exam counts as often as its patient was drawn.
fn weighted_auc(sorted: &[(usize, bool, bool)], weights: &[u32]) -> Option<f64> {
    let (mut positives, mut negatives) = (0u64, 0u64);
    // Twice the number of (positive, negative) pairs ranked rightly, a tie counting one.
    let mut twice_won = 0u128;
    let (mut tied_positives, mut tied_negatives) = (0u64, 0u64);
    for &(patient, label, tied) in sorted {
        let weight = u64::from(weights[patient]);
        *(if label { &mut tied_positives } else { &mut tied_negatives }) += weight;
        if !tied {
            twice_won += u128::from(tied_positives) * u128::from(2 * negatives + tied_negatives);
            positives += std::mem::take(&mut tied_positives);
            negatives += std::mem::take(&mut tied_negatives);
        }
    }
    let pairs = u128::from(positives) * u128::from(negatives);
    (pairs > 0).then(|| twice_won as f64 / (2 * pairs) as f64)
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
    use proptest::prelude::*;

    use super::super::roc::auc;
    use super::super::testing::{labelled_scores, normal_draws};
    use super::*;

    #[test]
    fn the_same_bytes_whatever_the_thread_count() {
        let scores = normal_draws(1, "threads", 200);
        let labels: Vec<bool> = (0..200).map(|i| i % 3 == 0).collect();
        let patients: Vec<usize> = (0..200).map(|i| i / 2).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bootstrap_auc(&scores, &labels, &patients, 100, 37))
        };
        assert_eq!(with(1), with(3));
        assert_eq!(with(1).len(), 100);
        assert_ne!(with(1), bootstrap_auc(&scores, &labels, &patients, 100, 38));
    }

    #[test]
    fn exams_of_one_patient_are_not_new_patients() {
        // Every patient scanned four times with the same score: the naive interval would halve.
        let once = normal_draws(5, "clusters", 120);
        let label = |i: usize| i.is_multiple_of(2);
        let labels: Vec<bool> = (0..120).map(label).collect();
        let patients: Vec<usize> = (0..120).collect();
        let repeat = |i: usize| i / 4;
        let scores4: Vec<f64> = (0..480).map(|i| once[repeat(i)]).collect();
        let labels4: Vec<bool> = (0..480).map(|i| label(repeat(i))).collect();
        let patients4: Vec<usize> = (0..480).map(repeat).collect();
        let a = bootstrap_auc(&once, &labels, &patients, 200, 1);
        let b = bootstrap_auc(&scores4, &labels4, &patients4, 200, 1);
        a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
    }

    #[test]
    fn a_class_that_can_vanish_does_not_break_it() {
        // The only negative exams belong to patients who also have a positive one.
        let found = bootstrap_auc(
            &[0.1, 0.9, 0.8, 0.2],
            &[false, true, true, true],
            &[0, 0, 1, 2],
            200,
            37,
        );
        assert!(!found.is_empty() && found.len() < 200);
        assert!(found.iter().all(|a| (0.0..=1.0).contains(a)));
        assert_eq!(percentile_interval(&found[..1], 0.95), None);
    }

    #[test]
    fn percentiles_agree_with_r() {
        // R: quantile(c(1, 2, 4, 8, 16), c(.025, .975))
        let found = percentile_interval(&[4.0, 1.0, 16.0, 2.0, 8.0], 0.95).unwrap();
        assert!((found.low - 1.1).abs() < 1e-12 && (found.high - 15.2).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn drawing_every_patient_once_gives_the_auc((scores, labels) in labelled_scores()) {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            let sorted: Vec<_> = order.iter().enumerate().map(|(at, &i)| {
                (i, labels[i], order.get(at + 1).is_some_and(|&j| scores[i] == scores[j]))
            }).collect();
            let found = weighted_auc(&sorted, &vec![1; scores.len()]).unwrap();
            prop_assert!((found - auc(&scores, &labels).unwrap()).abs() < 1e-12);
        }
    }
}
