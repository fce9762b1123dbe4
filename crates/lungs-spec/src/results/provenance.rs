//! Provenance of a run. No other module reads the host name and the commit.

use super::{ResultsError, RunFolder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `provenance.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Commit of the build, with `-dirty` if files had changed.
    pub commit: String,
    /// Hash of all keys of the spec that affect results.
    pub spec_hash: String,
    /// Hash of the prepared volumes and labels that the run used.
    pub data_hash: Option<String>,
    /// BLAKE3 of the names, shapes and values of the initial weights, if `model.init` names weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<String>,
    /// BLAKE3 of the lists of patients (`split.lists`), by split.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub split_lists: BTreeMap<String, String>,
    /// Content of `labels.json` next to the labels file: the origin of the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Value>,
    /// The spec's seed.
    pub seed: u64,
    /// Device of the network.
    pub device: String,
    /// Number format of the network.
    pub precision: String,
    /// Threads used.
    pub threads: usize,
    /// Statement about the reproducibility of this run.
    pub determinism: String,
    /// Host name.
    pub host: String,
    /// Processor.
    pub processor: String,
    /// Start times of all processes of this run.
    pub started: Vec<String>,
    /// Time when the run was finished.
    pub finished: Option<String>,
    /// Exams and patients of each split, after the check that no patient is in two splits.
    pub split_check: Option<String>,
    /// Seconds of each stage, over all processes.
    pub stage_seconds: BTreeMap<String, f64>,
}

/// The program that writes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Version, as `0.1.0`.
    pub version: &'static str,
    /// Commit of the build, with `-dirty` after uncommitted changes.
    pub commit: &'static str,
}

impl Provenance {
    /// The provenance at the start of a run.
    pub fn begin(spec: &crate::spec::Spec, program: Program) -> Self {
        Self {
            version: program.version.into(),
            commit: program.commit.into(),
            spec_hash: spec.hash(),
            seed: spec.experiment.seed,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            processor: processor(),
            ..Self::default()
        }
    }

    /// The stored provenance of a run, if any.
    pub fn read(run: &RunFolder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run.provenance_file()).ok()?).ok()
    }

    /// Writes `provenance.json`.
    pub fn write(&self, run: &RunFolder) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(self).expect("plain data always has a JSON form");
        Ok(lungs_base::files::write_bytes(&run.provenance_file(), (text + "\n").as_bytes())?)
    }

    /// Adds seconds to a stage.
    pub fn spent(&mut self, stage: &str, seconds: f64) {
        let total = self.stage_seconds.entry(stage.to_owned()).or_default();
        *total = ((*total + seconds) * 1000.0).round() / 1000.0;
    }
}

fn processor() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let name = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
