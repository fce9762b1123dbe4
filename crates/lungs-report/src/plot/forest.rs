//! Forest plots: an estimate with its interval for each of several groups, one row per group.

use super::Drawing;
use super::frame::{Frame, draw_heading, ticks};
use super::render::draw;
use super::scene::{Anchor, Scene, Text, fit};
use super::style::{BLUE, CURVE, LABEL, REFERENCE, SMALL, SOFT_INK};
use crate::digits;
use lungs_stats::Estimate;

/// A row of a forest plot: a group or a heading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForestRow {
    /// Name of the group, or the text of the heading.
    pub name: String,
    /// Numbers of exams as text; empty for a heading.
    pub counts: String,
    /// The group's estimate; `None` for a heading.
    pub estimate: Option<Estimate>,
}

const ROW: f64 = 24.0;

/// Draws the rows over a common axis, with the `overall` value of all exams as a dashed line.
pub(crate) fn forest(
    title: &str,
    label: &str,
    overall: Option<f64>,
    rows: &[ForestRow],
) -> Drawing {
    draw(&scene(title, label, overall, rows))
}

fn scene(title: &str, label: &str, overall: Option<f64>, rows: &[ForestRow]) -> Scene {
    let bottom = 66.0 + ROW * rows.len() as f64;
    let (low, high) = range(overall, rows);
    let frame =
        Frame { left: 250.0, right: 420.0, top: 58.0, bottom, x: (low, high), y: (0.0, 1.0) };
    let mut scene = Scene::new(560.0, bottom + 56.0, &format!("{title}: {label} by group"));
    draw_heading(&mut scene, 20.0, "Subgroups", title);
    let marks = ticks(low, high, 4);
    frame.draw_grid(&mut scene, &marks, &[]);
    if let Some(overall) = overall {
        frame.mark_x(&mut scene, overall, &format!("all {overall:.3}"));
    }
    for (index, row) in rows.iter().enumerate() {
        let y = frame.top + ROW * (index as f64 + 0.5) + 4.0;
        draw_row(&mut scene, &frame, y, row);
    }
    frame.draw_axes(&mut scene, &marks, &[]);
    let middle = f64::midpoint(frame.left, frame.right);
    scene.text(Text::new(label, (middle, bottom + 38.0), LABEL).anchor(Anchor::Middle));
    scene
}

fn draw_row(scene: &mut Scene, frame: &Frame, y: f64, row: &ForestRow) {
    let baseline = y + LABEL * 0.36;
    let name = fit(&row.name, 138.0, LABEL, row.estimate.is_none());
    let Some(estimate) = &row.estimate else {
        scene.text(Text::new(name, (20.0, baseline), LABEL).bold());
        return;
    };
    scene.text(Text::new(name, (30.0, baseline), LABEL));
    let counts = Text::new(&*row.counts, (frame.left - 12.0, baseline), SMALL);
    scene.text(counts.anchor(Anchor::End).colour(SOFT_INK));
    let text = match (estimate.value, estimate.interval) {
        (Some(value), Some(interval)) => {
            let ends = [interval.low, interval.high].map(|end| frame.x(end));
            scene.line(vec![(ends[0], y), (ends[1], y)], CURVE, BLUE);
            scene.disc((frame.x(value), y), 4.0, BLUE);
            digits::with_interval(value, interval)
        }
        (Some(value), None) => {
            scene.disc((frame.x(value), y), 4.0, BLUE);
            digits::value(value)
        }
        (None, _) => "undefined".to_owned(),
    };
    let colour = if estimate.value.is_some() { super::style::INK } else { REFERENCE };
    scene.text(Text::new(text, (540.0, baseline), SMALL).anchor(Anchor::End).colour(colour));
}

/// The axis range, with round ends around every interval.
fn range(overall: Option<f64>, rows: &[ForestRow]) -> (f64, f64) {
    let estimates = || rows.iter().filter_map(|row| row.estimate.as_ref());
    let ends =
        estimates().filter_map(|estimate| estimate.interval).flat_map(|it| [it.low, it.high]);
    let values = ends.chain(estimates().filter_map(|estimate| estimate.value)).chain(overall);
    let (low, high) =
        values.filter(|v| v.is_finite()).fold((1.0, 0.0f64), |(l, h), v| (v.min(l), v.max(h)));
    if low >= high {
        return (0.0, 1.0);
    }
    (((low - 0.02) * 10.0).floor() / 10.0, ((high + 0.001) * 10.0).ceil() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;
    use lungs_stats::auc_with_interval;

    #[test]
    fn each_group_has_its_point_on_the_scale() {
        let scores: Vec<f64> = (0..40).map(f64::from).collect();
        let labels: Vec<bool> = (0..40).map(|i| i % 3 == 0 || i > 30).collect();
        let estimate = auc_with_interval(&scores, &labels, None, 0.95);
        let value = estimate.value.unwrap();
        let row =
            |name: &str, estimate| ForestRow { name: name.into(), counts: "40".into(), estimate };
        let rows = [
            row("sex", None),
            row("female", Some(estimate)),
            row("male", Some(auc_with_interval(&[1.0], &[true], None, 0.95))),
        ];
        let scene = scene("demo", "AUC", Some(0.7), &rows);
        let discs: Vec<f64> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Disc { centre, .. } => Some(centre.0),
                _ => None,
            })
            .collect();
        assert_eq!(discs.len(), 1, "a point for an undefined estimate");
        let (low, high) = range(Some(0.7), &rows);
        assert!((discs[0] - (250.0 + (value - low) / (high - low) * 170.0)).abs() < 1e-9);
        let svg = forest("demo", "AUC", Some(0.7), &rows).svg;
        assert!(svg.contains("undefined") && svg.contains("all 0.700"));
        assert!(forest("demo", "AUC", None, &[]).svg.contains("<svg"));
    }
}
