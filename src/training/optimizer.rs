//! The optimizer that a spec describes.

use crate::model::I3d;
use crate::spec::Spec;
use burn::optim::{AdamConfig, ModuleOptimizer};

/// An optimizer that has not made a step.
pub(super) fn new(_spec: &Spec, _network: &I3d) -> ModuleOptimizer {
    AdamConfig::new().with_beta_1(0.9).with_beta_2(0.999).with_epsilon(1e-8).init()
}
