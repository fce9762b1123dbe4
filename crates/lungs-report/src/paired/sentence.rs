//! Results of paired tests as sentences for a paper.

use super::{Pair, PairedModel};
use lungs_stats::{NonInferiority, PairedAucs, auc_with_interval};

/// `p = 0.034`, `p < 0.001`
pub(super) fn p_text(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// `95`, `97.5`: a level in percent.
pub(crate) fn percent(level: f64) -> f64 {
    (level * 1000.0).round() / 10.0
}

/// The number with three decimals and a minus sign.
pub(super) fn signed(value: f64) -> String {
    format!("{value:.3}").replace('-', "−")
}

/// The result of the test of the AUCs, or the reason why there is none. `corrected` is the p-value corrected for a
/// number of tests.
pub(super) fn of_aucs(
    pair: &Pair,
    aucs: Option<&PairedAucs>,
    corrected: Option<(f64, usize)>,
    level: f64,
) -> String {
    let [own, other] = &pair.models;
    let Some(aucs) = aucs else {
        return format!(
            "No paired test of {} and {}: all exams have the same class, or a prediction is not a number.",
            own.name, other.name
        );
    };
    let Some(p) = aucs.p_value else {
        let reason = aucs.reason.as_deref().unwrap_or("the test of the AUCs is undefined");
        return format!("{} and {}: {reason}.", own.name, other.name);
    };
    let holm = corrected.map_or(String::new(), |(corrected, count)| {
        format!("; Holm-corrected for {count} tests, {}", p_text(corrected))
    });
    let reason = aucs.reason.as_ref().filter(|_| aucs.permutation.is_some());
    let reason = reason.map(|reason| format!("There is {reason}."));
    let remarks = reason.iter().chain(&pair.remark).map(|remark| format!(" {remark}"));
    let common = if pair.is_common { " common to both" } else { "" };
    let positives = pair.labels.iter().filter(|&&label| label).count();
    let auc = |model: &PairedModel| {
        let auc = auc_with_interval(&model.scores, &pair.labels, pair.patients.as_deref(), level);
        let interval = auc.interval.map_or(String::new(), |it| {
            format!(" ({} % CI {:.3} to {:.3})", percent(level), it.low, it.high)
        });
        format!("{:.3}{interval}", auc.value.unwrap_or_default())
    };
    let exams = if pair.labels.len() == 1 { &pair.exams[0] } else { &pair.exams[1] };
    format!(
        "On the same {} {exams}{common} ({positives} positive), the AUC of {} is {} and that of {} is {}, a difference \
         of {} ({}, {}{holm}).{}",
        pair.labels.len(),
        own.phrase,
        auc(own),
        other.phrase,
        auc(other),
        signed(aucs.difference),
        method(pair, aucs, level),
        p_text(p),
        remarks.collect::<String>(),
    )
}

/// The result of the test of non-inferiority, or the reason why there is none.
pub(super) fn of_margin(pair: &Pair, test: &NonInferiority) -> String {
    let [own, other] = &pair.models;
    let (Some(bound), Some(p), Some(is_non_inferior)) =
        (test.lower_bound, test.p_value, test.is_non_inferior)
    else {
        let reason = test.reason.as_deref().unwrap_or("the test is undefined");
        return format!("Non-inferiority of {} to {}: {reason}.", own.name, other.name);
    };
    let verdict =
        if is_non_inferior { "is non-inferior" } else { "is not shown to be non-inferior" };
    format!(
        "With a margin of {}, the AUC of {} {verdict} to that of {}: the lower {} % bound of the difference is {} \
         (one-sided {}).",
        test.margin,
        own.phrase,
        other.phrase,
        percent(test.one_sided_level),
        signed(bound),
        p_text(p),
    )
}

/// The test with the interval of the difference.
fn method(pair: &Pair, aucs: &PairedAucs, level: f64) -> String {
    match (&aucs.permutation, &aucs.interval) {
        (Some(permutation), _) if permutation.exact => {
            format!("exact permutation test, {} exchanges", permutation.exchanges)
        }
        (Some(permutation), _) => {
            format!("permutation test, {} random exchanges", permutation.exchanges)
        }
        (None, Some(it)) => {
            let name = if pair.patients.is_some() {
                "DeLong's paired test with Obuchowski's variance for repeated patients"
            } else {
                "DeLong's paired test"
            };
            format!("{} % CI {} to {}; {name}", percent(level), signed(it.low), signed(it.high))
        }
        (None, None) => String::new(),
    }
}
