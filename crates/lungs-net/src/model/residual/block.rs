//! The residual block.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::table::BlockShape;
use crate::model::normalization::add_rectified;
use crate::model::unit::{Pass, Unit};

/// Two or three units whose output is added to the block's input.
///
/// ```text
/// input ─┬─ unit ─── unit (─── unit) ─┬─ sum ─── ReLU ─── output
///        └─ identity, or 1×1×1 ───────┘
/// ```
#[derive(Module, Debug)]
pub(super) struct Block {
    units: Vec<Unit>,
    /// The unit of the shortcut, where the block changes the shape.
    downsample: Option<Unit>,
}

impl Block {
    pub(super) fn new(shape: &BlockShape, seed: u64, device: &Device) -> Self {
        Self {
            units: shape.units.iter().map(|unit| Unit::scaled(unit, seed, device)).collect(),
            downsample: shape.downsample.as_ref().map(|unit| Unit::scaled(unit, seed, device)),
        }
    }

    pub(super) fn forward(&self, input: Tensor<5>, pass: &mut Pass<'_>) -> Tensor<5> {
        // The batch statistics are appended in the order of `units`.
        let output =
            self.units.iter().fold(input.clone(), |output, unit| unit.forward(output, pass));
        let shortcut = match &self.downsample {
            Some(unit) => unit.forward(input, pass),
            None => input,
        };
        add_rectified(output, shortcut)
    }

    /// All units, that of the shortcut last.
    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().chain(&self.downsample)
    }

    pub(super) fn units_mut(&mut self) -> impl Iterator<Item = &mut Unit> {
        self.units.iter_mut().chain(&mut self.downsample)
    }
}
