//! The networks: I3D and residual networks on Burn with its CPU kernels ([`model`]), weights of other programs ([`weights`]), attribution
//! ([`explain`]), and the devices that it runs on ([`device`], [`usage`]).
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use lungs_net::model::NetworkConfig;
//!
//! // A tenth of the width of I3D; one channel.
//! let config = NetworkConfig { width_multiplier: 0.1, ..NetworkConfig::default() };
//! let device = Device::flex();
//! let network = config.init(37, &device)?;
//! // [batch, channel, depth, height, width] → [batch, class]
//! let logits = network.forward(Tensor::zeros([1, 1, 16, 32, 32], &device));
//! assert_eq!(logits.dims(), [1, 2]);
//! # Ok::<(), lungs_net::model::ModelError>(())
//! ```
//!
//! Limits: the architectures of [`model::Architecture`]; float32, or bfloat16 convolutions on a GPU.

pub mod device;
pub mod explain;
pub mod model;
pub mod usage;
pub mod weights;
