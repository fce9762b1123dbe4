//! Patients into parts.

use super::{Cohort, CohortRow};
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
}

/// Gives every chosen row its part: as the lists impose, else drawn patient by patient from the
/// spec's seed, stratified by whether the patient has a positive exam.
pub fn assign(cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
    if spec.data.train_list.is_none() {
        let parts = draw(&patients(&cohort.rows), spec);
        for row in cohort.rows.iter_mut().filter(|row| row.chosen) {
            row.split = parts.get(&row.patient).copied();
        }
    }
    check_parts(&cohort.rows)
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

/// Patients of the study and whether each has a positive exam.
fn patients(rows: &[CohortRow]) -> BTreeMap<String, bool> {
    let mut patients = BTreeMap::new();
    for row in rows.iter().filter(|row| row.chosen) {
        *patients.entry(row.patient.clone()).or_insert(false) |= row.label == Some(1);
    }
    patients
}

/// Draws a part for each patient. Within a stratum, the first `train` share of the shuffled
/// patients trains, the next `valid` share validates, the rest tests; borders are rounded.
fn draw(patients: &BTreeMap<String, bool>, spec: &Spec) -> BTreeMap<String, Part> {
    let strata: &[Option<bool>] = match spec.split.stratify {
        Stratify::Label => &[Some(false), Some(true)],
        Stratify::None => &[None],
    };
    let mut parts = BTreeMap::new();
    for stratum in strata {
        let mut members: Vec<&String> = patients
            .iter()
            .filter(|(_, positive)| stratum.is_none_or(|wanted| wanted == **positive))
            .map(|(patient, _)| patient)
            .collect();
        let name = match stratum {
            Some(positive) => format!("split/positive-{positive}"),
            None => "split".to_owned(),
        };
        members.shuffle(&mut random::stream(spec.experiment.seed, &name));
        let border = |share: f64| (share * members.len() as f64).round() as usize;
        let train = border(spec.split.train);
        let valid = border(spec.split.train + spec.split.valid);
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
