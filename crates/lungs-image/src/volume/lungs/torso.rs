//! The torso: the largest piece of tissue, without the table and objects on it.

use std::ops::Range;

use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// Working voxels removed from tissue on all sides to find the torso. Structures thinner than three
/// voxels vanish: shells of tables, blankets, and thin chest walls, which the torso does not need.
const PEEL: [usize; 3] = [1; 3];

/// The torso of the patient.
pub(super) struct Torso {
    /// The convex hull of all its slices together: the columns of each row. It contains the lungs even
    /// with a thin chest wall, because shoulders, mediastinum and abdomen extend around them, but not
    /// the table.
    hull: Vec<Range<usize>>,
    /// Its centre of mass.
    pub middle_mm: [f64; 3],
}

/// The largest piece of tissue, without the table. Unmeasured columns may be body: no voxels are
/// removed there, nor at the faces of the volume.
pub(super) fn torso(tissue: &Mask, unmeasured: &Mask, geometry: &Geometry) -> Option<Torso> {
    let mut solid = tissue.clone();
    solid.add_to_slices(unmeasured);
    let mut peeled = solid.eroded(PEEL);
    peeled.keep(tissue);
    let cores = Components::of(&peeled, Connectivity::Faces3d);
    let largest = cores.largest()?;
    let mut torso = cores.select(|label| label == largest).dilated(PEEL);
    torso.keep(tissue);
    let middle_mm = geometry.position_mm(cores.regions()[largest].centroid);
    Some(Torso { hull: convex_hull(&torso.projected()), middle_mm })
}

impl Torso {
    /// The part of a run `start..end` of a row in the hull.
    pub(crate) fn within_hull(&self, y: usize, run: Range<usize>) -> Range<usize> {
        let start = run.start.max(self.hull[y].start);
        start..run.end.min(self.hull[y].end).max(start)
    }
}

/// The convex hull of a set of one slice, row by row.
fn convex_hull(outline: &Mask) -> Vec<Range<usize>> {
    let [_, height, _] = outline.dim();
    let mut rows: Vec<(usize, usize, usize)> = Vec::new();
    for y in 0..height {
        let mut span: Option<(usize, usize)> = None;
        outline.for_runs(0, y, |start, end| {
            span = Some((span.map_or(start, |(first, _)| first), end - 1));
        });
        rows.extend(span.map(|(first, last)| (y, first, last)));
    }
    // Mirrored, the right side is a left side.
    let left = left_side(rows.iter().map(|&(y, first, _)| (y as f64, first as f64)));
    let right = left_side(rows.iter().map(|&(y, _, last)| (y as f64, -(last as f64))));
    let mut hull = vec![0..0; height];
    let (Some(&(top, ..)), Some(&(bottom, ..))) = (rows.first(), rows.last()) else { return hull };
    for (y, row) in hull.iter_mut().enumerate().take(bottom + 1).skip(top) {
        // The tolerance keeps a corner in its voxel despite rounding.
        let first = (side_at(&left, y as f64) - 1e-9).ceil() as usize;
        let last = (-side_at(&right, y as f64) + 1e-9).floor() as usize;
        *row = first..last + 1;
    }
    hull
}

/// The corners of the hull on the side of small x, for points in the order of y, one for each y.
fn left_side(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for (y, x) in points {
        while let [.., (y0, x0), (y1, x1)] = corners[..] {
            // Keep the last corner if it lies left of the line from the previous corner to this point.
            if (x1 - x0) * (y - y0) < (x - x0) * (y1 - y0) {
                break;
            }
            corners.pop();
        }
        corners.push((y, x));
    }
    corners
}

/// The x of a side at a height between its first and last corner.
fn side_at(corners: &[(f64, f64)], y: f64) -> f64 {
    let after = corners.partition_point(|corner| corner.0 < y).min(corners.len() - 1);
    let (y1, x1) = corners[after];
    if after == 0 || y1 == y {
        return x1;
    }
    let (y0, x0) = corners[after - 1];
    x0 + (x1 - x0) * (y - y0) / (y1 - y0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// A point is in the hull when no line through it has all of the set on one side.
        #[test]
        fn the_hull_is_convex_and_as_small_as_can_be(
            (height, width, bits) in (1usize..8, 1usize..9).prop_flat_map(|(h, w)| {
                (Just(h), Just(w), prop::collection::vec(prop::bool::weighted(0.2), h * w))
            }),
        ) {
            let set = Array3::from_shape_vec((1, height, width), bits).unwrap();
            let points: Vec<(i64, i64)> = set.indexed_iter()
                .filter(|(_, on)| **on).map(|((_, y, x), _)| (y as i64, x as i64)).collect();
            let hull = convex_hull(&Mask::of(&set, |on| on));
            for y in 0..height as i64 {
                for x in 0..width as i64 {
                    // In the triangle of some three points, which may coincide.
                    let side = |a: (i64, i64), b: (i64, i64)| {
                        ((b.0 - a.0) * (x - a.1) - (b.1 - a.1) * (y - a.0)).signum()
                    };
                    let within = |a: (i64, i64), b: (i64, i64)| {
                        (a.0.min(b.0)..=a.0.max(b.0)).contains(&y)
                            && (a.1.min(b.1)..=a.1.max(b.1)).contains(&x)
                    };
                    let expected = points.iter().any(|&a| points.iter().any(|&b| {
                        (side(a, b) == 0 && within(a, b)) || points.iter().any(|&c| {
                            let sides = [side(a, b), side(b, c), side(c, a)];
                            sides == [1; 3] || sides == [-1; 3]
                        })
                    }));
                    prop_assert_eq!(hull[y as usize].contains(&(x as usize)), expected);
                }
            }
        }
    }
}
