//! Time and memory of all metrics, intervals and curves: `just bench evaluation` or
//! `just bench evaluation EXAMS REPLICATES`. The default is the size of the National Lung Screening Trial:
//! 75,000 exams of 26,000 patients, with 2,000 replicates. The number of threads is `RAYON_NUM_THREADS`.
//!
//! Prints wall seconds and core-seconds of the fastest of three runs, and the peak memory of the process.

use std::fs;
use std::time::Instant;

use lungs_stats::{Options, ScoredExam, evaluate_with_curves};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let exams: usize = numbers.next().unwrap_or(75_000);
    let bootstrap_replicates = numbers.next().unwrap_or(2000);
    let scored: Vec<ScoredExam> = (0..exams).map(exam).collect();
    let options = Options { bootstrap_replicates, ..Options::default() };
    let mut best = (f64::INFINITY, 0.0);
    let mut summary = String::new();
    for _ in 0..3 {
        let (start, core_start) = (Instant::now(), core_seconds());
        let (metrics, curves) = evaluate_with_curves(&scored, &options);
        let elapsed_seconds = start.elapsed().as_secs_f64();
        if elapsed_seconds < best.0 {
            best = (elapsed_seconds, core_seconds() - core_start);
        }
        summary = format!(
            "AUC {:.4}, average precision {:.4}, {} points of precision and recall",
            metrics.auc.value.unwrap_or_default(),
            metrics.average_precision.value.unwrap_or_default(),
            curves.precision_recall.len()
        );
    }
    println!("{exams} exams, {bootstrap_replicates} replicates; {summary}");
    println!(
        "{:.2} s of wall time, {:.2} core-seconds, peak memory {:.0} MB",
        best.0,
        best.1,
        peak_mb()
    );
}

/// One exam in 60 is positive, and scores higher.
fn exam(index: usize) -> ScoredExam {
    let label = index.is_multiple_of(60);
    let share = ((index as f64 + 1.0) * 0.618_033_988_749_895).fract().clamp(1e-6, 1.0 - 1e-6);
    let logit = (share / (1.0 - share)).ln() - if label { 2.0 } else { 4.0 };
    ScoredExam {
        patient_id: format!("{}", index * 26 / 75),
        exam_id: format!("{index}"),
        label,
        logit,
        probability: 1.0 / (1.0 + (-logit).exp()),
    }
}

/// Processor time of this process so far, which Linux counts in hundredths of a second; 0 where `/proc` does not exist.
fn core_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the name, which may contain spaces: `utime` and `stime` are the 12th and the 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Peak memory of this process in MB; 0 where `/proc` does not exist.
fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
