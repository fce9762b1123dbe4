//! Correction for multiple tests.

/// p-values corrected by Holm's method (1979), in the order of the input. The correction controls the
/// probability of any false positive among all tests (family-wise error rate), under any dependence.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut maximum = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        maximum = maximum.max(((p_values.len() - rank) as f64 * p_values[index]).min(1.0));
        corrected[index] = maximum;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_rs_p_adjust() {
        // R: p.adjust(c(.01, .02, .03, .04), "holm"); by hand for the others.
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-15, "{a} {b}"));
        };
        close(holm(&[0.01, 0.02, 0.03, 0.04]), &[0.04, 0.06, 0.06, 0.06]);
        close(holm(&[0.6, 0.001, 0.5]), &[1.0, 0.003, 1.0]);
        close(holm(&[0.03]), &[0.03]);
        close(holm(&[]), &[]);
    }

    proptest! {
        #[test]
        fn a_corrected_value_is_never_smaller_and_keeps_the_order(
            p_values in prop::collection::vec(0.0..1.0f64, 1..9)
        ) {
            let corrected = holm(&p_values);
            for (a, holm_a) in p_values.iter().zip(&corrected) {
                prop_assert!(
                    a <= holm_a && *holm_a <= 1.0 && *holm_a <= a * p_values.len() as f64 + 1e-15
                );
                for (b, holm_b) in p_values.iter().zip(&corrected) {
                    prop_assert!(a > b || holm_a <= holm_b);
                }
            }
        }
    }
}
