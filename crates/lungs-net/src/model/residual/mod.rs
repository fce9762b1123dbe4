//! Residual networks: units with a scale, blocks with shortcuts, and the pool of Sybil.
//!
//! ```text
//! [batch, channel, depth, height, width]
//!   stem 3×7×7 /1,2,2 (→ max 3×3×3 /2) → layer1 → layer2 /2 → layer3 /2 → layer4 /2
//!   → mean over positions, or attention → dropout → classifier
//! [batch, output]
//! ```

mod attention;
mod block;
#[cfg(test)]
mod reference;
mod table;
#[cfg(test)]
mod tests;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::convolution::multiply;
use super::initialization::truncated_normal;
use super::layers::head_names;
use super::network::drop_features;
use super::parts::{ArrayMapper, ArrayVisitor, Parts, Probe};
use super::pooling::max_pool;
use super::unit::{
    Pass, Unit, beta_name, gamma_name, kernel_name, moving_mean_name, moving_variance_name,
    parameter,
};
use attention::AttentionPool;
use block::Block;
use lungs_base::network::RESIDUAL_STEM as STEM;
pub(super) use table::{I3RESNET_152, R3D_18, ResidualShape};

/// Channels between the attention pool and the classifier at width 1.
const HIDDEN: usize = 512;

/// Configuration of a residual network.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResNetConfig {
    pub(super) shape: ResidualShape,
    /// Whether the pool of Sybil replaces the mean over positions.
    pub(super) has_attention: bool,
    pub(super) outputs: usize,
    pub(super) in_channels: usize,
    pub(super) width: f64,
    pub(super) keep_prob: f64,
}

/// A residual network.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Unit,
    blocks: Vec<Block>,
    /// The pool of Sybil; `None` for the mean over positions.
    pool: Option<AttentionPool>,
    /// `[output, feature]`.
    head_kernel: Param<Tensor<2>>,
    /// `[output]`.
    head_bias: Param<Tensor<1>>,
    keep_prob: f64,
    #[module(skip)]
    shape: ResidualShape,
}

impl ResNetConfig {
    /// A network with random initial weights, a function of `seed` alone. See [`super::NetworkConfig`].
    pub(super) fn init(&self, seed: u64, device: &Device) -> ResNet {
        let Self { shape, in_channels, width, outputs, .. } = *self;
        let blocks = shape.block_shapes(width);
        let pool = self
            .has_attention
            .then(|| AttentionPool::new(shape.features(width), self.hidden(), seed, device));
        let features = self.head_inputs();
        let [kernel_name, bias_name] = head_names();
        let deviation = (1.0 / features as f64).sqrt();
        let kernel = truncated_normal(seed, &kernel_name, deviation, features * outputs);
        ResNet {
            stem: Unit::scaled(&shape.stem_shape(in_channels, width), seed, device),
            blocks: blocks.iter().map(|block| Block::new(block, seed, device)).collect(),
            pool,
            head_kernel: parameter(&kernel_name, kernel, [outputs, features], device),
            head_bias: parameter(&bias_name, vec![0.0; outputs], [outputs], device),
            keep_prob: self.keep_prob,
            shape,
        }
    }

    /// Name and shape of every array, in the order of a forward pass.
    pub(super) fn variable_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let blocks = self.shape.block_shapes(self.width);
        let stem = self.shape.stem_shape(self.in_channels, self.width);
        let mut shapes = vec![];
        for unit in std::iter::once(&stem).chain(blocks.iter().flat_map(|b| b.all_units())) {
            let [depth, height, width] = unit.sizes;
            let kernel = vec![unit.outputs, unit.inputs, depth, height, width];
            shapes.push((kernel_name(&unit.name), kernel));
            let vectors = [gamma_name, beta_name, moving_mean_name, moving_variance_name];
            shapes.extend(vectors.map(|name| (name(&unit.name), vec![unit.outputs])));
        }
        if self.has_attention {
            let features = self.shape.features(self.width);
            shapes.extend(attention::array_shapes(features, self.hidden()));
        }
        let [kernel, bias] = head_names();
        shapes.push((kernel, vec![self.outputs, self.head_inputs()]));
        shapes.push((bias, vec![self.outputs]));
        shapes
    }

    fn hidden(&self) -> usize {
        table::scaled(HIDDEN, self.width)
    }

    /// Input channels of the classifier.
    fn head_inputs(&self) -> usize {
        if self.has_attention { self.hidden() } else { self.shape.features(self.width) }
    }
}

impl Parts for ResNet {
    const FIRST_KERNEL: &'static str = "stem/conv_3d/w";

    fn segments(&self) -> usize {
        self.shape.segments()
    }

    fn segment(
        &self,
        index: usize,
        input: Tensor<5>,
        pass: &mut Pass<'_>,
        probe: &mut Probe<'_>,
    ) -> Tensor<5> {
        let Some(block) = index.checked_sub(1) else {
            let output = self.stem.forward(input, pass);
            probe(STEM, &output);
            return self.pool_after(index, output);
        };
        let output = self.blocks[block].forward(input, pass);
        let names = self.shape.stage_names();
        if let Some(stage) =
            names.iter().find(|stage| self.shape.last_segment(stage) == Some(index))
        {
            probe(stage, &output);
        }
        output
    }

    fn pool_after(&self, index: usize, output: Tensor<5>) -> Tensor<5> {
        if index > 0 || !self.shape.has_pool {
            return output;
        }
        let [size, stride, padding] = table::POOL;
        max_pool(output, [size; 3], [stride; 3], [(padding, padding); 3])
    }

    fn segment_units(&self, index: usize) -> Vec<&Unit> {
        match index.checked_sub(1) {
            None => vec![&self.stem],
            Some(block) => self.blocks[block].units().collect(),
        }
    }

    fn classify(
        &self,
        features: Tensor<5>,
        dropout_seed: Option<u64>,
        probe: &mut Probe<'_>,
    ) -> Tensor<2> {
        let pooled = match &self.pool {
            Some(pool) => pool.forward(features, probe),
            None => {
                let [batch, channels, depth, height, width] = features.dims();
                let features = features.reshape([batch, channels, depth * height * width]);
                features.mean_dim(2).reshape([batch, channels])
            }
        };
        let [batch, channels] = pooled.dims();
        let shown = pooled.clone().reshape([batch, channels, 1, 1, 1]);
        probe("pooled", &shown);
        let pooled = match dropout_seed {
            Some(seed) => drop_features(shown, self.keep_prob, seed).reshape([batch, channels]),
            None => pooled,
        };
        multiply(pooled, self.head_kernel.val()) + self.head_bias.val().unsqueeze::<2>()
    }

    fn units(&self) -> Vec<(String, &Unit)> {
        let names = self.unit_names();
        let blocks = self.blocks.iter().flat_map(Block::units);
        let units = std::iter::once(&self.stem).chain(blocks);
        names.into_iter().zip(units).collect()
    }

    fn units_mut(&mut self) -> Vec<(String, &mut Unit)> {
        let names = self.unit_names();
        let blocks = self.blocks.iter_mut().flat_map(Block::units_mut);
        let units = std::iter::once(&mut self.stem).chain(blocks);
        names.into_iter().zip(units).collect()
    }

    fn visit_head<V: ArrayVisitor>(&self, visitor: &mut V) {
        if let Some(pool) = &self.pool {
            pool.visit_arrays(visitor);
        }
        let [kernel, bias] = head_names();
        visitor.array(kernel, &self.head_kernel);
        visitor.array(bias, &self.head_bias);
    }

    fn map_head<M: ArrayMapper>(&mut self, mapper: &mut M) {
        if let Some(pool) = &mut self.pool {
            pool.map_arrays(mapper);
        }
        let [kernel, bias] = head_names();
        mapper.array(kernel, &mut self.head_kernel);
        mapper.array(bias, &mut self.head_bias);
    }
}

impl ResNet {
    /// The row of the table.
    pub(super) fn shape(&self) -> &ResidualShape {
        &self.shape
    }

    /// Names of all units, in the order of a forward pass.
    fn unit_names(&self) -> Vec<String> {
        // Names do not depend on the width.
        let blocks = self.shape.block_shapes(1.0);
        let names = blocks.iter().flat_map(|block| block.all_units()).map(|unit| unit.name.clone());
        std::iter::once(STEM.to_owned()).chain(names).collect()
    }
}
