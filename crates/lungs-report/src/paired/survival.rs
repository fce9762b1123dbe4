//! Paired tests of the risks of several years of two models.

use super::sentence::{p_text, percent, signed};
use super::{Pair, PairedModel};
use lungs_base::text::counted;
use lungs_spec::spec::horizon_words;
use lungs_stats::{
    HorizonComparison, Outcomes, PairedDifference, RiskTable, SurvivalComparison, compare_survival,
    holm,
};
use serde::Serialize;

/// Follow-up and risks of two models for the same exams.
#[derive(Debug)]
pub(crate) struct SurvivalPair {
    pub outcomes: Outcomes,
    /// Risks of the model `a` and of the model `b`.
    pub tables: [RiskTable; 2],
}

/// The paired tests of the risks of several years.
#[derive(Debug, Serialize)]
pub struct SurvivalTest {
    /// Number of exams with follow-up that both models scored.
    pub exams: usize,
    /// Exams with cancer among them, at any time.
    pub cancers: usize,
    /// Differences of the C-indices, and of the AUC at each horizon that both models have.
    #[serde(flatten)]
    pub comparison: SurvivalComparison,
    /// The p-value of the AUC at each horizon, corrected for the number of horizons by Holm's method.
    pub auc_p_values_holm: Vec<Option<f64>>,
    /// The results as sentences.
    pub sentences: Vec<String>,
}

impl SurvivalTest {
    /// The tests of a pair; `None` where the numbers of risks and exams differ.
    pub(super) fn of(pair: &Pair, survival: &SurvivalPair, level: f64) -> Option<Self> {
        let SurvivalPair { outcomes, tables: [own, other] } = survival;
        let comparison = compare_survival(outcomes, [own, other], level).ok()?;
        let p_values = comparison.horizons.iter().map(|it| it.auc.p_value);
        let known: Vec<f64> = p_values.clone().flatten().collect();
        let mut corrected = holm(&known).into_iter();
        let auc_p_values_holm: Vec<Option<f64>> =
            p_values.map(|p| p.and_then(|_| corrected.next())).collect();
        let (exams, cancers) = (outcomes.len(), outcomes.event_count());
        let mut sentences = vec![of_c_index(pair, &comparison.harrell_c, (exams, cancers), level)];
        let years = comparison.horizons.iter().zip(&auc_p_values_holm);
        let count = known.len();
        sentences
            .extend(years.map(|(it, p)| of_horizon(it, p.filter(|_| count > 1), count, level)));
        Some(Self { exams, cancers, comparison, auc_p_values_holm, sentences })
    }
}

/// `95 % CI −0.010 to 0.070; p = 0.120`, or the reason why there is no test.
fn test_text(difference: &PairedDifference, level: f64) -> String {
    match (difference.interval, difference.p_value) {
        (Some(it), Some(p)) => format!(
            "{} % CI {} to {}; {}",
            percent(level),
            signed(it.low),
            signed(it.high),
            p_text(p)
        ),
        _ => difference.reason.clone().unwrap_or_else(|| "no test".to_owned()),
    }
}

fn of_c_index(
    pair: &Pair,
    difference: &PairedDifference,
    (exams, cancers): (usize, usize),
    level: f64,
) -> String {
    let [own, other]: [&PairedModel; 2] = pair.models.each_ref();
    let exams = counted(exams, &pair.exams[0], &pair.exams[1]);
    let (Some([a, b]), Some(value)) = (difference.values, difference.difference) else {
        let reason = difference.reason.as_deref().unwrap_or("it is undefined");
        return format!("C-index of {} and {}: {reason}.", own.name, other.name);
    };
    format!(
        "On the same {exams} with follow-up ({cancers} with cancer), the C-index of {} is {a:.3} and that of {} is {b:.3}, \
         a difference of {} ({}).",
        own.phrase,
        other.phrase,
        signed(value),
        test_text(difference, level)
    )
}

fn of_horizon(
    horizon: &HorizonComparison,
    corrected: Option<f64>,
    count: usize,
    level: f64,
) -> String {
    let (years, auc) = (horizon_words(horizon.horizon_years), &horizon.auc);
    let (Some([a, b]), Some(value)) = (auc.values, auc.difference) else {
        let reason = auc.reason.as_deref().unwrap_or("it is undefined");
        return format!("AUC within {years}: {reason}.");
    };
    let corrected = corrected
        .map_or(String::new(), |p| format!("; Holm-corrected for {count} horizons, {}", p_text(p)));
    format!(
        "AUC within {years}: {a:.3} and {b:.3}, a difference of {} ({}{corrected}).",
        signed(value),
        test_text(auc, level)
    )
}
