//! The text of settings in cache keys, in prepared files and in the names of fetched products.
//!
//! Stored caches are found by this text, so it never changes for settings that exist: a new setting is added only
//! where it differs from its default, and other names of types and fields in Rust do not change it. Changed
//! arithmetic increases [`ALGORITHM_VERSION`].

use lungs_image::dicom::{GantryTilt, Orientation, StackRules};
use lungs_image::volume::{Grid, Interpolation};
use lungs_spec::spec::Compat;

use super::{ALGORITHM_VERSION, Limits, Settings};

impl Settings {
    /// Every setting, as text that changes when one of them does.
    pub fn key_text(&self) -> String {
        let Self {
            spacing_mm,
            interpolation,
            grid,
            size,
            lower_hu,
            upper_hu,
            compat,
            stacks,
            limits,
        } = self;
        let interpolation = match interpolation {
            Interpolation::Cubic => "Cubic",
            Interpolation::Linear => "Linear",
        };
        let grid = match grid {
            Grid::Physical => "Physical",
            Grid::AlignedEnds => "AlignedEnds",
        };
        // A flag in caches of versions with one mode.
        let compat = match compat {
            Compat::None => "false",
            Compat::Lungs015 => "true",
            Compat::Sybil => "Sybil",
        };
        let (stacks, limits) = (stacks_text(stacks), limits_text(limits));
        format!(
            "Settings {{ spacing_mm: {spacing_mm:?}, interpolation: {interpolation}, grid: {grid}, size: {size:?}, \
             lower_hu: {lower_hu:?}, upper_hu: {upper_hu:?}, compat: {compat}, stacks: {stacks}, limits: {limits} }}"
        )
    }

    /// The settings that affect the voxels of a prepared volume, as text for comparison: all but the limits, with
    /// the version of the algorithm.
    pub fn voxel_settings(&self) -> String {
        let limits = Limits { min_slices: 0, max_slice_spacing_mm: 0.0, min_lung_ml: 0.0 };
        Self { limits, ..*self }.versioned_text()
    }

    /// The version of the algorithm and every setting.
    pub fn versioned_text(&self) -> String {
        format!("{ALGORITHM_VERSION} {}", self.key_text())
    }
}

fn stacks_text(stacks: &StackRules) -> String {
    let StackRules { gantry_tilt, orientation } = stacks;
    let gantry_tilt = match gantry_tilt {
        GantryTilt::Reshear => "Reshear",
        GantryTilt::Refuse => "Refuse",
    };
    let orientation = match orientation {
        Orientation::Reformat => "Reformat",
        Orientation::Refuse => "Refuse",
    };
    format!("StackRules {{ gantry_tilt: {gantry_tilt}, orientation: {orientation} }}")
}

fn limits_text(limits: &Limits) -> String {
    let Limits { min_slices, max_slice_spacing_mm, min_lung_ml } = limits;
    format!(
        "Limits {{ min_slices: {min_slices}, max_slice_spacing_mm: {max_slice_spacing_mm:?}, \
         min_lung_ml: {min_lung_ml:?} }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other text would leave every existing cache unused.
    #[test]
    fn the_texts_of_settings_never_change() {
        let default = "Settings { spacing_mm: [1.5, 1.5, 1.5], interpolation: Cubic, grid: Physical, \
                       size: [224, 224, 224], lower_hu: -1000.0, upper_hu: 400.0, compat: false, \
                       stacks: StackRules { gantry_tilt: Reshear, orientation: Reformat }, \
                       limits: Limits { min_slices: 50, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 } }";
        assert_eq!(Settings::default().key_text(), default);
        let other = Settings {
            spacing_mm: [0.7, 1.0, 2.25],
            interpolation: Interpolation::Linear,
            grid: Grid::AlignedEnds,
            size: [48, 40, 56],
            lower_hu: -1350.5,
            upper_hu: 1e10,
            compat: Compat::Lungs015,
            stacks: StackRules {
                gantry_tilt: GantryTilt::Refuse,
                orientation: Orientation::Refuse,
            },
            limits: Limits { min_slices: 2, max_slice_spacing_mm: 1e-7, min_lung_ml: 0.0 },
        };
        let text = "Settings { spacing_mm: [0.7, 1.0, 2.25], interpolation: Linear, grid: AlignedEnds, \
                    size: [48, 40, 56], lower_hu: -1350.5, upper_hu: 10000000000.0, compat: true, \
                    stacks: StackRules { gantry_tilt: Refuse, orientation: Refuse }, \
                    limits: Limits { min_slices: 2, max_slice_spacing_mm: 1e-7, min_lung_ml: 0.0 } }";
        assert_eq!(other.key_text(), text);
        assert_eq!(other.versioned_text(), format!("{ALGORITHM_VERSION} {text}"));
        let voxels = other.voxel_settings();
        let limits =
            "limits: Limits { min_slices: 0, max_slice_spacing_mm: 0.0, min_lung_ml: 0.0 } }";
        let sybil = Settings { compat: Compat::Sybil, ..other };
        assert_eq!(sybil.key_text(), text.replace("compat: true", "compat: Sybil"));
        assert!(voxels.starts_with("4 Settings { spacing_mm: [0.7") && voxels.ends_with(limits));
    }
}
