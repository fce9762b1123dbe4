//! Pairs of runs and models on the same exams.

use super::super::error::{OtherExams, OtherFollowUp, OtherLabel, OtherPatient, ReportError};
use super::super::paired::{
    FixedThreshold, Pair, PairSettings, PairedModel, PairedTest, SurvivalPair, Unpaired, tests_of,
};
use super::super::survival::SplitRisks;
use super::CompareOptions;
use super::entry::Entry;
use super::naming::names_in_sentence;
use super::subject::ExamSource;
use lungs_base::text::counted;
use lungs_spec::results::{PredictionRow, RiskRow};
use lungs_spec::spec::horizon_words;
use lungs_stats::repeated_patients;
use std::collections::{BTreeMap, BTreeSet};

/// Number of exams that an error names.
const NAMED_EXAMS: usize = 3;

/// The tests of all later groups against the first group.
pub(super) fn tests(
    entries: &[Entry],
    groups: &[Vec<usize>],
    source: ExamSource,
    options: &CompareOptions,
) -> Result<Vec<PairedTest>, ReportError> {
    let Some((first, others)) = groups.split_first() else { return Ok(Vec::new()) };
    let single_runs = groups.iter().all(|group| group.len() == 1);
    let mut pairs = Vec::new();
    for &run in others.iter().flatten() {
        for partner in partners(entries, first, run, single_runs) {
            let other = &entries[partner];
            pairs.push(Ok(pair(other, &entries[run], source, options)?));
        }
        if partners(entries, first, run, single_runs).is_empty() {
            pairs.push(Err(without_partner(&entries[run], &entries[first[0]])));
        }
    }
    let seed = entries.iter().find_map(|entry| Some(entry.spec.as_ref()?.experiment.seed));
    let settings = PairSettings {
        level: 0.95,
        seed: seed.unwrap_or(lungs_stats::Options::default().seed),
        margin: options.margin,
    };
    Ok(tests_of(pairs, &settings))
}

/// The runs of the first group that a run is tested against: the only one, else that of the same seed and fold.
/// A model of a file is tested against all of them.
fn partners(entries: &[Entry], first: &[usize], run: usize, single_runs: bool) -> Vec<usize> {
    let seed_and_fold = |index: usize| {
        let spec = entries[index].spec.as_ref()?;
        Some((spec.experiment.seed, spec.split.fold))
    };
    let is_file = |index: usize| entries[index].spec.is_none();
    if single_runs || is_file(run) || first.iter().any(|&index| is_file(index)) {
        return first.to_vec();
    }
    let matching = first.iter().find(|&&index| seed_and_fold(index) == seed_and_fold(run));
    matching.copied().into_iter().collect()
}

fn without_partner(entry: &Entry, first: &Entry) -> Unpaired {
    let seed = entry.spec.as_ref().map_or(String::new(), |spec| spec.experiment.seed.to_string());
    let reason = format!(
        "No paired test for {}: no run of the first group has the same seed ({seed}) and fold.",
        entry.name
    );
    Unpaired { name: entry.name.clone(), against: first.name.clone(), reason }
}

/// How exams of two tables are matched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// By patient and exam.
    PatientAndExam,
    /// By exam alone.
    Exam,
}

impl Key {
    /// Runs name patients and exams alike; other programs may name patients differently, or not at all.
    fn of(first: &Entry, other: &Entry) -> Result<Self, ReportError> {
        if first.spec.is_some() && other.spec.is_some() {
            return Ok(Self::PatientAndExam);
        }
        for entry in [first, other] {
            if !entry.names_exams {
                return Err(ReportError::NoExams { file: entry.name.clone() });
            }
        }
        let repeated = [first, other].into_iter().find_map(|entry| {
            let mut exams: Vec<&str> = entry.rows.iter().map(|row| row.exam_id.as_str()).collect();
            exams.sort_unstable();
            let repeated = exams.windows(2).find(|pair| pair[0] == pair[1])?[0];
            Some((entry.name.clone(), repeated.to_owned()))
        });
        match repeated {
            None => Ok(Self::Exam),
            Some(_) if first.names_patients && other.names_patients => Ok(Self::PatientAndExam),
            Some((name, exam)) => Err(ReportError::AmbiguousExam { name, exam }),
        }
    }

    fn name(self, row: &PredictionRow) -> (&str, &str) {
        match self {
            Self::PatientAndExam => (&row.patient_id, &row.exam_id),
            Self::Exam => ("", &row.exam_id),
        }
    }

    fn name_of_risks(self, row: &RiskRow) -> (&str, &str) {
        match self {
            Self::PatientAndExam => (&row.patient_id, &row.exam_id),
            Self::Exam => ("", &row.exam_id),
        }
    }
}

/// The exams of both entries, in the order of `other`.
fn shared_exams<'a>(
    first: &'a Entry,
    other: &'a Entry,
) -> Result<Vec<(&'a PredictionRow, &'a PredictionRow)>, ReportError> {
    let key = Key::of(first, other)?;
    let rows: BTreeMap<_, &PredictionRow> =
        first.rows.iter().map(|row| (key.name(row), row)).collect();
    let shared = other.rows.iter().filter_map(|row| Some((*rows.get(&key.name(row))?, row)));
    let shared: Vec<(&PredictionRow, &PredictionRow)> = shared.collect();
    let relabelled: Vec<OtherLabel> = shared
        .iter()
        .filter(|(a, b)| a.label != b.label)
        .map(|(a, b)| OtherLabel { exam: a.exam_id.clone(), labels: [a.label, b.label] })
        .collect();
    if !relabelled.is_empty() {
        let exams = relabelled.len();
        return Err(ReportError::DifferentLabels {
            first: first.name.clone(),
            second: other.name.clone(),
            exams,
            named: relabelled.into_iter().take(NAMED_EXAMS).collect(),
        });
    }
    let both_name_patients = first.names_patients && other.names_patients;
    let moved = shared.iter().find(|(a, b)| both_name_patients && a.patient_id != b.patient_id);
    if let Some((a, b)) = moved {
        return Err(ReportError::DifferentPatients(Box::new(OtherPatient {
            first: first.name.clone(),
            second: other.name.clone(),
            exam: a.exam_id.clone(),
            patients: [a.patient_id.clone(), b.patient_id.clone()],
        })));
    }
    Ok(shared)
}

/// Number of rows of `entry` whose status at the first horizon of `other` is unknown, so that `other` has risks for
/// them, but no row.
fn unknown_exams(entry: &Entry, other: &Entry) -> Result<usize, ReportError> {
    let Some(risks) = &other.risks else { return Ok(0) };
    let key = Key::of(entry, other)?;
    let known: BTreeSet<_> = other.rows.iter().map(|row| key.name(row)).collect();
    let followed: BTreeSet<_> = risks.rows.iter().map(|row| key.name_of_risks(row)).collect();
    let is_unknown =
        |row: &&PredictionRow| followed.contains(&key.name(row)) && !known.contains(&key.name(row));
    Ok(entry.rows.iter().filter(is_unknown).count())
}

/// How many exams of each entry are left out because the other run does not know their status.
fn remark_on_unknown(entries: [&Entry; 2], unknown: [usize; 2]) -> Option<String> {
    let [first, other] = entries;
    let remark = |count: usize, entry: &Entry, of: &Entry| {
        let years = of.spec.as_ref()?.outcome.first_horizon()?;
        (count > 0).then(|| {
            format!(
                "{} of {} {} not among these: the follow-up ends before {}, the first horizon of {}, without cancer.",
                counted(count, "exam", "exams"),
                entry.name,
                if count == 1 { "is" } else { "are" },
                horizon_words(years),
                of.name
            )
        })
    };
    joined(remark(unknown[0], first, other), remark(unknown[1], other, first))
}

fn joined(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first} {second}")),
        (first, second) => first.or(second),
    }
}

/// Follow-up and risks of the exams that both runs scored, if both have risks of several years with the same follow-up.
fn survival_pair(first: &Entry, other: &Entry) -> Result<Option<SurvivalPair>, ReportError> {
    let (Some(own), Some(partner)) = (&other.risks, &first.risks) else { return Ok(None) };
    let key = Key::of(first, other)?;
    let rows: BTreeMap<_, &RiskRow> =
        partner.rows.iter().map(|row| (key.name_of_risks(row), row)).collect();
    let shared = own.rows.iter().filter_map(|row| Some((row, *rows.get(&key.name_of_risks(row))?)));
    let shared: Vec<(&RiskRow, &RiskRow)> = shared.collect();
    let differing: Vec<_> = shared.iter().filter(|(a, b)| a.follow_up != b.follow_up).collect();
    if let Some((a, b)) = differing.first() {
        return Err(ReportError::DifferentFollowUp(Box::new(OtherFollowUp {
            first: first.name.clone(),
            second: other.name.clone(),
            exams: differing.len(),
            exam: a.exam_id.clone(),
            follow_ups: [b.follow_up, a.follow_up],
        })));
    }
    if shared.is_empty() {
        return Ok(None);
    }
    let of = |index: usize, horizons: &[f64]| {
        let rows = shared.iter().map(|(own, other)| RiskRow::clone([own, other][index])).collect();
        SplitRisks::of(horizons, rows).ok()
    };
    let tables = [of(0, own.table.horizons_years()), of(1, partner.table.horizons_years())];
    // Both tables were valid when they were read.
    let [Some(own), Some(other)] = tables else { return Ok(None) };
    Ok(Some(SurvivalPair { outcomes: own.outcomes, tables: [own.table, other.table] }))
}

fn pair(
    first: &Entry,
    other: &Entry,
    source: ExamSource,
    options: &CompareOptions,
) -> Result<Pair, ReportError> {
    let shared = shared_exams(first, other)?;
    // Exams of unknown status at the first horizon of the other run cannot be compared.
    let unknown = [unknown_exams(first, other)?, unknown_exams(other, first)?];
    let same_exams = shared.len() + unknown[1] == other.rows.len()
        && shared.len() + unknown[0] == first.rows.len();
    if !same_exams && (!options.common || shared.is_empty()) {
        return Err(ReportError::DifferentExams(Box::new(OtherExams {
            first: first.name.clone(),
            second: other.name.clone(),
            first_exams: first.rows.len(),
            second_exams: other.rows.len(),
            common: shared.len(),
            are_runs: first.spec.is_some() && other.spec.is_some(),
        })));
    }
    // A file without patients has its lines in their place.
    let of_first = first.names_patients || !other.names_patients;
    let patients = shared.iter().map(|(a, b)| if of_first { a } else { b }.patient_id.as_str());
    let names = names_in_sentence(
        [other.name.as_str(), first.name.as_str()],
        [other.spec.as_ref(), first.spec.as_ref()],
    );
    let [own_phrase, other_phrase] = names.phrases;
    let model = |entry: &Entry, phrase: String, scores: Vec<f64>| PairedModel {
        name: entry.name.clone(),
        phrase,
        scores,
        thresholds: entry
            .evaluation(source)
            .map_or(Vec::new(), |metrics| FixedThreshold::of(&metrics.operating_points)),
    };
    let scores = |index: usize| -> Vec<f64> {
        shared.iter().map(|rows| [rows.0, rows.1][index].logit).collect()
    };
    Ok(Pair {
        models: [model(other, own_phrase, scores(1)), model(first, other_phrase, scores(0))],
        labels: shared.iter().map(|(first, _)| first.label).collect(),
        patients: repeated_patients(patients),
        exams: exams_in_words(first, other),
        is_common: !same_exams || unknown != [0, 0],
        remark: joined(names.remark, remark_on_unknown([first, other], unknown)),
        survival: survival_pair(first, other)?,
    })
}

/// The exams of a pair, one and several: those of a split if both are of it, or of a run's split and a file.
fn exams_in_words(first: &Entry, other: &Entry) -> [String; 2] {
    let nouns = ["exam", "exams"];
    match (first.source, other.source) {
        (a, b) if a == b || b == ExamSource::File => nouns.map(|noun| a.of_exams(noun)),
        (ExamSource::File, b) => nouns.map(|noun| b.of_exams(noun)),
        (a, b) => nouns.map(|noun| {
            format!("{noun} ({} of {}, {} of {})", b.name(), other.name, a.name(), first.name)
        }),
    }
}
