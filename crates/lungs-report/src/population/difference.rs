//! Standardised differences between two groups of exams: differences in units of the groups' spread, which do not grow
//! with the number of exams as test statistics do.

use super::summary::mean_and_deviation;

/// The standardised difference of means (Austin 2009): the difference divided by the root of the mean of both
/// variances. `None` with fewer than two values in a group, or without spread.
pub(super) fn of_means(one: &[f64], other: &[f64]) -> Option<f64> {
    let (mean, Some(deviation)) = mean_and_deviation(one)? else { return None };
    let (other_mean, Some(other_deviation)) = mean_and_deviation(other)? else { return None };
    let spread = ((deviation.powi(2) + other_deviation.powi(2)) / 2.0).sqrt();
    (spread > 0.0).then(|| (mean - other_mean) / spread)
}

/// The standardised difference of the shares of levels (Yang & Dalton 2012): the Mahalanobis distance between the
/// shares, which is never negative. `one` and `other` are the counts of each level. `None` for an empty group, and
/// where no exam of a group has a level of the other.
pub(super) fn of_levels(one: &[usize], other: &[usize]) -> Option<f64> {
    let present: Vec<[f64; 2]> = one
        .iter()
        .zip(other)
        .filter(|(a, b)| **a + **b > 0)
        .map(|(a, b)| [*a as f64, *b as f64])
        .collect();
    let totals = present.iter().fold([0.0; 2], |sum, level| [sum[0] + level[0], sum[1] + level[1]]);
    if totals.contains(&0.0) {
        return None;
    }
    // The last share follows from the others.
    let shares: Vec<[f64; 2]> =
        present.iter().map(|level| [level[0] / totals[0], level[1] / totals[1]]).collect();
    let shares = &shares[..shares.len().saturating_sub(1)];
    let covariance = |i: usize, j: usize| -> f64 {
        let of_group = |group: usize| {
            let (p, q) = (shares[i][group], shares[j][group]);
            if i == j { p * (1.0 - p) } else { -p * q }
        };
        (of_group(0) + of_group(1)) / 2.0
    };
    let size = shares.len();
    let matrix: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| covariance(i, j)).collect()).collect();
    let difference: Vec<f64> = shares.iter().map(|[p, q]| p - q).collect();
    let solved = solve(matrix, difference.clone())?;
    let square: f64 = difference.iter().zip(&solved).map(|(a, b)| a * b).sum();
    Some(square.max(0.0).sqrt())
}

/// Solves a system of linear equations by elimination with pivots; `None` if it is singular.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        let size_of = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..size).max_by(|a, b| size_of(a).total_cmp(&size_of(b)))?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..size {
            let factor = matrix[row][column] / matrix[column][column];
            for k in column..size {
                matrix[row][k] -= factor * matrix[column][k];
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| matrix[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn means_differ_in_units_of_the_mean_variance() {
        // By hand: means 2 and 5, variances 1 and 4, so 3 / √2.5.
        assert_near(of_means(&[1.0, 2.0, 3.0], &[3.0, 5.0, 7.0]), -3.0 / 2.5_f64.sqrt());
        assert_eq!(of_means(&[1.0], &[3.0, 5.0]), None);
        assert_eq!(of_means(&[2.0, 2.0], &[2.0, 2.0]), None);
    }

    #[test]
    fn two_levels_have_the_difference_of_shares() {
        // By hand: shares 0.3 and 0.5, variances 0.21 and 0.25, so 0.2 / √0.23.
        let expected = 0.2 / 0.23_f64.sqrt();
        assert_near(of_levels(&[3, 7], &[10, 10]), expected);
        assert_near(of_levels(&[7, 0, 3], &[10, 0, 10]), expected);
        assert_near(of_levels(&[4, 6], &[40, 60]), 0.0);
        assert_near(of_levels(&[4], &[40]), 0.0);
        assert_eq!(of_levels(&[0, 0], &[1, 2]), None);
        assert_eq!(of_levels(&[4, 0], &[0, 3]), None);
    }

    #[test]
    fn three_levels_have_the_mahalanobis_distance() {
        // Shares (0.5, 0.3, 0.2) and (0.2, 0.4, 0.4); over the first two levels S = [[0.205, −0.115],
        // [−0.115, 0.225]], its determinant 0.0329, and d² = (0.09·0.225 + 0.01·0.205 − 2·0.03·0.115) / 0.0329.
        let square = (0.09 * 0.225 + 0.01 * 0.205 - 2.0 * 0.03 * 0.115) / 0.0329;
        assert_near(of_levels(&[50, 30, 20], &[20, 40, 40]), f64::sqrt(square));
        // The order of the levels is of no account.
        assert_near(of_levels(&[20, 50, 30], &[40, 20, 40]), f64::sqrt(square));
    }
}
