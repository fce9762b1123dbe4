//! Conversion of a file's arrays into the network's variables, by layout.

use super::fold::{Unit, fold_gammas};
use super::layout::{Layout, NetworkLocation};
use super::{Archive, UnusedEntry};
use crate::model::{I3dConfig, Layer, NetworkConfig, Variable};
use lungs_base::network::Head;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The network in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExtractedNetwork {
    /// Architecture, pool, channels, width and (where there is a classifier) outputs.
    pub config: NetworkConfig,
    /// The network's variables; without the classifier's when the file has none.
    pub variables: Vec<Variable>,
    /// Entries of the file that the network does not use.
    pub unused_entries: Vec<UnusedEntry>,
}

/// Arrays not yet used, by name, and the problems of those already used.
struct Store<'a> {
    arrays: BTreeMap<&'a str, &'a Variable>,
    problems: Vec<String>,
}

/// Takes the recognised network out of a file.
///
/// # Errors
/// Every missing or wrong array, with the expected and the found shape.
pub(super) fn extract(
    archive: &Archive,
    location: &NetworkLocation,
    head_policy: Head,
) -> Result<ExtractedNetwork, Vec<String>> {
    let layout = location.layout;
    let prefix = location.prefix.as_str();
    let with_name = |array| -> (Option<&str>, &Variable) { (strip(prefix, array), array) };
    let (arrays, outside): (Vec<_>, Vec<_>) =
        archive.arrays.iter().map(with_name).partition(|(name, _)| name.is_some());
    let arrays: BTreeMap<&str, &Variable> =
        arrays.into_iter().filter_map(|(name, array)| Some((name?, array))).collect();
    let config = config_of(layout, &arrays);
    let layers = config.layers();
    let mut store = Store { arrays, problems: vec![] };
    let mut units: Vec<Unit> = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        units.push(store.unit(layout, index, layer));
    }
    let head = store.head(layout, &config).filter(|_| head_policy == Head::Load);
    if !store.problems.is_empty() {
        return Err(store.problems);
    }
    store.arrays.extend(outside.into_iter().map(|(_, array)| (&*array.name, array)));
    let mut unused_entries = store.unused_entries(layout);
    unused_entries.extend(archive.unused_entries.iter().map(|entry| UnusedEntry {
        name: entry.name.clone(),
        description:
            layout.known_extra(&entry.name).map_or(entry.description.clone(), str::to_owned),
    }));
    unused_entries.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut kernel, bias) = head.unzip();
    fold_gammas(&layers, &mut units, kernel.as_mut());
    let mut variables = vec![];
    for (layer, unit) in layers.iter().zip(units) {
        variables.extend(own_variables(layer, unit));
    }
    if let (Some(kernel), Some(bias)) = (kernel, bias) {
        let [kernel_name, bias_name] = crate::model::head_names();
        let shape = vec![config.classes, config.features()];
        variables.push(Variable { name: kernel_name, shape, values: kernel });
        variables.push(Variable { name: bias_name, shape: vec![bias.len()], values: bias });
    }
    Ok(ExtractedNetwork { config: config.into(), variables, unused_entries })
}

fn strip<'a>(prefix: &str, array: &'a Variable) -> Option<&'a str> {
    array.name.strip_prefix(prefix)
}

fn own_variables(layer: &Layer, unit: Unit) -> [Variable; 4] {
    let [kernel, beta, moving_mean, moving_variance] = layer.array_names();
    let vector = |name, values: Vec<f32>| Variable { name, shape: vec![values.len()], values };
    [
        Variable { name: kernel, shape: layer.kernel_shape().to_vec(), values: unit.kernel },
        vector(beta, unit.beta),
        vector(moving_mean, unit.moving_mean),
        vector(moving_variance, unit.moving_variance),
    ]
}

/// Channels, width and classes, from the shapes of the arrays.
fn config_of(layout: Layout, arrays: &BTreeMap<&str, &Variable>) -> I3dConfig {
    let outputs_and_inputs = |shape: &[usize]| match (layout.outputs_last(), shape) {
        (true, [.., inputs, outputs]) | (false, [outputs, inputs, ..]) => Some([*outputs, *inputs]),
        _ => None,
    };
    let full = I3dConfig::default();
    let mut config = full;
    let mut widths = vec![];
    for (index, layer) in full.layers().iter().enumerate() {
        let kernel = arrays.get(&*layout.unit(index, layer).kernel);
        if let Some([outputs, inputs]) = kernel.and_then(|k| outputs_and_inputs(&k.shape)) {
            widths.push((layer.full_outputs, outputs));
            if index == 0 {
                config.in_channels = inputs;
            }
        }
    }
    config.width_multiplier = width_of(&widths);
    let [_, bias] = layout.head();
    if let Some(bias) = arrays.get(&*bias) {
        config.classes = bias.values.len();
    }
    config
}

/// The width multiplier that yields these output channels, given as pairs (channels at width 1,
/// channels in the file). If none yields all of them, the ratio of the first unit.
pub(super) fn width_of(outputs: &[(usize, usize)]) -> f64 {
    let first = outputs.first().map_or(1.0, |&(full, actual)| actual as f64 / full as f64);
    let fits = |width: f64| {
        outputs
            .iter()
            .all(|&(full, actual)| actual == ((full as f64 * width).round() as usize).max(1))
    };
    if fits(first) {
        return first;
    }
    // The multipliers that round to the actual channels form an interval; take its shortest decimal.
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    for &(full, actual) in outputs {
        if actual > 1 {
            low = low.max((actual as f64 - 0.5) / full as f64);
        }
        high = high.min((actual as f64 + 0.5) / full as f64);
    }
    (1..=6)
        .map(|digits| {
            let scale = 10.0_f64.powi(digits);
            (low * scale).ceil() / scale
        })
        .find(|width| *width < high && fits(*width))
        .unwrap_or(first)
}

impl Store<'_> {
    fn unit(&mut self, layout: Layout, index: usize, layer: &Layer) -> Unit {
        let names = layout.unit(index, layer);
        let gamma = names.gamma.filter(|name| {
            layout != Layout::SlimInception || self.arrays.contains_key(name.as_str())
        });
        Unit {
            kernel: self.kernel(layout, &names.kernel, layer),
            gamma: gamma.map(|name| self.vector(&name, layer.outputs)),
            beta: self.vector(&names.beta, layer.outputs),
            moving_mean: self.vector(&names.moving_mean, layer.outputs),
            moving_variance: self.vector(&names.moving_variance, layer.outputs),
        }
    }

    /// The classifier, if the file has one: kernel `[class, feature]` and bias.
    fn head(&mut self, layout: Layout, config: &I3dConfig) -> Option<(Vec<f32>, Vec<f32>)> {
        let [kernel, bias] = layout.head();
        if !self.arrays.contains_key(&*kernel) && !self.arrays.contains_key(&*bias) {
            return None;
        }
        let (classes, features) = (config.classes, config.features());
        let shape = match (layout, layout.outputs_last()) {
            (Layout::Lungs | Layout::GoogLeNet, _) => vec![classes, features],
            (Layout::PyTorchI3d, _) => vec![classes, features, 1, 1, 1],
            (Layout::SlimInception, _) => vec![1, 1, features, classes],
            (Layout::TensorFlowI3d, _) => vec![1, 1, 1, features, classes],
        };
        let kernel = self.array(&kernel, &shape);
        let kernel = if layout.outputs_last() {
            outputs_first(&kernel, 1, features, classes)
        } else {
            kernel
        };
        Some((kernel, self.vector(&bias, classes)))
    }

    /// A kernel as `[out, in, depth, height, width]`; a two-dimensional kernel is inflated.
    fn kernel(&mut self, layout: Layout, name: &str, layer: &Layer) -> Vec<f32> {
        let Layer { inputs, outputs, size, .. } = *layer;
        let spatial = if layout.is_two_dimensional() { 2 } else { 3 };
        let mut shape = vec![size; spatial];
        if layout.outputs_last() {
            shape.extend([inputs, outputs])
        } else {
            shape.splice(0..0, [outputs, inputs]);
        }
        let taps = size.pow(spatial as u32);
        let kernel = self.array(name, &shape);
        let kernel = if layout.outputs_last() {
            outputs_first(&kernel, taps, inputs, outputs)
        } else {
            kernel
        };
        if layout.is_two_dimensional() { inflate(&kernel, size) } else { kernel }
    }

    /// A vector; all axes but one may have length 1.
    fn vector(&mut self, name: &str, length: usize) -> Vec<f32> {
        let shape = self.arrays.get(name).map(|array| &array.shape);
        let plain = |shape: &&Vec<usize>| {
            shape.iter().filter(|side| **side != 1).count() <= 1
                && shape.iter().product::<usize>() == length
        };
        match shape.filter(plain).cloned() {
            Some(shape) => self.array(name, &shape),
            None => self.array(name, &[length]),
        }
    }

    /// The values of an array of this shape; zeros, and a recorded problem, if there is none.
    fn array(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let problem = match self.arrays.remove(name) {
            Some(array) if array.shape == shape => match non_finite_value(&array.values) {
                None => return array.values.clone(),
                Some(value) => format!("{}: {value}", array.name),
            },
            Some(array) => {
                format!("{}: expected shape {shape:?}, found {:?}", array.name, array.shape)
            }
            None => format!("{name}: missing; expected shape {shape:?}"),
        };
        self.problems.push(problem);
        vec![0.0; shape.iter().product()]
    }

    /// The arrays that no unit and no classifier used.
    fn unused_entries(&self, layout: Layout) -> Vec<UnusedEntry> {
        let entry = |array: &&Variable| UnusedEntry {
            name: array.name.clone(),
            description: layout
                .known_extra(&array.name)
                .unwrap_or("not part of the network")
                .to_owned(),
        };
        self.arrays.values().map(entry).collect()
    }
}

/// The first value that is not finite, as a message.
fn non_finite_value(values: &[f32]) -> Option<String> {
    let index = values.iter().position(|value| !value.is_finite())?;
    Some(format!("found {} at index {index}, expected finite numbers", values[index]))
}

/// `[taps, in, out]` as `[out, in, taps]`.
fn outputs_first(values: &[f32], taps: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut moved = vec![0.0; values.len()];
    if moved.is_empty() {
        return moved;
    }
    // Several filters at once, so that each cache line that is read is fully used.
    const FILTERS_PER_BLOCK: usize = 16;
    let filter = inputs * taps;
    moved.par_chunks_mut(filter * FILTERS_PER_BLOCK).enumerate().for_each(|(block, filters)| {
        let first = block * FILTERS_PER_BLOCK;
        for tap in 0..taps {
            for input in 0..inputs {
                let line = &values[(tap * inputs + input) * outputs + first..];
                for (filter, value) in filters.chunks_exact_mut(filter).zip(line) {
                    filter[input * taps + tap] = *value;
                }
            }
        }
    });
    moved
}

/// `[filter, size, size]` as `[filter, size, size, size]`: each plane is repeated `size` times and
/// divided by `size`, so that a volume of equal slices gives the slice's output (Carreira &
/// Zisserman 2017).
fn inflate(kernel: &[f32], size: usize) -> Vec<f32> {
    let plane = size * size;
    let mut inflated = Vec::with_capacity(kernel.len() * size);
    for filter in kernel.chunks_exact(plane) {
        for _ in 0..size {
            inflated.extend(filter.iter().map(|weight| weight / size as f32));
        }
    }
    inflated
}

/// Changes the input channels of a first kernel `[out, in, …]`. All channels see the same image, so
/// the output stays the same.
pub(super) fn set_input_channels(kernel: Variable, channels: usize) -> Variable {
    let current = kernel.shape.get(1).copied().unwrap_or_default();
    if current == channels {
        return kernel;
    }
    let Variable { name, mut shape, values } = crate::model::sum_input_channels(kernel);
    let taps: usize = shape.iter().skip(2).product();
    shape[1] = channels;
    let share = |taps: &[f32]| taps.iter().map(|v| v / channels as f32).collect::<Vec<f32>>();
    let values = values.chunks_exact(taps).flat_map(|taps| share(taps).repeat(channels)).collect();
    Variable { name, shape, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_first() {
        // [tap 2, in 2, out 3]; each value is its own index.
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let moved = outputs_first(&values, 2, 2, 3);
        assert_eq!(moved, [0.0, 6.0, 3.0, 9.0, 1.0, 7.0, 4.0, 10.0, 2.0, 8.0, 5.0, 11.0]);
        // More than one block.
        let (taps, inputs, outputs) = (3, 5, 37);
        let values: Vec<f32> = (0..taps * inputs * outputs).map(|v| v as f32).collect();
        let moved = outputs_first(&values, taps, inputs, outputs);
        for (index, value) in moved.iter().enumerate() {
            let (output, input, tap) =
                (index / (inputs * taps), index / taps % inputs, index % taps);
            assert_eq!(*value, ((tap * inputs + input) * outputs + output) as f32);
        }
    }

    #[test]
    fn an_inflated_kernel_adds_up_to_the_flat_one() {
        let inflated = inflate(&[3.0, 6.0, 9.0, 12.0], 2);
        assert_eq!(inflated, [1.5, 3.0, 4.5, 6.0, 1.5, 3.0, 4.5, 6.0]);
    }

    #[test]
    fn the_width_is_inferred_from_all_layers() {
        let outputs = |width: f64| -> Vec<(usize, usize)> {
            let config = I3dConfig { width_multiplier: width, ..I3dConfig::default() };
            config.layers().iter().map(|layer| (layer.full_outputs, layer.outputs)).collect()
        };
        for width in [1.0, 0.5, 0.25, 0.06, 0.1, 0.0624, 2.0, 0.33] {
            let inferred = width_of(&outputs(width));
            assert_eq!(outputs(inferred), outputs(width), "{width} became {inferred}");
        }
        assert_eq!(width_of(&outputs(1.0)), 1.0);
        assert_eq!(width_of(&[(64, 64), (192, 7)]), 1.0);
    }

    #[test]
    fn changing_the_input_channels_keeps_the_output() {
        let kernel = |shape: &[usize], values: &[f32]| Variable {
            name: "w".to_owned(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let three = kernel(&[1, 3, 1, 1, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let one = set_input_channels(three.clone(), 1);
        assert_eq!(one, kernel(&[1, 1, 1, 1, 2], &[9.0, 12.0]));
        let again = set_input_channels(one, 3);
        assert_eq!(again, kernel(&[1, 3, 1, 1, 2], &[3.0, 4.0, 3.0, 4.0, 3.0, 4.0]));
        assert_eq!(set_input_channels(three.clone(), 3), three);
    }
}
