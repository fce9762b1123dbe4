//! Reliability diagrams.

use super::Drawing;
use super::frame::{Frame, Tick, draw_heading, ticks};
use super::histogram::tally;
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{BAND, BLUE, CURVE, LABEL, REFERENCE, SMALL, SOFT_INK, VERMILION};
use crate::digits;
use lungs_base::text::counted;
use lungs_stats::{Calibration, CalibrationPoint, Estimate, ReliabilityBin};

/// Bars of the histogram below the diagram.
const BARS: usize = 40;
/// Possible ends of both axes.
const ENDS: [f64; 9] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5];

/// The end of both axes: the smallest that shows every bin with its interval.
pub(super) fn end_of_axes<'a>(bins: impl IntoIterator<Item = &'a ReliabilityBin>) -> f64 {
    let highest = bins.into_iter().flat_map(|bin| {
        [bin.mean_probability, bin.observed.value, bin.observed.interval.map(|it| it.high)]
    });
    let Some(highest) = highest.flatten().reduce(f64::max) else { return 1.0 };
    ENDS.into_iter().find(|end| *end >= highest).unwrap_or(1.0)
}

/// Observed share of positives against predicted probability, per bin with its interval, above a
/// histogram of the predictions (`probabilities`, `[exam]`, in [0, 1]). Where no bin is near 1, both axes are zoomed.
pub fn calibration(title: &str, metrics: &Calibration, probabilities: &[f64]) -> Drawing {
    let mut scene = Scene::new(560.0, 724.0, &format!("{title}: calibration"));
    let bins =
        if metrics.equal_count_bins.is_empty() { &metrics.bins } else { &metrics.equal_count_bins };
    let end = end_of_axes(bins);
    let frame = Frame::of_shares_up_to(end);
    let marks = ticks(0.0, end, 5);
    draw_heading(&mut scene, frame.left, "Calibration", title);
    frame.draw_grid(&mut scene, &marks, &marks);
    let diagonal = [frame.at(0.0, 0.0), frame.at(end, end)];
    scene.dashed(&diagonal, 1.25, REFERENCE, Some((4.0, 3.0)));
    draw_smooth(&mut scene, &frame, end, &metrics.smooth.curve);

    let mut points: Vec<Point> = Vec::new();
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
    if metrics.smooth.curve.is_empty() {
        scene.line(points.clone(), CURVE, BLUE);
    }
    points.iter().for_each(|&point| scene.disc(point, 4.0, BLUE));
    frame.draw_axes(&mut scene, &marks, &marks);
    let y_label = Text::new("Observed share of cancers", (18.0, 282.0), LABEL);
    scene.text(y_label.anchor(Anchor::Middle).upwards());
    if points.is_empty() {
        frame.draw_note(&mut scene, "calibration undefined: no usable predictions");
    }
    draw_histogram(&mut scene, &frame, &marks, end, probabilities);
    if !points.is_empty() {
        draw_metrics(&mut scene, &frame, metrics, zoom_note(end, probabilities));
    }
    draw(&scene)
}

/// Draws the smooth curve with its band, as far as the axes go.
fn draw_smooth(scene: &mut Scene, frame: &Frame, end: f64, curve: &[CalibrationPoint]) {
    let is_inside = |point: &&CalibrationPoint| point.probability <= end && point.observed <= end;
    let inside: Vec<&CalibrationPoint> = curve.iter().take_while(is_inside).collect();
    let edge = |height: fn(&CalibrationPoint) -> f64| -> Vec<Point> {
        inside.iter().map(|point| frame.at(point.probability, height(point).min(end))).collect()
    };
    let outline = edge(|point| point.low).into_iter();
    let outline = outline.chain(edge(|point| point.high).into_iter().rev()).collect();
    scene.polygon(outline, VERMILION, BAND);
    scene.line(edge(|point| point.observed), CURVE, VERMILION);
}

/// What zoomed axes leave out, as a line of text.
fn zoom_note(end: f64, probabilities: &[f64]) -> Option<String> {
    let beyond = probabilities.iter().filter(|probability| **probability > end).count();
    (end < 1.0).then(|| match beyond {
        0 => format!("both axes end at {end}"),
        beyond => {
            format!("both axes end at {end}; {} above", counted(beyond, "exam is", "exams are"))
        }
    })
}

/// Draws the main metrics below the histogram, where they hide nothing.
fn draw_metrics(scene: &mut Scene, frame: &Frame, metrics: &Calibration, note: Option<String>) {
    let value = |estimate: &Estimate| estimate.value.map_or("undefined".to_owned(), digits::value);
    let curve = match metrics.smooth.curve.as_slice() {
        [] => "no smooth curve",
        _ => "curve: smooth, with 95% CI",
    };
    let rows = [
        format!(
            "Brier score {}   slope {}   intercept {}   ICI {}",
            value(&metrics.brier),
            value(&metrics.slope),
            value(&metrics.intercept),
            value(&metrics.smooth.integrated_calibration_index)
        ),
        format!("points: groups of equal size; {curve}"),
        note.unwrap_or_default(),
    ];
    for (index, row) in rows.into_iter().filter(|row| !row.is_empty()).enumerate() {
        let y = frame.bottom + 174.0 + 17.0 * index as f64;
        scene.text(Text::new(row, (frame.left, y), SMALL).colour(SOFT_INK));
    }
}

fn draw_histogram(
    scene: &mut Scene,
    diagram: &Frame,
    marks: &[Tick],
    end: f64,
    probabilities: &[f64],
) {
    let counts = tally(probabilities.iter().map(|probability| probability / end), BARS);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let frame = Frame {
        top: diagram.bottom + 38.0,
        bottom: diagram.bottom + 118.0,
        y: (0.0, most as f64 * 1.05),
        ..*diagram
    };
    let counts_marks = few_whole_ticks(most);
    frame.draw_grid(scene, marks, &counts_marks);
    for (index, &count) in counts.iter().enumerate() {
        let edge = |offset: usize| frame.x(end * (index + offset) as f64 / BARS as f64);
        let (left, right, top) = (edge(0) + 0.5, edge(1) - 0.5, frame.y(count as f64));
        let base = frame.bottom;
        if count > 0 {
            let corners = vec![(left, base), (left, top), (right, top), (right, base)];
            scene.polygon(corners, (0x9A, 0xB8, 0xCC), 1.0);
        }
    }
    frame.draw_axes(scene, marks, &counts_marks);
    frame.draw_labels(scene, "Predicted probability of cancer", "Exams");
}

/// About three ticks at whole counts from 0.
fn few_whole_ticks(most: usize) -> Vec<Tick> {
    let marks = ticks(0.0, most as f64, 3).into_iter().filter(|tick| tick.at.fract() == 0.0);
    marks.map(|tick| Tick { label: format!("{:.0}", tick.at), ..tick }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_stats::equal_count_bins;

    #[test]
    fn axes_end_above_the_highest_bar() {
        // 6,700 exams, one in 77 positive, probabilities from 0.0001 to 0.06.
        let probabilities: Vec<f64> =
            (0..6700).map(|i| 0.0001 + 0.06 * (f64::from(i) / 6700.0).powi(4)).collect();
        let labels: Vec<bool> = (0..6700).map(|i| i % 77 == 0).collect();
        let bins = equal_count_bins(&probabilities, &labels, 10, 0.95);
        let end = end_of_axes(&bins);
        let highest = bins.iter().filter_map(|bin| bin.observed.interval).map(|it| it.high);
        let highest = highest.fold(0.0, f64::max);
        assert!(end == 0.05 && highest < end, "{end} {highest}");
        assert_eq!(
            zoom_note(end, &probabilities).unwrap(),
            format!(
                "both axes end at 0.05; {} exams are above",
                probabilities.iter().filter(|p| **p > 0.05).count()
            )
        );
        let balanced: Vec<bool> = (0..6700).map(|i| i % 2 == 0).collect();
        assert_eq!(end_of_axes(&equal_count_bins(&probabilities, &balanced, 10, 0.95)), 1.0);
        assert_eq!(end_of_axes(&[]), 1.0);
        assert_eq!(zoom_note(1.0, &probabilities), None);
    }
}
