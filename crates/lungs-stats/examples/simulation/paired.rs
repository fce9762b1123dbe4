//! Type I error of the paired test with few positive exams.

use super::data::{Draws, separation};
use super::share;
use lungs_stats::paired_aucs;
use rayon::prelude::*;

const EXAMS: usize = 120;
const POSITIVES: [usize; 9] = [2, 3, 4, 6, 10, 15, 20, 30, 60];
const AUCS: [f64; 3] = [0.7, 0.85, 0.95];

/// Prints the table. Two models with the same AUC, whose scores have a correlation of one half. Permutation tests
/// take a quarter of the replicates.
pub(crate) fn print(replicates: usize) {
    println!("Type I error of the paired test at 0.05: {EXAMS} exams\n");
    println!("| positive | test | {} |", AUCS.map(|auc| format!("AUC {auc}")).join(" | "));
    println!("|---|---|{}", "---|".repeat(AUCS.len()));
    for positives in POSITIVES {
        let is_permutation = positives < 20;
        let count = if is_permutation { replicates.div_ceil(4) } else { replicates };
        let cells = AUCS.map(|auc| {
            let rejects = |replicate: usize| rejects(positives, auc, replicate);
            let rejected: Vec<bool> = (0..count).into_par_iter().map(rejects).collect();
            format!("{:.3}", share(rejected.into_iter()))
        });
        let test = if is_permutation { "permutation" } else { "DeLong" };
        println!("| {positives} | {test} | {} |", cells.join(" | "));
    }
}

fn rejects(positives: usize, auc: f64, replicate: usize) -> bool {
    let mut draws = Draws::new(&format!("paired/{positives}/{auc}/{replicate}"));
    let shift = separation(auc);
    let labels: Vec<bool> = (0..EXAMS).map(|exam| exam < positives).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for &label in &labels {
        let common = draws.normal();
        for scores in [&mut first, &mut second] {
            let centre = if label { shift } else { 0.0 };
            scores.push(centre + (common + draws.normal()) / 2f64.sqrt());
        }
    }
    let paired = paired_aucs([&first, &second], &labels, None, 0.95, replicate as u64);
    paired.and_then(|paired| paired.p_value).is_some_and(|p| p < 0.05)
}
