//! Bootstrap of the AUC by patient, so that several exams of one patient do not count as several patients.

use super::resampling::Resampling;
use super::sweep::{MetricSettings, RankedExams};

/// AUCs of `replicates` cohorts resampled with replacement by patient ([`Resampling`]).
///
/// `patients` has each exam's patient as an index. Replicates without one of the classes are skipped; they
/// occur when all negative exams belong to patients with a positive exam. Scores must not be NaN.
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
    let settings = MetricSettings { bins: 1, partial: (0.0, 0.0) };
    let probabilities = vec![0.0; scores.len()];
    let exams = RankedExams::new(scores, &probabilities, labels, patients, None, None, settings);
    let aucs = Resampling::new(labels, patients, seed)
        .replicates(replicates, |counts| exams.metrics(counts).auc);
    aucs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::percentile_interval;
    use super::super::testing::normal_draws;
    use super::*;

    #[test]
    fn results_do_not_depend_on_the_thread_count() {
        let scores = normal_draws(1, "threads", 200);
        let labels: Vec<bool> = (0..200).map(|i| i % 3 == 0).collect();
        let patients: Vec<usize> = (0..200).map(|i| i / 2).collect();
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bootstrap_auc(&scores, &labels, &patients, 100, 37))
        };
        assert_eq!(with_threads(1), with_threads(3));
        assert_eq!(with_threads(1).len(), 100);
        assert_ne!(with_threads(1), bootstrap_auc(&scores, &labels, &patients, 100, 38));
    }

    #[test]
    fn exams_of_one_patient_are_not_new_patients() {
        // Every patient has four exams with the same score: an interval over exams would be half as wide.
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
    fn replicates_without_a_class_are_skipped() {
        // All negative exams belong to patients who also have a positive one.
        let aucs = bootstrap_auc(
            &[0.1, 0.9, 0.8, 0.2],
            &[false, true, true, true],
            &[0, 0, 1, 2],
            200,
            37,
        );
        assert!(!aucs.is_empty() && aucs.len() < 200);
        assert!(aucs.iter().all(|a| (0.0..=1.0).contains(a)));
        assert_eq!(percentile_interval(&aucs[..1], 0.95), None);
    }
}
