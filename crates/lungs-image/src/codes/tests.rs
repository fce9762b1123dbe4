use super::{ExclusionCode, Flag, Weight, Words, joined_flags, optional_code};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Every code is spelled once, is read back as itself, and has a name and an explanation.
#[test]
fn codes_are_unique_and_explained() {
    let check = |codes: Vec<String>, words: Vec<Words>| {
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for (code, words) in codes.iter().zip(words) {
            let is_letter = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            assert!(!code.is_empty() && code.chars().all(is_letter), "{code}");
            assert!(!words.name.is_empty() && !words.meaning.is_empty(), "{code}");
        }
    };
    let codes = |code: &ExclusionCode| code.to_string();
    check(
        ExclusionCode::ALL.iter().map(codes).collect(),
        ExclusionCode::ALL.iter().map(ExclusionCode::words).collect(),
    );
    check(
        Flag::ALL.iter().map(ToString::to_string).collect(),
        Flag::ALL.iter().map(Flag::words).collect(),
    );
    for code in ExclusionCode::ALL {
        assert_eq!(&ExclusionCode::from(code.code()), code);
    }
    for flag in Flag::ALL {
        assert_eq!(&Flag::from(&*flag.code()), flag);
    }
}

#[test]
fn an_unknown_code_is_kept_and_shown_without_hyphens() {
    let unknown = Flag::from("brand-new-flag");
    assert_eq!(
        (unknown.code().as_ref(), unknown.words().sentence().as_str()),
        ("brand-new-flag", "brand new flag")
    );
    assert_eq!(unknown.words().weight, Weight::Look);
    assert_eq!(
        Flag::LungsCutAtTop.words().sentence(),
        "lungs cut at the top: the scan ends inside the lungs, towards the head"
    );
    assert_eq!(Flag::from("one-of-3-stacks"), Flag::OneOfStacks(3));
    assert_eq!(Flag::OneOfStacks(3).code(), "one-of-3-stacks");
    assert_eq!(Flag::OneOfStacks(3).words().name, "one of several stacks");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Columns {
    #[serde(with = "optional_code")]
    code: Option<ExclusionCode>,
    #[serde(with = "joined_flags")]
    flags: Vec<Flag>,
}

#[test]
fn columns_are_texts() {
    let flags = vec![Flag::OneLung, Flag::OneOfStacks(2), Flag::from("other")];
    for (columns, text) in [
        (
            Columns { code: Some(ExclusionCode::NotCt), flags },
            r#"{"code":"not-ct","flags":"one-lung;one-of-2-stacks;other"}"#,
        ),
        (Columns { code: None, flags: vec![] }, r#"{"code":"","flags":""}"#),
    ] {
        assert_eq!(serde_json::to_string(&columns).unwrap(), text);
        assert_eq!(serde_json::from_str::<Columns>(text).unwrap(), columns);
    }
    let lenient: Columns =
        serde_json::from_str(r#"{"code":"","flags":"one-lung; reoriented;"}"#).unwrap();
    assert_eq!(lenient.flags, [Flag::OneLung, Flag::Reoriented]);
}
