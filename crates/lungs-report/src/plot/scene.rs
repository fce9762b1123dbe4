//! A plot as data: shapes in CSS pixels, from the top left.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef};

use super::style::{Colour, Dash, INK};

/// x and y in CSS pixels from the top left.
pub(super) type Point = (f64, f64);

/// The end of a text that is at its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub content: String,
    /// Position of the anchor on the baseline.
    pub at: Point,
    pub anchor: Anchor,
    /// The em, in pixels.
    pub size: f64,
    pub bold: bool,
    pub colour: Colour,
    /// Rotated about `at` to read upwards.
    pub upwards: bool,
}

impl Text {
    pub(super) fn new(content: impl Into<String>, at: Point, size: f64) -> Self {
        // Control characters are not allowed in XML and have no glyph.
        let content = content.into().replace(|c: char| c.is_control(), " ");
        Self { content, at, anchor: Anchor::Start, size, bold: false, colour: INK, upwards: false }
    }

    pub(crate) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(super) fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

/// A shape of a scene; shapes are drawn in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// An open solid line; dashed lines are already cut into dashes.
    Line { points: Vec<Point>, width: f64, colour: Colour },
    /// A filled area; `opacity` of 1 covers what is beneath.
    Polygon { points: Vec<Point>, colour: Colour, opacity: f64 },
    /// A filled disc.
    Disc { centre: Point, radius: f64, colour: Colour },
    /// A line of text.
    Text(Text),
}

/// A picture of `width` × `height` CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    /// Alternative text.
    pub description: String,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub(super) fn new(width: f64, height: f64, description: &str) -> Self {
        Self { width, height, description: description.to_owned(), shapes: Vec::new() }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, width: f64, colour: Colour) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, width, colour });
        }
    }

    pub(crate) fn dashed(
        &mut self,
        points: &[Point],
        width: f64,
        colour: Colour,
        dash: Option<Dash>,
    ) {
        match dash {
            None => self.line(points.to_vec(), width, colour),
            Some(dash) => {
                for run in cut_into_dashes(points, dash) {
                    self.line(run, width, colour);
                }
            }
        }
    }

    pub(crate) fn polygon(&mut self, points: Vec<Point>, colour: Colour, opacity: f64) {
        if points.len() > 2 {
            self.shapes.push(Shape::Polygon { points, colour, opacity });
        }
    }

    pub(super) fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        self.shapes.push(Shape::Disc { centre, radius, colour });
    }

    pub(super) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}

/// The dashes of a dashed line; the pattern continues around corners.
fn cut_into_dashes(points: &[Point], (on, off): Dash) -> Vec<Vec<Point>> {
    let mut runs = Vec::new();
    let Some(&first) = points.first() else { return runs };
    let (mut run, mut drawing, mut remaining) = (vec![first], true, on);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= remaining {
                remaining -= length;
                if drawing {
                    run.push(to);
                }
                break;
            }
            let share = remaining / length;
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            if drawing {
                run.push(from);
                runs.push(std::mem::take(&mut run));
            } else {
                run = vec![from];
            }
            drawing = !drawing;
            remaining = if drawing { on } else { off };
        }
    }
    if drawing {
        runs.push(run);
    }
    runs
}

/// The bundled typeface, regular.
static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("../font/Inter-Regular.otf")));
/// The bundled typeface, bold.
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("../font/Inter-Bold.otf")));

fn parse(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the bundled font is part of the program and tested")
}

/// The typeface of a text.
pub(super) fn font(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// Font units per em.
pub(super) fn units_per_em(font: &FontRef<'_>) -> f64 {
    f64::from(font.units_per_em().unwrap_or(1000.0))
}

/// The width of a line of text, in pixels.
pub(super) fn text_width(content: &str, size: f64, bold: bool) -> f64 {
    let font = font(bold);
    let units: f64 =
        content.chars().map(|c| f64::from(font.h_advance_unscaled(font.glyph_id(c)))).sum();
    units * size / units_per_em(font)
}

/// `content` in lines of at most `width`, broken at spaces; a longer word is shortened.
pub(super) fn wrap(content: &str, width: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in content.split(' ') {
        let joined = lines.last().map(|line| format!("{line} {word}"));
        match joined.filter(|joined| text_width(joined, size, bold) <= width) {
            Some(joined) => {
                lines.pop();
                lines.push(joined);
            }
            None => lines.push(fit(word, width, size, bold)),
        }
    }
    lines
}

/// `content`, shortened in the middle with "…" to fit `width`: run names differ most often at their ends.
pub(super) fn fit(content: &str, width: f64, size: f64, bold: bool) -> String {
    if text_width(content, size, bold) <= width {
        return content.to_owned();
    }
    let characters: Vec<char> = content.chars().collect();
    let shorten = |length: usize| -> String {
        let (head, tail) = (length - length / 2, length / 2);
        let start = characters[..head].iter();
        let end = characters[characters.len() - tail..].iter();
        start.chain(&['…']).chain(end).collect()
    };
    (0..characters.len())
        .rev()
        .map(shorten)
        .find(|text| text_width(text, size, bold) <= width)
        .unwrap_or_default()
}
