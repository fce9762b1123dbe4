//! Heatmaps: `lungs predict --explain`.

use super::support::{Workspace, cohort, settings};
use lungs::pipeline::explain::Explanation;
use lungs_image::dicom::{HuRule, StackRules};
use lungs_image::formats::{Format, MapGrid, read_header, write_map};
use lungs_image::images::{read_volume, scan};
use lungs_image::volume::{Geometry, Turn};
use lungs_spec::results::read_csv;
use std::fs;

fn assert_same_positions(found: &Geometry, expected: &Geometry) {
    for index in [[0.0; 3], [80.0, 120.0, 120.0]] {
        let (found, expected) = (found.position_mm(index), expected.position_mm(index));
        for axis in 0..3 {
            assert!((found[axis] - expected[axis]).abs() < 1e-3, "{found:?} {expected:?}");
        }
    }
}

#[test]
fn predict_writes_a_heatmap_of_every_exam_on_the_voxels_of_its_ct() {
    let workspace = Workspace::new();
    let run = workspace.lungs(&["run", "small.toml", "--set", "train.epochs=1", "-q"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = workspace.newest_run("small");
    let model = run.to_str().unwrap();

    // The same scan as DICOM, and as NIfTI with another order of axes.
    let series = cohort().join("P0001/P0001-1/2-axial");
    let image = &scan(&series).unwrap().images[0];
    let (ct, _) = read_volume(image, HuRule::Standard, StackRules::default()).unwrap();
    let turn = Turn { from: [2, 0, 1], flip: [true, false, true] };
    let grid = MapGrid { shape: ct.hu.dim().into(), geometry: ct.geometry, turn };
    fs::create_dir(workspace.path("nifti")).unwrap();
    write_map(&workspace.path("nifti/scan.nii.gz"), &grid, "", 32767.0, |v| f32::from(ct.hu[v]))
        .unwrap();

    let arguments = ["predict", "--model", model, "ct/P0001/P0001-1", "nifti", "--out", "p.csv"];
    let explain = ["--cache", "cache", "--explain", "looked"];
    let done = workspace.lungs(&[&arguments[..], &explain].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    settings().bind(|| insta::assert_snapshot!("explain", done.stdout));
    let rows: Vec<Explanation> = read_csv(&workspace.path("looked/grad-cam.csv")).unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        assert_eq!((row.grid.as_str(), row.reason.as_str()), ("original", ""));
        assert!(row.probability.is_some());
        let header = read_header(&workspace.path("looked").join(&row.map)).unwrap().unwrap();
        assert_eq!((header.format, header.shape()), (Format::Nifti, ct.hu.dim().into()));
        assert_same_positions(&header.geometry, &ct.geometry);
        // The map has the axes of the input file; for DICOM, rows from back to front.
        let dicom = Turn { from: [0, 1, 2], flip: [false, true, false] };
        assert_eq!(header.turn, if row.series_uid == "scan" { turn } else { dicom });
        let picture = fs::read(workspace.path("looked").join(&row.picture)).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
    // The highest weight of the same scan is at the same position in the patient.
    assert_eq!(
        [rows[0].x_mm, rows[0].y_mm, rows[0].z_mm],
        [rows[1].x_mm, rows[1].y_mm, rows[1].z_mm]
    );

    // A second call gives the same bytes; another method has its own files; an ensemble has one map per exam.
    let before = fs::read(workspace.path("looked").join(&rows[0].map)).unwrap();
    let occlusion = ["--explain-by", "occlusion", "--occlusion-size", "100mm"];
    let weights = run.join("checkpoints/epoch-001/weights.safetensors");
    let stride = ["--occlusion-stride", "8", "--model", weights.to_str().unwrap()];
    for more in [vec![], [&occlusion[..], &stride].concat()] {
        let done = workspace.lungs(&[&arguments[..], &explain, &more].concat());
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    }
    assert!(fs::read(workspace.path("looked").join(&rows[0].map)).unwrap() == before);
    let rows: Vec<Explanation> = read_csv(&workspace.path("looked/occlusion.csv")).unwrap();
    assert!(rows.iter().all(|row| row.map.ends_with("-occlusion.nii.gz")), "{rows:?}");

    // Prepared volumes have no original CT; the column `grid` is `prepared`.
    let entries = fs::read_dir(workspace.path("cache")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let prepared = paths.find(|path| path.extension().is_some_and(|e| e == "npz")).unwrap();
    fs::create_dir(workspace.path("npz")).unwrap();
    fs::copy(prepared, workspace.path("npz/a.npz")).unwrap();
    let done = workspace.lungs(&["predict", "--model", model, "npz", "--explain", "from-npz"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let row: &Explanation = &read_csv(&workspace.path("from-npz/grad-cam.csv")).unwrap()[0];
    assert_eq!((row.grid.as_str(), row.reason.as_str()), ("prepared", ""));

    for (name, invalid) in [
        ("unknown-layer", ["--explain", "x", "--explain-layer", "Mixed_6a"]),
        ("explain-the-data", ["--explain", "ct/P0001/P0001-1", "--explain-by", "grad-cam"]),
    ] {
        let done = workspace.lungs(&[&arguments[..], &invalid].concat());
        assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
        settings().bind(|| insta::assert_snapshot!(name, done.stderr));
    }
    assert!(!workspace.path("x").exists());
}
