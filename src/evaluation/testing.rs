//! What the room's tests share.

use std::fs::File;
use std::path::PathBuf;

use proptest::prelude::*;

fn fixture(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("LUNGS_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join("fixtures").join(path);
    if !path.exists() {
        eprintln!("skipped: no fixtures at {}", path.display());
        return None;
    }
    Some(path)
}

pub(super) fn fixture_json(path: &str) -> Option<serde_json::Value> {
    Some(serde_json::from_reader(File::open(fixture(path)?).unwrap()).unwrap())
}

/// An array of an `.npz` as f64, whichever of the number types it is stored in.
pub(super) fn fixture_npz_f64(path: &str, name: &str) -> Option<Vec<f64>> {
    let file = || ndarray_npy::NpzReader::new(File::open(fixture(path).unwrap()).unwrap()).unwrap();
    fixture(path)?;
    let name = format!("{name}.npy");
    if let Ok(array) = file().by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix1>(&name) {
        return Some(array.to_vec());
    }
    let array = file().by_name::<ndarray::OwnedRepr<i64>, ndarray::Ix1>(&name).unwrap();
    Some(array.iter().map(|&x| x as f64).collect())
}

pub(super) fn fixture_npy_f32(path: &str) -> Option<Vec<f32>> {
    let array: ndarray::ArrayD<f32> = ndarray_npy::read_npy(fixture(path)?).unwrap();
    Some(array.iter().copied().collect())
}

pub(super) fn fixture_npy_labels(path: &str) -> Option<Vec<bool>> {
    let path = fixture(path)?;
    let as_i64 = ndarray_npy::read_npy::<_, ndarray::Array1<i64>>(&path).map(|a| a.to_vec());
    let as_i32 = || {
        let array: ndarray::Array1<i32> = ndarray_npy::read_npy(&path).unwrap();
        array.iter().map(|&x| i64::from(x)).collect()
    };
    Some(as_i64.unwrap_or_else(|_| as_i32()).iter().map(|&y| y == 1).collect())
}

/// Scores on a coarse grid (so that ties abound) with both classes present.
pub(super) fn labelled_scores() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    prop::collection::vec((-20i32..20, any::<bool>()), 2..60)
        .prop_map(|pairs| {
            let scores = pairs.iter().map(|&(score, _)| f64::from(score) / 4.0).collect();
            let labels = pairs.iter().map(|&(_, label)| label).collect();
            (scores, labels)
        })
        .prop_filter("both classes", |(_, labels): &(Vec<f64>, Vec<bool>)| {
            labels.contains(&true) && labels.contains(&false)
        })
}

/// Standard normal draws of a named stream (Box–Muller).
pub(super) fn normal_draws(seed: u64, name: &str, count: usize) -> Vec<f64> {
    use rand::Rng;
    let mut random = crate::random::stream(seed, name);
    let mut uniform = move || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (0..count)
        .map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
        .collect()
}
