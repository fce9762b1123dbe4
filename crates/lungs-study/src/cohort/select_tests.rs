use super::*;
use crate::cohort::Labels;
use crate::cohort::testing::image;
use lungs_spec::spec::Preference::{
    LongestCoverage, MostSlices, NearestSpacing, SharpKernel, SoftKernel, ThinnestSlices,
};
use proptest::prelude::*;

fn candidate(uid: &str, slices: usize, spacing: f64, kernel: &str) -> Candidate {
    Candidate {
        series_uid: uid.into(),
        slices,
        slice_spacing_mm: spacing,
        coverage_mm: slices.saturating_sub(1) as f64 * spacing,
        kernel: kernel.into(),
    }
}

fn prefer(prefer: &[Preference]) -> Select {
    Select { prefer: prefer.to_vec(), target_slice_spacing_mm: 2.0, ..Select::default() }
}

#[test]
fn rules_decide_in_their_order_and_the_uid_breaks_ties() {
    let series = [
        candidate("1.3", 300, 1.0, "LUNG"),
        candidate("1.2", 150, 2.0, "STANDARD"),
        candidate("1.1", 150, 2.5, "STANDARD"),
        candidate("1.4", 140, 2.1, "unknown"),
    ];
    let choice = |rules: &[Preference]| select(&series, &prefer(rules)).map(|n| n + 1);
    assert_eq!(choice(&[SoftKernel, MostSlices]), Some(3));
    assert_eq!(choice(&[SoftKernel, ThinnestSlices]), Some(2));
    assert_eq!(choice(&[SharpKernel, ThinnestSlices]), Some(1));
    assert_eq!(choice(&[MostSlices]), Some(1));
    assert_eq!(choice(&[NearestSpacing]), Some(2));
    assert_eq!(choice(&[LongestCoverage]), Some(3));
    assert_eq!(choice(&[]), Some(3));
    assert_eq!(select(&[], &prefer(&[MostSlices])), None);
    // Kernels of unknown sharpness rank between soft and sharp ones.
    let unknown_and = |other: usize, rules: &[Preference]| {
        select(&[series[3].clone(), series[other].clone()], &prefer(rules))
    };
    assert_eq!(unknown_and(0, &[SoftKernel]), Some(0));
    assert_eq!(unknown_and(1, &[SoftKernel]), Some(1));
    assert_eq!(unknown_and(1, &[SharpKernel]), Some(0));
}

fn labelled(images: Vec<Image>, rules: &Select) -> Cohort {
    let mut labels = Labels::default();
    labels.add_images(&images, true, None, None);
    let matches = labels.match_images(&images);
    choose(ScanResult { images, ..ScanResult::default() }, matches, rules)
}

#[test]
fn one_series_of_an_exam_is_chosen_and_the_reasons_name_it() {
    let mut images = vec![image("1.2"), image("1.1"), image("1.3")];
    images[2].kernel = "B80f".into();
    let cohort = labelled(images, &Select::default());
    let reasons: Vec<_> = cohort.rows.iter().map(CohortRow::reason_text).collect();
    let other = "not-preferred: series 1.1 of the same exam is preferred (data.select.prefer)";
    assert_eq!(reasons, ["", other, other]);
    assert_eq!(cohort.chosen.len(), 1);
}

#[test]
fn a_duplicate_series_is_used_once() {
    let mut images = vec![image("1.1"), image("1.1")];
    images[0].kind = Kind::File(None);
    images[0].exam_id = String::new();
    images[0].patient_id = String::new();
    images[0].path = "1.1.mhd".into();
    let mut labels = Labels::default();
    labels.add_images(&images, true, None, None);
    let mut found = ScanResult { images, ..ScanResult::default() };
    let cohort = choose(found.clone(), labels.match_images(&found.images), &Select::default());
    // The file is excluded because it has no patient.
    assert_eq!(cohort.chosen.len(), 1);
    assert!(
        cohort.rows.iter().any(|row| row.reason_text().starts_with("no-patient: the volume file"))
    );
    found.images[0].patient_id = "P".into();
    let matches = labels.match_images(&found.images);
    let cohort = choose(found, matches, &Select::default());
    assert_eq!(cohort.chosen.len(), 1);
    assert_eq!(cohort.chosen[0].1.kind, Kind::Dicom);
    let copy = cohort.rows.iter().find(|row| !row.chosen).unwrap();
    assert_eq!(copy.reason_text(), "copy: the same series is used from 1.1");
}

#[test]
fn a_large_cohort_is_matched_and_selected_in_linear_time() {
    // Quadratic matching of 200 000 series would take hours.
    let images: Vec<Image> = (0..200_000)
        .map(|number| {
            let mut image = image(&format!("1.2.{number}"));
            image.exam_id = format!("E{}", number / 3);
            image.patient_id = format!("P{}", number / 9);
            image
        })
        .collect();
    let cohort = labelled(images, &Select::default());
    assert_eq!(cohort.rows.len(), 200_000);
    assert_eq!(cohort.chosen.len(), 66_667);
}

const RULES: [Preference; 6] =
    [SoftKernel, SharpKernel, MostSlices, ThinnestSlices, NearestSpacing, LongestCoverage];

proptest! {
    #[test]
    fn the_choice_does_not_depend_on_the_order_of_candidates(
        series in prop::collection::vec((0..4usize, 0..3usize, 0..4usize), 1..8),
        rules in prop::collection::vec(0..RULES.len(), 0..4),
        rotation in 0usize..8,
        reverse: bool,
    ) {
        let kernels = ["STANDARD", "LUNG", "", "B60f"];
        let candidates: Vec<Candidate> = series
            .iter()
            .enumerate()
            .map(|(number, (slices, spacing, kernel))| {
                candidate(
                    &format!("1.{number}"),
                    100 + slices,
                    [1.0, 2.0, 2.5][*spacing],
                    kernels[*kernel],
                )
            })
            .collect();
        let rules = prefer(&rules.iter().map(|rule| RULES[*rule]).collect::<Vec<_>>());
        let best = select(&candidates, &rules).map(|n| candidates[n].series_uid.clone());
        let mut other = candidates.clone();
        other.rotate_left(rotation % candidates.len());
        if reverse {
            other.reverse();
        }
        prop_assert_eq!(select(&other, &rules).map(|n| other[n].series_uid.clone()), best);
    }
}
