//! A set of voxels, one bit each, and the morphology on it.

use ndarray::Array3;

/// A set of voxels of a `[depth, height, width]` grid. Bits are packed along width, 64 to a word,
/// so that volumes are combined, dilated and eroded in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    dim: [usize; 3],
    words_per_row: usize,
    /// Rows one after another; bits beyond the width are zero.
    words: Vec<u64>,
}

/// An inclusive box of voxels: `[first, last]` along depth, height and width.
pub(crate) type BoundingBox = [[usize; 2]; 3];

impl Mask {
    /// The empty set.
    pub fn empty(dim: [usize; 3]) -> Self {
        let words_per_row = dim[2].div_ceil(64);
        Self { dim, words_per_row, words: vec![0; dim[0] * dim[1] * words_per_row] }
    }

    /// The voxels whose value satisfies the condition.
    pub fn of<T: Copy>(values: &Array3<T>, condition: impl Fn(T) -> bool) -> Self {
        let mut mask = Self::empty(values.dim().into());
        let words_per_row = mask.words_per_row.max(1);
        let rows = mask.words.chunks_exact_mut(words_per_row);
        for (row, values) in rows.zip(values.rows()) {
            if let Some(values) = values.as_slice() {
                for (word, values) in row.iter_mut().zip(values.chunks(64)) {
                    for (bit, &value) in values.iter().enumerate() {
                        *word |= u64::from(condition(value)) << bit;
                    }
                }
            } else {
                for (x, &value) in values.iter().enumerate() {
                    row[x / 64] |= u64::from(condition(value)) << (x % 64);
                }
            }
        }
        mask
    }

    /// The set as booleans.
    pub fn to_array(&self) -> Array3<bool> {
        Array3::from_shape_fn(self.dim, |(z, y, x)| self.get([z, y, x]))
    }

    /// Depth, height, width of the grid.
    pub fn dim(&self) -> [usize; 3] {
        self.dim
    }

    /// Whether the voxel is in the set; voxels outside the grid are not.
    pub fn get(&self, [z, y, x]: [usize; 3]) -> bool {
        z < self.dim[0]
            && y < self.dim[1]
            && x < self.dim[2]
            && self.row(z, y)[x / 64] >> (x % 64) & 1 == 1
    }

    /// Voxels in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Voxels of one slice in the set.
    pub(crate) fn count_slice(&self, z: usize) -> usize {
        let words = self.dim[1] * self.words_per_row;
        self.words[z * words..][..words].iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The set within a box, on a grid of the size of the box.
    pub(super) fn cropped(&self, [depth, height, width]: BoundingBox) -> Self {
        let len = |[first, last]: [usize; 2]| last + 1 - first;
        let mut part = Self::empty([len(depth), len(height), len(width)]);
        for z in 0..part.dim[0] {
            for y in 0..part.dim[1] {
                self.for_runs(depth[0] + z, height[0] + y, |start, end| {
                    let (start, end) = (start.max(width[0]), end.min(width[1] + 1));
                    if start < end {
                        part.fill_run(z, y, start - width[0], end - width[0]);
                    }
                });
            }
        }
        part
    }

    /// The columns with a voxel in any slice, as a set of one slice.
    pub(super) fn projected(&self) -> Self {
        let mut all = Self::empty([1, self.dim[1], self.dim[2]]);
        for slice in self.words.chunks_exact(all.words.len().max(1)) {
            for (all, word) in all.words.iter_mut().zip(slice) {
                *all |= word;
            }
        }
        all
    }

    /// Mean index along depth; NaN for the empty set.
    pub(crate) fn mean_depth(&self) -> f64 {
        let sum: usize = (0..self.dim[0]).map(|z| z * self.count_slice(z)).sum();
        sum as f64 / self.count() as f64
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The smallest box around the set; `None` for the empty set.
    pub fn bounding_box(&self) -> Option<BoundingBox> {
        let mut bounding_box: Option<BoundingBox> = None;
        for z in 0..self.dim[0] {
            for y in 0..self.dim[1] {
                self.for_runs(z, y, |start, end| {
                    include(&mut bounding_box, [[z, z], [y, y], [start, end - 1]]);
                });
            }
        }
        bounding_box
    }

    /// The words of one row.
    pub(super) fn row(&self, z: usize, y: usize) -> &[u64] {
        &self.words[(z * self.dim[1] + y) * self.words_per_row..][..self.words_per_row]
    }

    fn row_mut(&mut self, z: usize, y: usize) -> &mut [u64] {
        &mut self.words[(z * self.dim[1] + y) * self.words_per_row..][..self.words_per_row]
    }

    /// Calls `run` with every run `start..end` of set voxels of a row, from left to right.
    pub fn for_runs(&self, z: usize, y: usize, mut run: impl FnMut(usize, usize)) {
        // The start of an unfinished run.
        let mut open: Option<usize> = None;
        for (i, &word) in self.row(z, y).iter().enumerate() {
            let base = i * 64;
            let mut bit = 0;
            while bit < 64 {
                let rest = word >> bit;
                match open {
                    None if rest == 0 => break,
                    None => {
                        bit += rest.trailing_zeros() as usize;
                        open = Some(base + bit);
                    }
                    Some(start) => {
                        // The shift fills with zeros from the left, which ends the count.
                        let ones = (rest.trailing_ones() as usize).min(64 - bit);
                        bit += ones;
                        if bit < 64 {
                            run(start, base + bit);
                            open = None;
                        }
                    }
                }
            }
        }
        if let Some(start) = open {
            run(start, self.dim[2]);
        }
    }

    /// Whether any of the voxels `start..end` of a row is in the set.
    pub(super) fn meets_run(&self, z: usize, y: usize, start: usize, end: usize) -> bool {
        let end = end.min(self.dim[2]);
        let row = self.row(z, y);
        let mut x = start;
        while x < end {
            let (word, bit) = (x / 64, x % 64);
            let count = (64 - bit).min(end - x);
            if row[word] & ((u64::MAX >> (64 - count)) << bit) != 0 {
                return true;
            }
            x += count;
        }
        false
    }

    /// Adds the voxels of a set of one slice to every slice.
    pub(super) fn add_to_slices(&mut self, slice: &Self) {
        self.combine_slices(slice, |a, b| a | b);
    }

    /// Removes the voxels of a set of one slice from every slice.
    pub(super) fn remove_from_slices(&mut self, slice: &Self) {
        self.combine_slices(slice, |a, b| a & !b);
    }

    fn combine_slices(&mut self, slice: &Self, op: impl Fn(u64, u64) -> u64) {
        debug_assert_eq!(self.dim[1..], slice.dim[1..], "slices of different grids");
        for words in self.words.chunks_exact_mut(slice.words.len().max(1)) {
            for (a, b) in words.iter_mut().zip(&slice.words) {
                *a = op(*a, *b);
            }
        }
    }

    /// Puts the voxels `start..end` of a row into the set.
    pub fn fill_run(&mut self, z: usize, y: usize, start: usize, end: usize) {
        let end = end.min(self.dim[2]);
        let row = self.row_mut(z, y);
        let mut x = start;
        while x < end {
            let (word, bit) = (x / 64, x % 64);
            let count = (64 - bit).min(end - x);
            row[word] |= (u64::MAX >> (64 - count)) << bit;
            x += count;
        }
    }

    /// The voxels not in the set.
    pub fn complement(&self) -> Self {
        let mut other = Self::empty(self.dim);
        for (new, old) in other.words.iter_mut().zip(&self.words) {
            *new = !old;
        }
        other.clear_beyond_width();
        other
    }

    /// Adds the voxels of another set on the same grid.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, |a, b| a | b);
    }

    /// Removes the voxels of another set on the same grid.
    pub fn remove(&mut self, other: &Self) {
        self.combine(other, |a, b| a & !b);
    }

    /// Keeps only the voxels that are also in another set on the same grid.
    pub fn keep(&mut self, other: &Self) {
        self.combine(other, |a, b| a & b);
    }

    fn combine(&mut self, other: &Self, op: impl Fn(u64, u64) -> u64) {
        debug_assert_eq!(self.dim, other.dim, "sets on different grids");
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a = op(*a, *b);
        }
    }

    /// The set dilated by a box of `radius` voxels along depth, height and width.
    pub(crate) fn dilated(&self, radius: [usize; 3]) -> Self {
        let mut grown = self.clone();
        for _ in 0..radius[2] {
            grown.grow_along_width();
        }
        let plane = self.dim[1] * self.words_per_row;
        for (radius, stride, group) in
            [(radius[1], self.words_per_row, plane), (radius[0], plane, self.words.len())]
        {
            for _ in 0..radius {
                let old = grown.words.clone();
                grown.grow_by_stride(&old, stride, group);
            }
        }
        grown
    }

    /// The set eroded by a box of `radius` voxels. Voxels beyond the grid count as set, so that nothing is
    /// removed at the faces of the volume.
    pub(crate) fn eroded(&self, radius: [usize; 3]) -> Self {
        self.complement().dilated(radius).complement()
    }

    /// The voxels that are reached from this set within another in `steps` steps to 6 neighbours.
    pub(crate) fn grown_within(&self, within: &Self, steps: usize) -> Self {
        let mut reached = self.clone();
        reached.keep(within);
        for _ in 0..steps {
            let mut next = reached.clone();
            next.grow_along_width();
            let plane = self.dim[1] * self.words_per_row;
            next.grow_by_stride(&reached.words, self.words_per_row, plane);
            next.grow_by_stride(&reached.words, plane, self.words.len());
            next.keep(within);
            if next == reached {
                break;
            }
            reached = next;
        }
        reached
    }

    fn grow_along_width(&mut self) {
        for row in self.words.chunks_exact_mut(self.words_per_row.max(1)) {
            let mut before = 0;
            for i in 0..row.len() {
                let word = row[i];
                let after = row.get(i + 1).copied().unwrap_or(0);
                row[i] = word | word << 1 | word >> 1 | before >> 63 | after << 63;
                before = word;
            }
        }
        self.clear_beyond_width();
    }

    /// ORs every word with those of the old set `stride` before and after it, within groups of `group`
    /// words.
    fn grow_by_stride(&mut self, old: &[u64], stride: usize, group: usize) {
        if group == 0 {
            return;
        }
        for (new, old) in self.words.chunks_exact_mut(group).zip(old.chunks_exact(group)) {
            let split = stride.min(group);
            for (new, old) in new[split..].iter_mut().zip(old) {
                *new |= old;
            }
            for (new, old) in new.iter_mut().zip(&old[split..]) {
                *new |= old;
            }
        }
    }

    fn clear_beyond_width(&mut self) {
        let used = self.dim[2] % 64;
        if used != 0 {
            for row in self.words.chunks_exact_mut(self.words_per_row) {
                row[self.words_per_row - 1] &= u64::MAX >> (64 - used);
            }
        }
    }
}

/// Extends a box to contain another.
pub(super) fn include(bounding_box: &mut Option<BoundingBox>, other: BoundingBox) {
    *bounding_box = Some(match *bounding_box {
        None => other,
        Some(old) => std::array::from_fn(|axis| {
            [old[axis][0].min(other[axis][0]), old[axis][1].max(other[axis][1])]
        }),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Random sets on grids whose width passes the 64 bits of a word.
    fn any_mask() -> impl Strategy<Value = Array3<bool>> {
        (1usize..5, 1usize..6, 1usize..140, 1u32..10).prop_flat_map(|(d, h, w, tenths)| {
            prop::collection::vec(prop::bool::weighted(f64::from(tenths) / 10.0), d * h * w)
                .prop_map(move |bits| Array3::from_shape_vec((d, h, w), bits).unwrap())
        })
    }

    fn brute_dilated(set: &Array3<bool>, radius: [usize; 3]) -> Array3<bool> {
        let near = |a: usize, b: usize, r: usize| a.abs_diff(b) <= r;
        Array3::from_shape_fn(set.dim(), |(z, y, x)| {
            set.indexed_iter().any(|((a, b, c), &on)| {
                on && near(a, z, radius[0]) && near(b, y, radius[1]) && near(c, x, radius[2])
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn bits_and_booleans_are_the_same_set(set in any_mask()) {
            let mask = Mask::of(&set, |on| on);
            prop_assert_eq!(mask.to_array(), set.clone());
            prop_assert_eq!(mask.count(), set.iter().filter(|on| **on).count());
            prop_assert_eq!(mask.complement().to_array(), set.mapv(|on| !on));
            let mut again = Mask::empty(mask.dim());
            for z in 0..mask.dim()[0] {
                for y in 0..mask.dim()[1] {
                    mask.for_runs(z, y, |start, end| again.fill_run(z, y, start, end));
                }
            }
            prop_assert_eq!(&again, &mask);
            let on: Vec<_> = set.indexed_iter().filter(|(_, on)| **on).map(|(at, _)| at).collect();
            let expected = on.first().map(|_| {
                let range = |f: &dyn Fn(&(usize, usize, usize)) -> usize| {
                    [on.iter().map(f).min().unwrap(), on.iter().map(f).max().unwrap()]
                };
                [range(&|at| at.0), range(&|at| at.1), range(&|at| at.2)]
            });
            prop_assert_eq!(mask.bounding_box(), expected);
        }

        #[test]
        fn grows_and_shrinks_as_by_definition(
            set in any_mask(), radius in prop::array::uniform3(0usize..3),
        ) {
            let mask = Mask::of(&set, |on| on);
            prop_assert_eq!(mask.dilated(radius).to_array(), brute_dilated(&set, radius));
            let shrunk = brute_dilated(&set.mapv(|on| !on), radius).mapv(|on| !on);
            prop_assert_eq!(mask.eroded(radius).to_array(), shrunk);
        }
    }
}
