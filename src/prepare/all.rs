//! Many images at once: as many in work as there are threads, results in the order given.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::files::WriteError;
use crate::images::Image;
use crate::panics;

use super::cache::{Cache, inputs_text};
use super::claim::Claim;
use super::series::{empty_row, make, read, refuse};
use super::{Refusal, Row, Settings};

/// Preparation as a whole cannot start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The cache's folder cannot be made or written.
    #[error("cannot keep prepared series: {0}")]
    Cache(#[from] WriteError),
    /// No worker threads.
    #[error("cannot start {threads} worker threads: {message}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the operating system said.
        message: String,
    },
}

/// Prepares every image into the cache and returns their rows in the order given.
///
/// `threads` images are in work at a time (0: one per core), and each uses whatever threads the
/// others leave idle; so memory is bounded by the number of threads, not of images, and the last
/// image still has the whole machine. `progress` is called with each finished row, in order of
/// completion. An image that fails has the reason in its row; the others go on. Several processes
/// may work in one cache: what another one has in work is left to it, and looked at last.
///
/// # Errors
/// [`PrepareError`] when the cache folder cannot be written (a full disk stops the work; what is
/// in the cache by then stays) or no thread can be started.
pub fn prepare_all(
    images: &[&Image],
    settings: &Settings,
    cache_folder: &Path,
    progress: &(dyn Fn(&Row) + Sync),
    threads: usize,
) -> Result<Vec<Row>, PrepareError> {
    crate::files::sweep(cache_folder);
    // Says at once, and once, what would otherwise be said of every series.
    crate::files::write_bytes(&cache_folder.join("CACHEDIR.TAG"), CACHE_TAG)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores } else { threads };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| PrepareError::Threads { threads, message: error.to_string() })?;
    let cache = Cache { folder: cache_folder, settings };
    let workplace = Workplace { cache: &cache, readers: &pool };

    let queue = Queue::new(images.len());
    let rows: Mutex<Vec<Option<Row>>> = Mutex::new(vec![None; images.len()]);
    // Plain threads do the work, the pool reads slices for them: were the series tasks of the pool
    // too, a thread that waits for its slices would begin another series in the meantime, and both
    // would wait for one thread.
    std::thread::scope(|scope| {
        for _ in 0..threads.min(images.len()) {
            scope.spawn(|| {
                while let Some((place, patience)) = queue.next() {
                    let image = images[place];
                    match prepare_guarded(image, &workplace, patience) {
                        Ok(Some(row)) => {
                            progress(&row);
                            held(&rows)[place] = Some(row);
                        }
                        Ok(None) => queue.put_back(place),
                        Err(error) => queue.stop(error),
                    }
                }
            });
        }
    });
    match queue.stopped() {
        Some(error) => Err(error.into()),
        None => Ok(std::mem::take(&mut *held(&rows)).into_iter().flatten().collect()),
    }
}

/// What every worker uses.
struct Workplace<'a> {
    cache: &'a Cache<'a>,
    readers: &'a rayon::ThreadPool,
}

/// What is left to do.
struct Queue {
    images: usize,
    next: AtomicUsize,
    /// Places of images that another process had in work when their turn came.
    later: Mutex<Vec<usize>>,
    /// Why nothing more is begun.
    stopped: Mutex<Option<WriteError>>,
}

impl Queue {
    fn new(images: usize) -> Self {
        let (later, stopped) = (Mutex::default(), Mutex::default());
        Self { images, next: AtomicUsize::new(0), later, stopped }
    }

    /// The next image, and whether to wait for it should somebody else have it.
    fn next(&self) -> Option<(usize, Patience)> {
        if held(&self.stopped).is_some() {
            return None;
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        if place < self.images {
            return Some((place, Patience::PassOver));
        }
        held(&self.later).pop().map(|place| (place, Patience::Wait))
    }

    fn put_back(&self, place: usize) {
        held(&self.later).push(place);
    }

    fn stop(&self, error: WriteError) {
        held(&self.stopped).get_or_insert(error);
    }

    fn stopped(self) -> Option<WriteError> {
        held(&self.stopped).take()
    }
}

/// What to do with an image that another process has in work.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    PassOver,
    Wait,
}

/// A panic elsewhere does not make what a lock protects wrong here: all of it is replaced whole.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Marks folders that backups may leave out (see <https://bford.info/cachedir/>).
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # Prepared series of `lungs`; may be deleted at any time, costs only time.\n";

/// Prepares one image, or finds it in the cache; a panic is kept to its row. `None` when another
/// process has it in work.
fn prepare_guarded(
    image: &Image,
    workplace: &Workplace,
    patience: Patience,
) -> Result<Option<Row>, WriteError> {
    let start = Instant::now();
    let work = catch_unwind(AssertUnwindSafe(|| prepare_cached(image, workplace, patience)));
    let row = work.unwrap_or_else(|panic| {
        let mut row = empty_row(image);
        refuse(&mut row, &Refusal::Defect { message: panics::message(panic.as_ref()) });
        Ok(Some(row))
    });
    Ok(row?.map(|row| {
        let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Row { seconds, ..row }
    }))
}

fn prepare_cached(
    image: &Image,
    workplace: &Workplace,
    patience: Patience,
) -> Result<Option<Row>, WriteError> {
    let cache = workplace.cache;
    let mut row = match cache.seen(image) {
        Some(row) => row,
        None => {
            let path = cache.claim_path(image);
            let claim = match patience {
                Patience::PassOver => Claim::try_take(&path),
                Patience::Wait => Claim::wait_for(&path),
            };
            // Where the file system knows no locks, work may be done twice, which does no harm.
            if matches!(claim, Ok(None)) {
                return Ok(None);
            }
            // It may have been finished by somebody else just before the claim.
            match cache.seen(image) {
                Some(row) => row,
                None => {
                    let mut row = empty_row(image);
                    fill(image, workplace, &mut row)?;
                    row
                }
            }
        }
    };
    // The cache knows contents; a volume file's name and the labels may have changed since.
    row.patient_id.clone_from(&image.patient_id);
    row.study_uid.clone_from(&image.exam_id);
    row.series_uid.clone_from(&image.series_uid);
    Ok(Some(row))
}

/// Fills the row, from the cache once the contents are known, else by doing the work.
fn fill(image: &Image, workplace: &Workplace, row: &mut Row) -> Result<(), WriteError> {
    let cache = workplace.cache;
    let read = workplace.readers.install(|| read(image, cache.settings, row));
    let (volume, facts) = match read {
        Ok(read) => read,
        Err(refusal) => {
            refuse(row, &refusal);
            return Ok(());
        }
    };
    let inputs = inputs_text(&facts);
    if let Some(found) = cache.find(&inputs) {
        *row = found;
    } else {
        row.new = true;
        match make(image, volume, cache.settings, row) {
            Ok((prepared, picture)) => cache.keep(&inputs, row, Some((&prepared, &picture)))?,
            Err(refusal) => {
                refuse(row, &refusal);
                if !refusal.lasts() {
                    return Ok(());
                }
                cache.keep(&inputs, row, None)?;
            }
        }
    }
    cache.remember(image, &inputs)
}

#[cfg(test)]
#[path = "all_tests.rs"]
mod tests;
