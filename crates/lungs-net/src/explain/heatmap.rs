//! The heatmap of one network on one volume, by any attribution method.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array3;

use super::camera::{CamKind, class_activation};
use super::occlusion::{Blocks, Length, occlude};
use crate::model::{Explained, Network, inspected_layers, layer_cells, levels};
use lungs_image::volume::{Field, Geometry};

/// Windowed value of air and of everything below.
const AIR: f32 = -1.0;

/// Attribution method of a heatmap.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The class activation map of a layer, or the [`Field::agreement`] of those of several layers.
    Cam {
        /// Formula of the map.
        kind: CamKind,
        /// Names of the layers, from [`inspected_layers`]; empty for
        /// the last layer of each resolution, whose cells in I3D have 2 × 4 × 4, 2 × 8 × 8, 4 × 16 × 16 and
        /// 8 × 32 × 32 voxels. Deep layers classify well and localise poorly, early layers the reverse
        /// (docs/explain.md).
        layers: Vec<String>,
    },
    /// The decrease of the log-odds when a block of the volume is replaced by air.
    Occlusion {
        /// Side of a block.
        size: Length,
        /// Distance between neighbouring blocks.
        stride: Length,
        /// Number of volumes in a forward pass.
        batch: usize,
    },
}

/// A heatmap cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum HeatmapError {
    /// The network has no layer of this name.
    #[error("unknown layer \"{layer}\", expected one of {}", .known.join(", "))]
    UnknownLayer {
        /// Name of the layer.
        layer: String,
        /// Names of the network's layers.
        known: Vec<String>,
    },
    /// The device failed.
    #[error("device error: {0}; try another device (--device) or a smaller batch")]
    Device(String),
}

/// The network's input for one exam.
#[derive(Clone, Debug)]
pub struct InputVolume {
    /// Windowed voxels, −1 to 1, `[depth, height, width]`.
    pub volume: Array3<f32>,
    /// Number of input channels, all with the same values.
    pub channels: usize,
    /// Geometry of the volume in patient coordinates.
    pub geometry: Geometry,
    /// The explained log-odds.
    pub explained: Explained,
}

/// The heatmap of one network, which must be on a device with gradients
/// ([`Network::for_inspection`]).
///
/// # Errors
/// [`HeatmapError`] for an unknown layer or a failure of the device.
pub fn heatmap(
    network: &Network,
    exam: &InputVolume,
    method: &Method,
    device: &Device,
) -> Result<Field, HeatmapError> {
    let shape: [usize; 3] = exam.volume.dim().into();
    let field = |values, first, step| Field { values, first, step, shape, geometry: exam.geometry };
    match method {
        Method::Cam { kind, layers } => {
            let architecture = network.architecture();
            let unknown = |layer: &str| HeatmapError::UnknownLayer {
                layer: layer.to_owned(),
                known: inspected_layers(architecture),
            };
            let layers = if layers.is_empty() { levels(architecture) } else { layers.to_owned() };
            let map = |layer: &String| -> Result<Field, HeatmapError> {
                let unknown = || unknown(layer);
                let cells = layer_cells(architecture, layer, shape).ok_or_else(unknown)?;
                let input = input(std::slice::from_ref(&exam.volume), exam.channels, device);
                let inspected =
                    network.inspect(layer, input, exam.explained).ok_or_else(unknown)?;
                let [activations, gradients] =
                    [values(inspected.activations)?, values(inspected.gradients)?];
                let count = cells.map(|cells| cells.count);
                let weights =
                    class_activation(*kind, &activations, &gradients, count.iter().product());
                let values = Array3::from_shape_vec(count, weights)
                    .map_err(|error| HeatmapError::Device(error.to_string()))?;
                Ok(field(values, cells.map(|cells| cells.first), cells.map(|cells| cells.step)))
            };
            let maps = layers.iter().map(map).collect::<Result<Vec<_>, _>>()?;
            Field::agreement(maps).ok_or_else(|| unknown(""))
        }
        Method::Occlusion { size, stride, batch } => {
            let spacing_mm = exam.geometry.spacing_mm;
            let blocks = Blocks::over(
                shape,
                spacing_mm.map(|mm| size.voxels(mm)),
                spacing_mm.map(|mm| stride.voxels(mm)),
            );
            let network = burn::module::Module::valid(network);
            let weights = occlude(&exam.volume, &blocks, AIR, *batch, |volumes| {
                let outputs = network.forward(input(volumes, exam.channels, device));
                let count = outputs.dims()[1];
                let outputs = values(outputs)?;
                let exams = outputs.chunks_exact(count);
                let log_odds = exams.map(|outputs| exam.explained.log_odds_of(outputs));
                Ok::<_, HeatmapError>(log_odds.collect())
            })?;
            Ok(field(weights, blocks.first(), blocks.step()))
        }
    }
}

/// The input tensor `[batch, channel, depth, height, width]` on the device, without gradients.
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

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, HeatmapError> {
    let data = tensor.try_into_data().map_err(|error| HeatmapError::Device(error.to_string()))?;
    Ok(data.iter::<f32>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Architecture, NetworkConfig};

    fn network() -> Network {
        let config = NetworkConfig { width_multiplier: 0.125, ..NetworkConfig::default() };
        config.init(37, &Device::flex().autodiff()).unwrap().for_inspection()
    }

    fn exam(channels: usize) -> InputVolume {
        let volume = Array3::from_shape_fn([16, 32, 40], |(d, h, w)| {
            ((d * 7 + h * 13 + w * 29) % 17) as f32 / 8.0 - 1.0
        });
        let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let geometry = Geometry { spacing_mm: [5.0; 3], origin_mm: [0.0; 3], axes };
        InputVolume { volume, channels, geometry, explained: Explained::Classes }
    }

    #[test]
    fn maps_of_several_layers_are_combined_on_the_finest_lattice() {
        let (network, exam, device) = (network(), exam(1), Device::flex());
        let map = |layers: &[&str]| {
            let layers = layers.iter().map(|layer| (*layer).to_owned()).collect();
            heatmap(&network, &exam, &Method::Cam { kind: CamKind::GradCam, layers }, &device)
        };
        let [fine, coarse] = ["Conv3d_2c_3x3", "Mixed_4f"].map(|layer| map(&[layer]).unwrap());
        let combined = map(&["Mixed_4f", "Conv3d_2c_3x3"]).unwrap();
        assert_eq!(combined, Field::agreement(vec![fine.clone(), coarse]).unwrap());
        assert_eq!((combined.first, combined.step), (fine.first, fine.step));
        let levels = map(&["Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"]).unwrap();
        assert_eq!(levels.values.dim(), fine.values.dim());
        assert_eq!(map(&[]).unwrap(), levels);
    }

    /// The classifier after the last layer is linear: the sum of the cells' shares and the classifier's bias is
    /// the log-odds. The ReLU of the map removes negative shares.
    #[test]
    fn hires_cam_of_the_last_layer_is_its_share_of_the_log_odds() {
        let (network, exam, device) = (network(), exam(1), Device::flex());
        let inspected = network
            .inspect(
                "Mixed_5c",
                input(std::slice::from_ref(&exam.volume), 1, &device),
                Explained::Classes,
            )
            .unwrap();
        let logits = values(inspected.logits).unwrap();
        let product = inspected.activations * inspected.gradients;
        let shares: f32 = values(product.clone().sum()).unwrap()[0];
        let bias = network.variables().into_iter().find(|v| v.name.ends_with("1x1/conv_3d/b"));
        let bias = bias.map_or(0.0, |bias| bias.values[1] - bias.values[0]);
        assert!((shares + bias - (logits[1] - logits[0])).abs() < 1e-5);
        let method = Method::Cam { kind: CamKind::HiResCam, layers: vec!["Mixed_5c".to_owned()] };
        let field = heatmap(&network, &exam, &method, &device).unwrap();
        let cell_shares = values(product.sum_dim(1)).unwrap();
        let positive: Vec<f32> = cell_shares.into_iter().map(|share| share.max(0.0)).collect();
        for (found, expected) in field.values.iter().zip(&positive) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(field.values.len(), positive.len());
    }

    #[test]
    fn occlusion_is_the_decrease_of_the_log_odds_of_a_forward_pass() {
        let (network, exam, device) = (network(), exam(1), Device::flex());
        let [size, stride] = [Length::Millimetres(40.0), Length::Voxels(8)];
        let field =
            heatmap(&network, &exam, &Method::Occlusion { size, stride, batch: 3 }, &device)
                .unwrap();
        assert_eq!((field.values.dim(), field.first, field.step), ((2, 4, 5), [3.5; 3], [8.0; 3]));
        let plain = burn::module::Module::valid(&network);
        let odds = |volume: &Array3<f32>| {
            let logits = values(plain.forward(input(std::slice::from_ref(volume), 1, &device)));
            let logits = logits.unwrap();
            logits[1] - logits[0]
        };
        let mut occluded = exam.volume.clone();
        occluded.slice_mut(ndarray::s![8..16, 16..24, 24..32]).fill(-1.0);
        let expected = odds(&exam.volume) - odds(&occluded);
        let weight = field.values[[1, 2, 3]];
        assert!((weight - expected).abs() < 1e-5, "{weight} {expected}");
        assert!(expected.abs() > 1e-4, "{expected}");
    }

    #[test]
    fn the_risk_at_the_last_horizon_is_explained_by_every_method() {
        let config =
            NetworkConfig { width_multiplier: 0.125, outputs: 4, ..NetworkConfig::default() };
        let network = config.init(37, &Device::flex().autodiff()).unwrap().for_inspection();
        let device = Device::flex();
        let plain = burn::module::Module::valid(&network);
        for explained in [Explained::SoftplusHazards, Explained::ReluHazards] {
            let exam = InputVolume { explained, ..exam(1) };
            let log_odds = |volume: &Array3<f32>| {
                let outputs = plain.forward(input(std::slice::from_ref(volume), 1, &device));
                explained.log_odds_of(&values(outputs).unwrap())
            };
            // The head is linear in the features of the last layer, whose gradient is the sum over outputs of the
            // weights times the slope of each output's hazard.
            let volume = input(std::slice::from_ref(&exam.volume), 1, &device);
            let inspected = network.inspect("Mixed_5c", volume, explained).unwrap();
            let outputs = values(inspected.logits).unwrap();
            let slope = |x: f32| match explained {
                Explained::ReluHazards => f32::from(u8::from(x > 0.0)),
                _ => 1.0 / (1.0 + (-x).exp()),
            };
            let head = network.variables().into_iter();
            let head =
                head.into_iter().find(|v| v.name.ends_with("Logits/Conv3d_0c_1x1/conv_3d/w"));
            let head = head.unwrap().values;
            let [_, channels, depth, height, width] = inspected.gradients.dims();
            let (cells, gradients) = (depth * height * width, values(inspected.gradients).unwrap());
            let weight = |output: usize, channel: usize| {
                // As rows of outputs or of channels.
                [head[output * channels + channel], head[channel * 4 + output]]
            };
            for channel in [0, channels / 2, channels - 1] {
                let sum = |layout: usize| {
                    let hazards = (1..4).map(|o| weight(o, channel)[layout] * slope(outputs[o]));
                    weight(0, channel)[layout] + hazards.sum::<f32>()
                };
                let found = gradients[channel * cells] * cells as f32;
                let error = [0, 1].map(|layout| (found - sum(layout)).abs());
                assert!(error[0].min(error[1]) < 1e-4, "{explained:?} {found} {error:?}");
            }
            let [size, stride] = [Length::Millimetres(40.0), Length::Voxels(8)];
            let occlusion = Method::Occlusion { size, stride, batch: 3 };
            let field = heatmap(&network, &exam, &occlusion, &device).unwrap();
            let mut occluded = exam.volume.clone();
            occluded.slice_mut(ndarray::s![8..16, 16..24, 24..32]).fill(-1.0);
            let expected = log_odds(&exam.volume) - log_odds(&occluded);
            assert!((f64::from(field.values[[1, 2, 3]]) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn the_error_for_an_unknown_layer_lists_all_layers() {
        let layers = vec!["Mixed_6a".to_owned()];
        let method = Method::Cam { kind: CamKind::GradCam, layers };
        let error =
            heatmap(&network(), &exam(1), &method, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("\"Mixed_6a\"") && error.contains("Mixed_4f, Mixed_5b"), "{error}");
    }

    #[test]
    fn residual_networks_have_heatmaps() {
        let config = NetworkConfig {
            architecture: Architecture::R3d18,
            width_multiplier: 0.1,
            ..NetworkConfig::default()
        };
        let device = Device::flex();
        let network = config.init(37, &device.clone().autodiff()).unwrap().for_inspection();
        let method = Method::Cam { kind: CamKind::HiResCam, layers: vec!["layer2".to_owned()] };
        let field = heatmap(&network, &exam(1), &method, &device).unwrap();
        assert_eq!((field.values.dim(), field.step), ((8, 8, 10), [2.0, 4.0, 4.0]));
        assert!(field.values.iter().any(|value| *value > 0.0));
        let method = Method::Cam { kind: CamKind::HiResCam, layers: vec!["Mixed_5c".to_owned()] };
        let error = heatmap(&network, &exam(1), &method, &device).unwrap_err().to_string();
        assert!(error.contains("stem, layer1, layer2"), "{error}");
    }
}
