//! Coverage of the intervals of metrics over time, and type I error of the paired tests.

use super::data::Draws;
use super::share;
use lungs_stats::{
    FollowUp, Outcomes, SurvivalEstimate, cumulative_risk, dynamic_auc, harrell_c,
    paired_dynamic_auc, paired_uno_c, prediction_accuracy, risk_calibration, survival_brier, uno_c,
};
use rayon::prelude::*;

/// The horizon, and the longest follow-up of an exam.
const HORIZON_YEARS: f64 = 5.0;
const LONGEST_YEARS: f64 = 6.0;
/// Change of the logarithm of the hazard with one standard deviation of a patient's disposition.
const EFFECT: f64 = 1.2;
/// Correlation of the scores of two exams of a patient, or of two models, which follow from the disposition.
const CORRELATION: f64 = 0.8;
const PATIENTS: [usize; 2] = [500, 2000];
/// Largest number of exams of a patient, a year apart.
const EXAMS: [usize; 2] = [1, 4];
/// Share of exams whose follow-up would end before the horizon.
const LOST: [f64; 2] = [0.3, 0.6];
/// Risk of cancer within the horizon.
const INCIDENCES: [f64; 2] = [0.05, 0.2];
/// Patients of the cohorts that give the true values.
const TRUTH_PATIENTS: usize = 500_000;
const METRICS: usize = 7;

/// A population: hazards, ends of follow-up, number of exams.
#[derive(Clone, Copy)]
struct Population {
    exams: usize,
    hazard: f64,
    loss_rate: f64,
}

/// Exams of two models with the same distribution of scores.
struct Cohort {
    outcomes: Outcomes,
    scores: [Vec<f64>; 2],
    risks: Vec<f64>,
}

impl Population {
    fn new(exams: usize, lost: f64, incidence: f64) -> Self {
        // Bisection on the mean risk of a normal disposition.
        let (mut low, mut high) = (0.0, 10.0);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            let grid = (-600..=600).map(|index| f64::from(index) / 100.0);
            let weight = |z: f64| (-0.5 * z * z).exp();
            let mean = grid.clone().map(|z| weight(z) * risk(middle, z)).sum::<f64>()
                / grid.map(weight).sum::<f64>();
            *(if mean < incidence { &mut low } else { &mut high }) = middle;
        }
        Self { exams, hazard: low, loss_rate: -(1.0 - lost).ln() / HORIZON_YEARS }
    }

    /// Patients with exams a year apart, while they have no cancer and are followed. With `is_lost`, the follow-up of
    /// an exam ends with that of the patient.
    fn cohort(&self, draws: &mut Draws, patients: usize, is_lost: bool) -> Cohort {
        let (mut follow_ups, mut of, mut risks) = (Vec::new(), Vec::new(), Vec::new());
        let mut scores = [Vec::new(), Vec::new()];
        for patient in 0..patients {
            let disposition = draws.normal();
            let hazard = self.hazard * (EFFECT * disposition).exp();
            let cancer = -draws.uniform().ln() / hazard;
            let loss = -draws.uniform().ln() / self.loss_rate;
            for exam in 0..1 + draws.below(self.exams) {
                let passed = exam as f64;
                if passed >= cancer.min(loss) {
                    break;
                }
                let end = if is_lost { (loss - passed).min(LONGEST_YEARS) } else { LONGEST_YEARS };
                let event = cancer - passed <= end;
                follow_ups.push(FollowUp { time_years: end.min(cancer - passed), event });
                of.push(patient);
                for scores in &mut scores {
                    let noise = (1.0 - CORRELATION).sqrt() * draws.normal();
                    scores.push(CORRELATION.sqrt() * disposition + noise);
                }
                risks.push(risk(self.hazard, scores[0][scores[0].len() - 1]));
            }
        }
        let patients = (self.exams > 1).then_some(&of[..]);
        let outcomes =
            Outcomes::new(&follow_ups, patients).unwrap_or_else(|error| panic!("{error}"));
        Cohort { outcomes, scores, risks }
    }

    /// The true values: of a large cohort in which no follow-up ends early, but that of Harrell's C, which depends on
    /// the ends.
    fn truth(&self, name: &str) -> [f64; METRICS] {
        let values = |is_lost: bool| {
            let mut draws = Draws::new(&format!("survival/{name}/truth/{is_lost}"));
            let cohort = self.cohort(&mut draws, TRUTH_PATIENTS, is_lost);
            estimates(&cohort).map(|it| it.value.unwrap_or(f64::NAN))
        };
        let mut truth = values(false);
        truth[2] = values(true)[2];
        truth
    }
}

/// Risk at the horizon.
fn risk(hazard: f64, disposition: f64) -> f64 {
    1.0 - (-HORIZON_YEARS * hazard * (EFFECT * disposition).exp()).exp()
}

/// Risk, AUC(t), Harrell's C, Uno's C, Brier score, index of prediction accuracy, O/E.
fn estimates(cohort: &Cohort) -> [SurvivalEstimate; METRICS] {
    let Cohort { outcomes, scores: [scores, _], risks } = cohort;
    [
        cumulative_risk(outcomes, HORIZON_YEARS, 0.95),
        dynamic_auc(outcomes, scores, HORIZON_YEARS, 0.95),
        harrell_c(outcomes, scores, 0.95),
        uno_c(outcomes, scores, HORIZON_YEARS, 0.95),
        survival_brier(outcomes, risks, HORIZON_YEARS, 0.95),
        prediction_accuracy(outcomes, risks, HORIZON_YEARS, 0.95),
        risk_calibration(outcomes, risks, HORIZON_YEARS, 1, 0.95).observed_expected,
    ]
}

/// Prints the table.
pub(crate) fn print(replicates: usize) {
    println!(
        "Coverage of intervals at {HORIZON_YEARS} years, type I error of paired tests at 0.05"
    );
    println!("(share of cohorts with a test)\n");
    println!(
        "| patients | exams | lost | incidence | cancers seen | true AUC | risk | AUC(t) | Harrell's C \
         | Uno's C | Brier | IPA | O/E | type I error: AUC(t) | Uno's C |"
    );
    println!("|{}", "---|".repeat(15));
    for exams in EXAMS {
        for lost in LOST {
            for incidence in INCIDENCES {
                let name = format!("{exams}/{lost}/{incidence}");
                let population = Population::new(exams, lost, incidence);
                let truth = population.truth(&name);
                for patients in PATIENTS {
                    let row = row(&population, &truth, &name, [patients, replicates]);
                    let exams = if exams > 1 { format!("1–{exams}") } else { exams.to_string() };
                    println!("| {patients} | {exams} | {lost} | {incidence} | {row} |");
                }
            }
        }
    }
}

/// A cohort's number of cancers within the horizon, whether its intervals contain the truth, and its p-values.
type Judgement = (usize, [bool; METRICS], [Option<f64>; 2]);

fn row(
    population: &Population,
    truth: &[f64; METRICS],
    name: &str,
    [patients, replicates]: [usize; 2],
) -> String {
    let judge = |replicate: usize| -> Judgement {
        let mut draws = Draws::new(&format!("survival/{name}/{patients}/{replicate}"));
        let cohort = population.cohort(&mut draws, patients, true);
        let estimates = estimates(&cohort);
        let covers = |metric: usize| {
            let interval = estimates[metric].interval;
            interval.is_some_and(|it| it.low <= truth[metric] && truth[metric] <= it.high)
        };
        let scores = [&cohort.scores[0][..], &cohort.scores[1][..]];
        let tests = [
            paired_dynamic_auc(&cohort.outcomes, scores, HORIZON_YEARS, 0.95).p_value,
            paired_uno_c(&cohort.outcomes, scores, HORIZON_YEARS, 0.95).p_value,
        ];
        let status = |exam| cohort.outcomes.status(exam, HORIZON_YEARS);
        let is_cancer = |&exam: &usize| status(exam) == lungs_stats::Status::Cancer;
        let cancers = (0..cohort.outcomes.len()).filter(is_cancer).count();
        (cancers, std::array::from_fn(covers), tests)
    };
    let judgements: Vec<Judgement> = (0..replicates).into_par_iter().map(judge).collect();
    let cancers = judgements.iter().map(|(cancers, ..)| cancers).sum::<usize>();
    let mut cells = vec![format!("{:.0}", cancers as f64 / replicates as f64)];
    cells.push(format!("{:.3}", truth[1]));
    for metric in 0..METRICS {
        let covered = share(judgements.iter().map(|(_, covered, _)| covered[metric]));
        cells.push(format!("{covered:.3}"));
    }
    for test in 0..2 {
        let p_values: Vec<f64> = judgements.iter().filter_map(|it| it.2[test]).collect();
        let rejected = share(p_values.iter().map(|&p| p < 0.05));
        cells.push(format!("{rejected:.3} ({:.2})", p_values.len() as f64 / replicates as f64));
    }
    cells.join(" | ")
}
