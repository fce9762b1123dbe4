//! Calibration and losses of several runs in one plot.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_swatch, ticks, whole_ticks};
use super::reliability::end_of_axes;
use super::render::draw;
use super::scene::{Point, Scene, Text, fit};
use super::style::{CURVE, DASHES, LABEL, PALETTE, REFERENCE};
use lungs_stats::ReliabilityBin;

/// Height of a legend row.
const ROW: f64 = 22.0;

/// Observed share of cancers against predicted probability, by bins, for several runs.
pub(crate) fn overlaid_calibration(title: &str, runs: &[(String, Vec<ReliabilityBin>)]) -> Drawing {
    let end = end_of_axes(runs.iter().flat_map(|(_, bins)| bins));
    let frame = Frame::of_shares_up_to(end);
    let marks = ticks(0.0, end, 5);
    let mut scene = scene(&frame, &format!("{title}: calibration"), runs.len());
    draw_heading(&mut scene, frame.left, "Calibration", title);
    frame.draw_grid(&mut scene, &marks, &marks);
    let diagonal = [frame.at(0.0, 0.0), frame.at(end, end)];
    scene.dashed(&diagonal, 1.25, REFERENCE, Some((4.0, 3.0)));
    for (index, (_, bins)) in runs.iter().enumerate().rev() {
        let values = |bin: &ReliabilityBin| Some((bin.mean_probability?, bin.observed.value?));
        let points: Vec<Point> =
            bins.iter().filter_map(values).map(|(x, y)| frame.at(x, y)).collect();
        draw_curve(&mut scene, index, &points);
    }
    frame.draw_axes(&mut scene, &marks, &marks);
    frame.draw_labels(&mut scene, "Predicted probability of cancer", "Observed share of cancers");
    if runs.iter().all(|(_, bins)| bins.is_empty()) {
        frame.draw_note(&mut scene, "calibration undefined: no usable predictions");
    }
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    draw_legend(&mut scene, &frame, &names);
    draw(&scene)
}

/// Validation loss by epoch of several runs.
pub(crate) fn overlaid_losses(
    title: &str,
    label: &str,
    runs: &[(String, Vec<(u32, f64)>)],
) -> Drawing {
    let values = || runs.iter().flat_map(|(_, row)| row).filter(|(_, loss)| loss.is_finite());
    let fold = |start: f64, pick: fn(f64, f64) -> f64| values().map(|v| v.1).fold(start, pick);
    let (low, high) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
    let has_values = low <= high;
    let margin = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
    let y = if has_values { (low - margin, high + margin) } else { (0.0, 1.0) };
    let first = values().map(|v| v.0).min().unwrap_or(1);
    let last = values().map(|v| v.0).max().unwrap_or(1);
    let x = (f64::from(first) - 0.5, f64::from(last) + 0.5);
    let frame = Frame { left: 74.0, right: 534.0, top: 52.0, bottom: 372.0, x, y };
    let (x_marks, y_marks) = (whole_ticks(first, last), ticks(y.0, y.1, 6));
    let mut scene = scene(&frame, &format!("{title}: loss by epoch"), runs.len());
    draw_heading(&mut scene, frame.left, "Loss", title);
    frame.draw_grid(&mut scene, &x_marks, &y_marks);
    for (index, (_, row)) in runs.iter().enumerate().rev() {
        let finite = row.iter().filter(|(_, loss)| loss.is_finite());
        let points: Vec<Point> =
            finite.map(|&(epoch, loss)| frame.at(f64::from(epoch), loss)).collect();
        draw_curve(&mut scene, index, &points);
    }
    frame.draw_axes(&mut scene, &x_marks, &y_marks);
    frame.draw_labels(&mut scene, "Epoch", label);
    if !has_values {
        frame.draw_note(&mut scene, "no loss recorded");
    }
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    draw_legend(&mut scene, &frame, &names);
    draw(&scene)
}

fn scene(frame: &Frame, name: &str, rows: usize) -> Scene {
    Scene::new(560.0, frame.bottom + 60.0 + ROW * rows as f64 + 8.0, name)
}

fn dash_of(index: usize) -> Option<super::style::Dash> {
    DASHES[(index / PALETTE.len() + index) % DASHES.len()]
}

fn draw_curve(scene: &mut Scene, index: usize, points: &[Point]) {
    let colour = PALETTE[index % PALETTE.len()];
    scene.dashed(points, CURVE, colour, dash_of(index));
    if points.len() <= 40 {
        points.iter().for_each(|&point| scene.disc(point, 2.75, colour));
    }
}

fn draw_legend(scene: &mut Scene, frame: &Frame, names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        let y = frame.bottom + 54.0 + ROW * (index + 1) as f64;
        let colour = PALETTE[index % PALETTE.len()];
        draw_swatch(scene, 30.0, y - LABEL * 0.36, Swatch::Line(colour, dash_of(index)));
        scene.text(Text::new(fit(name, 470.0, LABEL, false), (62.0, y), LABEL));
    }
}
