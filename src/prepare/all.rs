//! Many images at once: as many in work as there are threads, results in the order given.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::files::WriteError;
use crate::images::Image;

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

    let queue = Queue::new(images.len());
    let rows: Mutex<Vec<Option<Row>>> = Mutex::new(vec![None; images.len()]);
    // Plain threads hold the series, the pool does the work: were the series tasks of the pool
    // too, a thread that waits for its slices would begin further series in the meantime.
    std::thread::scope(|scope| {
        for _ in 0..threads.min(images.len()) {
            scope.spawn(|| {
                while let Some((place, patience)) = queue.next() {
                    let image = images[place];
                    match pool.install(|| prepare_guarded(image, &cache, patience)) {
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
    cache: &Cache,
    patience: Patience,
) -> Result<Option<Row>, WriteError> {
    let start = Instant::now();
    let work = catch_unwind(AssertUnwindSafe(|| prepare_cached(image, cache, patience)));
    let row = work.unwrap_or_else(|panic| {
        let mut row = empty_row(image);
        refuse(&mut row, &Refusal::Defect { message: panic_text(panic.as_ref()) });
        Ok(Some(row))
    });
    Ok(row?.map(|row| {
        let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Row { seconds, ..row }
    }))
}

fn prepare_cached(
    image: &Image,
    cache: &Cache,
    patience: Patience,
) -> Result<Option<Row>, WriteError> {
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
                    fill(image, cache, &mut row)?;
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
fn fill(image: &Image, cache: &Cache, row: &mut Row) -> Result<(), WriteError> {
    let (volume, facts) = match read(image, cache.settings, row) {
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

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::testing::{TestSlice, write_series};
    use crate::images::scan;
    use crate::prepare::{Limits, Status, load_prepared};
    use std::fs;
    use std::path::PathBuf;

    const SIDE: u16 = 72;
    const SLICES: i32 = 60;

    /// A body with two lungs, 5 mm voxels: an ellipse of water in air, two smaller ones inside.
    fn chest(uid: &str) -> Vec<TestSlice> {
        let inside = |x: f64, y: f64, z: f64, centre: [f64; 3], radius: [f64; 3]| {
            let part = |value: f64, axis: usize| ((value - centre[axis]) / radius[axis]).powi(2);
            part(x, 0) + part(y, 1) + part(z, 2) < 1.0
        };
        (0..SLICES)
            .map(|number| {
                let mut slice = TestSlice::axial(number);
                slice.series_uid = uid.to_owned();
                (slice.rows, slice.columns, slice.spacing) = (SIDE, SIDE, [5.0, 5.0]);
                slice.position = [-180.0, -180.0, 5.0 * f64::from(number)];
                slice.pixels = (0..SIDE * SIDE)
                    .map(|pixel| {
                        let x = 5.0 * f64::from(pixel % SIDE) - 180.0;
                        let y = 5.0 * f64::from(pixel / SIDE) - 180.0;
                        let z = 5.0 * f64::from(number) - 150.0;
                        let lung = inside(x, y, z, [-75.0, 0.0, 0.0], [55.0, 75.0, 110.0])
                            || inside(x, y, z, [75.0, 0.0, 0.0], [55.0, 75.0, 110.0]);
                        let body = inside(x, y, 0.0, [0.0; 3], [165.0, 120.0, 1.0]);
                        match (body, lung) {
                            (true, true) => -850,
                            (true, false) => 40,
                            (false, _) => -1000,
                        }
                    })
                    .collect();
                slice
            })
            .collect()
    }

    fn settings() -> Settings {
        Settings {
            spacing_mm: [5.0; 3],
            size: [48, 40, 56],
            limits: Limits { min_slices: 20, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 },
            ..Settings::default()
        }
    }

    /// A good series, one of another modality, one with a file cut short, another good one.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_series(&folder.path().join("a"), &chest("1.1"));
        let mut other = chest("1.2");
        other.iter_mut().for_each(|slice| slice.modality = "MR".to_owned());
        write_series(&folder.path().join("b"), &other);
        write_series(&folder.path().join("c"), &chest("1.3"));
        let cut = folder.path().join("c/image-003-1.3");
        let whole = fs::read(&cut).unwrap();
        fs::write(&cut, &whole[..whole.len() - 1000]).unwrap();
        let mut shifted = chest("1.4");
        shifted.iter_mut().for_each(|slice| slice.pixels.rotate_left(4));
        write_series(&folder.path().join("d"), &shifted);
        folder
    }

    fn prepare(folder: &Path, cache: &Path, threads: usize) -> Vec<Row> {
        let found = scan(folder).unwrap();
        let images: Vec<&Image> = found.images.iter().collect();
        let mut rows = prepare_all(&images, &settings(), cache, &|_| (), threads).unwrap();
        rows.iter_mut().for_each(|row| (row.seconds, row.new) = (0.0, false));
        rows
    }

    fn files(cache: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = walkdir::WalkDir::new(cache)
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(cache).unwrap().to_owned();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn every_series_gets_its_row_in_order_and_a_bad_one_stops_nobody() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let rows = prepare(folder.path(), cache.path(), 2);
        let codes: Vec<_> =
            rows.iter().map(|row| (row.series_uid.as_str(), row.code.as_str())).collect();
        assert_eq!(codes, [("1.1", ""), ("1.2", "not-ct"), ("1.3", "truncated"), ("1.4", "")]);
        let good = &rows[0];
        assert_eq!((good.status, good.slices), (Status::Prepared, Some(60)));
        // Two ellipsoids of 4/3·π·55·75·110 mm³ = 1901 ml each.
        for found_ml in [good.lung_left_ml, good.lung_right_ml] {
            assert!((found_ml.unwrap() - 1901.0).abs() < 120.0, "{found_ml:?}");
        }
        let crop = load_prepared(&cache.path().join(&good.cache_file)).unwrap();
        assert_eq!(crop.volume.hu.dim(), (48, 40, 56));
        // The middle between the lungs, in the patient and in the crop.
        let middle = crop.volume.geometry.position_mm([24.0, 20.0, 28.0]);
        for (found, truth) in middle.iter().zip([0.0, 0.0, 150.0]) {
            assert!((found - truth).abs() <= 7.5, "{middle:?}");
        }
        assert!(cache.path().join(&good.cache_file).with_extension("png").is_file());
    }

    #[test]
    fn rows_and_files_do_not_depend_on_threads() {
        let folder = folder();
        let caches = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let one = prepare(folder.path(), caches[0].path(), 1);
        assert_eq!(one, prepare(folder.path(), caches[1].path(), 4));
        assert!(files(caches[0].path()) == files(caches[1].path()));
    }

    #[test]
    fn an_unchanged_folder_is_not_read_again() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let before = prepare(folder.path(), cache.path(), 2);
        // Change pixels behind the back of the index: same size, same time.
        let path = folder.path().join("a/image-003-1.1");
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(prepare(folder.path(), cache.path(), 2), before);
        // With the true time of change it is read, and has another key.
        let later = time + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        let after = prepare(folder.path(), cache.path(), 2);
        assert_ne!(after[0].cache_file, before[0].cache_file);
        assert_eq!(after[3], before[3]);
    }

    #[test]
    fn moved_files_find_their_entry_and_other_settings_do_not() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let before = prepare(folder.path(), cache.path(), 2);
        fs::rename(folder.path().join("a"), folder.path().join("z")).unwrap();
        let entry = cache.path().join(&before[0].cache_file).with_extension("json");
        let written = fs::metadata(&entry).unwrap().modified().unwrap();
        assert_eq!(prepare(folder.path(), cache.path(), 2), before);
        assert_eq!(fs::metadata(&entry).unwrap().modified().unwrap(), written);
        let found = scan(folder.path()).unwrap();
        let other = Settings { upper_hu: 300.0, ..settings() };
        let rows = prepare_all(&[&found.images[0]], &other, cache.path(), &|_| (), 1).unwrap();
        assert_ne!(rows[0].cache_file, before[0].cache_file);
    }

    #[test]
    fn damaged_entries_are_made_again() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let before = prepare(folder.path(), cache.path(), 2);
        let whole = files(cache.path());
        let npz = cache.path().join(&before[0].cache_file);
        let damage: [(&str, &[u8]); 3] = [("npz", b"PK"), ("json", b"{\"row\": "), ("json", b"{}")];
        for (extension, bytes) in damage {
            fs::write(npz.with_extension(extension), bytes).unwrap();
            assert_eq!(prepare(folder.path(), cache.path(), 2), before);
            assert!(files(cache.path()) == whole);
        }
        for extension in ["png", "npz"] {
            fs::remove_file(npz.with_extension(extension)).unwrap();
            prepare(folder.path(), cache.path(), 2);
            assert!(files(cache.path()) == whole);
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = prepare_all(&[], &settings(), &file, &|_| (), 1).unwrap_err();
        assert!(error.to_string().contains("CACHEDIR.TAG"), "{error}");
    }

    #[test]
    fn a_tilted_chest_is_put_straight_or_refused_as_the_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        let mut slices = chest("1.1");
        let (sin, cos) = 6_f64.to_radians().sin_cos();
        slices.iter_mut().for_each(|slice| slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, sin]);
        write_series(folder.path(), &slices);
        let found = scan(folder.path()).unwrap();
        let row = crate::prepare::prepare_series(&found.series[0], &settings()).row;
        assert_eq!((row.status, row.reason.as_str()), (Status::Prepared, ""));
        assert!(row.flags.starts_with("tilt-resheared"), "{}", row.flags);
        let gantry_tilt = crate::dicom::GantryTilt::Refuse;
        let stacks = crate::dicom::StackRules { gantry_tilt, ..settings().stacks };
        let refusing = Settings { stacks, ..settings() };
        let row = crate::prepare::prepare_series(&found.series[0], &refusing).row;
        assert_eq!(row.code, "gantry-tilt");
        assert!(row.reason.starts_with("gantry tilt of 6.0 degrees"), "{}", row.reason);
    }

    #[test]
    fn limits_refuse_with_the_value_found() {
        let folder = tempfile::tempdir().unwrap();
        write_series(folder.path(), &chest("1.1"));
        let found = scan(folder.path()).unwrap();
        let refused = |limits| {
            let settings = Settings { limits, ..settings() };
            crate::prepare::prepare_image(&found.images[0], &settings).row
        };
        let limits = settings().limits;
        let row = refused(Limits { min_slices: 61, ..limits });
        assert_eq!((row.code.as_str(), row.slices), ("too-few-slices", Some(60)));
        assert_eq!(row.reason, "60 slices, expected at least 61");
        let row = refused(Limits { max_slice_spacing_mm: 2.5, ..limits });
        assert_eq!(row.reason, "slices are 5.000 mm apart, expected at most 2.5 mm");
        let row = refused(Limits { min_lung_ml: 9000.0, ..limits });
        assert_eq!(row.code, "small-lungs");
    }
}
