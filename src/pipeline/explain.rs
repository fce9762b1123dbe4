//! Heatmaps of predictions: a map on the voxels of each CT, and a picture.

use super::PipelineError;
use super::prediction::Prediction;
use super::preparation::settings;
use burn::tensor::Device;
use lungs_base::files::{WriteError, make_folder, write_bytes};
use lungs_image::formats::{Format, MapGrid, write_map};
use lungs_image::images::{Image, Kind, read_volume};
use lungs_image::volume::{Field, Geometry, Turn, Volume};
use lungs_net::explain::{CamKind, HeatmapError, InputVolume, Method, heatmap};
use lungs_net::model::{Explained, Network, levels};
use lungs_report::plot::{Caption, draw_heatmap};
use lungs_spec::spec::{Hazard, Outcome, Spec, horizon_words};
use lungs_study::prepare::load_prepared;
use lungs_train::{central_slices, picture_window, window_of};
use ndarray::Axis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Options of heatmaps.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// Output folder of maps and pictures.
    pub folder: PathBuf,
    /// Attribution method.
    pub method: Method,
}

impl ExplainOptions {
    /// Name of the method in tables and file names.
    pub fn name(&self) -> &'static str {
        match self.method {
            Method::Cam { kind: CamKind::GradCam, .. } => "grad-cam",
            Method::Cam { kind: CamKind::HiResCam, .. } => "hires-cam",
            Method::Occlusion { .. } => "occlusion",
        }
    }

    /// The options with the layers of a network's default heatmap, if none are chosen.
    fn for_network(&self, network: &Network) -> Self {
        let mut options = self.clone();
        if let Method::Cam { layers, .. } = &mut options.method
            && layers.is_empty()
        {
            *layers = levels(network.architecture());
        }
        options
    }

    /// The table of all heatmaps.
    pub fn table(&self) -> PathBuf {
        self.folder.join(format!("{}.csv", self.name()))
    }

    /// Description of the method.
    fn description(&self) -> String {
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

    /// Unit of the largest weight.
    fn unit(&self) -> &'static str {
        match &self.method {
            Method::Cam { layers, .. } if layers.len() > 1 => "(1 if all layers agree)",
            Method::Cam { .. } => "(scale of the layer)",
            Method::Occlusion { .. } => "decrease of the log-odds",
        }
    }
}

/// The heatmap of one exam: a row of `grad-cam.csv`, `hires-cam.csv` or `occlusion.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Folder of the series, or volume file.
    pub path: String,
    /// PatientID.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// StudyInstanceUID.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// SeriesInstanceUID.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// Probability of cancer.
    pub probability: Option<f64>,
    /// The last horizon in years and the risk until then, which is explained where risks of several years are
    /// predicted.
    #[serde(skip)]
    pub last_risk: Option<(f64, f64)>,
    /// Largest weight; empty if no voxel has a positive weight.
    pub highest: Option<f32>,
    /// Position of the largest weight in patient coordinates: x to the left, y to the back, z to the head.
    pub x_mm: Option<f64>,
    /// See `x_mm`.
    pub y_mm: Option<f64>,
    /// See `x_mm`.
    pub z_mm: Option<f64>,
    /// Grid of the map: `original` for the voxels of the CT, `prepared` for those of the prepared volume, if the
    /// CT is not available.
    pub grid: String,
    /// File name of the map; empty if there is none.
    pub map: String,
    /// File name of the picture; empty if there is none.
    pub picture: String,
    /// Reason of a missing map; empty if there is one.
    pub reason: String,
}

/// A network, and the spec of its training.
pub(super) struct ExplainedModel<'a> {
    pub spec: &'a Spec,
    pub network: &'a Network,
}

/// Computes the heatmaps of all images. `scored` has each image, its crop in the cache and its prediction. The row
/// of a failed exam has the reason.
///
/// # Errors
/// An output file cannot be written.
pub(super) fn explain(
    models: &[ExplainedModel],
    scored: &[(&Image, PathBuf, &Prediction)],
    options: &ExplainOptions,
    device: &Device,
    mut advance: impl FnMut(usize),
) -> Result<Vec<Explanation>, PipelineError> {
    make_folder(&options.folder)?;
    let last_horizon = models.first().and_then(|model| model.spec.outcome.last_horizon());
    let options = &match models.first() {
        Some(model) => options.for_network(model.network),
        None => options.clone(),
    };
    let mut names = Names::default();
    let mut rows = Vec::with_capacity(scored.len());
    for (index, (image, crop, prediction)) in scored.iter().enumerate() {
        let mut row = Explanation {
            path: prediction.path.clone(),
            patient_id: prediction.patient_id.clone(),
            exam_id: prediction.exam_id.clone(),
            series_uid: prediction.series_uid.clone(),
            probability: prediction.probability,
            last_risk: last_horizon.zip(prediction.risks.last().copied()),
            ..Explanation::default()
        };
        let stem = names.unique(&format!("{}-{}", prediction.series_uid, options.name()));
        // Errors of a device can be panics. They fail this exam only.
        let work = || explain_exam(models, image, crop, options, device, &stem, &mut row);
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(ExplainError::Write(error))) => return Err(error.into()),
            Ok(Err(ExplainError::Exam(reason))) => row.reason = reason,
            Err(_) => row.reason = "internal error on this exam".to_owned(),
        }
        rows.push(row);
        advance(index + 1);
    }
    lungs_spec::results::write_csv(&options.table(), &rows)?;
    Ok(rows)
}

/// An error of a heatmap.
enum ExplainError {
    /// An error of this exam, as a sentence.
    Exam(String),
    /// An output file cannot be written.
    Write(WriteError),
}

impl From<HeatmapError> for ExplainError {
    fn from(error: HeatmapError) -> Self {
        Self::Exam(error.to_string())
    }
}

fn explain_exam(
    models: &[ExplainedModel],
    image: &Image,
    crop: &Path,
    options: &ExplainOptions,
    device: &Device,
    stem: &str,
    row: &mut Explanation,
) -> Result<(), ExplainError> {
    let exam_error = |error: &dyn std::fmt::Display| ExplainError::Exam(error.to_string());
    let Some(ExplainedModel { spec, .. }) = models.first() else { return Ok(()) };
    let prepared = load_prepared(crop).map_err(|error| exam_error(&error))?.volume;
    let Some(field) = mean_field(models, &prepared, &options.method, device)? else {
        return Ok(());
    };

    let settings = settings(spec);
    let (ct, _) = read_volume(image, settings.hu_rule(), settings.stacks)
        .map_err(|error| exam_error(&error))?;
    let (grid, turn) = map_grid(image);
    let grid_of_map = MapGrid { shape: ct.hu.dim().into(), geometry: ct.geometry, turn };
    let to_field = ct.geometry.indices_in(&field.geometry);
    let greatest = field.values.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
    let map = format!("{stem}.nii.gz");
    let description = format!("lungs {}; research use only", options.name());
    write_map(&options.folder.join(&map), &grid_of_map, &description, greatest, |voxel| {
        field.at(to_field.source(voxel.map(|index| index as f64)))
    })
    .map_err(ExplainError::Write)?;

    row.highest = field.peak().map(|(_, value)| value);
    grid.clone_into(&mut row.grid);
    let picture = format!("{stem}.png");
    let caption = caption(row, options, models.len());
    let png = draw_heatmap(&ct, &field, picture_window(spec), &caption);
    write_bytes(&options.folder.join(&picture), &png).map_err(ExplainError::Write)?;
    if let Some([x, y, z]) = field.peak_mm() {
        let rounded = |mm: f64| Some((mm * 10.0).round() / 10.0);
        (row.x_mm, row.y_mm, row.z_mm) = (rounded(x), rounded(y), rounded(z));
    }
    (row.map, row.picture) = (map, picture);
    Ok(())
}

/// The mean of the models' heatmaps of a prepared volume; `None` without a model.
fn mean_field(
    models: &[ExplainedModel],
    prepared: &Volume,
    method: &Method,
    device: &Device,
) -> Result<Option<Field>, HeatmapError> {
    let mut fields = Vec::with_capacity(models.len());
    for ExplainedModel { spec, network } in models {
        let (hu, slices) = (prepared.hu.clone(), spec.model.slices);
        let first = (hu.len_of(Axis(0)) - slices) / 2;
        let window = window_of(spec);
        let input = InputVolume {
            volume: central_slices(hu, slices).mapv(|hu| window.value(hu)),
            channels: spec.model.channels,
            geometry: Geometry {
                origin_mm: prepared.geometry.position_mm([first as f64, 0.0, 0.0]),
                ..prepared.geometry
            },
            explained: explained(&spec.outcome),
        };
        fields.push(heatmap(network, &input, method, device)?);
    }
    Ok(Field::mean(fields))
}

/// The explained log-odds: of cancer, or of the risk at the last horizon.
fn explained(outcome: &Outcome) -> Explained {
    match (outcome.is_survival(), outcome.hazard) {
        (false, _) => Explained::Classes,
        (true, Hazard::Softplus) => Explained::SoftplusHazards,
        (true, Hazard::Relu) => Explained::ReluHazards,
    }
}

/// The caption of a picture.
fn caption(row: &Explanation, options: &ExplainOptions, models: usize) -> Caption {
    let (within, probability) = match row.last_risk {
        Some((years, risk)) => (horizon_words(years), Some(risk)),
        None => ("one year".to_owned(), row.probability),
    };
    let probability = probability.map_or("–".to_owned(), |p| format!("{p:.4}"));
    let models = if models == 1 { String::new() } else { format!("; mean of {models} models") };
    let name = if row.patient_id.is_empty() {
        row.series_uid.clone()
    } else {
        format!("{}, series {}", row.patient_id, row.series_uid)
    };
    let source =
        if row.grid == "prepared" { "; on the prepared volume, without the CT" } else { "" };
    Caption {
        name,
        facts: format!(
            "Probability of cancer within {within} {probability}; {}{models}{source}",
            options.description()
        ),
        highest: format!("{:.3} {}", row.highest.unwrap_or(0.0), options.unit()),
    }
}

/// The grid of the map of an image, and the order of its voxels: as in a volume file, or for DICOM as converters to
/// NIfTI usually store them (rows from back to front).
fn map_grid(image: &Image) -> (&'static str, Turn) {
    match &image.kind {
        Kind::File(Some(header)) if header.format == Format::Prepared => ("prepared", header.turn),
        Kind::File(Some(header)) => ("original", header.turn),
        Kind::Dicom | Kind::File(None) => {
            ("original", Turn { from: [0, 1, 2], flip: [false, true, false] })
        }
    }
}

/// File names in use, with their counts.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    /// A unique file name of letters, digits, `-`, `.` and `_`.
    fn unique(&mut self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
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
    fn file_names_are_plain_and_unique() {
        let mut names = Names::default();
        assert_eq!(names.unique("1.2.3-grad-cam"), "1.2.3-grad-cam");
        assert_eq!(names.unique("../a b/ä-occlusion"), "_a_b__-occlusion");
        assert_eq!(names.unique("X"), "X");
        assert_eq!(names.unique("x"), "x_2");
    }

    /// The crops are missing: each exam has a reason, and all exams are processed.
    #[test]
    fn a_failed_exam_has_a_reason_and_does_not_stop_others() {
        let folder = tempfile::tempdir().unwrap();
        let spec = lungs_spec::spec::load_data(folder.path(), &[]).unwrap();
        let device = Device::flex();
        let network =
            lungs_net::model::NetworkConfig { width_multiplier: 0.06, ..Default::default() };
        let network = network.init(1, &device.clone().autodiff()).unwrap().for_inspection();
        let grid =
            Err(lungs_image::formats::FormatRefusal::NotNumbers { path: "a".into(), count: 1 });
        let image = Image {
            kind: Kind::File(None),
            series_uid: "a".to_owned(),
            patient_id: String::new(),
            exam_id: String::new(),
            study_date: String::new(),
            kernel: String::new(),
            manufacturer: String::new(),
            acquisition: Default::default(),
            path: "a".into(),
            slices: 0,
            grid: grid.map_err(Into::into),
            files: vec![],
            flags: vec![],
            excluded: vec![],
        };
        let prediction = Prediction {
            path: "a".to_owned(),
            patient_id: "P1".to_owned(),
            exam_id: String::new(),
            series_uid: "1.2".to_owned(),
            probability: Some(0.5),
            ..Prediction::default()
        };
        let layers = vec!["Mixed_5c".to_owned()];
        let method = Method::Cam { kind: CamKind::GradCam, layers };
        let options = ExplainOptions { folder: folder.path().join("maps"), method };
        let scored = [0, 1].map(|_| (&image, folder.path().join("missing.npz"), &prediction));
        let models = [ExplainedModel { spec: &spec, network: &network }];
        let mut done = 0;
        let rows = explain(&models, &scored, &options, &device, |count| done = count).unwrap();
        assert_eq!((rows.len(), done), (2, 2));
        for row in &rows {
            assert!(row.reason.contains("missing.npz") && row.map.is_empty(), "{row:?}");
        }
        let stored: Vec<Explanation> = lungs_spec::results::read_csv(&options.table()).unwrap();
        assert_eq!(stored, rows);
    }
}
