//! Forward passes and training steps against PyTorch: same machine, same threads, in turns.
//!
//! ```text
//! just bench train [--threads N] [--rounds N] [--steps N] [--channels N] [--width W] [--recompute] [--python PYTHON] [SIZE …]
//! ```
//!
//! Every round starts a fresh process for each program: ours, PyTorch with its usual layout, PyTorch
//! with channels last. Each does one pass to warm up and then `--steps` that count. The table has the
//! medians of all rounds, PyTorch's of the layout that was faster, and the highest peak memory. Give
//! the Python that has PyTorch with `--python` or in `LUNGS_PYTHON`; without one, only ours is timed.
//! Where `taskset` is there, both are kept to the first N processors.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use lungs::model::{I3dConfig, Loss};
use lungs::random;
use lungs::training::Adam;
use rand::Rng;

const SIZES: [&str; 4] = ["32x64x64", "64x112x112", "64x224x224", "220x224x224"];

struct Options {
    threads: usize,
    rounds: usize,
    steps: usize,
    channels: usize,
    width: f64,
    /// Our steps compute intermediate results again instead of keeping them.
    recompute: bool,
    python: Option<String>,
    sizes: Vec<String>,
}

fn main() {
    // Cargo adds "--bench".
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [child, what, size, steps, channels, width] = &arguments[..]
        && child == "child"
    {
        let number = |text: &str| text.parse().expect("a number");
        let config = I3dConfig {
            in_channels: number(channels),
            width_multiplier: width.parse().expect("a number"),
            ..I3dConfig::default()
        };
        return child_process(what, size, number(steps), &config);
    }
    let options = options(arguments.into_iter());
    let mut version = None;
    println!(
        "{} threads, {} rounds of {} passes, width {}, {} input channels, float32, batch 1",
        options.threads, options.rounds, options.steps, options.width, options.channels
    );
    println!(
        "{:<12} {:<8} {:>9} {:>9} {:>7}   {:>9} {:>9} {:>7}   PyTorch's layout",
        "size", "pass", "ours s", "PyTorch s", "ratio", "ours MB", "PyTorch", "ratio"
    );
    for size in &options.sizes {
        for what in ["forward", "step"] {
            let mut readings: BTreeMap<&str, Reading> = BTreeMap::new();
            for _ in 0..options.rounds {
                readings.entry("ours").or_default().add(run(&options, "ours", what, size));
                if options.python.is_some() {
                    for layout in ["plain", "channels-last"] {
                        let said = run(&options, layout, what, size);
                        let of_version = said.lines().find_map(|l| l.strip_prefix("version "));
                        version = version.or(of_version.map(str::to_owned));
                        readings.entry(layout).or_default().add(said);
                    }
                }
            }
            let ours = readings.remove("ours").expect("it ran");
            let best = readings.iter().min_by(|a, b| a.1.median().total_cmp(&b.1.median()));
            let mut line = format!("{size:<12} {what:<8} {:>9.3}", ours.median());
            match best {
                Some((layout, theirs)) => {
                    line += &format!(
                        " {:>9.3} {:>7.2}   {:>9.0} {:>9.0} {:>7.2}   {layout}",
                        theirs.median(),
                        ours.median() / theirs.median(),
                        ours.peak_mb,
                        theirs.peak_mb,
                        ours.peak_mb / theirs.peak_mb
                    );
                }
                None => line += &format!(" {:>9} {:>7}   {:>9.0}", "–", "–", ours.peak_mb),
            }
            println!("{line}");
        }
    }
    if let Some(version) = version {
        println!("{version}");
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: 3,
        steps: 3,
        channels: 1,
        width: 1.0,
        recompute: false,
        python: std::env::var("LUNGS_PYTHON").ok(),
        sizes: vec![],
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the option has a value");
        let number = |text: String| text.parse().expect("the value is a number");
        match argument.as_str() {
            "--threads" => options.threads = number(value()),
            "--rounds" => options.rounds = number(value()),
            "--steps" => options.steps = number(value()),
            "--width" => options.width = value().parse().expect("the value is a number"),
            "--channels" => options.channels = number(value()),
            "--recompute" => options.recompute = true,
            "--python" => options.python = Some(value()),
            size => options.sizes.push(size.to_owned()),
        }
    }
    if options.sizes.is_empty() {
        options.sizes = SIZES.map(str::to_owned).to_vec();
    }
    options
}

/// What one program's processes said.
#[derive(Default)]
struct Reading {
    seconds: Vec<f64>,
    peak_mb: f64,
}

impl Reading {
    fn add(&mut self, said: String) {
        for line in said.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next().and_then(|word| word.parse::<f64>().ok())) {
                (Some("seconds"), Some(seconds)) => self.seconds.push(seconds),
                (Some("peak_kib"), Some(kib)) => self.peak_mb = self.peak_mb.max(kib / 1024.0),
                _ => {}
            }
        }
    }

    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        }
    }
}

/// Runs one process and returns what it printed.
fn run(options: &Options, program: &str, what: &str, size: &str) -> String {
    let (steps, channels) = (options.steps.to_string(), options.channels.to_string());
    let width = options.width.to_string();
    let mut line: Vec<String> = vec![];
    if Command::new("taskset").arg("--version").output().is_ok() {
        line.extend(["taskset", "-c"].map(str::to_owned));
        line.push(format!("0-{}", options.threads - 1));
    }
    match program {
        "ours" => {
            let this = std::env::current_exe().expect("the program knows its file");
            line.push(this.display().to_string());
            let what = match what {
                "step" if options.recompute => "step-recomputed",
                what => what,
            };
            line.extend(["child", what, size, &steps, &channels, &width].map(str::to_owned));
        }
        layout => {
            line.extend(options.python.clone());
            line.push(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch.py").to_owned());
            line.extend([what, size, "1", &steps, &channels, &width, layout].map(str::to_owned));
        }
    }
    let threads = options.threads.to_string();
    let output = Command::new(&line[0])
        .args(&line[1..])
        .env("RAYON_NUM_THREADS", &threads)
        .env("OMP_NUM_THREADS", &threads)
        .env("OMP_PROC_BIND", "close")
        .output()
        .expect("the process starts");
    assert!(
        output.status.success(),
        "{line:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Times our network, as `benches/pytorch.py` times PyTorch's.
fn child_process(what: &str, size: &str, steps: usize, config: &I3dConfig) {
    let lengths: Vec<usize> =
        size.split('x').map(|length| length.parse().expect("lengths are numbers")).collect();
    let &[depth, height, width] = &lengths[..] else {
        panic!("the size is DEPTHxHEIGHTxWIDTH, found {size}");
    };
    lungs::memory::keep_for_tensors();
    let device = Device::flex().autodiff();
    let channels = config.in_channels;
    let mut network = config.init(37, &device).expect("the configuration is valid");
    let mut stream = random::stream(37, "bench");
    let values: Vec<f32> = (0..channels * depth * height * width)
        .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
        .collect();
    let data = TensorData::new(values, [1, channels, depth, height, width]);
    let x = Tensor::<5>::from_data(data, &device);
    let mut adam = ModuleOptimizer::from(Adam::default());
    for number in 0..=steps {
        let start = Instant::now();
        let loss = |logits| Loss::CrossEntropy.mean(logits, &[1]);
        let value: f32 = match what {
            "forward" => network.valid().forward(x.clone().inner()).sum().into_scalar(),
            "step" => {
                let (logits, moments) = network.forward_train(x.clone(), number as u64);
                let loss = loss(logits);
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = adam.step(5e-5, network, gradients).absorb(&moments, 0.001);
                loss.into_scalar()
            }
            _ => {
                let step = network.step_recomputed(x.clone(), number as u64, loss);
                network = adam.step(5e-5, network, step.gradients).absorb(&step.moments, 0.001);
                step.loss.into_scalar()
            }
        };
        if number > 0 {
            println!("seconds {:.4} value {value:.6}", start.elapsed().as_secs_f64());
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak_kib {}", line.split_whitespace().nth(1).unwrap_or("0"));
    }
}
