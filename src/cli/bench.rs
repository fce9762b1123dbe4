//! `lungs bench`, hidden: measures the network on a device.

use super::output::Output;
use super::{CommandResult, Failure};
use crate::bench::{BenchError, BenchOptions, BenchPass, BenchStep, bench};
use clap::Args;
use lungs_base::device::DeviceRequest;
use lungs_net::device;
use lungs_net::model::{self, Architecture, Pool, Precision};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measure steps of the network on random volumes. For the benchmarks and tools/gpu.
#[derive(Args)]
pub(super) struct Bench {
    /// Architecture, as in `model.name`.
    #[arg(long, default_value = "i3d", value_parser = ["i3d", "r3d-18", "i3resnet-152"])]
    network: String,

    /// Pool, as in `model.pool`.
    #[arg(long, default_value = "average", value_parser = ["average", "sybil"])]
    pool: String,

    /// Depth, height and width of a volume, in voxels.
    #[arg(long, default_value = "32x64x64", value_parser = parse_size)]
    size: [usize; 3],

    /// Volumes of a batch.
    #[arg(long, default_value_t = 1)]
    batch: usize,

    /// Input channels.
    #[arg(long, default_value_t = 1)]
    channels: usize,

    /// Width multiplier of the network.
    #[arg(long, default_value_t = 1.0)]
    width: f64,

    /// Number type of the convolutions.
    #[arg(long, default_value = "f32", value_parser = ["f32", "tf32", "bf16"])]
    precision: String,

    /// Device, as in `runtime.device`.
    #[arg(long, default_value = "cpu")]
    device: DeviceRequest,

    /// What to compute.
    #[arg(long, default_value = "step", value_parser = ["forward", "step", "step-checkpointed"])]
    pass: String,

    /// Number of passes; the first warms up.
    #[arg(long, default_value_t = 3)]
    steps: usize,

    /// Seed of weights and volumes.
    #[arg(long, default_value_t = 37)]
    seed: u64,

    /// File for logits, loss and gradients of the first step (safetensors).
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,

    /// Print one JSON object per pass.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let (device, _) = device::open(&self.device).map_err(Failure::request)?;
        let named = |architecture: &Architecture| architecture.name() == self.network;
        let options = BenchOptions {
            architecture: Architecture::ALL.into_iter().find(named).unwrap_or_default(),
            pool: if self.pool == "sybil" { Pool::Sybil } else { Pool::Average },
            size: self.size,
            batch: self.batch,
            channels: self.channels,
            width: self.width,
            precision: match self.precision.as_str() {
                "f32" => Precision::F32,
                "tf32" => Precision::Tf32,
                _ => Precision::Bf16,
            },
            pass: match self.pass.as_str() {
                "forward" => BenchPass::Forward,
                "step" => BenchPass::Step,
                _ => BenchPass::StepCheckpointed,
            },
            steps: self.steps,
            seed: self.seed,
        };
        let print = |step: &BenchStep| {
            output.answer(if self.json {
                serde_json::json!(step).to_string()
            } else {
                format!(
                    "pass {}: {:.4} s, forward {:.4} s, loss {:.6}",
                    step.step, step.seconds, step.forward_seconds, step.loss
                )
            });
        };
        let first = bench(&options, &device, print).map_err(|error| match error {
            BenchError::Model(error) => Failure::request(error),
            error => Failure::work(error),
        })?;
        if let Some(path) = &self.dump {
            model::save_variables(&first, path, &BTreeMap::default()).map_err(Failure::work)?;
        }
        Ok(())
    }
}

/// Parses `220x224x224`.
fn parse_size(text: &str) -> Result<[usize; 3], String> {
    let lengths: Option<Vec<usize>> = text.split('x').map(|length| length.parse().ok()).collect();
    match lengths.as_deref() {
        Some(&[depth, height, width]) if depth * height * width > 0 => Ok([depth, height, width]),
        _ => Err("expected three lengths in voxels, such as 220x224x224".to_owned()),
    }
}
