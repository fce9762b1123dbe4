//! Sweeps: many runs of one spec file, and the status of each run.
//!
//! ```text
//!   [sweep] ── expand ──► runs, each a validated spec with a name and a hash
//!                           │
//!   results/<experiment>/<sweep>/
//!     sweep.json            manifest of the runs and their failures    (SweepFolder)
//!     <run>/                a run folder, identical to that of `lungs run` with the same spec
//!     logs/<run>.log        output of its processes
//!     comparison.html .csv  comparison of all finished runs
//! ```
//!
//! The hash of its spec identifies a run: a changed table adds runs, and removed runs stay on disk. The status of
//! a run is read from its folder (finished, running by the lock on `run.lock`, started); only failures are
//! stored in the manifest. This module starts no process.

mod expand;
mod folder;
mod names;
mod status;
mod summary;

pub use expand::{PlannedRun, SweepError, expand};
pub use folder::{ManifestRun, SweepFolder, SweepManifest, find_runs};
pub use status::RunStatus;
pub use summary::{Combination, RunSummary, rank_combinations, run_summary};

#[cfg(test)]
mod tests;
