//! A folder of checkpoints of PyTorch as one model, such as the published networks of Sybil with their calibrators.

use super::PipelineError;
use super::network_calibration::SybilCalibration;
use lungs_base::text::counted;
use lungs_net::weights::pytorch;
use lungs_stats::SybilCalibrators;
use std::path::{Path, PathBuf};

/// A folder with `.ckpt` files of PyTorch.
#[derive(Debug)]
pub(super) struct CheckpointFolder {
    path: PathBuf,
    /// The checkpoints, by name.
    pub checkpoints: Vec<PathBuf>,
    /// Files of calibrators, by name.
    calibrators: Vec<PathBuf>,
}

impl CheckpointFolder {
    /// The folder at `path`; `None` if it is no folder, or has no checkpoint of PyTorch. Of others, every `.ckpt` file is
    /// a checkpoint, so that a damaged one is an error.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, PipelineError> {
        if !path.is_dir() {
            return Ok(None);
        }
        let unreadable = |error: std::io::Error| PipelineError::InvalidWeights {
            path: path.to_owned(),
            reason: format!("cannot read the folder: {error}"),
        };
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut files: Vec<PathBuf> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_, std::io::Error>>()
            .map_err(unreadable)?;
        // A link to a missing file stays, so that it is an error.
        files.retain(|file| !file.is_dir());
        files.sort();
        let with_extension = |extension: &str| -> Vec<PathBuf> {
            let has = |file: &&PathBuf| file.extension().is_some_and(|it| it == extension);
            files.iter().filter(has).cloned().collect()
        };
        let mut checkpoints = with_extension("ckpt");
        // Checkpoints of TensorFlow have the same extension.
        if !checkpoints.iter().any(|file| pytorch::is_one(file)) {
            checkpoints.clear();
        }
        let mut calibrators = with_extension("json");
        calibrators.retain(|file| name_of(file).contains("calibrator"));
        let folder = Self { path: path.to_owned(), checkpoints, calibrators };
        Ok((!folder.checkpoints.is_empty()).then_some(folder))
    }

    /// The calibrators of the networks of the folder, which predict the risks within `horizons_years`; `None` without a file
    /// of calibrators. Of several files, that of the ensemble is for several networks.
    ///
    /// # Errors
    /// The choice of the file is not clear, or the file does not fit the networks.
    pub(super) fn calibrators(
        &self,
        horizons_years: &[f64],
    ) -> Result<Option<SybilCalibration>, PipelineError> {
        let Some(path) = self.calibrator_file()? else { return Ok(None) };
        let invalid = |reason: String| PipelineError::InvalidWeights { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(|error| invalid(error.to_string()))?;
        let calibrators: SybilCalibrators = serde_json::from_str(&text).map_err(|error| {
            invalid(format!("found no calibrators of Sybil: {error}; get a new copy of the file"))
        })?;
        let years = calibrators.years();
        if years != horizons_years.len() {
            return Err(invalid(format!(
                "found calibrators of {}, expected {}, as the networks of {} predict",
                counted(years, "year", "years"),
                horizons_years.len(),
                self.path.display()
            )));
        }
        if (1..=years).map(|year| year as f64).ne(horizons_years.iter().copied()) {
            return Err(invalid(format!(
                "found calibrators of the years 1 to {years}, but the horizons of {} are {horizons_years:?} years; remove \
                 outcome.horizons_years from the spec, or this file from the folder",
                self.path.display()
            )));
        }
        Ok(Some(SybilCalibration { path, networks: self.checkpoints.len(), calibrators }))
    }

    fn calibrator_file(&self) -> Result<Option<PathBuf>, PipelineError> {
        let is_of_ensemble = |file: &&PathBuf| name_of(file).contains("ensemble");
        let candidates: Vec<&PathBuf> = match (&self.calibrators[..], self.checkpoints.len()) {
            ([] | [_], _) | (_, 1) => self.calibrators.iter().collect(),
            _ => self.calibrators.iter().filter(is_of_ensemble).collect(),
        };
        match candidates[..] {
            [] if self.calibrators.is_empty() => Ok(None),
            [file] => Ok(Some(file.clone())),
            _ => {
                let names: Vec<String> = self.calibrators.iter().map(|it| name_of(it)).collect();
                Err(PipelineError::InvalidWeights {
                    path: self.path.clone(),
                    reason: format!(
                        "found {}: {}; expected one for the mean of {}: keep it alone in the folder",
                        counted(names.len(), "file of calibrators", "files of calibrators"),
                        names.join(", "),
                        counted(self.checkpoints.len(), "network", "networks")
                    ),
                })
            }
        }
    }
}

/// The name of a file in lower case.
fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(checkpoints: usize, calibrators: &[&str]) -> CheckpointFolder {
        CheckpointFolder {
            path: "sybil".into(),
            checkpoints: (0..checkpoints)
                .map(|index| format!("sybil/{index}.ckpt").into())
                .collect(),
            calibrators: calibrators.iter().map(PathBuf::from).collect(),
        }
    }

    #[test]
    fn the_calibrators_of_the_ensemble_are_for_several_networks() {
        let names = ["sybil_1_simple_calibrator.json", "sybil_ensemble_simple_calibrator.json"];
        let file = |folder: CheckpointFolder| folder.calibrator_file();
        assert_eq!(file(folder(5, &[])).unwrap(), None);
        assert_eq!(file(folder(5, &names[..1])).unwrap(), Some(names[0].into()));
        assert_eq!(file(folder(5, &names)).unwrap(), Some(names[1].into()));
        let error = file(folder(1, &names)).unwrap_err().to_string();
        assert!(error.starts_with("sybil: found 2 files of calibrators: sybil_1_"), "{error}");
        assert!(file(folder(2, &["a_calibrator.json", "b_calibrator.json"])).is_err());
    }

    #[test]
    fn calibrators_belong_to_whole_years() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sybil");
        let folder = CheckpointFolder::find(Path::new(path)).unwrap().unwrap();
        let calibration = folder.calibrators(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap().unwrap();
        assert_eq!((calibration.networks, calibration.calibrators.years()), (2, 6));
        let error = |horizons: &[f64]| folder.calibrators(horizons).unwrap_err().to_string();
        assert!(error(&[1.0, 2.0]).contains("of 6 years, expected 2"));
        assert!(error(&[2.0, 4.0, 6.0, 8.0, 10.0, 12.0]).contains("of the years 1 to 6, but"));
    }

    #[test]
    fn folders_without_checkpoints_of_pytorch_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(CheckpointFolder::find(folder.path()).unwrap().is_none());
        std::fs::write(folder.path().join("inception.ckpt"), b"not of PyTorch").unwrap();
        assert!(CheckpointFolder::find(folder.path()).unwrap().is_none());
        assert!(CheckpointFolder::find(Path::new("missing")).unwrap().is_none());
    }
}
