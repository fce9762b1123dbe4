use super::*;
use crate::spec::Part;

fn scan(name: &str, label: Option<u8>, content: &str) -> InputRow {
    InputRow {
        name: name.into(),
        patient: format!("P-{name}"),
        exam: format!("E-{name}"),
        label,
        chosen: label.is_some(),
        slices: 60,
        content: content.into(),
        ..empty(InputKind::Scan)
    }
}

fn study() -> Vec<InputRow> {
    vec![
        scan("a", Some(0), "aa"),
        scan("b", Some(1), "bb"),
        scan("c", None, ""),
        InputRow { name: "x".into(), label: Some(1), ..empty(InputKind::Label) },
        InputRow { name: "P1".into(), split: Some(Part::Test), ..empty(InputKind::Listed) },
    ]
}

/// What is said of a changed study; scans hold what their rows say.
fn summary(change: impl FnOnce(&mut Vec<InputRow>)) -> String {
    let (before, mut now) = (study(), study());
    change(&mut now);
    let mut changes = Changes::default();
    changes.of_rows(&before, &now, |series| {
        now.iter().find(|row| row.name == series).map(|row| row.content.clone())
    });
    assert_eq!(changes.is_empty(), changes.to_string().is_empty());
    changes.to_string().replace("\n  ", "|")
}

#[test]
fn every_kind_of_change_is_counted_and_named() {
    assert_eq!(summary(|_| {}), "");
    assert_eq!(summary(|rows| rows.reverse()), "");
    assert_eq!(summary(|rows| rows[1].label = Some(0)), "|1 label changed: b (1, now 0)");
    assert_eq!(
        summary(|rows| (rows[1].label, rows[1].chosen) = (None, false)),
        "|1 label removed: b (1)"
    );
    assert_eq!(
        summary(|rows| (rows[2].label, rows[2].chosen) = (Some(1), true)),
        "|1 label added: c (1)"
    );
    assert_eq!(summary(|rows| drop(rows.remove(3))), "|1 label removed: x (1)");
    assert_eq!(summary(|rows| rows[3].label = Some(0)), "|1 label changed: x (1, now 0)");
    assert_eq!(summary(|rows| drop(rows.remove(0))), "|1 scan removed: a");
    assert_eq!(summary(|rows| rows.push(scan("d", Some(0), "dd"))), "|1 scan added: d");
    assert_eq!(summary(|rows| rows[0].content = "xx".into()), "|1 scan replaced: a");
    assert_eq!(summary(|rows| rows[2].slices = 61), "|1 scan replaced: c");
    assert_eq!(
        summary(|rows| rows[0].patient = "Q".into()),
        "|1 scan with another patient or exam: a (P-a / E-a, now Q / E-a)"
    );
    assert_eq!(
        summary(|rows| rows[0].split = Some(Part::Valid)),
        "|1 scan in another list: a (none, now valid)"
    );
    assert_eq!(
        summary(|rows| rows[0].chosen = false),
        "|1 other choice of a scan: a is not chosen any more"
    );
    assert_eq!(
        summary(|rows| rows[4].split = Some(Part::Train)),
        "|1 patient changed in split.lists: P1 (test, now train)"
    );
    assert_eq!(
        summary(|rows| rows[4].name = "P2".into()),
        "|2 patients changed in split.lists: P1 (test, now none), P2 (none, now test)"
    );
}

#[test]
fn a_scan_that_a_label_waited_for_is_told_once() {
    let found = summary(|rows| {
        rows.remove(3);
        rows.push(scan("x", Some(1), "xx"));
    });
    assert_eq!(found, "|1 scan added: x");
}

#[test]
fn many_changes_are_counted_and_the_first_are_named() {
    let mut changes = Changes::default();
    for number in 10..40 {
        changes.add(Change::ScanAdded, format!("s{number}"));
    }
    assert_eq!(changes.to_string(), "\n  30 scans added: s10, s11, s12, s13, s14 and 25 more");
}
