//! Observed against predicted risk at every horizon, one panel each.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{BLUE, Colour, LABEL, REFERENCE, SMALL, SOFT_INK, VERMILION};
use crate::digits;
use lungs_spec::spec::horizon_words;
use lungs_stats::{RiskCalibration, RiskGroup, SurvivalEvaluation};

/// Maximum number of panels: those of the first horizons.
const MAX_PANELS: usize = 12;
/// Side of a panel, in pixels.
const SIDE: f64 = 196.0;
const COLUMNS: usize = 2;
/// Distance of the left ends of panels, and of their tops.
const PITCH: (f64, f64) = (270.0, 276.0);
/// Possible ends of both axes.
const ENDS: [f64; 10] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75];

/// Observed risk by Kaplan–Meier against the mean predicted risk, in groups of similar risk; with recalibration, also
/// against the calibrated risk.
pub(crate) fn risk_calibration_panels(title: &str, evaluation: &SurvivalEvaluation) -> Drawing {
    let panels = evaluation.horizons.len().min(MAX_PANELS);
    let rows = panels.div_ceil(COLUMNS).max(1);
    let top = 92.0;
    let height = top + PITCH.1 * rows as f64;
    let mut scene =
        Scene::new(560.0, height, &format!("{title}: observed and predicted risk by year"));
    draw_heading(&mut scene, 74.0, "Calibration by year", title);
    let recalibrated = evaluation.recalibrated.as_ref();
    let mut entries = vec![(Swatch::Line(BLUE, None), "risks of the network")];
    if recalibrated.is_some() {
        entries.push((Swatch::Line(VERMILION, None), "after recalibration"));
    }
    draw_legend_row(&mut scene, 74.0, 54.0, &entries);
    for (index, metrics) in evaluation.horizons.iter().take(panels).enumerate() {
        let (column, row) = ((index % COLUMNS) as f64, (index / COLUMNS) as f64);
        let (left, top) = (74.0 + PITCH.0 * column, top + PITCH.1 * row);
        let mut series = vec![(&metrics.calibration, BLUE)];
        let calibrated = recalibrated.and_then(|it| it.horizons.get(index));
        series.extend(calibrated.map(|it| (&it.calibration, VERMILION)));
        let ratio = &metrics.calibration.observed_expected;
        let ratio = ratio.value.map_or("undefined".to_owned(), digits::value);
        let heading = format!("{}: O/E {ratio}", horizon_words(metrics.horizon_years));
        draw_panel(&mut scene, (left, top), &heading, &series);
    }
    draw(&scene)
}

fn end_of_axes(series: &[(&RiskCalibration, Colour)]) -> f64 {
    let groups = series.iter().flat_map(|(calibration, _)| &calibration.groups);
    let highest = groups.flat_map(|group| [Some(group.mean_risk), group.observed.value]);
    let highest = highest.flatten().fold(0.0, f64::max);
    ENDS.into_iter().find(|end| *end >= 1.1 * highest).unwrap_or(1.0)
}

fn draw_panel(
    scene: &mut Scene,
    (left, top): (f64, f64),
    heading: &str,
    series: &[(&RiskCalibration, Colour)],
) {
    let end = end_of_axes(series);
    let range = (-0.02 * end, 1.02 * end);
    let frame = Frame { left, right: left + SIDE, top, bottom: top + SIDE, x: range, y: range };
    let marks = ticks(0.0, end, 4);
    scene.text(Text::new(heading, (left, top - 9.0), LABEL));
    frame.draw_grid(scene, &marks, &marks);
    let diagonal = [frame.at(0.0, 0.0), frame.at(end, end)];
    scene.dashed(&diagonal, 1.25, REFERENCE, Some((4.0, 3.0)));
    for (calibration, colour) in series.iter().rev() {
        calibration.groups.iter().for_each(|group| draw_group(scene, &frame, end, group, *colour));
    }
    frame.draw_axes(scene, &marks, &marks);
    let middle = f64::midpoint(frame.left, frame.right);
    let label = Text::new("Mean predicted risk", (middle, frame.bottom + 36.0), SMALL);
    scene.text(label.anchor(Anchor::Middle).colour(SOFT_INK));
    let middle = f64::midpoint(frame.top, frame.bottom);
    let label = Text::new("Observed risk (95% CI)", (left - 46.0, middle), SMALL);
    scene.text(label.anchor(Anchor::Middle).upwards().colour(SOFT_INK));
    if series.iter().all(|(it, _)| it.groups.iter().all(|group| group.observed.value.is_none())) {
        frame.draw_note(scene, "observed risk undefined");
    }
}

fn draw_group(scene: &mut Scene, frame: &Frame, end: f64, group: &RiskGroup, colour: Colour) {
    let Some(observed) = group.observed.value else { return };
    let at = |value: f64| -> Point { frame.at(group.mean_risk, value.clamp(0.0, end)) };
    if let Some(interval) = group.observed.interval {
        scene.line(vec![at(interval.low), at(interval.high)], 1.5, colour);
    }
    scene.disc(at(observed), 3.5, colour);
}
