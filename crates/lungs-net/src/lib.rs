//! The network: I3D on Burn with its CPU kernels ([`model`]), weights of other programs ([`weights`]), attribution
//! ([`explain`]), and the devices that it runs on ([`device`], [`usage`]).

pub mod device;
pub mod explain;
mod memory;
pub mod model;
pub mod usage;
pub mod weights;

pub use memory::keep_for_tensors;
