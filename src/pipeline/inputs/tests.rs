use super::*;
use lungs_spec::spec::SplitName;

fn series(name: &str, label: Option<bool>, content: &str) -> InputRow {
    InputRow {
        name: name.into(),
        patient_id: format!("P-{name}"),
        exam_id: format!("E-{name}"),
        label,
        chosen: label.is_some(),
        slices: 60,
        content: content.into(),
        ..empty(InputKind::Scan)
    }
}

fn cohort() -> Vec<InputRow> {
    vec![
        series("a", Some(false), "aa"),
        series("b", Some(true), "bb"),
        series("c", None, ""),
        InputRow { name: "x".into(), label: Some(true), ..empty(InputKind::Label) },
        InputRow { name: "P1".into(), split: Some(SplitName::Test), ..empty(InputKind::Listed) },
    ]
}

/// The summary of the changes of a cohort; the content of a series is that of its row.
fn summary(change: impl FnOnce(&mut Vec<InputRow>)) -> String {
    let (stored, mut current) = (cohort(), cohort());
    change(&mut current);
    let mut changes = Changes::default();
    changes.compare_rows(&stored, &current, |series| {
        current.iter().find(|row| row.name == series).map(|row| row.content.clone())
    });
    assert_eq!(changes.is_empty(), changes.to_string().is_empty());
    changes.to_string().replace("\n  ", "|")
}

#[test]
fn every_kind_of_change_is_counted_and_named() {
    assert_eq!(summary(|_| {}), "");
    assert_eq!(summary(|rows| rows.reverse()), "");
    assert_eq!(summary(|rows| rows[1].label = Some(false)), "|1 label changed: b (1, now 0)");
    assert_eq!(
        summary(|rows| (rows[1].label, rows[1].chosen) = (None, false)),
        "|1 label removed: b (1)"
    );
    assert_eq!(
        summary(|rows| (rows[2].label, rows[2].chosen) = (Some(true), true)),
        "|1 label added: c (1)"
    );
    assert_eq!(summary(|rows| drop(rows.remove(3))), "|1 label removed: x (1)");
    assert_eq!(summary(|rows| rows[3].label = Some(false)), "|1 label changed: x (1, now 0)");
    assert_eq!(summary(|rows| drop(rows.remove(0))), "|1 series removed: a");
    assert_eq!(summary(|rows| rows.push(series("d", Some(false), "dd"))), "|1 series added: d");
    assert_eq!(summary(|rows| rows[0].content = "xx".into()), "|1 series replaced: a");
    assert_eq!(summary(|rows| rows[2].slices = 61), "|1 series replaced: c");
    assert_eq!(
        summary(|rows| rows[0].patient_id = "Q".into()),
        "|1 series with another patient or exam: a (P-a / E-a, now Q / E-a)"
    );
    assert_eq!(
        summary(|rows| rows[0].split = Some(SplitName::Valid)),
        "|1 series in another list: a (none, now valid)"
    );
    assert_eq!(
        summary(|rows| rows[0].chosen = false),
        "|1 choice of a series changed: a is no longer chosen"
    );
    assert_eq!(
        summary(|rows| rows[4].split = Some(SplitName::Train)),
        "|1 patient changed in split.lists: P1 (test, now train)"
    );
    assert_eq!(
        summary(|rows| rows[4].name = "P2".into()),
        "|2 patients changed in split.lists: P1 (test, now none), P2 (none, now test)"
    );
}

#[test]
fn a_changed_follow_up_is_one_change() {
    let with = |text: &str, label: bool| {
        let mut rows = cohort();
        (rows[0].follow_up, rows[0].label) = (text.into(), Some(label));
        rows
    };
    let changes = |new: Vec<InputRow>| {
        let mut changes = Changes::default();
        let content = |_: &str| Some("aa".to_owned());
        changes.compare_rows(&with("no cancer in 3 years", false)[..1], &new[..1], content);
        changes.to_string().replace("\n  ", "|")
    };
    assert_eq!(changes(with("no cancer in 3 years", false)), "");
    assert_eq!(
        changes(with("cancer after 0.5 years", true)),
        "|1 follow-up changed: a (no cancer in 3 years, now cancer after 0.5 years)"
    );
}

#[test]
fn a_new_series_with_an_existing_label_is_one_change() {
    let text = summary(|rows| {
        rows.remove(3);
        rows.push(series("x", Some(true), "xx"));
    });
    assert_eq!(text, "|1 series added: x");
}

#[test]
fn all_changes_are_counted_and_the_first_are_printed() {
    let mut changes = Changes::default();
    for number in 10..40 {
        changes.add(Change::ScanAdded, format!("s{number}"));
    }
    assert_eq!(changes.to_string(), "\n  30 series added: s10, s11, s12, s13, s14 and 25 more");
}
