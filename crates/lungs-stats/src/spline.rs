//! Restricted cubic splines: cubic between knots, linear beyond the outer ones (Harrell 2015, section 2.4.5).

use super::logistic::{TERMS, Terms};

/// Quantiles of three, four and five knots (Harrell 2015, table 2.3).
const QUANTILES: [&[f64]; 3] =
    [&[0.1, 0.5, 0.9], &[0.05, 0.35, 0.65, 0.95], &[0.05, 0.275, 0.5, 0.725, 0.95]];

/// Below 100 values, the outer knots are the fifth smallest and the fifth largest of them.
const OUTER: usize = 5;

/// A restricted cubic spline, or a straight line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spline {
    /// First knot (or smallest value), and distance of the last one.
    origin: f64,
    scale: f64,
    /// Knots scaled to 0, …, 1; empty for a straight line.
    knots: Vec<f64>,
}

impl Spline {
    /// The spline with this number of knots (3 to 5, else a straight line) at quantiles of `sorted` values, which
    /// are finite and ascending. `None` where knots coincide.
    pub(crate) fn of(sorted: &[f64], knots: usize) -> Option<Self> {
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let Some(quantiles) = QUANTILES.iter().find(|quantiles| quantiles.len() == knots) else {
            let scale = last - first;
            return (scale > 0.0).then_some(Self { origin: first, scale, knots: Vec::new() });
        };
        let mut knots: Vec<f64> =
            quantiles.iter().map(|&p| quantile_of_sorted(sorted, p)).collect();
        if (2 * OUTER..100).contains(&sorted.len()) {
            knots[0] = sorted[OUTER - 1];
            knots[quantiles.len() - 1] = sorted[sorted.len() - OUTER];
        }
        let (origin, scale) = (knots[0], knots[knots.len() - 1] - knots[0]);
        let knots: Vec<f64> = knots.iter().map(|knot| (knot - origin) / scale).collect();
        // Knots this close have no cubic piece between them.
        let are_distinct = knots.windows(2).all(|pair| pair[1] - pair[0] > 1e-6);
        (scale > 0.0 && are_distinct).then_some(Self { origin, scale, knots })
    }

    /// Number of knots; 0 for a straight line.
    pub(crate) fn knots(&self) -> usize {
        self.knots.len()
    }

    /// Number of terms.
    pub(crate) fn terms(&self) -> usize {
        self.knots.len().max(2)
    }

    /// The terms of a value: 1, the value scaled, and the cubic terms.
    pub(crate) fn basis(&self, value: f64) -> Terms {
        let u = (value - self.origin) / self.scale;
        let mut terms = [0.0; TERMS];
        terms[0] = 1.0;
        terms[1] = u;
        let cube = |x: f64| x.max(0.0).powi(3);
        if let [inner @ .., before_last, _] = self.knots.as_slice() {
            for (term, knot) in terms[2..].iter_mut().zip(inner) {
                let ratio = (1.0 - knot) / (1.0 - before_last);
                // From the last knot on, the cubes cancel; the line does not overflow.
                let within = u.min(1.0);
                let slope = 3.0 * (1.0 - knot) * (before_last - knot);
                *term =
                    cube(within - knot) - ratio * cube(within - before_last) + slope * (u - within);
            }
        }
        terms
    }
}

/// The quantile of ascending values, at least one (R's type 7).
pub(super) fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position as usize;
    let share = position - below as f64;
    match sorted.get(below + 1) {
        Some(above) if share > 0.0 => sorted[below] * (1.0 - share) + above * share,
        _ => sorted[below],
    }
}
