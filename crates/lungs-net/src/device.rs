//! Devices of tensors. Only this module and the kernels for GPUs depend on whether the binary was built
//! with CUDA.
//!
//! A spec names a device (`"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`). [`open`] returns Burn's runtime [`Device`]
//! and the [`DeviceFacts`] for the provenance of a run. All other code is the same on every device.

use std::fmt;

use burn::tensor::Device;
use lungs_base::device::{DeviceRequest, UnknownDevice};
use lungs_base::memory::keep_freed_memory;
use lungs_base::text::counted;

/// An unknown or unavailable device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is not the name of a device.
    #[error(transparent)]
    Unknown(#[from] UnknownDevice),
    /// The binary was built without CUDA.
    #[error(
        r#"device "{request}" is not available: this program was built without CUDA; build it with `cargo build --release --features cuda`, or use "cpu" or "auto""#
    )]
    BuiltWithoutCuda {
        /// The requested device.
        request: DeviceRequest,
    },
    /// The binary was built without CubeCL's CPU runtime.
    #[error(
        r#"device "cubecl-cpu" is not available: it runs the code of the GPU path for tests, in a program built with `cargo build --features cubecl-cpu`; use "cpu" or "auto""#
    )]
    BuiltWithoutCubeclCpu,
    /// The binary was built with CUDA, but the machine has no driver or no GPU.
    #[error(
        r#"device "{request}" is not available: found no NVIDIA driver or GPU; check that `nvidia-smi` lists a GPU, or use "cpu" or "auto""#
    )]
    NoGpu {
        /// The requested device.
        request: DeviceRequest,
    },
    /// The machine has GPUs, but none with this index.
    #[error(
        r#"device "{request}" is not available: this machine has {}; expected "cuda:0" to "cuda:{}""#,
        counted(*.count, "GPU", "GPUs"),
        count - 1
    )]
    NoSuchGpu {
        /// The requested device.
        request: DeviceRequest,
        /// Number of GPUs, at least one.
        count: usize,
    },
}

/// The kind of hardware of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A CPU, with Burn's Flex backend.
    Cpu,
    /// An NVIDIA GPU, with CUDA.
    Cuda,
    /// CubeCL's CPU runtime.
    CubeclCpu,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::CubeclCpu => "cubecl-cpu",
        })
    }
}

/// The properties of a device that the provenance of a run records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The kind of hardware.
    pub kind: DeviceKind,
    /// The request that opens the same device: `"cpu"`, `"cuda"`, `"cuda:1"`.
    pub request: DeviceRequest,
    /// Name of the hardware (`"NVIDIA H100 PCIe"`), or `"CPU"`.
    pub name: String,
    /// Whether two runs of the same spec give identical bytes on this device.
    pub reproducible: bool,
}

/// Opens the requested device.
///
/// The device has no gradients; training uses `device.autodiff()`.
///
/// # Errors
/// [`DeviceError`] if CUDA is requested and missing in this binary or on this machine. `Auto` never fails: it
/// falls back to the CPU.
pub fn open(request: &DeviceRequest) -> Result<(Device, DeviceFacts), DeviceError> {
    match *request {
        DeviceRequest::Cpu => Ok(cpu()),
        DeviceRequest::Cuda(index) => cuda(index),
        DeviceRequest::CubeclCpu => cubecl_cpu(),
        DeviceRequest::Auto => cuda(0).or_else(|_| Ok(cpu())),
    }
}

/// The PCI address of a GPU, e.g. `"0000:07:00.0"`, if Burn knows it. NVIDIA's tools identify a GPU by this
/// address; it does not depend on `CUDA_VISIBLE_DEVICES`.
#[cfg(feature = "cuda")]
pub(crate) fn pci_address(device: &Device) -> Option<String> {
    Some(device.identity()?.physical?.pci_address?.to_string())
}

/// The PCI address of a GPU: `None` without CUDA.
#[cfg(not(feature = "cuda"))]
pub(crate) fn pci_address(_device: &Device) -> Option<String> {
    None
}

/// Opens the devices of `names`, in order.
///
/// # Errors
/// The first [`DeviceError`] of a name or of [`open`].
pub fn open_all(names: &[String]) -> Result<Vec<(Device, DeviceFacts)>, DeviceError> {
    names.iter().map(|name| open(&name.parse()?)).collect()
}

/// The devices as text, for the provenance of a run and for `lungs check`.
pub fn describe(devices: &[(Device, DeviceFacts)]) -> String {
    let texts = devices.iter().map(|(_, facts)| format!("{} ({})", facts.request, facts.name));
    texts.collect::<Vec<_>>().join(", ")
}

fn cpu() -> (Device, DeviceFacts) {
    keep_freed_memory();
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
    configure_cubecl();
    let request = DeviceRequest::Cuda(index);
    // Without a driver, `enumerate` returns an empty list, and opening a device panics.
    let devices: Vec<Device> = Device::enumerate(DeviceType::Cuda).into_iter().collect();
    let count = devices.len();
    if count == 0 {
        return Err(DeviceError::NoGpu { request });
    }
    let device = devices.into_iter().nth(index).ok_or(DeviceError::NoSuchGpu { request, count })?;
    let name = device.identity().map_or_else(|| "CUDA GPU".to_owned(), |identity| identity.name);
    // Every sum has a fixed order and no kernel is chosen by measuring, but two runs on a GPU have not
    // been compared yet.
    let facts = DeviceFacts { kind: DeviceKind::Cuda, request, name, reproducible: false };
    Ok((device, facts))
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<(Device, DeviceFacts), DeviceError> {
    Err(DeviceError::BuiltWithoutCuda { request: DeviceRequest::Cuda(index) })
}

#[cfg(feature = "cubecl-cpu")]
fn cubecl_cpu() -> Result<(Device, DeviceFacts), DeviceError> {
    configure_cubecl();
    let facts = DeviceFacts {
        kind: DeviceKind::CubeclCpu,
        request: DeviceRequest::CubeclCpu,
        name: "CPU through CubeCL".to_owned(),
        reproducible: true,
    };
    Ok((Device::cpu(), facts))
}

#[cfg(not(feature = "cubecl-cpu"))]
fn cubecl_cpu() -> Result<(Device, DeviceFacts), DeviceError> {
    Err(DeviceError::BuiltWithoutCubeclCpu)
}

/// Settings of CubeCL, before its first device opens. Files called `cubecl.toml` or `burn.toml`, which
/// it would look for in the working folder and above it, are not read: they would change a run without
/// a trace in its record.
#[cfg(feature = "cubecl")]
fn configure_cubecl() {
    use burn_cubecl::cubecl::config::streaming::{StreamPolicy, StreamingConfig};
    use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    // One queue per device. With one for each thread, as by default, every thread that ever used a
    // device would keep a memory pool of its own until the end of the program.
    let streaming = StreamingConfig { policy: StreamPolicy::Single, ..StreamingConfig::default() };
    let config = CubeClRuntimeConfig { streaming, ..CubeClRuntimeConfig::default() };
    // Later calls change nothing.
    CubeClRuntimeConfig::try_set(config);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_available_and_auto_never_fails() {
        let (device, facts) = open(&DeviceRequest::Cpu).unwrap();
        assert!(!device.is_autodiff());
        assert_eq!(facts.kind, DeviceKind::Cpu);
        assert!(facts.reproducible);
        let (_, facts) = open(&DeviceRequest::Auto).unwrap();
        if cfg!(not(feature = "cuda")) {
            assert_eq!(facts.kind, DeviceKind::Cpu);
        }
    }

    #[test]
    fn a_missing_gpu_is_reported_with_the_reason() {
        // No machine has this many GPUs, so that the request fails in every build.
        let failure = open(&DeviceRequest::Cuda(4096)).unwrap_err();
        let message = failure.to_string();
        assert!(message.contains("\"cuda:4096\""), "{message}");
        match failure {
            DeviceError::BuiltWithoutCuda { .. } => assert!(message.contains("--features cuda")),
            DeviceError::NoGpu { .. } => assert!(message.contains("nvidia-smi")),
            DeviceError::NoSuchGpu { count, .. } => assert!(count < 4096),
            DeviceError::Unknown(_) | DeviceError::BuiltWithoutCubeclCpu => {
                panic!("{message}")
            }
        }
    }
}
