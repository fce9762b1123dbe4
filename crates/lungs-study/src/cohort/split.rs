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
#[path = "split_tests.rs"]
mod tests;
