//! Paired comparisons against the paired AUC test and the jackknife.

use super::super::testing::{assert_close, references};
use super::super::{FollowUp, dynamic_auc};
use super::*;
use crate::paired_aucs;
use crate::testing::normal_draws;

#[test]
fn without_censoring_it_is_delongs_paired_test() {
    let draws = normal_draws(37, "paired survival", 600);
    let (a, b) = (&draws[..200], &draws[200..400]);
    let follow_up = |exam: usize| FollowUp {
        time_years: (draws[400 + exam] - 0.4 * a[exam] - 0.3 * b[exam]).exp(),
        event: true,
    };
    let follow_ups: Vec<FollowUp> = (0..200).map(follow_up).collect();
    let labels: Vec<bool> = follow_ups.iter().map(|it| it.time_years <= 1.0).collect();
    let outcomes = Outcomes::new(&follow_ups, None).unwrap();
    let own = paired_dynamic_auc(&outcomes, [a, b], 1.0, 0.95);
    let plain = paired_aucs([a, b], &labels, None, 0.95, 37).unwrap();
    assert_close(own.difference.unwrap(), plain.difference, 1e-12);
    assert_close(own.standard_error.unwrap(), plain.standard_error.unwrap(), 1e-12);
    assert_close(own.p_value.unwrap(), plain.p_value.unwrap(), 1e-10);
    assert_close(own.interval.unwrap().low, plain.interval.unwrap().low, 1e-12);
}

#[test]
fn standard_errors_agree_with_the_jackknife() {
    let reference = &references()[1];
    let outcomes = reference.outcomes();
    let exams = outcomes.len();
    let noise = normal_draws(37, "paired jackknife", exams);
    let other: Vec<f64> = reference.score.iter().zip(&noise).map(|(s, z)| s + 0.7 * z).collect();
    type Paired = fn(&Outcomes, [&[f64]; 2]) -> PairedDifference;
    let metrics: [Paired; 3] = [
        |outcomes, scores| paired_dynamic_auc(outcomes, scores, 4.0, 0.95),
        |outcomes, scores| paired_harrell_c(outcomes, scores, 0.95),
        |outcomes, scores| paired_uno_c(outcomes, scores, 5.0, 0.95),
    ];
    for metric in metrics {
        let value = |left_out: usize| {
            let others: Vec<usize> = (0..exams).filter(|&exam| exam != left_out).collect();
            let scores = [&reference.score, &other]
                .map(|all| others.iter().map(|&exam| all[exam]).collect::<Vec<f64>>());
            metric(&outcomes.subset(&others), [&scores[0], &scores[1]]).difference.unwrap()
        };
        let values: Vec<f64> = (0..exams).map(value).collect();
        let mean = values.iter().sum::<f64>() / exams as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let jackknife = (squares * (exams as f64 - 1.0) / exams as f64).sqrt();
        let own = metric(&outcomes, [&reference.score, &other]);
        assert_close(own.standard_error.unwrap() / jackknife, 1.0, 0.01);
        assert!(own.p_value.is_some());
    }
}

#[test]
fn equal_models_and_few_cases_have_no_p_value() {
    let reference = &references()[0];
    let outcomes = reference.outcomes();
    let same = paired_dynamic_auc(&outcomes, [&reference.score, &reference.score], 6.0, 0.95);
    assert_eq!((same.difference, same.p_value), (Some(0.0), None));
    assert!(same.reason.unwrap().contains("standard error of the difference is 0"));
    let reversed: Vec<f64> = reference.score.iter().map(|score| -score).collect();
    let few = paired_dynamic_auc(&outcomes, [&reference.score, &reversed], 0.5, 0.95);
    assert!(few.difference.is_some() && few.p_value.is_none());
    assert!(
        few.reason.unwrap().contains("patients with a cancer that counts, expected at least 20")
    );
    let none = paired_dynamic_auc(&outcomes, [&reference.score, &reversed], 9.0, 0.95);
    assert_eq!(none.reason.unwrap(), "no exam is followed to 9 years without cancer");
}

#[test]
fn tables_are_compared_at_their_common_horizons() {
    let reference = &references()[1];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    let rows: Vec<Vec<f64>> = table.risks(1).iter().map(|&risk| vec![1.0 - risk; 2]).collect();
    let other = RiskTable::new(&[2.0, 2.5], &rows).unwrap();
    let comparison = compare_survival(&outcomes, [&table, &other], 0.95).unwrap();
    let [horizon] = &comparison.horizons[..] else { panic!("one common horizon") };
    let auc = dynamic_auc(&outcomes, table.risks(1), 2.0, 0.95).value.unwrap();
    assert_eq!(horizon.horizon_years, 2.0);
    assert_close(horizon.auc.difference.unwrap(), 2.0 * auc - 1.0, 1e-12);
    assert!(comparison.harrell_c.p_value.is_some() && comparison.uno_c.p_value.is_some());
    let short = RiskTable::new(&[2.0], &[vec![0.5]]).unwrap();
    let error = compare_survival(&outcomes, [&table, &short], 0.95).unwrap_err().to_string();
    assert_eq!(error, "1 rows of risks, expected 300, one for each exam");
}
