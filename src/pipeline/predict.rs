//! CT series through trained networks: the sentence without a study.

use super::{PipelineError, Stages, images_of, prepare_images, settings};
use crate::device::{self, DeviceRequest};
use crate::images::Image;
use crate::prepare::Status;
use crate::results::RunFolder;
use crate::spec::Spec;
use crate::training::{self, Exam};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The opinion on one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Folder of the series, or the volume file, or the damaged file.
    pub path: String,
    /// PatientID.
    pub patient: String,
    /// StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// Probability of cancer; empty when the series cannot be used.
    pub probability: Option<f64>,
    /// Why it cannot.
    pub reason: String,
    /// What was noticed in preparation and is safe.
    pub flags: String,
}

/// Scores every image in `paths` with the runs' selected weights; several runs are averaged.
/// `cache` is a folder for prepared volumes, and whether it lasts.
pub fn predict(
    runs: &[(RunFolder, Spec)],
    paths: &[PathBuf],
    (cache, lasting): (&Path, bool),
    device: &str,
    watch: &dyn Stages,
) -> Result<Vec<Prediction>, PipelineError> {
    let request: DeviceRequest = device.parse()?;
    let (device, _) = device::open(&request)?;
    let Some((_, spec)) = runs.first() else { return Ok(Vec::new()) };
    if let Some((other, _)) = runs.iter().find(|(_, other)| settings(other) != settings(spec)) {
        return Err(PipelineError::MixedPreparation {
            first: runs[0].0.root().to_owned(),
            second: other.root().to_owned(),
        });
    }
    let mut networks = Vec::new();
    for (run, spec) in runs {
        let epoch = crate::report::summary(run)?.selected_epoch;
        networks.push((spec, training::trained_network(spec, run, epoch, &device)?));
    }
    let found = images_of(spec, paths, lasting.then_some(cache))?;
    let images: Vec<&Image> = found.images.iter().collect();
    let rows = prepare_images(spec, &images, cache, watch)?;
    let mut predictions: Vec<Prediction> = found
        .images
        .iter()
        .zip(&rows)
        .map(|(image, row)| Prediction {
            path: image.path.display().to_string(),
            patient: image.patient_id.clone(),
            exam: image.exam_id.clone(),
            series: image.series_uid.clone(),
            probability: None,
            reason: match row.status {
                Status::Prepared => String::new(),
                Status::Refused => format!("{}: {}", row.code, row.reason),
            },
            flags: row.flags.clone(),
        })
        .collect();
    let usable: Vec<usize> =
        (0..rows.len()).filter(|place| rows[*place].status == Status::Prepared).collect();
    let exams: Vec<Exam> = usable
        .iter()
        .map(|place| Exam {
            patient: rows[*place].patient_id.clone(),
            exam: rows[*place].study_uid.clone(),
            series: rows[*place].series_uid.clone(),
            label: 0,
            crop: cache.join(&rows[*place].cache_file),
        })
        .collect();
    let mut opinions = vec![Vec::new(); exams.len()];
    for (spec, network) in &networks {
        watch.validation_begins(exams.len());
        for scored in training::score(network, spec, &exams, &device, watch)? {
            opinions[scored.exam].push(scored.probability());
        }
    }
    for (place, opinions) in usable.into_iter().zip(opinions) {
        let sum: f64 = opinions.iter().sum();
        predictions[place].probability =
            (!opinions.is_empty()).then(|| sum / opinions.len() as f64);
    }
    predictions.extend(found.left_out.into_iter().map(|(path, reason)| Prediction {
        path,
        patient: String::new(),
        exam: String::new(),
        series: String::new(),
        probability: None,
        reason,
        flags: String::new(),
    }));
    Ok(predictions)
}
