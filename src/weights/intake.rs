//! The arrays of a file, by their layout, as the network's own.

use super::fold::{Unit, fold_gammas};
use super::layout::{Layout, Recognised};
use super::load::Head;
use super::{Archive, LeftOut};
use crate::model::{I3dConfig, Layer, Variable};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What a file holds of the network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intake {
    /// Channels, width and (where there is a classifier) classes.
    pub config: I3dConfig,
    /// The network's arrays; without the classifier's when the file has none.
    pub variables: Vec<Variable>,
    /// Arrays that the network has no place for.
    pub left_out: Vec<LeftOut>,
}

/// Arrays not yet used, by name, and everything that is wrong with those used.
struct Store<'a> {
    given: BTreeMap<&'a str, &'a Variable>,
    problems: Vec<String>,
}

/// The arrays of the network that was recognised in a file, or everything that is missing or
/// wrong, with what was expected and found.
pub(super) fn take(
    archive: &Archive,
    recognised: &Recognised,
    wanted: Head,
) -> Result<Intake, Vec<String>> {
    let layout = recognised.layout;
    let prefix = recognised.prefix.as_str();
    let named = |array| -> (Option<&str>, &Variable) { (strip(prefix, array), array) };
    let (given, outside): (Vec<_>, Vec<_>) =
        archive.arrays.iter().map(named).partition(|(name, _)| name.is_some());
    let given: BTreeMap<&str, &Variable> =
        given.into_iter().filter_map(|(name, array)| Some((name?, array))).collect();
    let config = config_of(layout, &given);
    let layers = config.layers();
    let mut store = Store { given, problems: vec![] };
    let mut units: Vec<Unit> = Vec::with_capacity(layers.len());
    for (place, layer) in layers.iter().enumerate() {
        units.push(store.unit(layout, place, layer));
    }
    let head = store.head(layout, &config).filter(|_| wanted == Head::Keep);
    if !store.problems.is_empty() {
        return Err(store.problems);
    }
    store.given.extend(outside.into_iter().map(|(_, array)| (&*array.name, array)));
    let mut left_out = store.left_out(layout);
    left_out.extend(archive.left_out.iter().map(|thing| LeftOut {
        name: thing.name.clone(),
        what: layout.known_extra(&thing.name).map_or(thing.what.clone(), str::to_owned),
    }));
    left_out.sort_by(|one, other| one.name.cmp(&other.name));
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
    Ok(Intake { config, variables, left_out })
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

/// Channels, width and classes as the shapes of a file tell them.
fn config_of(layout: Layout, given: &BTreeMap<&str, &Variable>) -> I3dConfig {
    let outputs_and_inputs = |shape: &[usize]| match (layout.outputs_last(), shape) {
        (true, [.., inputs, outputs]) | (false, [outputs, inputs, ..]) => Some([*outputs, *inputs]),
        _ => None,
    };
    let full = I3dConfig::default();
    let mut config = full;
    let mut widths = vec![];
    for (place, layer) in full.layers().iter().enumerate() {
        let kernel = given.get(&*layout.unit(place, layer).kernel);
        if let Some([outputs, inputs]) = kernel.and_then(|k| outputs_and_inputs(&k.shape)) {
            widths.push((layer.full_outputs, outputs));
            if place == 0 {
                config.in_channels = inputs;
            }
        }
    }
    config.width_multiplier = width_of(&widths);
    let [_, bias] = layout.head();
    if let Some(bias) = given.get(&*bias) {
        config.classes = bias.values.len();
    }
    config
}

/// The width multiplier that gives these output channels, each with its number at width 1; where
/// none gives all of them, that of the first unit.
fn width_of(outputs: &[(usize, usize)]) -> f64 {
    let first = outputs.first().map_or(1.0, |&(full, found)| found as f64 / full as f64);
    let fits = |width: f64| {
        outputs
            .iter()
            .all(|&(full, found)| found == ((full as f64 * width).round() as usize).max(1))
    };
    if fits(first) {
        return first;
    }
    // The multipliers that round to what was found make an interval; the shortest decimal in it.
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    for &(full, found) in outputs {
        if found > 1 {
            low = low.max((found as f64 - 0.5) / full as f64);
        }
        high = high.min((found as f64 + 0.5) / full as f64);
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
    fn unit(&mut self, layout: Layout, place: usize, layer: &Layer) -> Unit {
        let names = layout.unit(place, layer);
        let gamma = names.gamma.filter(|name| {
            layout != Layout::SlimInception || self.given.contains_key(name.as_str())
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
        if !self.given.contains_key(&*kernel) && !self.given.contains_key(&*bias) {
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

    /// A kernel as `[out, in, depth, height, width]`; one without depth is inflated.
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

    /// A vector, whose other axes have the length 1.
    fn vector(&mut self, name: &str, length: usize) -> Vec<f32> {
        let found = self.given.get(name).map(|array| &array.shape);
        let plain = |shape: &&Vec<usize>| {
            shape.iter().filter(|side| **side != 1).count() <= 1
                && shape.iter().product::<usize>() == length
        };
        match found.filter(plain).cloned() {
            Some(shape) => self.array(name, &shape),
            None => self.array(name, &[length]),
        }
    }

    /// The numbers of an array of this shape; zeros, and a problem, where there is none.
    fn array(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let problem = match self.given.remove(name) {
            Some(array) if array.shape == shape => match bad_number(&array.values) {
                None => return array.values.clone(),
                Some(found) => format!("{}: holds {found}", array.name),
            },
            Some(array) => {
                format!("{}: expected shape {shape:?}, found {:?}", array.name, array.shape)
            }
            None => format!("{name}: missing; expected shape {shape:?}"),
        };
        self.problems.push(problem);
        vec![0.0; shape.iter().product()]
    }

    /// What no unit and no classifier took.
    fn left_out(&self, layout: Layout) -> Vec<LeftOut> {
        let name = |array: &&Variable| LeftOut {
            name: array.name.clone(),
            what: layout.known_extra(&array.name).unwrap_or("not part of the network").to_owned(),
        };
        self.given.values().map(name).collect()
    }
}

/// A number that no weight can be.
fn bad_number(values: &[f32]) -> Option<String> {
    let at = values.iter().position(|value| !value.is_finite())?;
    Some(format!("{} at place {at}: weights are finite numbers", values[at]))
}

/// `[taps, in, out]` as `[out, in, taps]`.
fn outputs_first(values: &[f32], taps: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut moved = vec![0.0; values.len()];
    if moved.is_empty() {
        return moved;
    }
    // Filters side by side, so that what is read from a line of memory is used while it is near.
    const SIDE: usize = 16;
    let filter = inputs * taps;
    moved.par_chunks_mut(filter * SIDE).enumerate().for_each(|(block, filters)| {
        let first = block * SIDE;
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

/// `[filter, size, size]` as `[filter, size, size, size]`: each plane `size` times, divided by
/// `size`, so that a volume of equal slices gives what a slice gave (Carreira & Zisserman 2017).
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

/// A first kernel `[out, in, …]` for so many input channels, all of which see the same image: the
/// output stays what it was.
pub(super) fn set_input_channels(kernel: Variable, channels: usize) -> Variable {
    let found = kernel.shape.get(1).copied().unwrap_or_default();
    if found == channels {
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
        // [tap 2, in 2, out 3]: the number says where it was.
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let moved = outputs_first(&values, 2, 2, 3);
        assert_eq!(moved, [0.0, 6.0, 3.0, 9.0, 1.0, 7.0, 4.0, 10.0, 2.0, 8.0, 5.0, 11.0]);
        // Across the border of a block.
        let (taps, inputs, outputs) = (3, 5, 37);
        let values: Vec<f32> = (0..taps * inputs * outputs).map(|v| v as f32).collect();
        let moved = outputs_first(&values, taps, inputs, outputs);
        for (place, value) in moved.iter().enumerate() {
            let (output, input, tap) =
                (place / (inputs * taps), place / taps % inputs, place % taps);
            assert_eq!(*value, ((tap * inputs + input) * outputs + output) as f32);
        }
    }

    #[test]
    fn an_inflated_kernel_adds_up_to_the_flat_one() {
        let inflated = inflate(&[3.0, 6.0, 9.0, 12.0], 2);
        assert_eq!(inflated, [1.5, 3.0, 4.5, 6.0, 1.5, 3.0, 4.5, 6.0]);
    }

    #[test]
    fn a_width_is_told_by_all_layers() {
        let outputs = |width: f64| -> Vec<(usize, usize)> {
            let config = I3dConfig { width_multiplier: width, ..I3dConfig::default() };
            config.layers().iter().map(|layer| (layer.full_outputs, layer.outputs)).collect()
        };
        for width in [1.0, 0.5, 0.25, 0.06, 0.1, 0.0624, 2.0, 0.33] {
            let found = width_of(&outputs(width));
            assert_eq!(outputs(found), outputs(width), "{width} became {found}");
        }
        assert_eq!(width_of(&outputs(1.0)), 1.0);
        assert_eq!(width_of(&[(64, 64), (192, 7)]), 1.0);
    }

    #[test]
    fn channels_that_see_the_same_image_give_the_same() {
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
