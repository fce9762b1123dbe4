//! The small linear maps of Winograd's filtering, for tiles of 4×4 outputs and kernels of 3×3.
//!
//! In one dimension, four outputs of a kernel of three taps are a product of polynomials, evaluated at
//! six points: 0, ±2/3, ±3/2 and infinity.
//!
//! ```text
//! y = Aᵀ[(G g) ⊙ (Bᵀ d)]     d: 6 inputs, g: 3 taps, y: 4 outputs
//! ```
//!
//! In two dimensions each map is applied along both axes. Reciprocal points (2/3 and 3/2) keep all
//! numbers of similar size, which reduces rounding errors: a random layer of 64 channels has a root
//! mean square error of 6.3e-7 of its outputs, compared with 1.3e-6 for the usual points 0, ±1, ±2, and
//! 1.2e-7 for direct summation (benches/winograd_points.py).

use super::lanes::{Kernel, Lanes};
use std::array::from_fn;

/// Number of points along one axis, and of a tile's inputs.
pub(super) const SIDE: usize = 6;
/// Number of a tile's outputs along one axis.
pub(super) const STEP: usize = 4;
/// Number of points of a tile.
pub(super) const POINTS: usize = SIDE * SIDE;
/// Number of outputs of a tile.
pub(super) const OUTPUTS: usize = STEP * STEP;

/// The smaller positive finite point; `Q` is its reciprocal.
const P: f32 = 2.0 / 3.0;
const Q: f32 = 3.0 / 2.0;

/// Bᵀ: six inputs at the six points.
#[inline(always)]
fn input_points(d: [Lanes; 6]) -> [Lanes; 6] {
    const SUM: f32 = P * P + Q * Q;
    let (even_p, odd_p) = (d[4] - d[2] * (Q * Q), d[3] * P - d[1] * Q);
    let (even_q, odd_q) = (d[4] - d[2] * (P * P), d[3] * Q - d[1] * P);
    [
        d[0] - d[2] * SUM + d[4],
        even_p + odd_p,
        even_p - odd_p,
        even_q + odd_q,
        even_q - odd_q,
        d[1] - d[3] * SUM + d[5],
    ]
}

/// A: four outputs' gradients at the six points.
#[inline(always)]
fn output_points(y: [Lanes; 4]) -> [Lanes; 6] {
    let (even_p, odd_p) = (y[0] + y[2] * (P * P), y[1] * P + y[3] * (P * P * P));
    let (even_q, odd_q) = (y[0] + y[2] * (Q * Q), y[1] * Q + y[3] * (Q * Q * Q));
    [y[0], even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, y[3]]
}

/// Aᵀ: four outputs from the six points.
#[inline(always)]
fn outputs(m: [Lanes; 6]) -> [Lanes; 4] {
    let (sum_p, difference_p) = (m[1] + m[2], m[1] - m[2]);
    let (sum_q, difference_q) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + sum_p + sum_q,
        difference_p * P + difference_q * Q,
        sum_p * (P * P) + sum_q * (Q * Q),
        difference_p * (P * P * P) + difference_q * (Q * Q * Q) + m[5],
    ]
}

/// Divisors at the points ±P and ±Q: `2·x²·(x² − 1/x²)`.
const N_P: f32 = 2.0 * P * P * (P * P - Q * Q);
const N_Q: f32 = 2.0 * Q * Q * (Q * Q - P * P);

/// G: three taps at the six points.
#[inline(always)]
fn kernel_points(g: [Lanes; 3]) -> [Lanes; 6] {
    let (even_p, odd_p) = ((g[0] + g[2] * (P * P)) * (1.0 / N_P), g[1] * (P / N_P));
    let (even_q, odd_q) = ((g[0] + g[2] * (Q * Q)) * (1.0 / N_Q), g[1] * (Q / N_Q));
    [g[0], even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, g[2]]
}

/// Gᵀ: three taps' gradients from the six points.
#[inline(always)]
fn taps(u: [Lanes; 6]) -> [Lanes; 3] {
    let (sum_p, difference_p) = (u[1] + u[2], u[1] - u[2]);
    let (sum_q, difference_q) = (u[3] + u[4], u[3] - u[4]);
    [
        u[0] + sum_p * (1.0 / N_P) + sum_q * (1.0 / N_Q),
        difference_p * (P / N_P) + difference_q * (Q / N_Q),
        sum_p * (P * P / N_P) + sum_q * (Q * Q / N_Q) + u[5],
    ]
}

/// A map along the columns, then along the rows, of an `I × I` tile that becomes `O × O`.
#[inline(always)]
fn both_axes<const I: usize, const O: usize, const II: usize, const OO: usize>(
    tile: [Lanes; II],
    map: impl Fn([Lanes; I]) -> [Lanes; O],
) -> [Lanes; OO] {
    // [row, point along the row], then [point along the column, point along the row].
    let rows: [[Lanes; O]; I] = from_fn(|row| map(from_fn(|column| tile[row * I + column])));
    let columns: [[Lanes; O]; O] = from_fn(|column| map(from_fn(|row| rows[row][column])));
    from_fn(|index| columns[index % O][index / O])
}

/// A tile's inputs at all points.
pub(super) struct InputPoints;
impl Kernel<POINTS, POINTS> for InputPoints {
    #[inline(always)]
    fn apply(tile: [Lanes; POINTS]) -> [Lanes; POINTS] {
        both_axes(tile, input_points)
    }
}

/// A tile's outputs from all points.
pub(super) struct Outputs;
impl Kernel<POINTS, OUTPUTS> for Outputs {
    #[inline(always)]
    fn apply(points: [Lanes; POINTS]) -> [Lanes; OUTPUTS] {
        both_axes(points, outputs)
    }
}

/// The gradient of a tile's outputs at all points.
pub(super) struct OutputPoints;
impl Kernel<OUTPUTS, POINTS> for OutputPoints {
    #[inline(always)]
    fn apply(tile: [Lanes; OUTPUTS]) -> [Lanes; POINTS] {
        both_axes(tile, output_points)
    }
}

/// One depth of a kernel at all points.
pub(super) struct KernelPoints;
impl Kernel<9, POINTS> for KernelPoints {
    #[inline(always)]
    fn apply(kernel: [Lanes; 9]) -> [Lanes; POINTS] {
        both_axes(kernel, kernel_points)
    }
}

/// The gradient of one depth of a kernel from all points.
pub(super) struct Taps;
impl Kernel<POINTS, 9> for Taps {
    #[inline(always)]
    fn apply(points: [Lanes; POINTS]) -> [Lanes; 9] {
        both_axes(points, taps)
    }
}
