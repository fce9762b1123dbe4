//! Maps from risks to calibrated risks, fitted on other exams.

use super::censoring::Censoring;
use super::outcomes::Outcomes;
use super::risk_logistic::{Known, coefficients, log_odds};
use super::risk_table::RiskTable;
use crate::recalibrate::Calibrator;
use serde::{Deserialize, Serialize};

/// A map from the risks of an exam to calibrated risks, one for each horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCalibrator {
    /// Horizons in years, increasing.
    pub horizons_years: Vec<f64>,
    /// The map from the log-odds of the risk at each horizon.
    pub maps: Vec<Calibrator>,
}

/// How a [`RiskCalibrator`] maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskMapMethod {
    /// A logistic curve.
    Platt,
    /// A monotone function.
    Isotonic,
}

impl RiskCalibrator {
    /// Fits a map for every horizon of the table.
    ///
    /// # Errors
    /// The reason why a horizon has no map: no exam is followed so long, one status only, or a fit that does not
    /// converge or reverses the ranking.
    pub fn fit(
        outcomes: &Outcomes,
        table: &RiskTable,
        method: RiskMapMethod,
    ) -> Result<Self, String> {
        let horizons_years = table.horizons_years().to_vec();
        let map = |(index, &horizon_years): (usize, &f64)| {
            let risks = table.risks(index);
            let map = match method {
                RiskMapMethod::Platt => platt(outcomes, risks, horizon_years),
                RiskMapMethod::Isotonic => isotonic(outcomes, risks, horizon_years),
            };
            let years = if horizon_years == 1.0 { "year" } else { "years" };
            map.map_err(|reason| format!("{horizon_years} {years}: {reason}"))
        };
        let maps = horizons_years.iter().enumerate().map(map).collect::<Result<_, String>>()?;
        Ok(Self { horizons_years, maps })
    }

    /// The calibrated risks of one exam. Separate maps may cross, so a risk below that of an earlier horizon is
    /// raised to it.
    pub fn risks(&self, risks: &[f64]) -> Vec<f64> {
        let mut earlier = 0.0_f64;
        let each = self.maps.iter().zip(risks).map(|(map, &risk)| {
            earlier = earlier.max(map.probability(log_odds(risk)).clamp(0.0, 1.0));
            earlier
        });
        each.collect()
    }

    /// Name of the method of the maps in a sentence.
    pub fn name(&self) -> &'static str {
        self.maps.first().map_or("no map", Calibrator::name)
    }
}

fn platt(outcomes: &Outcomes, risks: &[f64], horizon_years: f64) -> Result<Calibrator, String> {
    let [slope, intercept] = coefficients(outcomes, risks, horizon_years)?.map(|it| it.value);
    if slope <= 0.0 {
        return Err(format!(
            "the fitted slope is {slope:.3}, expected above 0: higher risks are less often cancer, so calibration \
             would reverse the ranking"
        ));
    }
    Ok(Calibrator::Platt { intercept, slope })
}

fn isotonic(outcomes: &Outcomes, risks: &[f64], horizon_years: f64) -> Result<Calibrator, String> {
    if let Some(reason) = outcomes.unknown_risk(horizon_years) {
        return Err(reason);
    }
    let known = Known::of(outcomes, &Censoring::of(outcomes), horizon_years);
    let scores: Vec<f64> = known.exams.iter().map(|&exam| log_odds(risks[exam])).collect();
    Calibrator::isotonic(&scores, &known.labels, Some(&known.weights))
}

#[cfg(test)]
#[path = "risk_calibrator_tests.rs"]
mod tests;
