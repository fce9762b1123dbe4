//! What `docs/pytorch/sybil_input.py` computed, and the comparison with it.

use lungs_image::dicom::StackRules;
use lungs_image::volume::Window;
use lungs_study::prepare::{Limits, Prepared, Settings};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the script computed of one series.
#[derive(Deserialize)]
pub(crate) struct Expected {
    /// Slices, rows, columns; absent for real series.
    #[serde(default)]
    pub(crate) shape: [i64; 3],
    /// Between rows and between columns, the thickness, and the distance between slices.
    #[serde(default)]
    pub(crate) spacing_mm: [f64; 4],
    /// Slope and intercept.
    #[serde(default)]
    pub(crate) rescale: [f64; 2],
    voxels: Vec<(usize, f64)>,
    slice_means: Vec<f64>,
    mean_square: f64,
}

pub(crate) fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_str(include_str!("../data/sybil_input.json")).unwrap()
}

pub(crate) fn settings() -> Settings {
    let limits = Limits { min_slices: 50, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 };
    Settings::sybil(StackRules::default(), limits)
}

/// Compares every sampled voxel, and the means of all slices.
pub(crate) fn assert_equal(name: &str, prepared: &Prepared, expected: &Expected) {
    let volume = &prepared.volume.hu;
    assert_eq!(volume.dim(), (200, 256, 256), "{name}");
    let voxels = volume.as_slice().unwrap();
    let mut worst = 0.0_f64;
    for (place, value) in &expected.voxels {
        let found = f64::from(Window::SYBIL.value(voxels[*place]));
        assert!((found - value).abs() < 1e-4, "{name}, voxel {place}: {found}, expected {value}");
        worst = worst.max((found - value).abs());
    }
    let mut squares = 0.0;
    for (slice, mean) in voxels.chunks(256 * 256).zip(&expected.slice_means) {
        let values: Vec<f64> =
            slice.iter().map(|units| f64::from(Window::SYBIL.value(*units))).collect();
        let found = values.iter().sum::<f64>() / values.len() as f64;
        // Half a step of the stored numbers is 2.3e-5.
        assert!((found - mean).abs() < 3e-5, "{name}: mean {found}, expected {mean}");
        squares += values.iter().map(|value| value * value).sum::<f64>();
    }
    let mean_square = squares / voxels.len() as f64;
    assert!((mean_square - expected.mean_square).abs() < 5e-5, "{name}: {mean_square}");
    eprintln!("{name}: largest difference {worst:.1e}");
}
