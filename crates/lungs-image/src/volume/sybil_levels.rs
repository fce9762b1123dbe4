//! The 256 grey levels that Sybil distinguishes, and the units of its prepared volumes.

/// Numbers in a prepared volume per unit of the network's input, which ranges from −1.47 to 1.45.
pub const SYBIL_UNITS: f64 = 22_000.0;
/// The input's change per Hounsfield unit within the window, in units of a prepared volume.
pub const SYBIL_UNITS_PER_HU: f64 = SYBIL_UNITS * 65_535.0 / 256.0 / (WIDTH_HU - 1.0) / 87.184_9;
const CENTRE_HU: f64 = -600.0;
const WIDTH_HU: f64 = 1500.0;

/// The grey level of an attenuation, 0 to 255: DICOM's window function to 16 bits, of which the upper 8 remain.
pub(super) fn grey_level(hu: f64) -> f64 {
    let (centre, width) = (CENTRE_HU - 0.5, WIDTH_HU - 1.0);
    let bits = if hu <= centre - width / 2.0 {
        0.0
    } else if hu > centre + width / 2.0 {
        65_535.0
    } else {
        ((hu - centre) / width + 0.5) * 65_535.0
    };
    (bits / 256.0).floor()
}

/// The nearest whole Hounsfield unit with the same grey level, so that 16-bit volumes lose nothing. A level is 5.9 HU
/// wide.
pub(crate) fn same_level_hu(hu: f64) -> i16 {
    let nearest = hu.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX));
    let candidates = [nearest, nearest - 1.0, nearest + 1.0];
    let same = candidates.into_iter().find(|other| grey_level(*other) == grey_level(hu));
    same.unwrap_or(nearest) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grey_levels_at_the_ends_of_the_window_and_between() {
        let levels = [-3024.0, -1350.0, -1349.0, -1345.0, -1344.0, 149.0, 149.5, 3000.0];
        assert_eq!(levels.map(grey_level), [0.0, 0.0, 0.0, 0.0, 1.0, 255.0, 255.0, 255.0]);
        // (−600 + 600.5) / 1499 + 0.5 of 65535, divided by 256.
        assert_eq!(grey_level(-600.0), 128.0);
    }

    proptest! {
        #[test]
        fn a_whole_hounsfield_unit_has_the_level_of_the_fraction(hu in -40_000.0..40_000.0f64) {
            prop_assert_eq!(grey_level(f64::from(same_level_hu(hu))), grey_level(hu));
        }
    }
}
