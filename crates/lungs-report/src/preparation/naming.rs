//! Anonymised tables, for pages that may be shared.

use crate::run_page::Namer;
use lungs_image::codes::ExclusionCode;
use lungs_study::cohort::CohortRow;
use lungs_study::prepare::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Replacement of hidden text.
const HIDDEN: &str = "…";

/// The tables with patients named by `namer`, series named by their rows in the tables, no paths, and
/// reasons without text that comes from files.
pub(super) fn anonymised(
    rows: &[Row],
    cohort: &[CohortRow],
    namer: &Namer,
) -> (Vec<Row>, Vec<CohortRow>) {
    let mut series_names = BTreeMap::<&str, String>::new();
    for (number, row) in (1..).zip(cohort) {
        series_names.insert(&row.series_uid, format!("cohort {number}"));
    }
    for (number, row) in (1..).zip(rows) {
        series_names.insert(&row.series_uid, format!("row {number}"));
    }
    let series = |uid: &str| match uid {
        "" => String::new(),
        uid => series_names.get(uid).cloned().unwrap_or_default(),
    };
    let paths: BTreeMap<&str, &str> =
        cohort.iter().map(|row| (row.series_uid.as_str(), row.path.as_str())).collect();
    let anonymous_rows = rows.iter().map(|row| {
        let path = paths.get(row.series_uid.as_str()).copied().unwrap_or_default();
        let names = [&row.patient_id, &row.exam_id, &row.series_uid, path];
        Row {
            patient_id: namer.patient(&row.patient_id),
            exam_id: String::new(),
            series_uid: series(&row.series_uid),
            code: row.code.as_ref().map(scrub_code),
            reason: scrub(&row.reason, &names),
            ..row.clone()
        }
    });
    let anonymous_cohort = (1..).zip(cohort).map(|(number, row)| {
        let names = [&*row.patient_id, &row.exam_id, &row.series_uid, &row.path];
        // A file without a series is identified by its row only.
        let path =
            if row.series_uid.is_empty() { format!("cohort {number}") } else { HIDDEN.to_owned() };
        CohortRow {
            patient_id: namer.patient(&row.patient_id),
            exam_id: String::new(),
            study_date: String::new(),
            series_uid: series(&row.series_uid),
            path,
            code: row.code.as_ref().map(scrub_code),
            reason: scrub(&row.reason, &names),
            ..row.clone()
        }
    });
    (anonymous_rows.collect(), anonymous_cohort.collect())
}

/// A code without possible names: a code of another version stays if it is spelled as a code.
fn scrub_code(code: &ExclusionCode) -> ExclusionCode {
    match code {
        ExclusionCode::Unknown(text)
            if !text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') =>
        {
            ExclusionCode::Unknown(HIDDEN.to_owned())
        }
        code => code.clone(),
    }
}

/// A reason without possible names: words of letters and plain numbers stay unless they occur in `names`.
fn scrub(reason: &str, names: &[&str]) -> String {
    // Shorter components identify nobody and occur as words and numbers in every sentence.
    const MIN_LENGTH: usize = 4;
    let parts = names.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric()));
    let parts = parts.filter(|part| part.chars().count() >= MIN_LENGTH);
    let full_names = names.iter().copied().filter(|text| !text.is_empty());
    let hidden: BTreeSet<String> = parts.chain(full_names).map(str::to_lowercase).collect();
    let words = reason.split_whitespace().map(|word| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '-');
        let harmless = core.is_empty() || is_word(core) || is_number(core);
        if harmless && !hidden.contains(&core.to_lowercase()) {
            word.to_owned()
        } else {
            // Punctuation around the name stays.
            word.replace(core, HIDDEN)
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_word(core: &str) -> bool {
    core.chars().all(|letter| letter.is_alphabetic() || matches!(letter, '-' | '\''))
}

/// Whether `core` is a number, optionally with a unit or a sign, or several numbers separated by `×` or commas.
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
    fn scrubbing_removes_possible_names_only() {
        let names = ["", "SMITH^JOHN", "1.2.840.1", "1.2.840.2", "data/SMITH_JOHN/100012/1"];
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
            assert_eq!(scrub(reason, &names), shown, "{reason}");
        }
    }
}
