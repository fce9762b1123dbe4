//! Precision–recall curves.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_swatch, ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{BAND, CURVE, DASHES, LABEL, PALETTE, REFERENCE, SMALL, SOFT_INK};
use crate::digits;
use lungs_stats::{Estimate, PrecisionBandPoint, PrecisionRecallPoint};

/// One curve with its legend entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedPrecisionRecall {
    /// Legend name: the split.
    pub name: String,
    /// Points from the strictest threshold; empty when the curve is undefined.
    pub points: Vec<PrecisionRecallPoint>,
    /// Pointwise interval of the curve; empty without replicates.
    pub band: Vec<PrecisionBandPoint>,
    /// Average precision.
    pub average_precision: Estimate,
    /// Share of exams that are positive: the precision of a random classifier.
    pub prevalence: f64,
}

/// Height of a legend row.
const ROW: f64 = 22.0;

/// Precision–recall curves on a square, with the chance level dotted and a legend with average precision,
/// its interval, and prevalence. Between its points a curve is a step function: average precision is the
/// area below it.
pub(crate) fn precision_recall_curves(title: &str, curves: &[NamedPrecisionRecall]) -> Drawing {
    let frame = Frame::of_shares();
    let legend_top = frame.bottom + 74.0;
    let height = legend_top + ROW * curves.len() as f64 + 8.0;
    let mut scene = Scene::new(560.0, height, &format!("{title}: precision and recall"));
    let marks = ticks(0.0, 1.0, 5);
    draw_heading(&mut scene, frame.left, "Precision and recall", title);
    frame.draw_grid(&mut scene, &marks, &marks);
    for (index, curve) in curves.iter().enumerate().rev() {
        let edge = |end: fn(&PrecisionBandPoint) -> f64| -> Vec<Point> {
            curve.band.iter().map(|point| frame.at(point.recall, end(point))).collect()
        };
        let outline = edge(|p| p.low).into_iter().chain(edge(|p| p.high).into_iter().rev());
        scene.polygon(outline.collect(), PALETTE[index % PALETTE.len()], BAND);
    }
    for (index, curve) in curves.iter().enumerate().rev() {
        let colour = PALETTE[index % PALETTE.len()];
        if curve.prevalence.is_finite() {
            let chance = [frame.at(0.0, curve.prevalence), frame.at(1.0, curve.prevalence)];
            let shade = if curves.len() == 1 { REFERENCE } else { colour };
            scene.dashed(&chance, 1.25, shade, Some((2.0, 3.0)));
        }
        scene.dashed(&steps(&frame, &curve.points), CURVE, colour, DASHES[index % DASHES.len()]);
    }
    if let [curve] = curves
        && curve.prevalence.is_finite()
    {
        let (x, y) = frame.at(0.0, curve.prevalence);
        let text = Text::new("chance", (x + 6.0, y - 5.0), SMALL);
        scene.text(text.colour(SOFT_INK));
    }
    frame.draw_axes(&mut scene, &marks, &marks);
    frame.draw_labels(&mut scene, "Recall (sensitivity)", "Precision (positive predictive value)");
    if curves.iter().all(|curve| curve.points.is_empty()) {
        frame.draw_note(&mut scene, "precision undefined: no positive exams");
    }
    draw_legend(&mut scene, legend_top, curves);
    draw(&scene)
}

/// The curve as a step function from recall 0: each gain in recall has the precision at its end.
fn steps(frame: &Frame, points: &[PrecisionRecallPoint]) -> Vec<Point> {
    let mut corners = Vec::with_capacity(2 * points.len());
    let mut recall = 0.0;
    for point in points {
        // More predicted positives without a gain in recall: the point lies below the steps.
        if point.recall <= recall {
            continue;
        }
        corners.push(frame.at(recall, point.precision));
        corners.push(frame.at(point.recall, point.precision));
        recall = point.recall;
    }
    corners
}

fn draw_legend(scene: &mut Scene, top: f64, curves: &[NamedPrecisionRecall]) {
    let (swatch, name, average, prevalence) = (30.0, 62.0, 412.0, 534.0);
    if curves.is_empty() {
        return;
    }
    let level = curves.iter().find_map(|curve| Some(curve.average_precision.interval?.level));
    let heading = level.map_or("average precision".to_owned(), |level| {
        format!("average precision ({}% CI)", (level * 1000.0).round() / 10.0)
    });
    for (content, x) in [(heading, average), ("prevalence".to_owned(), prevalence)] {
        scene.text(Text::new(content, (x, top), LABEL).anchor(Anchor::End).colour(SOFT_INK));
    }
    for (index, curve) in curves.iter().enumerate() {
        let y = top + ROW * (index + 1) as f64;
        let line = Swatch::Line(PALETTE[index % PALETTE.len()], DASHES[index % DASHES.len()]);
        draw_swatch(scene, swatch, y - LABEL * 0.36, line);
        let Estimate { value, interval, .. } = &curve.average_precision;
        let value = match (value, interval) {
            (Some(value), Some(interval)) => digits::with_interval(*value, *interval),
            (Some(value), None) => format!("{} (no interval)", digits::value(*value)),
            (None, _) => "undefined".to_owned(),
        };
        scene.text(Text::new(&*curve.name, (name, y), LABEL));
        scene.text(Text::new(value, (average, y), LABEL).anchor(Anchor::End));
        let share = digits::value(curve.prevalence);
        scene.text(Text::new(share, (prevalence, y), LABEL).anchor(Anchor::End));
    }
}
