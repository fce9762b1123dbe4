//! What a run takes of the machine while it runs: memory of this process, memory and use of its GPUs.
//!
//! Figures for people and for `timings.csv`, never for results. What cannot be known (the operating
//! system does not tell, the driver's library is not there) is left out without a word.

use crate::device::pci_address;
use burn::tensor::Device;
use nvml_wrapper::Nvml;
use std::ffi::OsStr;

/// What is taken at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory of this process in RAM.
    pub memory_bytes: Option<u64>,
    /// Each GPU of the run, in the order of its devices.
    pub gpus: Vec<GpuUsage>,
}

/// What is taken of one GPU, by all processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuUsage {
    /// Memory in use.
    pub memory_bytes: u64,
    /// Memory that there is.
    pub memory_total_bytes: u64,
    /// Share of the last moments in which it worked, in percent.
    pub busy_percent: Option<u32>,
}

/// Reads [`Usage`].
pub struct Meter {
    gpus: Option<(Nvml, Vec<String>)>,
}

impl Meter {
    /// For a run on these devices. NVIDIA's management library is loaded where one of them is a GPU
    /// and the library is there.
    pub fn of(devices: &[&Device]) -> Self {
        let cards: Vec<String> = devices.iter().filter_map(|device| pci_address(device)).collect();
        Self::of_cards(cards, LIBRARY.as_ref())
    }

    fn of_cards(cards: Vec<String>, library: &OsStr) -> Self {
        let library = || Nvml::builder().lib_path(library).init().ok();
        let gpus = if cards.is_empty() { None } else { library().map(|nvml| (nvml, cards)) };
        Self { gpus }
    }

    /// What is taken now.
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

/// The driver brings this name; the one without a number comes with developers' packages only.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };

/// Highest memory of this process in RAM so far.
pub fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Memory that a new process could have on this machine, bytes, where the system tells.
pub fn available_memory_bytes() -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// A line of `/proc/self/status`, which Linux alone has.
fn status_bytes(name: &str) -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

/// `VmRSS:      2048 kB`
fn field_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kib() {
        let status = "Name:\tlungs\nVmHWM:\t    9000 kB\nVmRSS:\t    2048 kB\nThreads:\t2\n";
        assert_eq!(field_of(status, "VmRSS:"), Some(2048 * 1024));
        assert_eq!(field_of(status, "VmHWM:"), Some(9000 * 1024));
        assert_eq!(field_of(status, "VmSwap:"), None);
        assert_eq!(field_of("VmRSS:\tmany\n", "VmRSS:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_memory_and_no_gpu() {
        let held = vec![1_u8; 64 << 20];
        let usage = Meter::of(&[&Device::flex()]).read();
        let memory = usage.memory_bytes.unwrap();
        assert!(memory > held.len() as u64, "{memory}");
        assert!(peak_memory_bytes().unwrap() >= memory);
        assert_eq!(usage.gpus, []);
    }

    #[test]
    fn without_the_drivers_library_there_are_no_gpus() {
        let cards = vec!["0000:07:00.0".into()];
        assert_eq!(Meter::of_cards(cards, "libnvidia-not-there.so".as_ref()).read().gpus, []);
    }

    /// A library that knows one card, after NVIDIA's `nvml.h`.
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
    fn cards_are_asked_by_their_address() {
        let folder = tempfile::tempdir().unwrap();
        let [source, library] = ["nvml.c", "libnvml.so"].map(|name| folder.path().join(name));
        std::fs::write(&source, LIBRARY_OF_ONE_CARD).unwrap();
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status();
        // Without a compiler of that name there is no library to ask.
        if !built.is_ok_and(|status| status.success()) {
            return;
        }
        let cards = ["0000:07:00.0", "0000:08:00.0"].map(str::to_owned).to_vec();
        let usage = Meter::of_cards(cards, library.as_os_str()).read();
        let known = GpuUsage {
            memory_bytes: 41_200_000_000,
            memory_total_bytes: 85_000_000_000,
            busy_percent: Some(97),
        };
        assert_eq!(usage.gpus, [known]);
    }
}
