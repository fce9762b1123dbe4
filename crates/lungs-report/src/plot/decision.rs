//! Decision curves.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::{Point, Scene};
use super::style::{BAND, BLUE, CURVE, Dash, REFERENCE, VERMILION};
use lungs_stats::DecisionPoint;

const TREAT_ALL: Option<Dash> = Some((7.0, 3.0));
const TREAT_NONE: Option<Dash> = Some((2.0, 3.0));

/// Possible ends of the axis of thresholds.
const ENDS: [f64; 7] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// The end of the axis of thresholds: where few exams are positive, thresholds far above their share matter to nobody.
fn end_of_thresholds(prevalence: f64) -> f64 {
    ENDS.into_iter().find(|end| *end >= 6.0 * prevalence).unwrap_or(1.0)
}

/// The share of positive exams, from the net benefit of treating all.
fn prevalence(points: &[DecisionPoint]) -> Option<f64> {
    let point = points.first()?;
    let odds = point.threshold / (1.0 - point.threshold);
    Some((point.treat_all + odds) / (1.0 + odds)).filter(|share| (0.0..=1.0).contains(share))
}

/// Net benefit of treating by the prediction, of treating all and of treating none, by threshold probability
/// (Vickers & Elkin 2006). Both axes are scaled to the share of positive exams.
pub(crate) fn decision_curve(title: &str, points: &[DecisionPoint]) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: decision curve"));
    let prevalence = prevalence(points);
    let end = prevalence.map_or(1.0, end_of_thresholds);
    let points: Vec<&DecisionPoint> = points.iter().filter(|p| p.threshold <= end + 1e-9).collect();
    let best = points.iter().flat_map(|p| [Some(p.net_benefit), p.high, Some(p.treat_all)]);
    let best = best.flatten().chain(prevalence).filter(|value| value.is_finite());
    let best = best.reduce(f64::max).filter(|best| *best > 0.0).unwrap_or(0.05);
    // Values far below the zero of treating none are of no interest.
    let range = (-0.25 * best, 1.08 * best);
    let frame =
        Frame { left: 74.0, right: 694.0, top: 80.0, bottom: 384.0, x: (0.0, end), y: range };
    let (x_ticks, y_ticks) = (ticks(0.0, end, 5), ticks(range.0, range.1, 6));
    draw_heading(&mut scene, frame.left, "Decision curve", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    // Each line and the band end where they first leave the frame.
    let visible = |get: fn(&DecisionPoint) -> Option<f64>| {
        let is_visible = move |p: &&DecisionPoint| get(p).is_some_and(|value| value >= range.0);
        points.iter().copied().take_while(is_visible)
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
    let zero = [frame.at(0.0, 0.0), frame.at(end, 0.0)];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_thresholds_is_scaled_to_the_prevalence() {
        assert_eq!(
            [0.001, 0.013, 0.03, 0.1, 0.5].map(end_of_thresholds),
            [0.01, 0.1, 0.2, 1.0, 1.0]
        );
        let point = |threshold: f64| DecisionPoint {
            threshold,
            treat_all: 0.013 - 0.987 * threshold / (1.0 - threshold),
            ..DecisionPoint::default()
        };
        let share = prevalence(&[point(0.02), point(0.03)]).unwrap();
        assert!((share - 0.013).abs() < 1e-12, "{share}");
        assert_eq!(prevalence(&[]), None);
        let svg = decision_curve("rare", &[point(0.001), point(0.01), point(0.9)]).svg;
        assert!(svg.contains("\n0.10\n") && !svg.contains("\n0.8\n"), "{svg}");
    }
}
