//! Metal in the body and what it does to the picture: rays of too dark and too bright from each
//! piece, and a dark band between pieces of the same slice.

use super::anatomy::Body;
use super::plan::Grid;
use super::shapes::{Point, dot, length, scale, subtract};

/// Pieces of metal.
pub(super) struct Streaks {
    /// Centre and radius.
    pieces: Vec<(Point, f32)>,
}

impl Streaks {
    /// Prostheses of both shoulders, and a pacemaker under the left collar bone.
    pub fn of(body: &Body) -> Self {
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

    /// Adds metal and streaks to the plane whose first pixel's centre is given.
    pub fn add_to(&self, hu: &mut [f32], grid: &Grid, [x0, y0, z]: Point) {
        let here: Vec<_> =
            self.pieces.iter().filter(|(at, radius)| (at[2] - z).abs() < *radius).collect();
        if here.is_empty() {
            return;
        }
        let (columns, step) = (grid.shape[2], grid.spacing_mm[1] as f32);
        for (at, hu) in hu.iter_mut().enumerate() {
            let (row, column) = (at / columns, at % columns);
            if !grid.in_field_of_view(row, column) {
                continue;
            }
            let p = [x0 + column as f32 * step, y0 + row as f32 * step, z];
            for (center, radius) in &here {
                let away = subtract(p, *center);
                let far = length(away);
                if far < *radius {
                    *hu = 3000.0;
                } else {
                    let angle = away[1].atan2(away[0]);
                    *hu += 420.0 * (13.0 * angle).sin() * (-(far - radius) / 70.0).exp();
                }
            }
            for (i, (a, _)) in here.iter().enumerate() {
                for (b, _) in &here[i + 1..] {
                    let along = subtract(*b, *a);
                    let share = dot(subtract(p, *a), along) / dot(along, along);
                    if (0.0..1.0).contains(&share) {
                        let off = length(subtract(subtract(p, *a), scale(along, share)));
                        *hu -= 650.0 * (-(off / 9.0).powi(2)).exp();
                    }
                }
            }
        }
    }
}
