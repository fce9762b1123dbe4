//! Where tensors live: the one place that knows whether this binary was built with CUDA.
//!
//! A spec asks for a device by name (`"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`); [`open`] turns the
//! request into Burn's runtime [`Device`] and the facts that a run's provenance records. The rest
//! of the program passes that value along and stays the same code on every device.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::memory;

/// Which device a spec asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// The first CUDA GPU when this binary has CUDA and a driver and a GPU are there, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA GPU with this index, as the driver numbers them (`"cuda"` is `"cuda:0"`).
    Cuda(usize),
}

/// A device could not be understood or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is not one of a device.
    #[error(
        r#"unknown device "{found}": expected "auto", "cpu", "cuda" or "cuda:N" with N a GPU's index (0, 1, …)"#
    )]
    Unknown {
        /// The name that was given.
        found: String,
    },
    /// CUDA was asked for and is not part of this binary.
    #[error(
        r#"device "{request}" was asked for, but this program was built without CUDA: build it with `cargo build --release --features cuda`, or ask for "cpu" or "auto""#
    )]
    BuiltWithoutCuda {
        /// The device that was asked for.
        request: DeviceRequest,
    },
    /// CUDA is part of this binary, but the machine shows no driver or no GPU.
    #[error(
        r#"device "{request}" was asked for, but no NVIDIA driver or GPU was found: does `nvidia-smi` list one here? Else ask for "cpu" or "auto""#
    )]
    NoGpu {
        /// The device that was asked for.
        request: DeviceRequest,
    },
    /// The machine has GPUs, but none with this index.
    #[error(
        r#"device "{request}" was asked for, but this machine has {count} GPU(s), numbered from 0: ask for "cuda:0" to "cuda:{}""#,
        count - 1
    )]
    NoSuchGpu {
        /// The device that was asked for.
        request: DeviceRequest,
        /// How many GPUs there are, at least one.
        count: usize,
    },
}

impl FromStr for DeviceRequest {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown { found: name.to_owned() };
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = name.strip_prefix("cuda:").ok_or_else(unknown)?;
                // `parse` would also take "+1".
                if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(unknown());
                }
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Cpu => out.write_str("cpu"),
            Self::Cuda(0) => out.write_str("cuda"),
            Self::Cuda(index) => write!(out, "cuda:{index}"),
        }
    }
}

/// The kind of hardware behind a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, through Burn's Flex backend.
    Cpu,
    /// An NVIDIA GPU, through CUDA.
    Cuda,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// What a run's provenance says of the device that it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The kind of hardware.
    pub kind: DeviceKind,
    /// The request that opens this very device again: `"cpu"`, `"cuda"`, `"cuda:1"`.
    pub request: DeviceRequest,
    /// The hardware's own name (`"NVIDIA H100 PCIe"`), or `"CPU"`.
    pub name: String,
    /// Whether two runs of one spec give the same bytes on this device.
    pub reproducible: bool,
}

/// Opens the device that is asked for.
///
/// The device comes without gradients: training asks for `device.autodiff()`.
///
/// # Errors
/// [`DeviceError`] when CUDA is asked for and is not in this binary, or not on this machine.
/// `Auto` never fails: it falls back to the CPU.
pub fn open(request: &DeviceRequest) -> Result<(Device, DeviceFacts), DeviceError> {
    match *request {
        DeviceRequest::Cpu => Ok(cpu()),
        DeviceRequest::Cuda(index) => cuda(index),
        DeviceRequest::Auto => cuda(0).or_else(|_| Ok(cpu())),
    }
}

/// The address on the PCI bus of the card behind a device, as `"0000:07:00.0"`, where it is one and
/// Burn knows: what a card's own tools call it, whatever `CUDA_VISIBLE_DEVICES` numbers it.
#[cfg(feature = "cuda")]
pub fn pci_address(device: &Device) -> Option<String> {
    Some(device.identity()?.physical?.pci_address?.to_string())
}

/// The address on the PCI bus of the card behind a device: none, without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn pci_address(_device: &Device) -> Option<String> {
    None
}

/// Opens every device that is asked for, in order; there is at least one.
///
/// # Errors
/// The first [`DeviceError`] of [`open`], or of a name.
pub fn open_all(names: &[String]) -> Result<Vec<(Device, DeviceFacts)>, DeviceError> {
    names.iter().map(|name| open(&name.parse()?)).collect()
}

/// Devices as a run's provenance and the answer of `lungs check` name them.
pub fn describe(opened: &[(Device, DeviceFacts)]) -> String {
    let each = opened.iter().map(|(_, facts)| format!("{} ({})", facts.request, facts.name));
    each.collect::<Vec<_>>().join(", ")
}

/// Whether this binary was built with CUDA (it may still find no GPU).
pub fn built_with_cuda() -> bool {
    cfg!(feature = "cuda")
}

fn cpu() -> (Device, DeviceFacts) {
    memory::keep_for_tensors();
    let facts = DeviceFacts {
        kind: DeviceKind::Cpu,
        request: DeviceRequest::Cpu,
        name: "CPU".to_owned(),
        reproducible: true,
    };
    (Device::flex(), facts)
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<(Device, DeviceFacts), DeviceError> {
    use burn::tensor::DeviceType;
    let request = DeviceRequest::Cuda(index);
    // Enumerating answers with an empty list where there is no driver; opening would panic.
    let devices: Vec<Device> = Device::enumerate(DeviceType::Cuda).into_iter().collect();
    let count = devices.len();
    if count == 0 {
        return Err(DeviceError::NoGpu { request });
    }
    let device = devices.into_iter().nth(index).ok_or(DeviceError::NoSuchGpu { request, count })?;
    let name = device.identity().map_or_else(|| "CUDA GPU".to_owned(), |identity| identity.name);
    // Autotune may choose another kernel, with another order of sums, in another run.
    let facts = DeviceFacts { kind: DeviceKind::Cuda, request, name, reproducible: false };
    Ok((device, facts))
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<(Device, DeviceFacts), DeviceError> {
    Err(DeviceError::BuiltWithoutCuda { request: DeviceRequest::Cuda(index) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in ["auto", "cpu", "cuda", "cuda:1", "cuda:12"] {
            assert_eq!(name.parse::<DeviceRequest>().unwrap().to_string(), name);
        }
        assert_eq!("cuda:0".parse::<DeviceRequest>().unwrap(), DeviceRequest::Cuda(0));
    }

    #[test]
    fn a_wrong_name_is_told_with_what_is_allowed() {
        for name in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1 "] {
            let message = name.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(message.contains(&format!("\"{name}\"")), "{message}");
            assert!(message.contains("\"cuda:N\""), "{message}");
        }
    }

    #[test]
    fn the_cpu_is_always_there_and_auto_never_fails() {
        let (device, facts) = open(&DeviceRequest::Cpu).unwrap();
        assert!(!device.is_autodiff());
        assert_eq!(facts.kind, DeviceKind::Cpu);
        assert!(facts.reproducible);
        let (_, facts) = open(&DeviceRequest::Auto).unwrap();
        if !built_with_cuda() {
            assert_eq!(facts.kind, DeviceKind::Cpu);
        }
    }

    #[test]
    fn asking_for_a_gpu_that_is_not_there_says_why() {
        // No machine has this many GPUs, so that this holds in every build and on every machine.
        let failure = open(&DeviceRequest::Cuda(4096)).unwrap_err();
        let message = failure.to_string();
        assert!(message.contains("\"cuda:4096\""), "{message}");
        match failure {
            DeviceError::BuiltWithoutCuda { .. } => assert!(message.contains("--features cuda")),
            DeviceError::NoGpu { .. } => assert!(message.contains("nvidia-smi")),
            DeviceError::NoSuchGpu { count, .. } => assert!(count < 4096),
            DeviceError::Unknown { .. } => panic!("{message}"),
        }
    }
}
