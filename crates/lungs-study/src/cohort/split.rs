//! Assignment of patients to splits.

use super::{Cohort, CohortRow, SplitListError, SplitLists};
use lungs_base::follow_up::Status;
use lungs_base::random;
use lungs_base::text::counted;
use lungs_image::codes::{Exclusion, ExclusionCode};
use lungs_spec::spec::{Outcome, Spec, SplitName, Stratify, horizon_words};
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// The patients cannot be split.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// A patient in two splits.
    #[error(
        "patient {patient} is in two splits, {} and {}: exams of one patient in two splits \
         bias the evaluation; put all exams of a patient into one list",
        .first.word(), .second.word()
    )]
    Leak {
        /// The patient.
        patient: String,
        /// The first split.
        first: SplitName,
        /// The second split.
        second: SplitName,
    },
    /// A training or validation split without patients.
    #[error(
        "the {} split has no patients; the cohort has {}, {positives} with a positive exam; add patients, or change \
         the fractions in [split]{}",
        .split.word(),
        counted(*.patients, "patient", "patients"),
        .unmatched.as_ref().map_or_else(String::new, |text| format!(". {text}"))
    )]
    Empty {
        /// The split.
        split: SplitName,
        /// Patients of the cohort.
        patients: usize,
        /// Patients with a positive exam.
        positives: usize,
        /// The labels without a series, as lines.
        unmatched: Option<String>,
    },
    /// A list of patients is invalid.
    #[error(transparent)]
    Lists(#[from] SplitListError),
}

/// Assigns every chosen row to a split: by lists, or drawn per patient from the seed of the spec, stratified by
/// whether the patient has a positive exam: for a survival outcome, one with cancer within the last horizon. If every split has a list or the fraction 0, patients without a list
/// are excluded.
pub fn assign(cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
    if spec.data.train_list.is_some() {
        return check_splits(&cohort.rows);
    }
    let lists = SplitLists::read(spec)?;
    let mut all = patients(&cohort.rows, spec.outcome.last_horizon());
    lists.check_members(all.keys().map(String::as_str))?;
    let splits = if lists.is_empty() {
        draw(&all, spec)
    } else {
        all.retain(|patient, _| lists.split_of(patient).is_none());
        draw_unlisted(&all, &lists, spec)
    };
    for row in cohort.rows.iter_mut().filter(|row| row.chosen) {
        row.split =
            lists.split_of(&row.patient_id).or_else(|| splits.get(&row.patient_id).copied());
    }
    exclude_without_split(cohort, |row| row.split.is_none());
    check_splits(&cohort.rows)
}

/// Excludes patients without a split before preparation: [`assign`] would exclude them later.
pub(super) fn exclude_unlisted(cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
    let lists = SplitLists::read(spec)?;
    if !lists.is_empty() && open_shares(&lists, spec).is_none() {
        exclude_without_split(cohort, |row| lists.split_of(&row.patient_id).is_none());
    }
    Ok(())
}

fn exclude_without_split(cohort: &mut Cohort, has_no_split: impl Fn(&CohortRow) -> bool) {
    let exclusion = Exclusion::new(
        ExclusionCode::NotInSplitLists,
        "the patient is in none of split.lists, and every other split has the fraction 0",
    );
    let rows = cohort.rows.iter().enumerate();
    let excluded = rows.filter(|(_, row)| row.chosen && has_no_split(row));
    let exclusions = excluded.map(|(index, _)| (index, exclusion.clone())).collect();
    cohort.exclude(exclusions);
}

/// The fractions of the splits without a list, normalised to a sum of 1; `None` if all are 0.
fn open_shares(lists: &SplitLists, spec: &Spec) -> Option<[f64; 3]> {
    let split = &spec.split;
    let share = |split, share| if lists.has(split) { 0.0 } else { share };
    let shares = [
        share(SplitName::Train, split.train),
        share(SplitName::Valid, split.valid),
        share(SplitName::Test, split.test),
    ];
    let sum: f64 = shares.iter().sum();
    (sum > 0.0).then(|| shares.map(|share| share / sum))
}

/// Draws patients without a list for the splits without a list, by their normalised fractions; no patients if
/// all fractions are 0.
fn draw_unlisted(
    patients: &BTreeMap<String, bool>,
    lists: &SplitLists,
    spec: &Spec,
) -> BTreeMap<String, SplitName> {
    match open_shares(lists, spec) {
        Some(shares) => draw_shares(patients, shares, spec),
        None => BTreeMap::new(),
    }
}

/// Checks that no patient is in two splits, and that the training and validation splits have patients.
pub fn check_splits(rows: &[CohortRow]) -> Result<(), SplitError> {
    let mut splits = BTreeMap::<&str, SplitName>::new();
    for row in rows.iter().filter(|row| row.chosen) {
        let Some(split) = row.split else { continue };
        let first = *splits.entry(&row.patient_id).or_insert(split);
        if first != split {
            let patient = row.patient_id.clone();
            return Err(SplitError::Leak { patient, first, second: split });
        }
    }
    let patients = patients(rows, None);
    let used: BTreeSet<SplitName> = splits.values().copied().collect();
    for split in [SplitName::Train, SplitName::Valid] {
        if !used.contains(&split) {
            let positives = patients.values().filter(|positive| **positive).count();
            let unmatched = super::unmatched_labels(rows);
            return Err(SplitError::Empty {
                split,
                patients: patients.len(),
                positives,
                unmatched,
            });
        }
    }
    Ok(())
}

/// A warning for each split whose exams all have the same label; for a survival outcome, for each split without
/// cancer or without a known status of both kinds at the first horizon.
pub fn split_warnings(rows: &[CohortRow], outcome: &Outcome) -> Vec<String> {
    let splits = [SplitName::Train, SplitName::Valid, SplitName::Test, SplitName::External];
    let warning = |split: SplitName| {
        let rows = rows.iter().filter(|row| row.chosen && row.split == Some(split));
        let rows: Vec<&CohortRow> = rows.collect();
        match outcome.horizons() {
            [] => one_label_warning(&rows, split),
            horizons => one_status_warning(&rows, split, horizons),
        }
    };
    splits.into_iter().filter_map(warning).collect()
}

fn one_label_warning(rows: &[&CohortRow], split: SplitName) -> Option<String> {
    let positives = rows.iter().filter(|row| row.label == Some(true)).count();
    let absent = match (rows.len(), positives) {
        (0, _) => return None,
        (_, 0) => "positive",
        (all, positives) if all == positives => "negative",
        _ => return None,
    };
    let effect = match split {
        SplitName::Train => "the network cannot learn to distinguish the classes",
        SplitName::Valid => "its AUC is undefined, and no epoch can be selected by it",
        SplitName::Test | SplitName::External => "its AUC is undefined",
    };
    Some(format!("{} is {absent}: {effect}", no_exam(rows.len(), split)))
}

/// A warning if no exam has cancer within the last horizon, or the AUC at the first horizon is undefined.
fn one_status_warning(rows: &[&CohortRow], split: SplitName, horizons: &[f64]) -> Option<String> {
    let (first, last) = (*horizons.first()?, *horizons.last()?);
    let has = |years: f64, status: Status| {
        let status_of = |row: &&CohortRow| row.follow_up.map(|it| it.status_at(years));
        rows.iter().any(|row| status_of(row) == Some(status))
    };
    let cancer = |years: f64| format!("has cancer within {}", horizon_words(years));
    let (absent, effect) = if rows.is_empty() {
        return None;
    } else if !has(last, Status::Cancer) {
        let effect = match split {
            SplitName::Train => "the network cannot learn to distinguish the exams",
            SplitName::Valid => {
                "its C-index and its AUC are undefined, and no epoch can be selected by them"
            }
            SplitName::Test | SplitName::External => "its C-index and its AUC are undefined",
        };
        (cancer(last), effect.to_owned())
    } else if split == SplitName::Train {
        return None;
    } else {
        let absent = match [Status::Cancer, Status::Free].map(|status| has(first, status)) {
            [true, true] => return None,
            [false, _] => cancer(first),
            _ => format!("is known to be free of cancer for {}", horizon_words(first)),
        };
        let years = horizon_words(first);
        let effect = match split {
            SplitName::Valid => {
                format!("its AUC at {years} is undefined, and no epoch can be selected by it")
            }
            _ => format!("its AUC at {years} is undefined"),
        };
        (absent, effect)
    };
    Some(format!("{} {absent}: {effect}", no_exam(rows.len(), split)))
}

/// The subject of a sentence about no exam of a split.
fn no_exam(count: usize, split: SplitName) -> String {
    match count {
        1 => format!("no {} exam (there is only 1)", split.word()),
        count => format!("none of the {count} {} exams", split.word()),
    }
}

/// Puts every chosen exam into the external split: a trained model is evaluated on all of them.
pub fn assign_external(cohort: &mut Cohort) {
    for row in cohort.rows.iter_mut().filter(|row| row.chosen) {
        row.split = Some(SplitName::External);
    }
}

/// Patients of the cohort, and whether each has a positive exam; with a horizon, one with cancer within it.
fn patients(rows: &[CohortRow], horizon_years: Option<f64>) -> BTreeMap<String, bool> {
    let mut patients = BTreeMap::new();
    for row in rows.iter().filter(|row| row.chosen) {
        let status = horizon_years.and_then(|years| Some(row.follow_up?.status_at(years)));
        let is_positive = row.label == Some(true) || status == Some(Status::Cancer);
        *patients.entry(row.patient_id.clone()).or_insert(false) |= is_positive;
    }
    patients
}

/// Draws a split for each patient.
fn draw(patients: &BTreeMap<String, bool>, spec: &Spec) -> BTreeMap<String, SplitName> {
    match spec.split.folds {
        0 => {
            let split = &spec.split;
            draw_shares(patients, [split.train, split.valid, split.test], spec)
        }
        _ => draw_fold(patients, spec),
    }
}

/// The patients of each stratum, shuffled with the random stream of its name and `prefix`.
fn strata<'a>(
    patients: &'a BTreeMap<String, bool>,
    spec: &Spec,
    prefix: &str,
) -> Vec<Vec<&'a String>> {
    let strata: &[Option<bool>] = match spec.split.stratify {
        Stratify::Label => &[Some(false), Some(true)],
        Stratify::None => &[None],
    };
    let members = |stratum: &Option<bool>| {
        let mut members: Vec<&String> = patients
            .iter()
            .filter(|(_, positive)| stratum.is_none_or(|class| class == **positive))
            .map(|(patient, _)| patient)
            .collect();
        let name = match stratum {
            Some(positive) => format!("{prefix}/positive-{positive}"),
            None => prefix.to_owned(),
        };
        members.shuffle(&mut random::stream(spec.experiment.seed, &name));
        members
    };
    strata.iter().map(members).collect()
}

/// Draws one fold of a cross-validation. The shuffled patients, one stratum after the other, are assigned to the
/// folds in turn, so that fold sizes differ by at most one patient, per stratum and in total. The fold is the
/// test split. Of the other patients, drawn again for each fold, the fraction `train / (train + valid)` trains
/// and the rest validates. The test split never selects the epoch, so that the pooled predictions of all folds
/// are unbiased.
fn draw_fold(patients: &BTreeMap<String, bool>, spec: &Spec) -> BTreeMap<String, SplitName> {
    let split = &spec.split;
    let fold = split.fold.max(1);
    let shuffled = strata(patients, spec, "folds").concat();
    let test_patients: BTreeSet<&String> =
        shuffled.into_iter().skip(fold - 1).step_by(split.folds).collect();
    let mut splits = BTreeMap::new();
    for members in strata(patients, spec, &format!("folds/split-of-fold-{fold}")) {
        let (test, others): (Vec<&String>, Vec<&String>) =
            members.into_iter().partition(|patient| test_patients.contains(patient));
        let share = split.train / (split.train + split.valid);
        let train = (share * others.len() as f64).round() as usize;
        splits.extend(test.into_iter().map(|patient| (patient.clone(), SplitName::Test)));
        for (index, patient) in others.into_iter().enumerate() {
            let split = if index < train { SplitName::Train } else { SplitName::Valid };
            splits.insert(patient.clone(), split);
        }
    }
    splits
}

/// Draws splits by their fractions. Within a stratum, the first fraction of the shuffled patients is the train
/// split, the next one the validation split, and the rest the test split; the limits are rounded.
fn draw_shares(
    patients: &BTreeMap<String, bool>,
    [train, valid, _]: [f64; 3],
    spec: &Spec,
) -> BTreeMap<String, SplitName> {
    let mut splits = BTreeMap::new();
    for members in strata(patients, spec, "split") {
        let limit = |share: f64| (share * members.len() as f64).round() as usize;
        let (train, valid) = (limit(train), limit(train + valid));
        for (index, patient) in members.into_iter().enumerate() {
            let split = if index < train {
                SplitName::Train
            } else if index < valid {
                SplitName::Valid
            } else {
                SplitName::Test
            };
            splits.insert(patient.clone(), split);
        }
    }
    splits
}

#[cfg(test)]
mod tests {
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
            let matches =
                |row: &&CohortRow| row.split == Some(split) && row.label == Some(label == 1);
            cohort.rows.iter().filter(matches).count()
        };
        assert_eq!((count(SplitName::Train, 1), count(SplitName::Valid, 1)), (14, 6));
        assert_eq!((count(SplitName::Train, 0), count(SplitName::Valid, 0)), (56, 24));
    }

    #[test]
    fn the_draw_depends_on_the_seed_and_not_on_the_order_of_rows() {
        let labels: Vec<Vec<u8>> =
            (0..40).map(|patient| vec![u8::from(patient % 2 == 0)]).collect();
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
        let splits = [
            SplitName::Train,
            SplitName::Train,
            SplitName::Valid,
            SplitName::Test,
            SplitName::Test,
        ];
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
}
