//! The size of a plan, by listing the archive without fetching.

use std::path::Path;

use futures_util::StreamExt;

use super::download::retry;
use super::folder::{complete_files, missing_objects};
use super::ledger::read_ledger;
use super::session::{Event, Session, Settings};
use super::store::{FileError, Object, list};
use super::work::runtime;
use super::{FetchError, FetchRow, FetchStatus, Plan, Series};

/// The number and size of the files to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// A row for each series; [`FetchStatus::Complete`] if it is complete.
    pub rows: Vec<FetchRow>,
    /// Number of files to fetch.
    pub files: usize,
    /// Bytes to fetch.
    pub bytes: u64,
    /// Bytes of the largest series to fetch or to prepare.
    pub largest: u64,
}

/// Lists the sizes of all series without fetching them.
///
/// # Errors
/// No connection can be opened.
pub fn survey(
    plan: &Plan,
    target: &Path,
    settings: &Settings,
    prepared_by: Option<&str>,
    tell: &(dyn Fn(&Event) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Survey, FetchError> {
    let runtime = runtime()?;
    let session = Session::new(settings, tell, stop);
    let ledger = read_ledger(target);
    let row_of = |series: &Series| {
        let mut row = series.row(FetchStatus::NotStarted);
        let entry = ledger.get(&row.address).filter(|entry| entry.folder == series.folder);
        let complete_entry = entry.filter(|entry| match prepared_by {
            None => {
                entry.is_volume_only(target)
                    || complete_files(entry, &target.join(&series.folder)).is_some()
            }
            Some(preparation) => entry.is_prepared_by(preparation, target),
        });
        if let Some(entry) = complete_entry {
            (row.files, row.bytes) = (Some(entry.files), Some(entry.bytes));
            row.state = FetchStatus::Complete;
        }
        row
    };
    let rows = plan.series.iter().map(|series| {
        let (session, row) = (&session, row_of(series));
        async move {
            if row.state == FetchStatus::Complete {
                return Ok((row, 0, 0));
            }
            let store = session.stores.client(&series.address.bucket)?;
            let objects =
                retry(session, &series.address.key, || list(&store, &series.address)).await;
            let folder = target.join(&series.folder);
            let result = add_size(row, objects, &folder, prepared_by.is_some());
            if let Ok((row, ..)) = &result {
                (session.tell)(&Event::Done(row));
            }
            result
        }
    });
    let rows = futures_util::stream::iter(rows).buffered(settings.jobs.max(1));
    let rows: Vec<Result<(FetchRow, usize, u64), FetchError>> = runtime.block_on(rows.collect());
    let mut survey = Survey::default();
    for row in rows {
        let (row, files, bytes) = row?;
        survey.files += files;
        survey.bytes += bytes;
        if row.state == FetchStatus::NotStarted {
            survey.largest = survey.largest.max(row.bytes.unwrap_or(0));
        }
        survey.rows.push(row);
    }
    survey.rows.extend(plan.failures.iter().cloned());
    Ok(survey)
}

/// Adds the size of a series to its row, and returns it with the number and bytes of its missing files.
fn add_size(
    mut row: FetchRow,
    objects: Result<Vec<Object>, FileError>,
    folder: &Path,
    to_prepare: bool,
) -> Result<(FetchRow, usize, u64), FetchError> {
    let objects = match objects {
        Ok(objects) => objects,
        Err(FileError::Fatal(error)) => return Err(error),
        Err(FileError::Stopped) => return Ok((row, 0, 0)),
        Err(
            FileError::Transient(reason)
            | FileError::Unreachable(reason)
            | FileError::Permanent(reason),
        ) => {
            (row.state, row.reason) = (FetchStatus::Failed, reason);
            return Ok((row, 0, 0));
        }
    };
    row.files = Some(objects.len());
    row.bytes = Some(objects.iter().map(|object| object.bytes).sum());
    let missing = missing_objects(&objects, folder);
    let (files, bytes) =
        missing.fold((0, 0), |(files, sum), object| (files + 1, sum + object.bytes));
    if files == 0 && !to_prepare {
        row.state = FetchStatus::Complete;
    }
    Ok((row, files, bytes))
}
