//! Milliseconds per operation on a synthetic chest of 300 × 512 × 512 voxels of 1.0 × 0.7 × 0.7 mm.
//!
//! `cargo bench --bench volume`; `--profile dev` measures the profile of the tests.

use std::hint::black_box;
use std::time::Instant;

use lungs_image::volume::{
    Components, Connectivity, Geometry, Grid, Interpolation, Mask, Volume, Window, crop, resample,
    segment_lungs, segment_lungs_original,
};
use ndarray::Array3;

/// Body, two lungs with vessels, trachea and table, with noise.
fn chest() -> Volume {
    let dim = (300, 512, 512);
    let spacing_mm = [1.0, 0.7, 0.7];
    let mut noise = 1u32;
    let hu = Array3::from_shape_fn(dim, |(z, y, x)| {
        let z = z as f64 * spacing_mm[0] - 150.0;
        let y = (y as f64 - 256.0) * spacing_mm[1];
        let x = (x as f64 - 256.0) * spacing_mm[2];
        let in_ellipse = |x: f64, y: f64, z: f64, rx: f64, ry: f64, rz: f64| {
            (x / rx).powi(2) + (y / ry).powi(2) + (z / rz).powi(2) < 1.0
        };
        let lung = in_ellipse(x.abs() - 75.0, y, z, 58.0, 80.0, 125.0);
        let vessel = lung && (x * 0.21).sin() * (y * 0.23).sin() * (z * 0.19).sin() > 0.7;
        let trachea = z > 20.0 && x.hypot(y + 10.0) < 9.0;
        let bronchi = (z - 25.0).abs() < 6.0 && (y + 10.0).abs() < 6.0 && x.abs() < 40.0;
        let table = (y - 118.0).abs() < 2.0 && x.abs() < 170.0;
        let mean = match () {
            () if trachea || bronchi => -1000,
            () if vessel => 30,
            () if lung => -860,
            () if in_ellipse(x, y, 0.0, 165.0, 105.0, 1.0) => 40,
            () if table => -300,
            () => -1000,
        };
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (mean + (noise >> 16) as i32 % 81 - 40) as i16
    });
    let geometry = Geometry {
        spacing_mm,
        origin_mm: [-179.0, -179.0, -150.0],
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    Volume { hu, geometry }
}

/// Prints the best time of three, which reduces the influence of other processes.
fn measure<T>(name: &str, mut operation: impl FnMut() -> T) -> T {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..3 {
        let start = Instant::now();
        result = Some(black_box(operation()));
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<40} {:>8.1} ms", best * 1e3);
    result.expect("three results")
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    println!("{processor}, {cores} cores, one thread used");

    let chest = chest();
    let to_1_5_mm = |interpolation, grid| resample(&chest, [1.5; 3], interpolation, grid);
    let volume =
        measure("resample, cubic, physical", || to_1_5_mm(Interpolation::Cubic, Grid::Physical))
            .expect("spacings are positive");
    measure("resample, cubic, aligned ends", || to_1_5_mm(Interpolation::Cubic, Grid::AlignedEnds))
        .expect("spacings are positive");
    measure("resample, linear, physical", || to_1_5_mm(Interpolation::Linear, Grid::Physical))
        .expect("spacings are positive");
    println!("  {:?} → {:?}", chest.hu.dim(), volume.hu.dim());

    let air = measure("threshold", || Mask::of(&volume.hu, |hu| hu <= -320));
    measure("components, 26 neighbours", || Components::of(&air, Connectivity::Corners3d));
    let lungs = measure("segment lungs", || segment_lungs(&volume)).expect("the chest has lungs");
    println!("  {:?}, {:.0} + {:.0} ml", lungs.bounding_box, lungs.left_ml, lungs.right_ml);
    measure("segment lungs as lungs-0.1.5", || segment_lungs_original(&volume))
        .expect("the chest has lungs");
    let cropped = measure("crop to 224³", || crop(&volume, lungs.centre_voxel, [224; 3], -1000));
    let mut values = vec![0.0; 224 * 224];
    measure("window 224³, slice by slice", || {
        for slice in cropped.hu.outer_iter() {
            Window::default().apply(slice.as_slice().expect("contiguous"), &mut values);
        }
    });
}
