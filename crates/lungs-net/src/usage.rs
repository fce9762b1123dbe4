//! Resource usage of a run: memory of this process, memory and utilisation of its GPUs.
//!
//! The values are shown as progress and written to `timings.csv`; results never depend on them. Values that
//! the operating system or the driver does not provide are omitted.

use crate::device::pci_address;
use burn::tensor::Device;
use nvml_wrapper::Nvml;
use std::ffi::OsStr;

/// Resource usage at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory of this process.
    pub memory_bytes: Option<u64>,
    /// The GPUs of the run, in the order of its devices.
    pub gpus: Vec<GpuUsage>,
}

/// Usage of one GPU by all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuUsage {
    /// Memory in use.
    pub memory_bytes: u64,
    /// Total memory.
    pub memory_total_bytes: u64,
    /// Utilisation over the last sample period of the driver, in percent.
    pub busy_percent: Option<u32>,
}

/// Reads [`Usage`].
pub struct Meter {
    gpus: Option<(Nvml, Vec<String>)>,
}

impl Meter {
    /// A meter for a run on these devices. Loads NVIDIA's management library (NVML) if one of them is a GPU
    /// and the library is installed.
    pub fn of(devices: &[&Device]) -> Self {
        let cards: Vec<String> = devices.iter().filter_map(|device| pci_address(device)).collect();
        Self::of_cards(cards, LIBRARY.as_ref())
    }

    fn of_cards(cards: Vec<String>, library: &OsStr) -> Self {
        let library = || Nvml::builder().lib_path(library).init().ok();
        let gpus = if cards.is_empty() { None } else { library().map(|nvml| (nvml, cards)) };
        Self { gpus }
    }

    /// The current usage.
    pub fn read(&self) -> Usage {
        let of_card = |nvml: &Nvml, card: &String| {
            let gpu = nvml.device_by_pci_bus_id(card.as_str()).ok()?;
            let memory = gpu.memory_info().ok()?;
            Some(GpuUsage {
                memory_bytes: memory.used,
                memory_total_bytes: memory.total,
                busy_percent: gpu.utilization_rates().ok().map(|rates| rates.gpu),
            })
        };
        let gpus = self
            .gpus
            .iter()
            .flat_map(|(nvml, cards)| cards.iter().filter_map(move |card| of_card(nvml, card)));
        Usage { memory_bytes: status_bytes("VmRSS:"), gpus: gpus.collect() }
    }
}

/// The file name that the driver installs; the name without a number is in developer packages only.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };

/// Peak resident memory of this process.
pub fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Memory available for a new process, in bytes; `None` if the operating system does not report it.
pub fn available_memory_bytes() -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// A field of `/proc/self/status`, in bytes; `None` except on Linux.
fn status_bytes(name: &str) -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

/// Parses a line such as `VmRSS:      2048 kB` and returns bytes.
fn field_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_fields_are_parsed_in_kib() {
        let status = "Name:\tlungs\nVmHWM:\t    9000 kB\nVmRSS:\t    2048 kB\nThreads:\t2\n";
        assert_eq!(field_of(status, "VmRSS:"), Some(2048 * 1024));
        assert_eq!(field_of(status, "VmHWM:"), Some(9000 * 1024));
        assert_eq!(field_of(status, "VmSwap:"), None);
        assert_eq!(field_of("VmRSS:\tmany\n", "VmRSS:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn usage_of_a_cpu_run_has_memory_and_no_gpu() {
        let buffer = vec![1_u8; 64 << 20];
        let usage = Meter::of(&[&Device::flex()]).read();
        let memory = usage.memory_bytes.unwrap();
        assert!(memory > buffer.len() as u64, "{memory}");
        assert!(peak_memory_bytes().unwrap() >= memory);
        assert_eq!(usage.gpus, []);
    }

    #[test]
    fn usage_has_no_gpus_without_nvml() {
        let cards = vec!["0000:07:00.0".into()];
        assert_eq!(Meter::of_cards(cards, "libnvidia-not-there.so".as_ref()).read().gpus, []);
    }

    /// A mock of NVML with one GPU, after NVIDIA's `nvml.h`.
    const LIBRARY_OF_ONE_CARD: &str = r#"
        #include <string.h>
        typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
        typedef struct { unsigned gpu, memory; } rates;
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **card) {
            *card = (void *)1;
            return strcmp(address, "0000:07:00.0") ? 6 : 0; /* NVML_ERROR_NOT_FOUND */
        }
        int nvmlDeviceGetMemoryInfo_v2(void *card, memory *it) {
            it->total = 85000000000ull; it->used = 41200000000ull;
            it->reserved = 500000000ull; it->free = 43300000000ull;
            return card == (void *)1 ? 0 : 2;
        }
        int nvmlDeviceGetUtilizationRates(void *card, rates *it) {
            it->gpu = 97; it->memory = 50;
            return card == (void *)1 ? 0 : 2;
        }
    "#;

    #[test]
    #[cfg(target_os = "linux")]
    fn gpus_are_queried_by_pci_address() {
        let folder = tempfile::tempdir().unwrap();
        let [source, library] = ["nvml.c", "libnvml.so"].map(|name| folder.path().join(name));
        std::fs::write(&source, LIBRARY_OF_ONE_CARD).unwrap();
        let build = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status();
        // Skip the test without a C compiler.
        if !build.is_ok_and(|status| status.success()) {
            return;
        }
        let cards = ["0000:07:00.0", "0000:08:00.0"].map(str::to_owned).to_vec();
        let usage = Meter::of_cards(cards, library.as_os_str()).read();
        let expected = GpuUsage {
            memory_bytes: 41_200_000_000,
            memory_total_bytes: 85_000_000_000,
            busy_percent: Some(97),
        };
        assert_eq!(usage.gpus, [expected]);
    }
}
