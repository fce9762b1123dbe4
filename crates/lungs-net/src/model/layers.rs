//! A description of the network: its units in the order of a forward pass, their inputs, and the shape
//! of every array, without allocating any.

use super::unit::{Widths, beta_name, kernel_name, moving_mean_name, moving_variance_name};
use super::{I3dConfig, Variable};
use lungs_base::network::mixed_unit_names;
pub(super) use lungs_base::network::{HEAD, is_below};

/// The inception blocks' names, and their widths at multiplier 1.
pub(super) const BLOCKS: [(&str, Widths); 9] = [
    ("Mixed_3b", widths(64, [96, 128], [16, 32], 32)),
    ("Mixed_3c", widths(128, [128, 192], [32, 96], 64)),
    ("Mixed_4b", widths(192, [96, 208], [16, 48], 64)),
    ("Mixed_4c", widths(160, [112, 224], [24, 64], 64)),
    ("Mixed_4d", widths(128, [128, 256], [24, 64], 64)),
    ("Mixed_4e", widths(112, [144, 288], [32, 64], 64)),
    ("Mixed_4f", widths(256, [160, 320], [32, 128], 128)),
    ("Mixed_5b", widths(256, [160, 320], [32, 128], 128)),
    ("Mixed_5c", widths(384, [192, 384], [48, 128], 128)),
];

const fn widths(direct: usize, first: [usize; 2], second: [usize; 2], pooled: usize) -> Widths {
    Widths { direct, first, second, pooled }
}

/// The three units before the blocks: name, output channels at multiplier 1, kernel size, stride.
pub(super) const STEM: [(&str, usize, usize, usize); 3] =
    [("Conv3d_1a_7x7", 64, 7, 2), ("Conv3d_2b_1x1", 64, 1, 1), ("Conv3d_2c_3x3", 192, 3, 1)];

/// Number of segments, each with one output tensor: the units of the stem and the blocks.
pub(super) const SEGMENTS: usize = STEM.len() + BLOCKS.len();

/// Number of units in an inception block.
pub(crate) const BLOCK_UNITS: usize = 6;
/// Indices of the units whose outputs form the block's output, in that order.
const BLOCK_OUTPUTS: [usize; 4] = [0, 2, 4, 5];

/// Description of one unit (convolution, batch normalisation, ReLU).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, for example `Mixed_4b/Branch_1/Conv3d_0b_3x3`.
    pub name: String,
    /// Indices of the units whose outputs, concatenated along the channels (ignoring pools), are its
    /// input; empty for the unit that reads the image.
    pub reads: Vec<usize>,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Output channels at width 1.
    pub full_outputs: usize,
    /// Side of the cubic kernel.
    pub size: usize,
}

impl Layer {
    /// `[out, in, depth, height, width]`.
    pub(crate) fn kernel_shape(&self) -> [usize; 5] {
        [self.outputs, self.inputs, self.size, self.size, self.size]
    }

    /// Names of kernel, beta, running mean and running variance.
    pub(crate) fn array_names(&self) -> [String; 4] {
        [
            kernel_name(&self.name),
            beta_name(&self.name),
            moving_mean_name(&self.name),
            moving_variance_name(&self.name),
        ]
    }
}

/// Names of the classifier's kernel and bias.
pub fn head_names() -> [String; 2] {
    [format!("{HEAD}/w"), format!("{HEAD}/b")]
}

/// Indices of the units whose concatenated outputs are the classifier's input.
pub(crate) fn head_inputs() -> Vec<usize> {
    outputs_of_block(BLOCKS.len() - 1)
}

fn outputs_of_block(block: usize) -> Vec<usize> {
    BLOCK_OUTPUTS.iter().map(|unit| STEM.len() + block * BLOCK_UNITS + unit).collect()
}

impl I3dConfig {
    /// Every unit, in the order of a forward pass: three, and six for each of nine blocks.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers: Vec<Layer> = Vec::with_capacity(STEM.len() + BLOCKS.len() * BLOCK_UNITS);
        let mut add = |name: String, reads: Vec<usize>, full_outputs: usize, size: usize| {
            let inputs = if reads.is_empty() {
                self.in_channels
            } else {
                reads.iter().map(|&unit| layers[unit].outputs).sum()
            };
            let outputs = self.channels(full_outputs);
            layers.push(Layer { name, reads, inputs, outputs, full_outputs, size });
        };
        for (index, (name, outputs, size, _)) in STEM.into_iter().enumerate() {
            add(name.to_owned(), index.checked_sub(1).into_iter().collect(), outputs, size);
        }
        for (block, (name, widths)) in BLOCKS.into_iter().enumerate() {
            let first = STEM.len() + block * BLOCK_UNITS;
            let input = match block.checked_sub(1) {
                None => vec![STEM.len() - 1],
                Some(previous) => outputs_of_block(previous),
            };
            let [direct, reduce_first, first_3x3, reduce_second, second_3x3, pooled] =
                mixed_unit_names(name);
            add(direct, input.clone(), widths.direct, 1);
            add(reduce_first, input.clone(), widths.first[0], 1);
            add(first_3x3, vec![first + 1], widths.first[1], 3);
            add(reduce_second, input.clone(), widths.second[0], 1);
            add(second_3x3, vec![first + 3], widths.second[1], 3);
            add(pooled, input, widths.pooled, 1);
        }
        layers
    }

    /// Input channels of the classifier.
    pub fn features(&self) -> usize {
        let layers = self.layers();
        head_inputs().into_iter().map(|unit| layers[unit].outputs).sum()
    }

    /// Name and shape of every array, in the order of [`super::I3d::variables`].
    pub fn variable_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = vec![];
        for layer in self.layers() {
            let [kernel, vectors @ ..] = layer.array_names();
            shapes.push((kernel, layer.kernel_shape().to_vec()));
            shapes.extend(vectors.map(|name| (name, vec![layer.outputs])));
        }
        let [kernel, bias] = head_names();
        shapes.push((kernel, vec![self.classes, self.features()]));
        shapes.push((bias, vec![self.classes]));
        shapes
    }
}

/// Whether a variable belongs to the classifier.
pub fn is_head(variable: &Variable) -> bool {
    head_names().contains(&variable.name)
}

/// Whether a variable belongs to the pool before the classifier.
pub fn is_pool(variable: &Variable) -> bool {
    is_below(&variable.name, lungs_base::network::POOL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use lungs_base::network;

    #[test]
    fn the_described_shapes_are_those_of_the_network() {
        for width_multiplier in [0.06, 0.1, 0.25] {
            let config = I3dConfig { width_multiplier, in_channels: 3, ..I3dConfig::default() };
            let network = config.init(1, &Device::flex()).unwrap();
            let shapes: Vec<(String, Vec<usize>)> =
                network.variables().into_iter().map(|v| (v.name, v.shape)).collect();
            assert_eq!(config.variable_shapes(), shapes);
        }
    }

    #[test]
    fn the_names_of_specs_are_those_of_the_network() {
        let names: Vec<String> =
            I3dConfig::default().layers().into_iter().map(|it| it.name).collect();
        assert_eq!(
            network::Architecture::I3d.layer_names(network::Pool::Average),
            [names, vec![HEAD.to_owned()]].concat()
        );
    }

    #[test]
    fn the_published_network_has_the_published_size() {
        let config = I3dConfig { in_channels: 3, ..I3dConfig::default() };
        let shapes = config.variable_shapes();
        assert_eq!(shapes.len(), 230);
        let trainable = shapes.iter().filter(|(name, _)| !name.contains("/moving_"));
        let numbers: usize = trainable.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(numbers, 12_282_034);
        assert_eq!(config.features(), 1024);
    }
}
