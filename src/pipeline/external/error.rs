//! Errors of external evaluations.

use std::path::PathBuf;

/// A model cannot be evaluated on other exams in this folder.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The output folder is a run.
    #[error(
        "--out {path} is the folder of a run, expected a new folder or one that this command made; choose another \
         folder"
    )]
    IsRun {
        /// The folder.
        path: PathBuf,
    },
    /// The output folder has the evaluation of another model.
    #[error(
        "--out {path} has the evaluation of {stored}, whose weights differ from those of {requested}; choose another \
         folder for each model"
    )]
    OtherModel {
        /// The folder.
        path: PathBuf,
        /// The model of the folder.
        stored: String,
        /// The requested model.
        requested: String,
    },
    /// The output folder was made with other settings.
    #[error(
        "--out {path} was made with other values of keys that affect the predictions:\n{}\nChoose another folder",
        .differences.join("\n")
    )]
    OtherSettings {
        /// The folder.
        path: PathBuf,
        /// A line for each key.
        differences: Vec<String>,
    },
    /// A setting would change the model.
    #[error(
        "--set {key}: this key belongs to the model and cannot change for its evaluation; expected a key of [evaluate]"
    )]
    Setting {
        /// The key.
        key: String,
    },
}
