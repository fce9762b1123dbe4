//! Errors of follow-up and of predicted risks.

use thiserror::Error;

/// Why follow-up or predicted risks cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SurvivalError {
    /// A time is negative or not finite.
    #[error(
        "exam {}: the follow-up time is {time_years} years, expected a finite number of at least 0",
        .exam + 1
    )]
    Time {
        /// Index of the exam, from 0; the message counts from 1.
        exam: usize,
        /// The time.
        time_years: f64,
    },
    /// Two inputs have different numbers of exams.
    #[error("{found} {what}, expected {expected}, one for each exam")]
    Length {
        /// What there are too many or too few of.
        what: &'static str,
        /// Their number.
        found: usize,
        /// Number of exams.
        expected: usize,
    },
    /// There is no horizon.
    #[error("there are no horizons, expected at least one")]
    NoHorizons,
    /// A horizon is not positive and finite, or not above the one before.
    #[error(
        "horizon {} is {horizon_years} years, expected a finite number above 0 and above the horizon before",
        .index + 1
    )]
    Horizon {
        /// Index of the horizon, from 0; the message counts from 1.
        index: usize,
        /// The horizon.
        horizon_years: f64,
    },
    /// An exam has another number of risks than there are horizons.
    #[error("exam {}: {found} risks, expected {expected}, one for each horizon", .exam + 1)]
    Row {
        /// Index of the exam, from 0; the message counts from 1.
        exam: usize,
        /// Its number of risks.
        found: usize,
        /// Number of horizons.
        expected: usize,
    },
    /// A risk is no probability.
    #[error(
        "exam {}: the risk at {horizon_years} years is {risk}, expected a number from 0 to 1",
        .exam + 1
    )]
    Risk {
        /// Index of the exam, from 0; the message counts from 1.
        exam: usize,
        /// Horizon of the risk.
        horizon_years: f64,
        /// The risk.
        risk: f64,
    },
    /// A cumulative risk decreases.
    #[error(
        "exam {}: the risk at {horizon_years} years is {risk}, below {earlier} at the horizon before; cumulative \
         risks do not decrease",
        .exam + 1
    )]
    Decrease {
        /// Index of the exam, from 0; the message counts from 1.
        exam: usize,
        /// Horizon of the risk.
        horizon_years: f64,
        /// The risk.
        risk: f64,
        /// Risk at the horizon before.
        earlier: f64,
    },
}
