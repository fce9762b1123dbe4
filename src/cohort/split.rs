//! Patients into parts.

use super::{Cohort, CohortRow, SplitListError, SplitLists};
use crate::random;
use crate::spec::{Part, Spec, Stratify};
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// The patients cannot be split as asked.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The same patient in two parts.
    #[error(
        "patient {patient} is in two parts: {first} and {second}. What the network learns of a \
         patient in one part would be rewarded in the other; put all exams of a patient into one \
         list"
    )]
    Leak {
        /// The patient.
        patient: String,
        /// One part.
        first: Part,
        /// The other.
        second: Part,
    },
    /// Nobody in a part that must not be empty.
    #[error(
        "no patient is left for the {part} part: {patients} patients in all, {positives} with a \
         positive exam; more patients are needed, or other shares in [split]"
    )]
    Empty {
        /// The part.
        part: Part,
        /// Patients in the study.
        patients: usize,
        /// Those with a positive exam.
        positives: usize,
    },
    /// A list of patients is unusable.
    #[error(transparent)]
    Lists(#[from] SplitListError),
}

/// Gives every chosen row its part: as lists impose, else drawn patient by patient from the
/// spec's seed, stratified by whether the patient has a positive exam. Patients who are in no list,
/// when no part is left to draw them for, are taken out of the study.
pub fn assign(cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
    if spec.data.train_list.is_some() {
        return check_parts(&cohort.rows);
    }
    let lists = SplitLists::read(spec)?;
    let mut all = patients(&cohort.rows);
    lists.check_met(all.keys().map(String::as_str))?;
    let parts = if lists.is_empty() {
        draw(&all, spec)
    } else {
        all.retain(|patient, _| lists.part_of(patient).is_none());
        draw_unlisted(&all, &lists, spec)
    };
    for row in cohort.rows.iter_mut().filter(|row| row.chosen) {
        row.split = lists.part_of(&row.patient).or_else(|| parts.get(&row.patient).copied());
    }
    refuse_without_part(cohort, |row| row.split.is_none());
    check_parts(&cohort.rows)
}

/// Takes patients out of the study whom [`assign`] would find no part for, before anybody prepares
/// their series.
pub(super) fn leave_out_unlisted(cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
    let lists = SplitLists::read(spec)?;
    if !lists.is_empty() && open_shares(&lists, spec).is_none() {
        refuse_without_part(cohort, |row| lists.part_of(&row.patient).is_none());
    }
    Ok(())
}

fn refuse_without_part(cohort: &mut Cohort, without: impl Fn(&CohortRow) -> bool) {
    let told = "not-in-split-lists: the patient is in none of split.lists, and no other part has \
                a share";
    let rows = cohort.rows.iter().enumerate();
    let refused = rows.filter(|(_, row)| row.chosen && without(row));
    let refused = refused.map(|(place, _)| (place, told.to_owned())).collect();
    cohort.refuse(refused);
}

/// The shares of the parts without a list, adding up to 1; `None` where these are 0.
fn open_shares(lists: &SplitLists, spec: &Spec) -> Option<[f64; 3]> {
    let split = &spec.split;
    let share = |part, share| if lists.has(part) { 0.0 } else { share };
    let shares = [
        share(Part::Train, split.train),
        share(Part::Valid, split.valid),
        share(Part::Test, split.test),
    ];
    let sum: f64 = shares.iter().sum();
    (sum > 0.0).then(|| shares.map(|share| share / sum))
}

/// Draws patients who are in no list for the parts that have none, by their shares of what is
/// left; nobody where these are 0.
fn draw_unlisted(
    patients: &BTreeMap<String, bool>,
    lists: &SplitLists,
    spec: &Spec,
) -> BTreeMap<String, Part> {
    match open_shares(lists, spec) {
        Some(shares) => draw_shares(patients, shares, spec),
        None => BTreeMap::new(),
    }
}

/// Checks that no patient is in two parts and that training and validation have patients.
pub fn check_parts(rows: &[CohortRow]) -> Result<(), SplitError> {
    let mut parts = BTreeMap::<&str, Part>::new();
    for row in rows.iter().filter(|row| row.chosen) {
        let Some(part) = row.split else { continue };
        let first = *parts.entry(&row.patient).or_insert(part);
        if first != part {
            let patient = row.patient.clone();
            return Err(SplitError::Leak { patient, first, second: part });
        }
    }
    let patients = patients(rows);
    let used: BTreeSet<Part> = parts.values().copied().collect();
    for part in [Part::Train, Part::Valid] {
        if !used.contains(&part) {
            let positives = patients.values().filter(|positive| **positive).count();
            return Err(SplitError::Empty { part, patients: patients.len(), positives });
        }
    }
    Ok(())
}

/// What parts with exams of one label only make undefined, a sentence for each.
pub fn split_warnings(rows: &[CohortRow]) -> Vec<String> {
    let warning = |part: Part| {
        let labels = rows.iter().filter(|row| row.chosen && row.split == Some(part));
        let labels: Vec<bool> = labels.map(|row| row.label == Some(1)).collect();
        let positives = labels.iter().filter(|positive| **positive).count();
        let absent = match (labels.len(), positives) {
            (0, _) => return None,
            (_, 0) => "positive",
            (all, positives) if all == positives => "negative",
            _ => return None,
        };
        let effect = match part {
            Part::Train => "the network cannot learn to tell the classes apart",
            Part::Valid => "its AUC is undefined, and no epoch can be selected by it",
            Part::Test => "its AUC is undefined",
        };
        let exams = if labels.len() == 1 { "exam" } else { "exams" };
        Some(format!("none of the {} {part} {exams} is {absent}: {effect}", labels.len()))
    };
    [Part::Train, Part::Valid, Part::Test].into_iter().filter_map(warning).collect()
}

/// Patients of the study and whether each has a positive exam.
fn patients(rows: &[CohortRow]) -> BTreeMap<String, bool> {
    let mut patients = BTreeMap::new();
    for row in rows.iter().filter(|row| row.chosen) {
        *patients.entry(row.patient.clone()).or_insert(false) |= row.label == Some(1);
    }
    patients
}

/// Draws a part for each patient.
fn draw(patients: &BTreeMap<String, bool>, spec: &Spec) -> BTreeMap<String, Part> {
    match spec.split.folds {
        0 => {
            let split = &spec.split;
            draw_shares(patients, [split.train, split.valid, split.test], spec)
        }
        _ => draw_fold(patients, spec),
    }
}

/// Members of each stratum, shuffled by the stream of its name under `prefix`.
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
            .filter(|(_, positive)| stratum.is_none_or(|wanted| wanted == **positive))
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

/// Draws one fold of a cross-validation. The shuffled patients, one stratum after the other, are
/// dealt to the folds in turn, so that folds differ by one patient at most, in each stratum and in
/// all. The fold tests; of the others, drawn anew for each fold, the share
/// `train / (train + valid)` trains and the rest validates. The test never selects the epoch, so
/// that the pooled predictions of all folds are an honest judgement.
fn draw_fold(patients: &BTreeMap<String, bool>, spec: &Spec) -> BTreeMap<String, Part> {
    let split = &spec.split;
    let fold = split.fold.max(1);
    let dealt = strata(patients, spec, "folds").concat();
    let tested: BTreeSet<&String> = dealt.into_iter().skip(fold - 1).step_by(split.folds).collect();
    let mut parts = BTreeMap::new();
    for members in strata(patients, spec, &format!("folds/split-of-fold-{fold}")) {
        let (test, others): (Vec<&String>, Vec<&String>) =
            members.into_iter().partition(|patient| tested.contains(patient));
        let share = split.train / (split.train + split.valid);
        let train = (share * others.len() as f64).round() as usize;
        parts.extend(test.into_iter().map(|patient| (patient.clone(), Part::Test)));
        for (place, patient) in others.into_iter().enumerate() {
            let part = if place < train { Part::Train } else { Part::Valid };
            parts.insert(patient.clone(), part);
        }
    }
    parts
}

/// Draws parts by their shares. Within a stratum, the first `train` share of the shuffled
/// patients trains, the next `valid` share validates, the rest tests; borders are rounded.
fn draw_shares(
    patients: &BTreeMap<String, bool>,
    [train, valid, _]: [f64; 3],
    spec: &Spec,
) -> BTreeMap<String, Part> {
    let mut parts = BTreeMap::new();
    for members in strata(patients, spec, "split") {
        let border = |share: f64| (share * members.len() as f64).round() as usize;
        let (train, valid) = (border(train), border(train + valid));
        for (place, patient) in members.into_iter().enumerate() {
            let part = if place < train {
                Part::Train
            } else if place < valid {
                Part::Valid
            } else {
                Part::Test
            };
            parts.insert(patient.clone(), part);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Overrides, load};
    use proptest::prelude::*;

    fn spec(set: &[&str]) -> Spec {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n").unwrap();
        let set = set.iter().map(|s| s.to_string()).collect();
        load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
    }

    fn row(patient: usize, exam: usize, label: u8) -> CohortRow {
        CohortRow {
            patient: format!("P{patient:03}"),
            exam: format!("P{patient:03}-E{exam}"),
            series: format!("1.{patient}.{exam}"),
            path: String::new(),
            label: Some(label),
            split: None,
            chosen: true,
            reason: String::new(),
            kind: "dicom".into(),
            slices: 100,
            slice_spacing_mm: Some(2.0),
            coverage_mm: Some(198.0),
            study_date: String::new(),
            kernel: String::new(),
            manufacturer: String::new(),
            flags: String::new(),
        }
    }

    fn cohort(labels: &[Vec<u8>]) -> Cohort {
        let rows = labels.iter().enumerate().flat_map(|(patient, exams)| {
            exams.iter().enumerate().map(move |(exam, label)| row(patient, exam, *label))
        });
        Cohort { rows: rows.collect(), ..Cohort::default() }
    }

    proptest! {
        /// The original split series, so patients leaked from training into validation.
        #[test]
        fn no_patient_is_ever_in_two_parts(
            labels in prop::collection::vec(prop::collection::vec(0u8..2, 1..4), 12..60),
            seed in 0u64..1000,
        ) {
            let spec = spec(&[&format!("experiment.seed={seed}"), "split.train=0.5", "split.test=0.2"]);
            let mut cohort = cohort(&labels);
            if assign(&mut cohort, &spec).is_ok() {
                prop_assert!(cohort.rows.iter().all(|row| row.split.is_some()));
                for a in &cohort.rows {
                    for b in cohort.rows.iter().filter(|b| b.patient == a.patient) {
                        prop_assert_eq!(a.split, b.split);
                    }
                }
            }
        }
    }

    #[test]
    fn strata_keep_their_shares() {
        let labels: Vec<Vec<u8>> = (0..100).map(|patient| vec![u8::from(patient < 20)]).collect();
        let mut cohort = cohort(&labels);
        assign(&mut cohort, &spec(&[])).unwrap();
        let count = |part, label| {
            let here = |row: &&CohortRow| row.split == Some(part) && row.label == Some(label);
            cohort.rows.iter().filter(here).count()
        };
        assert_eq!((count(Part::Train, 1), count(Part::Valid, 1)), (14, 6));
        assert_eq!((count(Part::Train, 0), count(Part::Valid, 0)), (56, 24));
    }

    #[test]
    fn the_draw_depends_on_the_seed_and_not_on_the_order_of_rows() {
        let labels: Vec<Vec<u8>> =
            (0..40).map(|patient| vec![u8::from(patient % 2 == 0)]).collect();
        let parts = |set: &[&str], reverse: bool| {
            let mut cohort = cohort(&labels);
            if reverse {
                cohort.rows.reverse();
            }
            assign(&mut cohort, &spec(set)).unwrap();
            cohort.rows.sort_by(|a, b| a.series.cmp(&b.series));
            cohort.rows.iter().map(|row| row.split).collect::<Vec<_>>()
        };
        assert_eq!(parts(&[], false), parts(&[], true));
        assert_ne!(parts(&[], false), parts(&["experiment.seed=38"], false));
    }

    #[test]
    fn every_patient_is_tested_in_one_fold_and_folds_are_alike() {
        // 23 patients of which 8 are positive, with one to three exams each.
        let labels: Vec<Vec<u8>> =
            (0..23).map(|patient| vec![u8::from(patient % 3 == 0); 1 + patient % 3]).collect();
        let mut tested = BTreeMap::<String, usize>::new();
        let mut counts = Vec::new();
        for fold in 1..=5 {
            let mut cohort = cohort(&labels);
            let set = ["split.folds=5", &format!("split.fold={fold}")];
            assign(&mut cohort, &spec(&set)).unwrap();
            let of = |part| -> BTreeSet<String> {
                let here = cohort.rows.iter().filter(|row| row.split == Some(part));
                here.map(|row| row.patient.clone()).collect()
            };
            let positive = |patient: &String| patient[1..].parse::<usize>().unwrap() % 3 == 0;
            for patient in of(Part::Test) {
                *tested.entry(patient).or_default() += 1;
            }
            let positives = of(Part::Test).into_iter().filter(positive).count();
            counts.push((of(Part::Test).len(), positives));
            // 70 to 30 of those that do not test, positives and negatives.
            let others = 23 - of(Part::Test).len();
            assert!((of(Part::Train).len() as f64 - 0.7 * others as f64).abs() <= 1.0);
            assert_eq!(of(Part::Train).len() + of(Part::Valid).len(), others);
        }
        assert_eq!(tested.len(), 23);
        assert!(tested.values().all(|times| *times == 1));
        assert!(counts.iter().all(|(all, _)| [4, 5].contains(all)), "{counts:?}");
        assert!(counts.iter().all(|(_, positives)| [1, 2].contains(positives)), "{counts:?}");
    }

    #[test]
    fn parts_with_one_label_only_are_warned_of_and_others_are_not() {
        let mut rows = vec![row(1, 1, 0), row(2, 1, 1), row(3, 1, 0), row(4, 1, 1), row(4, 2, 1)];
        let parts = [Part::Train, Part::Train, Part::Valid, Part::Test, Part::Test];
        for (row, part) in rows.iter_mut().zip(parts) {
            row.split = Some(part);
        }
        assert_eq!(
            split_warnings(&rows),
            [
                "none of the 1 valid exam is positive: its AUC is undefined, and no epoch can be \
                 selected by it",
                "none of the 2 test exams is negative: its AUC is undefined",
            ]
        );
        rows[2].split = Some(Part::Train);
        rows[3].label = Some(0);
        assert_eq!(split_warnings(&rows), [""; 0]);
    }

    #[test]
    fn a_leak_is_named() {
        let mut rows = vec![row(1, 1, 0), row(1, 2, 1)];
        rows[0].split = Some(Part::Train);
        rows[1].split = Some(Part::Valid);
        let told = check_parts(&rows).unwrap_err().to_string();
        assert!(told.starts_with("patient P001 is in two parts: train and valid."), "{told}");
    }

    #[test]
    fn too_few_patients_are_told_with_their_number() {
        let mut cohort = cohort(&[vec![1]]);
        let told = assign(&mut cohort, &spec(&[])).unwrap_err().to_string();
        assert!(told.contains("valid part: 1 patients in all, 1 with a positive exam"), "{told}");
    }
}
