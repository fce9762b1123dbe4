//! `[preprocess]`: from a series to a stored crop, and the window that the network sees.

use serde::{Deserialize, Serialize};

/// `[preprocess]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocess {
    /// Isotropic voxel size after resampling.
    pub spacing_mm: f64,
    /// `"cubic"` (B-spline) or `"linear"`.
    pub interpolation: Interpolation,
    /// Stored crop: depth, height, width, in voxels, centred on the lungs.
    pub size: [usize; 3],
    /// `"none"`, or `"lungs-0.1.5"` for the arithmetic of the original Python package.
    pub compat: Compat,
    /// Series whose lungs are smaller than this are refused.
    pub min_lung_ml: f64,
    /// `"reshear"` moves the rows of a stack acquired with a tilted gantry onto an untilted grid,
    /// `"refuse"` refuses it with the angle.
    pub gantry_tilt: GantryTilt,
    /// `"reformat"` turns a stack of sagittal or coronal images to axial order, `"refuse"` refuses
    /// it.
    pub orientation: Orientation,
    /// Hounsfield window.
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

/// `preprocess.interpolation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Cubic B-spline with prefilter.
    Cubic,
    /// Linear.
    Linear,
}

/// `preprocess.compat`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compat {
    /// Our own preparation.
    #[serde(rename = "none")]
    None,
    /// The original's arithmetic, for weights trained on it.
    #[serde(rename = "lungs-0.1.5")]
    Lungs015,
}

/// `preprocess.gantry_tilt`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GantryTilt {
    /// Rows are moved onto an untilted grid.
    Reshear,
    /// The series is refused.
    Refuse,
}

/// `preprocess.orientation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// Sagittal and coronal stacks are turned to axial order.
    Reformat,
    /// They are refused.
    Refuse,
}

/// `[preprocess.window]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Becomes −1, and so does everything below.
    pub lower_hu: f64,
    /// Becomes +1, and so does everything above.
    pub upper_hu: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { lower_hu: -1000.0, upper_hu: 400.0 }
    }
}
