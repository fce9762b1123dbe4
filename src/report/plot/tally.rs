//! A small histogram for a page: how a figure is spread over the series, groups stacked.

use super::frame::{Frame, Tick, draw_title, ticks};
use super::render::svg;
use super::scene::{Anchor, Scene, Text};
use super::style::{BLUE, Colour, REFERENCE, SMALL, SOFT_INK, VERMILION};

/// About so many bars.
const BARS: f64 = 24.0;
/// A bar that counts something is at least this high, in pixels.
const VISIBLE: f64 = 2.5;

/// Colours of the groups, from the axis upwards.
const COLOURS: [Colour; 3] = [BLUE, VERMILION, REFERENCE];

/// One figure of many series.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread<'a> {
    /// What is measured.
    pub title: &'a str,
    /// Its unit, and where it is measured: the label of the horizontal axis.
    pub axis: &'a str,
    /// Bars are not narrower than this: 1 for whole numbers.
    pub finest: f64,
    /// Values of each group (blue, vermilion, grey); what is not finite is left out.
    pub groups: [Vec<f64>; 3],
}

/// The histogram as SVG, the same bytes every time. Bars count series; rare values keep a visible
/// bar. 300 × 152 CSS pixels.
pub fn spread_histogram(spread: &Spread<'_>) -> String {
    let mut scene = Scene::new(300.0, 152.0, &format!("{}: histogram", spread.title));
    let frame_of = |x, y| Frame { left: 44.0, right: 288.0, top: 42.0, bottom: 108.0, x, y };
    draw_title(&mut scene, 10.0, spread.title);
    let Some((start, step, bars)) = bins(spread) else {
        let frame = frame_of((0.0, 1.0), (0.0, 1.0));
        frame.draw_axes(&mut scene, &[], &[]);
        frame.say(&mut scene, "no values");
        return svg(&scene);
    };
    let counts = spread.groups.each_ref().map(|values| count(values, start, step, bars));
    let totals = (0..bars).map(|bar| counts.iter().map(|group| group[bar]).sum::<usize>());
    let most = totals.max().unwrap_or(0).max(1);
    let frame = frame_of((start, start + step * bars as f64), (0.0, most as f64 * 1.04));
    let x_ticks = ticks(frame.x.0, frame.x.1, 5);
    let y_ticks = whole(ticks(0.0, most as f64, 3));
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
    let label = Text::new(spread.axis, middle, SMALL);
    scene.text(label.anchor(Anchor::Middle).colour(SOFT_INK));
    svg(&scene)
}

/// Start of the first bin, width of the bins (1, 2 or 5 times a power of ten), number of them.
fn bins(spread: &Spread<'_>) -> Option<(f64, f64, usize)> {
    let values = || spread.groups.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let rough = ((high - low) / BARS).max(spread.finest);
    let power = 10f64.powf(rough.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= rough * 0.999).unwrap_or(10.0);
    let step = multiple * power;
    if !(step.is_finite() && step > 0.0 && (low / step).is_finite()) {
        return None;
    }
    // One empty bin on either side, and at least nine in all, so that one value is a bar and not
    // a wall.
    let (mut first, mut last) = (bin(low, 0.0, step) - 1.0, bin(high, 0.0, step) + 1.0);
    let wider = ((8.0 - (last - first)) / 2.0).ceil().max(0.0);
    (first, last) = (first - wider, last + wider);
    if low >= 0.0 {
        first = first.max(0.0);
    }
    Some((first * step, step, (last - first) as usize + 1))
}

/// The bin of a value; what lies on an edge but for rounding belongs to the bin above.
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

/// Whole counts only.
fn whole(marks: Vec<Tick>) -> Vec<Tick> {
    let marks = marks.into_iter().filter(|tick| tick.at.fract() == 0.0);
    marks.map(|tick| Tick { label: format!("{:.0}", tick.at), ..tick }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(groups: [Vec<f64>; 3], finest: f64) -> Spread<'static> {
        Spread { title: "Slice spacing", axis: "mm", finest, groups }
    }

    /// Bars by colour, in the picture's order.
    fn bars(svg: &str, colour: &str) -> usize {
        svg.lines().filter(|l| l.starts_with("<polygon") && l.contains(colour)).count()
    }

    #[test]
    fn groups_are_stacked_and_rare_values_keep_a_bar() {
        let common: Vec<f64> = (0..900).map(|i| 1.0 + f64::from(i % 3) * 0.5).collect();
        let svg = spread_histogram(&spread([common, vec![5.0], vec![f64::NAN]], 0.05));
        assert_eq!(
            (bars(&svg, "#0072B2"), bars(&svg, "#D55E00"), bars(&svg, "#8C8C8C")),
            (3, 1, 0)
        );
        assert!(svg.contains("Slice spacing") && !svg.contains("NaN"));
    }

    #[test]
    fn bins_are_round_and_hold_every_value() {
        let one = spread([vec![2.5], vec![], vec![]], 0.05);
        let (start, step, bars) = bins(&one).unwrap();
        assert!((step - 0.05).abs() < 1e-12 && bars >= 9, "{start} {step} {bars}");
        assert_eq!(count(&[2.5], start, step, bars).iter().sum::<usize>(), 1);
        let whole = spread([vec![50.0, 61.0], vec![], vec![]], 1.0);
        assert_eq!(bins(&whole), Some((49.0, 1.0, 14)));
        let (start, step, bars) =
            bins(&spread([vec![-2048.0, 5892.0], vec![], vec![]], 1.0)).unwrap();
        assert_eq!((start, step, bars), (-3000.0, 500.0, 19));
        assert_eq!(count(&[-2048.0], start, step, bars)[1], 1);
    }

    #[test]
    fn nothing_to_count_is_said_in_words() {
        let empty = spread([vec![], vec![f64::INFINITY], vec![f64::NAN]], 1.0);
        assert!(spread_histogram(&empty).contains("no values"));
        let absurd = spread([vec![f64::MAX, -f64::MAX], vec![], vec![]], 1.0);
        assert!(spread_histogram(&absurd).contains("no values"));
    }
}
