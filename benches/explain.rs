//! How often the peak of a heatmap lies in the nodule, on the synthetic cohort of a run:
//! `just bench explain RUN EXAMS`, in the folder to which the spec's paths are relative. Occlusion,
//! which is slow, is measured on EXAMS evenly spaced exams (default 12).
//!
//! For each method: the share of true positives (validation exams with cancer and p ≥ 0.5) whose peak
//! lies within the cancer, the median distance of the peak from the centre in radii, and seconds per
//! exam. docs/explain.md has the results.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use lungs::pipeline::cache_folder;
use lungs_image::volume::{Field, Window};
use lungs_net::explain::{CamKind, InputVolume, Length, Method, heatmap};
use lungs_net::model::{Explained, Network, inspected_layers, levels};
use lungs_phantom::Truth;
use lungs_spec::results::{RunFolder, Table, read_csv};
use lungs_spec::spec::{Spec, SplitName};
use lungs_study::cohort::read_cohort;
use lungs_study::prepare::{Row, load_prepared};
use lungs_train::{self as training, Exam};

/// What the network sees, and what is true of it.
type Case = (InputVolume, Truth);

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(run) = arguments.first() else {
        println!("give a run on a synthetic cohort: just bench explain results/demo");
        return;
    };
    let occlusion_exams: usize =
        arguments.get(1).and_then(|count| count.parse().ok()).unwrap_or(12);
    let run = RunFolder::find(Path::new(run)).expect("a run");
    let spec = run.spec().expect("a spec");
    let device = Device::flex().autodiff();
    let epoch = training::selected_epoch_of(&run).expect("a run").expect("a trained epoch");
    let network = training::trained_network(&spec, &run, epoch, &device).expect("weights");
    let network = network.for_inspection();
    let cases = true_positives(&spec, &run, &network);

    let camera = |camera, layers: &[String]| Method::Cam { kind: camera, layers: layers.to_vec() };
    for kind in [CamKind::GradCam, CamKind::HiResCam] {
        measure(
            &format!("{kind:?}, {}", levels(network.architecture()).join(" + ")),
            &camera(kind, &[]),
            &network,
            &cases,
        );
        for layer in inspected_layers(network.architecture()) {
            measure(&format!("{kind:?}, {layer}"), &camera(kind, &[layer]), &network, &cases);
        }
    }
    let step = cases.len().div_ceil(occlusion_exams.max(1)).max(1);
    let cases: Vec<Case> = cases.into_iter().step_by(step).collect();
    for (size, stride) in [(40.0, 20.0), (30.0, 15.0), (20.0, 10.0)] {
        let [size, stride] = [size, stride].map(Length::Millimetres);
        let method = Method::Occlusion { size, stride, batch: 4 };
        let name = format!("occlusion, {size} every {stride} ({} exams)", cases.len());
        measure(&name, &method, &network, &cases);
    }
}

fn true_positives(spec: &Spec, run: &RunFolder, network: &Network) -> Vec<Case> {
    let truth: Vec<Truth> = read_csv(&spec.data.root.join("truth.csv")).expect("truth.csv");
    let truth: BTreeMap<_, _> = truth.into_iter().map(|t| (t.series_uid.clone(), t)).collect();
    let cohort = read_cohort(&run.table(Table::Cohort)).expect("cohort.csv");
    let prepared: Vec<Row> = read_csv(&run.table(Table::Preparation)).expect("preparation.csv");
    let crops: BTreeMap<_, _> = prepared
        .iter()
        .map(|row| (&row.series_uid, cache_folder(spec).join(&row.cache_file)))
        .collect();
    let exams: Vec<Exam> = cohort
        .iter()
        .filter(|row| row.chosen && row.split == Some(SplitName::Valid) && row.label == Some(true))
        .map(|row| Exam {
            patient_id: row.patient_id.clone(),
            exam_id: row.exam_id.clone(),
            series_uid: row.series_uid.clone(),
            label: true,
            follow_up: None,
            crop: crops[&row.series_uid].clone(),
        })
        .collect();
    let logits = training::score(&network.valid(), spec, &exams, &[Device::flex()], &|_| ());
    let positives: Vec<&Exam> = logits
        .expect("logits")
        .iter()
        .filter(|logits| logits.probability() >= 0.5)
        .map(|logits| &exams[logits.exam])
        .collect();
    println!("{} true positives of {} exams with cancer", positives.len(), exams.len());
    let window = Window {
        amplitude: 1.0,
        lower_hu: spec.preprocess.window.lower_hu as f32,
        upper_hu: spec.preprocess.window.upper_hu as f32,
    };
    let case = |exam: &&Exam| {
        let crop = load_prepared(&exam.crop).expect("a crop").volume;
        let volume = crop.hu.mapv(|hu| window.value(hu));
        let channels = spec.model.channels;
        (
            InputVolume {
                volume,
                channels,
                geometry: crop.geometry,
                explained: Explained::Classes,
            },
            truth[&exam.series_uid].clone(),
        )
    };
    positives.iter().map(case).collect()
}

fn measure(name: &str, method: &Method, network: &Network, cases: &[Case]) {
    let start = Instant::now();
    let device = Device::flex();
    let mut radii: Vec<f64> = cases
        .iter()
        .map(|(seen, truth)| {
            distance_in_radii(&heatmap(network, seen, method, &device).expect("a map"), truth)
        })
        .collect();
    let seconds = start.elapsed().as_secs_f64() / cases.len().max(1) as f64;
    radii.sort_by(f64::total_cmp);
    let within = radii.iter().filter(|radius| **radius <= 1.0).count();
    println!(
        "{name:62} {:5.1} % within, median {:.2} radii, {seconds:.2} s",
        100.0 * within as f64 / radii.len().max(1) as f64,
        radii.get(radii.len() / 2).copied().unwrap_or(f64::NAN),
    );
}

/// The distance of the heatmap's peak from the cancer's centre, in radii of the cancer.
fn distance_in_radii(field: &Field, truth: &Truth) -> f64 {
    let Some(peak) = field.peak_mm() else { return f64::INFINITY };
    let centre = [truth.cancer_x_mm, truth.cancer_y_mm, truth.cancer_z_mm];
    let squares =
        peak.iter().zip(centre).map(|(peak, centre)| (peak - centre.unwrap_or(f64::NAN)).powi(2));
    squares.sum::<f64>().sqrt() / (truth.cancer_diameter_mm.unwrap_or(f64::NAN) / 2.0)
}
