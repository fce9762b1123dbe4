//! Time and memory for an archive of the size of the National Lung Screening Trial: `just bench scale`, or
//! `just bench scale SERIES FILES`.
//!
//! First the labels: synthetic tables of both arms of the trial (53,452 patients), and the index of an
//! archive (965,407 series, 203,087 of them from the trial), as `lungs cohort nlst` reads them.
//!
//! Then the cohort: a synthetic index of the trial's series in the Imaging Data Commons (26,254 patients,
//! 73,113 exams, 203,087 series) passes through labels, selection, split, tables and planning; then epochs
//! over 75,000 exams are ordered. No image files exist. FILES is the number of files per series.
//!
//! Prints the seconds of each stage, and the peak memory of this process so far.

use lungs::nlst;
use lungs::pipeline::split_check;
use lungs::plan::plan;
use lungs_image::codes::{Exclusion, ExclusionCode};
use lungs_image::images::{Grid, Image, ImageFile, Kind, ScanResult};
use lungs_image::volume::Geometry;
use lungs_net::device;
use lungs_net::usage::peak_memory_bytes;
use lungs_spec::results::write_csv;
use lungs_spec::spec::{Overrides, Sampling, Spec, load};
use lungs_study::cohort::{self, Cohort, Labels};
use lungs_train::epoch_order;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const PATIENTS: usize = 26_254;
const EXAMS: usize = 73_113;
const SERIES: usize = 203_087;
/// Patients of both arms.
const PATIENTS_OF_BOTH_ARMS: usize = 53_452;
/// Series of the archive, including the trial's.
const ARCHIVE: usize = 965_407;
/// Exams of a training epoch.
const CROPS: usize = 75_000;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let series = numbers.next().unwrap_or(SERIES);
    let files = numbers.next().unwrap_or(1);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let spec = spec(folder.path());
    println!("peak memory at the start {} MB", peak_memory_bytes().unwrap_or(0) >> 20);
    label(folder.path());

    let found = stage("make the index", || index(series, files));
    let labels = stage("read the labels", || {
        let path = spec.data.labels.as_deref().expect("the spec has labels");
        Labels::read_csv(path, &spec.data.root, &spec.outcome).expect("the labels are valid")
    });
    let mut cohort = stage("choose one series per exam", || {
        cohort::select_from_images(&spec, found, &labels).expect("series and labels meet")
    });
    drop(labels);
    stage("split", || cohort::assign(&mut cohort, &spec).expect("there are enough patients"));
    println!("  {} rows, {} chosen", cohort.rows.len(), cohort.chosen.len());
    println!("  {}", split_check(&cohort.rows));
    let table = folder.path().join("cohort.csv");
    stage("write cohort.csv", || write_csv(&table, &cohort.rows).expect("a folder to write in"));
    stage("read cohort.csv", || {
        let rows = cohort::read_cohort(&table).expect("the table is valid");
        cohort::check_splits(&rows).expect("no patient is in two splits");
    });
    stage("plan", || print_plan(&spec, &cohort));
    stage("exclude 2000 of the chosen", || {
        let rows = cohort.chosen.iter().step_by(36);
        let told =
            rows.map(|(row, _)| (*row, Exclusion::new(ExclusionCode::NoLungs, "for the bench")));
        let assert_error = told.collect();
        cohort.exclude(assert_error);
    });
    drop(cohort);

    let positive: Vec<bool> = (0..CROPS).map(|exam| exam % 70 == 0).collect();
    for (name, sampling) in
        [("order 37 epochs", Sampling::Shuffle), ("order 37, balanced", Sampling::Balanced)]
    {
        stage(name, || {
            let batches: usize =
                (1..=37).map(|epoch| epoch_order(&positive, sampling, 2, 37, epoch).len()).sum();
            assert_eq!(batches, 37 * CROPS.div_ceil(2));
        });
    }
}

/// Writes tables and an index, and labels the trial's exams from them.
fn label(folder: &Path) {
    let tables = folder.join("nlst");
    stage("write tables and index", || write_tables(&tables));
    let read =
        stage("read the tables", || nlst::read_tables(&tables).expect("the tables are valid"));
    let inventory = stage("read the archive's index", || {
        nlst::inventory_from_index(&tables.join("index.csv")).expect("the index is valid")
    });
    let labelled = stage("label", || nlst::label(&read, inventory, &nlst::Rules::default()));
    println!("  {} exams labelled, {} excluded", labelled.rows.len(), labelled.exclusions.len());
}

fn write_tables(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder to write in");
    let mut persons =
        "pid,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days,age,gender\n".to_owned();
    for person in 0..PATIENTS_OF_BOTH_ARMS {
        let cancer = if person % 26 == 0 { (person % 2000).to_string() } else { ".N".to_owned() };
        let _ = writeln!(persons, "{},5,370,735,{cancer},2400,61,1", 100_000 + person);
    }
    std::fs::write(folder.join("nlst_prsn.csv"), persons).expect("a folder to write in");
    let mut index = "collection_id,PatientID,StudyInstanceUID,SeriesInstanceUID,StudyDate,Modality,\
        SeriesDescription,Manufacturer,instanceCount,series_size_MB,crdc_series_uuid,series_aws_url\n"
        .to_owned();
    for number in 0..ARCHIVE {
        let exam = number % EXAMS;
        let collection = if number < SERIES { "nlst" } else { "another" };
        let _ = writeln!(
            index,
            "{collection},{},{},{},{}-01-02,CT,\"{},OPA,GE,LSULT,STANDARD,380,2.5,120,60,44.4,1.4\",\
             GE MEDICAL SYSTEMS,120,63.2,{number:036x},s3://idc-open-data/{number:036x}/*",
            patient(exam),
            exam_uid(exam),
            series_uid(number),
            1999 + exam / PATIENTS,
            exam / PATIENTS,
        );
    }
    std::fs::write(folder.join("index.csv"), index).expect("a folder to write in");
}

fn series_uid(number: usize) -> String {
    format!("1.2.840.113654.2.55.{:032}", number as u128 * 0xD1B5_4A32_D192_ED03)
}

/// Runs the work, and prints its time and the peak memory.
fn stage<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!(
        "{name:>28}: {:6.2} s, peak {} MB",
        start.elapsed().as_secs_f64(),
        peak_memory_bytes().unwrap_or(0) >> 20
    );
    result
}

/// A spec with a labels file for every exam.
fn spec(folder: &Path) -> Spec {
    let mut labels = "patient_id,exam_id,label,age,sex,days_to_cancer\n".to_owned();
    for exam in 0..EXAMS {
        let (label, age) = (u8::from(exam % 70 == 0), 55 + exam % 20);
        let sex = if exam % 5 < 2 { "F" } else { "M" };
        let _ = writeln!(labels, "{},{},{label},{age},{sex},", patient(exam), exam_uid(exam));
    }
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(path("labels.csv"), labels).expect("a folder to write in");
    let text = format!(
        "[data]\nroot = {:?}\nlabels = {:?}\n[data.select]\nmax_slice_spacing_mm = 2.5\n",
        path("ct"),
        path("labels.csv")
    );
    std::fs::write(path("spec.toml"), text).expect("a folder to write in");
    load(Path::new(&path("spec.toml")), &Overrides::default()).expect("the spec is valid")
}

fn patient(exam: usize) -> String {
    format!("{}", 100_000 + exam % PATIENTS)
}

fn exam_uid(exam: usize) -> String {
    format!("1.2.840.113654.2.55.{:032}", exam as u128 * 0x9E37_79B9_7F4A_7C15)
}

/// Every series as a walk over the archive would have it.
fn index(series: usize, files: usize) -> ScanResult {
    let kernels = ["STANDARD", "B30f", "B50f", "BONE", "C", "FC51", "LUNG"];
    let makers = ["GE MEDICAL SYSTEMS", "SIEMENS", "Philips", "TOSHIBA"];
    let image = |number: usize| {
        let exam = number % EXAMS;
        let slices = 90 + number % 120;
        let slice_spacing_mm = [1.25, 2.0, 2.5, 3.2][number / 7 % 4];
        let uid = series_uid(number);
        let path = Path::new("/archive/nlst").join(format!("{:032x}", number as u128 * 0x9E37));
        let shared: Arc<Path> = Arc::from(path.as_path());
        let file = |slice: usize| ImageFile {
            folder: shared.clone(),
            name: format!("{:08x}-{slice:04}-4f0e-9f41-0123456789ab.dcm", number).into(),
            bytes: 526_000,
            modified_ns: 1_700_000_000_000_000_000,
            changed_ns: 1_700_000_000_000_000_000,
        };
        let geometry = Geometry {
            spacing_mm: [slice_spacing_mm, 0.7, 0.7],
            origin_mm: [0.0; 3],
            axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        };
        Image {
            kind: Kind::Dicom,
            series_uid: uid,
            patient_id: patient(exam),
            exam_id: exam_uid(exam),
            study_date: format!("{}0102", 1999 + exam / PATIENTS),
            kernel: kernels[number % kernels.len()].to_owned(),
            manufacturer: makers[number % makers.len()].to_owned(),
            acquisition: Default::default(),
            slices,
            grid: Ok(Grid { geometry, slices, rows: 512, columns: 512, slice_spacing_mm }),
            files: (0..files).map(file).collect(),
            flags: Vec::new(),
            excluded: Vec::new(),
            path,
        }
    };
    ScanResult { images: (0..series).map(image).collect(), ..ScanResult::default() }
}

/// Prints the estimates for a run over the archive.
fn print_plan(spec: &Spec, cohort: &Cohort) {
    let devices = device::open_all(&["cpu".to_owned()]).expect("the CPU is available");
    let plan = plan(spec, Some(cohort), &devices).expect("the network is valid");
    let hours = |seconds: Option<f64>| seconds.unwrap_or_default() / 3600.0;
    println!(
        "  preparation {:.1} h on this machine, {:.2} TB of prepared volumes",
        hours(plan.preparation_seconds),
        plan.cache_bytes.unwrap_or_default() / 1e12
    );
}
