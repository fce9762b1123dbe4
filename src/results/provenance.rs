//! Where a result came from. The only file that reads the clock, the host name and the commit.

use super::{ResultsError, RunFolder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `provenance.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Commit it was built from, `-dirty` when files had changed.
    pub commit: String,
    /// Hash of what affects results in the spec.
    pub spec_hash: String,
    /// Hash of the prepared volumes and labels that the run used.
    pub data_hash: Option<String>,
    /// BLAKE3 of the weights that training began with, where `model.init` names some: of their names,
    /// shapes and numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<String>,
    /// BLAKE3 of the lists of patients that imposed the split, by part (`split.lists`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub split_lists: BTreeMap<String, String>,
    /// What `labels.json` beside the labels file says of how the labels came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Value>,
    /// The spec's seed.
    pub seed: u64,
    /// Device the network ran on.
    pub device: String,
    /// Number format of the network.
    pub precision: String,
    /// Threads used.
    pub threads: usize,
    /// What is promised about the bytes of this run.
    pub determinism: String,
    /// Host name.
    pub host: String,
    /// Processor.
    pub processor: String,
    /// When each process that worked here began.
    pub started: Vec<String>,
    /// When the run was finished.
    pub finished: Option<String>,
    /// No patient is in two parts: checked, with the numbers.
    pub split_check: Option<String>,
    /// Seconds spent in each stage, over all processes.
    pub stage_seconds: BTreeMap<String, f64>,
}

impl Provenance {
    /// What is known before any work.
    pub fn begin(spec: &crate::spec::Spec) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("LUNGS_COMMIT").into(),
            spec_hash: spec.hash(),
            seed: spec.experiment.seed,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            processor: processor(),
            ..Self::default()
        }
    }

    /// The provenance that a run keeps, if it has any.
    pub fn read(run: &RunFolder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run.provenance_file()).ok()?).ok()
    }

    /// Writes `provenance.json`.
    pub fn write(&self, run: &RunFolder) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(self).expect("plain data always has a JSON form");
        Ok(crate::files::write_bytes(&run.provenance_file(), (text + "\n").as_bytes())?)
    }

    /// Adds seconds to a stage.
    pub fn spent(&mut self, stage: &str, seconds: f64) {
        let total = self.stage_seconds.entry(stage.to_owned()).or_default();
        *total = ((*total + seconds) * 1000.0).round() / 1000.0;
    }
}

/// The time now, to the second, as `2026-01-31T10:15:02Z`.
pub fn now_utc() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 * 1e-6
}

/// Version and commit, for `--version`.
pub fn program_version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("LUNGS_COMMIT"), ")")
}

fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name"));
    let name = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
