//! Decision curves: net benefit of treating by the prediction, of treating all, and of treating none.

use serde::{Deserialize, Serialize};

/// Thresholds of the decision curve: 0.001 to 0.01 in steps of 0.0005, to 0.1 in steps of 0.0025, to 0.99 in steps
/// of 0.01. Where cancers are 1 % of exams, the thresholds of interest are below 0.05.
pub(super) const THRESHOLDS: Thresholds = Thresholds(10);

/// Iterator over the thresholds in ascending order; the next one in units of 0.0001.
#[derive(Clone, Copy)]
pub(super) struct Thresholds(u32);

impl Iterator for Thresholds {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let threshold = self.0;
        self.0 += match threshold {
            ..100 => 5,
            100..1000 => 25,
            _ => 100,
        };
        (threshold < 10_000).then(|| f64::from(threshold) / 10_000.0)
    }
}

/// A point of the decision curve (Vickers & Elkin 2006).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Standardised net benefit: the net benefit divided by the prevalence, its largest possible value (Kerr et
    /// al. 2016).
    #[serde(default)]
    pub standardised: Option<f64>,
    /// Lower end of its pointwise interval.
    #[serde(default)]
    pub standardised_low: Option<f64>,
    /// Upper end of its pointwise interval.
    #[serde(default)]
    pub standardised_high: Option<f64>,
    /// Interventions avoided per 100 exams, compared with treating all, at the same number of treated positive
    /// exams (Vickers & Elkin 2006).
    #[serde(default)]
    pub interventions_avoided: Option<f64>,
    /// Lower end of its pointwise interval.
    #[serde(default)]
    pub interventions_avoided_low: Option<f64>,
    /// Upper end of its pointwise interval.
    #[serde(default)]
    pub interventions_avoided_high: Option<f64>,
}

/// Interventions avoided per 100 exams by treating at `threshold` instead of treating all: the gain in net benefit
/// over treating all, in units of an unnecessary intervention, `100 · (NB − NB_all) · (1 − t) / t`.
pub(super) fn interventions_avoided(net_benefit: f64, threshold: f64, prevalence: f64) -> f64 {
    100.0 * (net_benefit - treat_all(threshold, prevalence)) * (1.0 - threshold) / threshold
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
        let thresholds: Vec<f64> = THRESHOLDS.collect();
        let index = |threshold| thresholds.iter().position(|&t| t == threshold).unwrap();
        let (at_20, at_21) = (index(0.2), index(0.21));
        let mut cuts = vec![[0.0; 2]; thresholds.len() + 1];
        cuts[at_20] = [4.0, 1.0];
        cuts[at_21] = [2.0, 3.0];
        let benefits = net_benefits(&cuts, 0.4);
        assert_eq!(benefits.len(), thresholds.len());
        assert!((benefits[at_20] - 0.25).abs() < 1e-12, "{}", benefits[at_20]);
        // At the lowest threshold all are treated.
        assert!((benefits[0] - treat_all(0.001, 0.4)).abs() < 1e-12);
        assert!(benefits[at_21].abs() < 1e-12);
        // Of 10 exams, 5 are not treated; the positive one among them weighs as much as 4 negative ones:
        // (4 − 4 · 1) / 10 of the interventions are avoided.
        let avoided = interventions_avoided(benefits[at_20], 0.2, 0.4);
        assert!(avoided.abs() < 1e-10, "{avoided}");
        // 4 untreated negative exams and no untreated positive one: 40 of 100.
        let avoided = interventions_avoided(0.4 - 0.2 * 0.25, 0.2, 0.4);
        assert!((avoided - 40.0).abs() < 1e-10, "{avoided}");
    }

    #[test]
    fn thresholds_contain_every_hundredth_and_those_of_screening() {
        let thresholds: Vec<f64> = THRESHOLDS.collect();
        assert!(thresholds.windows(2).all(|pair| pair[0] < pair[1]));
        for percent in 1..100 {
            assert!(thresholds.contains(&(f64::from(percent) / 100.0)), "{percent}");
        }
        assert_eq!((thresholds[0], *thresholds.last().unwrap()), (0.001, 0.99));
        // At a prevalence of 1.3 %, half of the thresholds below 0.1 are below the prevalence.
        assert!(thresholds.iter().filter(|&&threshold| threshold < 0.013).count() > 18);
    }
}
