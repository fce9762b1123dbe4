//! What a scanner decides about an exam: kernel, grid and storage.

use super::anatomy::Body;
use super::exam::{Kernel, Pixels, Storage};
use super::grid::{Grid, to_decimals};
use super::plan::PhantomPlan;
use rand::{Rng, RngExt};

/// A reconstruction kernel, its name at one of four manufacturers, and the noise of its images in HU.
pub(super) fn draw_kernel(random: &mut impl Rng) -> (Kernel, &'static str, f64) {
    let kernel = if random.random_bool(0.7) { Kernel::Soft } else { Kernel::Sharp };
    let manufacturer = random.random_range(0..4usize);
    match kernel {
        Kernel::Soft => {
            let name = ["B30f", "STANDARD", "FC01", "C"][manufacturer];
            (kernel, name, random.random_range(9.0..18.0))
        }
        Kernel::Sharp => {
            let name = ["B60f", "LUNG", "FC51", "L"][manufacturer];
            (kernel, name, random.random_range(24.0..38.0))
        }
    }
}

/// How the exam's files store voxels, and their order and names.
pub(super) fn draw_storage(random: &mut impl Rng) -> Storage {
    Storage {
        pixels: match random.random_range(0..4) {
            0 => Pixels::Unsigned,
            1 => Pixels::SignedPadded { padding_as_unsigned: false },
            2 => Pixels::SignedPadded { padding_as_unsigned: true },
            _ => Pixels::SignedPlain,
        },
        explicit_vr: random.random_bool(0.6),
        from_head: random.random_bool(0.5),
        scattered_names: random.random_bool(0.3),
    }
}

/// A matrix, a field of view around the body, and the distance and thickness of slices.
pub(super) fn draw_grid(plan: &PhantomPlan, body: &Body, random: &mut impl Rng) -> Grid {
    let matrix = plan.matrix[random.random_range(0..plan.matrix.len())];
    let uniform = |random: &mut dyn Rng, [low, high]: [f64; 2]| {
        low + (high - low) * random.random_range(0.0..1.0)
    };
    let field_of_view = uniform(random, plan.field_of_view_mm);
    // Scanners offer multiples of 0.25 mm.
    let [closest, farthest] = plan.slice_gap_mm;
    let gap = ((uniform(random, plan.slice_gap_mm) * 4.0).round() / 4.0).clamp(closest, farthest);
    let thickness = if random.random_bool(0.3) { gap * 1.5 } else { gap };
    let center = [random.random_range(-7.0..7.0), random.random_range(2.0..14.0)];
    let offset = [
        random.random_range(-12.0..12.0),
        random.random_range(-30.0..30.0),
        random.random_range(-900.0..-50.0),
    ];
    Grid::around(
        body,
        matrix,
        field_of_view,
        to_decimals(gap, 3),
        to_decimals(thickness, 3),
        center,
        offset,
    )
}
