//! Memory of a training step, and failures of devices.

use burn::tensor::ExecutionError;
use lungs_base::text::counted;
use lungs_net::model::step_numbers_per_voxel;
use lungs_spec::spec::Spec;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Bytes of activations, gradients and workspace per input voxel of a batch, at width 1: 3.2 GB for
/// 220×224×224 with the weights (measured on the CPU in float32, docs/performance.md).
const BYTES_PER_VOXEL: f64 = 265.0;
/// The same with gradient checkpointing (`train.gradient_checkpointing`): 1.9 GB.
const BYTES_PER_VOXEL_CHECKPOINTED: f64 = 155.0;

/// Estimated bytes that one device needs for a training step of the spec, whose network has
/// `parameters` numbers.
pub fn step_bytes(spec: &Spec, parameters: usize) -> f64 {
    let [_, height, width] = spec.preprocess.size;
    let voxels = (spec.model.slices * height * width * spec.train.batch_size) as f64;
    let checkpointed = spec.train.gradient_checkpointing;
    let per_voxel = match step_numbers_per_voxel(spec.model.architecture(), checkpointed) {
        Some(numbers) => 4.0 * numbers,
        None if checkpointed => BYTES_PER_VOXEL_CHECKPOINTED,
        None => BYTES_PER_VOXEL,
    };
    // Weights, gradients and Adam's two moments; the EMA is one more copy.
    let copies = if spec.train.ema_decay > 0.0 { 5.0 } else { 4.0 };
    per_voxel * voxels * spec.model.width + copies * 4.0 * parameters as f64
}

/// A device failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceFailure {
    /// Not enough memory; the device's message.
    OutOfMemory(String),
    /// Any other failure; the device's message.
    Other(String),
}

/// Words of drivers and of CubeCL for too little memory, in lower case.
const OUT_OF_MEMORY: [&str; 9] = [
    "out of memory",
    "out-of-memory",
    "out_of_memory",
    "outofmemory",
    "out of device memory",
    "memory allocation",
    "alloc_failed",
    // CubeCL's words for an allocation larger than the device's memory.
    "can't allocate buffer of size",
    "buffertoobig",
];

impl DeviceFailure {
    /// Classifies the message of a device or of a panic.
    fn from_message(message: &str) -> Self {
        let is_out_of_memory = |text: &str| {
            let lower = text.to_lowercase();
            OUT_OF_MEMORY.iter().any(|phrase| lower.contains(phrase))
        };
        // A backtrace lists addresses of the program's own code.
        let message = message.split("Backtrace").next().unwrap_or_default();
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        // CubeCL lists every operation that it skipped before the one that failed.
        if let Some(line) = lines.iter().find(|line| is_out_of_memory(line)) {
            return Self::OutOfMemory(line.chars().take(400).collect());
        }
        Self::Other(lines.join(" ").chars().take(400).collect())
    }
}

impl From<ExecutionError> for DeviceFailure {
    fn from(error: ExecutionError) -> Self {
        Self::from_message(&error.to_string())
    }
}

thread_local! {
    /// Whether this thread's panics become a [`DeviceFailure`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Lets Rust's panic hook print nothing for panics that [`catch_panic`] turns into errors.
fn silence_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CATCHING.get() {
                hook(panic);
            }
        }));
    });
}

/// Runs work on a device. Some GPU failures are panics; they become a [`DeviceFailure`].
///
/// # Errors
/// The work's own error, or the message of its panic.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T, DeviceFailure>) -> Result<T, DeviceFailure> {
    silence_caught_panics();
    let outer = CATCHING.replace(true);
    // Unwind safe: the work's own values are dropped, and a step does not change the borrowed network.
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(DeviceFailure::from_message(message))
    })
}

/// Advice for a device with too little memory, for a spec whose step takes about this many bytes.
pub fn advice(spec: &Spec, bytes: f64) -> String {
    let train = &spec.train;
    let mut remedies = vec![];
    if train.batch_size > 1 {
        let smaller = if train.batch_size.is_multiple_of(2) { train.batch_size / 2 } else { 1 };
        remedies.push(format!(
            "train.batch_size = {smaller} with train.accumulate = {} (the same number of exams \
             per step, but smaller batches for batch normalisation)",
            train.accumulate * train.batch_size / smaller
        ));
    }
    if !train.gradient_checkpointing {
        remedies.push(
            "train.gradient_checkpointing = true (0.6 times the memory, 1.6 times the time)"
                .to_owned(),
        );
    }
    remedies.push("a smaller preprocess.size or model.width".to_owned());
    remedies.push("a device with more memory".to_owned());
    let [_, height, width] = spec.preprocess.size;
    let slices = spec.model.slices;
    format!(
        "a training step of {} of {slices}×{height}×{width} voxels at width {} needs about \
         {:.1} GB (estimated); try {}",
        counted(train.batch_size, "exam", "exams"),
        spec.model.width,
        bytes / 1e9,
        remedies.join(", or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::spec;

    #[test]
    fn messages_of_devices_are_classified() {
        for message in [
            "An out-of-memory error happened during launch\nCaused by:\n  CUDA_ERROR\nBacktrace\n  0: x",
            "out of device memory allocating 4294967296 bytes\n",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "can't allocate buffer of size: 171798691840\nBacktrace:\n   0: x",
        ] {
            let DeviceFailure::OutOfMemory(short) = DeviceFailure::from_message(message) else {
                panic!("{message}")
            };
            assert!(!short.contains('\n') && !short.contains("0: x"), "{short}");
        }
        let listed = DeviceFailure::from_message(
            "Several failures at once\nskipped `KernelBinop`: it needed memory\n\
             Caused by:\n  out of device memory allocating 707788800 bytes\nNo backtrace available",
        );
        let short = "out of device memory allocating 707788800 bytes".to_owned();
        assert_eq!(listed, DeviceFailure::OutOfMemory(short));
        let other = DeviceFailure::from_message("an illegal memory access was encountered");
        assert!(matches!(other, DeviceFailure::Other(_)));
    }

    #[test]
    fn a_panic_becomes_a_failure_with_its_message() {
        let result = catch_panic::<()>(|| panic!("out of memory: {} bytes", 12));
        assert_eq!(result, Err(DeviceFailure::OutOfMemory("out of memory: 12 bytes".into())));
        assert_eq!(catch_panic(|| Ok(3)), Ok(3));
    }

    #[test]
    fn advice_names_the_remaining_remedies() {
        let first = advice(&spec(&["train.batch_size=4"]), 5.23e9);
        assert!(first.contains("about 5.2 GB"), "{first}");
        assert!(first.contains("train.batch_size = 2 with train.accumulate = 2"), "{first}");
        assert!(first.contains("train.gradient_checkpointing = true"), "{first}");
        let odd = advice(&spec(&["train.batch_size=3", "train.accumulate=2"]), 5.23e9);
        assert!(odd.contains("train.batch_size = 1 with train.accumulate = 6"), "{odd}");
        let last =
            advice(&spec(&["train.batch_size=1", "train.gradient_checkpointing=true"]), 5.23e9);
        assert!(
            !last.contains("train.batch_size =") && !last.contains("train.gradient_checkpointing"),
            "{last}"
        );
    }
}
