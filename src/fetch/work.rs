//! All series: some in work at a time, each on a thread of its own, their files over shared
//! connections.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::download::{fetch_file, try_again};
use super::folder::{folder_below, missing, remove, whole};
use super::ledger::{Entry, Ledger, disk_free_bytes};
use super::partial::sweep;
use super::store::{Endpoint, Object, Stores, Trouble, list};
use super::throttle::Throttle;
use super::{FetchError, FetchRow, Plan, Series, State};

/// How series are fetched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which server is asked.
    pub endpoint: Endpoint,
    /// Files in flight at a time.
    pub jobs: usize,
    /// How often each request is tried again.
    pub retries: u32,
    /// The wait before the first new try; it doubles with each.
    pub first_wait: Duration,
    /// Silence after which a connection counts as dead.
    pub timeout: Duration,
    /// Bytes per second of all connections together.
    pub bytes_per_second: Option<f64>,
    /// Ask again for what is complete, and compute the checksums of what is there.
    pub verify: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Aws,
            jobs: 16,
            retries: 8,
            first_wait: Duration::from_millis(500),
            timeout: Duration::from_secs(30),
            bytes_per_second: None,
            verify: false,
        }
    }
}

/// What is done with a series once it is complete.
#[derive(Clone, Copy)]
pub struct After<'a> {
    /// Names what is done: a series of the same name is not done again.
    pub prepared_by: &'a str,
    /// Keep the files that came.
    pub keep_raw: bool,
    /// Does it, in a folder with the series' files. An error ends everything.
    pub prepare: &'a (dyn Fn(&Series, &Path) -> Result<Product, String> + Sync),
}

/// What became of a series that was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its state in the table.
    pub state: State,
    /// Why, where that is not plain.
    pub reason: String,
    /// What was made of it, below the target folder.
    pub files: Vec<PathBuf>,
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many bytes came.
    Bytes(usize),
    /// A file is right: by the archive's MD5, or, where there is none, by its size alone.
    Checked {
        /// By MD5.
        by_md5: bool,
    },
    /// A file or listing failed and is tried again.
    TryingAgain {
        /// Its key.
        what: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A series is over.
    Done(&'a FetchRow),
}

/// What all threads use.
pub(super) struct Work<'a> {
    pub settings: &'a Settings,
    pub tell: &'a (dyn Fn(&Event) + Sync),
    stop: &'a (dyn Fn() -> bool + Sync),
    /// Set when nothing more can be fetched.
    over: AtomicBool,
    /// Whether the archive has ever answered.
    heard: AtomicBool,
    /// What was given up since it last answered.
    unheard: AtomicUsize,
    pub stores: Stores,
    lanes: Semaphore,
    throttle: Mutex<Throttle>,
    began: Instant,
}

impl<'a> Work<'a> {
    pub fn new(
        settings: &'a Settings,
        tell: &'a (dyn Fn(&Event) + Sync),
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            settings,
            tell,
            stop,
            over: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            unheard: AtomicUsize::new(0),
            stores: Stores::new(&settings.endpoint, settings.timeout),
            lanes: Semaphore::new(settings.jobs.max(1)),
            throttle: Mutex::new(Throttle::new(settings.bytes_per_second)),
            began: Instant::now(),
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.over.load(Ordering::Relaxed) || (self.stop)()
    }

    /// The archive has answered.
    pub fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
        self.unheard.store(0, Ordering::Relaxed);
    }

    /// How often to try again what nobody answers.
    pub fn patience(&self) -> u32 {
        // An archive that has never answered is more likely not there than busy.
        let most = if self.heard.load(Ordering::Relaxed) { u32::MAX } else { 3 };
        self.settings.retries.min(most)
    }

    /// What it means that nobody answered to the last of all tries: after one that has never answered,
    /// or many in a row, it is of no use to ask for more.
    pub fn give_up(&self, reason: String, tries: u32) -> Trouble {
        const IN_A_ROW: usize = 8;
        let unheard = self.unheard.fetch_add(1, Ordering::Relaxed) + 1;
        if self.heard.load(Ordering::Relaxed) && unheard < IN_A_ROW {
            return Trouble::Lasting(format!("cannot connect: {reason} (tried {tries} times)"));
        }
        let endpoint = self.settings.endpoint.told().to_owned();
        Trouble::Fatal(FetchError::Unreachable { endpoint, message: reason })
    }

    /// How long to wait after so many bytes.
    pub fn throttle(&self, bytes: usize) -> Duration {
        let now = self.began.elapsed().as_secs_f64();
        Duration::from_secs_f64(held(&self.throttle).took(bytes, now))
    }
}

/// A panic elsewhere does not make what a lock protects wrong here.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Series in work at a time: enough that listings and small series keep the connections busy, and
/// few, so that few are half done at any time.
const SERIES_AT_A_TIME: usize = 4;

/// Fetches every series of a plan into `target`, and does with each what `after` says. The rows of all
/// series are in the order of the plan; the error, where there is one, ended the work early.
///
/// # Errors
/// Only when nothing can be begun: another process works in the folder, or it cannot be written.
pub fn fetch_all(
    plan: &Plan,
    target: &Path,
    settings: &Settings,
    after: Option<After>,
    tell: &(dyn Fn(&Event) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<FetchRow>, Option<FetchError>), FetchError> {
    let ledger = Ledger::open(target)?;
    let runtime = runtime()?;
    let work = Work::new(settings, tell, stop);
    let place = Workplace { work: &work, runtime: &runtime, ledger: &ledger, target, after };
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let rows: Mutex<Vec<FetchRow>> =
        Mutex::new(plan.series.iter().map(|series| series.row(State::NotStarted)).collect());
    std::thread::scope(|scope| {
        for _ in 0..SERIES_AT_A_TIME.min(settings.jobs.max(1)).min(plan.series.len()) {
            scope.spawn(|| {
                while !work.is_stopped() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(series) = plan.series.get(number) else { break };
                    let mut row = series.row(State::Fetched);
                    match place.fetch_series(series, &mut row) {
                        Ok(()) => {}
                        Err(Trouble::Stopped) => row.state = State::Interrupted,
                        Err(
                            Trouble::Passing(reason)
                            | Trouble::Unreachable(reason)
                            | Trouble::Lasting(reason),
                        ) => {
                            (row.state, row.reason) = (State::Failed, reason);
                        }
                        Err(Trouble::Fatal(error)) => {
                            (row.state, row.reason) = (State::Failed, error.to_string());
                            work.over.store(true, Ordering::Relaxed);
                            held(&failure).get_or_insert(error);
                        }
                    }
                    tell(&Event::Done(&row));
                    held(&rows)[number] = row;
                }
            });
        }
    });
    let mut rows = std::mem::take(&mut *held(&rows));
    rows.extend(plan.refused.iter().cloned());
    let failure = held(&failure).take();
    Ok((rows, failure))
}

pub(super) fn runtime() -> Result<Runtime, FetchError> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| FetchError::Client(error.to_string()))
}

/// Why a series that is there has no files.
const AS_VOLUME: &str = "prepared, without its files; --prepare SPEC --keep-raw fetches them too";

/// Where series are fetched.
struct Workplace<'a> {
    work: &'a Work<'a>,
    runtime: &'a Runtime,
    ledger: &'a Ledger,
    target: &'a Path,
    after: Option<After<'a>>,
}

impl Workplace<'_> {
    fn fetch_series(&self, series: &Series, row: &mut FetchRow) -> Result<(), Trouble> {
        let verify = self.work.settings.verify;
        let known = self.ledger.entry(&row.place).filter(|entry| entry.folder == series.folder);
        let folder = self.target.join(&series.folder);
        if let Some(entry) = known {
            (row.files, row.bytes) = (Some(entry.files), Some(entry.bytes));
            if self.is_done(entry, &folder) {
                row.state =
                    if entry.state == State::Refused { State::Refused } else { State::There };
                row.reason.clone_from(&entry.reason);
                if self.after.is_none() && entry.stands_for_files(self.target) {
                    AS_VOLUME.clone_into(&mut row.reason);
                }
                return Ok(());
            }
        }
        let there = known.filter(|_| !verify).and_then(|entry| whole(entry, &folder));
        let (names, came) = match there {
            Some(names) => (names, false),
            None => self.fetch_files(series, row)?,
        };
        let keep_raw = self.after.is_none_or(|after| after.keep_raw);
        // What somebody wanted here, or put here, is not for us to remove.
        let raw_wanted = keep_raw || known.map_or(!came, |entry| entry.raw_wanted);
        let mut entry = Entry {
            place: row.place.clone(),
            folder: series.folder.clone(),
            files: names.len(),
            bytes: row.bytes.unwrap_or(0),
            state: State::Fetched,
            reason: String::new(),
            prepared_by: String::new(),
            products: Vec::new(),
            raw_wanted,
        };
        if let Some(after) = &self.after {
            // What was fetched is kept if preparation is stopped.
            self.ledger.keep(&entry)?;
            let made = (after.prepare)(series, &folder).map_err(FetchError::After)?;
            (entry.state, entry.reason, entry.products) = (made.state, made.reason, made.files);
            after.prepared_by.clone_into(&mut entry.prepared_by);
        }
        self.ledger.keep(&entry)?;
        if !raw_wanted {
            remove(&folder, &names)?;
        }
        (row.state, row.reason) = (entry.state, entry.reason);
        if self.after.is_none() && !came {
            row.state = State::There;
        }
        Ok(())
    }

    /// Whether nothing is left to do of a series.
    fn is_done(&self, entry: &Entry, folder: &Path) -> bool {
        let raw = || !self.work.settings.verify && whole(entry, folder).is_some();
        match &self.after {
            None => raw() || entry.stands_for_files(self.target),
            Some(after) => {
                entry.is_prepared_by(after.prepared_by, self.target) && (!after.keep_raw || raw())
            }
        }
    }

    /// Fetches the files of a series, and gives their names, and whether any came.
    fn fetch_files(
        &self,
        series: &Series,
        row: &mut FetchRow,
    ) -> Result<(Vec<String>, bool), Trouble> {
        let work = self.work;
        let store = &work.stores.of(&series.place.bucket)?;
        let objects = self.runtime.block_on(async {
            let _lane = work.lanes.acquire().await;
            try_again(work, &series.place.key, || list(store, &series.place)).await
        })?;
        row.files = Some(objects.len());
        row.bytes = Some(objects.iter().map(|object| object.bytes).sum());
        let folder = &folder_below(self.target, &series.folder)?;
        self.check_room(&objects, folder)?;
        let told: Vec<(&Object, Result<bool, Trouble>)> = self.runtime.block_on(async {
            let fetched = objects.iter().map(|object| async move {
                let _lane = work.lanes.acquire().await;
                (object, fetch_file(work, store, object, folder).await)
            });
            futures_util::stream::iter(fetched).buffer_unordered(work.settings.jobs).collect().await
        });
        let mut came = false;
        let mut troubles = Vec::new();
        for (object, told) in told {
            match told {
                Ok(this) => came |= this,
                Err(trouble) => troubles.push((object, trouble)),
            }
        }
        sum_up(troubles, objects.len())?;
        sweep(folder);
        Ok((objects.into_iter().map(|object| object.name).collect(), came))
    }

    /// An error when the disk is too small for what is still to come.
    fn check_room(&self, objects: &[Object], folder: &Path) -> Result<(), FetchError> {
        let needed: u64 = missing(objects, folder).map(|object| object.bytes).sum();
        match disk_free_bytes(folder) {
            Some(free) if free < needed => {
                Err(FetchError::DiskFull { folder: self.target.to_owned(), free, needed })
            }
            _ => Ok(()),
        }
    }
}

/// One trouble that says it all: what ends everything first, then a stop, then the first file's.
fn sum_up(troubles: Vec<(&Object, Trouble)>, files: usize) -> Result<(), Trouble> {
    let count = troubles.len();
    let mut first: Option<(&Object, String)> = None;
    let mut stopped = false;
    for (object, trouble) in troubles {
        match trouble {
            Trouble::Fatal(error) => return Err(Trouble::Fatal(error)),
            Trouble::Stopped => stopped = true,
            Trouble::Passing(reason) | Trouble::Unreachable(reason) | Trouble::Lasting(reason) => {
                if first.as_ref().is_none_or(|(it, _)| object.key < it.key) {
                    first = Some((object, reason));
                }
            }
        }
    }
    match first {
        _ if stopped => Err(Trouble::Stopped),
        None => Ok(()),
        Some((object, reason)) => Err(Trouble::Lasting(format!(
            "{count} of {files} files failed; {}: {reason}",
            object.name
        ))),
    }
}
