//! Tests of complete cohorts: reproducible bytes, files that agree with the truth, and a task of moderate
//! difficulty.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::open_file;
use ndarray::s;
use rayon::prelude::*;

use super::*;

fn small() -> PhantomPlan {
    PhantomPlan {
        patients: 6,
        matrix: vec![48, 56],
        slice_gap_mm: [8.0, 10.0],
        extra_series_fraction: 0.6,
        ..PhantomPlan::default()
    }
}

fn no_progress(_: usize, _: usize) {}

/// Every file below `dir` with its hash.
fn contents(dir: &Path) -> BTreeMap<String, String> {
    walkdir::WalkDir::new(dir)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(dir).unwrap().display().to_string();
            (name, blake3::hash(&fs::read(entry.path()).unwrap()).to_string())
        })
        .collect()
}

#[test]
fn one_and_three_threads_write_the_same_bytes_and_no_other_files() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let dir = root.path().join(name);
        let truths = pool.install(|| write_cohort(&dir, &small(), no_progress)).unwrap();
        (truths, contents(&dir))
    };
    let (truths, files) = write("one", 1);
    assert!(files.len() > 100);
    assert_eq!((truths, files), write("three", 3));
    let other = PhantomPlan { seed: 38, ..small() };
    write_cohort(&root.path().join("other"), &other, no_progress).unwrap();
    assert_ne!(contents(&root.path().join("one")), contents(&root.path().join("other")));
    let mut remaining: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    remaining.sort();
    assert_eq!(remaining, ["one", "other", "three"], "no temporary folder remains");
}

#[test]
fn an_existing_cohort_is_reused_and_other_content_is_not_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cohort");
    fs::create_dir(&dir).unwrap();
    let truths = write_cohort(&dir, &small(), no_progress).unwrap();
    let before = contents(&dir);
    let again = write_cohort(&dir, &small(), |_, _| panic!("nothing must be rendered")).unwrap();
    assert_eq!(truths, again);
    assert_eq!(before, contents(&dir));

    let message = |plan: &PhantomPlan, dir: &Path| {
        let failure = write_cohort(dir, plan, no_progress).unwrap_err().to_string();
        failure.replace(&root.path().display().to_string(), "ROOT")
    };
    assert_eq!(
        message(&PhantomPlan { seed: 1, patients: 7, ..small() }, &dir),
        "ROOT/cohort contains another synthetic cohort: seed is 37, expected 1; patients is 6, \
         expected 7; choose another folder, the settings of the existing cohort, or, in a spec for your own \
         images, remove the table [data.phantom]"
    );
    assert_eq!(
        message(&small(), root.path()),
        "ROOT is not empty and contains no synthetic cohort (no phantom.json); choose a new or empty folder, \
         or, in a spec for your own images, remove the table [data.phantom]"
    );
    assert_eq!(
        message(&small(), &dir.join("labels.csv")),
        "ROOT/cohort/labels.csv is a file, expected a folder for the synthetic cohort"
    );
    fs::remove_dir_all(dir.join("P0001")).unwrap();
    assert!(message(&small(), &dir).contains("P0001-1/2-axial is missing; delete the cohort"));
    fs::write(dir.join("phantom.json"), "{").unwrap();
    assert!(message(&small(), &dir).starts_with("ROOT/cohort/phantom.json: "));
}

/// One slice, read with dicom-object.
struct ReadSlice {
    position: [f64; 3],
    instance: i32,
    hu: Vec<i32>,
}

fn read_slice(path: &Path) -> (dicom_object::DefaultDicomObject, ReadSlice) {
    let object = open_file(path).unwrap();
    let real = |tag| object.element(tag).unwrap().to_multi_float64().unwrap();
    let integer = |tag| object.element(tag).unwrap().to_int::<i32>().unwrap();
    let intercept = integer(tags::RESCALE_INTERCEPT);
    let signed = integer(tags::PIXEL_REPRESENTATION) == 1;
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let hu = bytes
        .chunks_exact(2)
        .map(|pair| {
            let bits = u16::from_le_bytes([pair[0], pair[1]]);
            intercept + if signed { i32::from(bits as i16) } else { i32::from(bits) }
        })
        .collect();
    let position = real(tags::IMAGE_POSITION_PATIENT);
    let slice = ReadSlice {
        position: [position[0], position[1], position[2]],
        instance: integer(tags::INSTANCE_NUMBER),
        hu,
    };
    (object, slice)
}

#[test]
fn files_contain_the_rendered_voxels_at_the_true_positions() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cohort");
    let plan = PhantomPlan { patients: 14, exams_per_patient: [1, 1], ..small() };
    let truths = write_cohort(&dir, &plan, no_progress).unwrap();
    let exams = plan.exams().unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for (truth, exam) in truths.iter().zip(&exams) {
        let rendered = render(exam);
        let mut slices = Vec::new();
        for entry in fs::read_dir(dir.join(&truth.folder)).unwrap() {
            let (object, slice) = read_slice(&entry.unwrap().path());
            let text = |tag| object.element(tag).unwrap().to_str().unwrap().into_owned();
            assert_eq!(text(tags::SERIES_INSTANCE_UID), truth.series_uid);
            assert_eq!(text(tags::PATIENT_ID), truth.patient_id);
            assert_eq!(text(tags::SOP_CLASS_UID), "1.2.840.10008.5.1.4.1.1.2");
            assert_eq!(text(tags::PATIENT_AGE), format!("{:03}Y", truth.age));
            let spacing = object.element(tags::PIXEL_SPACING).unwrap();
            assert_eq!(spacing.to_multi_float64().unwrap(), vec![truth.pixel_mm; 2]);
            let thickness = object.element(tags::SLICE_THICKNESS).unwrap();
            assert_eq!(thickness.to_float64().unwrap(), truth.thickness_mm);
            kinds.insert((
                object.meta().transfer_syntax().trim_end_matches('\0').to_owned(),
                text(tags::RESCALE_INTERCEPT),
                object.element(tags::PIXEL_PADDING_VALUE).ok().map(|e| e.vr().to_string()),
            ));
            slices.push(slice);
        }
        slices.sort_by(|a, b| a.position[2].total_cmp(&b.position[2]));
        assert_eq!(slices.len(), truth.slices);
        let rising = slices.windows(2).all(|pair| pair[0].instance < pair[1].instance);
        assert_eq!(rising, !exam.storage.from_head);
        for (depth, slice) in slices.iter().enumerate() {
            let expected = rendered.volume.geometry.position_mm([depth as f64, 0.0, 0.0]);
            assert!(slice.position.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
            let rendered = rendered.volume.hu.slice(s![depth, .., ..]);
            for (actual, expected) in slice.hu.iter().zip(rendered) {
                // Files have padding outside the circle of reconstruction.
                let padding = *actual < -1024 && *expected == -1024;
                assert!(padding || *actual == i32::from(*expected), "{actual} {expected}");
            }
        }
    }
    assert!(kinds.len() >= 5, "both transfer syntaxes, several pixel encodings: {kinds:?}");
}

#[test]
fn extra_series_are_written_and_uids_are_unique() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cohort");
    let plan = PhantomPlan { patients: 10, extra_series_fraction: 1.0, ..small() };
    write_cohort(&dir, &plan, no_progress).unwrap();
    let (mut instances, mut series) = (BTreeMap::new(), BTreeMap::new());
    for file in contents(&dir).keys().filter(|name| name.starts_with('P')) {
        let object = open_file(dir.join(file)).unwrap();
        let text = |tag| object.element(tag).unwrap().to_str().unwrap().into_owned();
        let uid = text(tags::SOP_INSTANCE_UID);
        assert!(uid.starts_with("2.25.") && uid.len() <= 64, "{uid}");
        assert!(instances.insert(uid, file.clone()).is_none(), "{file}");
        let folder = Path::new(file).parent().unwrap().to_owned();
        let known = series.entry(text(tags::SERIES_INSTANCE_UID)).or_insert(folder.clone());
        assert_eq!(*known, folder);
    }
    let ending = |end: &str| series.values().filter(|folder| folder.ends_with(end)).count();
    assert_eq!(ending("2-axial"), plan.exams().unwrap().len());
    assert_eq!(ending("1-localizer") + ending("3-thick"), ending("2-axial"));
    assert!(ending("1-localizer") > 0 && ending("3-thick") > 0);
    assert!(!dir.join("dicom").exists());
}

#[test]
fn labels_of_a_plan_with_follow_up_have_the_times_that_were_observed() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cohort");
    let plan = PhantomPlan { patients: 12, follow_up_years: Some(4.0), ..small() };
    let truths = write_cohort(&dir, &plan, no_progress).unwrap();
    let exams = plan.exams().unwrap();
    let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
    let header =
        "patient_id,exam_id,series_uid,label,days_to_event,days_followed,cancer_mm,sex,age,kernel";
    assert_eq!(labels.lines().next(), Some(header));
    let mut known = 0;
    for ((line, truth), exam) in labels.lines().skip(1).zip(&truths).zip(&exams) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[2], truth.series_uid);
        let (event, followed): (Option<u32>, u32) =
            (cells[4].parse().ok(), cells[5].parse().unwrap());
        assert_eq!(Some(followed), exam.days_followed);
        assert_eq!(event, exam.days_to_cancer.filter(|days| *days <= followed));
        assert_eq!(cells[3] == "1", event.is_some_and(|days| days <= 365));
        known += usize::from(event.is_some_and(|days| days > 365));
    }
    assert!(known > 0);
    let plan_text = fs::read_to_string(dir.join("phantom.json")).unwrap();
    assert!(plan_text.contains("\"follow_up_years\": 4.0"), "{plan_text}");
}

#[test]
fn labels_contain_every_exam_once() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cohort");
    let plan = PhantomPlan { patients: 10, positive_fraction: 0.3, ..small() };
    let truths = write_cohort(&dir, &plan, no_progress).unwrap();
    let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
    let mut lines = labels.lines();
    assert_eq!(
        lines.next().unwrap(),
        "patient_id,exam_id,series_uid,label,days_to_cancer,cancer_mm,sex,age,kernel"
    );
    assert_eq!(lines.count(), truths.len());
    for truth in &truths {
        let start = format!(
            "{},{},{},{},",
            truth.patient_id,
            truth.exam_id,
            truth.series_uid,
            u8::from(truth.label)
        );
        assert_eq!(labels.lines().filter(|line| line.starts_with(&start)).count(), 1);
        assert_eq!(truth.label, truth.cancer_kind.is_some());
        assert_eq!(truth.label, truth.days_to_cancer.is_some_and(|days| days <= 365));
        assert!(truth.cancer_diameter_mm.is_none_or(|mm| (13.0..28.0).contains(&mm)));
        assert!(truth.benign_diameter_mm.is_none_or(|mm| (4.0..9.01).contains(&mm)));
    }
    let mut with_cancer: Vec<&str> =
        truths.iter().filter(|t| t.label).map(|t| t.patient_id.as_str()).collect();
    with_cancer.dedup();
    assert_eq!(with_cancer.len(), 3);
}

/// AUC: the share of pairs of a positive and a negative in which the positive has the higher score.
fn auc(scores: &[(bool, f64)]) -> f64 {
    let of = |with_cancer: bool| scores.iter().filter(move |s| s.0 == with_cancer).map(|s| s.1);
    let pairs = of(true).flat_map(|p| of(false).map(move |n| (p, n)));
    let wins: f64 = pairs
        .map(|(p, n)| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    wins / (of(true).count() * of(false).count()) as f64
}

/// A simple detector: the maximum over the lungs of the minimum HU in a box of about 4 mm around a voxel,
/// away from the hila and the lungs' borders.
fn densest_ball(exam: &ExamPlan, volume: &lungs_image::volume::Volume) -> f64 {
    let hu = &volume.hu;
    let (slices, rows, columns) = hu.dim();
    let [gap, pixel, _] = exam.grid.spacing_mm;
    let (dz, dr) = ((4.0 / gap).round() as usize, (4.0 / pixel).round() as usize);
    let mut best = i16::MIN;
    for z in dz..slices - dz {
        for y in dr..rows - dr {
            for x in dr..columns - dr {
                if hu[[z, y, x]] <= best {
                    continue;
                }
                let p = exam.grid.body_point([z as f64, y as f64, x as f64]).map(|mm| mm as f32);
                let hilum = airways::hilum(&exam.body, Side::of(p[0]));
                if exam.body.lung_distance(p) > -6.0
                    || shapes::length(shapes::subtract(p, hilum)) < 36.0
                {
                    continue;
                }
                let ball = hu.slice(s![z - dz..=z + dz, y - dr..=y + dr, x - dr..=x + dr]);
                best = best.max(*ball.iter().min().unwrap_or(&i16::MIN));
            }
        }
    }
    f64::from(best)
}

#[test]
fn a_blob_detector_finds_the_nodule_but_simple_statistics_do_not() {
    let plan = PhantomPlan {
        patients: 80,
        exams_per_patient: [1, 1],
        matrix: vec![88],
        slice_gap_mm: [4.0, 5.0],
        ..PhantomPlan::default()
    };
    let exams = plan.exams().unwrap();
    let rows: Vec<(bool, [f64; 6])> = exams
        .par_iter()
        .map(|exam| {
            let RenderedExam { volume, lungs, .. } = render(exam);
            let [low, high] = lungs.voxels.unwrap();
            let box_hu = volume.hu.slice(s![low[0]..=high[0], low[1]..=high[1], low[2]..=high[2]]);
            let count = box_hu.len() as f64;
            let share = |low: i16, high: i16| {
                box_hu.iter().filter(|v| (low..high).contains(*v)).count() as f64 / count
            };
            let mean = box_hu.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            let volume_ml = lungs.right_ml + lungs.left_ml;
            let ball = densest_ball(exam, &volume);
            let age = f64::from(exam.age_years);
            let statistics = [ball, mean, volume_ml, share(-100, 100), share(-950, -700), age];
            (exam.cancer, statistics)
        })
        .collect();
    let by = |column: usize| {
        auc(&rows.iter().map(|(with_cancer, row)| (*with_cancer, row[column])).collect::<Vec<_>>())
    };
    assert!(by(0) > 0.8, "a blob detector finds most nodules: AUC {}", by(0));
    for column in 1..6 {
        assert!((0.3..0.7).contains(&by(column)), "statistic {column}: AUC {}", by(column));
    }
}
