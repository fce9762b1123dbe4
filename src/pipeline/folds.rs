//! Cross-validation: one run per fold, and metrics of the pooled predictions.

use super::pooled::pool;
use super::{LastStage, PipelineError, evaluate_run, run};
use burn::train::Interrupter;
use lungs_spec::results::{Provenance, RunFolder};
use lungs_spec::spec::Spec;
use lungs_train::{Completion, Event, Observer};

/// Runs or resumes every fold, one after the other, each in its own folder inside `folder`, and pools the test
/// predictions of all folds. Returns the outcome of the last fold.
pub fn cross_validate(
    spec: &Spec,
    folder: &RunFolder,
    last_stage: LastStage,
    interrupter: &Interrupter,
    observe: &Observer,
) -> Result<Completion, PipelineError> {
    let _lock = folder.lock()?;
    let mut folds = Vec::new();
    let mut outcome = Completion::Finished { selected: 0, last: 0 };
    for spec in spec.fold_specs() {
        let fold = folder.fold(&spec)?;
        let finished = |provenance: Provenance| provenance.finished.is_some();
        if !Provenance::read(&fold).is_some_and(finished) {
            observe(&Event::Note(&format!("fold {} of {}", spec.split.fold, spec.split.folds)));
            outcome = run(&spec, &fold, last_stage, interrupter, observe)?;
            if matches!(outcome, Completion::Interrupted { .. }) {
                folder.log(&format!("interrupted in fold {}", spec.split.fold));
                return Ok(outcome);
            }
        } else if !fold.spec()?.has_report_of(&spec) {
            evaluate_run(&spec, &fold, observe)?;
        }
        folds.push(fold);
    }
    if last_stage == LastStage::Report {
        pool(spec, folder, &folds)?;
        folder.log(&format!("all {} folds are finished", folds.len()));
    }
    Ok(outcome)
}
