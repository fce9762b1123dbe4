//! The permutation test of two AUCs on the same exams.
//!
//! If two models are alike, it does not matter which of them gave which rank to an exam. The test exchanges
//! the models' ranks of some patients (all exams of a patient together) and compares the difference of the
//! AUCs with its distribution over such exchanges (Venkatraman & Begg, Biometrika 1996, 83:835–848;
//! Bandos, Rockette & Gur, Statistics in Medicine 2005, 24:2873–2893). It needs no variance, so it holds
//! for any number of exams.

use super::roc::mid_ranks;
use lungs_base::random;
use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Patients up to which all exchanges are enumerated.
const EXACT_PATIENTS: usize = 13;
/// Random exchanges of more patients.
const DRAWS: usize = 9_999;
/// Random exchanges of large cohorts.
const DRAWS_OF_MANY: usize = 1_999;
/// Exams from which a cohort is large.
const MANY_EXAMS: usize = 10_000;

/// Result of a permutation test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Permutation {
    /// Share of exchanges with this difference or a larger one, in absolute value.
    pub p_value: f64,
    /// Number of exchanges.
    pub exchanges: usize,
    /// Whether they are all exchanges there are, rather than random ones.
    pub exact: bool,
}

/// Twice the ranks of exams by two models; they are whole numbers.
struct Ranks<'a> {
    of: [Vec<u32>; 2],
    labels: &'a [bool],
    /// The unit of exchange of each exam.
    units: Vec<usize>,
    unit_count: usize,
}

impl<'a> Ranks<'a> {
    fn new(scores: [&[f64]; 2], labels: &'a [bool], patients: Option<&[usize]>) -> Self {
        let twice = |scores: &[f64]| mid_ranks(scores).iter().map(|r| (2.0 * r) as u32).collect();
        let of: [Vec<u32>; 2] = scores.map(twice);
        // Patients whose exams both models rank equally change nothing.
        let patient = |exam: usize| patients.map_or(exam, |patients| patients[exam]);
        let mut unit_of = vec![None; labels.len().max(patients.map_or(0, super::cluster::count))];
        let mut unit_count = 0;
        // Units are numbered by patient, or by ranks, so that the order of the exams does not matter.
        let mut exchanged: Vec<usize> =
            (0..labels.len()).filter(|&exam| of[0][exam] != of[1][exam]).collect();
        exchanged.sort_by_key(|&exam| {
            let patient = patients.map(|patients| patients[exam]);
            (patient, of[0][exam], of[1][exam], labels[exam])
        });
        for exam in exchanged {
            unit_of[patient(exam)].get_or_insert_with(|| {
                unit_count += 1;
                unit_count - 1
            });
        }
        // Exams without a unit get one that is never exchanged.
        let units =
            (0..labels.len()).map(|exam| unit_of[patient(exam)].unwrap_or(unit_count)).collect();
        Self { of, labels, units, unit_count }
    }

    /// Difference of the AUCs in units of half a pair, after the exchange of some units.
    fn difference(&self, exchanged: &[bool], counts: &mut [[u32; 2]]) -> i64 {
        let mut twice_wins = [0i64; 2];
        for (model, wins) in twice_wins.iter_mut().enumerate() {
            counts.fill([0; 2]);
            for (exam, &label) in self.labels.iter().enumerate() {
                let source = model ^ usize::from(exchanged[self.units[exam]]);
                counts[self.of[source][exam] as usize][usize::from(label)] += 1;
            }
            let mut below = 0;
            for &[negatives, positives] in counts.iter() {
                let (negatives, positives) = (i64::from(negatives), i64::from(positives));
                *wins += positives * (2 * below + negatives);
                below += negatives;
            }
        }
        twice_wins[0] - twice_wins[1]
    }
}

/// The test of two models' scores of the same exams, `[exam]`; `patients` as in [`super::delong()`].
///
/// All exchanges are enumerated for at most 13 patients; else they are drawn from named streams of `seed`,
/// and the observed one is counted among them. `None` when no exchange changes a rank: both models rank
/// the exams equally. Scores must not be NaN, and both classes must be present.
pub fn paired_permutation(
    scores: [&[f64]; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
    seed: u64,
) -> Option<Permutation> {
    let ranks = Ranks::new(scores, labels, patients);
    let units = ranks.unit_count;
    if units == 0 {
        return None;
    }
    let exact = units <= EXACT_PATIENTS;
    let draws = if labels.len() < MANY_EXAMS { DRAWS } else { DRAWS_OF_MANY };
    let exchanges = if exact { 1 << units } else { draws };
    let counts = || vec![[0u32; 2]; 2 * labels.len() + 1];
    let observed = ranks.difference(&vec![false; units + 1], &mut counts()).abs();
    let as_large = (0..exchanges)
        .into_par_iter()
        .map_init(
            || (counts(), vec![false; units + 1]),
            |(counts, exchanged), exchange| {
                if exact {
                    (0..units).for_each(|unit| exchanged[unit] = exchange >> unit & 1 == 1);
                } else {
                    draw(seed, exchange, &mut exchanged[..units]);
                }
                usize::from(ranks.difference(exchanged, counts).abs() >= observed)
            },
        )
        .sum::<usize>();
    // All exchanges include the observed one, random ones do not.
    let (as_large, total) =
        if exact { (as_large, exchanges) } else { (as_large + 1, exchanges + 1) };
    Some(Permutation { p_value: as_large as f64 / total as f64, exchanges, exact })
}

/// Exchanges every unit with a probability of one half.
fn draw(seed: u64, exchange: usize, exchanged: &mut [bool]) {
    let mut random = random::stream(seed, &format!("permutation/paired/{exchange}"));
    for units in exchanged.chunks_mut(64) {
        let bits = random.next_u64();
        units.iter_mut().enumerate().for_each(|(bit, unit)| *unit = bits >> bit & 1 == 1);
    }
}

#[cfg(test)]
#[path = "permutation_tests.rs"]
mod tests;
