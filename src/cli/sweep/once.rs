//! Checks and preparation for all runs of a sweep, before the first run starts.

use super::super::Failure;
use super::super::interrupt::Interrupt;
use super::super::output::Output;
use super::super::progress::Progress;
use super::super::run::use_threads;
use crate::pipeline::{self, Inputs, PipelineError};
use crate::sweep::{PlannedRun, SweepFolder};
use lungs_spec::spec::Spec;
use lungs_study::cohort::{self, Cohort};
use lungs_study::prepare::Shard;
use lungs_train::{self as training, Observer};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Checks the initial weights of all runs before the first run starts.
pub(super) fn check_weights(runs: &[&PlannedRun]) -> Result<(), Failure> {
    let mut checked = BTreeSet::new();
    for run in runs {
        let model = toml::to_string(&run.spec.model).map_err(Failure::work)?;
        let preprocess = toml::to_string(&run.spec.preprocess).map_err(Failure::work)?;
        if checked.insert(model + &preprocess) {
            training::initial_weights(&run.spec).map_err(PipelineError::from)?;
        }
    }
    Ok(())
}

/// Checks that labels, lists and images of started runs are unchanged, before the first run starts.
pub(super) fn check_inputs<'a>(
    runs: impl Iterator<Item = &'a PlannedRun>,
    folder: &SweepFolder,
) -> Result<(), Failure> {
    let mut inputs_by_key = BTreeMap::<String, Rc<Inputs>>::new();
    for run in runs {
        let Some(run_folder) = folder.run(&run.name) else { continue };
        let lists = toml::to_string(&run.spec.split.lists).map_err(Failure::work)?;
        let key = study_key(&run.spec)? + &lists;
        let observe = || match inputs_by_key.get(&key) {
            Some(inputs) => Ok(inputs.clone()),
            None => {
                let inputs = Rc::new(Inputs::observe(&run.spec)?);
                inputs_by_key.insert(key, inputs.clone());
                Ok(inputs)
            }
        };
        pipeline::check_against(&run.spec, &run_folder, observe).map_err(|error| {
            Failure::request(format!(
                "{error}\nTo start a new sweep with the current inputs, set another sweep.name"
            ))
        })?;
    }
    Ok(())
}

/// Prepares the series of all runs, or those of one shard, once for each different preprocessing. The runs
/// then find them in the cache, and parallel runs do not prepare the same series.
pub(super) fn prepare(
    runs: &[&PlannedRun],
    folder: &SweepFolder,
    shard: Option<Shard>,
    output: &Output,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut prepared = BTreeSet::new();
    for run in runs {
        let spec = &run.spec;
        if !prepared.insert(study_key(spec)?) {
            continue;
        }
        use_threads(spec);
        let progress = Progress::new(output.is_quiet(), interrupt);
        if spec.data.phantom.is_some() {
            // Tasks of a job array start at the same time; one of them writes the cohort.
            let _lock = folder.lock()?;
            pipeline::make_phantom(spec, &progress.observer())?;
        }
        match prepare_study(spec, shard, &progress.observer()) {
            Err(error) if error.is_request() => return Err(error.into()),
            // Only the runs that need these series fail later.
            Err(error) => output.say(format!("preparation of {}: {error}", run.name)),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn prepare_study(
    spec: &Spec,
    shard: Option<Shard>,
    observe: &Observer,
) -> Result<(), PipelineError> {
    match shard {
        Some(shard) => pipeline::prepare_shard(spec, shard, observe).map(drop),
        None => {
            let mut cohort = pipeline::gather(spec, observe)?;
            pipeline::prepare(spec, &mut cohort, observe).map(drop)
        }
    }
}

/// A key of the settings that determine the cohort and the prepared series of a run, except its seed.
fn study_key(spec: &Spec) -> Result<String, Failure> {
    let data = toml::to_string(&spec.data).map_err(Failure::work)?;
    Ok(data + &toml::to_string(&spec.preprocess).map_err(Failure::work)?)
}

/// The cohorts of runs. Each data folder is scanned once.
#[derive(Default)]
pub(super) struct Cohorts(BTreeMap<String, Cohort>);

impl Cohorts {
    /// The cohort of `spec`; `None` if it is synthetic and not written yet.
    pub(super) fn of(&mut self, spec: &Spec) -> Result<Option<Cohort>, Failure> {
        if spec.data.phantom.is_some() && !spec.data.root.exists() {
            return Ok(None);
        }
        let key = study_key(spec)?;
        if !self.0.contains_key(&key) {
            self.0.insert(key.clone(), pipeline::survey(spec)?.cohort);
        }
        let mut cohort = self.0.get(&key).cloned();
        if let Some(cohort) = &mut cohort {
            cohort::assign(cohort, spec).map_err(Failure::request)?;
        }
        Ok(cohort)
    }
}
