//! Decision curves: is acting on the prediction better than acting on everybody or nobody?

use serde::{Deserialize, Serialize};

/// Thresholds of the decision curve: 0.01, 0.02, …, 0.99.
pub(super) const THRESHOLDS: Thresholds = Thresholds(1);

/// The thresholds in order.
#[derive(Clone, Copy)]
pub(super) struct Thresholds(u32);

impl Iterator for Thresholds {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let at = self.0;
        self.0 += 1;
        (at < 100).then(|| f64::from(at) / 100.0)
    }
}

/// A point of the decision curve (Vickers & Elkin 2006).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionPoint {
    /// Exams of at least this probability are acted on; its odds are the harm of acting on a
    /// negative in units of the benefit of acting on a positive.
    pub threshold: f64,
    /// `sensitivity · prevalence − (1 − specificity) · (1 − prevalence) · threshold / (1 −
    /// threshold)`.
    pub net_benefit: f64,
    /// Lower end of its pointwise interval over resampled patients.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Net benefit of acting on everybody; that of acting on nobody is 0.
    pub treat_all: f64,
}

/// Net benefit of acting on everybody.
pub(super) fn treat_all(threshold: f64, prevalence: f64) -> f64 {
    prevalence - (1.0 - prevalence) * threshold / (1.0 - threshold)
}

/// Net benefit at each threshold. `cuts[k]` is the weight of negative and of positive exams whose
/// probability reaches exactly `k` thresholds. A missing class adds nothing.
pub(super) fn net_benefits(cuts: &[[f64; 2]], prevalence: f64) -> Vec<f64> {
    let totals = cuts.iter().fold([0.0; 2], |sum, cut| [sum[0] + cut[0], sum[1] + cut[1]]);
    let rate = |called: f64, total: f64| if total > 0.0 { called / total } else { 0.0 };
    let mut called = totals;
    THRESHOLDS
        .zip(cuts)
        .map(|(threshold, below)| {
            called = [called[0] - below[0], called[1] - below[1]];
            rate(called[1], totals[1]) * prevalence
                - rate(called[0], totals[0]) * (1.0 - prevalence) * threshold / (1.0 - threshold)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_benefit_is_what_one_counts_by_hand() {
        // 10 exams, 4 positive; at 0.20, 3 of 4 and 2 of 6 are called: 3/10 − 2/10 · 0.25.
        let mut cuts = vec![[0.0; 2]; 100];
        cuts[19] = [4.0, 1.0];
        cuts[20] = [2.0, 3.0];
        let found = net_benefits(&cuts, 0.4);
        assert_eq!(found.len(), 99);
        assert!((found[19] - 0.25).abs() < 1e-12, "{}", found[19]);
        // At 0.01 everybody is called.
        assert!((found[0] - treat_all(0.01, 0.4)).abs() < 1e-12);
        assert!(found[20].abs() < 1e-12);
        assert!((THRESHOLDS.last().unwrap() - 0.99).abs() < 1e-15);
    }
}
