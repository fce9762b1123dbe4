//! Random changes of a training exam, drawn from the exam's own stream.

use crate::random;
use crate::spec::Augment;
use ndarray::{Array3, Axis, Slice};
use rand::RngExt;

/// Changes a crop `[depth, height, width]` as `epoch` has it for `exam`; `fill_hu` comes in from
/// the border where the crop is shifted.
pub fn augment(
    crop: Array3<i16>,
    rules: &Augment,
    seed: u64,
    epoch: usize,
    exam: &str,
    fill_hu: i16,
) -> Array3<i16> {
    if *rules == Augment::default() {
        return crop;
    }
    let mut random = random::stream(seed, &format!("augment/epoch-{epoch}/exam-{exam}"));
    // Every draw is made whether it is used or not, so that a rule does not change the others.
    let flips: [bool; 3] = std::array::from_fn(|_| random.random());
    let reach = rules.shift_voxels as i64;
    let shift: [isize; 3] = std::array::from_fn(|_| random.random_range(-reach..=reach) as isize);
    let mut crop = shifted(crop, shift, fill_hu);
    let wanted = [rules.flip_depth, rules.flip_height, rules.flip_width];
    for axis in (0..3).filter(|axis| flips[*axis] && wanted[*axis]) {
        crop.invert_axis(Axis(axis));
    }
    crop
}

/// The crop moved by whole voxels towards higher indices.
fn shifted(crop: Array3<i16>, shift: [isize; 3], fill_hu: i16) -> Array3<i16> {
    if shift == [0; 3] {
        return crop;
    }
    let mut moved = Array3::from_elem(crop.dim(), fill_hu);
    let (mut from, mut to) = (crop.view(), moved.view_mut());
    for (axis, by) in shift.into_iter().enumerate() {
        let kept = from.len_of(Axis(axis)).saturating_sub(by.unsigned_abs());
        let (source, target) = if by >= 0 { (0, by as usize) } else { (by.unsigned_abs(), 0) };
        let (source, target) = if kept == 0 { (0, 0) } else { (source, target) };
        from.slice_axis_inplace(Axis(axis), Slice::from(source..source + kept));
        to.slice_axis_inplace(Axis(axis), Slice::from(target..target + kept));
    }
    to.assign(&from);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered() -> Array3<i16> {
        Array3::from_shape_fn((3, 4, 5), |(d, h, w)| (100 * d + 10 * h + w) as i16)
    }

    #[test]
    fn a_shift_moves_every_voxel_and_fills_behind_it() {
        let moved = shifted(numbered(), [1, 0, -2], -1000);
        assert_eq!(moved[[1, 2, 0]], 22);
        assert_eq!(moved[[2, 3, 2]], 134);
        assert!(moved.index_axis(Axis(0), 0).iter().all(|hu| *hu == -1000));
        assert!(moved.index_axis(Axis(2), 4).iter().all(|hu| *hu == -1000));
        assert!(shifted(numbered(), [9, 0, 0], -1).iter().all(|hu| *hu == -1));
    }

    #[test]
    fn draws_belong_to_the_epoch_and_the_exam() {
        let rules =
            Augment { flip_width: true, flip_depth: true, shift_voxels: 2, ..Augment::default() };
        let draw = |epoch, exam: &str| augment(numbered(), &rules, 1, epoch, exam, -1000);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        let all: Vec<Array3<i16>> = (1..20).map(|epoch| draw(epoch, "a")).collect();
        assert!(all.windows(2).any(|pair| pair[0] != pair[1]));
        assert!((1..20).any(|epoch| draw(epoch, "a") != draw(epoch, "b")));
    }

    #[test]
    fn without_rules_nothing_changes() {
        assert_eq!(augment(numbered(), &Augment::default(), 1, 1, "a", 0), numbered());
    }
}
