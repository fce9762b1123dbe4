//! Cross-validation: the sentence once for each fold, and one judgement of all.

use super::pooled::pool;
use super::{PipelineError, Stages, Until, evaluate_run, run};
use crate::results::{Provenance, RunFolder};
use crate::spec::Spec;
use crate::training::Outcome;
use burn::train::Interrupter;

/// Runs what is left of every fold, one after the other, each in a folder of its own inside `folder`,
/// and pools their test predictions once all are evaluated. Returns how the last of them ended.
pub fn cross_validate(
    spec: &Spec,
    folder: &RunFolder,
    until: Until,
    interrupter: &Interrupter,
    watch: &dyn Stages,
) -> Result<Outcome, PipelineError> {
    let _lock = folder.lock()?;
    let mut folds = Vec::new();
    let mut ended = Outcome::Finished { selected: 0, last: 0 };
    for spec in spec.fold_specs() {
        let fold = folder.fold(&spec)?;
        let finished = |known: Provenance| known.finished.is_some();
        if !Provenance::read(&fold).is_some_and(finished) {
            watch.note(&format!("fold {} of {}", spec.split.fold, spec.split.folds));
            ended = run(&spec, &fold, until, interrupter, watch)?;
            if matches!(ended, Outcome::Interrupted { .. }) {
                folder.log(&format!("interrupted in fold {}", spec.split.fold));
                return Ok(ended);
            }
        } else if fold.spec()?.evaluate != spec.evaluate {
            evaluate_run(&spec, &fold, watch)?;
        }
        folds.push(fold);
    }
    if until == Until::Reported {
        pool(spec, folder, &folds)?;
        folder.log(&format!("all {} folds are finished", folds.len()));
    }
    Ok(ended)
}
