//! Histogram of predictions by class.

use super::Drawing;
use super::frame::{Frame, Swatch, Tick, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::Scene;
use super::style::{BLUE, CURVE, Colour, VERMILION};

const BARS: usize = 24;
const FILL: f64 = 0.22;
/// Log-odds beyond this are drawn at it: probabilities of 0 and 1 have none.
const MOST: f64 = 14.0;
/// The axis spans at least this difference of log-odds.
const LEAST_SPAN: f64 = 2.0;

/// Counts of values in [0, 1] in `bars` bins of equal width; other values are skipped.
pub(super) fn tally(values: impl Iterator<Item = f64>, bars: usize) -> Vec<usize> {
    let mut counts = vec![0; bars];
    for value in values.filter(|value| (0.0..=1.0).contains(value)) {
        counts[((value * bars as f64) as usize).min(bars - 1)] += 1;
    }
    counts
}

fn log_odds(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln().clamp(-MOST, MOST)
}

/// Ticks at round probabilities whose log-odds are inside the range.
fn probability_ticks((low, high): (f64, f64)) -> Vec<Tick> {
    const COARSE: [f64; 11] = [1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999];
    const FINE: [f64; 13] =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9];
    let inside = |marks: &[f64]| -> Vec<Tick> {
        let label = |mark: f64| if mark < 1e-3 { format!("{mark:e}") } else { mark.to_string() };
        let tick = |mark: &f64| Tick { at: log_odds(*mark), label: label(*mark) };
        marks.iter().map(tick).filter(|tick| (low..=high).contains(&tick.at)).collect()
    };
    let coarse = inside(&COARSE);
    if coarse.len() < 3 { inside(&FINE) } else { coarse }
}

/// Histogram of predicted probabilities by class on a scale of log-odds, each class as shares of its own exams: rare
/// classes and probabilities near 0 are as visible as others. `probabilities` and `labels` are `[exam]`.
pub(crate) fn score_histogram(title: &str, probabilities: &[f64], labels: &[bool]) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: predictions by class"));
    let of_class = |class: bool| -> Vec<f64> {
        let values = probabilities.iter().zip(labels).filter(|&(_, &label)| label == class);
        let values = values.map(|(&probability, _)| probability);
        values.filter(|value| (0.0..=1.0).contains(value)).map(log_odds).collect()
    };
    let (negatives, positives) = (of_class(false), of_class(true));
    let x = span(negatives.iter().chain(&positives).copied());
    let counts =
        |values: &[f64]| tally(values.iter().map(|value| (value - x.0) / (x.1 - x.0)), BARS);
    let classes =
        [(counts(&negatives), BLUE, None), (counts(&positives), VERMILION, Some((7.0, 3.0)))];
    let percent = |count: usize, counts: &[usize]| {
        100.0 * count as f64 / counts.iter().sum::<usize>().max(1) as f64
    };
    let highest = classes
        .iter()
        .flat_map(|(counts, ..)| counts.iter().map(|&count| percent(count, counts)))
        .fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.06 } else { 1.0 };
    let frame = Frame { left: 74.0, right: 700.0, top: 72.0, bottom: 386.0, x, y: (0.0, top) };
    let (x_ticks, y_ticks) = (probability_ticks(x), ticks(0.0, top, 6));
    draw_heading(&mut scene, frame.left, "Predictions by class", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    let edge = |index: usize| x.0 + (x.1 - x.0) * index as f64 / BARS as f64;
    let outlines = classes.clone().map(|(counts, colour, dash)| {
        let mut steps = vec![frame.at(x.0, 0.0)];
        for (index, &count) in counts.iter().enumerate() {
            let height = percent(count, &counts);
            steps.push(frame.at(edge(index), height));
            steps.push(frame.at(edge(index + 1), height));
        }
        steps.push(frame.at(x.1, 0.0));
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
    let axis = "Predicted probability of cancer (scale of log-odds)";
    frame.draw_labels(&mut scene, axis, "Share of the class (%)");
    draw_classes(&mut scene, frame.left, &classes[0].0, &classes[1].0);
    if highest == 0.0 {
        frame.draw_note(&mut scene, "no usable predictions");
    }
    draw(&scene)
}

/// The range of the values with a margin, and at least [`LEAST_SPAN`] wide.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let fold = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), fold);
    if low > high {
        return (-LEAST_SPAN, LEAST_SPAN);
    }
    let margin = (0.03 * (high - low)).max((LEAST_SPAN - (high - low)) / 2.0);
    (low - margin, high + margin)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_near_zero_have_ticks_and_every_value_a_bar() {
        let ticks = |low: f64, high: f64| -> Vec<String> {
            let range = span([low, high].map(log_odds).into_iter());
            probability_ticks(range).into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(ticks(0.0004, 0.3), ["0.001", "0.01", "0.1"]);
        assert_eq!(ticks(0.5, 0.5), ["0.3", "0.5", "0.7"]);
        assert_eq!(ticks(0.0, 1.0).len(), 11);
        // Exams at 0 and 1 are in the first and the last bar.
        let x = span([0.0, 1.0].map(log_odds).into_iter());
        let counts = tally([0.0, 1.0].map(|p| (log_odds(p) - x.0) / (x.1 - x.0)).into_iter(), BARS);
        assert_eq!((counts[0], counts[BARS - 1]), (1, 1));
    }
}
