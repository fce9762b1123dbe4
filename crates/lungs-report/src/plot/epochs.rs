//! Curves over epochs.

use super::Drawing;
use super::frame::{Frame, Swatch, draw_heading, draw_legend_row, ticks, whole_ticks};
use super::render::draw;
use super::scene::{Anchor, Point, Scene, Text};
use super::style::{BAND, BLUE, CURVE, Colour, Dash, REFERENCE, SMALL, SOFT_INK, VERMILION, WHITE};

/// Losses of one epoch; a loss that was not measured is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EpochLoss {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Mean training loss.
    pub train: Option<f64>,
    /// Mean validation loss.
    pub valid: Option<f64>,
}

/// AUC and accuracy on validation in one epoch; an undefined metric is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EpochRanking {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Lower end of the AUC's interval.
    pub auc_low: Option<f64>,
    /// Upper end of the AUC's interval.
    pub auc_high: Option<f64>,
    /// Accuracy at a probability of one half.
    pub accuracy: Option<f64>,
}

const TRAIN_DASH: Option<Dash> = Some((7.0, 3.0));

/// Training and validation loss by epoch, with the selected epoch marked. `loss_name` is the axis label
/// ("cross-entropy (nats per exam)").
pub(crate) fn loss_curves(
    title: &str,
    loss_name: &str,
    epochs: &[EpochLoss],
    selected: Option<u32>,
) -> Drawing {
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: loss by epoch"));
    let train: Vec<_> = epochs.iter().map(|e| (e.epoch, finite(e.train))).collect();
    let valid: Vec<_> = epochs.iter().map(|e| (e.epoch, finite(e.valid))).collect();
    let values = || train.iter().chain(&valid).filter_map(|&(_, value)| value);
    let range = loss_range(values());
    let frame = frame_over(epochs.iter().map(|e| e.epoch), range);
    let (x_ticks, y_ticks) =
        (epoch_ticks(epochs.iter().map(|e| e.epoch)), ticks(range.0, range.1, 6));
    draw_heading(&mut scene, frame.left, "Loss", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    mark_selected(&mut scene, &frame, selected);
    draw_curve(&mut scene, &frame, &train, VERMILION, TRAIN_DASH);
    draw_curve(&mut scene, &frame, &valid, BLUE, None);
    mark_value(&mut scene, &frame, &valid, selected, BLUE);
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Epoch", loss_name);
    let entries = [
        (Swatch::Line(VERMILION, TRAIN_DASH), "training"),
        (Swatch::Line(BLUE, None), "validation"),
    ];
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if values().next().is_none() {
        frame.draw_note(&mut scene, "no loss recorded");
    }
    draw(&scene)
}

/// Validation AUC with its interval as a band, and accuracy, by epoch, with the selected epoch marked.
/// `interval_name` is the legend of the band ("95% CI").
pub(crate) fn auc_accuracy_curves(
    title: &str,
    interval_name: &str,
    epochs: &[EpochRanking],
    selected: Option<u32>,
) -> Drawing {
    let mut scene =
        Scene::new(720.0, 440.0, &format!("{title}: validation AUC and accuracy by epoch"));
    let column = |get: fn(&EpochRanking) -> Option<f64>| -> Vec<(u32, Option<f64>)> {
        epochs.iter().map(|e| (e.epoch, finite(get(e)))).collect()
    };
    let (auc, accuracy) = (column(|e| e.auc), column(|e| e.accuracy));
    let low = column(|e| e.auc.and(e.auc_low));
    let high = column(|e| e.auc.and(e.auc_high));
    let least = auc.iter().chain(&accuracy).chain(&low).filter_map(|&(_, v)| v).fold(0.5, f64::min);
    let range = (((least - 1e-9) * 10.0).floor().clamp(0.0, 5.0) / 10.0, 1.0);
    let range = if least >= 0.5 { (0.5, 1.0) } else { range };
    let frame = frame_over(epochs.iter().map(|e| e.epoch), range);
    let (x_ticks, y_ticks) =
        (epoch_ticks(epochs.iter().map(|e| e.epoch)), ticks(range.0, range.1, 6));
    draw_heading(&mut scene, frame.left, "AUC and accuracy", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    if range.0 < 0.5 {
        let y = frame.y(0.5);
        scene.dashed(&[(frame.left, y), (frame.right, y)], 1.25, REFERENCE, Some((2.0, 3.0)));
        let label = Text::new("chance", (frame.right - 4.0, y - 5.0), SMALL);
        scene.text(label.anchor(Anchor::End).colour(SOFT_INK));
    }
    draw_band(&mut scene, &frame, &low, &high, BLUE);
    mark_selected(&mut scene, &frame, selected);
    draw_curve(&mut scene, &frame, &accuracy, VERMILION, TRAIN_DASH);
    draw_curve(&mut scene, &frame, &auc, BLUE, None);
    mark_value(&mut scene, &frame, &auc, selected, BLUE);
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Epoch", "Validation AUC, accuracy");
    let interval = format!("AUC {interval_name}");
    let missing = |column: &[(u32, Option<f64>)]| column.iter().all(|(_, value)| value.is_none());
    // The note is in the legend, where it does not cover the accuracy curve.
    let auc_label =
        if missing(&auc) && !missing(&accuracy) { "AUC undefined: one class only" } else { "AUC" };
    let mut entries = vec![(Swatch::Line(BLUE, None), auc_label)];
    if low.iter().zip(&high).any(|(low, high)| low.1.is_some() && high.1.is_some()) {
        entries.push((Swatch::Area(BLUE, BAND), interval.as_str()));
    }
    entries.push((Swatch::Line(VERMILION, TRAIN_DASH), "accuracy"));
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if missing(&auc) && missing(&accuracy) {
        frame.draw_note(&mut scene, "no validation metrics recorded");
    }
    draw(&scene)
}

pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// The axis range: from 0 when the values are spread enough, else close around the values.
fn loss_range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
    if low >= 0.0 && low < 0.4 * high {
        (0.0, high + margin)
    } else {
        (low - margin, high + margin)
    }
}

pub(super) fn frame_over(epochs: impl Iterator<Item = u32>, y: (f64, f64)) -> Frame {
    let (first, last) = epochs.fold((u32::MAX, 0), |(f, l), e| (f.min(e), l.max(e)));
    let (first, last) = if first > last { (1.0, 1.0) } else { (f64::from(first), f64::from(last)) };
    let margin = if last > first { 0.02 * (last - first) } else { 0.5 };
    let x = (first - margin, last + margin);
    Frame { left: 74.0, right: 700.0, top: 82.0, bottom: 386.0, x, y }
}

/// Ticks from the first to the last epoch; the margins of the axis get none.
pub(super) fn epoch_ticks(epochs: impl Iterator<Item = u32> + Clone) -> Vec<super::frame::Tick> {
    match (epochs.clone().min(), epochs.max()) {
        (Some(first), Some(last)) => whole_ticks(first, last),
        _ => Vec::new(),
    }
}

pub(super) fn mark_selected(scene: &mut Scene, frame: &Frame, selected: Option<u32>) {
    if let Some(epoch) = selected.filter(|&e| (frame.x.0..=frame.x.1).contains(&f64::from(e))) {
        frame.mark_x(scene, f64::from(epoch), &format!("selected: epoch {epoch}"));
    }
}

/// Draws a ring around the selected epoch's value.
pub(super) fn mark_value(
    scene: &mut Scene,
    frame: &Frame,
    column: &[(u32, Option<f64>)],
    selected: Option<u32>,
    colour: Colour,
) {
    for &(epoch, value) in column {
        if let (true, Some(value)) = (Some(epoch) == selected, value) {
            let point = frame.at(f64::from(epoch), value);
            scene.disc(point, 5.5, colour);
            scene.disc(point, 3.0, WHITE);
        }
    }
}

/// A line broken where values are missing; single values between gaps become dots.
pub(super) fn draw_curve(
    scene: &mut Scene,
    frame: &Frame,
    column: &[(u32, Option<f64>)],
    colour: Colour,
    dash: Option<Dash>,
) {
    for run in column.split(|(_, value)| value.is_none()) {
        let points: Vec<Point> = run
            .iter()
            .filter_map(|&(epoch, value)| Some(frame.at(f64::from(epoch), value?)))
            .collect();
        scene.dashed(&points, CURVE, colour, dash);
        // Dots mark the measurements of short curves; long curves have no room for them.
        if column.len() <= 40 || points.len() == 1 {
            points.iter().for_each(|&point| scene.disc(point, 2.75, colour));
        }
    }
}

pub(super) fn draw_band(
    scene: &mut Scene,
    frame: &Frame,
    low: &[(u32, Option<f64>)],
    high: &[(u32, Option<f64>)],
    colour: Colour,
) {
    let pairs: Vec<(u32, Option<(f64, f64)>)> =
        low.iter().zip(high).map(|(&(epoch, low), &(_, high))| (epoch, low.zip(high))).collect();
    for run in pairs.split(|(_, pair)| pair.is_none()) {
        let edge = |upper: bool| {
            run.iter().filter_map(move |&(epoch, pair)| {
                let (low, high) = pair?;
                Some(frame.at(f64::from(epoch), if upper { high } else { low }))
            })
        };
        if let [(epoch, Some((low, high)))] = *run {
            // A single epoch has no width: a bar.
            let (bottom, top) = (frame.at(f64::from(epoch), low), frame.at(f64::from(epoch), high));
            let corners = [(-3.0, bottom), (3.0, bottom), (3.0, top), (-3.0, top)]
                .map(|(d, p)| (p.0 + d, p.1));
            scene.polygon(corners.to_vec(), colour, BAND);
        }
        scene.polygon(
            edge(true).chain(edge(false).collect::<Vec<_>>().into_iter().rev()).collect(),
            colour,
            BAND,
        );
    }
}
