//! Forward passes and training steps compared with PyTorch and OpenVINO, alternating on the same machine with the
//! same number of threads.
//!
//! ```text
//! just bench train [--threads N] [--rounds N] [--steps N] [--channels N] [--width W] [--gradient-checkpointing] [--python PYTHON] [SIZE …]
//! ```
//!
//! Every round starts a new process for each program: lungs, PyTorch with its default layout, with channels last
//! and with bfloat16 (autocast), and for forward passes OpenVINO in float32 and bfloat16. Each process runs one warm-up
//! pass and then `--steps` measured passes. The table shows the medians over all rounds, for PyTorch in the faster
//! layout, the highest peak memory, and the ratios of ours to theirs. `--python` or `LUNGS_PYTHON` gives a Python with
//! PyTorch and, if installed, OpenVINO; without it, only lungs is timed. If
//! `taskset` is installed, both are restricted to the first N processors. `--gradient-checkpointing` measures steps
//! with gradient checkpointing.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use lungs_base::random;
use lungs_net::model::{Architecture, Loss, NetworkConfig};
use rand::Rng;

const SIZES: [&str; 4] = ["32x64x64", "64x112x112", "64x224x224", "220x224x224"];

struct Options {
    threads: usize,
    rounds: usize,
    steps: usize,
    channels: usize,
    width: f64,
    /// `model.name`; residual networks need `--channels 3`.
    network: String,
    /// Whether our steps use gradient checkpointing.
    gradient_checkpointing: bool,
    python: Option<String>,
    sizes: Vec<String>,
}

fn main() {
    // Cargo adds "--bench".
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [child, pass, size, steps, channels, width, name] = &arguments[..]
        && child == "child"
    {
        let number = |text: &str| text.parse().expect("a number");
        let named = |architecture: &Architecture| architecture.name() == name;
        let config = NetworkConfig {
            architecture: Architecture::ALL.into_iter().find(named).expect("a name of a network"),
            in_channels: number(channels),
            width_multiplier: width.parse().expect("a number"),
            ..NetworkConfig::default()
        };
        return child_process(pass, size, number(steps), &config);
    }
    let options = options(arguments.into_iter());
    println!(
        "{}, {} threads, {} rounds of {} passes, width {}, {} input channels, batch 1, ours in float32",
        options.network,
        options.threads,
        options.rounds,
        options.steps,
        options.width,
        options.channels
    );
    println!(
        "{:<12} {:<8} {:<24} {:>8} {:>6} {:>9} {:>6}",
        "size", "pass", "program", "seconds", "ratio", "peak MiB", "ratio"
    );
    let mut versions = BTreeSet::new();
    for size in &options.sizes {
        for pass in ["forward", "step"] {
            compare(&options, pass, size, &mut versions);
        }
    }
    versions.iter().for_each(|version| println!("{version}"));
}

/// Programs to compare with: a name, its variants, of which the fastest counts, and whether it trains.
const PEERS: [(&str, &[&str], bool); 4] = [
    ("PyTorch", &["plain", "channels-last"], true),
    ("PyTorch bfloat16", &["bf16"], true),
    ("OpenVINO", &["openvino"], false),
    ("OpenVINO bfloat16", &["openvino-bf16"], false),
];

/// Measures all programs in turns and prints one line for each.
fn compare(options: &Options, pass: &str, size: &str, versions: &mut BTreeSet<String>) {
    let peers = PEERS.iter().filter(|(.., trains)| *trains || pass == "forward");
    let peers: Vec<_> = peers.filter(|_| options.python.is_some()).collect();
    let variants = peers.iter().flat_map(|(_, variants, _)| variants.iter().copied());
    let programs: Vec<&str> = std::iter::once("ours").chain(variants).collect();
    let mut measurements: BTreeMap<&str, Measurements> = BTreeMap::new();
    for _ in 0..options.rounds {
        for program in &programs {
            let stdout = run(options, program, pass, size);
            let lines = stdout.lines().filter_map(|line| line.strip_prefix("version "));
            versions.extend(lines.map(str::to_owned));
            measurements.entry(program).or_default().add(stdout);
        }
    }
    let ours = &measurements["ours"];
    println!(
        "{size:<12} {pass:<8} {:<24} {:>8.3} {:>6} {:>9.0}",
        "ours",
        ours.median(),
        "",
        ours.peak_mib
    );
    for (name, variants, _) in peers {
        let measured = variants.iter().filter(|variant| !measurements[*variant].seconds.is_empty());
        let fastest =
            measured.min_by(|a, b| measurements[*a].median().total_cmp(&measurements[*b].median()));
        let Some(variant) = fastest else { continue };
        let theirs = &measurements[variant];
        let name =
            if variants.len() > 1 { format!("{name} ({variant})") } else { (*name).to_owned() };
        println!(
            "{size:<12} {pass:<8} {name:<24} {:>8.3} {:>6.2} {:>9.0} {:>6.2}",
            theirs.median(),
            ours.median() / theirs.median(),
            theirs.peak_mib,
            ours.peak_mib / theirs.peak_mib
        );
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: 3,
        steps: 3,
        channels: 1,
        width: 1.0,
        network: "i3d".to_owned(),
        gradient_checkpointing: false,
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
            "--network" => options.network = value(),
            "--gradient-checkpointing" => options.gradient_checkpointing = true,
            "--python" => options.python = Some(value()),
            size => options.sizes.push(size.to_owned()),
        }
    }
    if options.sizes.is_empty() {
        options.sizes = SIZES.map(str::to_owned).to_vec();
    }
    options
}

/// Measurements of one program.
#[derive(Default)]
struct Measurements {
    seconds: Vec<f64>,
    peak_mib: f64,
}

impl Measurements {
    fn add(&mut self, stdout: String) {
        for line in stdout.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next().and_then(|word| word.parse::<f64>().ok())) {
                (Some("seconds"), Some(seconds)) => self.seconds.push(seconds),
                (Some("peak_kib"), Some(kib)) => self.peak_mib = self.peak_mib.max(kib / 1024.0),
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

/// Runs one process and returns its standard output.
fn run(options: &Options, program: &str, pass: &str, size: &str) -> String {
    let (steps, channels) = (options.steps.to_string(), options.channels.to_string());
    let width = options.width.to_string();
    let mut line: Vec<String> = vec![];
    if Command::new("taskset").arg("--version").output().is_ok() {
        line.extend(["taskset", "-c"].map(str::to_owned));
        line.push(format!("0-{}", options.threads - 1));
    }
    match program {
        "ours" => {
            let program = std::env::current_exe().expect("the path of this program");
            line.push(program.display().to_string());
            let pass = match pass {
                "step" if options.gradient_checkpointing => "step-checkpointed",
                pass => pass,
            };
            line.extend(["child", pass, size, &steps, &channels, &width].map(str::to_owned));
            line.push(options.network.clone());
        }
        layout => {
            line.extend(options.python.clone());
            line.push(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch.py").to_owned());
            line.extend([pass, size, "1", &steps, &channels, &width, layout].map(str::to_owned));
            line.push(options.network.clone());
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

/// Times our network like `benches/pytorch.py` times PyTorch's.
fn child_process(pass: &str, size: &str, steps: usize, config: &NetworkConfig) {
    let lengths: Vec<usize> =
        size.split('x').map(|length| length.parse().expect("lengths are numbers")).collect();
    let &[depth, height, width] = &lengths[..] else {
        panic!("the size is DEPTHxHEIGHTxWIDTH, found {size}");
    };
    lungs_base::memory::keep_freed_memory();
    let device = Device::flex().autodiff();
    let channels = config.in_channels;
    let mut network = config.init(37, &device).expect("the configuration is valid");
    let mut stream = random::stream(37, "bench");
    let values: Vec<f32> = (0..channels * depth * height * width)
        .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
        .collect();
    let data = TensorData::new(values, [1, channels, depth, height, width]);
    let x = Tensor::<5>::from_data(data, &device);
    let mut adam = lungs_train::adam();
    for number in 0..=steps {
        let start = Instant::now();
        let loss = |logits| Loss::CrossEntropy.mean(logits, &[1]);
        let value: f32 = match pass {
            "forward" => network.valid().forward(x.clone().inner()).sum().into_scalar(),
            "step" => {
                let (logits, statistics) = network.forward_train(x.clone(), number as u64);
                let loss = loss(logits);
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = adam.step(5e-5, network, gradients);
                network = network.update_running_statistics(&statistics, 0.001);
                loss.into_scalar()
            }
            _ => {
                let step = network.step_with_gradient_checkpointing(x.clone(), number as u64, loss);
                network = adam.step(5e-5, network, step.gradients);
                network = network.update_running_statistics(&step.statistics, 0.001);
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
