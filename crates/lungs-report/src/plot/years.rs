//! A metric by horizon, with its interval.

use super::Drawing;
use super::frame::{Frame, Swatch, Tick, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{CURVE, Colour, DASHES, PALETTE, REFERENCE, SMALL, SOFT_INK};
use crate::page::number;
use lungs_stats::Estimate;

/// A metric of one split or run at several horizons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct YearSeries {
    /// Legend name.
    pub name: String,
    /// Horizons in years, and the metric at each.
    pub points: Vec<(f64, Estimate)>,
}

/// Distance in pixels between the points of different series at one horizon.
const OFFSET: f64 = 9.0;
/// Least distance in pixels between labelled horizons.
const LEAST_GAP: f64 = 34.0;

/// The ticks at the horizons, or round years where the horizons are too dense for labels.
pub(super) fn year_ticks(horizons: &[f64], frame: &Frame) -> Vec<Tick> {
    let is_dense = |pair: &[f64]| frame.x(pair[1]) - frame.x(pair[0]) < LEAST_GAP;
    if horizons.windows(2).any(is_dense) {
        return ticks(frame.x.0.max(0.0), frame.x.1, 8);
    }
    let tick = |years: &f64| Tick { at: *years, label: number(*years, 2) };
    horizons.iter().map(tick).collect()
}

fn horizons_of(series: &[YearSeries]) -> Vec<f64> {
    let mut horizons: Vec<f64> =
        series.iter().flat_map(|it| &it.points).map(|(years, _)| *years).collect();
    horizons.sort_by(f64::total_cmp);
    horizons.dedup();
    horizons
}

/// AUC by horizon with its intervals, for several splits or runs.
pub(crate) fn auc_by_year(title: &str, series: &[YearSeries]) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: AUC by year"));
    let horizons = horizons_of(series);
    let (first, last) =
        (horizons.first().copied().unwrap_or(1.0), horizons.last().copied().unwrap_or(1.0));
    let margin = if last > first { 0.08 * (last - first) } else { 0.5 };
    let estimates = series.iter().flat_map(|it| it.points.iter().map(|(_, estimate)| estimate));
    let lows = estimates.filter_map(|it| it.interval.map(|it| it.low).or(it.value));
    let least = lows.filter(|value| value.is_finite()).fold(0.5, f64::min);
    let low = if least < 0.5 { ((least - 1e-9) * 10.0).floor().max(0.0) / 10.0 } else { 0.5 };
    let x = (first - margin, last + margin);
    let frame = Frame { left: 74.0, right: 700.0, top: 82.0, bottom: 386.0, x, y: (low, 1.0) };
    let (x_ticks, y_ticks) = (year_ticks(&horizons, &frame), ticks(low, 1.0, 6));
    draw_heading(&mut scene, frame.left, "AUC by year", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    if low < 0.5 {
        let y = frame.y(0.5);
        scene.dashed(&[(frame.left, y), (frame.right, y)], 1.25, REFERENCE, Some((2.0, 3.0)));
        let label = Text::new("chance", (frame.right - 4.0, y - 5.0), SMALL);
        scene.text(label.anchor(Anchor::End).colour(SOFT_INK));
    }
    for (index, one) in series.iter().enumerate().rev() {
        let shift = (index as f64 - (series.len() as f64 - 1.0) / 2.0) * OFFSET;
        draw_series(&mut scene, &frame, one, index, shift);
    }
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Years after the exam", "AUC (95% CI)");
    let swatch = |index: usize| Swatch::Line(colour(index), DASHES[index % DASHES.len()]);
    let entries: Vec<(Swatch, &str)> =
        series.iter().enumerate().map(|(index, one)| (swatch(index), one.name.as_str())).collect();
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if series.iter().flat_map(|it| &it.points).all(|(_, estimate)| estimate.value.is_none()) {
        frame.draw_note(&mut scene, "AUC undefined at every horizon");
    }
    draw(&scene)
}

fn colour(index: usize) -> Colour {
    PALETTE[index % PALETTE.len()]
}

fn draw_series(scene: &mut Scene, frame: &Frame, series: &YearSeries, index: usize, shift: f64) {
    let colour = colour(index);
    let at = |years: f64, value: f64| -> Point { (frame.x(years) + shift, frame.y(value)) };
    let mut points: Vec<Point> = Vec::new();
    for (years, estimate) in &series.points {
        let Some(value) = estimate.value.filter(|value| value.is_finite()) else { continue };
        if let Some(interval) = estimate.interval {
            let ends = [interval.low, interval.high].map(|end| at(*years, end.clamp(0.0, 1.0)));
            scene.line(ends.to_vec(), 1.5, colour);
            for end in ends {
                scene.line(vec![(end.0 - 4.0, end.1), (end.0 + 4.0, end.1)], 1.5, colour);
            }
        }
        points.push(at(*years, value));
    }
    scene.dashed(&points, CURVE, colour, DASHES[index % DASHES.len()]);
    points.iter().for_each(|&point| scene.disc(point, 4.0, colour));
}
