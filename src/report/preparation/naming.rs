//! Tables without names, for a page that may leave the house.

use crate::cohort::CohortRow;
use crate::prepare::Row;
use crate::report::run_page::Namer;
use std::collections::{BTreeMap, BTreeSet};

/// What stands where something is hidden.
const HIDDEN: &str = "…";

/// The tables as a page may show them: patients by the namer, series by their rows in the tables,
/// no paths, and of reasons the words that come from no file.
pub(super) fn without_names(
    rows: &[Row],
    seen: &[CohortRow],
    namer: &Namer,
) -> (Vec<Row>, Vec<CohortRow>) {
    let mut names = BTreeMap::<&str, String>::new();
    for (number, row) in (1..).zip(seen) {
        names.insert(&row.series, format!("cohort {number}"));
    }
    for (number, row) in (1..).zip(rows) {
        names.insert(&row.series_uid, format!("row {number}"));
    }
    let series = |uid: &str| match uid {
        "" => String::new(),
        uid => names.get(uid).cloned().unwrap_or_default(),
    };
    let paths: BTreeMap<&str, &str> =
        seen.iter().map(|row| (row.series.as_str(), row.path.as_str())).collect();
    let shown_rows = rows.iter().map(|row| {
        let path = paths.get(row.series_uid.as_str()).copied().unwrap_or_default();
        let known = [&row.patient_id, &row.study_uid, &row.series_uid, path];
        Row {
            patient_id: namer.patient(&row.patient_id),
            study_uid: String::new(),
            series_uid: series(&row.series_uid),
            reason: scrubbed(&row.reason, &known),
            ..row.clone()
        }
    });
    let shown_seen = (1..).zip(seen).map(|(number, row)| {
        let known = [&*row.patient, &row.exam, &row.series, &row.path];
        // A file without a series is known by its row alone.
        let path =
            if row.series.is_empty() { format!("cohort {number}") } else { HIDDEN.to_owned() };
        CohortRow {
            patient: namer.patient(&row.patient),
            exam: String::new(),
            study_date: String::new(),
            series: series(&row.series),
            path,
            reason: scrubbed(&row.reason, &known),
            ..row.clone()
        }
    });
    (shown_rows.collect(), shown_seen.collect())
}

/// A sentence without what could be a name: words of letters and plain numbers stay, unless they
/// are what is known of the series. The short word before the first colon is ours.
fn scrubbed(reason: &str, known: &[&str]) -> String {
    if let Some((code, rest)) = reason.split_once(": ")
        && code.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
    {
        return format!("{code}: {}", scrubbed(rest, known));
    }
    // Pieces that are shorter say too little, and are words and numbers of every sentence.
    const TELLING: usize = 4;
    let parts = known.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric()));
    let parts = parts.filter(|part| part.chars().count() >= TELLING);
    let whole = known.iter().copied().filter(|text| !text.is_empty());
    let parts: BTreeSet<String> = parts.chain(whole).map(str::to_lowercase).collect();
    let words = reason.split_whitespace().map(|word| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '-');
        let harmless = core.is_empty() || is_word(core) || is_number(core);
        if harmless && !parts.contains(&core.to_lowercase()) {
            word.to_owned()
        } else {
            // The punctuation around it stays, for the sentence.
            word.replace(core, HIDDEN)
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_word(core: &str) -> bool {
    core.chars().all(|letter| letter.is_alphabetic() || matches!(letter, '-' | '\''))
}

/// A number, perhaps with a unit or a sign, or several with `×` or a comma between them.
fn is_number(core: &str) -> bool {
    core.split(['×', ',']).all(|part| {
        let digits =
            part.trim_end_matches(|letter: char| letter.is_alphabetic() || "%°²³".contains(letter));
        digits.len() <= 12 && digits.parse::<f64>().is_ok() && part.len() <= digits.len() + 4
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_lose_what_could_be_a_name_and_nothing_else() {
        let known = ["", "SMITH^JOHN", "1.2.840.1", "1.2.840.2", "data/SMITH_JOHN/100012/1"];
        for (reason, shown) in [
            ("gantry tilt of 18.5 degrees", "gantry tilt of 18.5 degrees"),
            (
                "unreadable: is empty, expected a DICOM file",
                "unreadable: is empty, expected a DICOM file",
            ),
            ("slices of 512×512 and 256×256", "slices of 512×512 and 256×256"),
            ("spacing 2.5mm, 12 % off", "spacing 2.5mm, 12 % off"),
            ("data/SMITH_JOHN/100012/a.dcm: is cut short", "…: is cut short"),
            ("IM-0001.dcm: is cut short", "…: is cut short"),
            (
                "series 1.2.840.113619.7 of the same exam comes first",
                "series … of the same exam comes first",
            ),
            ("patient Smith (100012) is in two parts", "patient … (…) is in two parts"),
            (
                "localizer: all 1 images are (ImageType (0008,0008) has LOCALIZER)",
                "localizer: all 1 images are (ImageType (0008,0008) has LOCALIZER)",
            ),
            ("found \"Doe^Jane\", expected one", "found \"…\", expected one"),
            ("has 19990102123456 images", "has … images"),
            ("- (nothing)", "- (nothing)"),
        ] {
            assert_eq!(scrubbed(reason, &known), shown, "{reason}");
        }
    }
}
