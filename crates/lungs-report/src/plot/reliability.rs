//! Reliability diagrams.

use super::Drawing;
use super::frame::{Frame, Tick, draw_title, ticks};
use super::histogram::tally;
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text, text_width};
use super::style::{BLUE, CURVE, LABEL, REFERENCE, SMALL, SOFT_INK, WHITE};
use lungs_stats::{Calibration, Estimate};

/// Bars of the histogram below the diagram.
const BARS: usize = 40;

/// Observed share of positives against predicted probability, per bin with its interval, above a
/// histogram of the predictions (`probabilities`, `[exam]`, in [0, 1]).
pub fn calibration(title: &str, metrics: &Calibration, probabilities: &[f64]) -> Drawing {
    let mut scene = Scene::new(560.0, 684.0, &format!("{title}: calibration"));
    let frame = Frame::of_shares();
    let marks = ticks(0.0, 1.0, 5);
    draw_title(&mut scene, frame.left, title);
    frame.draw_grid(&mut scene, &marks, &marks);
    let diagonal = [frame.at(0.0, 0.0), frame.at(1.0, 1.0)];
    scene.dashed(&diagonal, 1.25, REFERENCE, Some((4.0, 3.0)));

    let mut points: Vec<Point> = Vec::new();
    let bins =
        if metrics.equal_count_bins.is_empty() { &metrics.bins } else { &metrics.equal_count_bins };
    for bin in bins {
        let (Some(mean), Some(share)) = (bin.mean_probability, bin.observed.value) else {
            continue;
        };
        if let Some(interval) = bin.observed.interval {
            let (low, high) = (frame.at(mean, interval.low), frame.at(mean, interval.high));
            scene.line(vec![low, high], 1.5, BLUE);
            for end in [low, high] {
                scene.line(vec![(end.0 - 4.0, end.1), (end.0 + 4.0, end.1)], 1.5, BLUE);
            }
        }
        points.push(frame.at(mean, share));
    }
    scene.line(points.clone(), CURVE, BLUE);
    points.iter().for_each(|&point| scene.disc(point, 4.0, BLUE));
    frame.draw_axes(&mut scene, &marks, &marks);
    let y_label = Text::new("Observed share of cancers", (18.0, 282.0), LABEL);
    scene.text(y_label.anchor(Anchor::Middle).upwards());
    if points.is_empty() {
        frame.draw_note(&mut scene, "calibration undefined: no usable predictions");
    } else {
        draw_metrics(&mut scene, &frame, metrics);
    }
    draw_histogram(&mut scene, &frame, probabilities);
    draw(&scene)
}

/// Draws the main metrics in the upper left, which most curves leave free.
fn draw_metrics(scene: &mut Scene, frame: &Frame, metrics: &Calibration) {
    let value = |estimate: &Estimate, decimals: usize| {
        estimate.value.map_or("undefined".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let lines = [
        format!("Brier score {}", value(&metrics.brier, 3)),
        format!("expected calibration error {}", value(&metrics.expected_calibration_error, 3)),
        format!("slope {}", value(&metrics.slope, 2)),
        format!("intercept {}", value(&metrics.intercept, 2).replace('-', "−")),
    ];
    let widest = lines.iter().map(|line| text_width(line, SMALL, false)).fold(0.0, f64::max);
    let (left, top) = (frame.left + 10.0, frame.top + 6.0);
    let (right, bottom) = (left + widest * 1.1 + 12.0, top + 17.0 * lines.len() as f64 + 6.0);
    scene.polygon(vec![(left, top), (right, top), (right, bottom), (left, bottom)], WHITE, 0.88);
    for (index, line) in lines.into_iter().enumerate() {
        let y = top + 15.0 + 17.0 * index as f64;
        scene.text(Text::new(line, (left + 6.0, y), SMALL).colour(SOFT_INK));
    }
}

fn draw_histogram(scene: &mut Scene, diagram: &Frame, probabilities: &[f64]) {
    let counts = tally(probabilities.iter().copied(), BARS);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let frame = Frame {
        top: diagram.bottom + 38.0,
        bottom: diagram.bottom + 118.0,
        y: (0.0, most as f64 * 1.05),
        ..*diagram
    };
    let marks = ticks(0.0, 1.0, 5);
    let counts_marks = few_whole_ticks(most);
    frame.draw_grid(scene, &marks, &counts_marks);
    for (index, &count) in counts.iter().enumerate() {
        let edge = |offset: usize| frame.x((index + offset) as f64 / BARS as f64);
        let (left, right, top) = (edge(0) + 0.5, edge(1) - 0.5, frame.y(count as f64));
        let base = frame.bottom;
        if count > 0 {
            let corners = vec![(left, base), (left, top), (right, top), (right, base)];
            scene.polygon(corners, (0x9A, 0xB8, 0xCC), 1.0);
        }
    }
    frame.draw_axes(scene, &marks, &counts_marks);
    frame.draw_labels(scene, "Predicted probability of cancer", "Exams");
}

/// About three ticks at whole counts from 0.
fn few_whole_ticks(most: usize) -> Vec<Tick> {
    let marks = ticks(0.0, most as f64, 3).into_iter().filter(|tick| tick.at.fract() == 0.0);
    marks.map(|tick| Tick { label: format!("{:.0}", tick.at), ..tick }).collect()
}
