//! Subgroups: AUCs and DeLong's variances by their definition over pairs, Cochran's Q and its
//! chi-squared tail in Python with NumPy and SciPy.

use super::super::testing::{Y, Z};
use super::*;

fn exams() -> Vec<ScoredExam> {
    (0..200)
        .map(|index| ScoredExam {
            patient_id: format!("{index:03}"),
            exam_id: index.to_string(),
            label: Y[index] == 1,
            logit: Z[index],
            probability: 1.0 / (1.0 + (-Z[index]).exp()),
        })
        .collect()
}

fn grouping(by: &str, of: impl Fn(usize) -> Option<usize>) -> Grouping {
    let groups = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    Grouping { by: by.to_owned(), groups, of: (0..200).map(of).collect() }
}

#[test]
fn metrics_and_test_equal_those_of_python() {
    let thirds = grouping("thirds", |index| Some(index % 3));
    let again = grouping("again", |index| Some(index % 3));
    let columns = subgroups(&exams(), &[thirds, again], None, 0.95);
    let one = &columns[0];
    assert_eq!(one.groups.len(), 3, "the group without exams is missing");
    let expected =
        [(67, 28, 0.7115384615384616), (67, 24, 0.7577519379844961), (66, 27, 0.7426400759734093)];
    for (group, (exams, positives, auc)) in one.groups.iter().zip(expected) {
        assert_eq!((group.exams, group.positives, &group.warning), (exams, positives, &None));
        assert!((group.auc.value.unwrap() - auc).abs() < 1e-12);
        assert_eq!(group.sensitivity.reason.as_deref(), Some("there is no operating point"));
    }
    // R 4.2.2 over the exams of each third: sum(Y) / sum(plogis(Z)), coef(glm(Y ~ Z, binomial))[2] and rms 6.5.0
    // lrm(Y ~ rcs(Z, 3)): mean(abs(fitted - plogis(Z))).
    let calibration = [
        [0.8213649646418, 0.434578795174442, 0.142158207395009],
        [0.65157213299691, 0.666466350164909, 0.191552056769375],
        [0.902789322278404, 0.558025299919509, 0.0929536077711632],
    ];
    for (group, expected) in one.groups.iter().zip(calibration) {
        let found =
            [&group.observed_expected, &group.slope, &group.smooth.integrated_calibration_index]
                .map(|estimate| estimate.value.unwrap());
        assert_eq!(group.smooth.knots, Some(3));
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
    }
    let test = &one.heterogeneity;
    assert!((test.statistic.unwrap() - 0.2803631955182926).abs() < 1e-9);
    assert_eq!(test.degrees, Some(2));
    assert!((test.p_value.unwrap() - 0.8692003762252319).abs() < 1e-9);
    // Two columns were tested.
    assert_eq!(test.p_value_holm, Some(1.0));
}

#[test]
fn sensitivity_is_computed_at_the_threshold_of_all_exams() {
    let (exams, halves) = (exams(), grouping("halves", |index| Some(index / 100)));
    let point = at_threshold(&Z, &Y.map(|y| y == 1), Rule::Youden, 0.3, 0.95);
    let columns = subgroups(&exams, &[halves], Some(&point), 0.95);
    let true_positives: usize =
        columns[0].groups.iter().map(|group| group.sensitivity.successes).sum();
    let true_negatives: usize =
        columns[0].groups.iter().map(|group| group.specificity.successes).sum();
    assert_eq!(
        (true_positives, true_negatives),
        (point.sensitivity.successes, point.specificity.successes)
    );
}

#[test]
fn small_groups_have_a_warning_and_are_excluded_from_the_test() {
    let small = grouping("small", |index| match index {
        0..3 => Some(0),
        3..6 => None,
        _ => Some(1 + index % 2),
    });
    let column = &subgroups(&exams(), &[small], None, 0.95)[0];
    assert_eq!(column.unknown, 3);
    let warning = column.groups[0].warning.as_deref();
    assert_eq!(warning, Some("only 1 positive exam, only 2 negative exams"));
    assert_eq!(column.heterogeneity.groups, 2);
    let reason = column.heterogeneity.reason.as_deref().unwrap();
    assert!(reason.starts_with("excluded: a ("), "{reason}");
    assert!(column.heterogeneity.p_value.is_some());
}

#[test]
fn an_undefined_test_has_a_reason() {
    let alone = grouping("alone", |_| Some(0));
    let columns = subgroups(&exams(), &[alone], None, 0.95);
    let reason = columns[0].heterogeneity.reason.as_deref().unwrap();
    assert!(reason.contains("fewer than two groups"), "{reason}");
    // One patient, scanned twice, in two groups.
    let mut twice = exams();
    twice[1].patient_id = "000".to_owned();
    let columns = subgroups(&twice, &[grouping("by", |index| Some(index % 2))], None, 0.95);
    let reason = columns[0].heterogeneity.reason.as_deref().unwrap();
    assert_eq!(reason, "1 patient has exams in several groups, which are not independent");
    assert_eq!(columns[0].heterogeneity.p_value_holm, None);
}

#[test]
fn groups_of_positive_exams_share_all_negative_exams() {
    let sizes = grouping("size", |index| (Y[index] == 1).then_some(index % 2));
    let column = &subgroups(&exams(), &[sizes], None, 0.95)[0];
    let negatives = Y.iter().filter(|&&y| y == 0).count();
    assert_eq!(column.common, Some(SharedExams { positive: false, exams: negatives }));
    assert_eq!(column.unknown, 0);
    assert_eq!(column.heterogeneity.statistic, None);
    assert!(column.heterogeneity.reason.as_deref().unwrap().contains("not independent"));
    let calibration = column.groups[0].smooth.emax.reason.as_deref().unwrap();
    assert!(calibration.contains("changes its prevalence"), "{calibration}");
    for (group, parity) in column.groups.iter().zip(0..) {
        let positives = (0..200).filter(|index| Y[*index] == 1 && index % 2 == parity);
        let wins: f64 = positives
            .clone()
            .flat_map(|positive| (0..200).filter(|n| Y[*n] == 0).map(move |n| (positive, n)))
            .map(|(p, n)| if Z[p] > Z[n] { 1.0 } else { 0.5 * f64::from(u8::from(Z[p] == Z[n])) })
            .sum();
        let expected = wins / (positives.clone().count() * negatives) as f64;
        assert_eq!(group.positives, positives.count());
        assert_eq!(group.exams, group.positives + negatives);
        assert!((group.auc.value.unwrap() - expected).abs() < 1e-12);
    }
}

#[test]
fn one_known_exam_of_the_other_class_makes_ordinary_groups() {
    let first = (0..200).find(|index| Y[*index] == 0);
    let sizes =
        grouping("size", |index| (Y[index] == 1 || Some(index) == first).then_some(index % 2));
    let column = &subgroups(&exams(), &[sizes], None, 0.95)[0];
    assert_eq!(column.common, None);
    assert_eq!(column.unknown, Y.iter().filter(|&&y| y == 0).count() - 1);
}
