//! Augmentation of training exams, drawn from each exam's own random stream.

use lungs_base::random;
use lungs_image::volume::{Affine, resample_affine};
use lungs_spec::spec::Augment;
use ndarray::{Array3, Axis, Slice};
use rand::{Rng, RngExt};

/// The random stream of an exam in an epoch. Each repeat in a balanced epoch has its own stream.
pub(super) fn augment_stream(epoch: usize, exam: &str, repeat: usize) -> String {
    match repeat {
        0 => format!("augment/epoch-{epoch}/exam-{exam}"),
        _ => format!("augment/epoch-{epoch}/exam-{exam}/repeat-{repeat}"),
    }
}

/// Augments a crop `[depth, height, width]` by the draws of `stream`: first geometry, then brightness.
/// `fill_hu` fills voxels from outside the crop.
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
    let augmentation = Augmentation::new(rules, seed, stream);
    let crop = match augmentation.affine(crop.dim().into()) {
        Some(map) => resample_affine(&crop, &map, fill_hu),
        None => augmentation.shift_and_flip(crop, fill_hu),
    };
    augmentation.change_brightness(crop, seed, stream)
}

/// The random changes of one exam in one epoch.
#[derive(Debug)]
struct Augmentation {
    flips: [bool; 3],
    /// In voxels towards higher indices.
    shift: [isize; 3],
    /// Rotations about depth, height and width, in radians.
    angles: [f64; 3],
    /// Scale factor; above 1 enlarges.
    scale: f64,
    shift_hu: f64,
    noise_hu: f64,
}

impl Augmentation {
    /// Every value is drawn even if it is not used, so that enabling one rule does not change the
    /// draws of the others.
    fn new(rules: &Augment, seed: u64, stream: &str) -> Self {
        let mut random = random::stream(seed, stream);
        let flips: [bool; 3] = std::array::from_fn(|_| random.random());
        let limit = rules.shift_voxels as i64;
        let shift = std::array::from_fn(|_| random.random_range(-limit..=limit) as isize);
        let enabled = [rules.flip_depth, rules.flip_height, rules.flip_width];
        let mut symmetric = || random.random_range(-1.0..=1.0);
        Self {
            flips: std::array::from_fn(|axis| flips[axis] && enabled[axis]),
            shift,
            angles: std::array::from_fn(|_| (symmetric() * rules.rotate_degrees).to_radians()),
            scale: (1.0 + rules.scale).powf(symmetric()),
            shift_hu: symmetric() * rules.shift_hu,
            noise_hu: random.random_range(0.0..=1.0) * rules.noise_hu,
        }
    }

    /// The affine map that rotates and scales about the centre, then shifts, then flips. `None` if
    /// voxels move by whole numbers only.
    fn affine(&self, dim: [usize; 3]) -> Option<Affine> {
        if self.angles == [0.0; 3] && self.scale == 1.0 {
            return None;
        }
        let rotation = rotation(self.angles);
        let centre = dim.map(|side| (side as f64 - 1.0) / 2.0);
        // The map goes from indices of the result to indices of the crop: undo flip and shift
        // (sign · index + start, relative to the centre), then rotation and scale.
        let sign = self.flips.map(|flip| if flip { -1.0 } else { 1.0 });
        let start: [f64; 3] = std::array::from_fn(|axis| {
            let mirrored = if self.flips[axis] { dim[axis] as f64 - 1.0 } else { 0.0 };
            mirrored - self.shift[axis] as f64 - centre[axis]
        });
        // The inverse of a rotation is its transpose.
        let inverse = |row: usize, column: usize| rotation[column][row] / self.scale;
        let matrix =
            std::array::from_fn(|row| std::array::from_fn(|col| inverse(row, col) * sign[col]));
        let offset = std::array::from_fn(|row| {
            (0..3).map(|column| inverse(row, column) * start[column]).sum::<f64>() + centre[row]
        });
        Some(Affine { matrix, offset })
    }

    /// The crop shifted by whole voxels, then flipped.
    fn shift_and_flip(&self, crop: Array3<i16>, fill_hu: i16) -> Array3<i16> {
        let mut crop = shift(crop, self.shift, fill_hu);
        for axis in (0..3).filter(|axis| self.flips[*axis]) {
            crop.invert_axis(Axis(axis));
        }
        crop
    }

    /// The crop with its brightness shifted and noise added, in the order of its voxels.
    fn change_brightness(&self, mut crop: Array3<i16>, seed: u64, stream: &str) -> Array3<i16> {
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

/// Rotation about depth, then height, then width: `R_width · R_height · R_depth`.
fn rotation([depth, height, width]: [f64; 3]) -> [[f64; 3]; 3] {
    let about = |axis: usize, angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let (one, other) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut matrix = [[0.0; 3]; 3];
        matrix[axis][axis] = 1.0;
        (matrix[one][one], matrix[other][other]) = (cos, cos);
        (matrix[one][other], matrix[other][one]) = (-sin, sin);
        matrix
    };
    let times = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum())
        })
    };
    times(about(2, width), times(about(1, height), about(0, depth)))
}

/// Approximately normal, with mean 0 and variance 1: the sum of four uniform draws of 16 bits, within
/// ±3.47. Integer arithmetic until the last step gives the same bits on every machine.
pub(super) fn normal(bits: u64) -> f64 {
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    // The variance of one draw is (65536² − 1) / 12.
    let deviation = (4.0 * (65536.0_f64 * 65536.0 - 1.0) / 12.0).sqrt();
    (sum as f64 - 2.0 * 65535.0) / deviation
}

/// The crop shifted by whole voxels towards higher indices.
fn shift(crop: Array3<i16>, shift: [isize; 3], fill_hu: i16) -> Array3<i16> {
    if shift == [0; 3] {
        return crop;
    }
    let mut shifted = Array3::from_elem(crop.dim(), fill_hu);
    let (mut from, mut to) = (crop.view(), shifted.view_mut());
    for (axis, offset) in shift.into_iter().enumerate() {
        let overlap = from.len_of(Axis(axis)).saturating_sub(offset.unsigned_abs());
        let (source, target) =
            if offset >= 0 { (0, offset as usize) } else { (offset.unsigned_abs(), 0) };
        let (source, target) = if overlap == 0 { (0, 0) } else { (source, target) };
        from.slice_axis_inplace(Axis(axis), Slice::from(source..source + overlap));
        to.slice_axis_inplace(Axis(axis), Slice::from(target..target + overlap));
    }
    to.assign(&from);
    shifted
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
    fn a_shift_moves_every_voxel_and_fills_the_rest() {
        let moved = shift(numbered(), [1, 0, -2], -1000);
        assert_eq!(moved[[1, 2, 0]], 22);
        assert_eq!(moved[[2, 3, 2]], 134);
        assert!(moved.index_axis(Axis(0), 0).iter().all(|hu| *hu == -1000));
        assert!(moved.index_axis(Axis(2), 4).iter().all(|hu| *hu == -1000));
        assert!(shift(numbered(), [9, 0, 0], -1).iter().all(|hu| *hu == -1));
    }

    #[test]
    fn draws_depend_on_epoch_exam_and_repeat() {
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
    fn enabling_a_rule_does_not_change_the_draws_of_the_others() {
        let old = Augment { flip_width: true, shift_voxels: 2, ..Augment::default() };
        let new = Augment { rotate_degrees: 10.0, scale: 0.1, noise_hu: 9.0, ..old.clone() };
        for epoch in 1..20 {
            let stream = augment_stream(epoch, "a", 0);
            let (old, new) =
                (Augmentation::new(&old, 1, &stream), Augmentation::new(&new, 1, &stream));
            assert_eq!((old.flips, old.shift), (new.flips, new.shift));
        }
    }

    #[test]
    fn the_affine_map_rotates_scales_shifts_and_flips() {
        // A smooth blob, whose position is measurable to a tenth of a voxel.
        let (side, centre) = (31, [19.0, 12.0, 17.0]);
        let blob = Array3::from_shape_fn((side, side, side), |(d, h, w)| {
            let position = [d as f64, h as f64, w as f64];
            let square: f64 = (0..3).map(|axis| (position[axis] - centre[axis]).powi(2)).sum();
            (3000.0 * (-square / 18.0).exp()).round() as i16
        });
        let augmentation = Augmentation {
            flips: [true, false, true],
            shift: [2, -1, 0],
            angles: [0.2, -0.1, 0.3],
            scale: 1.1,
            shift_hu: 0.0,
            noise_hu: 0.0,
        };
        let map = augmentation.affine([side; 3]).unwrap();
        let result = resample_affine(&blob, &map, 0);
        let sum: f64 = result.iter().map(|hu| f64::from(*hu)).sum();
        // Step by step, forwards, with explicit rotations: depth rotates height towards width.
        let mut p: Vec<f64> = centre.iter().map(|coordinate| coordinate - 15.0).collect();
        let rotate = |p: &mut Vec<f64>, one: usize, other: usize, angle: f64| {
            let (a, b) = (p[one], p[other]);
            p[one] = a * angle.cos() - b * angle.sin();
            p[other] = a * angle.sin() + b * angle.cos();
        };
        rotate(&mut p, 1, 2, 0.2);
        rotate(&mut p, 2, 0, -0.1);
        rotate(&mut p, 0, 1, 0.3);
        for axis in 0..3 {
            let moved = 15.0 + 1.1 * p[axis] + [2.0, -1.0, 0.0][axis];
            let expected = if augmentation.flips[axis] { 30.0 - moved } else { moved };
            let weighted = result
                .indexed_iter()
                .map(|(index, hu)| [index.0, index.1, index.2][axis] as f64 * f64::from(*hu) / sum);
            let actual: f64 = weighted.sum();
            assert!((actual - expected).abs() < 0.1, "axis {axis}: {actual}, expected {expected}");
        }
        // The volume grows with the third power of the scale.
        let before: f64 = blob.iter().map(|hu| f64::from(*hu)).sum();
        assert!((sum / before / 1.1_f64.powi(3) - 1.0).abs() < 0.02, "{}", sum / before);
    }

    #[test]
    fn a_shift_with_flips_equals_the_affine_map() {
        let mut augmentation = Augmentation {
            flips: [true, false, true],
            shift: [1, 0, -2],
            angles: [0.0; 3],
            scale: 1.0,
            shift_hu: 0.0,
            noise_hu: 0.0,
        };
        assert_eq!(augmentation.affine([3, 4, 5]), None);
        let copied = augmentation.shift_and_flip(numbered(), -1);
        // A full rotation gives the same voxels; rounding errors must not change them.
        augmentation.angles = [2.0 * std::f64::consts::PI, 0.0, 0.0];
        let mapped = resample_affine(&numbered(), &augmentation.affine([3, 4, 5]).unwrap(), -1);
        assert_eq!(copied, mapped);
    }

    #[test]
    fn draws_stay_within_the_limits_and_reach_them() {
        let rules = Augment {
            rotate_degrees: 10.0,
            scale: 0.25,
            shift_hu: 40.0,
            noise_hu: 20.0,
            ..Augment::default()
        };
        let augmentations: Vec<Augmentation> = (0..400)
            .map(|epoch| Augmentation::new(&rules, 1, &augment_stream(epoch, "a", 0)))
            .collect();
        let range = |of: &dyn Fn(&Augmentation) -> f64| {
            let values = augmentations.iter().map(of);
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        for axis in 0..3 {
            let (low, high) =
                range(&|augmentation: &Augmentation| augmentation.angles[axis].to_degrees());
            assert!((-10.0..-9.5).contains(&low) && (9.5..=10.0).contains(&high));
        }
        let (low, high) = range(&|augmentation: &Augmentation| augmentation.scale);
        assert!((0.8..0.82).contains(&low) && (1.23..=1.25).contains(&high), "{low} {high}");
        let (low, high) = range(&|augmentation: &Augmentation| augmentation.shift_hu);
        assert!((-40.0..-38.0).contains(&low) && (38.0..=40.0).contains(&high));
        let (low, high) = range(&|augmentation: &Augmentation| augmentation.noise_hu);
        assert!((0.0..1.0).contains(&low) && (19.0..=20.0).contains(&high));
    }

    #[test]
    fn noise_has_the_given_deviation_and_brightness_the_given_shift() {
        let flat = Array3::from_elem((40, 40, 40), -500);
        let augmentation = Augmentation {
            flips: [false; 3],
            shift: [0; 3],
            angles: [0.0; 3],
            scale: 1.0,
            shift_hu: 30.0,
            noise_hu: 25.0,
        };
        let noisy = augmentation.change_brightness(flat, 1, "a");
        let count = noisy.len() as f64;
        let mean = noisy.iter().map(|hu| f64::from(*hu)).sum::<f64>() / count;
        let variance = noisy.iter().map(|hu| (f64::from(*hu) - mean).powi(2)).sum::<f64>() / count;
        // Four standard errors of 64,000 draws.
        assert!((mean + 470.0).abs() < 4.0 * 25.0 / count.sqrt(), "{mean}");
        assert!((variance.sqrt() - 25.0).abs() < 4.0 * 25.0 / (2.0 * count).sqrt(), "{variance}");
        let ends = Array3::from_shape_vec((1, 1, 2), vec![i16::MIN, i16::MAX]).unwrap();
        let noiseless = Augmentation { shift_hu: 900.0, noise_hu: 0.0, ..augmentation };
        assert_eq!(
            noiseless.change_brightness(ends, 1, "a").into_raw_vec_and_offset().0,
            [-31868, i16::MAX]
        );
    }
}
