//! Several exams of a patient: coverage of the AUC and of shares, and type I error of the tests.

use super::data::{Draws, separation};
use super::share;
use lungs_stats::{
    Grouping, Options, Proportion, Rule, ScoredExam, evaluate, paired_aucs, repeated_patients,
};
use rayon::prelude::*;

const PATIENTS: usize = 160;
const PREVALENCE: f64 = 0.3;
const SITES: usize = 4;

/// Exams of two models with the same AUC.
struct Cohort {
    exams: Vec<ScoredExam>,
    other: Vec<f64>,
    sites: Vec<Option<usize>>,
}

/// 160 patients with 1 to 6 exams each. The scores of a patient's exams have this correlation, and those of the
/// two models a correlation of one half. Labels are those of patients, or are drawn for each exam.
fn cohort(draws: &mut Draws, auc: f64, correlation: f64, of_patients: bool) -> Cohort {
    let shift = separation(auc);
    let mut cohort = Cohort { exams: Vec::new(), other: Vec::new(), sites: Vec::new() };
    for patient in 0..PATIENTS {
        let count = 1 + draws.below(6);
        let shared = [draws.normal(), draws.normal(), draws.normal()];
        let label_of_patient = draws.uniform() < PREVALENCE;
        for exam in 0..count {
            let label = if of_patients { label_of_patient } else { draws.uniform() < PREVALENCE };
            let part = |draws: &mut Draws, shared: f64| {
                correlation.sqrt() * shared + (1.0 - correlation).sqrt() * draws.normal()
            };
            let common = part(draws, shared[0]);
            let centre = if label { shift } else { 0.0 };
            let [logit, other] =
                [1, 2].map(|model| centre + (common + part(draws, shared[model])) / 2f64.sqrt());
            cohort.other.push(other);
            cohort.sites.push(Some(patient % SITES));
            cohort.exams.push(ScoredExam {
                patient_id: format!("{patient:03}"),
                exam_id: format!("{patient:03}-{exam}"),
                label,
                logit,
                probability: 1.0 / (1.0 + (-logit).exp()),
            });
        }
    }
    cohort
}

/// Prints the table.
pub(crate) fn print(replicates: usize) {
    println!(
        "{PATIENTS} patients, 1 to 6 exams each: coverage of intervals, type I error of tests at 0.05\n"
    );
    println!(
        "| cancer of | correlation | AUC | coverage: AUC | sensitivity | specificity | accuracy | PPV \
         | NPV | type I error: paired | sites |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (name, of_patients) in [("patients", true), ("exams", false)] {
        for correlation in [0.0, 0.8] {
            for auc in [0.7, 0.85] {
                let row = |replicate| {
                    let name = format!("patients/{name}/{correlation}/{auc}/{replicate}");
                    judge(&cohort(&mut Draws::new(&name), auc, correlation, of_patients), auc)
                };
                let rows: Vec<[bool; 8]> = (0..replicates).into_par_iter().map(row).collect();
                let cells = [0, 1, 2, 3, 4, 5, 6, 7]
                    .map(|column| format!("{:.3}", share(rows.iter().map(|row| row[column]))));
                println!("| {name} | {correlation} | {auc} | {} |", cells.join(" | "));
            }
        }
    }
}

/// Whether the intervals contain the truth, and whether the tests reject.
fn judge(cohort: &Cohort, auc: f64) -> [bool; 8] {
    // The threshold is in the middle of the classes, so sensitivity and specificity are equal.
    let threshold = separation(auc) / 2.0;
    let groupings = vec![Grouping {
        by: "site".to_owned(),
        groups: (0..SITES).map(|site| site.to_string()).collect(),
        of: cohort.sites.clone(),
    }];
    let options = Options {
        bootstrap_replicates: 0,
        rules: Vec::new(),
        validated: vec![(Rule::Youden, threshold)],
        groupings,
        ..Options::default()
    };
    let evaluation = evaluate(&cohort.exams, &options);
    let share = 1.0 - 0.5 * libm::erfc(threshold / 2f64.sqrt());
    let positive = PREVALENCE * share / (PREVALENCE * share + (1.0 - PREVALENCE) * (1.0 - share));
    let negative =
        (1.0 - PREVALENCE) * share / ((1.0 - PREVALENCE) * share + PREVALENCE * (1.0 - share));
    let contains = |interval: Option<lungs_stats::Interval>, truth: f64| {
        interval.is_some_and(|interval| interval.low <= truth && truth <= interval.high)
    };
    let point = &evaluation.operating_points[0];
    let covers = |proportion: &Proportion, truth: f64| contains(proportion.interval, truth);
    let labels: Vec<bool> = cohort.exams.iter().map(|exam| exam.label).collect();
    let logits: Vec<f64> = cohort.exams.iter().map(|exam| exam.logit).collect();
    let patients = repeated_patients(cohort.exams.iter().map(|exam| exam.patient_id.as_str()));
    let paired = paired_aucs([&logits, &cohort.other], &labels, patients.as_deref(), 0.95, 37);
    let rejects = |p_value: Option<f64>| p_value.is_some_and(|p| p < 0.05);
    // Accuracy is judged at a log-odds of 0.
    let [correct_positive, correct_negative] = [separation(auc), 0.0]
        .map(|centre| (1.0 - 0.5 * libm::erfc(centre / 2f64.sqrt()), centre))
        .map(|(below, centre)| if centre > 0.0 { below } else { 0.5 });
    let accuracy = PREVALENCE * correct_positive + (1.0 - PREVALENCE) * correct_negative;
    [
        contains(evaluation.auc.interval, auc),
        covers(&point.sensitivity, share),
        covers(&point.specificity, share),
        covers(&evaluation.accuracy, accuracy),
        covers(&point.positive_predictive_value, positive),
        covers(&point.negative_predictive_value, negative),
        rejects(paired.and_then(|paired| paired.p_value)),
        rejects(evaluation.subgroups[0].heterogeneity.p_value),
    ]
}
