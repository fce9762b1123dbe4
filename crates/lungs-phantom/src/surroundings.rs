//! Table and blanket.

use super::anatomy::Body;
use super::exam::ExamPlan;
use super::finding::Finding;
use super::shapes::{Edge, Point, mix};

/// Hounsfield units of the table: two thin shells around light foam, with a concave top.
pub(super) fn table_hu(exam: &ExamPlan, edge: Edge, x: f32, y: f32) -> f32 {
    let [x, y] = exam.pose.table_point(x, y);
    let top = exam.pose.reach_down(&exam.body) + 5.0 - x * x / 1900.0;
    let depth = y - top;
    if !(-6.0..34.0).contains(&depth) || x.abs() > 215.0 {
        return -1000.0;
    }
    let mut shells = depth.abs().min((depth - 27.0).abs());
    let mut foam = -945.0;
    if exam.has_finding(Finding::HollowTable) {
        foam = -1000.0;
        if (0.0..27.0).contains(&depth) {
            shells = shells.min((x.abs() - 150.0).abs());
        }
    }
    let inside = edge.coverage((depth - 13.5).abs() - 13.5);
    mix(mix(-1000.0, foam, inside), 60.0, edge.tube_coverage(shells, 1.3))
}

/// Hounsfield units of a blanket over the body, with folds that touch the skin in some places.
pub(super) fn blanket_hu(body: &Body, edge: Edge, p: Point) -> f32 {
    let skin = body.skin_distance(p);
    if !(0.0..40.0).contains(&skin) || p[1] > 40.0 {
        return -1000.0;
    }
    let fold = 9.0 + 9.0 * (p[0] / 23.0 + p[2] / 61.0).sin();
    mix(-1000.0, -120.0, edge.tube_coverage((skin - fold).abs(), 2.0))
}
