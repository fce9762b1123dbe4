//! Fetches all series of a plan: several at a time, each in its own thread, over shared connections.

use lungs_base::text::counted;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::download::{fetch_file, retry};
use super::folder::{complete_files, folder_below, missing_objects, remove_files};
use super::ledger::{Ledger, LedgerEntry, disk_free_bytes};
use super::partial::remove_partials;
use super::session::{Event, Session, Settings, lock};
use super::store::{FileError, Object, list};
use super::{FetchError, FetchRow, FetchStatus, Plan, Series};

/// The preparation of complete series.
#[derive(Clone, Copy)]
pub struct Preparation<'a> {
    /// Its name: a series with the same name in the ledger is not prepared again.
    pub prepared_by: &'a str,
    /// Whether to keep the fetched files.
    pub keep_raw: bool,
    /// Prepares a series from the folder of its files. An error ends all fetching.
    pub prepare: &'a (dyn Fn(&Series, &Path) -> Result<Product, String> + Sync),
}

/// The result of preparing a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The state of the series in the table.
    pub state: FetchStatus,
    /// The reason of the state, where it needs one.
    pub reason: String,
    /// The files of the result, below the target folder.
    pub files: Vec<PathBuf>,
}

/// Number of series fetched at the same time: enough that listings and small series keep the connections busy, and
/// few enough that little is incomplete at any time.
const PARALLEL_SERIES: usize = 4;

/// Fetches every series of a plan into `target`, and prepares each by `after`. Returns the rows of all series in the
/// order of the plan, and the error that ended fetching early, if any.
///
/// # Errors
/// Fetching cannot start: another process is fetching into the folder, or it cannot be written.
pub fn fetch_all(
    plan: &Plan,
    target: &Path,
    settings: &Settings,
    after: Option<Preparation>,
    tell: &(dyn Fn(&Event) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<FetchRow>, Option<FetchError>), FetchError> {
    let ledger = Ledger::open(target)?;
    let runtime = runtime()?;
    let session = Session::new(settings, tell, stop);
    let fetcher =
        SeriesFetcher { session: &session, runtime: &runtime, ledger: &ledger, target, after };
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let rows: Mutex<Vec<FetchRow>> =
        Mutex::new(plan.series.iter().map(|series| series.row(FetchStatus::NotStarted)).collect());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_SERIES.min(settings.jobs.max(1)).min(plan.series.len()) {
            scope.spawn(|| {
                while !session.is_stopped() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(series) = plan.series.get(index) else { break };
                    let mut row = series.row(FetchStatus::Fetched);
                    match fetcher.fetch_series(series, &mut row) {
                        Ok(()) => {}
                        Err(FileError::Stopped) => row.state = FetchStatus::Interrupted,
                        Err(
                            FileError::Transient(reason)
                            | FileError::Unreachable(reason)
                            | FileError::Permanent(reason),
                        ) => {
                            (row.state, row.reason) = (FetchStatus::Failed, reason);
                        }
                        Err(FileError::Fatal(error)) => {
                            (row.state, row.reason) = (FetchStatus::Failed, error.to_string());
                            session.abort();
                            lock(&failure).get_or_insert(error);
                        }
                    }
                    tell(&Event::Done(&row));
                    lock(&rows)[index] = row;
                }
            });
        }
    });
    let mut rows = std::mem::take(&mut *lock(&rows));
    rows.extend(plan.failures.iter().cloned());
    let failure = lock(&failure).take();
    Ok((rows, failure))
}

pub(super) fn runtime() -> Result<Runtime, FetchError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| FetchError::Client(error.to_string()))
}

/// Reason of a complete series without raw files.
const VOLUME_ONLY: &str =
    "only the prepared volume exists; --prepare SPEC --keep-raw also fetches the files";

/// Fetches and prepares single series.
struct SeriesFetcher<'a> {
    session: &'a Session<'a>,
    runtime: &'a Runtime,
    ledger: &'a Ledger,
    target: &'a Path,
    after: Option<Preparation<'a>>,
}

impl SeriesFetcher<'_> {
    fn fetch_series(&self, series: &Series, row: &mut FetchRow) -> Result<(), FileError> {
        let verify = self.session.settings.verify;
        let entry = self.ledger.entry(&row.address).filter(|entry| entry.folder == series.folder);
        let folder = self.target.join(&series.folder);
        if let Some(entry) = entry {
            (row.files, row.bytes) = (Some(entry.files), Some(entry.bytes));
            if self.is_done(entry, &folder) {
                row.state = if entry.state == FetchStatus::Excluded {
                    FetchStatus::Excluded
                } else {
                    FetchStatus::Complete
                };
                row.reason.clone_from(&entry.reason);
                if self.after.is_none() && entry.is_volume_only(self.target) {
                    VOLUME_ONLY.clone_into(&mut row.reason);
                }
                return Ok(());
            }
        }
        let existing = entry.filter(|_| !verify).and_then(|entry| complete_files(entry, &folder));
        let (names, is_new) = match existing {
            Some(names) => (names, false),
            None => self.fetch_files(series, row)?,
        };
        let keep_raw = self.after.is_none_or(|after| after.keep_raw);
        // Files of an earlier command or of another program are kept.
        let raw_wanted = keep_raw || entry.map_or(!is_new, |entry| entry.raw_wanted);
        let mut entry = LedgerEntry {
            address: row.address.clone(),
            folder: series.folder.clone(),
            files: names.len(),
            bytes: row.bytes.unwrap_or(0),
            state: FetchStatus::Fetched,
            reason: String::new(),
            prepared_by: String::new(),
            products: Vec::new(),
            raw_wanted,
        };
        if let Some(after) = &self.after {
            // Recorded before preparation, so that a stop does not lose the fetched files.
            self.ledger.append(&entry)?;
            let product = (after.prepare)(series, &folder).map_err(FetchError::Preparation)?;
            (entry.state, entry.reason, entry.products) =
                (product.state, product.reason, product.files);
            after.prepared_by.clone_into(&mut entry.prepared_by);
        }
        self.ledger.append(&entry)?;
        if !raw_wanted {
            remove_files(&folder, &names)?;
        }
        (row.state, row.reason) = (entry.state, entry.reason);
        if self.after.is_none() && !is_new {
            row.state = FetchStatus::Complete;
        }
        Ok(())
    }

    /// Whether a series needs no more work.
    fn is_done(&self, entry: &LedgerEntry, folder: &Path) -> bool {
        let has_raw_files =
            || !self.session.settings.verify && complete_files(entry, folder).is_some();
        match &self.after {
            None => has_raw_files() || entry.is_volume_only(self.target),
            Some(after) => {
                entry.is_prepared_by(after.prepared_by, self.target)
                    && (!after.keep_raw || has_raw_files())
            }
        }
    }

    /// Fetches the files of a series, and returns their names and whether any had to be fetched.
    fn fetch_files(
        &self,
        series: &Series,
        row: &mut FetchRow,
    ) -> Result<(Vec<String>, bool), FileError> {
        let session = self.session;
        let store = &session.stores.client(&series.address.bucket)?;
        let objects = self.runtime.block_on(async {
            let _connection = session.connections.acquire().await;
            retry(session, &series.address.key, || list(store, &series.address)).await
        })?;
        row.files = Some(objects.len());
        row.bytes = Some(objects.iter().map(|object| object.bytes).sum());
        let folder = &folder_below(self.target, &series.folder)?;
        self.check_disk_space(&objects, folder)?;
        let results: Vec<(&Object, Result<bool, FileError>)> = self.runtime.block_on(async {
            let downloads = objects.iter().map(|object| async move {
                let _connection = session.connections.acquire().await;
                (object, fetch_file(session, store, object, folder).await)
            });
            let downloads = futures_util::stream::iter(downloads);
            downloads.buffer_unordered(session.settings.jobs).collect().await
        });
        let mut is_new = false;
        let mut errors = Vec::new();
        for (object, result) in results {
            match result {
                Ok(was_fetched) => is_new |= was_fetched,
                Err(error) => errors.push((object, error)),
            }
        }
        combine_errors(errors, objects.len())?;
        remove_partials(folder);
        Ok((objects.into_iter().map(|object| object.name).collect(), is_new))
    }

    /// Fails if the disk has no space for the missing files.
    fn check_disk_space(&self, objects: &[Object], folder: &Path) -> Result<(), FetchError> {
        let needed: u64 = missing_objects(objects, folder).map(|object| object.bytes).sum();
        match disk_free_bytes(folder) {
            Some(free) if free < needed => {
                Err(FetchError::DiskFull { folder: self.target.to_owned(), free, needed })
            }
            _ => Ok(()),
        }
    }
}

/// Combines the errors of a series' files: a fatal error takes precedence, then a stop, then the error of the first
/// file.
fn combine_errors(errors: Vec<(&Object, FileError)>, files: usize) -> Result<(), FileError> {
    let count = errors.len();
    let mut first: Option<(&Object, String)> = None;
    let mut is_stopped = false;
    for (object, error) in errors {
        match error {
            FileError::Fatal(error) => return Err(FileError::Fatal(error)),
            FileError::Stopped => is_stopped = true,
            FileError::Transient(reason)
            | FileError::Unreachable(reason)
            | FileError::Permanent(reason) => {
                if first.as_ref().is_none_or(|(it, _)| object.key < it.key) {
                    first = Some((object, reason));
                }
            }
        }
    }
    match first {
        _ if is_stopped => Err(FileError::Stopped),
        None => Ok(()),
        Some((object, reason)) => Err(FileError::Permanent(format!(
            "{count} of {} failed; {}: {reason}",
            counted(files, "file", "files"),
            object.name
        ))),
    }
}
