//! The flow diagram of a study: boxes from all series to the splits, with excluded series in boxes to the
//! right, as STARD 2015 (Bossuyt et al.) requires.

use super::Drawing;
use super::frame::draw_heading;
use super::render::draw;
use super::scene::{Point, Scene, Text, wrap};
use super::style::{AXIS, LABEL, SOFT_INK, WHITE};

/// Content of a flow diagram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Boxes from top to bottom, each with the exclusions between it and the next.
    pub steps: Vec<FlowStep>,
    /// Lines of the boxes below the last step, such as one box for each split.
    pub branches: Vec<Vec<String>>,
}

/// A box and the exclusions after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowStep {
    /// Lines of the box, the first of them bold.
    pub lines: Vec<String>,
    /// Lines of the box of exclusions, the first of them bold; empty without exclusions.
    pub excluded: Vec<String>,
}

const WIDTH: f64 = 560.0;
const LEFT: f64 = 20.0;
/// Left and right edge of the boxes of steps.
const STEPS: (f64, f64) = (LEFT, 262.0);
/// Left and right edge of the boxes of exclusions.
const EXCLUSIONS: (f64, f64) = (296.0, WIDTH - LEFT);
const LINE: f64 = 18.0;
const MARGIN: f64 = 10.0;
const GAP: f64 = 26.0;
/// Indentation of a line that continues the one above.
const INDENT: f64 = 12.0;

/// Draws the diagram; its height depends on the number of lines.
pub fn flow_diagram(title: &str, flow: &Flow) -> Drawing {
    draw(&scene(title, flow))
}

/// A line of a box: its text, and whether it continues the line above.
type Line = (String, bool);

/// A flow whose lines fit into their boxes.
#[derive(Default)]
struct WrappedFlow {
    /// Lines of each step and of the exclusions after it.
    steps: Vec<(Vec<Line>, Vec<Line>)>,
    branches: Vec<Vec<Line>>,
}

fn wrapped(flow: &Flow) -> WrappedFlow {
    let lines = |lines: &[String], (left, right): (f64, f64)| -> Vec<Line> {
        // A twentieth more room than Inter needs, for systems with a fallback font.
        let width = (right - left - 2.0 * MARGIN - INDENT) / 1.05;
        let wrap = |(index, line): (usize, &String)| {
            let parts = wrap(line, width, LABEL, index == 0);
            parts.into_iter().enumerate().map(|(part, text)| (text, part > 0)).collect::<Vec<_>>()
        };
        lines.iter().enumerate().flat_map(wrap).collect()
    };
    let step = |step: &FlowStep| (lines(&step.lines, STEPS), lines(&step.excluded, EXCLUSIONS));
    let count = flow.branches.len();
    let branch = |(index, branch): (usize, &Vec<String>)| lines(branch, branch_sides(index, count));
    WrappedFlow {
        steps: flow.steps.iter().map(step).collect(),
        branches: flow.branches.iter().enumerate().map(branch).collect(),
    }
}

/// Left and right edge of a branch.
fn branch_sides(index: usize, count: usize) -> (f64, f64) {
    const APART: f64 = 14.0;
    let width = ((WIDTH - 2.0 * LEFT) - APART * (count - 1) as f64) / count as f64;
    let left = LEFT + index as f64 * (width + APART);
    (left, left + width)
}

fn scene(title: &str, flow: &Flow) -> Scene {
    let flow = &wrapped(flow);
    let mut scene = Scene::new(WIDTH, 0.0, &format!("{title}: flow of exams"));
    draw_heading(&mut scene, LEFT, "Flow of exams", title);
    let mut y = 48.0;
    let middle = f64::midpoint(STEPS.0, STEPS.1);
    for (index, step) in flow.steps.iter().enumerate() {
        let (lines, excluded) = step;
        let bottom = y + height(lines);
        draw_box(&mut scene, STEPS, y, lines);
        let is_last = index + 1 == flow.steps.len();
        let next = if excluded.is_empty() { bottom + GAP } else { bottom + GAP + height(excluded) };
        if !excluded.is_empty() {
            let top = bottom + GAP / 2.0;
            let centre = top + height(excluded) / 2.0;
            draw_box(&mut scene, EXCLUSIONS, top, excluded);
            draw_arrow(&mut scene, (middle, centre), (EXCLUSIONS.0, centre));
        }
        if is_last {
            y = bottom;
        } else {
            draw_arrow(&mut scene, (middle, bottom), (middle, next));
            y = next;
        }
    }
    let count = flow.branches.len();
    if count > 0 {
        let fork = y + GAP * 0.6;
        let top = y + GAP * 1.4;
        let span = |index: usize| branch_sides(index, count);
        let centre = |index: usize| f64::midpoint(span(index).0, span(index).1);
        scene.line(vec![(middle, y), (middle, fork)], 1.25, AXIS);
        let ends = [middle, centre(0), centre(count - 1)];
        let (low, high) = ends.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        scene.line(vec![(low, fork), (high, fork)], 1.25, AXIS);
        let tallest = flow.branches.iter().map(|lines| height(lines)).fold(0.0, f64::max);
        for (index, lines) in flow.branches.iter().enumerate() {
            draw_arrow(&mut scene, (centre(index), fork), (centre(index), top));
            draw_box_of_height(&mut scene, span(index), (top, top + tallest), lines);
        }
        y = top + tallest;
    }
    scene.height = (y + 16.0).ceil();
    scene
}

fn height(lines: &[Line]) -> f64 {
    lines.len() as f64 * LINE + 2.0 * MARGIN - 4.0
}

fn draw_box(scene: &mut Scene, sides: (f64, f64), top: f64, lines: &[Line]) {
    draw_box_of_height(scene, sides, (top, top + height(lines)), lines);
}

fn draw_box_of_height(
    scene: &mut Scene,
    (left, right): (f64, f64),
    (top, bottom): (f64, f64),
    lines: &[Line],
) {
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
    scene.polygon(corners.clone(), WHITE, 1.0);
    scene.line([corners.clone(), vec![corners[0]]].concat(), 1.25, AXIS);
    let head = lines.iter().skip(1).take_while(|(_, continues)| *continues).count() + 1;
    for (index, (line, continues)) in lines.iter().enumerate() {
        let y = top + MARGIN + LINE * index as f64 + LABEL * 0.8;
        let x = left + MARGIN + if *continues { INDENT } else { 0.0 };
        let text = Text::new(line.as_str(), (x, y), LABEL);
        scene.text(if index < head { text.bold() } else { text.colour(SOFT_INK) });
    }
}

/// Draws an arrow straight down or to the right.
fn draw_arrow(scene: &mut Scene, from: Point, to: Point) {
    let down = from.0 == to.0;
    let size = 4.5;
    let (back, head) = if down {
        (
            (to.0, to.1 - size),
            vec![to, (to.0 - size, to.1 - 1.6 * size), (to.0 + size, to.1 - 1.6 * size)],
        )
    } else {
        (
            (to.0 - size, to.1),
            vec![to, (to.0 - 1.6 * size, to.1 - size), (to.0 - 1.6 * size, to.1 + size)],
        )
    };
    scene.line(vec![from, back], 1.25, AXIS);
    scene.polygon(head, AXIS, 1.0);
}

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn every_line_is_written_once_and_no_boxes_overlap() {
        let flow = Flow {
            steps: vec![
                FlowStep {
                    lines: lines(&["431 series found", "of 415 patients"]),
                    excluded: lines(&["Excluded: 12", "9 too few slices", "3 no label"]),
                },
                FlowStep { lines: lines(&["419 selected"]), excluded: Vec::new() },
                FlowStep { lines: lines(&["419 included"]), excluded: Vec::new() },
            ],
            branches: vec![lines(&["train", "290"]), lines(&["validation", "129"])],
        };
        let scene = scene("demo", &flow);
        let texts: Vec<&str> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Text(text) => Some(text.content.as_str()),
                _ => None,
            })
            .collect();
        let expected =
            2 + flow.steps.iter().map(|s| s.lines.len() + s.excluded.len()).sum::<usize>();
        assert_eq!(texts.len(), expected + 4);
        let boxes: Vec<[f64; 4]> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Polygon { points, colour: WHITE, .. } => {
                    Some([points[0].0, points[0].1, points[2].0, points[2].1])
                }
                _ => None,
            })
            .collect();
        assert_eq!(boxes.len(), 6);
        for (index, a) in boxes.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[2] <= scene.width && a[3] < scene.height, "{a:?}");
            for b in &boxes[index + 1..] {
                let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn long_lines_are_wrapped_inside_their_box() {
        let long =
            "23 an image lies on another slice position than its neighbours by more than a tenth";
        let excluded = lines(&["23 excluded before preparation", long]);
        let step = FlowStep { lines: lines(&["100 series found"]), excluded };
        let scene = scene("demo", &Flow { steps: vec![step], branches: Vec::new() });
        let texts = scene.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) => Some(text),
            _ => None,
        });
        let words: Vec<&str> =
            texts.clone().skip(4).flat_map(|text| text.content.split(' ')).collect();
        assert_eq!(words.join(" "), long);
        for text in texts.skip(3) {
            let end =
                text.at.0 + super::super::scene::text_width(&text.content, text.size, text.bold);
            assert!(text.at.0 > EXCLUSIONS.0 && end < EXCLUSIONS.1 - MARGIN, "{text:?}");
        }
    }

    #[test]
    fn an_empty_flow_is_drawn() {
        assert!(flow_diagram("demo", &Flow::default()).svg.contains("<svg"));
    }
}
