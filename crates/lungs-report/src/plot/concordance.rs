//! The C-index over epochs.

use super::Drawing;
use super::epochs::{
    draw_band, draw_curve, epoch_ticks, finite, frame_over, mark_selected, mark_value,
};
use super::frame::{Swatch, draw_heading, draw_legend_row, ticks};
use super::render::draw;
use super::scene::{Anchor, Scene, Text};
use super::style::{BAND, BLUE, DASHES, PALETTE, REFERENCE, SMALL, SOFT_INK, VERMILION};

/// C-index on validation in one epoch, and the AUC at the first and at the last horizon; an undefined metric is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EpochConcordance {
    /// Epoch, from 1.
    pub epoch: u32,
    /// The C-index.
    pub c_index: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
    /// AUC at the first and at the last horizon.
    pub aucs: [Option<f64>; 2],
}

/// Validation C-index with its interval as a band, and the AUC at two horizons (`names`: `1 year`, `6 years`), by
/// epoch, with the selected epoch marked.
pub(crate) fn c_index_curves(
    title: &str,
    names: [&str; 2],
    epochs: &[EpochConcordance],
    selected: Option<u32>,
) -> Drawing {
    type Column = Vec<(u32, Option<f64>)>;
    let mut scene = Scene::new(720.0, 440.0, &format!("{title}: validation C-index by epoch"));
    let column = |get: &dyn Fn(&EpochConcordance) -> Option<f64>| -> Column {
        epochs.iter().map(|epoch| (epoch.epoch, finite(get(epoch)))).collect()
    };
    let c_index = column(&|epoch| epoch.c_index);
    let [low, high] = [
        column(&|epoch| epoch.c_index.and(epoch.low)),
        column(&|epoch| epoch.c_index.and(epoch.high)),
    ];
    let count = if names[0] == names[1] { 1 } else { 2 };
    let aucs: Vec<Column> = (0..count).map(|index| column(&|epoch| epoch.aucs[index])).collect();
    let values = aucs.iter().flatten().chain(&c_index).chain(&low).filter_map(|&(_, value)| value);
    let least = values.fold(0.5, f64::min);
    let bottom = if least < 0.5 { ((least - 1e-9) * 10.0).floor().max(0.0) / 10.0 } else { 0.5 };
    let frame = frame_over(epochs.iter().map(|epoch| epoch.epoch), (bottom, 1.0));
    let (x_ticks, y_ticks) =
        (epoch_ticks(epochs.iter().map(|epoch| epoch.epoch)), ticks(bottom, 1.0, 6));
    draw_heading(&mut scene, frame.left, "C-index", title);
    frame.draw_grid(&mut scene, &x_ticks, &y_ticks);
    if bottom < 0.5 {
        let y = frame.y(0.5);
        scene.dashed(&[(frame.left, y), (frame.right, y)], 1.25, REFERENCE, Some((2.0, 3.0)));
        let label = Text::new("chance", (frame.right - 4.0, y - 5.0), SMALL);
        scene.text(label.anchor(Anchor::End).colour(SOFT_INK));
    }
    draw_band(&mut scene, &frame, &low, &high, BLUE);
    mark_selected(&mut scene, &frame, selected);
    let styles = [(VERMILION, DASHES[1]), (PALETTE[2], DASHES[2])];
    for (auc, (colour, dash)) in aucs.iter().zip(styles) {
        draw_curve(&mut scene, &frame, auc, colour, dash);
    }
    draw_curve(&mut scene, &frame, &c_index, BLUE, None);
    mark_value(&mut scene, &frame, &c_index, selected, BLUE);
    frame.draw_axes(&mut scene, &x_ticks, &y_ticks);
    frame.draw_labels(&mut scene, "Epoch", "Validation C-index, AUC");
    let auc_names = names.map(|name| format!("AUC, {name}"));
    let mut entries =
        vec![(Swatch::Line(BLUE, None), "C-index"), (Swatch::Area(BLUE, BAND), "95% CI")];
    for (name, (colour, dash)) in auc_names.iter().take(count).zip(styles) {
        entries.push((Swatch::Line(colour, dash), name));
    }
    draw_legend_row(&mut scene, frame.left, 52.0, &entries);
    if c_index.iter().all(|(_, value)| value.is_none()) {
        frame.draw_note(&mut scene, "C-index undefined: no two exams can be compared");
    }
    draw(&scene)
}
