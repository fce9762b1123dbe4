//! The metrics of one model of a table of predictions.

use super::ScoreOptions;
use super::withdraw::{withdraw_log_odds, withdraw_probabilities};
use crate::predictions::{ModelPredictions, PredictionTable};
use lungs_stats::{Curves, Evaluation, Options, Rule, evaluate_with_curves};

/// All metrics and curves of a model on all exams of its table.
pub(crate) fn evaluate_model(
    table: &PredictionTable,
    model: &ModelPredictions,
    options: &ScoreOptions,
) -> (Evaluation, Curves) {
    let mut settings = Options {
        level: options.confidence,
        bootstrap_replicates: options.replicates,
        seed: options.seed,
        prevalence: options.prevalence,
        groupings: table.groupings.clone(),
        weights: table.weights.clone(),
        ..Options::default()
    };
    if let Some(threshold) = options.threshold {
        settings.rules.retain(|rule| *rule != Rule::Probability(threshold));
        settings.rules.insert(0, Rule::Probability(threshold));
    }
    if model.probabilities.is_none() {
        settings.rules.retain(|rule| !matches!(rule, Rule::Probability(_)));
    }
    let (mut evaluation, mut curves) = evaluate_with_curves(&table.scored(model), &settings);
    match (undefined_reason(model), &model.probabilities) {
        (Some(reason), None) => withdraw_probabilities(&mut evaluation, &mut curves, &reason),
        (Some(reason), Some(_)) => withdraw_log_odds(&mut evaluation, &reason),
        (None, _) => {}
    }
    (evaluation, curves)
}

/// Why metrics of probabilities (for a model with ranking scores only) or of log-odds (if some probabilities are
/// exactly 0 or 1) are undefined.
pub(crate) fn undefined_reason(model: &ModelPredictions) -> Option<String> {
    if model.probabilities.is_none() {
        return Some("the predictions are ranking scores, not probabilities".to_owned());
    }
    let (noun, verb) = match model.saturated {
        0 => return None,
        1 => ("probability", "is"),
        _ => ("probabilities", "are"),
    };
    Some(format!(
        "{} {noun} of {} {verb} exactly 0 or 1, where log-odds are infinite",
        model.saturated,
        model.scores.len()
    ))
}
