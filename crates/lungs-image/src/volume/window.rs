//! Converts Hounsfield units to the input of the network.

use super::sybil_levels::SYBIL_UNITS;

/// The range of Hounsfield units that maps to −1…1 times the amplitude; values outside are clipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Maps to −`amplitude`, as do lower values.
    pub lower_hu: f32,
    /// Maps to +`amplitude`, as do higher values.
    pub upper_hu: f32,
    /// Greatest value, 1 for Hounsfield units.
    pub amplitude: f32,
}

impl Default for Window {
    /// The lung window of the published recipe, −1000 to 400 HU.
    fn default() -> Self {
        Self { lower_hu: -1000.0, upper_hu: 400.0, amplitude: 1.0 }
    }
}

impl Window {
    /// The input of Sybil from the numbers of [`super::sybil_input`]: their share of [`SYBIL_UNITS`], of which none is
    /// clipped. 0 is exactly 0.
    pub const SYBIL: Self = Self {
        lower_hu: (-1.5 * SYBIL_UNITS) as f32,
        upper_hu: (1.5 * SYBIL_UNITS) as f32,
        amplitude: 1.5,
    };

    /// One value: `(hu − lower) / (upper − lower) · 2 − 1`, clipped to [−1, 1], times the amplitude.
    ///
    /// A window without width is a step: −1 up to `lower_hu`, +1 above it.
    #[inline(always)]
    pub fn value(&self, hu: i16) -> f32 {
        let width = self.upper_hu - self.lower_hu;
        let value = if width > 0.0 {
            ((f32::from(hu) - self.lower_hu) / width).clamp(0.0, 1.0) * 2.0 - 1.0
        } else if f32::from(hu) > self.lower_hu {
            1.0
        } else {
            -1.0
        };
        // A factor of 1 changes no bit.
        value * self.amplitude
    }

    /// Applies the window to a run of voxels, into the caller's buffer; stops at the end of the shorter
    /// one.
    pub fn apply(&self, hu: &[i16], values: &mut [f32]) {
        for (value, &hu) in values.iter_mut().zip(hu) {
            *value = self.value(hu);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_window_at_its_limits_and_between() {
        let window = Window::default();
        let mut values = [9.0; 6];
        window.apply(&[-2048, -1000, -300, 400, 401, 3000], &mut values);
        assert_eq!(values, [-1.0, -1.0, 0.0, 1.0, 1.0, 1.0]);
        // Zero HU, the original's padding, is not air: (1000/1400)·2 − 1.
        assert!((window.value(0) - 3.0 / 7.0).abs() < 1e-6);
    }

    #[test]
    fn a_window_without_width_is_a_step() {
        let window = Window { lower_hu: -500.0, upper_hu: -500.0, amplitude: 1.0 };
        assert_eq!([-501, -500, -499].map(|hu| window.value(hu)), [-1.0, -1.0, 1.0]);
    }

    #[test]
    fn the_numbers_of_sybil_are_scaled_and_not_clipped() {
        for units in (-32_768..=32_767).step_by(7) {
            let expected = f64::from(units) / SYBIL_UNITS;
            let value = Window::SYBIL.value(units as i16);
            assert!((f64::from(value) - expected).abs() < 3e-7, "{units}: {value}");
        }
        assert_eq!(Window::SYBIL.value(0).to_bits(), 0.0_f32.to_bits());
    }

    proptest! {
        #[test]
        fn never_leaves_its_range_and_never_falls(
            a: i16, b: i16, lower in -2000.0f32..1000.0, width in 1.0f32..4000.0,
        ) {
            let window = Window { lower_hu: lower, upper_hu: lower + width, amplitude: 1.0 };
            let (low, high) = (window.value(a.min(b)), window.value(a.max(b)));
            prop_assert!((-1.0..=1.0).contains(&low) && (-1.0..=1.0).contains(&high));
            prop_assert!(low <= high);
        }
    }
}
