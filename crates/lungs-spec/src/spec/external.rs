//! The spec of a trained model on exams of another source.

use super::canonical::to_table;
use super::layers::with_layer;
use super::{Data, DeviceNames, Experiment, Runtime, Slurm, Spec, SpecError, Split};
use std::path::PathBuf;

/// Exams of another source, for a trained model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherExams {
    /// Folder of the images.
    pub root: PathBuf,
    /// CSV file of the labels.
    pub labels: PathBuf,
    /// Folder of prepared volumes; `None` for the folder next to `root`.
    pub cache: Option<PathBuf>,
    /// Device of the network.
    pub device: String,
}

impl Spec {
    /// The spec of this model on other exams: its preprocessing, selection of series, network, seed and
    /// `[evaluate]` on `exams`, without a split. Keys of this machine have their defaults.
    #[must_use]
    pub fn on_exams(&self, exams: &OtherExams) -> Self {
        let mut document = (**self).clone();
        document.data = Data {
            root: exams.root.clone(),
            labels: Some(exams.labels.clone()),
            cache: exams.cache.clone(),
            select: self.data.select.clone(),
            equal_scans: self.data.equal_scans,
            ..Data::default()
        };
        document.split = Split::default();
        let device = DeviceNames::One(exams.device.clone());
        document.runtime =
            Runtime { precision: self.runtime.precision, device, ..Runtime::default() };
        document.slurm = Slurm::default();
        Self::new(document)
    }

    /// This spec with another name. The name is not checked.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let mut document = (**self).clone();
        document.experiment = Experiment { name: name.to_owned(), ..document.experiment };
        Self::new(document)
    }

    /// This spec with `--set` arguments, with all keys checked.
    ///
    /// # Errors
    /// An argument or a value is invalid.
    pub fn with_settings(&self, set: &[String]) -> Result<Self, SpecError> {
        with_layer("the spec of the model", &to_table(self), set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Contract, Model, Outcome, Preprocess, Select};

    #[test]
    fn a_model_keeps_its_preprocessing_on_other_exams_and_settings_are_checked() {
        let contract = Contract {
            preprocess: Preprocess { spacing_mm: 2.5, ..Preprocess::default() },
            model: Model::default(),
            select: Select { min_slices: 8, ..Select::default() },
            outcome: Outcome::default(),
        };
        let exams = OtherExams {
            root: "data".into(),
            labels: "labels.csv".into(),
            cache: None,
            device: "cpu".to_owned(),
        };
        let model = contract.to_spec().unwrap().named("outside");
        let spec = model.on_exams(&exams);
        let set = |argument: &str| spec.with_settings(&[argument.to_owned()]);
        let changed = set("evaluate.prevalence=0.01").unwrap();
        assert_eq!((changed.preprocess.spacing_mm, changed.data.select.min_slices), (2.5, 8));
        assert_eq!(changed.evaluate.prevalence, Some(0.01));
        assert_eq!((changed.experiment.name.as_str(), changed.split.folds), ("outside", 0));
        assert_eq!(changed.data.labels, Some("labels.csv".into()));
        let error = set("evaluate.prevalence=2").unwrap_err();
        let key = |problems: &[crate::spec::KeyProblem]| problems[0].key.clone();
        assert!(
            matches!(&error, SpecError::Keys { problems } if key(problems) == "evaluate.prevalence"),
            "{error}"
        );
    }
}
