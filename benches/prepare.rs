//! Time and memory of the stages of preparation, for a folder of series: `just bench prepare DIR`.
//! Without a folder, for four synthetic exams of 512×512 pixels, one of about 300 slices.
//!
//! Prints wall and processor seconds of each stage (the best of five), and the peak memory at the end.
//! `--profile dev` measures the profile of the tests.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lungs_image::dicom::{HuRule, StackRules};
use lungs_image::images::{Image, ImageFile, Scanner, read_volume, scan};
use lungs_image::volume::{Grid, Interpolation, resample, segment_lungs};
use lungs_phantom::{PhantomPlan, write_cohort};
use lungs_study::prepare::{Settings, Status, load_prepared, prepare_all, prepare_image};

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let synthetic = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.map(PathBuf::from).unwrap_or_else(|| full_size_exams(synthetic.path()));
    let found = scan(&folder).expect("the folder can be read");
    let files: usize = found.images.iter().map(|image| image.files.len()).sum();
    println!("{} images, {files} files, {} other", found.images.len(), found.skipped.files());
    let headers = measure("scan headers, 50 times", || {
        (0..50).map(|_| scan(&folder).map(|found| found.images.len()).ok()).sum()
    });
    println!("{:>24}  {:.0} files per core-second", "", 50.0 * files as f64 / headers.cpu);

    let indexed = tempfile::tempdir().expect("a temporary folder can be made");
    let rescan = || {
        let mut scanner = Scanner::with_index(indexed.path());
        let found = scanner.scan(&folder).ok()?;
        scanner.save().ok().map(|()| found.images.len())
    };
    rescan();
    measure("scan by the index, 50 times", || (0..50).map(|_| rescan()).sum());

    let mut bytes = vec![0; 64 << 20];
    measure("read the bytes once", || {
        use std::io::Read;
        let mut total = 0;
        for ImageFile { folder, name, bytes: length, .. } in
            found.images.iter().flat_map(|image| &image.files)
        {
            let mut file = std::fs::File::open(folder.join(name)).ok()?;
            let buffer = bytes.get_mut(..*length as usize)?;
            file.read_exact(buffer).ok()?;
            total += length;
        }
        Some(total as usize)
    });
    for image in &found.images {
        println!("series {} ({} slices)", image.series_uid, image.slices);
        stages(image);
    }

    let all: Vec<&Image> = found.images.iter().collect();
    let settings = Settings::default();
    let cache = tempfile::tempdir().expect("a temporary folder can be made");
    let prepare = |threads| prepare_all(&all, &settings, cache.path(), &|_| (), threads).ok();
    let run = || prepare(0);
    println!("all series");
    let cold = |threads| {
        std::fs::remove_dir_all(cache.path()).ok()?;
        prepare(threads).map(|rows| rows.len())
    };
    let one = measure("cold cache, one thread", || cold(1));
    let all_cores = measure("cold cache, every core", || cold(0));
    println!("{:>24}  {:.2} times as fast", "", one.wall / all_cores.wall);
    let slices: usize = all.iter().map(|image| image.slices).sum();
    println!(
        "{:>24}  {:.2} core-seconds per 300 slices",
        "",
        all_cores.cpu * 300.0 / slices as f64
    );
    println!("peak memory {:.0} MB", status("VmHWM:") / 1024.0);
    measure("prepare, nothing changed", || run().map(|rows| rows.len()));
    let rows = run().unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| row.status == Status::Prepared) {
        let path = cache.path().join(&row.cache_file);
        measure("load one crop", || load_prepared(&path).map(|crop| crop.volume.hu.len()).ok());
    }
}

/// Synthetic exams of realistic size.
fn full_size_exams(folder: &Path) -> PathBuf {
    let plan = PhantomPlan {
        exams_per_patient: [1, 1],
        extra_series_fraction: 0.0,
        slice_gap_mm: [1.0, 1.2],
        ..PhantomPlan::full_size()
    };
    let folder = folder.join("ct");
    write_cohort(&folder, &plan, |_, _| ()).expect("a synthetic cohort can be written");
    folder
}

/// Measures the stages of preparing one series.
fn stages(image: &Image) {
    let read = || read_volume(image, HuRule::Standard, StackRules::default()).ok();
    measure("read volume", || read().map(|(volume, _)| volume.hu.len()));
    let Some((volume, _)) = read() else { return };
    let resampled = || resample(&volume, [1.5; 3], Interpolation::Cubic, Grid::Physical).ok();
    measure("resample", || resampled().map(|volume| volume.hu.len()));
    let Some(resampled) = resampled() else { return };
    measure("segment lungs", || segment_lungs(&resampled).map(|lungs| lungs.mask.count()).ok());
    drop((volume, resampled));
    measure("prepare in memory", || prepare_image(image, &Settings::default()).row.slices);
}

/// Wall time and processor time.
struct Seconds {
    wall: f64,
    cpu: f64,
}

/// Runs the work five times; prints and returns the shortest times.
fn measure(name: &str, mut work: impl FnMut() -> Option<usize>) -> Seconds {
    let mut best = Seconds { wall: f64::INFINITY, cpu: f64::INFINITY };
    for _ in 0..5 {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        black_box(work());
        best.wall = best.wall.min(start.elapsed().as_secs_f64());
        best.cpu = best.cpu.min(cpu_seconds() - cpu);
    }
    println!("{name:>24}: {:7.3} s wall, {:7.3} core-seconds", best.wall, best.cpu);
    best
}

/// User and system time of this process in seconds (Linux; resolution 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

/// A value of `/proc/self/status` in kB.
fn status(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
