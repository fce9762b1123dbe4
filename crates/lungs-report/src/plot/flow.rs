//! The flow diagram of a study: boxes from all series to the splits, with excluded series in boxes to the
//! right, as STARD 2015 (Bossuyt et al.) requires.

use super::Drawing;
use super::frame::draw_title;
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text, fit};
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

/// Draws the diagram; its height depends on the number of lines.
pub fn flow_diagram(title: &str, flow: &Flow) -> Drawing {
    draw(&scene(title, flow))
}

fn scene(title: &str, flow: &Flow) -> Scene {
    let mut scene = Scene::new(WIDTH, 0.0, &format!("{title}: flow of exams"));
    draw_title(&mut scene, LEFT, title);
    let mut y = 48.0;
    let middle = f64::midpoint(STEPS.0, STEPS.1);
    for (index, step) in flow.steps.iter().enumerate() {
        let bottom = y + height(&step.lines);
        draw_box(&mut scene, STEPS, y, &step.lines);
        let is_last = index + 1 == flow.steps.len();
        let next = if step.excluded.is_empty() {
            bottom + GAP
        } else {
            bottom + GAP + height(&step.excluded)
        };
        if !step.excluded.is_empty() {
            let top = bottom + GAP / 2.0;
            let centre = top + height(&step.excluded) / 2.0;
            draw_box(&mut scene, EXCLUSIONS, top, &step.excluded);
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
        let gap = 14.0;
        let width = ((WIDTH - 2.0 * LEFT) - gap * (count - 1) as f64) / count as f64;
        let span = |index: usize| {
            let left = LEFT + index as f64 * (width + gap);
            (left, left + width)
        };
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

fn height(lines: &[String]) -> f64 {
    lines.len() as f64 * LINE + 2.0 * MARGIN - 4.0
}

fn draw_box(scene: &mut Scene, sides: (f64, f64), top: f64, lines: &[String]) {
    draw_box_of_height(scene, sides, (top, top + height(lines)), lines);
}

fn draw_box_of_height(
    scene: &mut Scene,
    (left, right): (f64, f64),
    (top, bottom): (f64, f64),
    lines: &[String],
) {
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
    scene.polygon(corners.clone(), WHITE, 1.0);
    scene.line([corners.clone(), vec![corners[0]]].concat(), 1.25, AXIS);
    for (index, line) in lines.iter().enumerate() {
        let y = top + MARGIN + LINE * index as f64 + LABEL * 0.8;
        let bold = index == 0;
        let content = fit(line, (right - left - 2.0 * MARGIN) / 1.05, LABEL, bold);
        let text = Text::new(content, (left + MARGIN, y), LABEL).anchor(Anchor::Start);
        scene.text(if bold { text.bold() } else { text.colour(SOFT_INK) });
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
            1 + flow.steps.iter().map(|s| s.lines.len() + s.excluded.len()).sum::<usize>();
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
    fn an_empty_flow_is_drawn() {
        assert!(flow_diagram("demo", &Flow::default()).svg.contains("<svg"));
    }
}
