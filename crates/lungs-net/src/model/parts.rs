//! What all networks consist of: segments, units, a pool and a classifier. Everything that does not
//! depend on the architecture is written once, for these parts.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::convolution::Precision;
use super::layers::is_below;
use super::normalization::ChannelStatistics;
use super::unit::{self, Pass, Unit};
use super::update;

/// The batch statistics of every normalisation in one training pass, for
/// [`Network::update_running_statistics`](super::Network::update_running_statistics).
#[derive(Debug, Clone)]
#[must_use = "without Network::update_running_statistics the network evaluates with outdated statistics"]
pub struct BatchStatistics(pub(super) Vec<ChannelStatistics>);

impl BatchStatistics {
    /// The same statistics on another device.
    pub fn to_device(self, device: &Device) -> Self {
        let each = |ChannelStatistics(both)| ChannelStatistics(Tensor::to_device(both, device));
        Self(self.0.into_iter().map(each).collect())
    }
}

/// Receives the output of each layer, with the layer's name.
pub(super) type Probe<'a> = dyn FnMut(&str, &Tensor<5>) + 'a;

/// Reads named arrays of any rank.
pub(super) trait ArrayVisitor {
    fn array<const D: usize>(&mut self, name: String, parameter: &Param<Tensor<D>>);
}

/// Changes named arrays of any rank.
pub(super) trait ArrayMapper {
    fn array<const D: usize>(&mut self, name: String, parameter: &mut Param<Tensor<D>>);
}

/// A network as segments with one output tensor each, followed by pool and classifier.
pub(super) trait Parts: Module {
    /// Name of the kernel that reads the image.
    const FIRST_KERNEL: &'static str;

    /// Number of segments.
    fn segments(&self) -> usize;

    /// The output of one segment; of a segment with a pool behind its last layer, that of the pool.
    fn segment(
        &self,
        index: usize,
        input: Tensor<5>,
        pass: &mut Pass<'_>,
        probe: &mut Probe<'_>,
    ) -> Tensor<5>;

    /// The output of a segment from that of its last layer: with the pool behind it, if there is one.
    fn pool_after(&self, index: usize, output: Tensor<5>) -> Tensor<5>;

    /// The units of one segment.
    fn segment_units(&self, index: usize) -> Vec<&Unit>;

    /// Outputs `[batch, output]` from the features; with dropout, if a seed is given.
    fn classify(
        &self,
        features: Tensor<5>,
        dropout_seed: Option<u64>,
        probe: &mut Probe<'_>,
    ) -> Tensor<2>;

    /// Every unit with its name, in the order of a forward pass.
    fn units(&self) -> Vec<(String, &Unit)>;

    /// [`Parts::units`] to change them.
    fn units_mut(&mut self) -> Vec<(String, &mut Unit)>;

    /// The arrays of pool and classifier, in the order of a forward pass.
    fn visit_head<V: ArrayVisitor>(&self, visitor: &mut V);

    /// [`Parts::visit_head`] to change them.
    fn map_head<M: ArrayMapper>(&mut self, mapper: &mut M);
}

/// Outputs in evaluation mode. `probe` gets each layer's output.
pub(super) fn forward(network: &impl Parts, input: Tensor<5>, probe: &mut Probe<'_>) -> Tensor<2> {
    let features = features(network, input, &mut Pass::Evaluate, probe);
    network.classify(features, None, probe)
}

/// Outputs in training mode, with the batch statistics.
pub(super) fn forward_train(
    network: &impl Parts,
    input: Tensor<5>,
    dropout_seed: u64,
) -> (Tensor<2>, BatchStatistics) {
    let mut statistics = vec![];
    let features = features(network, input, &mut Pass::Train(&mut statistics), &mut |_, _| ());
    let outputs = network.classify(features, Some(dropout_seed), &mut |_, _| ());
    (outputs, BatchStatistics(statistics))
}

fn features(
    network: &impl Parts,
    input: Tensor<5>,
    pass: &mut Pass<'_>,
    probe: &mut Probe<'_>,
) -> Tensor<5> {
    (0..network.segments()).fold(input, |output, index| network.segment(index, output, pass, probe))
}

/// Outputs from the output of the last layer of segment `index`, in evaluation mode.
pub(super) fn continue_after(network: &impl Parts, index: usize, output: Tensor<5>) -> Tensor<2> {
    let output = network.pool_after(index, output);
    let features = (index + 1..network.segments()).fold(output, |output, index| {
        network.segment(index, output, &mut Pass::Evaluate, &mut |_, _| ())
    });
    network.classify(features, None, &mut |_, _| ())
}

/// Updates the running statistics by one training batch.
pub(super) fn update_running_statistics<N: Parts>(
    mut network: N,
    statistics: &BatchStatistics,
    share: f64,
) -> N {
    let units = network.units_mut().into_iter().filter(|(_, unit)| !unit.by_averages);
    update::together(|| {
        for ((_, unit), statistics) in units.zip(&statistics.0) {
            unit.update_running_statistics(statistics, share);
        }
    });
    network
}

/// Freezes the named layers, with everything below them.
pub(super) fn with_frozen<N: Parts>(mut network: N, names: &[String]) -> N {
    for (name, unit) in network.units_mut() {
        if names.iter().any(|layer| is_below(&name, layer)) {
            unit.freeze();
        }
    }
    network.map_head(&mut Freeze { names });
    network
}

struct Freeze<'a> {
    names: &'a [String],
}

impl ArrayMapper for Freeze<'_> {
    fn array<const D: usize>(&mut self, name: String, parameter: &mut Param<Tensor<D>>) {
        if self.names.iter().any(|layer| is_below(&name, layer)) {
            *parameter = parameter.clone().set_require_grad(false);
        }
    }
}

/// Freezes every batch normalisation.
pub(super) fn with_frozen_statistics<N: Parts>(mut network: N) -> N {
    network.units_mut().into_iter().for_each(|(_, unit)| unit.by_averages = true);
    network
}

/// Sets the number type of the convolutions' factors.
pub(super) fn with_precision<N: Parts>(mut network: N, precision: Precision) -> N {
    network.units_mut().into_iter().for_each(|(_, unit)| unit.precision = precision);
    network
}

/// Number of trainable parameters, frozen ones included, running statistics excluded.
pub(super) fn parameter_count(network: &impl Parts) -> usize {
    let mut count = Count { numbers: 0 };
    visit_arrays(network, &mut count);
    count.numbers
}

struct Count {
    numbers: usize,
}

impl ArrayVisitor for Count {
    fn array<const D: usize>(&mut self, name: String, parameter: &Param<Tensor<D>>) {
        if !unit::is_running_statistic(&name) {
            self.numbers += parameter.val().shape().num_elements();
        }
    }
}

/// Visits every array, in the order of a forward pass.
pub(super) fn visit_arrays<V: ArrayVisitor>(network: &impl Parts, visitor: &mut V) {
    for (name, unit) in network.units() {
        visitor.array(unit::kernel_name(&name), &unit.kernel);
        if let Some(gamma) = &unit.gamma {
            visitor.array(unit::gamma_name(&name), gamma);
        }
        visitor.array(unit::beta_name(&name), &unit.beta);
        visitor.array(unit::moving_mean_name(&name), &unit.moving_mean);
        visitor.array(unit::moving_variance_name(&name), &unit.moving_variance);
    }
    network.visit_head(visitor);
}

/// [`visit_arrays`] to change them.
pub(super) fn map_arrays<M: ArrayMapper>(network: &mut impl Parts, mapper: &mut M) {
    for (name, unit) in network.units_mut() {
        mapper.array(unit::kernel_name(&name), &mut unit.kernel);
        if let Some(gamma) = &mut unit.gamma {
            mapper.array(unit::gamma_name(&name), gamma);
        }
        mapper.array(unit::beta_name(&name), &mut unit.beta);
        mapper.array(unit::moving_mean_name(&name), &mut unit.moving_mean);
        mapper.array(unit::moving_variance_name(&name), &mut unit.moving_variance);
    }
    network.map_head(mapper);
}
