//! Tables of a run folder, and the epoch that they select.

use super::selection::selected_epoch;
use lungs_spec::results::{MetricsRow, ResultsError, RunFolder, Table, read_csv, read_metrics};

/// Rows of a table; none if the file does not exist yet.
pub(super) fn rows<T: serde::de::DeserializeOwned>(
    run: &RunFolder,
    table: Table,
) -> Result<Vec<T>, ResultsError> {
    let path = run.table(table);
    Ok(if path.is_file() { read_csv(&path)? } else { Vec::new() })
}

/// Rows of `metrics.csv`; none if the file does not exist yet.
pub(super) fn metrics_rows(run: &RunFolder) -> Result<Vec<MetricsRow>, ResultsError> {
    let path = run.table(Table::Metrics);
    Ok(if path.is_file() { read_metrics(&path)? } else { Vec::new() })
}

/// The epoch that a run's spec selects among the trained epochs; `None` before the first.
pub fn selected_epoch_of(run: &RunFolder) -> Result<Option<usize>, ResultsError> {
    Ok(selected_epoch(&metrics_rows(run)?, &run.spec()?.train))
}
