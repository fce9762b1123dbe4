//! The product of two tiles in shared memory, by the units (threads) of a block or by tensor cores.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::cmma;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::super::Precision;

/// The tile of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Units along the rows and the columns of the tile.
    pub(super) units: [usize; 2],
    /// Rows and columns that one unit adds.
    pub(super) per_unit: [usize; 2],
    /// Terms of each sum that shared memory holds at a time.
    pub(super) depth: usize,
    /// Terms that a tensor core adds at a time; 0 for products by the units themselves.
    pub(super) core_depth: usize,
}

impl Tile {
    /// For devices with few units per block: CubeCL's CPU runtime. The code of the kernels is the same.
    const SMALL: Self = Self { units: [1, 1], per_unit: [4, 8], depth: 4, core_depth: 0 };

    /// The tile for a result with this many columns, on the tensor's device. Without tensor cores,
    /// `depth` is the number of terms in shared memory.
    pub(super) fn new(
        tensor: &CubeTensor,
        columns: usize,
        precision: Precision,
        depth: usize,
    ) -> Self {
        let most = tensor.client.properties().hardware.max_units_per_cube;
        let (depth, core_depth) = match precision {
            Precision::F32 => (depth, 0),
            Precision::Tf32 => (16, 8),
            Precision::Bf16 => (32, 16),
        };
        let per_unit = [
            8,
            if columns > 64 {
                8
            } else if columns > 32 {
                4
            } else {
                2
            },
        ];
        match most {
            0..2 => Self::SMALL,
            2..256 => Self { units: [2, 1], ..Self::SMALL },
            _ => Self { units: [16, 16], per_unit, depth, core_depth },
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.units[0] * self.per_unit[0]
    }
    pub(super) fn columns(&self) -> usize {
        self.units[1] * self.per_unit[1]
    }
    /// Row lengths of the left and right tile in shared memory, with padding so that neighbouring terms
    /// lie in different banks. Tensor cores load rows that start at multiples of 32 bytes.
    pub(super) fn pitches(&self) -> [usize; 2] {
        let padding = if self.core_depth > 0 { 8 } else { 1 };
        [self.rows() + padding, self.columns() + padding]
    }
    /// Accumulators of a plane (32 units) along rows and columns, with tensor cores. A block has four
    /// planes along the rows and two along the columns.
    pub(super) fn accumulators(&self) -> [usize; 2] {
        [self.rows() / 64, self.columns() / 32]
    }
    pub(super) fn count(&self) -> usize {
        self.units[0] * self.units[1]
    }
}

/// The sums of one block.
#[derive(CubeType)]
pub(super) struct Sums {
    /// Of one unit, `[row, column]`.
    by_unit: Array<f32>,
    /// Of one plane, `[row, column]`; empty without tensor cores.
    by_core: Sequence<cmma::Matrix<f32>>,
}

#[cube]
pub(super) fn zeros(#[comptime] tile: Tile) -> Sums {
    let mut by_core = Sequence::<cmma::Matrix<f32>>::new();
    let mut by_unit = Array::<f32>::new(comptime!(if tile.core_depth > 0 {
        1
    } else {
        tile.per_unit[0] * tile.per_unit[1]
    }));
    if comptime!(tile.core_depth > 0) {
        #[unroll]
        for _ in 0..comptime!(tile.accumulators()[0] * tile.accumulators()[1]) {
            by_core.push(cmma::Matrix::<f32>::from_value(
                cmma::MatrixIdent::Accumulator,
                16usize,
                16usize,
                tile.core_depth,
                cmma::MatrixLayout::Undefined,
                0.0,
            ));
        }
    } else {
        #[unroll]
        for i in 0..comptime!(tile.per_unit[0] * tile.per_unit[1]) {
            by_unit[i] = 0.0;
        }
    }
    Sums { by_unit, by_core }
}

/// Adds the product of the two tiles in shared memory, `[term, row]` and `[term, column]`.
#[cube]
pub(super) fn add_product<S: Float>(
    left: &Shared<[S]>,
    right: &Shared<[S]>,
    sums: &mut Sums,
    #[comptime] tile: Tile,
) {
    if comptime!(tile.core_depth > 0) {
        add_by_cores::<S>(left, right, sums, tile);
    } else {
        add_by_units::<S>(left, right, sums, tile);
    }
}

#[cube]
fn add_by_units<S: Float>(
    left: &Shared<[S]>,
    right: &Shared<[S]>,
    sums: &mut Sums,
    #[comptime] tile: Tile,
) {
    let row = UNIT_POS as usize % tile.units[0];
    let column = UNIT_POS as usize / tile.units[0];
    let pitches = comptime!(tile.pitches());
    #[unroll]
    for k in 0..tile.depth {
        let mut a = Array::<f32>::new(tile.per_unit[0]);
        let mut b = Array::<f32>::new(tile.per_unit[1]);
        #[unroll]
        for i in 0..tile.per_unit[0] {
            a[i] = f32::cast_from(left[k * pitches[0] + row + i * tile.units[0]]);
        }
        #[unroll]
        for j in 0..tile.per_unit[1] {
            b[j] = f32::cast_from(right[k * pitches[1] + column + j * tile.units[1]]);
        }
        #[unroll]
        for i in 0..tile.per_unit[0] {
            #[unroll]
            for j in 0..tile.per_unit[1] {
                let index = comptime!(i * tile.per_unit[1] + j);
                sums.by_unit[index] = fma(a[i], b[j], sums.by_unit[index]);
            }
        }
    }
}

#[cube]
fn add_by_cores<S: Float>(
    left: &Shared<[S]>,
    right: &Shared<[S]>,
    sums: &mut Sums,
    #[comptime] tile: Tile,
) {
    let plane = UNIT_POS as usize / 32;
    let pitches = comptime!(tile.pitches());
    let accumulators = comptime!(tile.accumulators());
    let first_row = plane % 4 * comptime!(tile.rows() / 4);
    let first_column = plane / 4 * comptime!(tile.columns() / 2);
    #[unroll]
    for step in 0..comptime!(tile.depth / tile.core_depth) {
        let term = comptime!(step * tile.core_depth);
        let mut factors = Sequence::<cmma::Matrix<S>>::new();
        #[unroll]
        for i in 0..accumulators[0] {
            let start = term * pitches[0] + first_row + i * 16;
            factors.push(cmma::Matrix::<S>::from_slice(
                cmma::MatrixIdent::A,
                16usize,
                16usize,
                tile.core_depth,
                cmma::MatrixLayout::ColMajor,
                &left[start..left.len()],
                comptime!(pitches[0] as u32),
            ));
        }
        #[unroll]
        for j in 0..accumulators[1] {
            let start = term * pitches[1] + first_column + j * 16;
            let factor = cmma::Matrix::<S>::from_slice(
                cmma::MatrixIdent::B,
                16usize,
                16usize,
                tile.core_depth,
                cmma::MatrixLayout::RowMajor,
                &right[start..right.len()],
                comptime!(pitches[1] as u32),
            );
            #[unroll]
            for i in 0..accumulators[0] {
                let sum = sums.by_core.index(comptime!(i * accumulators[1] + j));
                cmma::execute(factors.index(i), &factor, sum, sum);
            }
        }
    }
}

/// Writes the sums to `output[start + row · row_stride + column · column_stride]`, where row and column
/// are below their ends.
#[cube]
pub(super) fn write_sums(
    sums: &Sums,
    output: &mut [f32],
    start: usize,
    ends: (usize, usize),
    strides: (usize, usize),
    firsts: (usize, usize),
    #[comptime] tile: Tile,
) {
    if comptime!(tile.core_depth > 0) {
        // Through shared memory: which unit holds which number of an accumulator is not specified.
        let mut staged = Shared::<[f32]>::new_aligned_slice(2048usize, 32usize);
        let plane = UNIT_POS as usize / 32;
        let lane = UNIT_POS as usize % 32;
        let accumulators = comptime!(tile.accumulators());
        let own = plane * 256;
        #[unroll]
        for i in 0..accumulators[0] {
            #[unroll]
            for j in 0..accumulators[1] {
                let first_row = firsts.0 + plane % 4 * comptime!(tile.rows() / 4) + i * 16;
                let first_column = firsts.1 + plane / 4 * comptime!(tile.columns() / 2) + j * 16;
                sync_plane();
                let end = staged.len();
                cmma::store(
                    &mut staged[own..end],
                    sums.by_core.index(comptime!(i * accumulators[1] + j)),
                    16,
                    cmma::MatrixLayout::ColMajor,
                );
                sync_plane();
                #[unroll]
                for part in 0..8usize {
                    let element = part * 32 + lane;
                    let row = first_row + element % 16;
                    let column = first_column + element / 16;
                    if row < ends.0 && column < ends.1 {
                        output[start + row * strides.0 + column * strides.1] =
                            staged[own + element];
                    }
                }
            }
        }
    } else {
        let first_row = firsts.0 + UNIT_POS as usize % tile.units[0];
        let first_column = firsts.1 + UNIT_POS as usize / tile.units[0];
        #[unroll]
        for j in 0..tile.per_unit[1] {
            let column = first_column + j * tile.units[1];
            #[unroll]
            for i in 0..tile.per_unit[0] {
                let row = first_row + i * tile.units[0];
                if row < ends.0 && column < ends.1 {
                    output[start + row * strides.0 + column * strides.1] =
                        sums.by_unit[comptime!(i * tile.per_unit[1] + j)];
                }
            }
        }
    }
}
