//! Predictions of trained networks for CT series without a cohort.

use super::calibration::{Calibration, NetworkOutput, mean, mean_risks};
use super::explain::{ExplainOptions, ExplainedModel, Explanation, explain};
use super::model::{Model, ReadyModel};
pub use super::prediction::{Prediction, write_predictions};
use super::{ImageSet, PipelineError, images_of, prepare_images, report_skipped_files, settings};
use burn::module::Module;
use burn::tensor::Device;
use lungs_base::device::DeviceRequest;
use lungs_base::text::counted;
use lungs_image::images::Image;
use lungs_net::device::{self, DeviceError};
use lungs_study::prepare::{Row, Status};
use lungs_train::{self as training, Event, Exam, Observer};
use std::path::{Path, PathBuf};

/// Predicts all images in `paths`; the predictions of several models are averaged. `cache` is the folder of prepared
/// volumes, and whether it is permanent. With `explain_options`, also computes heatmaps.
pub fn predict(
    models: Vec<Model>,
    paths: &[PathBuf],
    (cache, is_permanent): (&Path, bool),
    device: &str,
    explain_options: Option<&ExplainOptions>,
    observe: &Observer,
) -> Result<(Vec<Prediction>, Vec<Explanation>), PipelineError> {
    let request: DeviceRequest = device.parse().map_err(DeviceError::from)?;
    let (device, _) = device::open(&request)?;
    let Some(Model { path, spec, .. }) = models.first() else { return Ok((vec![], vec![])) };
    if let Some(other) = models.iter().find(|other| settings(&other.spec) != settings(spec)) {
        return Err(PipelineError::MixedPreparation {
            first: path.clone(),
            second: other.path.clone(),
        });
    }
    if let Some(other) = models.iter().find(|other| other.spec.outcome != spec.outcome) {
        return Err(PipelineError::MixedOutcomes {
            first: path.clone(),
            second: other.path.clone(),
        });
    }
    let spec = spec.clone();
    let calibration = Calibration::of(&models);
    // Heatmaps need gradients, predictions do not.
    let model_device =
        if explain_options.is_some() { device.clone().autodiff() } else { device.clone() };
    let networks: Vec<ReadyModel> =
        models.into_iter().map(|model| model.ready(&model_device)).collect::<Result<_, _>>()?;
    let ImageSet { images, excluded, skipped_files } =
        images_of(&spec, paths, is_permanent.then_some(cache))?;
    report_skipped_files(&skipped_files, observe);
    let images: Vec<&Image> = images.iter().collect();
    let rows = prepare_images(&spec, &images, cache, observe)?;
    let mut predictions: Vec<Prediction> =
        images.iter().zip(&rows).map(|(image, row)| unscored(image, row)).collect();
    let usable: Vec<usize> =
        (0..rows.len()).filter(|index| rows[*index].status == Status::Prepared).collect();
    let exams: Vec<Exam> = usable
        .iter()
        .map(|index| Exam {
            patient_id: rows[*index].patient_id.clone(),
            exam_id: rows[*index].exam_id.clone(),
            series_uid: rows[*index].series_uid.clone(),
            label: false,
            follow_up: None,
            crop: cache.join(&rows[*index].cache_file),
        })
        .collect();
    let has_gradients = explain_options.is_some();
    let means = mean_predictions(&networks, &calibration, &exams, has_gradients, &device, observe)?;
    for (index, mean) in usable.iter().zip(means) {
        let row = &mut predictions[*index];
        row.probability = mean.probability;
        row.calibrated_probability = mean.calibrated_probability;
        (row.risks, row.calibrated_risks) = (mean.risks, mean.calibrated_risks);
    }
    let explanations = match explain_options {
        Some(options) => {
            let scored: Vec<_> = usable
                .iter()
                .zip(&exams)
                .map(|(index, exam)| (images[*index], exam.crop.clone(), &predictions[*index]))
                .collect();
            explain_scored(networks, &scored, options, &device, observe)?
        }
        None => vec![],
    };
    predictions.extend(excluded.into_iter().map(|(path, exclusion)| Prediction {
        path,
        reason: exclusion.to_string(),
        ..Prediction::default()
    }));
    Ok((predictions, explanations))
}

/// The prediction of an image before it is scored, with the reason if preparation excluded it.
fn unscored(image: &Image, row: &Row) -> Prediction {
    Prediction {
        path: image.path.display().to_string(),
        patient_id: image.patient_id.clone(),
        exam_id: image.exam_id.clone(),
        series_uid: image.series_uid.clone(),
        reason: row.exclusion().map_or(String::new(), |exclusion| exclusion.to_string()),
        flags: row.flags.clone(),
        ..Prediction::default()
    }
}

/// The prediction of a model for one exam.
struct ExamPrediction {
    probability: Option<f64>,
    calibrated_probability: Option<f64>,
    /// By horizon; empty for one probability.
    risks: Vec<f64>,
    /// By horizon; empty without calibration.
    calibrated_risks: Vec<f64>,
}

/// Scores exams with every network, and averages.
fn mean_predictions(
    networks: &[ReadyModel],
    calibration: &Calibration,
    exams: &[Exam],
    has_gradients: bool,
    device: &Device,
    observe: &Observer,
) -> Result<Vec<ExamPrediction>, PipelineError> {
    let mut by_exam: Vec<Vec<NetworkOutput>> = exams.iter().map(|_| Vec::new()).collect();
    for ReadyModel { spec, network } in networks {
        observe(&Event::ValidationBegins { exams: exams.len() });
        let network = if has_gradients { &network.valid() } else { network };
        for scored in training::score(network, spec, exams, std::slice::from_ref(device), observe)?
        {
            let (log_odds, risks) = (scored.log_odds(), scored.logits.risks());
            let probability = scored.probability();
            by_exam[scored.exam].push(NetworkOutput { log_odds, probability, risks });
        }
    }
    Ok(by_exam
        .iter()
        .map(|outputs| ExamPrediction {
            probability: mean(outputs.iter().map(|it| it.probability)),
            calibrated_probability: calibration.probability(outputs),
            risks: mean_risks(outputs.iter().map(|it| &it.risks[..])),
            calibrated_risks: calibration.risks(outputs).unwrap_or_default(),
        })
        .collect())
}

/// Computes the heatmaps of scored images.
fn explain_scored(
    models: Vec<ReadyModel>,
    scored: &[(&Image, PathBuf, &Prediction)],
    options: &ExplainOptions,
    device: &Device,
    observe: &Observer,
) -> Result<Vec<Explanation>, PipelineError> {
    let networks: Vec<_> =
        models.into_iter().map(|model| (model.spec, model.network.for_inspection())).collect();
    let models: Vec<ExplainedModel> =
        networks.iter().map(|(spec, network)| ExplainedModel { spec, network }).collect();
    observe(&Event::StageBegins("explanation"));
    let advance = |done| observe(&Event::StageAdvances { done, total: scored.len() });
    let explanations = explain(&models, scored, options, device, advance)?;
    let failed = explanations.iter().filter(|row| !row.reason.is_empty()).count();
    let summary = format!(
        "{} in {}{}",
        counted(
            explanations.len() - failed,
            "heatmap with its picture",
            "heatmaps with their pictures"
        ),
        options.folder.display(),
        if failed > 0 { format!("; {failed} failed") } else { String::new() }
    );
    observe(&Event::StageEnds { stage: "explanation", summary: &summary });
    Ok(explanations)
}
