//! Where the models of a prediction looked: a map on the voxels of each CT, and a picture.

use super::PipelineError;
use super::predict::Prediction;
use super::preparation::settings;
use crate::dicom::HuRule;
use crate::explain::{CamKind, Field, HeatmapError, InputVolume, Method, heatmap};
use crate::files::{WriteError, make_folder, write_bytes};
use crate::formats::{Format, MapGrid, write_map};
use crate::images::{Image, Kind, read_volume};
use crate::model::I3d;
use crate::prepare::load_prepared;
use crate::report::plot::{Caption, draw_heatmap};
use crate::spec::Spec;
use crate::training::central_slices;
use crate::volume::{Geometry, Turn, Window};
use burn::tensor::Device;
use ndarray::Axis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// What is wanted of explanations.
#[derive(Clone, Debug)]
pub struct Explaining {
    /// Where maps and pictures go.
    pub folder: PathBuf,
    /// How maps are made.
    pub method: Method,
}

impl Explaining {
    /// The method's name in tables and file names.
    pub fn name(&self) -> &'static str {
        match self.method {
            Method::Cam { kind: CamKind::GradCam, .. } => "grad-cam",
            Method::Cam { kind: CamKind::HiResCam, .. } => "hires-cam",
            Method::Occlusion { .. } => "occlusion",
        }
    }

    /// The table of all explanations.
    pub fn table(&self) -> PathBuf {
        self.folder.join(format!("{}.csv", self.name()))
    }

    /// The method in words.
    fn told(&self) -> String {
        match &self.method {
            Method::Cam { kind, layers } => {
                let name = match kind {
                    CamKind::GradCam => "Grad-CAM",
                    CamKind::HiResCam => "HiResCAM",
                };
                format!("{name} of {}", layers.join(", "))
            }
            Method::Occlusion { size, stride, .. } => {
                format!("occlusion by blocks of {size} every {stride}")
            }
        }
    }

    /// What the highest weight is measured in.
    fn unit(&self) -> &'static str {
        match &self.method {
            Method::Cam { layers, .. } if layers.len() > 1 => "of 1, where all layers agree",
            Method::Cam { .. } => "(its scale is the layer's own)",
            Method::Occlusion { .. } => "of log-odds lost",
        }
    }
}

/// What became of one exam: a row of `grad-cam.csv` or the like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Folder of the series, or the volume file.
    pub path: String,
    /// PatientID.
    pub patient: String,
    /// StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// Probability of cancer.
    pub probability: Option<f64>,
    /// Highest weight; empty where nothing speaks for cancer.
    pub highest: Option<f32>,
    /// Its place in patient coordinates: x to the left, y to the back, z to the head.
    pub x_mm: Option<f64>,
    /// See `x_mm`.
    pub y_mm: Option<f64>,
    /// See `x_mm`.
    pub z_mm: Option<f64>,
    /// `original` where the map is on the voxels of the CT, `prepared` where only the prepared
    /// volume is known.
    pub grid: String,
    /// The map's file name, empty when there is none.
    pub map: String,
    /// The picture's file name, empty when there is none.
    pub picture: String,
    /// Why there is none.
    pub reason: String,
}

/// A network with the spec that it was trained by.
pub(super) struct Looking<'a> {
    pub spec: &'a Spec,
    pub network: &'a I3d,
}

/// Explains one image after another; `scored` gives each image with its crop in the cache and its
/// prediction. An exam that fails has the reason in its row.
///
/// # Errors
/// When nothing can be written.
pub(super) fn explain(
    models: &[Looking],
    scored: &[(&Image, PathBuf, &Prediction)],
    wanted: &Explaining,
    device: &Device,
    mut advance: impl FnMut(usize),
) -> Result<Vec<Explanation>, PipelineError> {
    make_folder(&wanted.folder)?;
    let mut names = Names::default();
    let mut rows = Vec::with_capacity(scored.len());
    for (done, (image, crop, prediction)) in scored.iter().enumerate() {
        let mut row = Explanation {
            path: prediction.path.clone(),
            patient: prediction.patient.clone(),
            exam: prediction.exam.clone(),
            series: prediction.series.clone(),
            probability: prediction.probability,
            ..Explanation::default()
        };
        let stem = names.of(&format!("{}-{}", prediction.series, wanted.name()));
        // A device's failure may come as a panic, which is this exam's alone.
        let work = || one(models, image, crop, wanted, device, &stem, &mut row);
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(Failed::Write(error))) => return Err(error.into()),
            Ok(Err(Failed::Exam(reason))) => row.reason = reason,
            Err(_) => row.reason = "the program failed on this exam".to_owned(),
        }
        rows.push(row);
        advance(done + 1);
    }
    crate::results::write_csv(&wanted.table(), &rows)?;
    Ok(rows)
}

/// Why there is no explanation.
enum Failed {
    /// Of this exam.
    Exam(String),
    /// Of any.
    Write(WriteError),
}

impl From<HeatmapError> for Failed {
    fn from(error: HeatmapError) -> Self {
        Self::Exam(error.to_string())
    }
}

fn one(
    models: &[Looking],
    image: &Image,
    crop: &Path,
    wanted: &Explaining,
    device: &Device,
    stem: &str,
    row: &mut Explanation,
) -> Result<(), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::Exam(error.to_string());
    let Some(Looking { spec, .. }) = models.first() else { return Ok(()) };
    let prepared = load_prepared(crop).map_err(|error| failed(&error))?.volume;
    let mut fields = Vec::with_capacity(models.len());
    for Looking { spec, network } in models {
        let (hu, slices) = (prepared.hu.clone(), spec.model.slices);
        let first = (hu.len_of(Axis(0)) - slices) / 2;
        let window = window_of(spec);
        let seen = InputVolume {
            volume: central_slices(hu, slices).mapv(|hu| window.value(hu)),
            channels: spec.model.channels,
            geometry: Geometry {
                origin_mm: prepared.geometry.position_mm([first as f64, 0.0, 0.0]),
                ..prepared.geometry
            },
        };
        fields.push(heatmap(network, &seen, &wanted.method, device)?);
    }
    let Some(field) = Field::mean(fields) else { return Ok(()) };

    let settings = settings(spec);
    let rule = if settings.compat { HuRule::Lungs015 } else { HuRule::Standard };
    let (ct, _) = read_volume(image, rule, settings.stacks).map_err(|error| failed(&error))?;
    let (grid, turn) = stored(image);
    let grid_of_map = MapGrid { shape: ct.hu.dim().into(), geometry: ct.geometry, turn };
    let to_field = ct.geometry.indices_in(&field.geometry);
    let greatest = field.values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let map = format!("{stem}.nii.gz");
    let description = format!("lungs {}; research use only", wanted.name());
    write_map(&wanted.folder.join(&map), &grid_of_map, &description, greatest, |voxel| {
        field.at(to_field.source(voxel.map(|at| at as f64)))
    })
    .map_err(Failed::Write)?;

    let highest = field.peak().map(|(_, value)| value);
    let probability = row.probability.map_or("–".to_owned(), |p| format!("{p:.4}"));
    let models = match models.len() {
        1 => String::new(),
        count => format!("; mean of {count} models"),
    };
    let name = if row.patient.is_empty() {
        row.series.clone()
    } else {
        format!("{}, series {}", row.patient, row.series)
    };
    let place = if grid == "prepared" { "; prepared volume, the CT is not at hand" } else { "" };
    let caption = Caption {
        name,
        facts: format!(
            "Probability of cancer within one year {probability}; {}{models}{place}",
            wanted.told()
        ),
        highest: format!("{:.3} {}", highest.unwrap_or(0.0), wanted.unit()),
    };
    let picture = format!("{stem}.png");
    let png = draw_heatmap(&ct, &field, window_of(spec), &caption);
    write_bytes(&wanted.folder.join(&picture), &png).map_err(Failed::Write)?;
    row.highest = highest;
    if let Some([x, y, z]) = field.peak_mm() {
        let tenth = |mm: f64| Some((mm * 10.0).round() / 10.0);
        (row.x_mm, row.y_mm, row.z_mm) = (tenth(x), tenth(y), tenth(z));
    }
    grid.clone_into(&mut row.grid);
    (row.map, row.picture) = (map, picture);
    Ok(())
}

fn window_of(spec: &Spec) -> Window {
    let window = spec.preprocess.window;
    Window { lower_hu: window.lower_hu as f32, upper_hu: window.upper_hu as f32 }
}

/// Which grid the map of an image is on, and in which order its voxels are stored: as in the file;
/// of DICOM, as converters to NIfTI usually have it (rows from back to front).
fn stored(image: &Image) -> (&'static str, Turn) {
    match &image.kind {
        Kind::File(Some(header)) if header.format == Format::Prepared => ("prepared", header.turn),
        Kind::File(Some(header)) => ("original", header.turn),
        Kind::Dicom | Kind::File(None) => {
            ("original", Turn { from: [0, 1, 2], flip: [false, true, false] })
        }
    }
}

/// File names that were given.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    /// A name of plain letters, another one each time.
    fn of(&mut self, wanted: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
        let name: String = wanted.chars().map(plain).collect();
        let name = name.trim_start_matches('.').to_owned();
        let count = self.0.entry(name.to_lowercase()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain_and_differ() {
        let mut names = Names::default();
        assert_eq!(names.of("1.2.3-grad-cam"), "1.2.3-grad-cam");
        assert_eq!(names.of("../a b/ä-occlusion"), "_a_b__-occlusion");
        assert_eq!(names.of("X"), "X");
        assert_eq!(names.of("x"), "x_2");
    }

    /// Crops that are gone: each exam says so, and the others still have their turn.
    #[test]
    fn an_exam_that_fails_has_its_reason_and_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let spec = crate::spec::load_data(folder.path(), &[]).unwrap();
        let device = Device::flex();
        let network = crate::model::I3dConfig { width_multiplier: 0.06, ..Default::default() };
        let network = network.init(1, &device.clone().autodiff()).unwrap().for_inspection();
        let grid = Err(crate::formats::FormatRefusal::NotNumbers { path: "a".into(), count: 1 });
        let image = Image {
            kind: Kind::File(None),
            series_uid: "a".to_owned(),
            patient_id: String::new(),
            exam_id: String::new(),
            study_date: String::new(),
            kernel: String::new(),
            manufacturer: String::new(),
            path: "a".into(),
            slices: 0,
            grid: grid.map_err(Into::into),
            files: vec![],
            flags: vec![],
            left_out: vec![],
        };
        let prediction = Prediction {
            path: "a".to_owned(),
            patient: "P1".to_owned(),
            exam: String::new(),
            series: "1.2".to_owned(),
            probability: Some(0.5),
            calibrated_probability: None,
            reason: String::new(),
            flags: String::new(),
        };
        let layers = vec!["Mixed_5c".to_owned()];
        let method = Method::Cam { kind: CamKind::GradCam, layers };
        let wanted = Explaining { folder: folder.path().join("looked"), method };
        let scored = [0, 1].map(|_| (&image, folder.path().join("gone.npz"), &prediction));
        let models = [Looking { spec: &spec, network: &network }];
        let mut done = 0;
        let rows = explain(&models, &scored, &wanted, &device, |so_many| done = so_many).unwrap();
        assert_eq!((rows.len(), done), (2, 2));
        for row in &rows {
            assert!(row.reason.contains("gone.npz") && row.map.is_empty(), "{row:?}");
        }
        let kept: Vec<Explanation> = crate::results::read_csv(&wanted.table()).unwrap();
        assert_eq!(kept, rows);
    }
}
