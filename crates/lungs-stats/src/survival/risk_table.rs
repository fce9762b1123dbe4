//! Predicted cumulative risks.

use super::error::SurvivalError;

/// Predicted probabilities of cancer within each horizon, for every exam.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskTable {
    horizons_years: Vec<f64>,
    /// `[horizon][exam]`
    columns: Vec<Vec<f64>>,
}

impl RiskTable {
    /// The table with `rows[exam][horizon]`. Horizons increase, risks are from 0 to 1 and do not decrease within
    /// an exam.
    ///
    /// # Errors
    /// Horizons or risks that are not so.
    pub fn new(horizons_years: &[f64], rows: &[Vec<f64>]) -> Result<Self, SurvivalError> {
        if horizons_years.is_empty() {
            return Err(SurvivalError::NoHorizons);
        }
        let mut before = 0.0;
        for (index, &horizon_years) in horizons_years.iter().enumerate() {
            if !(horizon_years.is_finite() && horizon_years > before) {
                return Err(SurvivalError::Horizon { index, horizon_years });
            }
            before = horizon_years;
        }
        for (exam, row) in rows.iter().enumerate() {
            check_row(horizons_years, exam, row)?;
        }
        let column = |index: usize| rows.iter().map(|row| row[index]).collect();
        let columns = (0..horizons_years.len()).map(column).collect();
        Ok(Self { horizons_years: horizons_years.to_vec(), columns })
    }

    /// Horizons in years, increasing.
    pub fn horizons_years(&self) -> &[f64] {
        &self.horizons_years
    }

    /// Risk of every exam at a horizon.
    ///
    /// # Panics
    /// When there is no horizon of this index.
    pub fn risks(&self, horizon: usize) -> &[f64] {
        &self.columns[horizon]
    }

    /// Risk of every exam at the last horizon, by which concordance ranks the exams.
    pub fn last_risks(&self) -> &[f64] {
        // There is at least one horizon.
        &self.columns[self.columns.len() - 1]
    }

    /// The last horizon in years.
    pub fn last_horizon_years(&self) -> f64 {
        self.horizons_years[self.horizons_years.len() - 1]
    }

    /// Number of exams.
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there is no exam.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn check_row(horizons_years: &[f64], exam: usize, row: &[f64]) -> Result<(), SurvivalError> {
    let (found, expected) = (row.len(), horizons_years.len());
    if found != expected {
        return Err(SurvivalError::Row { exam, found, expected });
    }
    let mut earlier = 0.0;
    for (&risk, &horizon_years) in row.iter().zip(horizons_years) {
        if !(0.0..=1.0).contains(&risk) {
            return Err(SurvivalError::Risk { exam, horizon_years, risk });
        }
        if risk < earlier {
            return Err(SurvivalError::Decrease { exam, horizon_years, risk, earlier });
        }
        earlier = risk;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_table_is_an_error_that_names_the_exam() {
        let error = |horizons: &[f64], rows: &[Vec<f64>]| {
            RiskTable::new(horizons, rows).unwrap_err().to_string()
        };
        let row = vec![0.1, 0.2];
        assert_eq!(error(&[], &[]), "there are no horizons, expected at least one");
        assert_eq!(
            error(&[1.0, 1.0], &[]),
            "horizon 2 is 1 years, expected a finite number above 0 and above the horizon before"
        );
        assert_eq!(
            error(&[1.0, 2.0], &[row.clone(), vec![0.1]]),
            "exam 2: 1 risks, expected 2, one for each horizon"
        );
        assert_eq!(
            error(&[1.0, 2.0], &[row.clone(), vec![0.1, f64::NAN]]),
            "exam 2: the risk at 2 years is NaN, expected a number from 0 to 1"
        );
        assert_eq!(
            error(&[1.0, 2.0], &[row, vec![0.3, 0.2]]),
            "exam 2: the risk at 2 years is 0.2, below 0.3 at the horizon before; cumulative risks do not decrease"
        );
        let table = RiskTable::new(&[1.0, 2.0], &[vec![0.1, 0.2], vec![0.0, 1.0]]).unwrap();
        assert_eq!((table.risks(0), table.last_risks()), (&[0.1, 0.0][..], &[0.2, 1.0][..]));
    }
}
