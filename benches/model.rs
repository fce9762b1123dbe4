//! Times the network: forward passes and training steps of any size.
//!
//! ```text
//! cargo bench --bench model -- [step|forward] [BATCHxDEPTHxHEIGHTxWIDTH] [WIDTH_MULTIPLIER] [STEPS]
//! ```
//!
//! Prints seconds of every step (forward, backward, Adam) and the process's peak memory. Threads:
//! `RAYON_NUM_THREADS`.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use lungs::model::{I3dConfig, Loss};
use lungs::random;
use rand::Rng;

fn main() {
    // Cargo adds "--bench".
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let argument = |index: usize, default: &str| {
        arguments.get(index).map_or_else(|| default.to_owned(), Clone::clone)
    };
    let what = argument(0, "step");
    let size = argument(1, "4x56x80x80");
    let lengths: Vec<usize> =
        size.split('x').map(|length| length.parse().expect("lengths are numbers")).collect();
    let &[batch, depth, height, width] = &lengths[..] else {
        panic!("the size is BATCHxDEPTHxHEIGHTxWIDTH, found {size}");
    };
    let width_multiplier = argument(2, "0.25").parse().expect("the multiplier is a number");
    let steps: usize = argument(3, "5").parse().expect("the number of steps is a number");

    let device = Device::flex().autodiff();
    let config = I3dConfig { width_multiplier, ..I3dConfig::default() };
    let mut network = config.init(37, &device).expect("the configuration is valid");
    println!("{what} {size} width {width_multiplier}: {} parameters", network.parameter_count());
    let mut stream = random::stream(37, "bench");
    let values: Vec<f32> = (0..batch * depth * height * width)
        .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
        .collect();
    let data = TensorData::new(values, [batch, 1, depth, height, width]);
    let x = Tensor::<5>::from_data(data, &device);
    let labels: Vec<usize> = (0..batch).map(|sample| sample % 2).collect();
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for step in 0..steps {
        let start = Instant::now();
        if what == "forward" {
            let logits = network.valid().forward(x.clone().inner());
            let sum = logits.sum().into_scalar::<f32>();
            println!("forward {:.3} s, logits sum to {sum}", start.elapsed().as_secs_f64());
            continue;
        }
        let (logits, moments) = network.forward_train(x.clone(), step as u64);
        let loss = Loss::CrossEntropy.mean(logits, &labels);
        let forward = start.elapsed().as_secs_f64();
        let gradients = loss.backward();
        let gradients = GradientsParams::from_grads(gradients, &network);
        let backward = start.elapsed().as_secs_f64();
        network = adam.step(5e-5, network, gradients).absorb(&moments);
        let all = start.elapsed().as_secs_f64();
        println!(
            "forward {forward:.3} s, backward {:.3} s, Adam {:.3} s, step {all:.3} s, loss {}",
            backward - forward,
            all - backward,
            loss.into_scalar::<f32>(),
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory:{}", line.trim_start_matches("VmHWM:"));
    }
}
