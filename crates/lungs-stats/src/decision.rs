//! Decision curves: net benefit of treating by the prediction, of treating all, and of treating none.

use serde::{Deserialize, Serialize};

/// Thresholds of the decision curve: 0.01, 0.02, …, 0.99.
pub(super) const THRESHOLDS: Thresholds = Thresholds(1);

/// Iterator over the thresholds in ascending order.
#[derive(Clone, Copy)]
pub(super) struct Thresholds(u32);

impl Iterator for Thresholds {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let percent = self.0;
        self.0 += 1;
        (percent < 100).then(|| f64::from(percent) / 100.0)
    }
}

/// A point of the decision curve (Vickers & Elkin 2006).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecisionPoint {
    /// Exams of at least this probability are treated; its odds are the harm of treating a negative
    /// in units of the benefit of treating a positive.
    pub threshold: f64,
    /// `sensitivity · prevalence − (1 − specificity) · (1 − prevalence) · threshold / (1 −
    /// threshold)`.
    pub net_benefit: f64,
    /// Lower end of the pointwise interval over resampled patients.
    pub low: Option<f64>,
    /// Upper end of the pointwise interval over resampled patients.
    pub high: Option<f64>,
    /// Net benefit of treating all; treating none has a net benefit of 0.
    pub treat_all: f64,
}

/// Net benefit of treating all.
pub(super) fn treat_all(threshold: f64, prevalence: f64) -> f64 {
    prevalence - (1.0 - prevalence) * threshold / (1.0 - threshold)
}

/// Net benefit at each threshold. `cuts[k]` is the weight of negative and of positive exams whose
/// probability reaches exactly `k` thresholds. A missing class contributes 0.
pub(super) fn net_benefits(cuts: &[[f64; 2]], prevalence: f64) -> Vec<f64> {
    let totals = cuts.iter().fold([0.0; 2], |sum, cut| [sum[0] + cut[0], sum[1] + cut[1]]);
    let rate = |count: f64, total: f64| if total > 0.0 { count / total } else { 0.0 };
    let mut treated = totals;
    THRESHOLDS
        .zip(cuts)
        .map(|(threshold, below)| {
            treated = [treated[0] - below[0], treated[1] - below[1]];
            rate(treated[1], totals[1]) * prevalence
                - rate(treated[0], totals[0]) * (1.0 - prevalence) * threshold / (1.0 - threshold)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_benefit_equals_a_count_by_hand() {
        // 10 exams, 4 positive; at 0.20, 3 of 4 and 2 of 6 are treated: 3/10 − 2/10 · 0.25.
        let mut cuts = vec![[0.0; 2]; 100];
        cuts[19] = [4.0, 1.0];
        cuts[20] = [2.0, 3.0];
        let benefits = net_benefits(&cuts, 0.4);
        assert_eq!(benefits.len(), 99);
        assert!((benefits[19] - 0.25).abs() < 1e-12, "{}", benefits[19]);
        // At 0.01 all are treated.
        assert!((benefits[0] - treat_all(0.01, 0.4)).abs() < 1e-12);
        assert!(benefits[20].abs() < 1e-12);
        assert!((THRESHOLDS.last().unwrap() - 0.99).abs() < 1e-15);
    }
}
