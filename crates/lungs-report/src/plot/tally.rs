//! Small stacked histograms of a value over all series, for pages.

use super::frame::{Frame, Tick, draw_title, ticks};
use super::render::svg;
use super::scene::{Anchor, Scene, Text};
use super::style::{BLUE, Colour, REFERENCE, SMALL, SOFT_INK, VERMILION};

/// Approximate number of bars.
const BARS: f64 = 24.0;
/// Minimum height of a bar with a count above 0, in pixels.
const VISIBLE: f64 = 2.5;

/// Colours of the groups, from the axis upwards.
const COLOURS: [Colour; 3] = [BLUE, VERMILION, REFERENCE];

/// Values of one quantity over many series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution<'a> {
    /// Name of the quantity.
    pub title: &'a str,
    /// Label of the horizontal axis, with the unit.
    pub axis: &'a str,
    /// Minimum width of a bar: 1 for whole numbers.
    pub min_width: f64,
    /// Values of each group (blue, vermilion, grey); non-finite values are skipped.
    pub groups: [Vec<f64>; 3],
}

/// The histogram as SVG of 300 × 152 CSS pixels, the same bytes every time. Bars show the number of series; rare
/// values have a visible bar.
pub(crate) fn distribution_histogram(distribution: &Distribution<'_>) -> String {
    let mut scene = Scene::new(300.0, 152.0, &format!("{}: histogram", distribution.title));
    let frame_of = |x, y| Frame { left: 44.0, right: 288.0, top: 42.0, bottom: 108.0, x, y };
    draw_title(&mut scene, 10.0, distribution.title);
    let Some((start, step, bars)) = bins(distribution) else {
        let frame = frame_of((0.0, 1.0), (0.0, 1.0));
        frame.draw_axes(&mut scene, &[], &[]);
        frame.draw_note(&mut scene, "no values");
        return svg(&scene);
    };
    let counts = distribution.groups.each_ref().map(|values| count(values, start, step, bars));
    let totals = (0..bars).map(|bar| counts.iter().map(|group| group[bar]).sum::<usize>());
    let most = totals.max().unwrap_or(0).max(1);
    let frame = frame_of((start, start + step * bars as f64), (0.0, most as f64 * 1.04));
    let x_ticks = ticks(frame.x.0, frame.x.1, 5);
    let y_ticks = whole_counts(ticks(0.0, most as f64, 3));
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    for bar in 0..bars {
        let edge = |offset: usize| frame.x(start + step * (bar + offset) as f64);
        let (left, right) = (edge(0) + 0.4, edge(1) - 0.4);
        let mut base = frame.bottom;
        for (group, colour) in counts.iter().zip(COLOURS).filter(|(group, _)| group[bar] > 0) {
            let height = (frame.bottom - frame.y(group[bar] as f64)).max(VISIBLE);
            let top = (base - height).max(frame.top);
            let corners = vec![(left, base), (left, top), (right, top), (right, base)];
            scene.polygon(corners, colour, 1.0);
            base = top;
        }
    }
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    let middle = ((frame.left + frame.right) / 2.0, frame.bottom + 34.0);
    let label = Text::new(distribution.axis, middle, SMALL);
    scene.text(label.anchor(Anchor::Middle).colour(SOFT_INK));
    svg(&scene)
}

/// Start of the first bin, width of the bins (1, 2 or 5 times a power of ten), number of bins.
fn bins(distribution: &Distribution<'_>) -> Option<(f64, f64, usize)> {
    let values = || distribution.groups.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let rough = ((high - low) / BARS).max(distribution.min_width);
    let power = 10f64.powf(rough.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= rough * 0.999).unwrap_or(10.0);
    let step = multiple * power;
    if !(step.is_finite() && step > 0.0 && (low / step).is_finite()) {
        return None;
    }
    // One empty bin on either side, and at least nine in all, so that a single value gets a narrow bar.
    let (mut first, mut last) = (bin(low, 0.0, step) - 1.0, bin(high, 0.0, step) + 1.0);
    let extra = ((8.0 - (last - first)) / 2.0).ceil().max(0.0);
    (first, last) = (first - extra, last + extra);
    if low >= 0.0 {
        first = first.max(0.0);
    }
    Some((first * step, step, (last - first) as usize + 1))
}

/// The bin of a value; a value on an edge, up to rounding, belongs to the bin above.
fn bin(value: f64, start: f64, step: f64) -> f64 {
    ((value - start) / step + 1e-6).floor()
}

fn count(values: &[f64], start: f64, step: f64, bars: usize) -> Vec<usize> {
    let mut counts = vec![0; bars];
    for value in values.iter().filter(|value| value.is_finite()) {
        counts[(bin(*value, start, step).max(0.0) as usize).min(bars - 1)] += 1;
    }
    counts
}

/// The ticks at whole counts.
fn whole_counts(marks: Vec<Tick>) -> Vec<Tick> {
    let marks = marks.into_iter().filter(|tick| tick.at.fract() == 0.0);
    marks.map(|tick| Tick { label: format!("{:.0}", tick.at), ..tick }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(groups: [Vec<f64>; 3], min_width: f64) -> Distribution<'static> {
        Distribution { title: "Slice spacing", axis: "mm", min_width, groups }
    }

    /// Number of bars of a colour.
    fn bars(svg: &str, colour: &str) -> usize {
        svg.lines().filter(|l| l.starts_with("<polygon") && l.contains(colour)).count()
    }

    #[test]
    fn groups_are_stacked_and_rare_values_keep_a_bar() {
        let common: Vec<f64> = (0..900).map(|i| 1.0 + f64::from(i % 3) * 0.5).collect();
        let svg = distribution_histogram(&distribution([common, vec![5.0], vec![f64::NAN]], 0.05));
        assert_eq!(
            (bars(&svg, "#0072B2"), bars(&svg, "#D55E00"), bars(&svg, "#8C8C8C")),
            (3, 1, 0)
        );
        assert!(svg.contains("Slice spacing") && !svg.contains("NaN"));
    }

    #[test]
    fn bins_are_round_and_hold_every_value() {
        let one = distribution([vec![2.5], vec![], vec![]], 0.05);
        let (start, step, bars) = bins(&one).unwrap();
        assert!((step - 0.05).abs() < 1e-12 && bars >= 9, "{start} {step} {bars}");
        assert_eq!(count(&[2.5], start, step, bars).iter().sum::<usize>(), 1);
        let whole = distribution([vec![50.0, 61.0], vec![], vec![]], 1.0);
        assert_eq!(bins(&whole), Some((49.0, 1.0, 14)));
        let (start, step, bars) =
            bins(&distribution([vec![-2048.0, 5892.0], vec![], vec![]], 1.0)).unwrap();
        assert_eq!((start, step, bars), (-3000.0, 500.0, 19));
        assert_eq!(count(&[-2048.0], start, step, bars)[1], 1);
    }

    #[test]
    fn a_histogram_without_values_has_a_note() {
        let empty = distribution([vec![], vec![f64::INFINITY], vec![f64::NAN]], 1.0);
        assert!(distribution_histogram(&empty).contains("no values"));
        let absurd = distribution([vec![f64::MAX, -f64::MAX], vec![], vec![]], 1.0);
        assert!(distribution_histogram(&absurd).contains("no values"));
    }
}
