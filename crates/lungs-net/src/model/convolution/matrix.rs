//! Matrix products on slices: a safe interface to the `gemm` crate.

/// Number of threads for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The calling thread; other threads compute other products.
    One,
    /// All threads of the pool, if the product is large enough.
    Many,
}

/// Smallest product, in multiplications, for which several threads are faster.
const PARALLEL_FROM: usize = 192 * 192 * 192;

/// A view of a matrix: element (i, j) is `values[i·row_step + j·column_step]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows are `row_step` apart.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        Self { values, rows, columns, row_step, column_step: 1 }
    }

    /// The transposed view.
    pub(super) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }

    /// Largest index of the matrix plus one.
    fn required_length(&self) -> usize {
        required_length(self.rows, self.columns, self.row_step, self.column_step)
    }
}

fn required_length(rows: usize, columns: usize, row_step: usize, column_step: usize) -> usize {
    match (rows, columns) {
        (0, _) | (_, 0) => 0,
        _ => (rows - 1) * row_step + (columns - 1) * column_step + 1,
    }
}

/// `out = left · right`, or `out += left · right` with `add`, where `out` has rows of consecutive
/// numbers, `out_row_step` apart.
///
/// Each number of `out` is summed by one thread, in an order that depends on the shapes only, so that
/// the number of threads changes no bit.
pub(super) fn multiply(
    out: &mut [f32],
    out_row_step: usize,
    add: bool,
    left: Matrix<'_>,
    right: Matrix<'_>,
    threads: Threads,
) {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    assert_eq!(right.rows, k, "the inner lengths of a product must agree");
    assert!(m <= 1 || n <= out_row_step, "rows of the output must not overlap");
    assert!(required_length(m, n, out_row_step, 1) <= out.len());
    assert!(
        left.required_length() <= left.values.len()
            && right.required_length() <= right.values.len()
    );
    let parallelism = if threads == Threads::Many && m * n * k >= PARALLEL_FROM {
        gemm::Parallelism::Rayon(0) // all threads of the pool
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: the three asserts above bound every element that gemm accesses (indices up to
    // `required_length − 1` of slices that are at least that long); `out` is borrowed exclusively, so it
    // overlaps neither input, and its rows do not overlap each other. All strides are in elements
    // and come from slice lengths, hence fit in isize. With `add` false gemm does not read `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_row_step as isize,
            add,
            left.values.as_ptr(),
            left.column_step as isize,
            left.row_step as isize,
            right.values.as_ptr(),
            right.column_step as isize,
            right.row_step as isize,
            1.0, // factor of the old output
            1.0, // factor of the product
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_transposes_and_sums() {
        let left = [1., 2., 3., 4., 5., 6.]; // 2×3
        let right = [1., 0., 2., 1., 0., 3.]; // 3×2
        let mut out = [0.; 4];
        multiply(
            &mut out,
            2,
            false,
            Matrix::new(&left, 2, 3, 3),
            Matrix::new(&right, 3, 2, 2),
            Threads::Many,
        );
        assert_eq!(out, [5., 11., 14., 23.]);
        multiply(
            &mut out,
            2,
            true,
            Matrix::new(&left, 2, 3, 3),
            Matrix::new(&right, 3, 2, 2),
            Threads::Many,
        );
        assert_eq!(out, [10., 22., 28., 46.]);
        let mut out = [0.; 9];
        let (left, right) = (Matrix::new(&left, 2, 3, 3), Matrix::new(&right, 3, 2, 2));
        multiply(&mut out, 3, false, left.transposed(), right.transposed(), Threads::Many);
        assert_eq!(out, [1., 6., 12., 2., 9., 15., 3., 12., 18.]);
    }

    #[test]
    #[should_panic(expected = "inner lengths")]
    fn shapes_must_agree() {
        let values = [0.; 4];
        let matrix = Matrix::new(&values, 2, 2, 2);
        multiply(&mut [0.; 2], 1, false, matrix, Matrix::new(&values, 1, 1, 1), Threads::Many);
    }
}
