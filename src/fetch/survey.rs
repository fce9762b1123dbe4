//! What fetching would take, asked and not done.

use std::path::Path;

use futures_util::StreamExt;

use super::download::try_again;
use super::folder::{missing, whole};
use super::ledger::peek;
use super::store::{Object, Trouble, list};
use super::work::{Event, Settings, Work, runtime};
use super::{FetchError, FetchRow, Plan, Series, State};

/// What fetching a plan would take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// A row for each series; [`State::There`] for those that are complete.
    pub rows: Vec<FetchRow>,
    /// Files still to fetch.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the largest series that is still to fetch or to prepare.
    pub largest: u64,
}

/// Asks the archive for sizes, and fetches nothing.
///
/// # Errors
/// Connections cannot be opened at all.
pub fn survey(
    plan: &Plan,
    target: &Path,
    settings: &Settings,
    prepared_by: Option<&str>,
    tell: &(dyn Fn(&Event) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Survey, FetchError> {
    let runtime = runtime()?;
    let work = Work::new(settings, tell, stop);
    let known = peek(target);
    let look = |series: &Series| {
        let mut row = series.row(State::NotStarted);
        let entry = known.get(&row.place).filter(|entry| entry.folder == series.folder);
        let done = entry.filter(|entry| match prepared_by {
            None => {
                entry.stands_for_files(target)
                    || whole(entry, &target.join(&series.folder)).is_some()
            }
            Some(by) => entry.is_prepared_by(by, target),
        });
        if let Some(entry) = done {
            (row.files, row.bytes) = (Some(entry.files), Some(entry.bytes));
            row.state = State::There;
        }
        row
    };
    let rows = plan.series.iter().map(|series| {
        let (work, row) = (&work, look(series));
        async move {
            if row.state == State::There {
                return Ok((row, 0, 0));
            }
            let store = work.stores.of(&series.place.bucket)?;
            let listed = try_again(work, &series.place.key, || list(&store, &series.place)).await;
            let told = sized(row, listed, &target.join(&series.folder), prepared_by.is_some());
            if let Ok((row, ..)) = &told {
                (work.tell)(&Event::Done(row));
            }
            told
        }
    });
    let rows = futures_util::stream::iter(rows).buffered(settings.jobs.max(1));
    let rows: Vec<Result<(FetchRow, usize, u64), FetchError>> = runtime.block_on(rows.collect());
    let mut survey = Survey::default();
    for row in rows {
        let (row, files, bytes) = row?;
        survey.files += files;
        survey.bytes += bytes;
        if row.state == State::NotStarted {
            survey.largest = survey.largest.max(row.bytes.unwrap_or(0));
        }
        survey.rows.push(row);
    }
    survey.rows.extend(plan.refused.iter().cloned());
    Ok(survey)
}

/// The row of a series with its size, and what of it is still to fetch.
fn sized(
    mut row: FetchRow,
    listed: Result<Vec<Object>, Trouble>,
    folder: &Path,
    to_prepare: bool,
) -> Result<(FetchRow, usize, u64), FetchError> {
    let objects = match listed {
        Ok(objects) => objects,
        Err(Trouble::Fatal(error)) => return Err(error),
        Err(Trouble::Stopped) => return Ok((row, 0, 0)),
        Err(Trouble::Passing(reason) | Trouble::Unreachable(reason) | Trouble::Lasting(reason)) => {
            (row.state, row.reason) = (State::Failed, reason);
            return Ok((row, 0, 0));
        }
    };
    row.files = Some(objects.len());
    row.bytes = Some(objects.iter().map(|object| object.bytes).sum());
    let missing = missing(&objects, folder);
    let (files, bytes) = missing.fold((0, 0), |(n, sum), object| (n + 1, sum + object.bytes));
    if files == 0 && !to_prepare {
        row.state = State::There;
    }
    Ok((row, files, bytes))
}
