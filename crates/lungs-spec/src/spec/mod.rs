//! The experiment as data.
//!
//! A spec has layers; each layer overrides the one before it:
//!
//! ```text
//! built-in defaults < extends chain < the file < LUNGS_SECTION__KEY environment < --set section.key=value
//! ```
//!
//! [`load`] reads the layers into a [`Document`], and [`Document::check`] converts it to a valid [`Spec`].
//! Later stages take a `Spec` and check nothing again. [`Spec::to_toml`] is the canonical form with every
//! default explicit, and [`Spec::hash`] identifies the experiment.

mod canonical;
mod check;
mod check_training;
mod class_weights;
mod contract;
mod data;
mod document;
mod error;
mod evaluate;
mod external;
mod layers;
mod limits;
mod messages;
mod network;
mod outcome;
mod preprocess;
mod renamed;
mod slurm;
mod statements;
mod suggestions;
mod sweep;
mod training;

pub use canonical::{Difference, differences};
pub use check_training::HORIZON_COUNT;
pub use class_weights::ClassWeights;
pub use contract::{Contract, ContractError, weights_metadata};
pub use data::*;
pub use document::*;
pub use error::{KeyProblem, SpecError};
pub use evaluate::*;
pub use external::OtherExams;
pub use layers::{Overrides, load, load_data, load_preparation, load_resolved};
pub use limits::{Allowed, LIMITS, Limit};
pub use network::*;
pub use outcome::*;
pub use preprocess::*;
pub use renamed::{RENAMED, RenamedKey};
pub use slurm::*;
pub use statements::Statements;
pub use sweep::*;
pub use training::*;

use std::ops::Deref;

/// A valid spec. Only [`Document::check`] constructs it. Specs are equal if all values are equal.
#[derive(Clone, Debug)]
pub struct Spec {
    document: Document,
    renamed: Vec<RenamedKey>,
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Spec {
    fn new(document: Document) -> Self {
        Self { document, renamed: Vec::new() }
    }

    /// Former names of keys in the layers of this spec, to tell the user about.
    pub fn renamed_keys(&self) -> &[RenamedKey] {
        &self.renamed
    }
}

impl Deref for Spec {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.document
    }
}

#[cfg(test)]
mod renamed_tests;
#[cfg(test)]
mod tests;
