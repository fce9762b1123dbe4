//! Groups: AUCs and DeLong's variances by their definition over pairs, Cochran's Q and its
//! chi-squared tail in Python with NumPy and SciPy.

use super::super::testing::{Y, Z};
use super::*;

fn exams() -> Vec<Scored> {
    (0..200)
        .map(|place| Scored {
            patient_id: format!("{place:03}"),
            exam_id: place.to_string(),
            label: Y[place] == 1,
            logit: Z[place],
            probability: 1.0 / (1.0 + (-Z[place]).exp()),
        })
        .collect()
}

fn grouping(by: &str, of: impl Fn(usize) -> Option<usize>) -> Grouping {
    let groups = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    Grouping { by: by.to_owned(), groups, of: (0..200).map(of).collect() }
}

#[test]
fn figures_and_test_equal_those_of_python() {
    let thirds = grouping("thirds", |place| Some(place % 3));
    let again = grouping("again", |place| Some(place % 3));
    let found = subgroups(&exams(), &[thirds, again], None, 0.95);
    let one = &found[0];
    assert_eq!(one.groups.len(), 3, "the group without exams is left out");
    let expected =
        [(67, 28, 0.7115384615384616), (67, 24, 0.7577519379844961), (66, 27, 0.7426400759734093)];
    for (group, (exams, positives, auc)) in one.groups.iter().zip(expected) {
        assert_eq!((group.exams, group.positives, &group.warning), (exams, positives, &None));
        assert!((group.auc.value.unwrap() - auc).abs() < 1e-12);
        assert_eq!(group.sensitivity.reason.as_deref(), Some("there is no operating point"));
    }
    let test = &one.heterogeneity;
    assert!((test.statistic.unwrap() - 0.2803631955182926).abs() < 1e-9);
    assert_eq!(test.degrees, Some(2));
    assert!((test.p_value.unwrap() - 0.8692003762252319).abs() < 1e-9);
    // Two columns were tested.
    assert_eq!(test.p_value_holm, Some(1.0));
}

#[test]
fn sensitivity_is_taken_at_the_threshold_of_the_whole_part() {
    let (exams, halves) = (exams(), grouping("halves", |place| Some(place / 100)));
    let point = at_threshold(&Z, &Y.map(|y| y == 1), Rule::Youden, 0.3, 0.95);
    let found = subgroups(&exams, &[halves], Some(&point), 0.95);
    let hits: usize = found[0].groups.iter().map(|group| group.sensitivity.successes).sum();
    let right: usize = found[0].groups.iter().map(|group| group.specificity.successes).sum();
    assert_eq!((hits, right), (point.sensitivity.successes, point.specificity.successes));
}

#[test]
fn small_groups_warn_and_are_left_out_of_the_test() {
    let small = grouping("small", |place| match place {
        0..3 => Some(0),
        3..6 => None,
        _ => Some(1 + place % 2),
    });
    let found = &subgroups(&exams(), &[small], None, 0.95)[0];
    assert_eq!(found.unknown, 3);
    let warning = found.groups[0].warning.as_deref();
    assert_eq!(warning, Some("1 positive exam only, 2 negative exams only"));
    assert_eq!(found.heterogeneity.groups, 2);
    let reason = found.heterogeneity.reason.as_deref().unwrap();
    assert!(reason.starts_with("left out: a ("), "{reason}");
    assert!(found.heterogeneity.p_value.is_some());
}

#[test]
fn a_test_that_cannot_be_says_why() {
    let alone = grouping("alone", |_| Some(0));
    let found = subgroups(&exams(), &[alone], None, 0.95);
    let reason = found[0].heterogeneity.reason.as_deref().unwrap();
    assert!(reason.contains("fewer than two groups"), "{reason}");
    // One patient, scanned twice, in two groups.
    let mut twice = exams();
    twice[1].patient_id = "000".to_owned();
    let found = subgroups(&twice, &[grouping("by", |place| Some(place % 2))], None, 0.95);
    let reason = found[0].heterogeneity.reason.as_deref().unwrap();
    assert_eq!(reason, "1 patient has exams in several groups, which are not independent");
    assert_eq!(found[0].heterogeneity.p_value_holm, None);
}

#[test]
fn groups_of_positive_exams_alone_are_compared_with_all_negative_exams() {
    let sizes = grouping("size", |place| (Y[place] == 1).then_some(place % 2));
    let found = &subgroups(&exams(), &[sizes], None, 0.95)[0];
    let negatives = Y.iter().filter(|&&y| y == 0).count();
    assert_eq!(found.common, Some(Common { positive: false, exams: negatives }));
    assert_eq!(found.unknown, 0);
    assert_eq!(found.heterogeneity.statistic, None);
    assert!(found.heterogeneity.reason.as_deref().unwrap().contains("not independent"));
    for (group, parity) in found.groups.iter().zip(0..) {
        let positives = (0..200).filter(|place| Y[*place] == 1 && place % 2 == parity);
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
    let first = (0..200).find(|place| Y[*place] == 0);
    let sizes =
        grouping("size", |place| (Y[place] == 1 || Some(place) == first).then_some(place % 2));
    let found = &subgroups(&exams(), &[sizes], None, 0.95)[0];
    assert_eq!(found.common, None);
    assert_eq!(found.unknown, Y.iter().filter(|&&y| y == 0).count() - 1);
}
