//! DeLong's variance of an AUC and of the difference of two AUCs on the same exams.
//!
//! With `m` positives and `n` negatives, each exam has a structural component (DeLong, DeLong &
//! Clarke-Pearson 1988): the share of the other class that it is ranked correctly against. The
//! variance of the AUC is `S₁₀/m + S₀₁/n`, the sample variances of the components of positives
//! and of negatives; covariances make the paired test. Sun & Xu (IEEE Signal Processing Letters
//! 2014) compute the components from mid-ranks in `O(n log n)`; the definition is `O(m·n)`.

use serde::{Deserialize, Serialize};

use super::interval::{Estimate, Interval, Method};
use super::normal::{critical_value, two_sided_p};
use super::roc::mid_ranks;

/// One AUC with DeLong's variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delong {
    /// The area under the curve.
    pub auc: f64,
    /// DeLong's variance of the AUC; `None` with fewer than two exams in a class.
    pub variance: Option<f64>,
}

/// The structural components of one set of scores.
struct Components {
    auc: f64,
    /// Per positive exam, the share of negatives below it.
    positives: Vec<f64>,
    /// Per negative exam, the share of positives above it.
    negatives: Vec<f64>,
}

fn components(scores: &[f64], labels: &[bool]) -> Option<Components> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let of_class = |class: bool, values: &[f64]| -> Vec<f64> {
        values.iter().zip(labels).filter(|&(_, &label)| label == class).map(|(&v, _)| v).collect()
    };
    let ranks = mid_ranks(scores);
    // Share of the other class with lower scores.
    let share_below = |class: bool, others: f64| -> Vec<f64> {
        let ranks_in_class = mid_ranks(&of_class(class, scores));
        let ranks = of_class(class, &ranks);
        ranks.iter().zip(ranks_in_class).map(|(all, class)| (all - class) / others).collect()
    };
    let (m, n) = (labels.iter().filter(|&&l| l).count(), labels.iter().filter(|&&l| !l).count());
    if m == 0 || n == 0 {
        return None;
    }
    let positives = share_below(true, n as f64);
    let negatives: Vec<f64> = share_below(false, m as f64).iter().map(|v| 1.0 - v).collect();
    Some(Components { auc: super::roc::auc(scores, labels)?, positives, negatives })
}

/// The sample covariance of the components of one class of two models, about the models' AUCs, which are the
/// components' means.
fn covariance(a: &[f64], auc_a: f64, b: &[f64], auc_b: f64) -> Option<f64> {
    let sum: f64 = a.iter().zip(b).map(|(x, y)| (x - auc_a) * (y - auc_b)).sum();
    (a.len() > 1).then(|| sum / (a.len() - 1) as f64)
}

fn covariance_of_aucs(a: &Components, b: &Components) -> Option<f64> {
    let positives = covariance(&a.positives, a.auc, &b.positives, b.auc)?;
    let negatives = covariance(&a.negatives, a.auc, &b.negatives, b.auc)?;
    Some(positives / a.positives.len() as f64 + negatives / a.negatives.len() as f64)
}

/// The AUC with DeLong's variance by mid-ranks; `None` for one class only or a score that is not
/// a number.
///
/// # Panics
/// When the slices differ in length.
pub fn delong(scores: &[f64], labels: &[bool]) -> Option<Delong> {
    let components = components(scores, labels)?;
    let variance = covariance_of_aucs(&components, &components);
    Some(Delong { auc: components.auc, variance })
}

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
/// This is the interval to report. The AUC's distribution is skewed near 1, where good models are; on
/// the logit scale the interval stays inside (0, 1) and its coverage is closer to nominal (Pepe
/// 2003, section 5.2.5; Qin & Hotilovac 2008). `None` at an AUC of 0 or 1.
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

/// Newcombe's score interval (Statistics in Medicine 2006, 25:559–573, method 5), from the AUC
/// and the class sizes alone: the values θ for which `|A − θ| ≤ z·√V(θ)` with
/// `V(θ) = θ(1−θ)·(1 + N*·((1−θ)/(2−θ) + θ/(1+θ)))/(m·n)`, `N* = (m+n)/2 − 1`.
///
/// It gives a sensible bound at perfect separation, where DeLong's variance is zero and its interval
/// would have no width.
pub fn newcombe_interval(auc: f64, positives: usize, negatives: usize, level: f64) -> Interval {
    let z = critical_value(level);
    let (m, n) = (positives as f64, negatives as f64);
    let n_star = (m + n) / 2.0 - 1.0;
    let within = |theta: f64| {
        let shape = (1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta);
        let variance = theta * (1.0 - theta) * (1.0 + n_star * shape) / (m * n);
        (auc - theta).abs() <= z * variance.sqrt()
    };
    // Each bound is where the condition changes between the estimate (within) and its limit.
    let bound = |limit: f64| {
        let (mut inside, mut outside) = (auc, limit);
        for _ in 0..80 {
            let middle = 0.5 * (inside + outside);
            *(if within(middle) { &mut inside } else { &mut outside }) = middle;
        }
        inside
    };
    Interval { low: bound(0.0), high: bound(1.0), level, method: Method::NewcombeScore }
}

/// The AUC with the interval to report: DeLong's on the logit scale, or Newcombe's at an AUC of 0 or 1.
///
/// The interval assumes independent exams. When patients have several exams, compare it with the
/// bootstrap by patient.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn auc_with_interval(scores: &[f64], labels: &[bool], level: f64) -> Estimate {
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let Some(Delong { auc, variance }) = delong(scores, labels) else {
        return Estimate::undefined(undefined_reason(scores, positives, negatives));
    };
    let interval = if auc == 0.0 || auc == 1.0 {
        Some(newcombe_interval(auc, positives, negatives, level))
    } else {
        variance.and_then(|variance| delong_logit_interval(auc, variance, level))
    };
    let reason = interval.is_none().then(|| {
        format!(
            "no interval: DeLong's variance needs two exams of each class, found {positives} \
             positive and {negatives} negative"
        )
    });
    Estimate { value: Some(auc), interval, reason }
}

fn undefined_reason(scores: &[f64], positives: usize, negatives: usize) -> String {
    let not_numbers = scores.iter().filter(|score| score.is_nan()).count();
    if positives + negatives == 0 {
        "there are no exams".to_owned()
    } else if not_numbers > 0 {
        format!("{not_numbers} of {} scores are not numbers", scores.len())
    } else if negatives == 0 {
        format!("one class only: all {positives} exams are positive")
    } else {
        format!("one class only: all {negatives} exams are negative")
    }
}

/// Two models' AUCs on the same exams, and DeLong's test of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedAucs {
    /// AUC of the first model.
    pub auc_a: f64,
    /// AUC of the second model.
    pub auc_b: f64,
    /// `auc_a − auc_b`.
    pub difference: f64,
    /// Difference ± z·SE.
    pub interval: Option<Interval>,
    /// Difference divided by its standard error.
    pub statistic: Option<f64>,
    /// Two-sided p-value of the null hypothesis that the AUCs are equal.
    pub p_value: Option<f64>,
    /// Why interval, statistic and p-value are missing; `None` when they are defined.
    pub reason: Option<String>,
}

/// DeLong's test of two models that scored the same exams, in the same order. `None` for one
/// class only or a score that is not a number.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn delong_paired(
    scores_a: &[f64],
    scores_b: &[f64],
    labels: &[bool],
    level: f64,
) -> Option<PairedAucs> {
    let (a, b) = (components(scores_a, labels)?, components(scores_b, labels)?);
    let difference = a.auc - b.auc;
    let mut paired = PairedAucs {
        auc_a: a.auc,
        auc_b: b.auc,
        difference,
        interval: None,
        statistic: None,
        p_value: None,
        reason: None,
    };
    let variance_of_difference = || {
        let (aa, bb) = (covariance_of_aucs(&a, &a)?, covariance_of_aucs(&b, &b)?);
        Some(aa + bb - 2.0 * covariance_of_aucs(&a, &b)?)
    };
    match variance_of_difference() {
        None => {
            paired.reason = Some("the test needs two exams of each class".to_owned());
        }
        // The variance of identical rankings is zero up to rounding.
        Some(variance) if variance <= 1e-15 => {
            let reason = "both models rank these exams equally, so their AUCs are equal and the test \
                          is undefined";
            paired.reason = Some(reason.to_owned());
        }
        Some(variance) => {
            let spread = critical_value(level) * variance.sqrt();
            let statistic = difference / variance.sqrt();
            paired.statistic = Some(statistic);
            paired.p_value = Some(two_sided_p(statistic));
            paired.interval = Some(Interval {
                low: difference - spread,
                high: difference + spread,
                level,
                method: Method::DelongPlain,
            });
        }
    }
    Some(paired)
}

#[cfg(test)]
#[path = "delong_tests.rs"]
mod tests;
