//! Rendering of an exam's plan to Hounsfield units: planes of soft tissue, layers of tubes painted over
//! them, averaging over the slice thickness, noise, and the circle of reconstruction.

use ndarray::Array3;
use rayon::prelude::*;

use super::airways::Airways;
use super::anatomy::Body;
use super::exam::{ExamPlan, Kernel};
use super::finding::Finding;
use super::grid::Grid;
use super::head;
use super::nodule::NoduleShape;
use super::noise::slice_noise;
use super::shapes::{Edge, Tube, mix};
use super::skeleton::{CARTILAGE_HU, CORTEX_HU, MARROW_HU, Skeleton, arms_beside_body};
use super::stance::Pose;
use super::streaks::Streaks;
use super::surroundings::{blanket_hu, table_hu};
use super::vessels;
use lungs_base::random::stream;
use lungs_image::volume::{Geometry, Mask, Volume};

/// The visible lungs of a rendered exam: everything inside the pleura that contains air, with vessels and
/// nodules. Includes bullae and the gas of a pneumothorax; excludes collapsed lung, consolidation, fluid
/// and masses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lungs {
    /// Volume of the right lung, ml.
    pub right_ml: f64,
    /// Volume of the left lung, ml.
    pub left_ml: f64,
    /// First and last voxel (inclusive, `[depth, height, width]`) of the box around both lungs; `None`
    /// without lungs.
    pub voxels: Option<[[usize; 3]; 2]>,
}

/// A rendered exam.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedExam {
    /// The expected volume of the main series: HU from −1024 to 3071, −1024 outside the field of view,
    /// slices from feet to head.
    pub volume: Volume,
    /// The result of a perfect segmentation.
    pub lungs: Lungs,
    /// The voxels of the lungs, measured by [`RenderedExam::lungs`].
    pub lung_mask: Mask,
}

/// Renders an exam, parallel over slices. A pure function of the plan.
pub fn render(exam: &ExamPlan) -> RenderedExam {
    let scene = Scene::new(exam);
    let slices = (0..exam.grid.shape[0]).into_par_iter().map(|k| scene.slice(k)).collect();
    assemble(&exam.grid, slices)
}

/// [`render`] on the calling thread, so that parallel exams need one volume per thread.
pub(super) fn render_on_this_thread(exam: &ExamPlan) -> RenderedExam {
    let scene = Scene::new(exam);
    assemble(&exam.grid, (0..exam.grid.shape[0]).map(|k| scene.slice(k)).collect())
}

fn assemble(grid: &Grid, slices: Vec<Slice>) -> RenderedExam {
    let mut hu = Vec::with_capacity(grid.shape.iter().product());
    let mut counts = [0usize; 2];
    let mut voxels: Option<[[usize; 3]; 2]> = None;
    let mut lung_mask = Mask::empty(grid.shape);
    for (depth, slice) in slices.into_iter().enumerate() {
        hu.extend_from_slice(&slice.hu);
        for &[row, start, end] in &slice.lung_runs {
            lung_mask.fill_run(depth, row, start, end);
        }
        counts = [counts[0] + slice.lung_pixels[0], counts[1] + slice.lung_pixels[1]];
        if let Some([low, high]) = slice.lung_box {
            let (low, high) = ([depth, low[0], low[1]], [depth, high[0], high[1]]);
            voxels = Some(match voxels {
                None => [low, high],
                Some([a, b]) => [
                    std::array::from_fn(|i| a[i].min(low[i])),
                    std::array::from_fn(|i| b[i].max(high[i])),
                ],
            });
        }
    }
    let voxel_ml = grid.spacing_mm.iter().product::<f64>() / 1000.0;
    let geometry = Geometry {
        spacing_mm: grid.spacing_mm,
        origin_mm: grid.origin_mm,
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    let hu = Array3::from_shape_vec(grid.shape, hu)
        .expect("every slice has rows × columns pixels by construction");
    let [right_ml, left_ml] = counts.map(|count| count as f64 * voxel_ml);
    let lungs = Lungs { right_ml, left_ml, voxels };
    RenderedExam { volume: Volume { hu, geometry }, lungs, lung_mask }
}

/// One finished slice.
struct Slice {
    hu: Vec<i16>,
    /// Number of lung pixels: right, left.
    lung_pixels: [usize; 2],
    /// First and last `[row, column]` of the lungs.
    lung_box: Option<[[usize; 2]; 2]>,
    /// Row, first column, and column after the last, of each run of lung pixels.
    lung_runs: Vec<[usize; 3]>,
}

/// Tubes of one material. Later layers are painted over earlier ones.
struct Layer {
    hu: f32,
    tubes: Vec<Tube>,
}

/// The geometry of an exam.
struct Scene<'a> {
    exam: &'a ExamPlan,
    body: &'a Body,
    skeleton: Skeleton,
    layers: Vec<Layer>,
    nodules: Vec<NoduleShape>,
    streaks: Option<Streaks>,
    edge: Edge,
    /// `edge` in the body's coordinates.
    body_edge: Edge,
}

/// One plane through the scene, without noise.
struct Plane {
    hu: Vec<f32>,
    lung: Vec<f32>,
    /// Buffer for the coverage by the current layer.
    coverage: Vec<f32>,
}

impl<'a> Scene<'a> {
    fn new(exam: &'a ExamPlan) -> Self {
        let body = &exam.body;
        let random = |name: &str| stream(exam.patient_seed, name);
        let skeleton = Skeleton::sample(&mut random("skeleton"), body);
        let connected = !exam.variants.unjoined_airways;
        let airways = Airways::grow(&mut random("airways"), body, connected);
        let pulmonary = vessels::pulmonary(&mut random("vessels"), body);
        let nodules: Vec<NoduleShape> =
            exam.nodules.iter().map(|nodule| NoduleShape::new(*nodule, body)).collect();
        // Mediastinal shift also displaces the vessels and airways.
        let displaced = |tubes: Vec<Tube>| -> Vec<Tube> {
            if body.disease.shift_mm == 0.0 {
                return tubes;
            }
            let displace = |tube: Tube| {
                let (from, to) = (body.to_displaced(tube.from), body.to_displaced(tube.to));
                Tube { from, to, ..tube }
            };
            tubes.into_iter().map(displace).collect()
        };
        let mut layers = Vec::new();
        let mut layer = |hu: f32, tubes: Vec<Tube>| layers.push(Layer { hu, tubes });
        if exam.variants.arms_down {
            let (soft_tissue, bone) = arms_beside_body(body);
            layer(-95.0, soft_tissue.clone());
            layer(50.0, soft_tissue.into_iter().map(|tube| tube.widened(-7.0)).collect());
            layer(CORTEX_HU, bone.clone());
            layer(40.0, bone.into_iter().map(|tube| tube.widened(-5.0)).collect());
        }
        layer(body.blood_hu, displaced(vessels::mediastinal(body)));
        layer(38.0, displaced(vessels::oesophagus(body)));
        layer(CARTILAGE_HU, skeleton.cartilage.clone());
        layer(CORTEX_HU, skeleton.cortex.clone());
        layer(MARROW_HU, skeleton.marrow.clone());
        layer(body.blood_hu, displaced(pulmonary));
        layer(30.0, displaced(airways.walls().collect()));
        layer(-1000.0, displaced(airways.lumens));
        if body.has_head {
            layer(-1000.0, head::upper_airway(body.size, body.apex_z()));
        }
        if exam.grid.body_point([0.0; 3])[2] < f64::from(body.floor_z()) - 60.0 {
            let colon = exam.colon();
            layer(30.0, colon.iter().map(|tube| tube.widened(3.0)).collect());
            layer(-990.0, colon);
        }
        for nodule in &nodules {
            layer(nodule.nodule.hu as f32, nodule.spicules.clone());
        }
        // The blur spans about 1.5 pixels, less for a sharp kernel.
        let width = match exam.kernel {
            Kernel::Soft => 1.5,
            Kernel::Sharp => 1.2,
        };
        let edge = Edge { width_mm: width * exam.grid.spacing_mm[1] as f32 };
        let body_edge = Edge { width_mm: edge.width_mm / exam.pose.scale };
        if exam.pose != Pose::default() {
            for layer in &mut layers {
                for tube in &mut layer.tubes {
                    *tube = exam.pose.tube(*tube);
                }
            }
        }
        let streaks = exam.has_finding(Finding::Metal).then(|| Streaks::of(body));
        Self { exam, body, skeleton, layers, nodules, streaks, edge, body_edge }
    }

    /// Renders slice `index`, from the feet.
    fn slice(&self, index: usize) -> Slice {
        let grid = &self.exam.grid;
        let pixels = grid.shape[1] * grid.shape[2];
        let planes = (grid.thickness_mm / (1.3 * grid.spacing_mm[1])).round().clamp(1.0, 4.0);
        let mut hu = vec![0f32; pixels];
        let mut lung = vec![0f32; pixels];
        let mut plane =
            Plane { hu: vec![0.0; pixels], lung: vec![0.0; pixels], coverage: vec![0.0; pixels] };
        for step in 0..planes as usize {
            let fraction = (step as f64 + 0.5) / planes - 0.5;
            let depth = index as f64 + fraction * grid.thickness_mm / grid.spacing_mm[0];
            self.render_plane(&mut plane, depth);
            for pixel in 0..pixels {
                hu[pixel] += plane.hu[pixel] / planes as f32;
                lung[pixel] += plane.lung[pixel] / planes as f32;
            }
        }
        self.finish(index, &hu, &lung)
    }

    /// Fills `plane` with the scene at the fractional slice index `depth`.
    fn render_plane(&self, plane: &mut Plane, depth: f64) {
        let grid = &self.exam.grid;
        let (rows, columns) = (grid.shape[1], grid.shape[2]);
        let [x0, y0, z] = grid.body_point([depth, 0.0, 0.0]).map(|mm| mm as f32);
        let step = grid.spacing_mm[1] as f32;
        let blanket = self.exam.has_finding(Finding::Blanket);
        for row in 0..rows {
            let y = y0 + row as f32 * step;
            for column in 0..columns {
                let at = row * columns + column;
                (plane.hu[at], plane.lung[at]) = (-1000.0, 0.0);
                if !grid.in_field_of_view(row, column) {
                    continue;
                }
                let p = [x0 + column as f32 * step, y, z];
                let inner = self.exam.pose.body_point(p);
                if let Some((tissue, lung)) = self.body.tissue(inner, self.body_edge) {
                    plane.hu[at] =
                        self.skeleton.paint_columns(self.body, inner, self.body_edge, tissue);
                    plane.lung[at] = lung;
                }
                if plane.hu[at] < -400.0 && plane.lung[at] == 0.0 {
                    if !self.exam.variants.no_table {
                        plane.hu[at] = plane.hu[at].max(table_hu(self.exam, self.edge, p[0], y));
                    }
                    if blanket {
                        plane.hu[at] = plane.hu[at].max(blanket_hu(self.body, self.edge, inner));
                    }
                }
            }
        }
        for layer in &self.layers {
            self.paint_layer(plane, layer, [x0, y0, z]);
        }
        if let Some(streaks) = &self.streaks {
            streaks.add_to(&mut plane.hu, grid, [x0, y0, z]);
        }
        for nodule in &self.nodules {
            let center = nodule.nodule.center;
            let reach = nodule.reach();
            if (center[2] - z).abs() > reach {
                continue;
            }
            for row in pixel_range(center[1], reach, y0, step, rows) {
                for column in pixel_range(center[0], reach, x0, step, columns) {
                    let p = [x0 + column as f32 * step, y0 + row as f32 * step, z];
                    let at = row * columns + column;
                    plane.hu[at] = nodule.paint(p, self.edge, plane.hu[at]);
                }
            }
        }
    }

    /// Paints the tubes of one material. Overlapping tubes use the largest coverage, so that joints are
    /// invisible.
    fn paint_layer(&self, plane: &mut Plane, layer: &Layer, [x0, y0, z]: [f32; 3]) {
        let grid = &self.exam.grid;
        let (rows, columns) = (grid.shape[1], grid.shape[2]);
        let step = grid.spacing_mm[1] as f32;
        let blur = self.edge.width_mm / 2.0;
        let mut painted_rows: Option<[usize; 2]> = None;
        for tube in &layer.tubes {
            let reach = tube.widest() + blur;
            let (low, high) = (tube.from[2].min(tube.to[2]), tube.from[2].max(tube.to[2]));
            if tube.widest() <= 0.0 || z < low - reach || z > high + reach {
                continue;
            }
            let (from, to) = near_plane(tube, z, reach);
            let middle = |axis: usize| (from[axis] + to[axis]) / 2.0;
            let half = |axis: usize| (from[axis] - to[axis]).abs() / 2.0 + reach;
            for row in pixel_range(middle(1), half(1), y0, step, rows) {
                for column in pixel_range(middle(0), half(0), x0, step, columns) {
                    let p = [x0 + column as f32 * step, y0 + row as f32 * step, z];
                    let (distance, radius) = tube.axis_distance(p);
                    if distance < radius + blur {
                        let at = row * columns + column;
                        let share = self.edge.tube_coverage(distance, radius);
                        plane.coverage[at] = plane.coverage[at].max(share);
                    }
                }
                painted_rows =
                    Some(painted_rows.map_or([row, row], |[a, b]| [a.min(row), b.max(row)]));
            }
        }
        let Some([first, last]) = painted_rows else { return };
        for at in first * columns..(last + 1) * columns {
            plane.hu[at] = mix(plane.hu[at], layer.hu, plane.coverage[at]);
            plane.coverage[at] = 0.0;
        }
    }

    /// Adds noise, rounds, applies the circle of reconstruction, and measures the lungs.
    fn finish(&self, index: usize, clean: &[f32], lung: &[f32]) -> Slice {
        let grid = &self.exam.grid;
        let (rows, columns) = (grid.shape[1], grid.shape[2]);
        let noise = slice_noise(self.exam, index);
        let center = (rows as f32 - 1.0) / 2.0;
        let mut slice =
            Slice { hu: Vec::new(), lung_pixels: [0, 0], lung_box: None, lung_runs: Vec::new() };
        let pose = &self.exam.pose;
        slice.hu.reserve_exact(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                if !grid.in_field_of_view(row, column) {
                    slice.hu.push(self.exam.padding_hu);
                    continue;
                }
                // More noise in the middle of the body, because of attenuation.
                let radius = (row as f32 - center).hypot(column as f32 - center) / center;
                let hu = clean[at] + noise[at] * (1.0 - 0.45 * radius * radius);
                slice.hu.push(hu.round().clamp(-1024.0, 3071.0) as i16);
                if lung[at] >= 0.5 {
                    let index = [index as f64, row as f64, column as f64];
                    let p = pose.body_point(grid.body_point(index).map(|mm| mm as f32));
                    slice.lung_pixels[self.body.side_of(p) as usize] += 1;
                    match slice.lung_runs.last_mut() {
                        Some(run) if run[0] == row && run[2] == column => run[2] += 1,
                        _ => slice.lung_runs.push([row, column, column + 1]),
                    }
                    let position = [row, column];
                    slice.lung_box =
                        Some(slice.lung_box.map_or([position, position], |[low, high]| {
                            [
                                std::array::from_fn(|i| low[i].min(position[i])),
                                std::array::from_fn(|i| high[i].max(position[i])),
                            ]
                        }));
                }
            }
        }
        slice
    }
}

/// The section of a tube's axis within `reach` of the plane at `z`.
fn near_plane(tube: &Tube, z: f32, reach: f32) -> ([f32; 3], [f32; 3]) {
    let rise = tube.to[2] - tube.from[2];
    if rise.abs() < 1e-3 {
        return (tube.from, tube.to);
    }
    let share_at = |height: f32| ((height - tube.from[2]) / rise).clamp(0.0, 1.0);
    let point = |share: f32| std::array::from_fn(|i| mix(tube.from[i], tube.to[i], share));
    (point(share_at(z - reach)), point(share_at(z + reach)))
}

/// Pixels whose centres lie within `reach` of `center`.
fn pixel_range(
    center: f32,
    reach: f32,
    first: f32,
    step: f32,
    count: usize,
) -> std::ops::Range<usize> {
    let low = ((center - reach - first) / step).ceil().clamp(0.0, count as f32);
    let high = ((center + reach - first) / step).floor() + 1.0;
    low as usize..(high.clamp(low, count as f32) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use crate::variants::Variants;

    fn example(variants: Variants) -> (ExamPlan, RenderedExam) {
        let exam = ExamPlan::example(5, variants).unwrap();
        let rendered = render(&exam);
        (exam, rendered)
    }

    #[test]
    fn rendering_with_one_and_several_threads_gives_the_same_voxels() {
        let exam = ExamPlan::example(5, Variants::default()).unwrap();
        assert_eq!(render(&exam), render_on_this_thread(&exam));
    }

    #[test]
    fn the_nodule_has_the_true_position_and_density() {
        for seed in 0..4 {
            let exam = ExamPlan::example(seed, Variants::default()).unwrap();
            let volume = render(&exam).volume;
            let nodule = exam.nodules[0];
            assert!(nodule.kind.is_malignant());
            let [d, h, w] = exam.nodule_voxel(&nodule).map(|v| v.round() as usize);
            let neighbourhood =
                volume.hu.slice(ndarray::s![d - 1..=d + 1, h - 1..=h + 1, w - 1..=w + 1]);
            let mean = neighbourhood.iter().map(|v| f64::from(*v)).sum::<f64>() / 27.0;
            assert!((mean - nodule.hu).abs() < 45.0, "seed {seed}: {mean} for {nodule:?}");
            let voxel = volume.geometry.position_mm(exam.nodule_voxel(&nodule));
            let truth = exam.nodule_center_mm(&nodule);
            assert!(voxel.iter().zip(truth).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn tissues_have_realistic_hounsfield_units() {
        let (exam, RenderedExam { volume, lungs, .. }) = example(Variants::default());
        let share = |low: i16, high: i16| {
            let inside = volume.hu.iter().filter(|v| (low..=high).contains(*v)).count();
            inside as f64 / volume.hu.len() as f64
        };
        assert!(share(-950, -780) > 0.10, "aerated lung");
        assert!(share(0, 100) > 0.15, "soft tissue");
        assert!(share(-140, -60) > 0.04, "fat");
        assert!(share(250, 900) > 0.005, "bone");
        assert_eq!(volume.hu[[3, 0, 0]], -1024, "outside the field of view");
        assert!(lungs.right_ml > lungs.left_ml && lungs.left_ml > 900.0, "{lungs:?}");
        let [low, high] = lungs.voxels.unwrap();
        assert!(low[0] > 2 && high[0] + 2 < exam.grid.shape[0], "lungs lie inside the scan");
    }

    #[test]
    fn variants_change_the_image_as_described() {
        let (_, ordinary) = example(Variants::default());
        let (exam, white) =
            example(Variants { opaque_lung: Some(Side::Left), ..Variants::default() });
        assert_eq!(white.lungs.left_ml, 0.0);
        assert_eq!(white.lungs.right_ml, ordinary.lungs.right_ml);
        assert!(exam.nodules.iter().all(|nodule| nodule.center[0] < 0.0));
        let (_, cut) = example(Variants { cut_at_top: true, ..Variants::default() });
        let [_, high] = cut.lungs.voxels.unwrap();
        assert_eq!(high[0] + 1, cut.volume.hu.dim().0, "lung touches the last slice");
        let air =
            |rendered: &RenderedExam| rendered.volume.hu.iter().filter(|v| **v < -900).count();
        let (_, bare) = example(Variants { no_table: true, ..Variants::default() });
        assert!(air(&bare) > air(&ordinary));
        let (_, gas) = example(Variants { bowel_gas: true, ..Variants::default() });
        assert!(air(&gas) > air(&ordinary) + 100);
        let (exam, arms) = example(Variants { arms_down: true, ..Variants::default() });
        let arm = f64::from(exam.body.half_width()) + 44.0;
        let column = (0..112).position(|c| exam.grid.body_point([0.0, 0.0, c as f64])[0] > arm);
        let lane = arms.volume.hu.slice(ndarray::s![5, .., column.unwrap()]);
        assert!(lane.iter().any(|v| *v > 300) && lane.iter().any(|v| (20..90).contains(v)));
        let (_, unjoined) = example(Variants { unjoined_airways: true, ..Variants::default() });
        assert_ne!(unjoined.volume, ordinary.volume);
        assert_eq!(unjoined.lungs, ordinary.lungs);
    }
}
