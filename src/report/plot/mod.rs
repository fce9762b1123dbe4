//! Plots: plain data in, one [`Drawing`] (SVG and PNG) out, the same bytes every time.
//!
//! ```text
//!   data ──► Scene (lines, polygons, texts in pixels) ──plotters──► SVG text
//!                                                     └─plotters──► pixels ──► PNG at 2×
//! ```
//!
//! A plot is built once as a [`scene::Scene`]; plotters' SVG and bitmap backends both replay it,
//! so the two pictures cannot disagree. Text is measured and rasterised with the bundled Inter
//! (see `../font/OFL.txt`), never with a system font. The SVG names Inter and falls back to
//! narrower faces, so that what fits here fits there.
//!
//! Colours are Okabe & Ito's, told apart under the common colour-vision deficiencies; where
//! several curves meet they also differ in dashes. Missing or non-finite values are gaps, and what
//! cannot be drawn is said in words inside the plot.

mod decision;
mod epochs;
mod explained;
mod flow;
mod forest;
mod frame;
mod histogram;
mod overlay;
mod precision;
mod reliability;
mod render;
mod roc;
mod scene;
#[cfg(test)]
mod structure_tests;
mod style;
mod tally;
#[cfg(test)]
mod tests;

pub use decision::decision_curve;
pub use epochs::{EpochLoss, EpochRanking, auc_accuracy_curves, loss_curves};
pub use explained::{Caption, explained};
pub use flow::{Flow, FlowStep, flow_diagram};
pub use forest::{ForestRow, forest};
pub use histogram::score_histogram;
pub use overlay::{overlaid_calibration, overlaid_losses};
pub use precision::{NamedPrecisionRecall, precision_recall_curves};
pub use reliability::calibration;
pub use roc::{NamedRoc, roc_curves};
pub use style::page_colours;
pub use tally::{Spread, spread_histogram};

/// One picture, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// A complete SVG document, in CSS pixels.
    pub svg: String,
    /// The same at two device pixels per CSS pixel, 8-bit RGB.
    pub png: Vec<u8>,
}
