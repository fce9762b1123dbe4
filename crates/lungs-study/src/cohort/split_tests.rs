use super::*;
use crate::cohort::testing::chosen_row;
use lungs_base::follow_up::FollowUp;
use lungs_spec::spec::{Overrides, load};
use proptest::prelude::*;

fn spec(set: &[&str]) -> Spec {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n").unwrap();
    let set = set.iter().map(|s| s.to_string()).collect();
    load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
}

fn row(patient: usize, exam: usize, label: u8) -> CohortRow {
    let patient_id = format!("P{patient:03}");
    let exam_id = format!("{patient_id}-E{exam}");
    chosen_row(&patient_id, &exam_id, &format!("1.{patient}.{exam}"), label == 1)
}

fn cohort(labels: &[Vec<u8>]) -> Cohort {
    let rows = labels.iter().enumerate().flat_map(|(patient, exams)| {
        exams.iter().enumerate().map(move |(exam, label)| row(patient, exam, *label))
    });
    Cohort { rows: rows.collect(), ..Cohort::default() }
}

proptest! {
    /// The original package splits series, so that patients are in both training and validation.
    #[test]
    fn no_patient_is_in_two_splits(
        labels in prop::collection::vec(prop::collection::vec(0u8..2, 1..4), 12..60),
        seed in 0u64..1000,
    ) {
        let spec = spec(&[&format!("experiment.seed={seed}"), "split.train=0.5", "split.test=0.2"]);
        let mut cohort = cohort(&labels);
        if assign(&mut cohort, &spec).is_ok() {
            prop_assert!(cohort.rows.iter().all(|row| row.split.is_some()));
            for a in &cohort.rows {
                for b in cohort.rows.iter().filter(|b| b.patient_id == a.patient_id) {
                    prop_assert_eq!(a.split, b.split);
                }
            }
        }
    }
}

#[test]
fn strata_keep_the_fractions() {
    let labels: Vec<Vec<u8>> = (0..100).map(|patient| vec![u8::from(patient < 20)]).collect();
    let mut cohort = cohort(&labels);
    assign(&mut cohort, &spec(&[])).unwrap();
    let count = |split, label: u8| {
        let matches = |row: &&CohortRow| row.split == Some(split) && row.label == Some(label == 1);
        cohort.rows.iter().filter(matches).count()
    };
    assert_eq!((count(SplitName::Train, 1), count(SplitName::Valid, 1)), (14, 6));
    assert_eq!((count(SplitName::Train, 0), count(SplitName::Valid, 0)), (56, 24));
}

#[test]
fn the_draw_depends_on_the_seed_and_not_on_the_order_of_rows() {
    let labels: Vec<Vec<u8>> = (0..40).map(|patient| vec![u8::from(patient % 2 == 0)]).collect();
    let splits = |set: &[&str], reverse: bool| {
        let mut cohort = cohort(&labels);
        if reverse {
            cohort.rows.reverse();
        }
        assign(&mut cohort, &spec(set)).unwrap();
        cohort.rows.sort_by(|a, b| a.series_uid.cmp(&b.series_uid));
        cohort.rows.iter().map(|row| row.split).collect::<Vec<_>>()
    };
    assert_eq!(splits(&[], false), splits(&[], true));
    assert_ne!(splits(&[], false), splits(&["experiment.seed=38"], false));
}

#[test]
fn every_patient_is_tested_in_one_fold_and_folds_have_equal_sizes() {
    // 23 patients of which 8 are positive, with one to three exams each.
    let labels: Vec<Vec<u8>> =
        (0..23).map(|patient| vec![u8::from(patient % 3 == 0); 1 + patient % 3]).collect();
    let mut test_counts = BTreeMap::<String, usize>::new();
    let mut counts = Vec::new();
    for fold in 1..=5 {
        let mut cohort = cohort(&labels);
        let set = ["split.folds=5", &format!("split.fold={fold}")];
        assign(&mut cohort, &spec(&set)).unwrap();
        let of = |split| -> BTreeSet<String> {
            let rows = cohort.rows.iter().filter(|row| row.split == Some(split));
            rows.map(|row| row.patient_id.clone()).collect()
        };
        let positive = |patient: &String| patient[1..].parse::<usize>().unwrap() % 3 == 0;
        for patient in of(SplitName::Test) {
            *test_counts.entry(patient).or_default() += 1;
        }
        let positives = of(SplitName::Test).into_iter().filter(positive).count();
        counts.push((of(SplitName::Test).len(), positives));
        // 70 % and 30 % of the patients outside the test split, in both classes.
        let others = 23 - of(SplitName::Test).len();
        assert!((of(SplitName::Train).len() as f64 - 0.7 * others as f64).abs() <= 1.0);
        assert_eq!(of(SplitName::Train).len() + of(SplitName::Valid).len(), others);
    }
    assert_eq!(test_counts.len(), 23);
    assert!(test_counts.values().all(|count| *count == 1));
    assert!(counts.iter().all(|(all, _)| [4, 5].contains(all)), "{counts:?}");
    assert!(counts.iter().all(|(_, positives)| [1, 2].contains(positives)), "{counts:?}");
}

#[test]
fn splits_with_one_label_only_have_a_warning() {
    let mut rows = vec![row(1, 1, 0), row(2, 1, 1), row(3, 1, 0), row(4, 1, 1), row(4, 2, 1)];
    let splits =
        [SplitName::Train, SplitName::Train, SplitName::Valid, SplitName::Test, SplitName::Test];
    for (row, split) in rows.iter_mut().zip(splits) {
        row.split = Some(split);
    }
    assert_eq!(
        split_warnings(&rows, &Outcome::default()),
        [
            "no validation exam (there is only 1) is positive: its AUC is undefined, and no epoch can be \
             selected by it",
            "none of the 2 test exams is negative: its AUC is undefined",
        ]
    );
    rows[2].split = Some(SplitName::Train);
    rows[3].label = Some(false);
    assert_eq!(split_warnings(&rows, &Outcome::default()), [""; 0]);
}

#[test]
fn strata_of_a_survival_outcome_count_cancer_within_the_last_horizon() {
    let spec = spec(&["outcome.name=\"survival\"", "outcome.horizons_years=[1, 3]"]);
    let mut cohort = cohort(&vec![vec![0]; 100]);
    for (index, row) in cohort.rows.iter_mut().enumerate() {
        let time_years = if index < 20 { 2.5 } else { 3.5 };
        row.follow_up = Some(FollowUp { time_years, event: true });
    }
    assign(&mut cohort, &spec).unwrap();
    let is_valid = |row: &&CohortRow| row.split == Some(SplitName::Valid);
    assert_eq!(cohort.rows[..20].iter().filter(is_valid).count(), 6);
    assert_eq!(cohort.rows[20..].iter().filter(is_valid).count(), 24);
}

#[test]
fn splits_without_cancer_at_a_horizon_have_a_warning() {
    let spec = spec(&["outcome.name=\"survival\"", "outcome.horizons_years=[1, 3]"]);
    let outcome = &spec.outcome;
    let mut rows: Vec<CohortRow> = (1..=4).map(|patient| row(patient, 1, 0)).collect();
    for (row, (split, time_years, event)) in rows.iter_mut().zip([
        (SplitName::Train, 2.0, true),
        (SplitName::Train, 3.5, false),
        (SplitName::Valid, 2.0, true),
        (SplitName::Test, 3.5, true),
    ]) {
        row.split = Some(split);
        row.follow_up = Some(FollowUp { time_years, event });
    }
    assert_eq!(
        split_warnings(&rows, outcome),
        [
            "no validation exam (there is only 1) has cancer within 1 year: its AUC at 1 year is undefined, and no \
             epoch can be selected by it",
            "no test exam (there is only 1) has cancer within 3 years: its C-index and its AUC are undefined",
        ]
    );
    rows[2].follow_up = Some(FollowUp { time_years: 0.5, event: true });
    rows[3].split = Some(SplitName::Train);
    let warnings = split_warnings(&rows, outcome);
    let expected =
        "no validation exam (there is only 1) is known to be free of cancer for 1 year: ";
    assert!(warnings[0].starts_with(expected) && warnings.len() == 1, "{warnings:?}");
}

#[test]
fn a_patient_in_two_splits_is_an_error() {
    let mut rows = vec![row(1, 1, 0), row(1, 2, 1)];
    rows[0].split = Some(SplitName::Train);
    rows[1].split = Some(SplitName::Valid);
    let message = check_splits(&rows).unwrap_err().to_string();
    assert!(
        message.starts_with("patient P001 is in two splits, training and validation:"),
        "{message}"
    );
}

#[test]
fn too_few_patients_are_an_error_with_their_number() {
    let mut cohort = cohort(&[vec![1]]);
    let message = assign(&mut cohort, &spec(&[])).unwrap_err().to_string();
    assert!(message.starts_with("the validation split has no patients"), "{message}");
    assert!(message.contains("the cohort has 1 patient, 1 with a positive exam"), "{message}");
}
