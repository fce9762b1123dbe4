//! Risks of several years: from a run's table of risks to metrics, tables, text and the rows of plots.
//!
//! ```text
//!   predictions/…-risks.csv ─► SplitRisks ─┬─► evaluation.json (parts.….survival)
//!                                          └─► curves/…-kaplan-meier.csv, …-risk-calibration.csv
//!   evaluation.json ─► survival.csv, terminal, report page
//! ```

mod curves;
mod split_risks;
mod table;
mod terminal;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use curves::KaplanMeierRow;
#[cfg(test)]
pub(crate) use curves::kaplan_meier_rows;
pub use split_risks::{SplitRisks, write_evaluated_risks};
pub(crate) use table::survival_cells;
pub(crate) use terminal::survival_lines;
