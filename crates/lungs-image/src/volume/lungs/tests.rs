use crate::codes::Flag;
use crate::volume::Geometry;
use crate::volume::Volume;
use ndarray::Array3;

use super::*;

/// A chest made of ellipsoids, in millimetres around the middle of the body.
#[derive(Clone)]
pub(super) struct Chest {
    /// `[x, y, z]` of the centre, radii, and Hounsfield units; later parts cover earlier ones.
    pub parts: Vec<([f64; 3], [f64; 3], i16)>,
    /// Range of the scan towards the feet and the head.
    pub scan_mm: [f64; 2],
    /// Half the width of the field of view.
    pub half_width_mm: f64,
    pub outside_hu: i16,
    pub spacing_mm: f64,
    /// Ranges of height that contain only air.
    pub gaps_mm: Vec<[f64; 2]>,
}

const SPACING_MM: f64 = 2.5;
pub(super) const LUNG_HU: i16 = -850;
pub(super) const LEFT_LUNG: ([f64; 3], [f64; 3], i16) =
    ([75.0, 0.0, 0.0], [55.0, 75.0, 110.0], LUNG_HU);
pub(super) const RIGHT_LUNG: ([f64; 3], [f64; 3], i16) =
    ([-75.0, 0.0, 0.0], [55.0, 75.0, 110.0], LUNG_HU);
/// From the middle of the chest up into the neck.
pub(super) const TRACHEA: ([f64; 3], [f64; 3], i16) =
    ([0.0, 5.0, 120.0], [10.0, 10.0, 100.0], -1000);

impl Chest {
    pub(super) fn new() -> Self {
        let body = ([0.0; 3], [165.0, 105.0, 1e6], 40);
        Self {
            parts: vec![body, LEFT_LUNG, RIGHT_LUNG, TRACHEA],
            scan_mm: [-150.0, 170.0],
            half_width_mm: 190.0,
            outside_hu: -1000,
            spacing_mm: SPACING_MM,
            gaps_mm: Vec::new(),
        }
    }

    pub(super) fn with(mut self, part: ([f64; 3], [f64; 3], i16)) -> Self {
        self.parts.push(part);
        self
    }

    fn without(mut self, part: ([f64; 3], [f64; 3], i16)) -> Self {
        self.parts.retain(|kept| *kept != part);
        self
    }

    pub(super) fn volume(&self) -> Volume {
        let spacing_mm = self.spacing_mm;
        let across = (2.0 * self.half_width_mm / spacing_mm) as usize;
        let slices = ((self.scan_mm[1] - self.scan_mm[0]) / spacing_mm) as usize;
        let geometry = Geometry {
            spacing_mm: [spacing_mm; 3],
            origin_mm: [-self.half_width_mm, -self.half_width_mm, self.scan_mm[0]],
            axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        };
        let mut hu = Array3::from_elem((slices, across, across), self.outside_hu);
        for ((z, y), mut row) in
            (0..slices).flat_map(|z| (0..across).map(move |y| (z, y))).zip(hu.rows_mut())
        {
            let [x0, y_mm, z_mm] = geometry.position_mm([z as f64, y as f64, 0.0]);
            let is_gap = self.gaps_mm.iter().any(|gap| (gap[0]..gap[1]).contains(&z_mm));
            for (centre, radii, hu) in self.parts.iter().filter(|_| !is_gap) {
                let off = ((y_mm - centre[1]) / radii[1]).powi(2)
                    + ((z_mm - centre[2]) / radii[2]).powi(2);
                if off >= 1.0 {
                    continue;
                }
                let half_mm = radii[0] * (1.0 - off).sqrt();
                let voxel = |mm: f64| ((mm - x0) / spacing_mm).ceil().max(0.0) as usize;
                let (first, last) = (voxel(centre[0] - half_mm), voxel(centre[0] + half_mm));
                row.slice_mut(ndarray::s![first.min(across)..last.min(across)]).fill(*hu);
            }
            // A little texture, the same in every run.
            for (x, hu) in row.iter_mut().enumerate() {
                *hu += ((z * 7 + y * 13 + x * 29) % 31) as i16 - 15;
            }
        }
        Volume { hu, geometry }
    }

    fn lungs(&self) -> Lungs {
        segment_lungs(&self.volume()).unwrap()
    }
}

/// The box in the patient: first and last x, y, z.
pub(super) fn box_mm(lungs: &Lungs, volume: &Volume) -> [[f64; 2]; 3] {
    let end =
        |end: usize| volume.geometry.position_mm(lungs.bounding_box.map(|range| range[end] as f64));
    let (first, last) = (end(0), end(1));
    std::array::from_fn(|i| [first[i], last[i]])
}

fn assert_normal(chest: &Chest) {
    let lungs = chest.lungs();
    let found = box_mm(&lungs, &chest.volume());
    let expected = [[-130.0, 130.0], [-75.0, 75.0], [-110.0, 110.0]];
    for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
        assert!(
            (found - expected).abs() <= 2.0 * SPACING_MM,
            "{found} is not {expected}: {lungs:?}"
        );
    }
    // 4/3·π·55·75·110 mm³.
    for ml in [lungs.left_ml, lungs.right_ml] {
        assert!((ml - 1900.0).abs() < 80.0, "{ml} ml");
    }
    assert!(lungs.flags.is_empty(), "{:?}", lungs.flags);
}

#[test]
fn two_lungs_without_the_trachea() {
    assert_normal(&Chest::new());
}

#[test]
fn the_lungs_need_not_be_joined_and_may_be() {
    let lungs = Chest::new().without(TRACHEA).lungs();
    assert_eq!(lungs.flags, [Flag::TracheaNotFound]);
    assert!((lungs.left_ml - lungs.right_ml).abs() < 60.0);
    // A wide junction in front of the heart.
    let joined = Chest::new().with(([0.0, -40.0, 0.0], [60.0, 6.0, 40.0], LUNG_HU)).lungs();
    assert!((joined.left_ml - joined.right_ml).abs() < 100.0);
}

#[test]
fn a_hollow_table_that_divides_the_air_changes_nothing() {
    let chest = Chest::new().with(([0.0, 122.0, 0.0], [400.0, 14.0, 1e6], 100)).with((
        [0.0, 122.0, 0.0],
        [390.0, 10.0, 1e6],
        -930,
    ));
    assert_normal(&chest);
}

#[test]
fn arms_at_the_sides_and_the_air_between_change_nothing() {
    let mut chest = Chest::new();
    chest.half_width_mm = 240.0;
    for side in [-1.0, 1.0] {
        chest.parts.insert(0, ([side * 200.0, 20.0, 0.0], [38.0, 45.0, 1e6], 40));
    }
    assert_normal(&chest);
}

#[test]
fn lung_beside_the_trachea_is_lung_up_to_the_wall() {
    for spacing_mm in [1.0, 2.0] {
        // The lumen ends at -10 mm; 2 mm of wall.
        let mut chest = Chest::new().with(([-42.0, 5.0, 70.0], [30.0, 45.0, 50.0], LUNG_HU));
        chest.spacing_mm = spacing_mm;
        let volume = chest.volume();
        let mask = segment_lungs(&volume).unwrap().mask;
        let holds = |x_mm: f64| {
            let at = volume.geometry.index_at([x_mm, 5.0, 70.0]);
            mask.get(at.map(|index| index.round() as usize))
        };
        assert!(holds(-14.0) && holds(-16.0) && holds(-20.0), "at {spacing_mm}");
        assert!(!holds(-9.0) && !holds(0.0), "at {spacing_mm}");
    }
}

#[test]
fn padding_below_any_hounsfield_unit_is_outside() {
    let mut chest = Chest::new();
    chest.outside_hu = -3024;
    assert_normal(&chest);
}

#[test]
fn bowel_gas_under_the_diaphragm_is_no_lung() {
    let chest = Chest::new().with(([60.0, -20.0, -128.0], [45.0, 40.0, 18.0], -1000));
    assert_normal(&chest);
}

#[test]
fn a_collapsed_lung_leaves_one() {
    let lungs = Chest::new().without(LEFT_LUNG).lungs();
    assert_eq!(lungs.left_ml, 0.0);
    assert!((lungs.right_ml - 1900.0).abs() < 80.0);
    assert_eq!(lungs.flags, [Flag::OneLung]);
    assert_eq!(lungs.flags[0].to_string(), "one-lung");
    assert!(lungs.centre_mm[0] < -60.0);
}

#[test]
fn a_scan_that_ends_in_the_lungs_is_flagged() {
    let mut chest = Chest::new().without(TRACHEA);
    chest.scan_mm = [-60.0, 170.0];
    assert_eq!(chest.lungs().flags, [Flag::LungsCutAtBottom, Flag::TracheaNotFound]);
    chest.scan_mm = [-150.0, 60.0];
    assert_eq!(chest.lungs().flags, [Flag::LungsCutAtTop, Flag::TracheaNotFound]);
    // From head to feet, the same scan.
    let mut turned = chest.volume();
    turned.hu.invert_axis(ndarray::Axis(0));
    turned.hu = turned.hu.as_standard_layout().into_owned();
    turned.geometry.origin_mm[2] += turned.geometry.spacing_mm[0] * (turned.hu.dim().0 - 1) as f64;
    turned.geometry.axes[0][2] = -1.0;
    let lungs = segment_lungs(&turned).unwrap();
    assert_eq!(lungs.flags, [Flag::LungsCutAtTop, Flag::TracheaNotFound]);
}

#[test]
fn a_lung_cut_by_a_narrow_field_of_view_is_kept_and_flagged() {
    let mut chest = Chest::new();
    chest.half_width_mm = 100.0;
    let lungs = chest.lungs();
    assert!(lungs.flags.contains(&Flag::LungsCutAtSide), "{:?}", lungs.flags);
    assert!(lungs.left_ml > 1000.0 && lungs.right_ml > 1000.0);
}

#[test]
fn nodules_and_vessels_belong_to_the_lung() {
    let lungs = Chest::new().with(([75.0, 0.0, 0.0], [15.0, 15.0, 15.0], 40)).lungs();
    assert!((lungs.left_ml - lungs.right_ml).abs() < 20.0);
}

#[test]
fn volumes_without_a_chest_are_errors_with_the_measured_volume() {
    let refused = |hu: i16| {
        let mut chest = Chest::new();
        chest.parts = vec![([0.0; 3], [100.0, 80.0, 1e6], hu)];
        segment_lungs(&chest.volume()).unwrap_err()
    };
    assert_eq!(refused(-1000), SegmentationError::NoBody);
    assert_eq!(refused(40), SegmentationError::NoAir);
    let small = Chest::new()
        .without(LEFT_LUNG)
        .without(RIGHT_LUNG)
        .with(([50.0, 0.0, 0.0], [40.0; 3], LUNG_HU))
        .volume();
    let error = segment_lungs(&small).unwrap_err();
    let SegmentationError::TooSmall { found_ml, limit_ml } = error else { panic!("{error}") };
    assert!((200.0..300.0).contains(&found_ml) && limit_ml == 300.0);
    let limits = LungLimits { min_volume_ml: 100.0, small_volume_ml: 1000.0 };
    let lungs = segment_lungs_within(&small, &limits).unwrap();
    assert_eq!(lungs.flags, [Flag::SmallLungVolume, Flag::OneLung]);
}

#[test]
fn errors_of_the_original_contain_the_measured_values() {
    let volume = Chest::new().volume();
    assert_eq!(
        segment_lungs_original(&volume).unwrap_err(),
        SegmentationError::TooFewSlices { found: 128, limit: 180 }
    );
    let mut long = Chest::new();
    long.scan_mm = [-250.0, 250.0];
    let error = segment_lungs_original(&long.volume()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lung box is 86 voxels long along depth, expected at least 100 with lungs-0.1.5"
    );
}

#[test]
fn an_empty_volume_is_refused() {
    let mut volume = Chest::new().volume();
    volume.hu = Array3::zeros((0, 0, 0));
    assert_eq!(segment_lungs(&volume).unwrap_err(), SegmentationError::NoBody);
    volume.hu = Array3::from_elem((1, 1, 1), 40);
    assert_eq!(segment_lungs(&volume).unwrap_err(), SegmentationError::NoAir);
}
