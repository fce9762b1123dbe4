//! Decision curves.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_legend_row, draw_title, ticks};
use super::render::draw;
use super::scene::{Point, Scene};
use super::style::{BAND, BLUE, CURVE, Dash, REFERENCE, VERMILION};
use lungs_stats::DecisionPoint;

const TREAT_ALL: Option<Dash> = Some((7.0, 3.0));
const TREAT_NONE: Option<Dash> = Some((2.0, 3.0));

/// Net benefit of treating by the prediction, of treating all and of treating none, by threshold probability
/// (Vickers & Elkin 2006).
pub(crate) fn decision_curve(title: &str, points: &[DecisionPoint]) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: decision curve"));
    let best = points.iter().flat_map(|p| [Some(p.net_benefit), p.high, Some(p.treat_all)]);
    let best = best.flatten().filter(|value| value.is_finite()).fold(0.05, f64::max);
    // Values far below the zero of treating none are of no interest.
    let range = (-0.25 * best, 1.08 * best);
    let frame =
        Frame { left: 74.0, right: 694.0, top: 80.0, bottom: 384.0, x: (0.0, 1.0), y: range };
    let (x_ticks, y_ticks) = (ticks(0.0, 1.0, 5), ticks(range.0, range.1, 6));
    draw_title(&mut scene, frame.left, title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    // Each line and the band end where they first leave the frame.
    let visible = |get: fn(&DecisionPoint) -> Option<f64>| {
        points.iter().take_while(move |p| get(p).is_some_and(|value| value >= range.0))
    };
    let band: Vec<&DecisionPoint> = visible(|p| p.high).collect();
    let edge = |get: fn(&DecisionPoint) -> Option<f64>| -> Vec<Point> {
        let height = |p: &&DecisionPoint| Some(frame.at(p.threshold, get(p)?.max(range.0)));
        band.iter().filter_map(height).collect()
    };
    let outline: Vec<Point> =
        edge(|p| p.low).into_iter().chain(edge(|p| p.high).into_iter().rev()).collect();
    scene.polygon(outline, BLUE, BAND);
    let line = |get: fn(&DecisionPoint) -> Option<f64>| -> Vec<Point> {
        visible(get).filter_map(|p| Some(frame.at(p.threshold, get(p)?))).collect()
    };
    let zero = [frame.at(0.0, 0.0), frame.at(1.0, 0.0)];
    scene.dashed(&zero, 1.5, REFERENCE, TREAT_NONE);
    scene.dashed(&line(|p| Some(p.treat_all)), 1.5, VERMILION, TREAT_ALL);
    scene.line(line(|p| Some(p.net_benefit)), CURVE, BLUE);
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Threshold probability", "Net benefit (true positives per exam)");
    let mut entries = vec![(Swatch::Line(BLUE, None), "treat by prediction")];
    if !band.is_empty() {
        entries.push((Swatch::Area(BLUE, BAND), "95% CI"));
    }
    entries.push((Swatch::Line(VERMILION, TREAT_ALL), "treat all"));
    entries.push((Swatch::Line(REFERENCE, TREAT_NONE), "treat none"));
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if points.is_empty() {
        frame.draw_note(&mut scene, "net benefit undefined: one class only");
    }
    draw(&scene)
}
