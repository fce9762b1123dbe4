//! Calibrators of Sybil: isotonic regressions of each year, as its file of calibrators stores them.
//!
//! ```json
//! {"Year1": [{"coef": [[1.0]], "intercept": [0.0], "x0": [0.1, 0.4], "y0": [0.0, 0.2], "x_min": 0.1, "x_max": 0.4}]}
//! ```
//!
//! A calibrator maps a risk `x` to the polyline through `(x0, y0)` at `coef · x + intercept`, clipped to
//! `[x_min, x_max]`; a year's calibrated risk is the mean over its list. Calibrated risks need not increase from year
//! to year.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Calibrators of the risks of several years.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Vec<Stored>>", into = "BTreeMap<String, Vec<Stored>>")]
pub struct SybilCalibrators {
    /// The list of each year, from year 1.
    years: Vec<Vec<Calibrator>>,
}

/// One isotonic regression after an affine map.
#[derive(Clone, Debug, PartialEq)]
struct Calibrator {
    coefficient: f64,
    intercept: f64,
    /// Ends of the accepted range.
    range: [f64; 2],
    /// Knots in ascending order of the first number.
    knots: Vec<[f64; 2]>,
}

/// A calibrator as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    coef: Nested,
    intercept: Nested,
    x0: Vec<f64>,
    y0: Vec<f64>,
    x_min: f64,
    x_max: f64,
}

/// A number, which scikit-learn stores within lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Nested {
    Number(f64),
    List(Vec<Nested>),
}

/// A file of calibrators has an impossible value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibratorError {
    /// A key is missing or unknown.
    #[error("found the years {found:?}, expected \"Year1\", \"Year2\", … without gaps")]
    Years {
        /// The keys of the file.
        found: Vec<String>,
    },
    /// A year without calibrators.
    #[error("{year} has no calibrator, expected at least 1")]
    Empty {
        /// The key.
        year: String,
    },
    /// A value of one calibrator.
    #[error("{year}, calibrator {number}: {key} is {found}, expected {expected}")]
    Value {
        /// The key of the year.
        year: String,
        /// Position in the list, from 1.
        number: usize,
        /// The key of the value.
        key: &'static str,
        /// The value found.
        found: String,
        /// The value expected.
        expected: &'static str,
    },
}

impl SybilCalibrators {
    /// Number of years.
    pub fn years(&self) -> usize {
        self.years.len()
    }

    /// The calibrated risk of `year`, from 1; `None` for a year without calibrators. NaN stays NaN.
    pub fn calibrated(&self, year: usize, risk: f64) -> Option<f64> {
        let calibrators = self.years.get(year.checked_sub(1)?)?;
        let sum: f64 = calibrators.iter().map(|calibrator| calibrator.calibrated(risk)).sum();
        Some(sum / calibrators.len() as f64)
    }

    /// The calibrated risks of the first years; `None` if there are more risks than years.
    pub fn all_calibrated(&self, risks: &[f64]) -> Option<Vec<f64>> {
        let years = risks.iter().enumerate();
        years.map(|(index, risk)| self.calibrated(index + 1, *risk)).collect()
    }
}

impl Calibrator {
    fn calibrated(&self, risk: f64) -> f64 {
        let [low, high] = self.range;
        let x = risk * self.coefficient + self.intercept;
        if x.is_nan() {
            return x;
        }
        let x = x.max(low).min(high);
        // The last knot at or below x; of equal knots the last one counts, as in NumPy.
        let above = self.knots.partition_point(|[knot, _]| *knot <= x);
        match (above.checked_sub(1).map(|below| self.knots[below]), self.knots.get(above)) {
            (None, Some([_, first])) => *first,
            (Some([_, last]), None) => last,
            (Some([x0, y0]), Some([x1, y1])) => {
                if x == x0 {
                    y0
                } else {
                    (y1 - y0) / (x1 - x0) * (x - x0) + y0
                }
            }
            // Without knots, which a file cannot have.
            (None, None) => f64::NAN,
        }
    }

    fn from_stored(stored: &Stored) -> Result<Self, (&'static str, String, &'static str)> {
        let Stored { coef, intercept, x0, y0, x_min, x_max } = stored;
        let one = |key, nested: &Nested| {
            let number = nested.only().filter(|number| number.is_finite());
            number.ok_or_else(|| (key, format!("{nested:?}"), "one number"))
        };
        let (coefficient, intercept) = (one("coef", coef)?, one("intercept", intercept)?);
        let ascending = x0.windows(2).all(|pair| pair[0] <= pair[1]);
        if x0.is_empty() || !ascending || x0.iter().any(|x| !x.is_finite()) {
            return Err((
                "x0",
                format!("{x0:?}"),
                "finite numbers in ascending order, at least one",
            ));
        }
        if y0.len() != x0.len() || y0.iter().any(|y| !y.is_finite()) {
            return Err(("y0", format!("{y0:?}"), "as many finite numbers as x0"));
        }
        if x_min.is_nan() || x_max.is_nan() || x_min > x_max {
            return Err(("x_max", format!("{x_max:?}"), "a number of at least x_min"));
        }
        let knots = x0.iter().zip(y0).map(|(x, y)| [*x, *y]).collect();
        Ok(Self { coefficient, intercept, range: [*x_min, *x_max], knots })
    }
}

impl Nested {
    /// The number, if it is the only one.
    fn only(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::List(items) if items.len() == 1 => items[0].only(),
            Self::List(_) => None,
        }
    }
}

impl TryFrom<BTreeMap<String, Vec<Stored>>> for SybilCalibrators {
    type Error = CalibratorError;

    fn try_from(mut stored: BTreeMap<String, Vec<Stored>>) -> Result<Self, CalibratorError> {
        let found: Vec<String> = stored.keys().cloned().collect();
        let mut years = Vec::with_capacity(found.len());
        for number in 1..=found.len() {
            let year = format!("Year{number}");
            let list = stored
                .remove(&year)
                .ok_or_else(|| CalibratorError::Years { found: found.clone() })?;
            if list.is_empty() {
                return Err(CalibratorError::Empty { year });
            }
            let of_list = list.iter().enumerate().map(|(index, one)| {
                Calibrator::from_stored(one).map_err(|(key, found, expected)| {
                    let (year, number) = (year.clone(), index + 1);
                    CalibratorError::Value { year, number, key, found, expected }
                })
            });
            years.push(of_list.collect::<Result<Vec<_>, _>>()?);
        }
        if years.is_empty() {
            return Err(CalibratorError::Years { found });
        }
        Ok(Self { years })
    }
}

impl From<SybilCalibrators> for BTreeMap<String, Vec<Stored>> {
    fn from(calibrators: SybilCalibrators) -> Self {
        let stored = |calibrator: Calibrator| Stored {
            coef: Nested::Number(calibrator.coefficient),
            intercept: Nested::Number(calibrator.intercept),
            x0: calibrator.knots.iter().map(|[x, _]| *x).collect(),
            y0: calibrator.knots.iter().map(|[_, y]| *y).collect(),
            x_min: calibrator.range[0],
            x_max: calibrator.range[1],
        };
        let years = calibrators.years.into_iter().enumerate();
        years
            .map(|(index, list)| {
                (format!("Year{}", index + 1), list.into_iter().map(stored).collect())
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "sybil_calibrators_tests.rs"]
mod tests;
