//! Histogram of predictions by class.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_legend_row, draw_title, ticks};
use super::render::draw;
use super::scene::Scene;
use super::style::{BLUE, CURVE, Colour, VERMILION};

const BARS: usize = 20;
const FILL: f64 = 0.22;

/// Counts of values in [0, 1] in `bars` bins of equal width; other values are skipped.
pub(super) fn tally(values: impl Iterator<Item = f64>, bars: usize) -> Vec<usize> {
    let mut counts = vec![0; bars];
    for value in values.filter(|value| (0.0..=1.0).contains(value)) {
        counts[((value * bars as f64) as usize).min(bars - 1)] += 1;
    }
    counts
}

/// Histogram of predicted probabilities by class, each class as shares of its own exams, so that a rare class
/// is as visible as a common one. `probabilities` and `labels` are `[exam]`.
pub(crate) fn score_histogram(title: &str, probabilities: &[f64], labels: &[bool]) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: predictions by class"));
    let counts_of = |class: bool| {
        let values = probabilities.iter().zip(labels).filter(move |&(_, &label)| label == class);
        tally(values.map(|(&probability, _)| probability), BARS)
    };
    let classes = [(counts_of(false), BLUE, None), (counts_of(true), VERMILION, Some((7.0, 3.0)))];
    let percent = |count: usize, counts: &[usize]| {
        100.0 * count as f64 / counts.iter().sum::<usize>().max(1) as f64
    };
    let highest = classes
        .iter()
        .flat_map(|(counts, ..)| counts.iter().map(|&count| percent(count, counts)))
        .fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.06 } else { 1.0 };
    let frame =
        Frame { left: 74.0, right: 700.0, top: 72.0, bottom: 386.0, x: (0.0, 1.0), y: (0.0, top) };
    let (x_ticks, y_ticks) = (ticks(0.0, 1.0, 10), ticks(0.0, top, 6));
    draw_title(&mut scene, frame.left, title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    let outlines = classes.clone().map(|(counts, colour, dash)| {
        let mut steps = vec![frame.at(0.0, 0.0)];
        for (index, &count) in counts.iter().enumerate() {
            let height = percent(count, &counts);
            steps.push(frame.at(index as f64 / BARS as f64, height));
            steps.push(frame.at((index + 1) as f64 / BARS as f64, height));
        }
        steps.push(frame.at(1.0, 0.0));
        let is_empty = counts.iter().all(|&count| count == 0);
        (if is_empty { Vec::new() } else { steps }, colour, dash)
    });
    for (steps, colour, _) in &outlines {
        scene.polygon(steps.clone(), *colour, FILL);
    }
    for (steps, colour, dash) in &outlines {
        scene.dashed(steps, CURVE, *colour, *dash);
    }
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Predicted probability of cancer", "Share of the class (%)");
    draw_classes(&mut scene, frame.left, &classes[0].0, &classes[1].0);
    if highest == 0.0 {
        frame.draw_note(&mut scene, "no usable predictions");
    }
    draw(&scene)
}

fn draw_classes(scene: &mut Scene, left: f64, negatives: &[usize], positives: &[usize]) {
    let label =
        |name: &str, counts: &[usize]| format!("{name} (n = {})", counts.iter().sum::<usize>());
    let (negative, positive) = (label("no cancer", negatives), label("cancer", positives));
    let line = |colour: Colour, dash| Swatch::Line(colour, dash);
    let entries = [
        (line(BLUE, None), negative.as_str()),
        (line(VERMILION, Some((7.0, 3.0))), positive.as_str()),
    ];
    draw_legend_row(scene, left, 52.0, &entries);
}
