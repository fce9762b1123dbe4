//! Intervals of one AUC.
//!
//! DeLong's variance on the logit scale has the nominal coverage only where enough exams of the smaller class
//! are ranked wrongly; below, it takes the few that are for all there could be, and its interval is too short.
//! There the interval is Newcombe's, a score interval: its variance belongs to the AUC in question, not to
//! the estimate, so it neither collapses near 1 nor leaves [0, 1]. Newcombe's variance follows from the AUC
//! and the class sizes alone; it is scaled by the ratio of DeLong's variance to it, drawn towards 1 as if
//! ten exams had shown a ratio of 1. The limits were chosen by simulation: `examples/simulation`.

use super::cluster::effective_counts;
use super::delong::{Delong, delong};
use super::interval::{Estimate, Interval, Method};
use super::normal::critical_value;
use lungs_base::text::{counted, noun};

/// Exams of the smaller class from which the variance is estimated well enough for an interval on the logit
/// scale.
const MIN_EXAMS: f64 = 20.0;
/// The same for exams of the smaller class times the AUC's distance from 0 or 1, the pairs ranked wrongly
/// in units of an exam.
const MIN_ERRORS: f64 = 4.0;
/// Weight of a ratio of 1 between DeLong's variance and Newcombe's, in exams of the smaller class.
const PRIOR_EXAMS: f64 = 10.0;

/// `AUC ± z·SE`, clipped to [0, 1], for comparison with other software.
pub fn delong_plain_interval(auc: f64, variance: f64, level: f64) -> Interval {
    let spread = critical_value(level) * variance.sqrt();
    Interval {
        low: (auc - spread).max(0.0),
        high: (auc + spread).min(1.0),
        level,
        method: Method::DelongPlain,
    }
}

/// The interval on the logit of the AUC, mapped back: `logit(A) ± z·SE / (A(1−A))`.
///
/// The AUC's distribution is skewed near 1, where good models are; on the logit scale the interval stays
/// inside (0, 1) and its coverage is closer to nominal (Pepe 2003, section 5.2.5; Qin & Hotilovac 2008).
/// `None` at an AUC of 0 or 1.
pub fn delong_logit_interval(auc: f64, variance: f64, level: f64) -> Option<Interval> {
    if !(auc > 0.0 && auc < 1.0) {
        return None;
    }
    let centre = (auc / (1.0 - auc)).ln();
    let spread = critical_value(level) * variance.sqrt() / (auc * (1.0 - auc));
    let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    Some(Interval {
        low: sigmoid(centre - spread),
        high: sigmoid(centre + spread),
        level,
        method: Method::DelongLogit,
    })
}

/// Newcombe's variance of an AUC of `theta` with `m` and `n` exams of the classes (Statistics in Medicine 2006,
/// 25:559–573, method 5): `θ(1−θ)·(1 + N*·((1−θ)/(2−θ) + θ/(1+θ)))/(m·n)`, `N* = (m+n)/2 − 1`.
pub(super) fn newcombe_variance(theta: f64, m: f64, n: f64) -> f64 {
    let n_star = (m + n) / 2.0 - 1.0;
    let shape = (1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta);
    theta * (1.0 - theta) * (1.0 + n_star * shape) / (m * n)
}

/// The values θ for which `|A − θ| ≤ z·√V(θ)`, where `V` is `variance_at`.
pub(super) fn score_interval(
    auc: f64,
    variance_at: impl Fn(f64) -> f64,
    level: f64,
    method: Method,
) -> Interval {
    let z = critical_value(level);
    let within = |theta: f64| (auc - theta).abs() <= z * variance_at(theta).sqrt();
    // Each bound is where the condition changes between the estimate (within) and its limit.
    let bound = |limit: f64| {
        let (mut inside, mut outside) = (auc, limit);
        for _ in 0..80 {
            let middle = 0.5 * (inside + outside);
            *(if within(middle) { &mut inside } else { &mut outside }) = middle;
        }
        inside
    };
    Interval { low: bound(0.0), high: bound(1.0), level, method }
}

/// Newcombe's score interval (method 5), from the AUC and the class sizes alone.
pub fn newcombe_interval(auc: f64, positives: usize, negatives: usize, level: f64) -> Interval {
    let variance = |theta: f64| newcombe_variance(theta, positives as f64, negatives as f64);
    score_interval(auc, variance, level, Method::NewcombeScore)
}

/// The interval of an AUC whose variance is `variance`, and would be `null_variance(θ)` at an AUC of θ if
/// nothing but the class sizes were known. `smaller` is the size of the smaller class.
pub(super) fn interval_to_report(
    auc: f64,
    variance: Option<f64>,
    null_variance: impl Fn(f64) -> f64,
    smaller: f64,
    level: f64,
) -> Interval {
    let is_inside = auc > 0.0 && auc < 1.0;
    // A variance of zero up to rounding says nothing.
    let variance = variance.filter(|&variance| is_inside && variance > 1e-15);
    let Some(variance) = variance else {
        return score_interval(auc, null_variance, level, Method::NewcombeScore);
    };
    if smaller >= MIN_EXAMS
        && smaller * auc.min(1.0 - auc) >= MIN_ERRORS
        && let Some(interval) = delong_logit_interval(auc, variance, level)
    {
        return interval;
    }
    let ratio = variance / null_variance(auc);
    let drawn = (smaller * ratio + PRIOR_EXAMS) / (smaller + PRIOR_EXAMS);
    score_interval(auc, |theta| drawn * null_variance(theta), level, Method::ScaledScore)
}

/// The AUC with the interval to report: DeLong's on the logit scale, or a score interval where exams of a
/// class, or exams that are ranked wrongly, are few. `patients` has the index of each exam's patient where
/// patients have several exams; the variance is Obuchowski's then.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn auc_with_interval(
    scores: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Estimate {
    let Some(Delong { auc, variance }) = delong(scores, labels, patients) else {
        return Estimate::undefined(undefined_reason(scores, labels));
    };
    if scores.iter().all(|score| *score == scores[0]) {
        let reason = "no interval: all scores are equal, so the model ranks no exam".to_owned();
        return Estimate { value: Some(auc), interval: None, reason: Some(reason) };
    }
    let [n, m] = effective_counts(labels, patients);
    let null_variance = |theta: f64| newcombe_variance(theta, m, n);
    let mut interval = interval_to_report(auc, variance, null_variance, m.min(n), level);
    if patients.is_some() && interval.method == Method::DelongLogit {
        interval.method = Method::ObuchowskiLogit;
    }
    Estimate::with_interval(auc, interval)
}

/// `all 12 exams are positive`, `the only exam is positive`
fn all_of_class(count: usize, class: &str) -> String {
    match count {
        1 => format!("the only exam is {class}"),
        _ => format!("all {} are {class}", counted(count, "exam", "exams")),
    }
}

/// `3 of 40 scores are not numbers`
pub(crate) fn not_numbers_text(count: usize, scores: usize) -> String {
    format!("{count} of {scores} scores {}", noun(count, "is not a number", "are not numbers"))
}

fn undefined_reason(scores: &[f64], labels: &[bool]) -> String {
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let not_numbers = scores.iter().filter(|score| score.is_nan()).count();
    if positives + negatives == 0 {
        "there are no exams".to_owned()
    } else if not_numbers > 0 {
        not_numbers_text(not_numbers, scores.len())
    } else if negatives == 0 {
        format!("one class only: {}", all_of_class(positives, "positive"))
    } else {
        format!("one class only: {}", all_of_class(negatives, "negative"))
    }
}
