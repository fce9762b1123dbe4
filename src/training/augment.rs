//! Random changes of a training exam, drawn from the exam's own stream.

use crate::random;
use crate::spec::Augment;
use crate::volume::{Affine, resample_affine};
use ndarray::{Array3, Axis, Slice};
use rand::{Rng, RngExt};

/// The stream of an exam in an epoch; its repeats in a balanced epoch have others.
pub(super) fn augment_stream(epoch: usize, exam: &str, repeat: usize) -> String {
    match repeat {
        0 => format!("augment/epoch-{epoch}/exam-{exam}"),
        _ => format!("augment/epoch-{epoch}/exam-{exam}/repeat-{repeat}"),
    }
}

/// Changes a crop `[depth, height, width]` by the draws of `stream`: where voxels are, then how
/// bright they are. `fill_hu` comes in from the border.
pub(super) fn augment(
    crop: Array3<i16>,
    rules: &Augment,
    seed: u64,
    stream: &str,
    fill_hu: i16,
) -> Array3<i16> {
    if *rules == Augment::default() {
        return crop;
    }
    let drawn = Drawn::new(rules, seed, stream);
    let crop = match drawn.map(crop.dim().into()) {
        Some(map) => resample_affine(&crop, &map, fill_hu),
        None => drawn.copied(crop, fill_hu),
    };
    drawn.brightened(crop, seed, stream)
}

/// What happens to one exam in one epoch.
#[derive(Debug)]
struct Drawn {
    flips: [bool; 3],
    /// Towards higher indices.
    shift: [isize; 3],
    /// About depth, height and width.
    angles: [f64; 3],
    /// Larger than 1 enlarges.
    scale: f64,
    shift_hu: f64,
    noise_hu: f64,
}

impl Drawn {
    /// Every draw is made whether it is used or not, so that a rule does not change the others.
    fn new(rules: &Augment, seed: u64, stream: &str) -> Self {
        let mut random = random::stream(seed, stream);
        let flips: [bool; 3] = std::array::from_fn(|_| random.random());
        let reach = rules.shift_voxels as i64;
        let shift = std::array::from_fn(|_| random.random_range(-reach..=reach) as isize);
        let wanted = [rules.flip_depth, rules.flip_height, rules.flip_width];
        let mut either_way = || random.random_range(-1.0..=1.0);
        Self {
            flips: std::array::from_fn(|axis| flips[axis] && wanted[axis]),
            shift,
            angles: std::array::from_fn(|_| (either_way() * rules.rotate_degrees).to_radians()),
            scale: (1.0 + rules.scale).powf(either_way()),
            shift_hu: either_way() * rules.shift_hu,
            noise_hu: random.random_range(0.0..=1.0) * rules.noise_hu,
        }
    }

    /// The one map that turns and scales about the centre, then shifts, then mirrors; nothing where
    /// voxels only move by whole numbers.
    fn map(&self, dim: [usize; 3]) -> Option<Affine> {
        if self.angles == [0.0; 3] && self.scale == 1.0 {
            return None;
        }
        let turn = rotation(self.angles);
        let centre = dim.map(|side| (side as f64 - 1.0) / 2.0);
        // A result's index, mirrored and shifted back: sign · index + start; from the centre it is
        // turned and scaled back.
        let sign = self.flips.map(|flip| if flip { -1.0 } else { 1.0 });
        let start: [f64; 3] = std::array::from_fn(|axis| {
            let mirrored = if self.flips[axis] { dim[axis] as f64 - 1.0 } else { 0.0 };
            mirrored - self.shift[axis] as f64 - centre[axis]
        });
        // The inverse of a rotation is its transpose.
        let back = |row: usize, column: usize| turn[column][row] / self.scale;
        let matrix =
            std::array::from_fn(|row| std::array::from_fn(|col| back(row, col) * sign[col]));
        let offset = std::array::from_fn(|row| {
            (0..3).map(|column| back(row, column) * start[column]).sum::<f64>() + centre[row]
        });
        Some(Affine { matrix, offset })
    }

    /// The crop moved by whole voxels, then mirrored.
    fn copied(&self, crop: Array3<i16>, fill_hu: i16) -> Array3<i16> {
        let mut crop = shifted(crop, self.shift, fill_hu);
        for axis in (0..3).filter(|axis| self.flips[*axis]) {
            crop.invert_axis(Axis(axis));
        }
        crop
    }

    /// The crop with its brightness shifted and noise added, in the order of its voxels.
    fn brightened(&self, mut crop: Array3<i16>, seed: u64, stream: &str) -> Array3<i16> {
        if self.shift_hu == 0.0 && self.noise_hu == 0.0 {
            return crop;
        }
        let mut random = random::stream(seed, &format!("{stream}/noise"));
        for hu in &mut crop {
            let noise = if self.noise_hu > 0.0 { normal(random.next_u64()) } else { 0.0 };
            // `as` saturates at the ends of the range.
            *hu = (f64::from(*hu) + self.shift_hu + self.noise_hu * noise).round() as i16;
        }
        crop
    }
}

/// Turns about depth, then height, then width: `R_width · R_height · R_depth`.
fn rotation([depth, height, width]: [f64; 3]) -> [[f64; 3]; 3] {
    let about = |axis: usize, angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let (one, other) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut turn = [[0.0; 3]; 3];
        turn[axis][axis] = 1.0;
        (turn[one][one], turn[other][other]) = (cos, cos);
        (turn[one][other], turn[other][one]) = (-sin, sin);
        turn
    };
    let times = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum())
        })
    };
    times(about(2, width), times(about(1, height), about(0, depth)))
}

/// Nearly normal, mean 0 and variance 1: the sum of four uniform draws of 16 bits, within ±3.47.
/// Whole numbers until the last step, so that it is the same on every machine.
fn normal(bits: u64) -> f64 {
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    // The variance of one is (65536² − 1) / 12.
    let deviation = (4.0 * (65536.0_f64 * 65536.0 - 1.0) / 12.0).sqrt();
    (sum as f64 - 2.0 * 65535.0) / deviation
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

    fn draw(rules: &Augment, epoch: usize, exam: &str) -> Array3<i16> {
        augment(numbered(), rules, 1, &augment_stream(epoch, exam, 0), -1000)
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
    fn draws_belong_to_the_epoch_the_exam_and_the_repeat() {
        let rules = Augment {
            flip_width: true,
            flip_depth: true,
            shift_voxels: 2,
            rotate_degrees: 10.0,
            noise_hu: 5.0,
            ..Augment::default()
        };
        assert_eq!(draw(&rules, 1, "a"), draw(&rules, 1, "a"));
        assert_ne!(draw(&rules, 1, "a"), draw(&rules, 2, "a"));
        assert_ne!(draw(&rules, 1, "a"), draw(&rules, 1, "b"));
        let repeat = augment(numbered(), &rules, 1, &augment_stream(1, "a", 1), -1000);
        assert_ne!(draw(&rules, 1, "a"), repeat);
    }

    #[test]
    fn without_rules_nothing_changes() {
        assert_eq!(draw(&Augment::default(), 1, "a"), numbered());
    }

    #[test]
    fn a_new_rule_leaves_the_draws_of_the_others_as_they_were() {
        let old = Augment { flip_width: true, shift_voxels: 2, ..Augment::default() };
        let new = Augment { rotate_degrees: 10.0, scale: 0.1, noise_hu: 9.0, ..old.clone() };
        for epoch in 1..20 {
            let stream = augment_stream(epoch, "a", 0);
            let (old, new) = (Drawn::new(&old, 1, &stream), Drawn::new(&new, 1, &stream));
            assert_eq!((old.flips, old.shift), (new.flips, new.shift));
        }
    }

    #[test]
    fn one_map_is_the_mirror_of_the_shift_of_the_turned_and_scaled_crop() {
        // A blob smooth enough that where it went can be told to a tenth of a voxel.
        let (side, at) = (31, [19.0, 12.0, 17.0]);
        let blob = Array3::from_shape_fn((side, side, side), |(d, h, w)| {
            let away = [d as f64, h as f64, w as f64];
            let square: f64 = (0..3).map(|axis| (away[axis] - at[axis]).powi(2)).sum();
            (3000.0 * (-square / 18.0).exp()).round() as i16
        });
        let drawn = Drawn {
            flips: [true, false, true],
            shift: [2, -1, 0],
            angles: [0.2, -0.1, 0.3],
            scale: 1.1,
            shift_hu: 0.0,
            noise_hu: 0.0,
        };
        let map = drawn.map([side; 3]).unwrap();
        let result = resample_affine(&blob, &map, 0);
        let sum: f64 = result.iter().map(|hu| f64::from(*hu)).sum();
        // Step by step, forwards, with rotations written out: depth turns height into width.
        let mut p: Vec<f64> = at.iter().map(|at| at - 15.0).collect();
        let turn = |p: &mut Vec<f64>, one: usize, other: usize, angle: f64| {
            let (a, b) = (p[one], p[other]);
            p[one] = a * angle.cos() - b * angle.sin();
            p[other] = a * angle.sin() + b * angle.cos();
        };
        turn(&mut p, 1, 2, 0.2);
        turn(&mut p, 2, 0, -0.1);
        turn(&mut p, 0, 1, 0.3);
        for axis in 0..3 {
            let moved = 15.0 + 1.1 * p[axis] + [2.0, -1.0, 0.0][axis];
            let expected = if drawn.flips[axis] { 30.0 - moved } else { moved };
            let found = result
                .indexed_iter()
                .map(|(index, hu)| [index.0, index.1, index.2][axis] as f64 * f64::from(*hu) / sum);
            let found: f64 = found.sum();
            assert!((found - expected).abs() < 0.1, "axis {axis}: {found}, expected {expected}");
        }
        // A volume grows with the third power of the scale.
        let before: f64 = blob.iter().map(|hu| f64::from(*hu)).sum();
        assert!((sum / before / 1.1_f64.powi(3) - 1.0).abs() < 0.02, "{}", sum / before);
    }

    #[test]
    fn a_map_that_is_only_a_shift_and_mirrors_copies_as_without_interpolation() {
        let mut drawn = Drawn {
            flips: [true, false, true],
            shift: [1, 0, -2],
            angles: [0.0; 3],
            scale: 1.0,
            shift_hu: 0.0,
            noise_hu: 0.0,
        };
        assert_eq!(drawn.map([3, 4, 5]), None);
        let copied = drawn.copied(numbered(), -1);
        // A whole turn has the same voxels but for rounding, which the map must not show.
        drawn.angles = [2.0 * std::f64::consts::PI, 0.0, 0.0];
        let mapped = resample_affine(&numbered(), &drawn.map([3, 4, 5]).unwrap(), -1);
        assert_eq!(copied, mapped);
    }

    #[test]
    fn draws_stay_within_the_rules_and_reach_their_ends() {
        let rules = Augment {
            rotate_degrees: 10.0,
            scale: 0.25,
            shift_hu: 40.0,
            noise_hu: 20.0,
            ..Augment::default()
        };
        let drawn: Vec<Drawn> =
            (0..400).map(|epoch| Drawn::new(&rules, 1, &augment_stream(epoch, "a", 0))).collect();
        let range = |of: &dyn Fn(&Drawn) -> f64| {
            let values = drawn.iter().map(of);
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        for axis in 0..3 {
            let (low, high) = range(&|drawn: &Drawn| drawn.angles[axis].to_degrees());
            assert!((-10.0..-9.5).contains(&low) && (9.5..=10.0).contains(&high));
        }
        let (low, high) = range(&|drawn: &Drawn| drawn.scale);
        assert!((0.8..0.82).contains(&low) && (1.23..=1.25).contains(&high), "{low} {high}");
        let (low, high) = range(&|drawn: &Drawn| drawn.shift_hu);
        assert!((-40.0..-38.0).contains(&low) && (38.0..=40.0).contains(&high));
        let (low, high) = range(&|drawn: &Drawn| drawn.noise_hu);
        assert!((0.0..1.0).contains(&low) && (19.0..=20.0).contains(&high));
    }

    #[test]
    fn noise_has_its_deviation_and_brightness_its_shift() {
        let flat = Array3::from_elem((40, 40, 40), -500);
        let drawn = Drawn {
            flips: [false; 3],
            shift: [0; 3],
            angles: [0.0; 3],
            scale: 1.0,
            shift_hu: 30.0,
            noise_hu: 25.0,
        };
        let noisy = drawn.brightened(flat, 1, "a");
        let count = noisy.len() as f64;
        let mean = noisy.iter().map(|hu| f64::from(*hu)).sum::<f64>() / count;
        let variance = noisy.iter().map(|hu| (f64::from(*hu) - mean).powi(2)).sum::<f64>() / count;
        // Four standard errors of 64,000 draws.
        assert!((mean + 470.0).abs() < 4.0 * 25.0 / count.sqrt(), "{mean}");
        assert!((variance.sqrt() - 25.0).abs() < 4.0 * 25.0 / (2.0 * count).sqrt(), "{variance}");
        let ends = Array3::from_shape_vec((1, 1, 2), vec![i16::MIN, i16::MAX]).unwrap();
        let still = Drawn { shift_hu: 900.0, noise_hu: 0.0, ..drawn };
        assert_eq!(still.brightened(ends, 1, "a").into_raw_vec_and_offset().0, [-31868, i16::MAX]);
    }
}
