//! Tests of lists of patients that fix the split.

use super::*;
use crate::cohort::testing::chosen_row;
use crate::cohort::{Cohort, assign};
use lungs_spec::spec::{Overrides, load};
use std::path::Path;

const IDS: [&str; 12] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "pa", "pb"];

/// A spec with lists of these contents.
fn spec(folder: &Path, lists: &[(&str, &str)], set: &[&str]) -> Spec {
    let mut text = "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n[split.lists]\n".to_owned();
    for (split, list) in lists {
        let path = folder.join(format!("{split}.txt"));
        std::fs::write(&path, list).unwrap();
        text += &format!("{split} = {path:?}\n");
    }
    let path = folder.join("spec.toml");
    std::fs::write(&path, text).unwrap();
    let set = set.iter().map(|s| s.to_string()).collect();
    load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
}

/// One exam of each patient, every second one positive.
fn cohort() -> Cohort {
    let row = |(index, patient): (usize, &&str)| {
        chosen_row(patient, &format!("{patient}-1"), &format!("1.{index}"), index % 2 == 1)
    };
    Cohort { rows: IDS.iter().enumerate().map(row).collect(), ..Cohort::default() }
}

fn of(cohort: &Cohort, split: SplitName) -> Vec<&str> {
    let rows = cohort.rows.iter().filter(|row| row.split == Some(split));
    rows.map(|row| row.patient_id.as_str()).collect()
}

#[test]
fn a_list_fixes_its_split_and_other_patients_are_drawn_by_fractions() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path(), &[("test", "# published\np3\n\np8\nelsewhere\n")], &[]);
    let mut drawn = cohort();
    assign(&mut drawn, &spec).unwrap();
    assert_eq!(of(&drawn, SplitName::Test), ["p3", "p8"]);
    // 0.7 and 0.3 of five positive and five negative patients.
    assert_eq!(of(&drawn, SplitName::Train).len(), 8);
    assert_eq!(of(&drawn, SplitName::Valid).len(), 2);
    let lists = SplitLists::read(&spec).unwrap();
    assert_eq!(lists.summary(&drawn.rows), "test list: 3 patients, 1 not in the cohort");
}

#[test]
fn no_patient_is_drawn_for_a_split_with_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let lists = [("train", "p0\np1\n"), ("valid", "p2\np3\n")];
    let shares = ["split.train=0.5", "split.valid=0.2", "split.test=0.3"];
    let mut drawn = cohort();
    assign(&mut drawn, &spec(folder.path(), &lists, &shares)).unwrap();
    assert_eq!(of(&drawn, SplitName::Train), ["p0", "p1"]);
    assert_eq!(of(&drawn, SplitName::Valid), ["p2", "p3"]);
    assert_eq!(of(&drawn, SplitName::Test).len(), 8);
}

#[test]
fn patients_without_a_list_are_excluded_if_no_split_can_be_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let lists = [("train", "p0\np1\n"), ("valid", "p2\n")];
    let mut drawn = cohort();
    assign(&mut drawn, &spec(folder.path(), &lists, &[])).unwrap();
    let excluded: Vec<&CohortRow> = drawn.rows.iter().filter(|row| !row.chosen).collect();
    assert_eq!(excluded.len(), 9);
    assert!(
        excluded.iter().all(|row| row.reason_text().starts_with("not-in-split-lists: the patient"))
    );
}

#[test]
fn a_patient_in_two_lists_is_an_error_with_both_positions() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path(), &[("train", "p0\np1\n"), ("test", "p2\n#\np1\n")], &[]);
    let message = assign(&mut cohort(), &spec).unwrap_err().to_string();
    assert!(message.starts_with("patient p1 is in two of split.lists: "), "{message}");
    assert!(message.contains("train.txt, line 2 (train)"), "{message}");
    assert!(message.contains("test.txt, line 3 (test)"), "{message}");
}

#[test]
fn empty_and_invalid_lists_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = |text| {
        let spec = spec(folder.path(), &[("test", text)], &[]);
        SplitLists::read(&spec).unwrap_err().to_string()
    };
    assert!(error("# nobody\n").contains("test.txt is empty; expected one patient ID per line"));
    assert!(error("p1\np2,test\n").contains("line 2: found \"p2,test\", expected one patient ID"));
}

#[test]
fn the_identity_of_lists_is_their_contents() {
    let folder = tempfile::tempdir().unwrap();
    let hashes =
        |text| SplitLists::read(&spec(folder.path(), &[("test", text)], &[])).unwrap().hashes();
    let first = hashes("p1\n");
    assert_eq!(first["test"], blake3::hash(b"p1\n").to_hex().to_string());
    assert_ne!(first, hashes("p2\n"));
}

#[test]
fn a_spec_without_lists_omits_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path(), &[], &[]);
    assert!(!spec.to_toml().contains("lists"), "{}", spec.to_toml());
}
