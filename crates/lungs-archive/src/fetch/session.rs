//! What all downloads of one command share: settings, connections, throttling and the end.

use lungs_base::text::counted;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::store::{Endpoint, FileError, Stores};
use super::throttle::Throttle;
use super::{FetchError, FetchRow};

/// Settings of fetching.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub endpoint: Endpoint,
    /// Number of files downloaded at the same time.
    pub jobs: usize,
    /// Number of retries of each request.
    pub retries: u32,
    /// The wait before the first retry; it doubles with each failure.
    pub first_wait: Duration,
    /// Time without data after which a connection is closed.
    pub timeout: Duration,
    /// Limit of the bytes per second of all connections together.
    pub bytes_per_second: Option<f64>,
    /// Whether to list complete series again, and verify the checksums of existing files.
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

/// An event of fetching.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes were received.
    Bytes(usize),
    /// A file was verified.
    Checked {
        /// Whether by the archive's MD5, or only by its size.
        by_md5: bool,
    },
    /// A file or listing failed and is retried.
    Retry {
        /// Its key.
        what: &'a str,
        /// The error.
        reason: &'a str,
    },
    /// A series is finished, successfully or not.
    Done(&'a FetchRow),
}

/// The state shared by all threads.
pub(super) struct Session<'a> {
    pub settings: &'a Settings,
    pub tell: &'a (dyn Fn(&Event) + Sync),
    stop: &'a (dyn Fn() -> bool + Sync),
    /// Whether an error has ended all fetching.
    is_aborted: AtomicBool,
    /// Whether the archive has ever answered.
    has_answered: AtomicBool,
    /// Number of requests given up since the last answer.
    unanswered: AtomicUsize,
    pub stores: Stores,
    pub connections: Semaphore,
    throttle: Mutex<Throttle>,
    began: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        tell: &'a (dyn Fn(&Event) + Sync),
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            settings,
            tell,
            stop,
            is_aborted: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            stores: Stores::new(&settings.endpoint, settings.timeout),
            connections: Semaphore::new(settings.jobs.max(1)),
            throttle: Mutex::new(Throttle::new(settings.bytes_per_second)),
            began: Instant::now(),
        }
    }

    /// Ends all fetching.
    pub(super) fn abort(&self) {
        self.is_aborted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_aborted.load(Ordering::Relaxed) || (self.stop)()
    }

    /// Records an answer of the archive.
    pub(crate) fn record_answer(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
        self.unanswered.store(0, Ordering::Relaxed);
    }

    /// Number of retries of a request without an answer.
    pub(crate) fn max_retries_without_answer(&self) -> u32 {
        // An archive that has never answered is more likely unreachable than busy.
        let limit = if self.has_answered.load(Ordering::Relaxed) { u32::MAX } else { 3 };
        self.settings.retries.min(limit)
    }

    /// The error of a request without an answer after all retries. It ends all fetching if the archive has never
    /// answered, or after several such requests in a row.
    pub(crate) fn unreachable_error(&self, reason: String, attempts: u32) -> FileError {
        const MAX_UNANSWERED: usize = 8;
        let unanswered = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if self.has_answered.load(Ordering::Relaxed) && unanswered < MAX_UNANSWERED {
            return FileError::Permanent(format!(
                "cannot connect: {reason} (tried {})",
                counted(attempts as usize, "time", "times")
            ));
        }
        let endpoint = self.settings.endpoint.name().to_owned();
        FileError::Fatal(FetchError::Unreachable { endpoint, message: reason })
    }

    /// The wait after a number of bytes that keeps the limit of the rate.
    pub(crate) fn throttle_wait(&self, bytes: usize) -> Duration {
        let now = self.began.elapsed().as_secs_f64();
        Duration::from_secs_f64(lock(&self.throttle).wait_seconds(bytes, now))
    }
}

/// Locks a mutex. A panic in another thread does not invalidate its content here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
