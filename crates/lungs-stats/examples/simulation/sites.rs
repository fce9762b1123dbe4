//! Type I error of the test of heterogeneity with few positive exams a site.

use super::data::{Draws, exams};
use super::share;
use lungs_stats::{Grouping, Options, ScoredExam, evaluate};
use rayon::prelude::*;

const AUCS: [f64; 4] = [0.6, 0.7, 0.85, 0.93];
/// Exams, the positive ones, the sites.
const COHORTS: [(usize, usize, usize); 4] =
    [(6716, 87, 8), (6716, 87, 4), (6716, 400, 8), (1000, 60, 8)];

/// Prints the table. Exams fall on sites at random, on the first half of the sites twice as often.
pub(crate) fn print(replicates: usize) {
    println!("Type I error of the test of heterogeneity at 0.05 (share of cohorts with a test)\n");
    println!("| exams | positive | sites | {} |", AUCS.map(|auc| format!("AUC {auc}")).join(" | "));
    println!("|---|---|---|{}", "---|".repeat(AUCS.len()));
    for (size, positives, sites) in COHORTS {
        let cells = AUCS.map(|auc| {
            let p_value = |replicate: usize| p_value(size, positives, sites, auc, replicate);
            let p_values: Vec<Option<f64>> = (0..replicates).into_par_iter().map(p_value).collect();
            let rejected = share(p_values.iter().map(|p| p.is_some_and(|p| p < 0.05)));
            format!("{rejected:.3} ({:.2})", share(p_values.iter().map(Option::is_some)))
        });
        println!("| {size} | {positives} | {sites} | {} |", cells.join(" | "));
    }
}

fn p_value(size: usize, positives: usize, sites: usize, auc: f64, replicate: usize) -> Option<f64> {
    let mut draws = Draws::new(&format!("sites/{size}/{positives}/{sites}/{auc}/{replicate}"));
    let (scores, labels) = exams(&mut draws, positives, size - positives, auc, 1.0);
    let exams: Vec<ScoredExam> = scores
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(index, (&logit, label))| ScoredExam {
            patient_id: format!("{index:05}"),
            exam_id: String::new(),
            label,
            logit,
            probability: 1.0 / (1.0 + (-logit).exp()),
        })
        .collect();
    // Sites of the first half have two tickets, those of the second half one.
    let half = sites / 2;
    let site = |ticket: usize| if ticket < 2 * half { ticket / 2 } else { ticket - half };
    let grouping = Grouping {
        by: "site".to_owned(),
        groups: (0..sites).map(|site| site.to_string()).collect(),
        of: (0..size).map(|_| Some(site(draws.below(3 * half)))).collect(),
    };
    let options = Options {
        bootstrap_replicates: 0,
        rules: Vec::new(),
        groupings: vec![grouping],
        ..Options::default()
    };
    evaluate(&exams, &options).subgroups[0].heterogeneity.p_value
}
