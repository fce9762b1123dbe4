//! Two models on the same exams.

use super::concordance::{harrell_discrimination, uno_discrimination};
use super::discrimination::Discrimination;
use super::dynamic_auc::dynamic_discrimination;
use super::error::SurvivalError;
use super::influence::Influence;
use super::outcomes::Outcomes;
use super::risk_table::RiskTable;
use crate::interval::{Interval, Method};
use crate::normal::{critical_value, two_sided_p};
use lungs_base::text::counted;
use serde::{Deserialize, Serialize};

/// Patients with a case, and with another exam, from which the normal approximation of the test holds; that of the
/// paired test of two AUCs.
const MIN_PATIENTS: usize = 20;

/// A metric of two models on the same exams, and the test of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The metric of either model.
    pub values: Option<[f64; 2]>,
    /// The first less the second.
    pub difference: Option<f64>,
    /// Standard error of the difference.
    pub standard_error: Option<f64>,
    /// Difference ± z·SE.
    pub interval: Option<Interval>,
    /// Two-sided p-value of the null hypothesis that the metrics are equal.
    pub p_value: Option<f64>,
    /// Why anything is missing.
    pub reason: Option<String>,
}

/// The difference of the AUCs of two models at a horizon ([`dynamic_auc`](super::dynamic_auc())) with its standard
/// error from the differences of their derivatives, summed over the exams of a patient (Blanche, Dartigues &
/// Jacqmin-Gadda 2013). Below twenty patients with a case or with a control there is neither interval nor p-value.
///
/// # Panics
/// When there is not one score of each model for each exam, or `level` is not between 0 and 1.
pub fn paired_dynamic_auc(
    outcomes: &Outcomes,
    scores: [&[f64]; 2],
    horizon_years: f64,
    level: f64,
) -> PairedDifference {
    let model = |scores| dynamic_discrimination(outcomes, scores, horizon_years);
    paired(outcomes, scores.map(model), level)
}

/// The difference of two models' [`harrell_c`](super::harrell_c()), as [`paired_dynamic_auc`].
///
/// # Panics
/// When there is not one score of each model for each exam, or `level` is not between 0 and 1.
pub fn paired_harrell_c(outcomes: &Outcomes, scores: [&[f64]; 2], level: f64) -> PairedDifference {
    paired(outcomes, scores.map(|scores| harrell_discrimination(outcomes, scores)), level)
}

/// The difference of two models' [`uno_c`](super::uno_c()), as [`paired_dynamic_auc`].
///
/// # Panics
/// When there is not one score of each model for each exam, or `level` is not between 0 and 1.
pub fn paired_uno_c(
    outcomes: &Outcomes,
    scores: [&[f64]; 2],
    tau_years: f64,
    level: f64,
) -> PairedDifference {
    paired(outcomes, scores.map(|scores| uno_discrimination(outcomes, scores, tau_years)), level)
}

fn paired(
    outcomes: &Outcomes,
    models: [Result<Discrimination, String>; 2],
    level: f64,
) -> PairedDifference {
    let mut paired = PairedDifference {
        values: None,
        difference: None,
        standard_error: None,
        interval: None,
        p_value: None,
        reason: None,
    };
    let [a, b] = match models {
        [Ok(a), Ok(b)] => [a, b],
        [Err(reason), _] | [_, Err(reason)] => {
            paired.reason = Some(reason);
            return paired;
        }
    };
    let terms = [(1.0, &a.influence), (-1.0, &b.influence)];
    let difference = Influence::combination(terms.into_iter());
    paired.values = Some([a.influence.value, b.influence.value]);
    paired.difference = Some(difference.value);
    // Both models have the same pairs.
    let [cases, others] = a.patients;
    let smaller = cases.min(others);
    if smaller < MIN_PATIENTS {
        let of = if cases <= others { "with a cancer that counts" } else { "without" };
        paired.reason = Some(format!(
            "no interval and no p-value: {} {of}, expected at least {MIN_PATIENTS}",
            counted(smaller, "patient", "patients")
        ));
        return paired;
    }
    let error = difference.standard_error(outcomes);
    // The standard error of identical rankings is zero up to rounding.
    if error * error <= 1e-15 {
        let reason = "no interval and no p-value: the standard error of the difference is 0";
        paired.reason = Some(reason.to_owned());
        return paired;
    }
    let spread = critical_value(level) * error;
    paired.standard_error = Some(error);
    paired.p_value = Some(two_sided_p(difference.value / error));
    paired.interval = Some(Interval {
        low: difference.value - spread,
        high: difference.value + spread,
        level,
        method: Method::InfluencePlain,
    });
    paired
}

/// Two models at a horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonComparison {
    /// The horizon in years.
    pub horizon_years: f64,
    /// Difference of the AUCs at the horizon.
    pub auc: PairedDifference,
}

/// Two models on the same exams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurvivalComparison {
    /// The AUCs at each horizon.
    pub horizons: Vec<HorizonComparison>,
    /// Harrell's C of the risks at the last horizon.
    pub harrell_c: PairedDifference,
    /// Uno's C of the risks at the last horizon, truncated there.
    pub uno_c: PairedDifference,
}

/// The tests of two models' risks of the same exams at the same horizons.
///
/// # Errors
/// Another number of rows than of exams. Horizons of the first table that the second lacks have no comparison.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn compare_survival(
    outcomes: &Outcomes,
    tables: [&RiskTable; 2],
    level: f64,
) -> Result<SurvivalComparison, SurvivalError> {
    for table in tables {
        let (what, found, expected) = ("rows of risks", table.len(), outcomes.len());
        if found != expected {
            return Err(SurvivalError::Length { what, found, expected });
        }
    }
    let [a, b] = tables;
    let horizons = a.horizons_years().iter().enumerate().filter_map(|(index, &horizon_years)| {
        let other = b.horizons_years().iter().position(|&other| other == horizon_years)?;
        let scores = [a.risks(index), b.risks(other)];
        let auc = paired_dynamic_auc(outcomes, scores, horizon_years, level);
        Some(HorizonComparison { horizon_years, auc })
    });
    let scores = tables.map(RiskTable::last_risks);
    let tau_years = a.last_horizon_years().min(b.last_horizon_years());
    Ok(SurvivalComparison {
        horizons: horizons.collect(),
        harrell_c: paired_harrell_c(outcomes, scores, level),
        uno_c: paired_uno_c(outcomes, scores, tau_years, level),
    })
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
