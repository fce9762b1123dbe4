//! ROC curves of one or several runs.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_swatch, ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text, fit};
use super::style::{BAND, CURVE, DASHES, LABEL, PALETTE, REFERENCE, SOFT_INK};
use crate::digits;
use lungs_stats::{BandPoint, Interval, RocPoint};

/// One curve with its legend entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedRoc {
    /// Legend name: a run, a split or an epoch.
    pub name: String,
    /// Points of the curve; empty when it is undefined.
    pub points: Vec<RocPoint>,
    /// Pointwise interval of the curve; empty without replicates.
    pub band: Vec<BandPoint>,
    /// Area under the curve; `None` when it is undefined.
    pub auc: Option<f64>,
    /// The interval of the area.
    pub interval: Option<Interval>,
    /// Positive exams.
    pub positives: usize,
    /// Negative exams.
    pub negatives: usize,
}

/// Height of a legend row.
const ROW: f64 = 22.0;

/// ROC curves on a square, the diagonal of chance, and a legend with AUC, interval and counts.
pub(crate) fn roc_curves(title: &str, curves: &[NamedRoc]) -> Drawing {
    let frame = Frame::of_shares();
    let legend_top = frame.bottom + 74.0;
    let height = legend_top + ROW * curves.len() as f64 + 8.0;
    let mut scene = Scene::new(560.0, height, &format!("{title}: ROC curve"));
    let marks = ticks(0.0, 1.0, 5);
    draw_heading(&mut scene, frame.left, "ROC curve", title);
    frame.draw_grid(&mut scene, &marks, &marks);
    let diagonal = [frame.at(0.0, 0.0), frame.at(1.0, 1.0)];
    scene.dashed(&diagonal, 1.25, REFERENCE, Some((4.0, 3.0)));
    for (index, curve) in curves.iter().enumerate().rev() {
        let edge = |end: fn(&BandPoint) -> f64| -> Vec<Point> {
            curve.band.iter().map(|p| frame.at(p.false_positive_rate, end(p))).collect()
        };
        let outline = edge(|p| p.low).into_iter().chain(edge(|p| p.high).into_iter().rev());
        let outline: Vec<Point> = outline.collect();
        if outline.iter().all(|point| point.0.is_finite() && point.1.is_finite()) {
            scene.polygon(outline, PALETTE[index % PALETTE.len()], BAND);
        }
    }
    // The first curve is drawn last, on top: the others are compared with it.
    for (index, curve) in curves.iter().enumerate().rev() {
        let finite =
            |p: &&RocPoint| p.false_positive_rate.is_finite() && p.true_positive_rate.is_finite();
        let points: Vec<Point> = curve
            .points
            .iter()
            .filter(finite)
            .map(|p| frame.at(p.false_positive_rate, p.true_positive_rate))
            .collect();
        scene.dashed(&points, CURVE, PALETTE[index % PALETTE.len()], dash_of(index));
    }
    frame.draw_axes(&mut scene, &marks, &marks);
    frame.draw_labels(
        &mut scene,
        "1 − specificity (false positive rate)",
        "Sensitivity (true positive rate)",
    );
    if curves.is_empty() {
        frame.draw_note(&mut scene, "no curve to show");
    } else if curves.iter().all(|curve| curve.points.is_empty()) {
        frame.draw_note(&mut scene, "AUC undefined: one class only");
    }
    draw_legend(&mut scene, legend_top, curves);
    draw(&scene)
}

fn dash_of(index: usize) -> Option<super::style::Dash> {
    DASHES[(index / PALETTE.len() + index) % DASHES.len()]
}

/// Draws the legend as a table: swatch and name, AUC with interval, positives and negatives.
fn draw_legend(scene: &mut Scene, top: f64, curves: &[NamedRoc]) {
    let (swatch, name, auc, counts) = (30.0, 62.0, 412.0, 534.0);
    let level = curves.iter().find_map(|curve| Some(curve.interval?.level));
    let heading = |content: String, x: f64, anchor: Anchor| {
        Text::new(content, (x, top), LABEL).anchor(anchor).colour(SOFT_INK)
    };
    if curves.is_empty() {
        return;
    }
    let auc_heading = level
        .map_or("AUC".to_owned(), |level| format!("AUC ({}% CI)", (level * 1000.0).round() / 10.0));
    scene.text(heading(auc_heading, auc, Anchor::End));
    scene.text(heading("pos. / neg. exams".to_owned(), counts, Anchor::End));
    for (index, curve) in curves.iter().enumerate() {
        let y = top + ROW * (index + 1) as f64;
        let colour = PALETTE[index % PALETTE.len()];
        draw_swatch(scene, swatch, y - LABEL * 0.36, Swatch::Line(colour, dash_of(index)));
        let value = match (curve.auc, curve.interval) {
            (Some(auc), Some(interval)) => digits::with_interval(auc, interval),
            (Some(auc), None) => format!("{} (no interval)", digits::value(auc)),
            (None, _) => "undefined".to_owned(),
        };
        let room = auc - name - super::scene::text_width(&value, LABEL, false) * 1.1 - 12.0;
        scene.text(Text::new(fit(&curve.name, room, LABEL, false), (name, y), LABEL));
        scene.text(Text::new(value, (auc, y), LABEL).anchor(Anchor::End));
        let pair = format!("{} / {}", curve.positives, curve.negatives);
        scene.text(Text::new(pair, (counts, y), LABEL).anchor(Anchor::End));
    }
}
