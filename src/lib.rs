//! `lungs`: declarative experiments for predicting lung cancer from chest CT.
//!
//! [`pipeline`] has the stages of a run:
//!
//! ```text
//! spec.toml → Spec → Cohort → Prepared → Split → Trained → Scored → Report
//! ```
//!
//! Each arrow is one function. Modules exchange plain structs, and a stage never imports a later stage.
//! `ARCHITECTURE.md` describes the modules.

pub mod cli;
pub mod cohort;
pub mod device;
pub mod dicom;
pub mod evaluation;
pub mod explain;
pub mod fetch;
pub mod files;
pub mod formats;
pub mod images;
pub mod memory;
pub mod model;
pub mod nlst;
pub mod panics;
pub mod phantom;
pub mod pipeline;
pub mod plan;
pub mod prepare;
pub mod random;
pub mod report;
pub mod results;
pub mod slurm;
pub mod spec;
pub mod sweep;
pub mod table;
pub mod text;
pub mod training;
pub mod unpack;
pub mod usage;
pub mod volume;
pub mod weights;
