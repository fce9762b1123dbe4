//! Preparation of many images in parallel, one per thread, with results in input order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use lungs_base::files::WriteError;
use lungs_base::panics;
use lungs_image::images::Image;

use super::cache::{Cache, inputs_text};
use super::lock::CacheLock;
use super::product::Product;
use super::row::Facts;
use super::series::{make, read, usable_grid};
use super::{Refusal, Row, Settings};

/// The preparation cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The cache folder cannot be created or written.
    #[error("cannot store prepared series: {0}")]
    Cache(#[from] WriteError),
    /// The worker threads cannot be started.
    #[error("cannot start {threads} worker threads: {message}")]
    Threads {
        /// Requested number of threads.
        threads: usize,
        /// Message of the operating system.
        message: String,
    },
}

/// Prepares every image into the cache and returns their rows in input order.
///
/// `threads` images are prepared at a time (0: one per core), and each uses the threads that the others leave
/// idle. So memory is bounded by the number of threads, not of images, and the last image still uses all
/// cores. `progress` is called with each finished row, in order of completion. The row of an image that cannot
/// be prepared has the reason; the other images are prepared. Several processes may share a cache: images
/// that another process is preparing come last.
///
/// # Errors
/// [`PrepareError`] when the cache folder cannot be written or no thread can be started. A full disk stops the
/// preparation; finished series stay in the cache.
pub fn prepare_all(
    images: &[&Image],
    settings: &Settings,
    cache_folder: &Path,
    progress: &(dyn Fn(&Row) + Sync),
    threads: usize,
) -> Result<Vec<Row>, PrepareError> {
    lungs_base::files::remove_stale_temporaries(cache_folder);
    // An unwritable folder fails here once, instead of for every series.
    lungs_base::files::write_bytes(&cache_folder.join("CACHEDIR.TAG"), CACHE_TAG)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores } else { threads };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| PrepareError::Threads { threads, message: error.to_string() })?;
    let cache = Cache { folder: cache_folder, settings };
    let context = Context { cache: &cache, readers: &pool };

    let queue = Queue::new(images.len());
    let rows: Mutex<Vec<Option<Row>>> = Mutex::new(vec![None; images.len()]);
    // Plain threads prepare series, the pool reads slices for them. If series were tasks of the pool
    // too, a thread that waits for its slices would begin another series in the meantime.
    std::thread::scope(|scope| {
        for _ in 0..threads.min(images.len()) {
            scope.spawn(|| {
                while let Some((index, if_locked)) = queue.next() {
                    let image = images[index];
                    match prepare_guarded(image, &context, if_locked) {
                        Ok(Some(row)) => {
                            progress(&row);
                            lock(&rows)[index] = Some(row);
                        }
                        Ok(None) => queue.postpone(index),
                        Err(error) => queue.stop(error),
                    }
                }
            });
        }
    });
    match queue.into_error() {
        Some(error) => Err(error.into()),
        None => Ok(std::mem::take(&mut *lock(&rows)).into_iter().flatten().collect()),
    }
}

/// Data shared by all workers.
struct Context<'a> {
    cache: &'a Cache<'a>,
    readers: &'a rayon::ThreadPool,
}

/// The images that are not prepared yet, by index.
struct Queue {
    images: usize,
    next: AtomicUsize,
    /// Images that another process was preparing.
    postponed: Mutex<Vec<usize>>,
    /// The error that stops the queue.
    error: Mutex<Option<WriteError>>,
}

impl Queue {
    fn new(images: usize) -> Self {
        let (postponed, error) = (Mutex::default(), Mutex::default());
        Self { images, next: AtomicUsize::new(0), postponed, error }
    }

    /// The next image, and what to do when another process has its lock.
    fn next(&self) -> Option<(usize, IfLocked)> {
        if lock(&self.error).is_some() {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index < self.images {
            return Some((index, IfLocked::Postpone));
        }
        lock(&self.postponed).pop().map(|index| (index, IfLocked::Wait))
    }

    fn postpone(&self, index: usize) {
        lock(&self.postponed).push(index);
    }

    fn stop(&self, error: WriteError) {
        lock(&self.error).get_or_insert(error);
    }

    fn into_error(self) -> Option<WriteError> {
        lock(&self.error).take()
    }
}

/// What to do with an image that another process has locked.
#[derive(Clone, Copy, PartialEq)]
enum IfLocked {
    Postpone,
    Wait,
}

/// Locks a mutex. A panic of another thread does not invalidate the data, which are always replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Marks folders that backups may leave out (see <https://bford.info/cachedir/>).
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # Prepared series of `lungs`; may be deleted at any time, costs only time.\n";

/// Prepares one image or returns it from the cache; a panic becomes the reason of its row. `None` when another
/// process has the image's lock.
fn prepare_guarded(
    image: &Image,
    context: &Context,
    if_locked: IfLocked,
) -> Result<Option<Row>, WriteError> {
    let start = Instant::now();
    let work = catch_unwind(AssertUnwindSafe(|| prepare_cached(image, context, if_locked)));
    let row = work.unwrap_or_else(|panic| {
        let refusal = Refusal::Defect { message: panics::message(panic.as_ref()) };
        Ok(Some(Row::new(image, &Facts::default(), Some(&refusal))))
    });
    Ok(row?.map(|row| {
        let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Row { seconds, ..row }
    }))
}

fn prepare_cached(
    image: &Image,
    context: &Context,
    if_locked: IfLocked,
) -> Result<Option<Row>, WriteError> {
    let cache = context.cache;
    let mut row = match cache.lookup(image) {
        Some(row) => row,
        None => {
            let path = cache.lock_path(image);
            let cache_lock = match if_locked {
                IfLocked::Postpone => CacheLock::try_acquire(&path),
                IfLocked::Wait => CacheLock::acquire(&path),
            };
            // On a file system without locks, an image may be prepared twice, which is harmless.
            if matches!(cache_lock, Ok(None)) {
                return Ok(None);
            }
            // Another process may have finished the image just before the lock was acquired.
            match cache.lookup(image) {
                Some(row) => row,
                None => prepare_read(image, context)?,
            }
        }
    };
    // The cache is keyed by content; the name of a volume file and the labels may have changed.
    row.patient_id.clone_from(&image.patient_id);
    row.exam_id.clone_from(&image.exam_id);
    row.series_uid.clone_from(&image.series_uid);
    Ok(Some(row))
}

/// The row from the cache entry of the image's content, or of the image prepared now.
fn prepare_read(image: &Image, context: &Context) -> Result<Row, WriteError> {
    let (cache, settings) = (context.cache, context.cache.settings);
    let mut facts = Facts::default();
    let read = usable_grid(image, settings).and_then(|grid| {
        facts.grid = Some(grid);
        context.readers.install(|| read(image, &grid, settings))
    });
    let (volume, series) = match read {
        Ok(read) => read,
        Err(refusal) => return Ok(Row::new(image, &facts, Some(&refusal))),
    };
    let inputs = inputs_text(&series);
    facts.series = Some(series);
    let row = match cache.load(&inputs) {
        Some(row) => row,
        None => match make(image, volume, settings) {
            Ok(Product { prepared, picture, crop }) => {
                facts.crop = Some(crop);
                let row = Row { new: true, ..Row::new(image, &facts, None) };
                cache.store(&inputs, row, Some((&prepared, &picture)))?
            }
            Err(refusal) => {
                let row = Row { new: true, ..Row::new(image, &facts, Some(&refusal)) };
                if !refusal.is_reproducible() {
                    return Ok(row);
                }
                cache.store(&inputs, row, None)?
            }
        },
    };
    cache.index(image, &inputs)?;
    Ok(row)
}

#[cfg(test)]
#[path = "all_tests.rs"]
mod tests;
