//! The building blocks of the network: the unit (convolution, batch normalisation, ReLU), and the
//! inception block of six units.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use super::convolution::{Precision, convolve, convolve_same};
use super::initialization::truncated_normal;
use super::normalization::{
    Affine, ChannelStatistics, normalize_by, normalize_by_batch, scale_by, scale_by_batch,
};
use super::pooling::max_pool_same;
use super::update;
pub(super) use lungs_base::network::mixed_unit_names;

/// The mode of a forward pass.
pub(super) enum Pass<'a> {
    /// Normalisation with running statistics.
    Evaluate,
    /// Normalisation with batch statistics, which are appended here.
    Train(&'a mut Vec<ChannelStatistics>),
}

/// Strides and padding of a unit's convolution.
#[derive(Debug, Clone, Copy)]
pub(super) enum Steps {
    /// One stride for all axes, and TensorFlow's SAME padding.
    Same(usize),
    /// A stride for each axis, and half a kernel of zeros on both sides (PyTorch's `padding=1` for a
    /// kernel of three).
    Symmetric([usize; 3]),
}

/// The lengths of a unit of a residual network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitShape {
    /// Name, for example `layer2/0/conv1`.
    pub(super) name: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Kernel depth, height, width; all odd.
    pub(super) sizes: [usize; 3],
    pub(super) strides: [usize; 3],
    /// Whether ReLU follows the normalisation.
    pub(super) rectifies: bool,
}

/// Convolution without bias, batch normalisation with or without scale, ReLU.
#[derive(Module, Debug)]
pub(super) struct Unit {
    /// `[out, in, depth, height, width]`.
    pub(super) kernel: Param<Tensor<5>>,
    /// `[out]`, trainable: the scale of the normalisation, which I3D does not have.
    pub(super) gamma: Option<Param<Tensor<1>>>,
    /// `[out]`, trainable.
    pub(super) beta: Param<Tensor<1>>,
    /// `[out]`, a running statistic, not trainable.
    pub(super) moving_mean: Param<Tensor<1>>,
    /// `[out]`, a running statistic, not trainable.
    pub(super) moving_variance: Param<Tensor<1>>,
    #[module(skip)]
    steps: Steps,
    /// Whether ReLU follows the normalisation. A unit without scale always has it.
    rectifies: bool,
    /// Whether training normalises with the running statistics and leaves them unchanged.
    pub(super) by_averages: bool,
    /// Number type of the convolution's factors.
    #[module(skip)]
    pub(super) precision: Precision,
}

impl Unit {
    /// The unit of I3D called `name`, with initial weights from `seed`.
    pub(super) fn new(
        name: &str,
        [inputs, outputs]: [usize; 2],
        size: usize,
        stride: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        let shape = [outputs, inputs, size, size, size];
        Self::initialized(name, shape, Steps::Same(stride), seed, device)
    }

    /// A unit of a residual network, whose normalisation has a scale, with initial weights from `seed`.
    pub(super) fn scaled(shape: &UnitShape, seed: u64, device: &Device) -> Self {
        let UnitShape { name, inputs, outputs, sizes: [depth, height, width], .. } = shape;
        let kernel = [*outputs, *inputs, *depth, *height, *width];
        let unit = Self::initialized(name, kernel, Steps::Symmetric(shape.strides), seed, device);
        let gamma = parameter(&gamma_name(name), vec![1.0; *outputs], [*outputs], device);
        Self { gamma: Some(gamma), rectifies: shape.rectifies, ..unit }
    }

    fn initialized(
        name: &str,
        shape: [usize; 5],
        steps: Steps,
        seed: u64,
        device: &Device,
    ) -> Self {
        let [outputs, of_output @ ..] = shape;
        let fan_in: usize = of_output.iter().product();
        let deviation = (2.0 / fan_in as f64).sqrt();
        let kernel_name = kernel_name(name);
        let kernel = truncated_normal(seed, &kernel_name, deviation, fan_in * outputs);
        let constant = |name: &str, value| parameter(name, vec![value; outputs], [outputs], device);
        Self {
            kernel: parameter(&kernel_name, kernel, shape, device),
            gamma: None,
            beta: constant(&beta_name(name), 0.0),
            moving_mean: constant(&moving_mean_name(name), 0.0).set_require_grad(false),
            moving_variance: constant(&moving_variance_name(name), 1.0).set_require_grad(false),
            steps,
            rectifies: true,
            by_averages: false,
            precision: Precision::F32,
        }
    }

    /// Makes kernel, gamma, beta and running statistics constant.
    pub(super) fn freeze(&mut self) {
        self.by_averages = true;
        self.kernel = self.kernel.clone().set_require_grad(false);
        self.gamma = self.gamma.take().map(|gamma| gamma.set_require_grad(false));
        self.beta = self.beta.clone().set_require_grad(false);
    }

    /// Whether any parameter is trainable.
    pub(super) fn is_trainable(&self) -> bool {
        let gamma = self.gamma.as_ref().is_some_and(|gamma| gamma.is_require_grad());
        self.kernel.is_require_grad() || gamma || self.beta.is_require_grad()
    }

    pub(super) fn forward(&self, input: Tensor<5>, pass: &mut Pass<'_>) -> Tensor<5> {
        let output = self.convolve(input);
        match pass {
            Pass::Train(statistics) if !self.by_averages => {
                let (output, batch) = match self.affine() {
                    Some(affine) => scale_by_batch(output, affine),
                    None => normalize_by_batch(output, self.beta.val()),
                };
                statistics.push(batch);
                output
            }
            _ => {
                let statistics =
                    ChannelStatistics::of(self.moving_mean.val(), self.moving_variance.val());
                match self.affine() {
                    Some(affine) => scale_by(output, affine, &statistics),
                    None => normalize_by(output, self.beta.val(), &statistics),
                }
            }
        }
    }

    fn convolve(&self, input: Tensor<5>) -> Tensor<5> {
        let kernel = self.kernel.val();
        match self.steps {
            Steps::Same(stride) => convolve_same(input, kernel, stride, self.precision),
            Steps::Symmetric(strides) => {
                let [_, _, sizes @ ..] = kernel.dims();
                let padding = sizes.map(|size| (size / 2, size / 2));
                convolve(input, kernel, strides, padding, self.precision)
            }
        }
    }

    /// Scale and offset, if the normalisation has a scale.
    fn affine(&self) -> Option<Affine> {
        let gamma = self.gamma.as_ref()?.val();
        Some(Affine { gamma, beta: self.beta.val(), rectifies: self.rectifies })
    }

    /// Updates the running statistics by one batch: `moving ← moving − (moving − batch)·share`.
    pub(super) fn update_running_statistics(&mut self, batch: &ChannelStatistics, share: f64) {
        for (row, moving) in
            [&mut self.moving_mean, &mut self.moving_variance].into_iter().enumerate()
        {
            let old = moving.val().inner();
            let new = update::blend_row(&old, &batch.0, row, share)
                .unwrap_or_else(|| old.clone() - (old - batch.row(row)) * share);
            replace(moving, new);
        }
    }
}

/// `<unit>/conv_3d/w`.
pub(super) fn kernel_name(unit: &str) -> String {
    format!("{unit}/conv_3d/w")
}

/// `<unit>/batch_norm/gamma`.
pub(super) fn gamma_name(unit: &str) -> String {
    format!("{unit}/batch_norm/gamma")
}

/// `<unit>/batch_norm/beta`.
pub(super) fn beta_name(unit: &str) -> String {
    format!("{unit}/batch_norm/beta")
}

/// `<unit>/batch_norm/moving_mean`.
pub(super) fn moving_mean_name(unit: &str) -> String {
    format!("{unit}/batch_norm/moving_mean")
}

/// `<unit>/batch_norm/moving_variance`.
pub(super) fn moving_variance_name(unit: &str) -> String {
    format!("{unit}/batch_norm/moving_variance")
}

/// Whether the array of this name is a running statistic, which no optimizer trains.
pub(super) fn is_running_statistic(name: &str) -> bool {
    name.contains("/moving_")
}

/// The id of the parameter called `name`, the same in every run. A saved optimizer state refers to
/// parameters by it.
pub fn parameter_id(name: &str) -> ParamId {
    let hash = blake3::hash(name.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    ParamId::from(u64::from_le_bytes(bytes))
}

/// A trainable parameter with the given values.
pub(super) fn parameter<const D: usize>(
    name: &str,
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    Param::initialized(parameter_id(name), tensor).set_require_grad(true)
}

/// Replaces a parameter's value (without gradients). The id and whether it is trainable stay the same.
pub(super) fn replace<const D: usize>(parameter: &mut Param<Tensor<D>>, value: Tensor<D>) {
    let trainable = parameter.is_require_grad();
    let value = if parameter.val().is_autodiff() { Tensor::from_inner(value) } else { value };
    *parameter = Param::initialized(parameter.id, value).set_require_grad(trainable);
}

/// Output channels of an inception block's six units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    /// The 1×1×1 branch.
    pub(super) direct: usize,
    /// The first 3×3×3 branch: the reducing 1×1×1 unit, and the 3×3×3 unit.
    pub(super) first: [usize; 2],
    /// The second 3×3×3 branch: the reducing 1×1×1 unit, and the 3×3×3 unit.
    pub(super) second: [usize; 2],
    /// The 1×1×1 unit after the max pool.
    pub(super) pooled: usize,
}

impl Widths {
    pub(super) fn output(&self) -> usize {
        self.direct + self.first[1] + self.second[1] + self.pooled
    }
}

/// An inception block: four parallel branches, concatenated along the channels.
///
/// ```text
///        ┌─ 1×1×1 ──────────────┐
/// input ─┼─ 1×1×1 ─── 3×3×3 ────┼─ output
///        ├─ 1×1×1 ─── 3×3×3 ────┤
///        └─ max 3×3×3 ─ 1×1×1 ──┘
/// ```
#[derive(Module, Debug)]
pub(super) struct Mixed {
    direct: Unit,
    reduce_first: Unit,
    first: Unit,
    reduce_second: Unit,
    second: Unit,
    pooled: Unit,
}

impl Mixed {
    pub(super) fn new(
        block: &str,
        inputs: usize,
        widths: Widths,
        seed: u64,
        device: &Device,
    ) -> Self {
        let names = mixed_unit_names(block);
        let unit = |index: usize, channels: [usize; 2], size: usize| {
            Unit::new(&names[index], channels, size, 1, seed, device)
        };
        Self {
            direct: unit(0, [inputs, widths.direct], 1),
            reduce_first: unit(1, [inputs, widths.first[0]], 1),
            first: unit(2, widths.first, 3),
            reduce_second: unit(3, [inputs, widths.second[0]], 1),
            second: unit(4, widths.second, 3),
            pooled: unit(5, [inputs, widths.pooled], 1),
        }
    }

    pub(super) fn forward(&self, input: Tensor<5>, pass: &mut Pass<'_>) -> Tensor<5> {
        // The batch statistics are appended in the order of `units`.
        let direct = self.direct.forward(input.clone(), pass);
        let first = self.reduce_first.forward(input.clone(), pass);
        let first = self.first.forward(first, pass);
        let second = self.reduce_second.forward(input.clone(), pass);
        let second = self.second.forward(second, pass);
        let pooled = max_pool_same(input, [3; 3], [1; 3]);
        let pooled = self.pooled.forward(pooled, pass);
        Tensor::cat(vec![direct, first, second, pooled], 1)
    }

    pub(super) fn units(&self) -> [&Unit; 6] {
        [
            &self.direct,
            &self.reduce_first,
            &self.first,
            &self.reduce_second,
            &self.second,
            &self.pooled,
        ]
    }

    pub(super) fn units_mut(&mut self) -> [&mut Unit; 6] {
        [
            &mut self.direct,
            &mut self.reduce_first,
            &mut self.first,
            &mut self.reduce_second,
            &mut self.second,
            &mut self.pooled,
        ]
    }
}
