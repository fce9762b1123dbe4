//! Coverage of the interval of one AUC, over the number of exams and the share of positive ones.

use super::data::{Draws, exams};
use super::share;
use lungs_stats::{auc_with_interval, delong, delong_logit_interval, newcombe_interval};
use rayon::prelude::*;

/// Exams, and the positive ones among them: 1 % to 50 %.
const SIZES: [(usize, &[usize]); 5] = [
    (60, &[1, 2, 3, 6, 15, 30]),
    (120, &[1, 2, 4, 6, 12, 30, 60]),
    (400, &[4, 12, 20, 40, 100, 200]),
    (1500, &[15, 45, 75, 150, 750]),
    (6700, &[67, 201, 670, 3350]),
];
/// The same for scores with unequal variances.
const UNEQUAL_SIZES: [(usize, &[usize]); 2] = [(120, &[4, 12, 30, 60]), (1500, &[15, 75, 150])];
/// Standard deviation of the scores of positive exams in that table, times that of negative ones.
const UNEQUAL_SPREAD: f64 = 1.6;
const AUCS: [f64; 4] = [0.6, 0.7, 0.85, 0.97];

/// Prints the table of equal variances.
pub(crate) fn print(replicates: usize) {
    print_table(&SIZES, 1.0, replicates);
}

/// Prints the table of unequal variances.
pub(crate) fn print_unequal(replicates: usize) {
    print_table(&UNEQUAL_SIZES, UNEQUAL_SPREAD, replicates);
}

/// Prints a table: for each AUC the coverage of the reported interval, of DeLong's on the logit scale, and of
/// Newcombe's.
fn print_table(sizes: &[(usize, &[usize])], spread: f64, replicates: usize) {
    println!("Coverage of the interval of one AUC: reported / DeLong, logit / Newcombe 5");
    println!("Standard deviation of the scores of positive exams: {spread}\n");
    println!("| exams | positive | {} |", AUCS.map(|auc| format!("AUC {auc}")).join(" | "));
    println!("|---|---|{}", "---|".repeat(AUCS.len()));
    for &(size, positives) in sizes {
        for &positive in positives {
            let cells = AUCS.map(|auc| cell([size, positive], auc, spread, replicates));
            println!("| {size} | {positive} | {} |", cells.join(" | "));
        }
    }
}

/// One cell of the table: `size` is the number of exams and of positive ones.
fn cell([size, positives]: [usize; 2], auc: f64, spread: f64, replicates: usize) -> String {
    let covered = |replicate: usize| -> [bool; 3] {
        let mut draws = Draws::new(&format!("intervals/{size}/{positives}/{auc}/{replicate}"));
        let (scores, labels) = exams(&mut draws, positives, size - positives, auc, spread);
        let reported = auc_with_interval(&scores, &labels, None, 0.95).interval;
        let logit = delong(&scores, &labels, None)
            .and_then(|delong| delong_logit_interval(delong.auc, delong.variance?, 0.95));
        let value = lungs_stats::auc(&scores, &labels).unwrap_or(f64::NAN);
        let newcombe = newcombe_interval(value, positives, size - positives, 0.95);
        [reported, logit, Some(newcombe)].map(|interval| {
            interval.is_some_and(|interval| interval.low <= auc && auc <= interval.high)
        })
    };
    let rows: Vec<[bool; 3]> = (0..replicates).into_par_iter().map(covered).collect();
    [0, 1, 2].map(|column| format!("{:.3}", share(rows.iter().map(|row| row[column])))).join(" / ")
}
