//! Metal implants and their artefacts: dark and bright rays around each implant, and a dark band between
//! implants in the same slice.

use super::anatomy::Body;
use super::grid::Grid;
use super::shapes::{Point, dot, length, scale, subtract};

/// Metal implants with streak artefacts.
pub(super) struct Streaks {
    /// Centre and radius.
    pieces: Vec<(Point, f32)>,
}

impl Streaks {
    /// Prostheses of both shoulders, and a pacemaker below the left clavicle.
    pub(crate) fn of(body: &Body) -> Self {
        let s = body.size;
        let high = body.apex_z() - 12.0;
        let width = body.half_width() - 16.0;
        Self {
            pieces: vec![
                ([-width, 12.0, high], 15.0),
                ([width, 12.0, high], 15.0),
                ([62.0 * s, -(body.front_reach() - 14.0), 38.0 * s], 12.0),
            ],
        }
    }

    /// Adds implants and streaks to a plane. `[x0, y0, z]` is the centre of its first pixel.
    pub(crate) fn add_to(&self, hu: &mut [f32], grid: &Grid, [x0, y0, z]: Point) {
        let visible: Vec<_> =
            self.pieces.iter().filter(|(center, radius)| (center[2] - z).abs() < *radius).collect();
        if visible.is_empty() {
            return;
        }
        let (columns, step) = (grid.shape[2], grid.spacing_mm[1] as f32);
        for (index, hu) in hu.iter_mut().enumerate() {
            let (row, column) = (index / columns, index % columns);
            if !grid.in_field_of_view(row, column) {
                continue;
            }
            let p = [x0 + column as f32 * step, y0 + row as f32 * step, z];
            for (center, radius) in &visible {
                let offset = subtract(p, *center);
                let distance = length(offset);
                if distance < *radius {
                    *hu = 3000.0;
                } else {
                    let angle = offset[1].atan2(offset[0]);
                    *hu += 420.0 * (13.0 * angle).sin() * (-(distance - radius) / 70.0).exp();
                }
            }
            for (i, (a, _)) in visible.iter().enumerate() {
                for (b, _) in &visible[i + 1..] {
                    let along = subtract(*b, *a);
                    let share = dot(subtract(p, *a), along) / dot(along, along);
                    if (0.0..1.0).contains(&share) {
                        let distance = length(subtract(subtract(p, *a), scale(along, share)));
                        *hu -= 650.0 * (-(distance / 9.0).powi(2)).exp();
                    }
                }
            }
        }
    }
}
