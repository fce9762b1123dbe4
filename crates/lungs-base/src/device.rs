//! Names of devices, as specs and commands write them.

use std::fmt;
use std::str::FromStr;

/// The device that a spec requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// The first CUDA GPU if the binary has CUDA and a driver and a GPU exist, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA GPU with this index of the driver (`"cuda"` is `"cuda:0"`).
    Cuda(usize),
    /// CubeCL's CPU runtime: the code of the GPU path on the CPU, for its tests.
    CubeclCpu,
}

/// A name that is not the name of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    r#"unknown device "{name}": expected "auto", "cpu", "cuda" or "cuda:N" with the index N of a GPU (0, 1, …)"#
)]
pub struct UnknownDevice {
    /// The unknown name.
    pub name: String,
}

impl FromStr for DeviceRequest {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice { name: name.to_owned() };
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "cubecl-cpu" => Ok(Self::CubeclCpu),
            _ => {
                let index = name.strip_prefix("cuda:").ok_or_else(unknown)?;
                // `parse` also accepts "+1".
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
            Self::CubeclCpu => out.write_str("cubecl-cpu"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_round_trip() {
        for name in ["auto", "cpu", "cuda", "cuda:1", "cuda:12", "cubecl-cpu"] {
            assert_eq!(name.parse::<DeviceRequest>().unwrap().to_string(), name);
        }
        assert_eq!("cuda:0".parse::<DeviceRequest>().unwrap(), DeviceRequest::Cuda(0));
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_allowed_names() {
        for name in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1 "] {
            let message = name.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(message.contains(&format!("\"{name}\"")), "{message}");
            assert!(message.contains("\"cuda:N\""), "{message}");
        }
    }
}
