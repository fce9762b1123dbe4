//! `[preprocess]`: conversion of a series to a stored crop, and the Hounsfield window of the network.

use lungs_image::dicom::{GantryTilt, Orientation};
use lungs_image::volume::Interpolation;
use serde::{Deserialize, Serialize};

/// `[preprocess]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocess {
    /// Isotropic voxel size after resampling, in mm, from 0.3 to 20.
    pub spacing_mm: f64,
    /// Interpolation of the resampling.
    pub interpolation: Interpolation,
    /// Size of the stored crop in voxels, `[depth, height, width]`, each from 8 to 1024. The crop is centred
    /// on the lungs.
    pub size: [usize; 3],
    /// Compatibility mode.
    pub compat: Compat,
    /// Smallest accepted lung volume, in ml; series with less are excluded.
    pub min_lung_ml: f64,
    /// Treatment of series acquired with a tilted gantry.
    pub gantry_tilt: GantryTilt,
    /// Treatment of sagittal and coronal series.
    pub orientation: Orientation,
    /// Hounsfield window of the network's input.
    pub window: Window,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            spacing_mm: 1.5,
            interpolation: Interpolation::Cubic,
            size: [224, 224, 224],
            compat: Compat::None,
            min_lung_ml: 500.0,
            gantry_tilt: GantryTilt::Reshear,
            orientation: Orientation::Reformat,
            window: Window::default(),
        }
    }
}

/// `preprocess.compat`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compat {
    /// The preprocessing of this program.
    #[serde(rename = "none")]
    None,
    /// The arithmetic of the original package, for weights that were trained with it.
    #[serde(rename = "lungs-0.1.5")]
    Lungs015,
    /// The arithmetic of Sybil, for weights that were trained with it: `size` must be `[200, 256, 256]`;
    /// `spacing_mm`, `interpolation`, `window` and `min_lung_ml` keep their defaults and have no effect.
    #[serde(rename = "sybil")]
    Sybil,
}

/// `[preprocess.window]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Lower limit, in HU. It and all lower values map to −1.
    pub lower_hu: f64,
    /// Upper limit, in HU. It and all higher values map to +1.
    pub upper_hu: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { lower_hu: -1000.0, upper_hu: 400.0 }
    }
}
