//! Plots: functions from plain data to a [`Drawing`] (SVG and PNG), the same bytes every time.
//!
//! ```text
//!   data ──► Scene (lines, polygons, texts in pixels) ──plotters──► SVG text
//!                                                     └─plotters──► pixels ──► PNG at 2×
//! ```
//!
//! A plot is built once as a [`scene::Scene`]; plotters' SVG and bitmap backends both replay it,
//! so the two pictures agree. Text is measured and rasterised with the bundled Inter
//! (see `../font/OFL.txt`), never with a system font. The SVG names Inter and falls back to
//! narrower fonts, so that texts fit on every system.
//!
//! Colours are Okabe & Ito's, which are distinguishable under the common colour-vision deficiencies;
//! several curves in one plot also differ in dashes. Missing or non-finite values are gaps. A plot without
//! data has a note in its place.

mod concordance;
mod decision;
mod epochs;
mod explained;
mod flow;
mod forest;
mod frame;
mod histogram;
mod kaplan_meier;
mod overlay;
mod precision;
mod reliability;
mod render;
mod risk_calibration;
mod roc;
mod scene;
#[cfg(test)]
mod structure_tests;
mod style;
mod tally;
#[cfg(test)]
mod tests;
mod years;

pub(crate) use concordance::{EpochConcordance, c_index_curves};
pub(crate) use decision::decision_curve;
pub(crate) use epochs::{EpochLoss, EpochRanking, auc_accuracy_curves, loss_curves};
pub use explained::{Caption, draw_heatmap};
pub use flow::{Flow, FlowStep, flow_diagram};
pub(crate) use forest::{ForestRow, forest};
pub(crate) use histogram::score_histogram;
pub(crate) use kaplan_meier::observed_risk_curves;
pub(crate) use overlay::{overlaid_calibration, overlaid_losses};
pub(crate) use precision::{NamedPrecisionRecall, precision_recall_curves};
pub use reliability::calibration;
pub(crate) use risk_calibration::risk_calibration_panels;
pub(crate) use roc::{NamedRoc, roc_curves};
pub(crate) use style::page_colours;
pub(crate) use tally::{Distribution, distribution_histogram};
pub(crate) use years::{YearSeries, auc_by_year};

/// A plot in two formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// A complete SVG document, in CSS pixels.
    pub svg: String,
    /// A PNG with two device pixels per CSS pixel, 8-bit RGB.
    pub png: Vec<u8>,
}
