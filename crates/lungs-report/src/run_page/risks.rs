//! The section on the risks of several years: metrics by year, recalibration, curves, definitions and limits.

use super::{EvaluatedSplit, RunPage, cell, plots, table};
use lungs_base::text::counted;
use lungs_spec::spec::horizon_words;
use lungs_stats::{HorizonMetrics, RecalibratedRisks, SurvivalEstimate, SurvivalEvaluation};
use maud::{Markup, html};

/// The section; empty for a binary outcome.
pub(super) fn section(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let Some(survival) = reported.metrics.survival.as_deref() else { return html! {} };
    let suffix = reported.suffix();
    let names = [
        "auc-by-year".to_owned(),
        format!("observed-risk{suffix}"),
        format!("risk-calibration{suffix}"),
    ];
    html! {
        section #risks {
            h2 { "Risk over several years" }
            p { (sentence(reported, survival)) }
            h3 { "AUC by year, " (reported.name()) " exams" }
            (by_year(survival))
            @if let Some(recalibrated) = &survival.recalibrated { (calibrated(survival, recalibrated)) }
            h3 { "Plots by year" }
            (plots(page, &names))
            (others(page, reported))
            h3 { "Definitions and limits" }
            ul.soft { @for item in definitions() { li { (item) } } }
        }
    }
}

/// The C-index as a sentence for a paper.
fn sentence(reported: &EvaluatedSplit, survival: &SurvivalEvaluation) -> String {
    let exams = format!(
        "On {} with follow-up ({} with cancer, of {})",
        counted(
            survival.exams,
            &format!("{} exam", reported.name()),
            &format!("{} exams", reported.name())
        ),
        survival.events,
        counted(survival.patients, "patient", "patients"),
    );
    let last = survival.horizons.last().map_or(0.0, |it| it.horizon_years);
    let years = horizon_words(last);
    let c_index = &survival.harrell_c;
    match (c_index.value, c_index.interval) {
        (Some(value), Some(interval)) => {
            let (value, range) = crate::digits::value_and_interval(value, interval);
            format!("{exams}, the risk of {years} reached a C-index of {value} (95 % CI {range}).")
        }
        (Some(value), None) => format!(
            "{exams}, the risk of {years} reached a C-index of {}.",
            crate::digits::value(value)
        ),
        (None, _) => format!(
            "{exams}, the C-index of the risk of {years} is undefined: {}.",
            c_index.reason.as_deref().unwrap_or("reason unknown")
        ),
    }
}

/// Two tables with a row for each horizon, and one of the metrics over all years.
fn by_year(survival: &SurvivalEvaluation) -> Markup {
    let estimate = |estimate: &SurvivalEstimate| cell(&estimate.to_estimate());
    let ranking = |it: &HorizonMetrics| {
        let counts = &it.follow_up_auc;
        vec![
            horizon_words(it.horizon_years),
            estimate(&it.auc),
            cell(&counts.auc),
            counts.positives.to_string(),
            counts.negatives.to_string(),
            counts.excluded.to_string(),
        ]
    };
    let accuracy = |it: &HorizonMetrics| {
        vec![
            horizon_words(it.horizon_years),
            estimate(&it.calibration.observed_expected),
            estimate(&it.calibration.slope),
            estimate(&it.calibration.intercept),
            estimate(&it.brier),
            estimate(&it.prediction_accuracy),
        ]
    };
    let overall = [
        ("Harrell's C", &survival.harrell_c),
        ("Uno's C", &survival.uno_c),
        ("integrated Brier score", &survival.integrated_brier),
    ];
    let overall = overall.map(|(name, metric)| vec![name.to_owned(), estimate(metric)]);
    let heads = ["within", "AUC", "AUC, rule of Sybil", "cancer", "free", "unknown"];
    html! {
        (table(&heads, survival.horizons.iter().map(ranking)))
        p.soft { (counts_in_words(survival)) " Table: " code { "survival.csv" } "." }
        h3 { "Calibration and accuracy by year" }
        (table(
            &["within", "O/E", "slope", "intercept", "Brier score", "IPA"],
            survival.horizons.iter().map(accuracy),
        ))
        h3 { "Over all years" }
        (table(&["", "value"], overall))
    }
}

/// How many exams are censored.
fn counts_in_words(survival: &SurvivalEvaluation) -> String {
    let Some(last) = survival.horizons.last() else { return String::new() };
    let counts = &last.follow_up_auc;
    let years = horizon_words(last.horizon_years);
    format!(
        "Within {years}, {} cancer, {} followed without cancer, and the follow-up of {} ended earlier without cancer \
         (censored).",
        counted(counts.positives, "exam has", "exams have"),
        counted(counts.negatives, "exam is", "exams are"),
        counts.excluded,
    )
}

/// Calibration before and after recalibration, by year.
fn calibrated(survival: &SurvivalEvaluation, recalibrated: &RecalibratedRisks) -> Markup {
    let heads =
        ["within", "O/E", "O/E after", "slope", "slope after", "Brier score", "Brier score after"];
    let estimate = |estimate: &SurvivalEstimate| cell(&estimate.to_estimate());
    let pairs = survival.horizons.iter().zip(&recalibrated.horizons);
    let rows = pairs.map(|(before, after)| {
        vec![
            horizon_words(before.horizon_years),
            estimate(&before.calibration.observed_expected),
            estimate(&after.calibration.observed_expected),
            estimate(&before.calibration.slope),
            estimate(&after.calibration.slope),
            estimate(&before.brier),
            estimate(&after.brier),
        ]
    });
    html! {
        h3 { "Recalibration by year" }
        p.soft {
            "Method: " (recalibrated.method) " for each horizon, fitted on " (recalibrated.fitted_on)
            "; a risk below that of an earlier year is raised to it."
        }
        (table(&heads, rows))
    }
}

/// The C-index of the splits that are not reported.
fn others(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let others = page.splits.iter().filter(|split| split.key != reported.key);
    let with_risks = others.filter_map(|split| Some((split, split.metrics.survival.as_deref()?)));
    let rows: Vec<Vec<String>> = with_risks
        .map(|(split, survival)| {
            let mut row = vec![split.name().to_owned(), cell(&survival.harrell_c.to_estimate())];
            row.extend(
                [&survival.horizons.first(), &survival.horizons.last()]
                    .map(|it| it.map_or("–".to_owned(), |it| cell(&it.auc.to_estimate()))),
            );
            row
        })
        .collect();
    let horizon = |it: Option<&HorizonMetrics>| it.map_or(0.0, |it| it.horizon_years);
    let survival = reported.metrics.survival.as_deref();
    let ends =
        [survival.and_then(|it| it.horizons.first()), survival.and_then(|it| it.horizons.last())]
            .map(|it| format!("AUC, {}", horizon_words(horizon(it))));
    html! {
        @if !rows.is_empty() {
            h3 { "Other splits" }
            (table(&["", "C-index", &ends[0], &ends[1]], rows))
        }
    }
}

/// What the metrics mean, and what they do not.
fn definitions() -> [&'static str; 8] {
    [
        "The other sections of this page are about cancer within the first year of the list, over the exams whose status \
         is known then.",
        "Censored exams: their follow-up ended without cancer before the year in question. They are represented by exams \
         that were followed longer, weighted by the inverse of the probability of being followed (IPCW). That requires \
         that the end of follow-up is unrelated to cancer and prediction.",
        "Deaths from other causes count as ends of follow-up, so observed risks are those of a person who does not die of \
         another cause.",
        "AUC: the probability that an exam with cancer within the years has a higher risk than one without. IPA: 1 − Brier \
         score / Brier score of the observed risk; 0 is no better than that. O/E: observed (Kaplan–Meier) / mean \
         predicted risk.",
        "Slope and intercept: logistic regression of cancer on the log-odds of the risk, IPC-weighted; 1 and 0 are ideal.",
        "Harrell's C: the share of pairs in which the exam with the earlier cancer has the higher risk at the last year; \
         it depends on the censoring. Uno's C does not.",
        "AUC, rule of Sybil (Mikhael et al. 2023): exams of unknown status are left out, without weights; use it to \
         compare with published values of that network only.",
        "Metrics of later years fall in other populations and depend on who is screened again: they describe these exams, \
         not a person's risk elsewhere.",
    ]
}
