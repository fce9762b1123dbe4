//! The change of a share on the same exams: sensitivity or specificity before and after.
//!
//! The interval is that of Bonett & Price (J. Educ. Behav. Stat. 2012, 37:479–488): Wald's interval of two paired
//! proportions with one exam added to each kind of change, which keeps its coverage where few exams change. Where
//! patients have several exams, the numbers are divided by the design effect of the change over patients.

use super::cluster::{count, kish};
use super::interval::{Interval, Method};
use super::normal::critical_value;
use serde::{Deserialize, Serialize};

/// The change of a share on the same exams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareChange {
    /// Number of exams.
    pub total: usize,
    /// Exams in the numerator before.
    pub before: usize,
    /// Exams that enter the numerator.
    pub gained: usize,
    /// Exams that leave the numerator.
    pub lost: usize,
    /// `(gained − lost) / total`; `None` without exams.
    pub difference: Option<f64>,
    /// Interval of the difference.
    pub interval: Option<Interval>,
    /// Why the difference is undefined.
    pub reason: Option<String>,
}

impl ShareChange {
    /// The share after the change; `None` without exams.
    pub fn after(&self) -> Option<f64> {
        let after = self.before + self.gained - self.lost;
        (self.total > 0).then(|| after as f64 / self.total as f64)
    }
}

/// The change from `before` to `after`, each `[exam]`: whether the exam is in the numerator. `patients` has the
/// index of each exam's patient where patients have several; `denominator` names the exams in the reason.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn share_change(
    [before, after]: [&[bool]; 2],
    patients: Option<&[usize]>,
    level: f64,
    denominator: &str,
) -> ShareChange {
    assert_eq!(before.len(), after.len(), "the same exams before and after");
    let total = before.len();
    let changes: Vec<i8> =
        before.iter().zip(after).map(|(&a, &b)| i8::from(b) - i8::from(a)).collect();
    let of = |change: i8| changes.iter().filter(|&&it| it == change).count();
    let (gained, lost) = (of(1), of(-1));
    let difference = (total > 0).then(|| (gained as f64 - lost as f64) / total as f64);
    let effect = patients.map_or(1.0, |patients| design_effect(&changes, patients));
    ShareChange {
        total,
        before: before.iter().filter(|&&it| it).count(),
        gained,
        lost,
        difference,
        interval: difference.map(|_| {
            bonett_price(
                [gained as f64, lost as f64].map(|n| n / effect),
                total as f64 / effect,
                level,
            )
        }),
        reason: (total == 0).then(|| format!("there are no {denominator}")),
    }
}

/// The interval of `(gained − lost) / n`.
fn bonett_price([gained, lost]: [f64; 2], n: f64, level: f64) -> Interval {
    let [p, q] = [gained, lost].map(|count| (count + 1.0) / (n + 2.0));
    let centre = p - q;
    let spread = critical_value(level) * ((p + q - centre * centre) / (n + 2.0)).sqrt();
    Interval {
        low: (centre - spread).max(-1.0),
        high: (centre + spread).min(1.0),
        level,
        method: Method::BonettPrice,
    }
}

/// Variance of the mean change over patients divided by that of independent exams, at least 1. Where no exam changes,
/// or all change alike, the exams of a patient count as if they agreed completely.
fn design_effect(changes: &[i8], patients: &[usize]) -> f64 {
    let n = changes.len() as f64;
    let mean = changes.iter().map(|&change| f64::from(change)).sum::<f64>() / n;
    let independent: f64 =
        changes.iter().map(|&change| (f64::from(change) - mean).powi(2)).sum::<f64>();
    let mut sums = vec![0.0; count(patients)];
    let mut exams = vec![0.0; sums.len()];
    for (&change, &patient) in changes.iter().zip(patients) {
        sums[patient] += f64::from(change) - mean;
        exams[patient] += 1.0;
    }
    let of_patients = exams.iter().filter(|&&exams| exams > 0.0).count() as f64;
    if independent == 0.0 || of_patients < 2.0 {
        return n / kish(&exams);
    }
    let clustered: f64 =
        sums.iter().map(|sum| sum * sum).sum::<f64>() * of_patients / (of_patients - 1.0);
    (clustered / independent).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exams(counts: [usize; 4]) -> [Vec<bool>; 2] {
        let kinds = [[true, true], [true, false], [false, true], [false, false]];
        let pairs = kinds.iter().zip(counts).flat_map(|(kind, n)| std::iter::repeat_n(*kind, n));
        let pairs: Vec<[bool; 2]> = pairs.collect();
        [0, 1].map(|side| pairs.iter().map(|pair| pair[side]).collect())
    }

    #[test]
    fn the_interval_is_that_of_bonett_and_price() {
        // Python 3.12, from the formula of the paper:
        // p, q = (f12 + 1) / (n + 2), (f21 + 1) / (n + 2); d = p - q
        // d ± 1.959963984540054 * sqrt((p + q - d * d) / (n + 2))
        for (counts, difference, low, high) in [
            ([30, 4, 1, 15], -0.06, -0.156_174_396_7, 0.040_789_781_3),
            ([0, 0, 0, 10], 0.0, -0.230_983_970_7, 0.230_983_970_7),
            ([5, 0, 5, 0], 0.5, 0.054_505_210_4, 0.778_828_122_9),
        ] {
            let [before, after] = exams(counts);
            let change = share_change([&before, &after], None, 0.95, "exams");
            let interval = change.interval.unwrap();
            assert!((change.difference.unwrap() - difference).abs() < 1e-12);
            assert!((interval.low - low).abs() < 1e-9, "{interval:?}");
            assert!((interval.high - high).abs() < 1e-9, "{interval:?}");
            let share = after.iter().filter(|&&it| it).count() as f64 / after.len() as f64;
            assert!((change.after().unwrap() - share).abs() < 1e-12);
        }
        let none = share_change([&[], &[]], None, 0.95, "positive exams");
        assert_eq!((none.difference, none.interval), (None, None));
        assert_eq!(none.reason.as_deref(), Some("there are no positive exams"));
    }

    /// Every exam written twice under one patient carries no more information than once.
    #[test]
    fn copies_of_exams_do_not_shorten_the_interval() {
        let [before, after] = exams([30, 6, 2, 22]);
        let once = share_change([&before, &after], None, 0.95, "exams").interval.unwrap();
        let twice = |values: &[bool]| [values, values].concat();
        let patients: Vec<usize> = (0..60).chain(0..60).collect();
        let doubled =
            share_change([&twice(&before), &twice(&after)], Some(&patients), 0.95, "exams");
        let doubled = doubled.interval.unwrap();
        let width = |interval: &Interval| interval.high - interval.low;
        // The design effect of exact copies is 2 · 60 / 59.
        assert!((width(&doubled) / width(&once) - 1.0).abs() < 0.02, "{once:?} {doubled:?}");
        // Without any change the exams of a patient count once.
        let same = [true; 120];
        let unchanged = share_change([&same, &same], Some(&patients), 0.95, "exams");
        let alone = share_change([&same[..60], &same[..60]], None, 0.95, "exams");
        let [a, b] = [unchanged, alone].map(|change| change.interval.unwrap().high);
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    /// Coverage over 2,000 replicates of 60 exams, of which 3 % and 8 % change; its standard error is 0.005.
    #[test]
    fn the_interval_covers_the_difference() {
        use rand::RngExt;
        let mut random = lungs_base::random::stream(11, "share-change");
        let mut covered = 0;
        for _ in 0..2000 {
            let mut draw = || {
                let u: f64 = random.random();
                if u < 0.03 {
                    [false, true]
                } else if u < 0.11 {
                    [true, false]
                } else {
                    [true, true]
                }
            };
            let pairs: Vec<[bool; 2]> = (0..60).map(|_| draw()).collect();
            let side = |side: usize| pairs.iter().map(|pair| pair[side]).collect::<Vec<_>>();
            let change = share_change([&side(0), &side(1)], None, 0.95, "exams");
            let interval = change.interval.unwrap();
            covered += usize::from(interval.low <= -0.05 && -0.05 <= interval.high);
        }
        let coverage = covered as f64 / 2000.0;
        assert!((0.93..=0.98).contains(&coverage), "{coverage}");
    }
}
