//! One network looks at one volume: the map by the method asked for.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array3;

use super::camera::{Camera, class_activation};
use super::field::Field;
use super::occlusion::{Blocks, Length, occlude};
use crate::model::{I3d, inspected_layers, layer_cells};
use crate::volume::Geometry;

/// What the window makes of air and of all below it.
const AIR: f32 = -1.0;

/// How a map is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// A class activation map of a layer.
    Camera {
        /// Which kind.
        camera: Camera,
        /// Which layer ([`inspected_layers`]).
        layer: String,
    },
    /// Blocks become air.
    Occlusion {
        /// Side of a block.
        size: Length,
        /// From one block to the next.
        stride: Length,
        /// Volumes that the network takes at a time.
        batch: usize,
    },
}

/// A map cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no such layer.
    #[error(
        "there is no layer \"{found}\" to look at; there are {}",
        inspected_layers().join(", ")
    )]
    NoLayer {
        /// The name.
        found: String,
    },
    /// The device failed.
    #[error("the device failed: {0}; try another one (--device), or fewer volumes at a time")]
    Device(String),
}

/// What the network sees of an exam.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Windowed voxels, −1 to 1, `[depth, height, width]`.
    pub volume: Array3<f32>,
    /// Channels that the network reads, all alike.
    pub channels: usize,
    /// Where the volume lies in the patient.
    pub geometry: Geometry,
}

/// The map of one network, which must be on a device with gradients
/// ([`I3d::for_inspection`]).
///
/// # Errors
/// An unknown layer, and what the device says.
pub fn look(network: &I3d, seen: &Seen, method: &Method, device: &Device) -> Result<Field, LookError> {
    let shape: [usize; 3] = seen.volume.dim().into();
    let field = |values, first, step| Field { values, first, step, shape, geometry: seen.geometry };
    match method {
        Method::Camera { camera, layer } => {
            let unknown = || LookError::NoLayer { found: layer.clone() };
            let cells = layer_cells(layer, shape).ok_or_else(unknown)?;
            let input = input(std::slice::from_ref(&seen.volume), seen.channels, device);
            let inspected = network.inspect(layer, input).ok_or_else(unknown)?;
            let [activations, gradients] =
                [numbers(inspected.activations)?, numbers(inspected.gradients)?];
            let count = cells.map(|cells| cells.count);
            let weights =
                class_activation(*camera, &activations, &gradients, count.iter().product());
            let values = Array3::from_shape_vec(count, weights)
                .map_err(|error| LookError::Device(error.to_string()))?;
            Ok(field(values, cells.map(|cells| cells.first), cells.map(|cells| cells.step)))
        }
        Method::Occlusion { size, stride, batch } => {
            let spacing_mm = seen.geometry.spacing_mm;
            let blocks = Blocks::over(
                shape,
                spacing_mm.map(|mm| size.voxels(mm)),
                spacing_mm.map(|mm| stride.voxels(mm)),
            );
            let network = burn::module::Module::valid(network);
            let values = occlude(&seen.volume, &blocks, AIR, *batch, |volumes| {
                let logits = numbers(network.forward(input(volumes, seen.channels, device)))?;
                let odds = logits.as_chunks::<2>().0.iter();
                Ok::<_, LookError>(odds.map(|[no, yes]| f64::from(*yes) - f64::from(*no)).collect())
            })?;
            Ok(field(values, blocks.first(), blocks.step()))
        }
    }
}

/// `[batch, channel, depth, height, width]` on the device, without gradients.
fn input(volumes: &[Array3<f32>], channels: usize, device: &Device) -> Tensor<5> {
    let (depth, height, width) = volumes.first().map_or((0, 0, 0), Array3::dim);
    let mut values = Vec::with_capacity(volumes.len() * channels * depth * height * width);
    for volume in volumes {
        for _ in 0..channels {
            values.extend(volume.iter().copied());
        }
    }
    let shape = [volumes.len(), channels, depth, height, width];
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(values, shape), &device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, LookError> {
    let data = tensor.try_into_data().map_err(|error| LookError::Device(error.to_string()))?;
    Ok(data.iter::<f32>().collect())
}
