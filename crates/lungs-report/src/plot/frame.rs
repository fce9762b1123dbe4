//! Axes: a rectangle of the picture with its two ranges, grid, ticks and labels.

use super::scene::{Anchor, Point, Scene, Text, fit, text_width};
use super::style::{AXIS, Colour, Dash, GRID, INK, LABEL, REFERENCE, SMALL, SOFT_INK, TITLE};

/// A tick: its value on the axis and its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub at: f64,
    pub label: String,
}

/// Round steps (1, 2 or 5 times a power of ten) inside `[low, high]`, at most `most` + 1 of them,
/// labelled with as many decimals as the step needs.
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let rough = (high - low) / most.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![Tick { at: low, label: format!("{low:.2}") }];
    }
    let power = 10f64.powf(rough.log10().floor());
    let multiple = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= rough * 0.999);
    let step = multiple.unwrap_or(10.0) * power;
    let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|index| {
            let at = index as f64 * step;
            Tick { at, label: format!("{:.decimals$}", if index == 0 { 0.0 } else { at }) }
        })
        .collect()
}

/// Whole numbers inside `[first, last]`, about ten of them: 1, 2, 5, 10, … apart.
pub(super) fn whole_ticks(first: u32, last: u32) -> Vec<Tick> {
    let step = (0..9)
        .flat_map(|power| [1, 2, 5].map(|multiple| multiple * 10u32.pow(power)))
        .find(|step| (last - first) / step <= 10)
        .unwrap_or(1_000_000_000);
    (first.div_ceil(step)..=last / step)
        .map(|index| Tick { at: f64::from(index * step), label: (index * step).to_string() })
        .collect()
}

/// The plotting rectangle in pixels, and the data ranges that it spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Frame {
    /// A square with both axes from 0 to 1 at equal scales, below a title in a picture 560 pixels wide. A
    /// margin keeps curves along the edges, such as a perfect ROC curve, off the axes.
    pub(crate) fn of_shares() -> Self {
        Self::of_shares_up_to(1.0)
    }

    /// [`of_shares`](Self::of_shares) with both axes from 0 to `end`.
    pub(crate) fn of_shares_up_to(end: f64) -> Self {
        let range = (-0.02 * end, 1.02 * end);
        Self { left: 74.0, right: 534.0, top: 52.0, bottom: 512.0, x: range, y: range }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + (value - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)
    }

    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.x(x), self.y(y))
    }

    /// Draws grid and tick labels. Call before the data, so that the data lie on top.
    pub(super) fn draw_grid(&self, scene: &mut Scene, x_ticks: &[Tick], y_ticks: &[Tick]) {
        for tick in y_ticks {
            let y = self.y(tick.at);
            scene.line(vec![(self.left, y), (self.right, y)], 1.0, GRID);
            let label = Text::new(&*tick.label, (self.left - 8.0, y + SMALL * 0.36), SMALL);
            scene.text(label.anchor(Anchor::End).colour(SOFT_INK));
        }
        for tick in x_ticks {
            let x = self.x(tick.at);
            scene.line(vec![(x, self.top), (x, self.bottom)], 1.0, GRID);
            let label = Text::new(&*tick.label, (x, self.bottom + 18.0), SMALL);
            scene.text(label.anchor(Anchor::Middle).colour(SOFT_INK));
        }
    }

    /// Draws axis lines with tick marks. Call after the data, so that fills do not hide them.
    pub(crate) fn draw_axes(&self, scene: &mut Scene, x_ticks: &[Tick], y_ticks: &[Tick]) {
        for tick in y_ticks {
            let y = self.y(tick.at);
            scene.line(vec![(self.left - 4.0, y), (self.left, y)], 1.0, AXIS);
        }
        for tick in x_ticks {
            let x = self.x(tick.at);
            scene.line(vec![(x, self.bottom), (x, self.bottom + 4.0)], 1.0, AXIS);
        }
        let corner = (self.left, self.bottom);
        scene.line(vec![(self.left, self.top), corner, (self.right, self.bottom)], 1.0, AXIS);
    }

    /// Draws the labels of the axes.
    pub(crate) fn draw_labels(&self, scene: &mut Scene, x_label: &str, y_label: &str) {
        let middle = (self.left + self.right) / 2.0;
        let x = Text::new(x_label, (middle, self.bottom + 38.0), LABEL);
        scene.text(x.anchor(Anchor::Middle));
        let middle = (self.top + self.bottom) / 2.0;
        let y = Text::new(y_label, (18.0, middle), LABEL);
        scene.text(y.anchor(Anchor::Middle).upwards());
    }

    /// Draws a text in the middle of the rectangle, in place of data.
    pub(crate) fn draw_note(&self, scene: &mut Scene, text: &str) {
        let anchor = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        let width = self.right - self.left - 16.0;
        let text = fit(text, width, LABEL, false);
        let (half, height) = (text_width(&text, LABEL, false) / 2.0 + 8.0, 13.0);
        let (x, y) = (anchor.0, anchor.1 - LABEL * 0.36);
        let corner = |dx: f64, dy: f64| (x + dx * half, y + dy * height);
        let card = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        scene.polygon(card, super::style::WHITE, 1.0);
        scene.text(Text::new(text, anchor, LABEL).anchor(Anchor::Middle).colour(SOFT_INK));
    }

    /// Draws a dashed vertical line at `x` with its label in the strip above the rectangle.
    pub(crate) fn mark_x(&self, scene: &mut Scene, x: f64, label: &str) {
        let x = self.x(x);
        scene.dashed(&[(x, self.top), (x, self.bottom)], 1.25, REFERENCE, Some((4.0, 3.0)));
        let half = text_width(label, SMALL, false) / 2.0;
        let centre = x.min(self.right - half).max(self.left + half);
        let text = Text::new(label, (centre, self.top - 6.0), SMALL);
        scene.text(text.anchor(Anchor::Middle).colour(SOFT_INK));
    }
}

/// Draws the title at the top left, shortened to the picture's width.
pub(super) fn draw_title(scene: &mut Scene, left: f64, title: &str) {
    let width = scene.width - left - 20.0;
    scene.text(Text::new(fit(title, width, TITLE, true), (left, 28.0), TITLE).bold());
}

/// Draws what the plot is, in bold, and what it is of, shortened to the picture's width.
pub(super) fn draw_heading(scene: &mut Scene, left: f64, kind: &str, subject: &str) {
    scene.text(Text::new(kind, (left, 28.0), TITLE).bold());
    // Room for a bold fallback font, which is wider than Inter.
    let start = left + text_width(kind, TITLE, true) * 1.2 + 8.0;
    let subject = fit(subject, scene.width - start - 16.0, LABEL, false);
    scene.text(Text::new(subject, (start, 28.0), LABEL).colour(SOFT_INK));
}

/// The symbol of a legend entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Swatch {
    Line(Colour, Option<Dash>),
    Area(Colour, f64),
}

/// Draws a swatch 24 pixels wide whose middle is at height `y`.
pub(super) fn draw_swatch(scene: &mut Scene, x: f64, y: f64, swatch: Swatch) {
    match swatch {
        Swatch::Line(colour, dash) => {
            scene.dashed(&[(x, y), (x + 24.0, y)], 2.0, colour, dash);
        }
        Swatch::Area(colour, opacity) => {
            let (top, bottom) = (y - 5.0, y + 5.0);
            let corners = vec![(x, top), (x + 24.0, top), (x + 24.0, bottom), (x, bottom)];
            scene.polygon(corners, colour, opacity);
        }
    }
}

/// Draws legend entries side by side, starting at `left` on the baseline `y`.
pub(super) fn draw_legend_row(scene: &mut Scene, left: f64, y: f64, entries: &[(Swatch, &str)]) {
    let mut x = left;
    for &(swatch, label) in entries {
        draw_swatch(scene, x, y - LABEL * 0.36, swatch);
        scene.text(Text::new(label, (x + 31.0, y), LABEL).colour(INK));
        // A tenth more room than Inter needs, for systems with a fallback font.
        x += 31.0 + text_width(label, LABEL, false) * 1.1 + 22.0;
    }
}
