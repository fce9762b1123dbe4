//! `lungs`: declarative experiments for predicting lung cancer from chest CT.
//!
//! [`pipeline`] has the stages of a run:
//!
//! ```text
//! spec.toml → Spec → Cohort → Prepared → Split → Trained → Scored → Report
//! ```
//!
//! Each arrow is one function. Stages exchange plain structs, and a stage never imports a later stage.
//! `ARCHITECTURE.md` describes this package and the crates below it.

pub mod bench;
pub mod cleaning;
pub mod cli;
pub mod new_spec;
pub mod nlst;
pub mod pipeline;
pub mod plan;
mod program;
pub mod runs;
pub mod slurm;
pub mod sweep;
