//! Time and memory of all metrics, intervals and curves: `just bench evaluation` or
//! `just bench evaluation EXAMS REPLICATES`. The default is the size of the National Lung Screening Trial:
//! 75,000 exams of 26,000 patients, with 2,000 replicates.
//!
//! Prints the wall seconds of the fastest of three runs and the peak memory of the process.

use std::time::Instant;

use lungs_net::usage::peak_memory_bytes;
use lungs_stats::{Options, ScoredExam, evaluate_with_curves};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let exams: usize = numbers.next().unwrap_or(75_000);
    let bootstrap_replicates = numbers.next().unwrap_or(2000);
    let scored: Vec<ScoredExam> = (0..exams).map(exam).collect();
    let options = Options { bootstrap_replicates, ..Options::default() };
    let mut best = f64::INFINITY;
    let mut summary = String::new();
    for _ in 0..3 {
        let start = Instant::now();
        let (metrics, curves) = evaluate_with_curves(&scored, &options);
        best = best.min(start.elapsed().as_secs_f64());
        summary = format!(
            "AUC {:.4}, average precision {:.4}, {} points of precision and recall",
            metrics.auc.value.unwrap_or_default(),
            metrics.average_precision.value.unwrap_or_default(),
            curves.precision_recall.len()
        );
    }
    println!("{exams} exams, {bootstrap_replicates} replicates: {best:.2} s; {summary}");
    println!("peak memory {} MB", peak_memory_bytes().unwrap_or(0) >> 20);
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
