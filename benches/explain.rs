//! How often the highest place of an explanation lies in the nodule, on the synthetic cohort of a
//! run: `just bench explain RUN` (from the folder that the run's spec speaks of).
//!
//! For each method: the share of true positives (validation exams with cancer and p ≥ 0.5) whose
//! peak is within the nodule, the median distance from its centre in radii, and seconds per exam.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use lungs::cohort::CohortRow;
use lungs::explain::{Camera, Field, Length, Method, Seen, look};
use lungs::model::inspected_layers;
use lungs::phantom::Truth;
use lungs::pipeline::cache_folder;
use lungs::prepare::{Row, load_prepared};
use lungs::results::{RunFolder, Table, read_csv};
use lungs::spec::Part;
use lungs::training::{self, Exam, Watch};
use lungs::volume::Window;

struct Silent;

impl Watch for Silent {
    fn epoch_begins(&self, _: usize, _: usize, _: usize, _: usize) {}
    fn batch_done(&self, _: usize, _: f64) {}
    fn validation_begins(&self, _: usize) {}
    fn exams_scored(&self, _: usize) {}
    fn epoch_ends(&self, _: &[lungs::results::MetricsRow], _: Option<usize>) {}
    fn note(&self, _: &str) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let run = RunFolder::find(Path::new(&arguments[0])).expect("give a run");
    let spec = run.spec().expect("a spec");
    let device = Device::flex().autodiff();
    let epoch = training::selected_epoch_of(&run).expect("a run").expect("a trained epoch");
    let network = training::trained_network(&spec, &run, epoch, &device).expect("weights");
    let network = network.for_inspection();

    let truth: Vec<Truth> = read_csv(&spec.data.root.join("truth.csv")).expect("truth.csv");
    let truth: BTreeMap<_, _> = truth.into_iter().map(|t| (t.series_uid.clone(), t)).collect();
    let cohort: Vec<CohortRow> = read_csv(&run.table(Table::Cohort)).expect("cohort.csv");
    let prepared: Vec<Row> = read_csv(&run.table(Table::Preparation)).expect("preparation.csv");
    let crops: BTreeMap<_, _> =
        prepared.iter().map(|row| (&row.series_uid, cache_folder(&spec).join(&row.cache_file))).collect();
    let exams: Vec<Exam> = cohort
        .iter()
        .filter(|row| row.chosen && row.split == Some(Part::Valid) && row.label == Some(1))
        .map(|row| Exam {
            patient: row.patient.clone(),
            exam: row.exam.clone(),
            series: row.series.clone(),
            label: 1,
            crop: crops[&row.series].clone(),
        })
        .collect();
    let plain = burn::module::Module::valid(&network);
    let scored = training::score(&plain, &spec, &exams, &[Device::flex()], &Silent).expect("scores");
    let positives: Vec<&Exam> =
        scored.iter().filter(|one| one.probability() >= 0.5).map(|one| &exams[one.exam]).collect();
    println!("{} true positives of {} exams with cancer", positives.len(), exams.len());

    let window = Window {
        lower_hu: spec.preprocess.window.lower_hu as f32,
        upper_hu: spec.preprocess.window.upper_hu as f32,
    };
    let every: usize = std::env::var("OCC").ok().map_or(1, |n| n.parse().unwrap());
    let seen: Vec<(Seen, &Truth)> = positives
        .iter()
        .step_by(every)
        .map(|exam| {
            let crop = load_prepared(&exam.crop).expect("a crop").volume;
            let volume = crop.hu.mapv(|hu| window.value(hu));
            let seen = Seen { volume, channels: spec.model.channels, geometry: crop.geometry };
            (seen, &truth[&exam.series])
        })
        .collect();

    let mut maps: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    let mut measure = |name: String, method: Method| {
        let began = Instant::now();
        let fields: Vec<Field> =
            seen.iter().map(|(seen, _)| look(&network, seen, &method, &device).expect("a map")).collect();
        let seconds = began.elapsed().as_secs_f64() / seen.len().max(1) as f64;
        report(&name, &fields, &seen, seconds);
        maps.insert(name, fields);
    };
    for layer in inspected_layers() {
        for camera in [Camera::GradCam, Camera::HiResCam] {
            measure(format!("{camera:?} {layer}"), Method::Camera { camera, layer: Some(layer.to_owned()) });
        }
    }
    for (size, stride) in [(40.0, 20.0), (30.0, 15.0), (30.0, 10.0), (20.0, 10.0)] {
        let [length, step] = [size, stride].map(Length::Millimetres);
        let method = Method::Occlusion { size: length, stride: step, batch: 8 };
        if std::env::var("OCC").is_ok() { measure(format!("occlusion {size} mm every {stride} mm"), method); }
    }
    for names in [
        ["GradCam Mixed_5c", "HiResCam Conv3d_2c_3x3"].as_slice(),
        &["GradCam Mixed_4f", "HiResCam Conv3d_2c_3x3"],
        &["GradCam Mixed_5c", "GradCam Mixed_4f", "GradCam Mixed_3c"],
        &["GradCam Mixed_5c", "GradCam Mixed_4f", "GradCam Mixed_3c", "GradCam Conv3d_2c_3x3"],
        &["HiResCam Mixed_5c", "HiResCam Mixed_4f", "HiResCam Mixed_3c", "HiResCam Conv3d_2c_3x3"],
        &["HiResCam Mixed_3c", "HiResCam Conv3d_2c_3x3", "HiResCam Conv3d_1a_7x7"],
    ] {
        let fields: Vec<Field> = (0..seen.len())
            .map(|exam| {
                let one = |name: &str| maps[name][exam].on_voxels();
                names.iter().skip(1).fold(one(names[0]), |mut product, name| {
                    product.values *= &one(name).values;
                    product
                })
            })
            .collect();
        report(&format!("product {names:?}"), &fields, &seen, 0.0);
    }
}

fn report(name: &str, fields: &[Field], seen: &[(Seen, &Truth)], seconds: f64) {
    let mut radii: Vec<f64> = fields
        .iter()
        .zip(seen)
        .map(|(field, (_, truth))| {
            let Some(peak) = field.peak_mm() else { return f64::INFINITY };
            let centre = [truth.cancer_x_mm, truth.cancer_y_mm, truth.cancer_z_mm]
                .map(|mm| mm.unwrap_or(f64::NAN));
            let apart = (0..3).map(|axis| (peak[axis] - centre[axis]).powi(2)).sum::<f64>().sqrt();
            apart / (truth.cancer_diameter_mm.unwrap_or(f64::NAN) / 2.0)
        })
        .collect();
    let mut signed: [Vec<f64>; 3] = Default::default();
    for (field, (_, truth)) in fields.iter().zip(seen) {
        let Some(peak) = field.peak_mm() else { continue };
        let c = [truth.cancer_x_mm, truth.cancer_y_mm, truth.cancer_z_mm].map(|mm| mm.unwrap());
        for a in 0..3 { signed[a].push(peak[a] - c[a]); }
    }
    let med = signed.map(|mut v| { v.sort_by(f64::total_cmp); [v[v.len()/10], v[v.len()/2], v[v.len()*9/10]].map(|x| x.round()) });
    println!("   xyz {med:?}");
    radii.sort_by(f64::total_cmp);
    let within = radii.iter().filter(|radius| **radius <= 1.0).count();
    println!(
        "{name:40} {:5.1} % in the nodule, median {:.2} radii, {seconds:.2} s",
        100.0 * within as f64 / radii.len() as f64,
        radii[radii.len() / 2],
    );
}
