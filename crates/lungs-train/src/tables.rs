//! Tables of a run folder, and the epoch that they select.

use super::selection::selected_epoch;
use lungs_spec::results::{MetricsRow, ResultsError, RunFolder, Table, read_csv};

/// Rows of a table; none if the file does not exist yet.
pub(super) fn rows<T: serde::de::DeserializeOwned>(
    run: &RunFolder,
    table: Table,
) -> Result<Vec<T>, ResultsError> {
    let path = run.table(table);
    Ok(if path.is_file() { read_csv(&path)? } else { Vec::new() })
}

/// The epoch that a run's spec selects among the trained epochs; `None` before the first.
pub fn selected_epoch_of(run: &RunFolder) -> Result<Option<usize>, ResultsError> {
    let metrics: Vec<MetricsRow> = rows(run, Table::Metrics)?;
    Ok(selected_epoch(&metrics, run.spec()?.train.select))
}
