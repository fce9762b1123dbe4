//! The spec of a new experiment on a folder of images, for `lungs new`.
//!
//! ```text
//! images ──▶ ImageFacts ──▶ limits of series ─┐
//! labels ──▶ LabelTable ──▶ outcome           ├──▶ Plan ──▶ text of the spec
//! device ──▶ memory ──────▶ batch             ─┘
//! ```

mod images;
mod labels;
mod resources;
mod text;

pub use images::ImageFacts;
pub use labels::{LabelTable, find_labels};
pub use resources::{Batch, Resources};

use crate::pipeline::PipelineError;
use images::SeriesLimits;
use lungs_image::images::Scanner;
use lungs_net::device::DeviceError;
use lungs_spec::spec::{Spec, SpecError, load_data};
use lungs_study::cohort::{self, Cohort, CohortError, Labels};
use lungs_train::TrainingError;
use std::path::{Path, PathBuf};

/// A new spec cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum NewSpecError {
    /// The images or labels cannot be used.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// The name or a path cannot be in a spec.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The device cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The network cannot be made.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl From<NewSpecError> for PipelineError {
    fn from(error: NewSpecError) -> Self {
        match error {
            NewSpecError::Cohort(error) => error.into(),
            NewSpecError::Spec(error) => Self::Spec(Box::new(error)),
            NewSpecError::Device(error) => error.into(),
            NewSpecError::Training(error) => error.into(),
        }
    }
}

/// A request for a new spec.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the experiment.
    pub name: String,
    /// Folder of the images.
    pub data: PathBuf,
    /// CSV file of the labels, if it is named.
    pub labels: Option<PathBuf>,
}

/// What was found, and what the new spec says.
pub struct NewSpec {
    /// The request.
    pub request: Request,
    /// The images.
    pub images: ImageFacts,
    /// The labels; `None` if there is no file.
    pub labels: Option<LabelTable>,
    /// Series that are chosen with these labels.
    pub chosen: Option<Chosen>,
    /// Device and memory.
    pub resources: Resources,
    limits: SeriesLimits,
}

/// The chosen series of a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Number of exams with a chosen series.
    pub exams: usize,
    /// Number of their patients.
    pub patients: usize,
    /// Number of positive exams; with a survival outcome, positive at the first horizon.
    pub positive: usize,
}

impl Chosen {
    fn of(cohort: &Cohort) -> Self {
        let rows = || cohort.rows.iter().filter(|row| row.chosen);
        let patients: std::collections::BTreeSet<&str> =
            rows().map(|row| row.patient_id.as_str()).collect();
        Self {
            exams: rows().count(),
            patients: patients.len(),
            positive: rows().filter(|row| row.label == Some(true)).count(),
        }
    }
}

impl NewSpec {
    /// Searches images and labels, and chooses the values of the keys.
    ///
    /// # Errors
    /// There are no images, the labels cannot be used, or no series would be chosen.
    pub fn of(request: Request) -> Result<Self, NewSpecError> {
        let root = |source| CohortError::root("--data", source);
        let found = Scanner::default().scan(&request.data).map_err(root)?;
        if found.images.is_empty() {
            return Err(cohort::no_images_error(request.data, &found).into());
        }
        let images = ImageFacts::of(&found);
        let limits = SeriesLimits::of(&images);
        let labels = match request.labels.clone().or_else(|| find_labels(&request.data)) {
            Some(path) => Some(LabelTable::read(&path).map_err(CohortError::from)?),
            None => None,
        };
        let mut new =
            Self { request, images, labels, chosen: None, resources: Resources::default(), limits };
        let spec = new.spec(&Batch::default())?;
        if let Some(labels) = &new.labels {
            let labels = Labels::read_csv(&labels.path, &new.request.data, &spec.outcome)
                .map_err(CohortError::from)?;
            let cohort = cohort::select_from_images(&spec, found, &labels)?;
            new.chosen = Some(Chosen::of(&cohort));
        }
        new.resources = Resources::measure(&spec, |batch| new.spec(batch))?;
        Ok(new)
    }

    /// The spec with a batch, as the text says it.
    fn spec(&self, batch: &Batch) -> Result<Spec, SpecError> {
        load_data(&self.request.data, &self.settings(batch))
    }

    /// The keys of the spec that affect the choice of series and the memory, as `--set` arguments.
    fn settings(&self, batch: &Batch) -> Vec<String> {
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut settings = vec![
            format!("experiment.name={}", text(&self.request.name)),
            format!("data.labels={}", text(&self.labels_path().display().to_string())),
            format!("data.select.max_slice_spacing_mm={:?}", self.limits.max_slice_spacing_mm),
            format!("data.select.min_slices={}", self.limits.min_slices),
            "model.slices=220".to_owned(),
            format!("train.batch_size={}", batch.batch_size),
            format!("train.accumulate={}", batch.accumulate),
            format!("train.gradient_checkpointing={}", batch.gradient_checkpointing),
        ];
        if let Some(horizons) = self.labels.as_ref().and_then(|labels| labels.horizons_years) {
            settings.push("outcome.name=survival".to_owned());
            settings.push(format!("outcome.horizons_years={:?}", years(horizons)));
        }
        settings
    }

    /// The labels file, or the path that it should have.
    pub fn labels_path(&self) -> PathBuf {
        let path = self.labels.as_ref().map(|labels| labels.path.clone());
        path.unwrap_or_else(|| labels_beside(&self.request.data))
    }

    /// The slice spacings with the number of their series, the most frequent first.
    pub fn spacings(&self) -> String {
        text::spacings(self)
    }

    /// The reconstruction kernels with the number of their series.
    pub fn kernels(&self) -> String {
        text::kernels(self)
    }

    /// The spec as text; `schema` is the path of its JSON Schema from the folder of the spec, if it exists.
    pub fn text(&self, schema: Option<&Path>) -> String {
        text::text(self, schema)
    }
}

/// `labels.csv` in a folder of images, or next to a single image.
fn labels_beside(data: &Path) -> PathBuf {
    if data.is_dir() { data.join("labels.csv") } else { data.with_file_name("labels.csv") }
}

/// The years 1 to `count`.
fn years(count: usize) -> Vec<usize> {
    (1..=count).collect()
}
