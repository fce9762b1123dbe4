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
    /// A class activation map of a layer, or [`Field::agreement`] of those of several.
    Camera {
        /// Which kind.
        camera: Camera,
        /// Which layers ([`inspected_layers`]).
        layers: Vec<String>,
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

/// The last layer of each resolution that the network works at, the finest first: 2 × 4 × 4,
/// 2 × 8 × 8, 4 × 16 × 16 and 8 × 32 × 32 voxels a cell. Deep layers know what they see and hardly
/// where, early ones where and hardly what; together they know both (docs/explain.md).
pub const LEVELS: [&str; 4] = ["Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"];

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
pub fn look(
    network: &I3d,
    seen: &Seen,
    method: &Method,
    device: &Device,
) -> Result<Field, LookError> {
    let shape: [usize; 3] = seen.volume.dim().into();
    let field = |values, first, step| Field { values, first, step, shape, geometry: seen.geometry };
    match method {
        Method::Camera { camera, layers } => {
            let map = |layer: &String| -> Result<Field, LookError> {
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
            };
            let maps = layers.iter().map(map).collect::<Result<Vec<_>, _>>()?;
            Field::agreement(maps).ok_or(LookError::NoLayer { found: String::new() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::I3dConfig;

    fn network() -> I3d {
        let config = I3dConfig { width_multiplier: 0.125, ..I3dConfig::default() };
        config.init(37, &Device::flex().autodiff()).unwrap().for_inspection()
    }

    fn seen(channels: usize) -> Seen {
        let volume = Array3::from_shape_fn([16, 32, 40], |(d, h, w)| {
            ((d * 7 + h * 13 + w * 29) % 17) as f32 / 8.0 - 1.0
        });
        let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let geometry = Geometry { spacing_mm: [5.0; 3], origin_mm: [0.0; 3], axes };
        Seen { volume, channels, geometry }
    }

    #[test]
    fn maps_of_several_layers_are_joined_on_the_finest() {
        let (network, seen, device) = (network(), seen(1), Device::flex());
        let map = |layers: &[&str]| {
            let layers = layers.iter().map(|layer| (*layer).to_owned()).collect();
            look(&network, &seen, &Method::Camera { camera: Camera::GradCam, layers }, &device)
        };
        let [fine, coarse] = ["Conv3d_2c_3x3", "Mixed_4f"].map(|layer| map(&[layer]).unwrap());
        let joined = map(&["Mixed_4f", "Conv3d_2c_3x3"]).unwrap();
        assert_eq!(joined, Field::agreement(vec![fine.clone(), coarse]).unwrap());
        assert_eq!((joined.first, joined.step), (fine.first, fine.step));
        assert_eq!(map(&LEVELS).unwrap().values.dim(), fine.values.dim());
    }

    /// At the last layer the classifier is linear: the cells' shares and the classifier's bias
    /// are the log-odds, but for what the ReLU of the map takes away.
    #[test]
    fn hires_cam_of_the_last_layer_is_its_share_of_the_log_odds() {
        let (network, seen, device) = (network(), seen(1), Device::flex());
        let inspected = network
            .inspect("Mixed_5c", input(std::slice::from_ref(&seen.volume), 1, &device))
            .unwrap();
        let logits = numbers(inspected.logits).unwrap();
        let product = inspected.activations * inspected.gradients;
        let shares: f32 = numbers(product.clone().sum()).unwrap()[0];
        let bias = network.variables().into_iter().find(|v| v.name.ends_with("1x1/conv_3d/b"));
        let bias = bias.map_or(0.0, |bias| bias.values[1] - bias.values[0]);
        assert!((shares + bias - (logits[1] - logits[0])).abs() < 1e-5);
        let method =
            Method::Camera { camera: Camera::HiResCam, layers: vec!["Mixed_5c".to_owned()] };
        let field = look(&network, &seen, &method, &device).unwrap();
        let by_cell = numbers(product.sum_dim(1)).unwrap();
        let positive: Vec<f32> = by_cell.into_iter().map(|share| share.max(0.0)).collect();
        for (found, expected) in field.values.iter().zip(&positive) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(field.values.len(), positive.len());
    }

    #[test]
    fn occlusion_is_the_fall_of_the_log_odds_of_a_forward_pass() {
        let (network, seen, device) = (network(), seen(1), Device::flex());
        let [size, stride] = [Length::Millimetres(40.0), Length::Voxels(8)];
        let field =
            look(&network, &seen, &Method::Occlusion { size, stride, batch: 3 }, &device).unwrap();
        assert_eq!((field.values.dim(), field.first, field.step), ((2, 4, 5), [3.5; 3], [8.0; 3]));
        let plain = burn::module::Module::valid(&network);
        let odds = |volume: &Array3<f32>| {
            let logits = numbers(plain.forward(input(std::slice::from_ref(volume), 1, &device)));
            let logits = logits.unwrap();
            logits[1] - logits[0]
        };
        let mut occluded = seen.volume.clone();
        occluded.slice_mut(ndarray::s![8..16, 16..24, 24..32]).fill(-1.0);
        let expected = odds(&seen.volume) - odds(&occluded);
        let found = field.values[[1, 2, 3]];
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        assert!(expected.abs() > 1e-4, "{expected}");
    }

    #[test]
    fn unknown_layers_are_told_with_those_there_are() {
        let layers = vec!["Mixed_6a".to_owned()];
        let method = Method::Camera { camera: Camera::GradCam, layers };
        let error = look(&network(), &seen(1), &method, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("\"Mixed_6a\"") && error.contains("Mixed_4f, Mixed_5b"), "{error}");
    }
}
