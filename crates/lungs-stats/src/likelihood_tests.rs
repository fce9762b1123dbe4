//! Likelihood ratios against Koopman's statistic, evaluated in another way, and against statsmodels.

use super::*;

fn ratios(true_positives: usize, n1: usize, false_positives: usize, n0: usize) -> LikelihoodRatios {
    likelihood_ratios(
        &Proportion::new(true_positives, n1, 0.95, "positive exams"),
        &Proportion::new(n0 - false_positives, n0, 0.95, "negative exams"),
        0.95,
    )
}

/// Value and interval of the positive and of the negative ratio.
fn assert_ratios(found: &LikelihoodRatios, expected: [[f64; 3]; 2], tolerance: f64) {
    for (estimate, expected) in [&found.positive, &found.negative].into_iter().zip(expected) {
        let interval = estimate.interval.unwrap();
        for (found, expected) in
            [estimate.value.unwrap(), interval.low, interval.high].into_iter().zip(expected)
        {
            assert!((found - expected).abs() <= tolerance * expected, "{found} {expected}");
        }
    }
}

#[test]
fn equal_statsmodels() {
    // statsmodels 0.15.0: confint_proportions_2indep(x1, n1, x2, n2, compare="ratio", method="score",
    // correction=False)
    assert_ratios(
        &ratios(9, 10, 2, 10),
        [
            [4.5, 1.6492796052937426, 16.05740774364935],
            [0.125, 0.021986424690954392, 0.5481863499448497],
        ],
        1e-8,
    );
    assert_ratios(
        &ratios(60, 79, 30, 121),
        [
            [3.0632911392405067, 2.2172836425615396, 4.314389446036682],
            [0.3197941299207122, 0.2100020981877971, 0.4671015471446219],
        ],
        1e-8,
    );
    assert_ratios(
        &ratios(70, 87, 660, 6629),
        [
            [8.081330546847788, 7.004584388757053, 9.055817346974193],
            [0.21700818212103531, 0.1396267563780509, 0.32301802222297754],
        ],
        1e-8,
    );
}

#[test]
fn shares_of_zero_and_one_have_intervals() {
    // Python: the statistic with the constrained shares found by scipy.optimize.minimize_scalar, its roots
    // by brentq (statsmodels' closed form fails at a share of 1).
    assert_ratios(
        &ratios(5, 5, 3, 40),
        [[40.0 / 3.0, 4.726228431517133, 38.705642418932214], [0.0, 0.0, 0.4714586281307589]],
        1e-6,
    );
    assert_ratios(
        &ratios(0, 7, 3, 12),
        [[0.0, 0.0, 1.7454582338223668], [4.0 / 3.0, 0.8249937599376257, 2.1381470680556762]],
        1e-6,
    );
    let all_positive = ratios(10, 10, 10, 10);
    let interval = all_positive.positive.interval.unwrap();
    assert!((interval.low - 0.722467218953993).abs() < 1e-6);
    assert!((interval.high - 1.384145846018905).abs() < 1e-6);
    assert!(
        all_positive.negative.reason.unwrap().contains("no negative exam is predicted negative")
    );
}

#[test]
fn an_unbounded_ratio_and_a_missing_class_have_a_reason() {
    let perfect = ratios(10, 10, 0, 10);
    assert!(perfect.positive.reason.unwrap().contains("no upper limit"));
    assert_eq!(perfect.negative.value, Some(0.0));
    let one_class = ratios(3, 4, 0, 0);
    assert_eq!(one_class.positive.reason.as_deref(), Some("there are no negative exams"));
}

#[test]
fn exams_of_one_patient_count_as_fewer_exams() {
    // Every patient has four equal exams: the interval is that of the patients, not of the exams.
    let repeat = |share: Proportion, exams: usize| {
        let outcomes: Vec<(usize, bool)> =
            (0..exams).map(|exam| (exam / 4, exam < share.successes)).collect();
        share.of_patients(&outcomes, 0.95)
    };
    let se = repeat(Proportion::new(240, 320, 0.95, "positive exams"), 320);
    let sp = repeat(Proportion::new(400, 480, 0.95, "negative exams"), 480);
    let clustered = likelihood_ratios(&se, &sp, 0.95).positive.interval.unwrap();
    let of_patients = ratios(60, 80, 20, 120).positive.interval.unwrap();
    let of_exams = ratios(240, 320, 80, 480).positive.interval.unwrap();
    let width = |interval: Interval| (interval.high / interval.low).ln();
    assert!((width(clustered) / width(of_patients) - 1.0).abs() < 0.02);
    assert!(width(of_exams) < 0.52 * width(of_patients));
}

proptest::proptest! {
    #[test]
    fn the_interval_contains_the_ratio_and_is_that_of_the_swapped_ratio(
        n1 in 1usize..60, n0 in 1usize..60, a in 0.0..=1.0f64, b in 0.0..=1.0f64
    ) {
        let (tp, fp) = ((a * n1 as f64) as usize, (b * n0 as f64) as usize);
        let found = ratios(tp, n1, fp, n0);
        for estimate in [&found.positive, &found.negative] {
            match (estimate.value, estimate.interval) {
                (Some(value), Some(interval)) => {
                    proptest::prop_assert!(interval.low <= value && value <= interval.high);
                    proptest::prop_assert!(interval.low.is_finite() && interval.high.is_finite());
                }
                _ => proptest::prop_assert!(estimate.reason.is_some()),
            }
        }
        if tp > 0 && fp > 0 {
            let forward = found.positive.interval.unwrap();
            let backward = ratios(fp, n0, tp, n1).positive.interval.unwrap();
            proptest::prop_assert!((forward.low * backward.high - 1.0).abs() < 1e-6);
        }
    }
}
