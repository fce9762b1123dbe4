//! One series per exam, by stated rules.

use super::{Cohort, CohortRow, Label, Labels, folder_of};
use crate::dicom::{self, Scan, Series};
use crate::spec::{Preference, Select};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the rules look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// SeriesInstanceUID, the last tie-breaker.
    pub series_uid: String,
    /// Number of slices.
    pub slices: usize,
    /// Distance between slices.
    pub slice_spacing_mm: f64,
    /// Reconstruction kernel, as the scanner names it.
    pub kernel: String,
}

/// The index of the best candidate, if there is any.
pub fn select(candidates: &[Candidate], prefer: &[Preference]) -> Option<usize> {
    (0..candidates.len()).min_by(|a, b| compare(&candidates[*a], &candidates[*b], prefer))
}

fn compare(a: &Candidate, b: &Candidate, prefer: &[Preference]) -> Ordering {
    prefer
        .iter()
        .map(|rule| match rule {
            Preference::SoftKernel => is_sharp(&a.kernel).cmp(&is_sharp(&b.kernel)),
            Preference::MostSlices => b.slices.cmp(&a.slices),
            Preference::ThinnestSlices => a.slice_spacing_mm.total_cmp(&b.slice_spacing_mm),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.series_uid.cmp(&b.series_uid))
}

/// Whether a kernel is made for lung or bone. Names differ by vendor: GE says LUNG, BONE, EDGE;
/// Siemens B50 and above (also I50f, Br58); Philips C, D, E, L, YA…YE; Toshiba FC30 and above
/// (FC50…FC59 lung, FC30…FC39 bone).
fn is_sharp(kernel: &str) -> bool {
    let kernel = kernel.to_ascii_uppercase();
    let kernel = kernel.split(['\\', ' ']).next().unwrap_or_default();
    let number = || -> u32 {
        let digits = kernel.chars().skip_while(|c| !c.is_ascii_digit());
        digits.take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
    };
    match kernel {
        "LUNG" | "BONE" | "BONEPLUS" | "EDGE" | "SHARP" => true,
        "C" | "D" | "E" | "L" | "YA" | "YB" | "YC" | "YD" | "YE" => true,
        _ if kernel.starts_with("FC") => number() >= 30,
        _ if kernel.starts_with(['B', 'I', 'H', 'Q', 'T']) => number() >= 50,
        _ => false,
    }
}

/// Labels every series and chooses one per exam.
pub(super) fn choose(scan: Scan, labels: &Labels, rules: &Select) -> Cohort {
    let mut rows: Vec<(CohortRow, Option<Series>)> = Vec::new();
    let orphans = labels.without_series(&scan);
    let problems = scan.problems.iter().map(|problem| CohortRow {
        path: problem.path.display().to_string(),
        reason: format!("unreadable: {}", problem.reason),
        ..empty()
    });
    let problems: Vec<CohortRow> = problems.collect();
    for series in scan.series {
        let row = describe(&series, labels.of(&series), rules);
        rows.push((row, Some(series)));
    }
    rows.sort_by(|(a, _), (b, _)| {
        (&a.patient, &a.exam, &a.series).cmp(&(&b.patient, &b.exam, &b.series))
    });
    keep_the_preferred(&mut rows, rules);
    rows.extend(problems.into_iter().map(|row| (row, None)));
    rows.extend(orphans.into_iter().map(|(name, label)| {
        let reason = format!("label-without-series: {} names {name}, no series does", label.source);
        let patient = label.patient.clone().unwrap_or_default();
        let exam = label.exam.clone().unwrap_or_default();
        (
            CohortRow { patient, exam, series: name, label: Some(label.label), reason, ..empty() },
            None,
        )
    }));
    let mut cohort = Cohort::default();
    for (row, series) in rows {
        if let Some(series) = series.filter(|_| row.chosen) {
            cohort.chosen.push((cohort.rows.len(), series));
        }
        cohort.rows.push(row);
    }
    cohort
}

fn empty() -> CohortRow {
    CohortRow {
        patient: String::new(),
        exam: String::new(),
        series: String::new(),
        path: String::new(),
        label: None,
        split: None,
        chosen: false,
        reason: String::new(),
        slices: 0,
        slice_spacing_mm: None,
        kernel: String::new(),
    }
}

/// Series and left-out files (path and reason) as rows of a cohort in which every series is wanted
/// and nothing has a label.
pub fn unlabelled(series: &[Series], left_out: &[(String, String)]) -> Vec<CohortRow> {
    let rows = series.iter().map(|series| CohortRow {
        chosen: true,
        reason: String::new(),
        ..describe(series, None, &Select::default())
    });
    let left_out = left_out.iter().map(|(path, reason)| CohortRow {
        path: path.clone(),
        reason: reason.clone(),
        ..empty()
    });
    rows.chain(left_out).collect()
}

/// A series as a row: chosen for now unless a rule speaks against it alone.
fn describe(series: &Series, label: Option<&Label>, rules: &Select) -> CohortRow {
    let stack = dicom::stack(series);
    let spacing = stack.as_ref().ok().map(|stack| stack.geometry.spacing_mm[0]);
    let patient = label.and_then(|label| label.patient.clone());
    let exam = label.and_then(|label| label.exam.clone());
    let mut row = CohortRow {
        patient: if series.patient_id.is_empty() {
            patient.clone().unwrap_or_default()
        } else {
            series.patient_id.clone()
        },
        exam: exam.unwrap_or_else(|| series.study_uid.clone()),
        series: series.series_uid.clone(),
        path: folder_of(series),
        label: label.map(|label| label.label),
        split: label.and_then(|label| label.part),
        chosen: false,
        reason: String::new(),
        slices: series.slices.len(),
        slice_spacing_mm: spacing.map(|mm| (mm * 1e4).round() / 1e4),
        kernel: series.kernel.clone(),
    };
    row.reason = match (&stack, label) {
        (Err(refusal), _) => format!("{}: {refusal}", refusal.code()),
        (_, None) => "no-label: no label names this series, its folder or its exam".into(),
        _ if row.patient.is_empty() => "no-patient: PatientID (0010,0020) is empty and the labels \
             name no patient_id, so leaks between parts could not be excluded"
            .into(),
        _ if patient.as_ref().is_some_and(|named| *named != row.patient) => format!(
            "patient-mismatch: PatientID (0010,0020) is \"{}\", the labels say \"{}\"",
            row.patient,
            patient.unwrap_or_default()
        ),
        _ if series.slices.len() < rules.min_slices => format!(
            "too-few-slices: {} slices, at least {} wanted (data.select.min_slices)",
            series.slices.len(),
            rules.min_slices
        ),
        _ if spacing.is_some_and(|mm| mm > rules.max_slice_spacing_mm + 1e-6) => format!(
            "slices-too-far-apart: {:.2} mm, at most {} mm wanted \
             (data.select.max_slice_spacing_mm)",
            spacing.unwrap_or_default(),
            rules.max_slice_spacing_mm
        ),
        _ => String::new(),
    };
    row.chosen = row.reason.is_empty();
    row
}

/// Leaves one chosen series per patient and exam.
fn keep_the_preferred(rows: &mut [(CohortRow, Option<Series>)], rules: &Select) {
    let mut exams = BTreeMap::<(String, String), Vec<usize>>::new();
    for (place, (row, _)) in rows.iter().enumerate().filter(|(_, (row, _))| row.chosen) {
        exams.entry((row.patient.clone(), row.exam.clone())).or_default().push(place);
    }
    for places in exams.values() {
        let candidates: Vec<Candidate> = places
            .iter()
            .map(|place| {
                let row = &rows[*place].0;
                Candidate {
                    series_uid: row.series.clone(),
                    slices: row.slices,
                    slice_spacing_mm: row.slice_spacing_mm.unwrap_or(f64::INFINITY),
                    kernel: row.kernel.clone(),
                }
            })
            .collect();
        let Some(best) = select(&candidates, &rules.prefer) else { continue };
        for (number, place) in places.iter().enumerate().filter(|(number, _)| *number != best) {
            let row = &mut rows[*place].0;
            row.chosen = false;
            row.split = None;
            row.reason = format!(
                "not-preferred: series {} of the same exam comes first (data.select.prefer)",
                candidates[best].series_uid
            );
            debug_assert_ne!(number, best);
        }
    }
    for (row, _) in rows.iter_mut().filter(|(row, _)| !row.chosen) {
        row.split = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(uid: &str, slices: usize, spacing: f64, kernel: &str) -> Candidate {
        Candidate {
            series_uid: uid.into(),
            slices,
            slice_spacing_mm: spacing,
            kernel: kernel.into(),
        }
    }

    #[test]
    fn rules_decide_in_their_order_and_the_uid_breaks_ties() {
        use Preference::{MostSlices, SoftKernel, ThinnestSlices};
        let series = [
            candidate("1.3", 300, 1.0, "LUNG"),
            candidate("1.2", 150, 2.0, "STANDARD"),
            candidate("1.1", 150, 2.5, "STANDARD"),
        ];
        assert_eq!(select(&series, &[SoftKernel, MostSlices]), Some(2));
        assert_eq!(select(&series, &[SoftKernel, ThinnestSlices]), Some(1));
        assert_eq!(select(&series, &[MostSlices]), Some(0));
        assert_eq!(select(&series, &[]), Some(2));
        assert_eq!(select(&[], &[MostSlices]), None);
    }

    #[test]
    fn kernels_of_four_vendors_are_told_apart() {
        for sharp in ["LUNG", "BONE", "B50f", "B80f", "I70f\\3", "FC51", "FC30", "L", "YC"] {
            assert!(is_sharp(sharp), "{sharp}");
        }
        for soft in ["STANDARD", "SOFT", "B30f", "B31s", "Br40", "FC01", "FC10", "B", "A", ""] {
            assert!(!is_sharp(soft), "{soft}");
        }
    }
}
