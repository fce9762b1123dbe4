//! Connected components by runs.
//!
//! A row of voxels has a few runs; touching runs of neighbouring rows belong together. Union-find on
//! runs instead of voxels makes this fast.

use super::mask::{BoundingBox, Mask};

/// Which voxels count as neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Within a slice, across edges: 4 neighbours.
    Edges2d,
    /// Within a slice, across edges and corners: 8 neighbours.
    Corners2d,
    /// Across faces: 6 neighbours.
    Faces3d,
    /// Across faces, edges and corners: 26 neighbours.
    Corners3d,
}

/// One connected component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Its voxels.
    pub voxels: usize,
    /// The smallest box around it.
    pub bounding_box: BoundingBox,
    /// The mean of its voxels' indices along depth, height, width.
    pub centroid: [f64; 3],
}

/// The connected components of a set of voxels, numbered from 0 in the order of their first voxel
/// (by depth, then height, then width).
#[derive(Clone, Debug)]
pub struct Components {
    dim: [usize; 3],
    runs: Vec<Run>,
    regions: Vec<Region>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    z: u32,
    y: u32,
    start: u32,
    end: u32,
    /// During union-find, the index of an earlier run of the component or of the run itself; then the
    /// number of the component.
    label: u32,
}

impl Components {
    /// The components of a whole set; with a 2-D connectivity, those of each slice.
    pub fn of(mask: &Mask, connectivity: Connectivity) -> Self {
        Self::of_slices(mask, 0..mask.dim()[0], connectivity)
    }

    /// The components of one slice.
    pub(crate) fn of_slice(mask: &Mask, z: usize, connectivity: Connectivity) -> Self {
        Self::of_slices(mask, z..z + 1, connectivity)
    }

    fn of_slices(mask: &Mask, slices: std::ops::Range<usize>, connectivity: Connectivity) -> Self {
        let dim = mask.dim();
        let height = dim[1];
        let first_z = slices.start;
        let mut runs: Vec<Run> = Vec::new();
        // Index of the first run of each row.
        let mut rows: Vec<usize> = Vec::with_capacity(slices.len() * height + 1);
        // Largest gap along width between touching runs.
        let reach =
            u32::from(matches!(connectivity, Connectivity::Corners2d | Connectivity::Corners3d));
        for z in slices {
            for y in 0..height {
                let row = rows.len();
                rows.push(runs.len());
                mask.for_runs(z, y, |start, end| {
                    runs.push(Run {
                        z: z as u32,
                        y: y as u32,
                        start: start as u32,
                        end: end as u32,
                        label: runs.len() as u32,
                    });
                });
                let current = rows[row];
                let mut join_row = |earlier: usize| {
                    let next = rows.get(earlier + 1).copied().unwrap_or(current);
                    join_rows(&mut runs, rows[earlier]..next, current, reach);
                };
                if y > 0 {
                    join_row(row - 1);
                }
                let in_depth =
                    matches!(connectivity, Connectivity::Faces3d | Connectivity::Corners3d);
                if in_depth && z > first_z {
                    let below = row - height;
                    join_row(below);
                    if connectivity == Connectivity::Corners3d {
                        if y > 0 {
                            join_row(below - 1);
                        }
                        if y + 1 < height {
                            join_row(below + 1);
                        }
                    }
                }
            }
        }
        let regions = number(&mut runs);
        Self { dim, runs, regions }
    }

    /// The components in the order of their numbers.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The number of the component with most voxels, the first of several; `None` for an empty set.
    pub fn largest(&self) -> Option<usize> {
        // `max_by_key` would return the last of several.
        (0..self.regions.len()).rev().max_by_key(|&label| self.regions[label].voxels)
    }

    /// The number of the component that contains a voxel.
    pub fn at(&self, [z, y, x]: [usize; 3]) -> Option<usize> {
        let before = self.runs.partition_point(|run| {
            (run.z as usize, run.y as usize, run.start as usize) <= (z, y, x)
        });
        let run = self.runs[..before].last()?;
        let holds = run.z as usize == z && run.y as usize == y && x < run.end as usize;
        holds.then_some(run.label as usize)
    }

    /// The components for which `keep` is true, as a set of voxels.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Mask {
        let mut mask = Mask::empty(self.dim);
        self.paint(&mut mask, keep);
        mask
    }

    /// Adds the components for which `keep` is true to a set of voxels.
    pub fn paint(&self, mask: &mut Mask, keep: impl Fn(usize) -> bool) {
        for run in self.runs.iter().filter(|run| keep(run.label as usize)) {
            mask.fill_run(run.z as usize, run.y as usize, run.start as usize, run.end as usize);
        }
    }

    /// Calls `visit` with every run: component, depth, height, and `start..end` along width.
    pub fn for_runs(&self, mut visit: impl FnMut(usize, usize, usize, std::ops::Range<usize>)) {
        for run in &self.runs {
            let along = run.start as usize..run.end as usize;
            visit(run.label as usize, run.z as usize, run.y as usize, along);
        }
    }
}

/// Fills holes slice by slice: 4-connected gaps of at most `max_voxels` that do not touch the border
/// of the slice.
pub(crate) fn fill_holes_2d(mask: &mut Mask, max_voxels: usize) {
    let gaps = mask.complement();
    let [_, height, width] = mask.dim();
    for z in 0..mask.dim()[0] {
        let gaps = Components::of_slice(&gaps, z, Connectivity::Edges2d);
        gaps.paint(mask, |label| {
            let region = &gaps.regions()[label];
            region.voxels <= max_voxels && !touches_border(&region.bounding_box, height, width)
        });
    }
}

/// Whether a box reaches the border of its slices.
pub(super) fn touches_border(region: &BoundingBox, height: usize, width: usize) -> bool {
    region[1][0] == 0
        || region[2][0] == 0
        || region[1][1] + 1 == height
        || region[2][1] + 1 == width
}

/// Joins the runs from index `current` on (all of the current row) with those of an earlier row.
fn join_rows(runs: &mut [Run], earlier: std::ops::Range<usize>, current: usize, reach: u32) {
    let (mut a, mut b) = (earlier.start, current);
    while a < earlier.end && b < runs.len() {
        let (old, new) = (runs[a], runs[b]);
        if old.start < new.end + reach && new.start < old.end + reach {
            join(runs, a, b);
        }
        if old.end < new.end {
            a += 1;
        } else {
            b += 1;
        }
    }
}

fn root(runs: &mut [Run], mut run: usize) -> usize {
    while runs[run].label as usize != run {
        let parent = runs[run].label as usize;
        runs[run].label = runs[parent].label;
        run = runs[run].label as usize;
    }
    run
}

/// The earlier root stays the root, so a component's root is its first run.
fn join(runs: &mut [Run], a: usize, b: usize) {
    let (a, b) = (root(runs, a), root(runs, b));
    runs[a.max(b)].label = a.min(b) as u32;
}

/// Numbers the components and measures their regions.
fn number(runs: &mut [Run]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for i in 0..runs.len() {
        let run = runs[i];
        let parent = run.label as usize;
        let [z, y] = [run.z as usize, run.y as usize];
        let last = run.end as usize - 1;
        let run_box = [[z, z], [y, y], [run.start as usize, last]];
        // Every parent is an earlier run, which has its number already.
        let label = if parent == i {
            regions.push(Region { voxels: 0, bounding_box: run_box, centroid: [0.0; 3] });
            regions.len() - 1
        } else {
            runs[parent].label as usize
        };
        runs[i].label = label as u32;
        let region = &mut regions[label];
        let count = (run.end - run.start) as usize;
        region.voxels += count;
        for (axis, [first, last]) in run_box.into_iter().enumerate() {
            let around = &mut region.bounding_box[axis];
            *around = [around[0].min(first), around[1].max(last)];
            region.centroid[axis] += count as f64 * (first + last) as f64 / 2.0;
        }
    }
    for region in &mut regions {
        region.centroid = region.centroid.map(|sum| sum / region.voxels as f64);
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use proptest::prelude::*;

    /// Labels by flood fill, in the order of first voxels.
    fn flood(set: &Array3<bool>, connectivity: Connectivity) -> (Array3<usize>, usize) {
        let mut labels = Array3::from_elem(set.dim(), usize::MAX);
        let (d, h, w) = set.dim();
        let mut count = 0;
        for (start, _) in set.indexed_iter().filter(|(_, on)| **on) {
            if labels[start] != usize::MAX {
                continue;
            }
            labels[start] = count;
            let mut queue = vec![start];
            while let Some((z, y, x)) = queue.pop() {
                for (dz, dy, dx) in (0..27).map(|i| (i / 9, i / 3 % 3, i % 3)) {
                    let off_centre = [dz, dy, dx].iter().filter(|d| **d != 1).count();
                    let allowed = match connectivity {
                        Connectivity::Edges2d => dz == 1 && off_centre == 1,
                        Connectivity::Corners2d => dz == 1,
                        Connectivity::Faces3d => off_centre == 1,
                        Connectivity::Corners3d => true,
                    };
                    let at = (z + dz, y + dy, x + dx);
                    if !allowed || at.0 == 0 || at.1 == 0 || at.2 == 0 {
                        continue;
                    }
                    let at = (at.0 - 1, at.1 - 1, at.2 - 1);
                    if at.0 < d && at.1 < h && at.2 < w && set[at] && labels[at] == usize::MAX {
                        labels[at] = count;
                        queue.push(at);
                    }
                }
            }
            count += 1;
        }
        (labels, count)
    }

    fn any_set() -> impl Strategy<Value = Array3<bool>> {
        (1usize..6, 1usize..7, 1usize..80, 1u32..10).prop_flat_map(|(d, h, w, tenths)| {
            prop::collection::vec(prop::bool::weighted(f64::from(tenths) / 10.0), d * h * w)
                .prop_map(move |bits| Array3::from_shape_vec((d, h, w), bits).unwrap())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn equal_a_flood_fill(
            set in any_set(),
            connectivity in prop::sample::select(vec![
                Connectivity::Edges2d, Connectivity::Corners2d,
                Connectivity::Faces3d, Connectivity::Corners3d,
            ]),
        ) {
            let components = Components::of(&Mask::of(&set, |on| on), connectivity);
            let (labels, count) = flood(&set, connectivity);
            prop_assert_eq!(components.regions().len(), count);
            let mut voxels = vec![0; count];
            for ((z, y, x), &label) in labels.indexed_iter() {
                let expected = (label != usize::MAX).then_some(label);
                prop_assert_eq!(components.at([z, y, x]), expected);
                expected.into_iter().for_each(|label| voxels[label] += 1);
            }
            for (label, region) in components.regions().iter().enumerate() {
                prop_assert_eq!(region.voxels, voxels[label]);
                let alone = components.select(|l| l == label);
                prop_assert_eq!(alone.bounding_box(), Some(region.bounding_box));
                prop_assert_eq!(alone.count(), region.voxels);
            }
            let most = voxels.iter().max();
            let first = most.and_then(|most| voxels.iter().position(|n| n == most));
            prop_assert_eq!(components.largest(), first);
        }
    }

    #[test]
    fn holes_are_filled_up_to_a_size_and_gaps_to_the_border_never() {
        let picture = ["##########", "#.##...#.#", "####...#.#", "####...#.#", "########.."];
        let set = Array3::from_shape_fn((1, 5, 10), |(_, y, x)| picture[y].as_bytes()[x] == b'#');
        let mut mask = Mask::of(&set, |on| on);
        fill_holes_2d(&mut mask, 8);
        assert!(mask.get([0, 1, 1]), "a hole of one voxel");
        assert!(!mask.get([0, 2, 5]), "a hole of nine");
        assert!(!mask.get([0, 2, 8]), "a gap that reaches the border");
        fill_holes_2d(&mut mask, 9);
        assert!(mask.get([0, 2, 5]));
    }

    #[test]
    fn an_empty_grid_has_no_components() {
        let components = Components::of(&Mask::empty([0, 0, 0]), Connectivity::Corners3d);
        assert_eq!((components.regions().len(), components.largest()), (0, None));
    }
}
