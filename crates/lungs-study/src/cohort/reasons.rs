//! Groups of similar reasons of exclusion.

use std::collections::BTreeMap;

/// Reasons that differ in numbers and names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonGroup {
    /// The code of the reason, as in the tables.
    pub code: String,
    /// Number of reasons.
    pub count: usize,
    /// The sentence of the first reason.
    pub sentence: String,
    /// Whether all sentences are identical.
    pub same: bool,
}

/// Largest number of groups of one code; the rarest groups are merged.
const MAX_GROUPS_OF_CODE: usize = 8;

/// Groups reasons (`code: sentence`) by code and by the sentence without numbers and names. The largest group
/// is first, then code and sentence decide.
pub fn group_reasons<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Vec<ReasonGroup> {
    let mut codes = BTreeMap::<&str, BTreeMap<String, ReasonGroup>>::new();
    for reason in reasons {
        let (code, sentence) = reason.split_once(':').unwrap_or((reason, ""));
        let sentence = sentence.trim();
        let groups = codes.entry(code).or_default();
        let group = groups.entry(template_of(sentence)).or_insert_with(|| ReasonGroup {
            code: code.to_owned(),
            count: 0,
            sentence: sentence.to_owned(),
            same: true,
        });
        group.count += 1;
        group.same &= group.sentence == sentence;
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
    (b.count.cmp(&a.count)).then_with(|| (&a.code, &a.sentence).cmp(&(&b.code, &b.sentence)))
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
        let Self { code, count, sentence, same } = self;
        match (sentence.as_str(), same) {
            ("", _) => write!(f, "{count} × {code}"),
            (_, true) => write!(f, "{count} × {code}: {sentence}"),
            (_, false) => write!(f, "{count} × {code}, for example: {sentence}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(reasons: &[String]) -> Vec<String> {
        group_reasons(reasons.iter().map(String::as_str)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modalities_are_separate_groups_and_numbers_are_not() {
        let not_ct = |modality: &str| {
            format!("not-ct: Modality (0008,0060) is {modality:?}, expected \"CT\"")
        };
        let mut reasons = vec![not_ct("RTSTRUCT"); 2];
        reasons.extend(vec![not_ct("SEG"); 63]);
        reasons
            .extend((10..14).map(|n| format!("too-few-slices: {n} slices, expected at least 50")));
        reasons.push("unreadable: data/a.dcm: is empty".into());
        reasons.push("unreadable: other/b c.dcm: is empty".into());
        assert_eq!(
            summary(&reasons),
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
        let reasons: Vec<String> = names.map(|name| format!("mismatch: found {name}")).collect();
        let groups = group_reasons(reasons.iter().map(String::as_str));
        assert_eq!(groups.len(), MAX_GROUPS_OF_CODE);
        assert_eq!(groups.iter().map(|group| group.count).sum::<usize>(), 20);
        assert_eq!(groups[0].to_string(), "13 × mismatch, for example: found h");
    }
}
