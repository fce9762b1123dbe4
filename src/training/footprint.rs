//! How much memory a training step takes, and what is said when it is too much.

use crate::spec::Spec;
use burn::tensor::ExecutionError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of activations, gradients and workspace per input voxel of a batch, at width 1: 3.2 GB for
/// 220×224×224 with the weights (measured on the CPU in float32, docs/performance.md).
const BYTES_PER_VOXEL: f64 = 265.0;
/// The same with `train.recompute`: 1.9 GB.
const BYTES_PER_VOXEL_RECOMPUTED: f64 = 155.0;

/// About how many bytes one device needs for a training step of the spec, whose network has
/// `parameters` numbers.
pub fn step_bytes(spec: &Spec, parameters: usize) -> f64 {
    let [_, height, width] = spec.preprocess.size;
    let voxels = (spec.model.slices * height * width * spec.train.batch_size) as f64;
    let per_voxel = if spec.train.recompute { BYTES_PER_VOXEL_RECOMPUTED } else { BYTES_PER_VOXEL };
    // Weights, gradients and Adam's two moments; a moving average is one more copy.
    let copies = if spec.train.weight_average > 0.0 { 5.0 } else { 4.0 };
    per_voxel * voxels * spec.model.width + copies * 4.0 * parameters as f64
}

/// A device could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceFailure {
    /// There was not enough memory; the words of the device.
    OutOfMemory(String),
    /// Anything else.
    Other(String),
}

impl DeviceFailure {
    /// Understands the words of a device or of a panic.
    fn from_words(words: &str) -> Self {
        let lower = words.to_lowercase();
        let memory = ["out of memory", "out-of-memory", "out_of_memory", "outofmemory"]
            .iter()
            .chain(&["out of device memory", "memory allocation", "alloc_failed"])
            .any(|sign| lower.contains(sign));
        // What follows are addresses of the program's own code.
        let first = words.split("Backtrace").next().unwrap_or_default();
        let told: Vec<&str> = first.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let told = told.join(" ").chars().take(400).collect();
        if memory { Self::OutOfMemory(told) } else { Self::Other(told) }
    }
}

impl From<ExecutionError> for DeviceFailure {
    fn from(error: ExecutionError) -> Self {
        Self::from_words(&error.to_string())
    }
}

/// Does work on a device; a panic of its program, which is how some failures of a GPU show, is told
/// as a failure.
pub(super) fn guarded<T>(
    work: impl FnOnce() -> Result<T, DeviceFailure>,
) -> Result<T, DeviceFailure> {
    // What the work had in hand is dropped; the network it borrows is not changed by a step.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason is given");
        Err(DeviceFailure::from_words(words))
    })
}

/// What helps where a device has too little memory, for a spec whose step takes about so many bytes.
pub fn advice(spec: &Spec, bytes: f64) -> String {
    let train = &spec.train;
    let mut ways = vec![];
    if train.batch_size > 1 {
        let smaller = if train.batch_size.is_multiple_of(2) { train.batch_size / 2 } else { 1 };
        ways.push(format!(
            "train.batch_size = {smaller} with train.accumulate = {} (as many exams per step; batch \
             normalisation sees smaller batches)",
            train.accumulate * train.batch_size / smaller
        ));
    }
    if !train.recompute {
        ways.push("train.recompute = true (0.6 of the memory, 1.6 times the time)".to_owned());
    }
    ways.push("a smaller preprocess.size or model.width".to_owned());
    ways.push("a device with more memory".to_owned());
    let [_, height, width] = spec.preprocess.size;
    let slices = spec.model.slices;
    format!(
        "a step of {} exam(s) of {slices}×{height}×{width} at width {} takes about {:.1} GB (the \
         estimate of `lungs check`); try {}",
        train.batch_size,
        spec.model.width,
        bytes / 1e9,
        ways.join(", or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::testing::spec;

    #[test]
    fn words_of_devices_are_understood() {
        for words in [
            "An out-of-memory error happened during launch\nCaused by:\n  CUDA_ERROR\nBacktrace\n  0: x",
            "out of device memory allocating 4294967296 bytes\n",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
        ] {
            let DeviceFailure::OutOfMemory(told) = DeviceFailure::from_words(words) else {
                panic!("{words}")
            };
            assert!(!told.contains('\n') && !told.contains("0: x"), "{told}");
        }
        let other = DeviceFailure::from_words("an illegal memory access was encountered");
        assert!(matches!(other, DeviceFailure::Other(_)));
    }

    #[test]
    fn a_panic_is_a_failure_with_its_words() {
        let failed = guarded::<()>(|| panic!("out of memory: {} bytes", 12));
        assert_eq!(failed, Err(DeviceFailure::OutOfMemory("out of memory: 12 bytes".into())));
        assert_eq!(guarded(|| Ok(3)), Ok(3));
    }

    #[test]
    fn advice_names_what_is_left_to_try() {
        let first = advice(&spec(&["train.batch_size=4"]), 5.23e9);
        assert!(first.contains("about 5.2 GB"), "{first}");
        assert!(first.contains("train.batch_size = 2 with train.accumulate = 2"), "{first}");
        assert!(first.contains("train.recompute = true"), "{first}");
        let odd = advice(&spec(&["train.batch_size=3", "train.accumulate=2"]), 5.23e9);
        assert!(odd.contains("train.batch_size = 1 with train.accumulate = 6"), "{odd}");
        let last = advice(&spec(&["train.batch_size=1", "train.recompute=true"]), 5.23e9);
        assert!(
            !last.contains("train.batch_size =") && !last.contains("train.recompute"),
            "{last}"
        );
    }
}
