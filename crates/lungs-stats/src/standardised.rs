//! Standardised differences of a variable between two samples. They do not depend on the size of the samples.

/// `(mean b − mean a) / √((variance a + variance b) / 2)` with sample variances (Cohen; Austin 2009). `None` with fewer
/// than two values in a sample, or where no value differs from its mean but the means differ.
pub fn standardised_difference_of_means(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, variance_a) = mean_and_variance(a)?;
    let (mean_b, variance_b) = mean_and_variance(b)?;
    let difference = mean_b - mean_a;
    let variance = (variance_a + variance_b) / 2.0;
    if difference == 0.0 {
        return Some(0.0);
    }
    (variance > 0.0).then(|| difference / variance.sqrt())
}

fn mean_and_variance(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (mean, squares / (count - 1.0)))
}

/// The difference of the distributions over levels: the Mahalanobis distance of the shares of all levels but one, with
/// the mean of the two multinomial covariance matrices (Yang & Dalton 2012). `a` and `b` are the counts of the same
/// levels. `None` without exams in a sample, or where the matrix is singular although the shares differ.
///
/// # Panics
/// When the slices differ in length.
pub fn standardised_difference_of_levels(a: &[usize], b: &[usize]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "counts of the same levels");
    let shares = |counts: &[usize]| -> Option<Vec<f64>> {
        let total: usize = counts.iter().sum();
        (total > 0).then(|| counts.iter().map(|&count| count as f64 / total as f64).collect())
    };
    let (a, b) = (shares(a)?, shares(b)?);
    // A level that nobody has adds nothing; the last of the others is determined by the rest.
    let present: Vec<usize> = (0..a.len()).filter(|&level| a[level] + b[level] > 0.0).collect();
    let levels = &present[..present.len() - 1];
    let difference: Vec<f64> = levels.iter().map(|&level| b[level] - a[level]).collect();
    if difference.iter().all(|difference| *difference == 0.0) {
        return Some(0.0);
    }
    let covariance = |p: &[f64], i: usize, j: usize| {
        if i == j { p[i] * (1.0 - p[i]) } else { -p[i] * p[j] }
    };
    let mut matrix: Vec<Vec<f64>> = levels
        .iter()
        .zip(&difference)
        .map(|(&i, &difference)| {
            let row = levels.iter().map(|&j| (covariance(&a, i, j) + covariance(&b, i, j)) / 2.0);
            row.chain([difference]).collect()
        })
        .collect();
    let solution = solve(&mut matrix)?;
    let squared: f64 = solution.iter().zip(&difference).map(|(x, d)| x * d).sum();
    Some(squared.max(0.0).sqrt())
}

/// The solution of a linear system, whose right-hand side is the last column; `None` if it is singular. Elimination
/// with partial pivoting.
fn solve(matrix: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let size = matrix.len();
    for column in 0..size {
        let largest = |&a: &usize, &b: &usize| {
            matrix[a][column].abs().total_cmp(&matrix[b][column].abs()).then(b.cmp(&a))
        };
        let pivot = (column..size).max_by(largest)?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        let pivot_row = matrix[column].clone();
        for (_, values) in matrix.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = values[column] / pivot_row[column];
            values.iter_mut().zip(&pivot_row).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    Some((0..size).map(|row| matrix[row][size] / matrix[row][row]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_differ_by_standard_deviations() {
        // Python 3.12: (mean(b) - mean(a)) / sqrt((variance(a) + variance(b)) / 2), module statistics
        let (a, b) = ([61.0, 55.0, 70.0, 64.0], [58.0, 72.0, 75.0]);
        let difference = standardised_difference_of_means(&a, &b).unwrap();
        assert!((difference - 0.748930861894097).abs() < 1e-12, "{difference}");
        let swapped = standardised_difference_of_means(&b, &a).unwrap();
        assert!((difference + swapped).abs() < 1e-15);
        assert_eq!(standardised_difference_of_means(&a, &[1.0]), None);
        assert_eq!(standardised_difference_of_means(&[1.0; 3], &[2.0; 3]), None);
        assert_eq!(standardised_difference_of_means(&[2.0; 3], &[2.0; 9]), Some(0.0));
    }

    #[test]
    fn levels_differ_by_the_distance_of_yang_and_dalton() {
        // NumPy: d = (q - p)[:-1]; S = (diag(p) - outer(p, p) + diag(q) - outer(q, q))[:-1, :-1] / 2;
        // sqrt(d @ inv(S) @ d)
        let difference = |a: &[usize], b: &[usize]| standardised_difference_of_levels(a, b);
        let three = difference(&[10, 20, 70], &[30, 30, 40]).unwrap();
        assert!((three - 0.6700285975515565).abs() < 1e-12, "{three}");
        // Two levels: the difference of shares, standardised; (0.5 − 0.2) / √((0.16 + 0.25) / 2).
        let two = difference(&[20, 80], &[7, 7]).unwrap();
        assert!((two - 0.3 / 0.205_f64.sqrt()).abs() < 1e-12, "{two}");
        // Empty levels and their order do not matter.
        let reordered = difference(&[0, 70, 10, 20], &[0, 40, 30, 30]).unwrap();
        assert!((three - reordered).abs() < 1e-12);
        assert_eq!(difference(&[5, 5], &[50, 50]), Some(0.0));
        assert_eq!(difference(&[5, 0], &[0, 5]), None);
        assert_eq!(difference(&[5], &[9]), Some(0.0));
        assert_eq!(difference(&[0, 0], &[1, 5]), None);
    }
}
