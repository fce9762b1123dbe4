//! Groups of similar reasons of exclusion.

use lungs_image::codes::{Exclusion, ExclusionCode};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Reasons that differ in numbers and names only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonGroup {
    /// Number of reasons.
    pub count: usize,
    /// The first of them, written as `code: sentence`.
    #[serde(rename = "reason", serialize_with = "as_text")]
    pub first: Exclusion,
    /// Whether all sentences are identical.
    pub same: bool,
}

fn as_text<S: Serializer>(exclusion: &Exclusion, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(exclusion)
}

/// Largest number of groups of one code; the rarest groups are merged.
const MAX_GROUPS_OF_CODE: usize = 8;

/// Groups exclusions by code and by the sentence without numbers and names. The largest group is first, then code
/// and sentence decide.
pub fn group_reasons(exclusions: impl IntoIterator<Item = Exclusion>) -> Vec<ReasonGroup> {
    let mut codes = BTreeMap::<ExclusionCode, BTreeMap<String, ReasonGroup>>::new();
    for exclusion in exclusions {
        let groups = codes.entry(exclusion.code.clone()).or_default();
        let group = groups.entry(template_of(&exclusion.reason)).or_insert_with(|| ReasonGroup {
            first: exclusion.clone(),
            count: 0,
            same: true,
        });
        group.count += 1;
        group.same &= group.first.reason == exclusion.reason;
    }
    let mut all: Vec<ReasonGroup> =
        codes.into_values().flat_map(|groups| merge_rare(groups.into_values().collect())).collect();
    all.sort_by(order);
    all
}

/// Keeps the largest groups of one code and merges all others into one.
fn merge_rare(mut groups: Vec<ReasonGroup>) -> Vec<ReasonGroup> {
    groups.sort_by(order);
    if groups.len() > MAX_GROUPS_OF_CODE {
        let rare = groups.split_off(MAX_GROUPS_OF_CODE - 1);
        let count = rare.iter().map(|group| group.count).sum();
        let first = rare.into_iter().next();
        groups.extend(first.map(|first| ReasonGroup { count, same: false, ..first }));
    }
    groups
}

fn order(a: &ReasonGroup, b: &ReasonGroup) -> std::cmp::Ordering {
    b.count.cmp(&a.count).then_with(|| a.first.cmp(&b.first))
}

/// A sentence without the values of a single series: numbers, UIDs and file names.
fn template_of(sentence: &str) -> String {
    let is_specific = |word: &str| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        core.contains(|letter: char| letter.is_ascii_digit() || matches!(letter, '/' | '\\' | '.'))
    };
    let words = sentence.split_whitespace().map(|word| if is_specific(word) { "…" } else { word });
    let mut words: Vec<&str> = words.collect();
    // A path with spaces is several words.
    words.dedup_by(|word, previous| *word == "…" && *previous == "…");
    words.join(" ")
}

impl std::fmt::Display for ReasonGroup {
    /// `63 × not-ct: Modality (0008,0060) is "SEG", expected "CT"`. If sentences differ, the first one is
    /// marked as an example.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, count, same } = self;
        let Exclusion { code, reason } = first;
        match (reason.as_str(), same) {
            ("", _) => write!(f, "{count} × {code}"),
            (_, true) => write!(f, "{count} × {first}"),
            (_, false) => write!(f, "{count} × {code}, for example: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modalities_are_separate_groups_and_numbers_are_not() {
        let not_ct = |modality: &str| {
            let reason = format!("Modality (0008,0060) is {modality:?}, expected \"CT\"");
            Exclusion::new(ExclusionCode::NotCt, reason)
        };
        let mut reasons = vec![not_ct("RTSTRUCT"); 2];
        reasons.extend(vec![not_ct("SEG"); 63]);
        let few = |n| format!("{n} slices, expected at least 50");
        reasons.extend((10..14).map(|n| Exclusion::new(ExclusionCode::TooFewSlices, few(n))));
        for path in ["data/a.dcm", "other/b c.dcm"] {
            let reason = format!("{path}: is empty");
            reasons.push(Exclusion::new(ExclusionCode::Unreadable, reason));
        }
        let summary: Vec<String> = group_reasons(reasons).iter().map(ToString::to_string).collect();
        assert_eq!(
            summary,
            [
                "63 × not-ct: Modality (0008,0060) is \"SEG\", expected \"CT\"",
                "4 × too-few-slices, for example: 10 slices, expected at least 50",
                "2 × not-ct: Modality (0008,0060) is \"RTSTRUCT\", expected \"CT\"",
                "2 × unreadable, for example: data/a.dcm: is empty",
            ]
        );
    }

    #[test]
    fn rare_groups_of_a_code_are_merged_and_counted() {
        let names = "abcdefghijklmnopqrst".chars();
        let mismatch =
            |name| Exclusion::new(ExclusionCode::PatientMismatch, format!("found {name}"));
        let groups = group_reasons(names.map(mismatch));
        assert_eq!(groups.len(), MAX_GROUPS_OF_CODE);
        assert_eq!(groups.iter().map(|group| group.count).sum::<usize>(), 20);
        assert_eq!(groups[0].to_string(), "13 × patient-mismatch, for example: found h");
    }
}
