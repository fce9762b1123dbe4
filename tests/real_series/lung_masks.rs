//! The lungs of four real series, compared with visual inspection and an independent segmentation.

use super::{only_image, only_series, unpacked};
use lungs_image::dicom::{HuRule, read_volume};
use lungs_image::volume::{Grid, Interpolation, Mask, Volume, resample, segment_lungs};
use lungs_study::prepare::{Settings, Status};
use std::path::Path;

/// Archives, boxes of the lungs (z0, z1, y0, y1, x0, x1 in 1.5 mm voxels from the middle of the first
/// voxel, judged by eye and by an independent segmentation), and litres.
const JUDGED: [(&str, [f64; 6], f64); 4] = [
    ("lidc-idri-0001.tar.xz", [33.0, 209.0, 59.0, 186.0, 37.0, 205.0], 3.75),
    ("lidc-idri-0003.tar.xz", [10.0, 202.0, 89.0, 221.0, 28.0, 239.0], 5.96),
    ("lungdx-A0001-s2.tar.xz", [3.0, 186.0, 88.0, 230.0, 48.0, 234.0], 5.56),
    ("qin-lsc-0064.tar.xz", [24.0, 193.0, 12.0, 160.0, 19.0, 181.0], 4.65),
];

#[test]
#[ignore = "needs shared/ct"]
fn the_lungs_of_real_series_are_the_same_at_every_spacing() {
    let mut failures = Vec::new();
    for (archive, judged, litres) in JUDGED {
        let folder = unpacked(archive);
        let (scan, _) = read_volume(&only_series(&folder), HuRule::Standard).unwrap();
        let at = |mm: f64| resample(&scan, [mm; 3], Interpolation::Cubic, Grid::Physical).unwrap();
        let grid = at(1.5).geometry;
        for spacing_mm in [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0] {
            let volume = at(spacing_mm);
            let lungs = segment_lungs(&volume).unwrap();
            let corner = |end: usize| {
                let corner = lungs.bounding_box.map(|range| range[end] as f64);
                grid.index_at(volume.geometry.position_mm(corner))
            };
            let (first, last) = (corner(0), corner(1));
            for (i, judged) in judged.into_iter().enumerate() {
                let face = if i % 2 == 0 { first[i / 2] } else { last[i / 2] };
                // Half a voxel for the position of the grid.
                if (face - judged).abs() * 1.5 > 5.0 + spacing_mm / 2.0 {
                    failures.push(format!("{archive} at {spacing_mm}: {face:.1} is not {judged}"));
                }
            }
            let found = (lungs.left_ml + lungs.right_ml) / 1000.0;
            if (found / litres - 1.0).abs() > 0.04 || !lungs.flags.is_empty() {
                failures.push(format!("{archive} at {spacing_mm}: {found} l, {:?}", lungs.flags));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "needs shared/ct"]
fn the_shipped_crops_contain_the_lungs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let nothing = lungs_spec::spec::Overrides::default();
    let mut shipped: Vec<Settings> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        // A sweep varies other keys.
        let Ok(spec) = lungs_spec::spec::load(&entry.unwrap().path(), &nothing) else { continue };
        let mut settings = lungs::pipeline::settings(&spec);
        // The crop must contain the lungs of series that the spec excludes, too.
        settings.limits.max_slice_spacing_mm = 5.0;
        if !shipped.contains(&settings) {
            shipped.push(settings);
        }
    }
    assert!(shipped.len() >= 2, "{shipped:?}");
    for (archive, _, _) in JUDGED {
        let folder = unpacked(archive);
        let image = only_image(&folder);
        for settings in &shipped {
            let row = lungs_study::prepare::prepare_image(&image, settings).row;
            assert_eq!((row.status, row.beyond_crop()), (Status::Prepared, None), "{archive}");
        }
    }
}

/// Upper limit of air and lung; walls are above.
const WALL_HU: i16 = -500;

/// A wall thinner than a voxel of 1 mm is darker than [`WALL_HU`], but this much lighter than the air on both sides.
const CREST_HU: i16 = 150;

/// Lung and the gas of an airway differ by more than this in the mean over an edge.
const STEP_HU: f64 = 75.0;

/// Whether the outline passes through air between a voxel of the mask and the next along an axis: the
/// latter is air outside the mask, and the fine volume shows no wall from the middle of the one to the
/// far face of the other.
fn cuts_air(
    mask: &Mask,
    volume: &Volume,
    fine: &Volume,
    at: [usize; 3],
    (axis, sign): (usize, isize),
) -> bool {
    let mut next = at;
    next[axis] = at[axis].wrapping_add_signed(sign);
    let is_air = volume.hu.get(next).is_some_and(|&hu| hu < WALL_HU);
    if !mask.get(at) || mask.get(next) || !is_air {
        return false;
    }
    let spacing_mm = volume.geometry.spacing_mm[axis];
    let fine_hu = |step_mm: usize| {
        let mut index = at.map(|index| index as f64);
        index[axis] += sign as f64 * step_mm as f64 / spacing_mm;
        let fine_index = fine.geometry.index_at(volume.geometry.position_mm(index));
        fine.hu.get(fine_index.map(|index| index.round().max(0.0) as usize)).copied()
    };
    let profile: Vec<i16> = (0..=(1.5 * spacing_mm) as usize).filter_map(fine_hu).collect();
    let highest = profile.iter().copied().max().unwrap_or(i16::MIN);
    let sides = [profile.first(), profile.last()].into_iter().flatten().copied().max();
    highest <= WALL_HU && sides.is_none_or(|side| highest < side.saturating_add(CREST_HU))
}

/// Whether the density changes across an edge, as between lung and the gas of an airway.
fn is_border(volume: &Volume, edge: &[[usize; 3]], (axis, sign): (usize, isize)) -> bool {
    let step_hu = edge.iter().map(|&inside| {
        let mut outside = inside;
        outside[axis] = inside[axis].wrapping_add_signed(sign);
        f64::from(volume.hu[inside]) - f64::from(volume.hu[outside])
    });
    (step_hu.sum::<f64>() / edge.len() as f64).abs() > STEP_HU
}

/// The longest straight edge of the mask, along any axis, that passes through air and is no border.
fn longest_straight_cut_mm(mask: &Mask, volume: &Volume, fine: &Volume) -> f64 {
    let dim = mask.dim();
    let mut longest_mm = 0.0;
    for (axis, along) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let third = 3 - axis - along;
        let spacing_mm = volume.geometry.spacing_mm[along];
        for face in [(axis, -1), (axis, 1)] {
            for (i, j) in (0..dim[axis]).flat_map(|i| (0..dim[third]).map(move |j| (i, j))) {
                let mut line = (0..dim[along]).map(|k| {
                    let mut at = [0; 3];
                    (at[axis], at[third], at[along]) = (i, j, k);
                    at
                });
                let mut edge = Vec::new();
                loop {
                    let next = line.next();
                    if let Some(at) = next.filter(|&at| cuts_air(mask, volume, fine, at, face)) {
                        edge.push(at);
                        continue;
                    }
                    let length_mm = edge.len() as f64 * spacing_mm;
                    if length_mm > longest_mm && !is_border(volume, &edge, face) {
                        longest_mm = length_mm;
                    }
                    edge.clear();
                    if next.is_none() {
                        break;
                    }
                }
            }
        }
    }
    longest_mm
}

#[test]
#[ignore = "needs shared/ct"]
fn outlines_of_real_series_have_no_long_straight_edge_through_air() {
    let mut failures = Vec::new();
    for (archive, ..) in JUDGED {
        let folder = unpacked(archive);
        let (scan, _) = read_volume(&only_series(&folder), HuRule::Standard).unwrap();
        let at = |mm: f64| resample(&scan, [mm; 3], Interpolation::Cubic, Grid::Physical).unwrap();
        let fine = at(1.0);
        for spacing_mm in [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0] {
            let volume = at(spacing_mm);
            let lungs = segment_lungs(&volume).unwrap();
            let found_mm = longest_straight_cut_mm(&lungs.mask, &volume, &fine);
            if found_mm > 15.0 {
                failures.push(format!("{archive} at {spacing_mm}: {found_mm} mm"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
