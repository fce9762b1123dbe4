//! Names of residual networks in files, and their names in this program.
//!
//! | layout | a kernel | pool and classifier |
//! |---|---|---|
//! | this program | `layer2/0/conv1/conv_3d/w` | `Pool/…`, `Logits/…` |
//! | Sybil | `image_encoder.2.0.conv1.0.weight` | `pool.…`, `prob_of_failure_layer.…` |
//! | torchvision `r3d_18` | `layer2.0.conv1.0.weight` | `fc.…` |
//! | Merlin's inflated ResNet-152 | `layer2.0.conv1.weight` | none |
//!
//! Sybil's encoder is torchvision's, as a sequence of its first five parts. Shapes are those of this program.

use super::{Archive, Head, UnusedEntry};
use crate::model::{Variable, head_names};
use std::collections::BTreeMap;
use std::fmt;

/// A known convention for the names of a residual network's arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResidualLayout {
    /// This program's own layout.
    Lungs,
    /// Sybil: `r3d_18`, its pool, and the layer of hazards.
    Sybil,
    /// torchvision's `r3d_18`.
    Torchvision,
    /// The inflated ResNet-152 of Merlin, and of networks that are derived from it.
    Merlin,
}

impl fmt::Display for ResidualLayout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Lungs => "residual network of this program",
            Self::Sybil => "Sybil",
            Self::Torchvision => "r3d_18 of torchvision",
            Self::Merlin => "inflated ResNet-152 of Merlin",
        })
    }
}

/// What an array of the file is.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// An array of the network.
    Array(String),
    /// A part of the classifier.
    Head,
    /// Not part of the network, with its description.
    Extra(&'static str),
}

const BASE: [&str; 2] =
    ["prob_of_failure_layer.base_hazard_fc.weight", "prob_of_failure_layer.base_hazard_fc.bias"];
const HAZARDS: [&str; 2] =
    ["prob_of_failure_layer.hazard_fc.weight", "prob_of_failure_layer.hazard_fc.bias"];
const CLASSES: [&str; 2] = ["fc.weight", "fc.bias"];

/// The kernel that reads the image, in this program.
const FIRST_KERNEL: &str = "stem/conv_3d/w";

/// Parts of Sybil's pool, in the file and here.
const POOL: [(&str, &str); 5] = [
    ("image_pool1.attention_fc", "Position_attention"),
    ("volume_pool1.attention_fc", "Slice_attention"),
    ("volume_pool2.conv1d", "Slice_convolution"),
    ("volume_pool2.aggregate.attention_fc", "Convolved_attention"),
    ("hidden_fc", "Hidden"),
];

impl ResidualLayout {
    const ALL: [Self; 4] = [Self::Lungs, Self::Sybil, Self::Torchvision, Self::Merlin];

    /// Name of the kernel that reads the image.
    pub(super) fn first_kernel(self) -> &'static str {
        match self {
            Self::Lungs => FIRST_KERNEL,
            Self::Sybil => "image_encoder.0.0.weight",
            Self::Torchvision => "stem.0.weight",
            Self::Merlin => "conv1.weight",
        }
    }

    /// The first kernels' names, for error messages.
    pub(super) fn first_kernels() -> String {
        Self::ALL.map(Self::first_kernel).join(", ")
    }

    /// The use of an array; `None` for an unknown name.
    fn use_of(self, name: &str) -> Option<Use> {
        match self {
            Self::Lungs => Some(Use::Array(name.to_owned())),
            Self::Sybil => {
                if let Some(rest) = name.strip_prefix("image_encoder.") {
                    let (part, rest) = rest.split_once('.')?;
                    return match part.parse::<usize>().ok()? {
                        0 => encoder_array("stem", rest),
                        stage @ 1..=4 => encoder_array(&format!("layer{stage}"), rest),
                        _ => None,
                    };
                }
                if let Some(rest) = name.strip_prefix("pool.") {
                    return pool_array(rest);
                }
                if name == "prob_of_failure_layer.upper_triagular_mask" {
                    return Some(Use::Extra("mask of the sum over years"));
                }
                BASE.iter().chain(&HAZARDS).any(|head| *head == name).then_some(Use::Head)
            }
            Self::Torchvision => {
                if CLASSES.contains(&name) {
                    return Some(Use::Head);
                }
                let (part, rest) = name.split_once('.')?;
                let is_stage = part.strip_prefix("layer").is_some_and(|number| {
                    number.parse::<usize>().is_ok_and(|number| (1..=4).contains(&number))
                });
                (part == "stem" || is_stage).then(|| encoder_array(part, rest)).flatten()
            }
            Self::Merlin => merlin_array(name),
        }
    }

    /// Kernels and biases of the classifier; those of several layers are its rows, in order.
    fn head(self) -> [&'static [&'static str]; 2] {
        match self {
            // Their arrays have their names already, or there is no classifier.
            Self::Lungs | Self::Merlin => [&[], &[]],
            // The base of all years comes first.
            Self::Sybil => [&[BASE[0], HAZARDS[0]], &[BASE[1], HAZARDS[1]]],
            Self::Torchvision => [&[CLASSES[0]], &[CLASSES[1]]],
        }
    }
}

/// `1.0.weight` of `layer2` to `layer2/1/…`; `0.weight` of `stem` to `stem/conv_3d/w`.
fn encoder_array(part: &str, rest: &str) -> Option<Use> {
    let (unit, index, array) = if part == "stem" {
        let (index, array) = rest.split_once('.')?;
        (part.to_owned(), index, array)
    } else {
        let (block, rest) = rest.split_once('.')?;
        block.parse::<usize>().ok()?;
        let (unit, rest) = rest.split_once('.')?;
        if !["conv1", "conv2", "conv3", "downsample"].contains(&unit) {
            return None;
        }
        let (index, array) = rest.split_once('.')?;
        (format!("{part}/{block}/{unit}"), index, array)
    };
    unit_array(&unit, index == "1", array).filter(|_| ["0", "1"].contains(&index))
}

/// An array of a unit's convolution, or of its normalisation.
fn unit_array(unit: &str, is_normalisation: bool, array: &str) -> Option<Use> {
    let own = match (is_normalisation, array) {
        (false, "weight") => "conv_3d/w",
        (true, "weight") => "batch_norm/gamma",
        (true, "bias") => "batch_norm/beta",
        (true, "running_mean") => "batch_norm/moving_mean",
        (true, "running_var") => "batch_norm/moving_variance",
        (true, "num_batches_tracked") => return Some(Use::Extra("training counter")),
        _ => return None,
    };
    Some(Use::Array(format!("{unit}/{own}")))
}

/// `layer2.0.bn1.weight` to `layer2/0/conv1/…`, `conv1.weight` to `stem/…`. Classifiers of Merlin's tasks, which follow
/// the encoder, are not part of the network.
fn merlin_array(name: &str) -> Option<Use> {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |text: &str| text.parse::<usize>().ok();
    match parts[..] {
        ["conv1", array] => unit_array("stem", false, array),
        ["bn1", array] => unit_array("stem", true, array),
        [stage, block, "downsample", index @ ("0" | "1"), array] if stage.starts_with("layer") => {
            number(block)?;
            unit_array(&format!("{stage}/{block}/downsample"), index == "1", array)
        }
        [stage, block, layer, array] if stage.starts_with("layer") => {
            number(block)?;
            let (index, is_normalisation) =
                match (layer.strip_prefix("conv"), layer.strip_prefix("bn")) {
                    (Some(index), _) => (index, false),
                    (None, Some(index)) => (index, true),
                    (None, None) => return None,
                };
            let index = number(index)?;
            unit_array(&format!("{stage}/{block}/conv{index}"), is_normalisation, array)
        }
        _ if name.starts_with("layer") => None,
        _ => Some(Use::Extra("not part of the encoder")),
    }
}

fn pool_array(rest: &str) -> Option<Use> {
    if rest.starts_with("multi_img_hidden_fc.") {
        return Some(Use::Extra("features of slices, which the risk does not use"));
    }
    let (part, array) = rest.rsplit_once('.')?;
    let (_, own) = POOL.iter().find(|(name, _)| *name == part)?;
    let array = match array {
        "weight" => "w",
        "bias" => "b",
        _ => return None,
    };
    Some(Use::Array(format!("Pool/{own}/{array}")))
}

/// A residual network's layout, and the prefix of its names in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResidualLocation {
    pub layout: ResidualLayout,
    pub prefix: String,
}

/// Every residual network in a file, usually one.
pub(super) fn recognise(archive: &Archive) -> Vec<ResidualLocation> {
    let in_layout = |layout: ResidualLayout| {
        archive.arrays.iter().filter_map(move |array| {
            let prefix = array.name.strip_suffix(layout.first_kernel())?;
            let is_kernel = array.shape.len() == 5 && array.shape[2..] == [3, 7, 7];
            let is_whole = prefix.is_empty() || prefix.ends_with(['.', '/']);
            (is_kernel && is_whole).then(|| ResidualLocation { layout, prefix: prefix.to_owned() })
        })
    };
    ResidualLayout::ALL.into_iter().flat_map(in_layout).collect()
}

/// An archive with the names of this program.
#[derive(Debug)]
pub(super) struct Renamed {
    /// The arrays of the network, and the unused entries of the file.
    pub archive: Archive,
    /// One line for each unknown array, and for each array of the classifier that is missing or wrong.
    pub problems: Vec<String>,
}

/// The residual network at a location of a file, with the names of this program. Shapes are not checked.
pub(super) fn with_own_names(archive: Archive, location: &ResidualLocation, head: Head) -> Renamed {
    let ResidualLocation { layout, prefix } = location;
    let Archive { arrays, unused_entries, metadata } = archive;
    let mut renamed = Archive { metadata, ..Archive::default() };
    let mut of_head: BTreeMap<String, Variable> = BTreeMap::new();
    let mut problems = vec![];
    let unused =
        |name: String, description: &str| UnusedEntry { name, description: description.to_owned() };
    let outside = "outside of the network";
    for array in arrays {
        let Some(name) = array.name.strip_prefix(&**prefix) else {
            renamed.unused_entries.push(unused(array.name, outside));
            continue;
        };
        match layout.use_of(name) {
            Some(Use::Array(name)) => renamed.arrays.push(Variable { name, ..array }),
            Some(Use::Head) => drop(of_head.insert(name.to_owned(), array)),
            Some(Use::Extra(text)) => renamed.unused_entries.push(unused(array.name, text)),
            // Without a prefix, other parts of a checkpoint have names next to those of the network.
            None if prefix.is_empty() => renamed.unused_entries.push(unused(array.name, outside)),
            None => {
                problems.push(format!("{} is unknown, expected an array of {layout}", array.name));
            }
        }
    }
    for entry in unused_entries {
        let name = entry.name.strip_prefix(&**prefix);
        match name.and_then(|name| layout.use_of(name)) {
            Some(Use::Extra(text)) => renamed.unused_entries.push(unused(entry.name, text)),
            _ => renamed.unused_entries.push(entry),
        }
    }
    renamed.unused_entries.sort_by(|one, other| one.name.cmp(&other.name));
    if head == Head::Load {
        match head_of(*layout, &of_head) {
            Ok(variables) => renamed.arrays.extend(variables),
            Err(wrong) => problems.extend(wrong),
        }
    }
    Renamed { archive: renamed, problems }
}

/// The classifier: the rows of its layers, one after another. None of its arrays is no classifier.
fn head_of(
    layout: ResidualLayout,
    arrays: &BTreeMap<String, Variable>,
) -> Result<Vec<Variable>, Vec<String>> {
    if arrays.is_empty() {
        return Ok(vec![]);
    }
    let mut problems = vec![];
    let mut variables = vec![];
    for (own, names) in head_names().into_iter().zip(layout.head()) {
        let mut joined = Variable { name: own, shape: vec![], values: vec![] };
        for name in names {
            let Some(array) = arrays.get(*name) else {
                problems.push(format!("{name} is missing"));
                continue;
            };
            let rest = array.shape.get(1..).unwrap_or_default();
            let is_first = joined.shape.is_empty();
            if array.shape.is_empty() || (!is_first && rest != &joined.shape[1..]) {
                problems.push(format!("{name} has shape {:?}", array.shape));
            } else if is_first {
                joined.shape.clone_from(&array.shape);
            } else {
                joined.shape[0] += array.shape[0];
            }
            joined.values.extend(&array.values);
        }
        variables.push(joined);
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

#[cfg(test)]
#[path = "residual_names_tests.rs"]
mod tests;
