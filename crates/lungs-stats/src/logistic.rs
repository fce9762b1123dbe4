//! Logistic regression with few terms, by Newton's method.

use super::cluster;
use super::logit::{cross_entropy, sigmoid};

/// Largest number of terms.
pub(super) const TERMS: usize = 5;

/// One value for each term; those beyond the number of terms are 0.
pub(super) type Terms = [f64; TERMS];

/// Exams with the same values of the terms.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub terms: Terms,
    /// Number (or weight) of negative and of positive exams.
    pub counts: [f64; 2],
}

impl Row {
    /// The row of one exam.
    pub(crate) fn of(terms: Terms, label: bool) -> Self {
        let mut counts = [0.0; 2];
        counts[usize::from(label)] = 1.0;
        Self { terms, counts }
    }
}

/// A symmetric matrix over the terms.
pub(super) type Matrix = [[f64; TERMS]; TERMS];

/// The maximum of the likelihood.
pub(super) struct LogisticFit {
    pub coefficients: Terms,
    /// Inverse of the information: the covariance of the coefficients of independent exams.
    pub covariance: Matrix,
    terms: usize,
}

/// The sum of products.
pub(super) fn dot(a: &Terms, b: &Terms) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `aᵀ M a`
pub(super) fn quadratic(matrix: &Matrix, a: &Terms) -> f64 {
    matrix.iter().zip(a).map(|(row, a_i)| a_i * dot(row, a)).sum()
}

impl LogisticFit {
    /// The fit of `rows` with the first `terms` terms. `None` where it does not converge within
    /// `iterations`: the likelihood has no maximum (a combination of the terms separates the classes), or the
    /// terms are collinear. Steps that do not raise the likelihood are halved.
    pub(crate) fn of(rows: &[Row], terms: usize, iterations: usize) -> Option<Self> {
        let loss = |b: &Terms| -> f64 {
            let of_row = |row: &Row| {
                let z = dot(&row.terms, b);
                let of_class = |class: usize| match row.counts[class] {
                    0.0 => 0.0,
                    count => count * cross_entropy(z, class == 1),
                };
                of_class(0) + of_class(1)
            };
            rows.iter().map(of_row).sum()
        };
        let mut coefficients = Terms::default();
        let mut current = loss(&coefficients);
        for _ in 0..iterations {
            let (gradient, information) = derivatives(rows, terms, &coefficients);
            let covariance = inverse(&information, terms)?;
            let step: Terms = std::array::from_fn(|term| dot(&covariance[term], &gradient));
            let after = |share: f64| -> Terms {
                std::array::from_fn(|term| coefficients[term] + share * step[term])
            };
            // Twice the gain that the step promises, in log-likelihood.
            if dot(&step, &gradient) < 1e-14 * (1.0 + current) {
                return Some(Self { coefficients: after(1.0), covariance, terms });
            }
            let mut share = 1.0;
            let mut next = loss(&after(share));
            while (next.is_nan() || next > current + 1e-12 * current) && share > 1e-10 {
                share *= 0.5;
                next = loss(&after(share));
            }
            (coefficients, current) = (after(share), next);
        }
        None
    }

    /// Covariance of the coefficients where `patients` (the index of each row's patient) have several exams: the
    /// scores are summed over the exams of a patient (Liang & Zeger 1986), corrected for the number of patients.
    pub(crate) fn covariance_of_patients(&self, rows: &[Row], patients: &[usize]) -> Matrix {
        let mut scores = vec![[0.0; TERMS]; cluster::count(patients)];
        for (row, &patient) in rows.iter().zip(patients) {
            let [negative, positive] = row.counts;
            let p = sigmoid(dot(&row.terms, &self.coefficients));
            let residual = positive - (negative + positive) * p;
            scores[patient]
                .iter_mut()
                .zip(row.terms)
                .for_each(|(sum, term)| *sum += residual * term);
        }
        let count = scores.len() as f64;
        let correction = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        // The influence of a patient on the coefficients.
        let influence = |score: &Terms| -> Terms {
            std::array::from_fn(|term| dot(&self.covariance[term], score))
        };
        let mut covariance = [[0.0; TERMS]; TERMS];
        for influence in scores.iter().map(influence) {
            for row in 0..self.terms {
                for column in 0..self.terms {
                    covariance[row][column] += correction * influence[row] * influence[column];
                }
            }
        }
        covariance
    }
}

/// Gradient and information of the log-likelihood.
fn derivatives(rows: &[Row], terms: usize, coefficients: &Terms) -> (Terms, Matrix) {
    let (mut gradient, mut information) = ([0.0; TERMS], [[0.0; TERMS]; TERMS]);
    for row in rows {
        let [negative, positive] = row.counts;
        let total = negative + positive;
        if total == 0.0 {
            continue;
        }
        let p = sigmoid(dot(&row.terms, coefficients));
        let (residual, weight) = (positive - total * p, total * p * (1.0 - p));
        for i in 0..terms {
            gradient[i] += residual * row.terms[i];
            let with_weight = weight * row.terms[i];
            let below = information[i].iter_mut().zip(row.terms).take(i + 1);
            below.for_each(|(sum, term)| *sum += with_weight * term);
        }
    }
    (gradient, information)
}

/// Inverse of a symmetric positive definite matrix, of which the lower triangle is given, by Cholesky's
/// decomposition; `None` where it is singular up to rounding.
fn inverse(matrix: &Matrix, terms: usize) -> Option<Matrix> {
    let mut lower = [[0.0; TERMS]; TERMS];
    for i in 0..terms {
        for j in 0..=i {
            let rest: f64 = matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            if i == j {
                // Written so that NaN fails too.
                if !(rest > 1e-13 * matrix[i][i] && rest.is_finite()) {
                    return None;
                }
                lower[i][i] = rest.sqrt();
            } else {
                lower[i][j] = rest / lower[j][j];
            }
        }
    }
    // Columns of the inverse of the lower triangle.
    let mut half = [[0.0; TERMS]; TERMS];
    for column in 0..terms {
        half[column][column] = 1.0 / lower[column][column];
        for row in column + 1..terms {
            let sum: f64 = (column..row).map(|k| lower[row][k] * half[k][column]).sum();
            half[row][column] = -sum / lower[row][row];
        }
    }
    let mut inverse = [[0.0; TERMS]; TERMS];
    for i in 0..terms {
        for j in 0..terms {
            inverse[i][j] = (i.max(j)..terms).map(|k| half[k][i] * half[k][j]).sum();
        }
    }
    Some(inverse)
}
