//! Observed risk of cancer over time by group, with the numbers of exams at risk.

use super::Drawing;
use super::frame::{Frame, Swatch, Tick, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{BAND, BLUE, CURVE, Colour, Dash, PALETTE, SMALL, SOFT_INK, VERMILION};
use crate::survival::KaplanMeierRow;

/// Height of a row of the numbers at risk.
const ROW: f64 = 18.0;
/// Possible ends of the axis of risk.
const ENDS: [f64; 9] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75];

/// Curve of one group.
struct Curve<'a> {
    name: &'a str,
    rows: &'a [KaplanMeierRow],
    colour: Colour,
    dash: Option<Dash>,
    has_band: bool,
}

/// Colour and dash of a curve; the first is that of all exams, the last has the highest risk.
fn style(index: usize, count: usize) -> (Colour, Option<Dash>) {
    match index {
        0 => (SOFT_INK, Some((7.0, 3.0))),
        1 => (BLUE, None),
        _ if index + 1 == count => (VERMILION, None),
        _ => (PALETTE[2], None),
    }
}

fn curves(rows: &[KaplanMeierRow]) -> Vec<Curve<'_>> {
    let groups: Vec<&[KaplanMeierRow]> = rows.chunk_by(|a, b| a.group == b.group).collect();
    let count = groups.len();
    let mut curves = Vec::new();
    for (index, rows) in groups.into_iter().enumerate() {
        let (colour, dash) = style(index, count);
        let has_band = index > 0 || count == 1;
        curves.push(Curve { name: &rows[0].group, rows, colour, dash, has_band });
    }
    curves
}

/// Draws `1 − S(t)` of every group with its interval, and below the numbers of exams that are followed to each tick.
pub(crate) fn observed_risk_curves(title: &str, rows: &[KaplanMeierRow]) -> Drawing {
    let curves = curves(rows);
    let end = rows.iter().map(|row| row.time_years).fold(0.0, f64::max);
    let end = if end > 0.0 { end } else { 1.0 };
    let highest = rows.iter().map(|row| 1.0 - row.survival).fold(0.0, f64::max);
    let top = ENDS.into_iter().find(|end| *end >= 1.15 * highest).unwrap_or(1.0);
    let frame = Frame {
        left: 96.0,
        right: 700.0,
        top: 82.0,
        bottom: 386.0,
        x: (0.0, end),
        y: (-0.01 * top, 1.02 * top),
    };
    let height = frame.bottom + 66.0 + ROW * curves.len() as f64 + 12.0;
    let mut scene =
        Scene::new(720.0, height, &format!("{title}: observed risk over time by group"));
    let (x_ticks, y_ticks) = (ticks(0.0, end, 8), ticks(0.0, top, 6));
    draw_heading(&mut scene, frame.left, "Observed risk", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    for curve in curves.iter().filter(|curve| curve.has_band) {
        draw_bands(&mut scene, &frame, curve, top);
    }
    for curve in &curves {
        let points = steps(curve.rows, |row| Some(row.survival), &frame, top);
        scene.dashed(&points, CURVE, curve.colour, curve.dash);
    }
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Years after the exam", "Risk of cancer (1 − Kaplan–Meier)");
    let entries: Vec<(Swatch, &str)> =
        curves.iter().map(|it| (Swatch::Line(it.colour, it.dash), it.name)).collect();
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if rows.is_empty() {
        frame.draw_note(&mut scene, "no exam with follow-up");
    } else {
        draw_numbers(&mut scene, &frame, &x_ticks, &curves);
    }
    draw(&scene)
}

/// The steps of `1 − value`, as far as values exist, clipped at `top`.
fn steps(
    rows: &[KaplanMeierRow],
    value: impl Fn(&KaplanMeierRow) -> Option<f64>,
    frame: &Frame,
    top: f64,
) -> Vec<Point> {
    let mut points = vec![frame.at(0.0, 0.0)];
    let mut risk: f64 = 0.0;
    for row in rows.iter().filter(|row| row.events > 0) {
        points.push(frame.at(row.time_years, risk.min(top)));
        risk = value(row).map_or(risk, |value| 1.0 - value);
        points.push(frame.at(row.time_years, risk.min(top)));
    }
    let last = rows.last().map_or(0.0, |row| row.time_years);
    points.push(frame.at(last, risk.min(top)));
    points
}

fn draw_bands(scene: &mut Scene, frame: &Frame, curve: &Curve, top: f64) {
    let upper = steps(curve.rows, |row| row.low, frame, top);
    let lower = steps(curve.rows, |row| row.high, frame, top);
    scene.polygon(upper.into_iter().chain(lower.into_iter().rev()).collect(), curve.colour, BAND);
}

/// The number of exams that are followed to a time.
fn at_risk(rows: &[KaplanMeierRow], time_years: f64) -> usize {
    rows.iter().find(|row| row.time_years >= time_years - 1e-9).map_or(0, |row| row.at_risk)
}

fn draw_numbers(scene: &mut Scene, frame: &Frame, marks: &[Tick], curves: &[Curve]) {
    let top = frame.bottom + 62.0;
    let heading = Text::new("Exams at risk", (12.0, top), SMALL).colour(SOFT_INK);
    scene.text(heading);
    for (index, curve) in curves.iter().enumerate() {
        let y = top + ROW * (index + 1) as f64;
        scene.text(Text::new(curve.name, (12.0, y), SMALL).colour(curve.colour));
        for mark in marks {
            let count = at_risk(curve.rows, mark.at).to_string();
            let text = Text::new(count, (frame.x(mark.at), y), SMALL).anchor(Anchor::Middle);
            scene.text(text.colour(SOFT_INK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survival::kaplan_meier_rows;
    use crate::survival::testing::evaluated;

    #[test]
    fn numbers_at_risk_are_those_of_the_follow_up() {
        let (risks, _) = evaluated(90, &[1.0, 2.0]);
        let rows = kaplan_meier_rows(&risks.outcomes, &risks.table, 0.95);
        let curves = curves(&rows);
        let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
        assert_eq!(names, ["all exams", "low risk", "middle risk", "high risk"]);
        let followed =
            |years: f64| risks.rows.iter().filter(|row| row.follow_up.time_years >= years).count();
        for years in [0.0, 1.0, 2.5, 5.0, 50.0] {
            assert_eq!(at_risk(curves[0].rows, years), followed(years));
            let of_groups: usize = curves[1..].iter().map(|it| at_risk(it.rows, years)).sum();
            assert_eq!(of_groups, followed(years));
        }
        let svg = observed_risk_curves("demo", &rows).svg;
        assert!(svg.contains("middle risk") && svg.contains("Exams at risk"));
    }
}
