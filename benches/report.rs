//! Time and memory of pages: `just bench report` or `just bench report EXAMS RUNS`. Draws plots and report of
//! a run with 5,000 validation and 5,000 test exams, and compares 100 runs of 1,000 exams each, with page and
//! table.
//!
//! Prints the wall seconds of the fastest of three runs, sizes, and the peak memory of the process.

#[path = "../tests/commands/synthetic.rs"]
mod synthetic;

use std::path::Path;
use std::time::Instant;

use lungs_net::usage::peak_memory_bytes;
use lungs_report::{CompareOptions, Subject, compare, redraw};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let exams: usize = numbers.next().unwrap_or(5000);
    let count: usize = numbers.next().unwrap_or(100);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = synthetic::run(folder.path(), "large", exams, 1);
    let seconds = best_of_three(|| {
        redraw(&run, Path::new("nowhere")).expect("a complete run");
    });
    let bytes = std::fs::metadata(run.report_page()).map_or(0, |metadata| metadata.len());
    println!(
        "{exams} validation and {exams} test exams: plots and report {seconds:.2} s, {bytes} bytes"
    );

    let run =
        |seed: usize| synthetic::run(folder.path(), &format!("run-{seed}"), 1000, seed as u64);
    let runs: Vec<Subject> = (0..count).map(|seed| Subject::Run(run(seed))).collect();
    let page = folder.path().join("comparison.html");
    let seconds = best_of_three(|| {
        let comparison = compare(&runs, CompareOptions::default()).expect("complete runs");
        comparison.write_page(&page).expect("a folder to write in");
        comparison.write_csv(&folder.path().join("comparison.csv")).expect("a folder to write in");
        comparison.write_overlaid_roc(folder.path()).expect("a folder to write in");
    });
    let bytes = std::fs::metadata(&page).map_or(0, |metadata| metadata.len());
    println!("{count} runs of 1000 exams: comparison {seconds:.2} s, page {bytes} bytes");
    println!("peak memory {} MB", peak_memory_bytes().unwrap_or(0) >> 20);
}

fn best_of_three(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
