//! The torso: the largest piece of tissue, without the table and what lies on it.

use super::voxels;
use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// Peeled off tissue on all sides to find the torso: shells of tables and blankets are thinner than
/// twice this, torsos are not.
const PEEL_MM: f64 = 4.5;

/// The torso of the patient.
pub(super) struct Torso {
    /// Its voxels.
    pub mask: Mask,
    /// Per slice, the voxels between the outermost torso voxels of both their row and column.
    pub inside: Mask,
    /// Per slice, the voxels between the outermost torso voxels of their row or of their column.
    pub spanned: Mask,
    /// Which rows hold some of it, slice by slice.
    rows: Vec<bool>,
    /// Its centre of mass.
    pub middle_mm: [f64; 3],
}

/// The largest piece of tissue, without the table. What was not measured may be body: nothing is
/// peeled off there, as nothing is at the faces of the volume.
pub(super) fn torso(tissue: &Mask, unmeasured: &Mask, geometry: &Geometry) -> Option<Torso> {
    let peel = voxels(PEEL_MM, geometry);
    let mut whole = tissue.clone();
    whole.add_to_slices(unmeasured);
    let mut peeled = whole.eroded(peel);
    peeled.keep(tissue);
    let cores = Components::of(&peeled, Connectivity::Faces3d);
    let largest = cores.largest()?;
    let mut torso = cores.select(|label| label == largest).dilated(peel);
    torso.keep(tissue);
    let middle_mm = geometry.position_mm(cores.regions()[largest].centroid);
    let (inside, spanned) = between(&torso);
    let [depth, height, width] = torso.dim();
    let rows = (0..depth * height).map(|i| torso.meets_run(i / height, i % height, 0, width));
    let rows = rows.collect();
    Some(Torso { mask: torso, rows, inside, spanned, middle_mm })
}

impl Torso {
    /// Whether a row of a slice crosses the torso.
    pub fn crosses_row(&self, z: usize, y: usize) -> bool {
        self.rows[z * self.inside.dim()[1] + y]
    }
}

/// The voxels between the outermost torso voxels of their row and column, and of their row or
/// column, slice by slice.
fn between(torso: &Mask) -> (Mask, Mask) {
    let [depth, height, _] = torso.dim();
    let mut rows = Mask::empty(torso.dim());
    for z in 0..depth {
        for y in 0..height {
            let mut span: Option<(usize, usize)> = None;
            torso.for_runs(z, y, |start, end| {
                span = Some((span.map_or(start, |(first, _)| first), end));
            });
            if let Some((start, end)) = span {
                rows.fill_run(z, y, start, end);
            }
        }
    }
    let mut columns = torso.clone();
    columns.fill_columns();
    let mut either = rows.clone();
    either.add(&columns);
    rows.keep(&columns);
    (rows, either)
}
