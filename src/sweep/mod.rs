//! Many runs of one spec file: what its `[sweep]` table stands for, and where each run stands.
//!
//! ```text
//!   [sweep] ── expand ──► runs, each a checked spec with a name and a hash
//!                           │
//!   results/<experiment>/<sweep>/
//!     sweep.json            what was expanded, and how each run ended    (SweepFolder)
//!     <run>/                a run folder, what `lungs run` makes of the same spec
//!     logs/<run>.log        what its process printed
//!     comparison.html .csv  all finished runs side by side
//! ```
//!
//! A run is known by the hash of its spec: a changed table adds runs, and those that it no longer asks for
//! stay where they are. Where a run stands is read from its folder (finished, in work by the lock on
//! `run.lock`, begun); only a failure has to be written down. Nothing here starts a process.

mod expand;
mod folder;
mod names;
mod standing;

pub use expand::{PlannedRun, SweepError, expand};
pub use folder::{ManifestRun, SweepFolder, SweepManifest, runs_at};
pub use standing::{Combination, Standing, State, combinations, standing};

#[cfg(test)]
mod tests;
