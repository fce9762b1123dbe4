//! From the short stable words of the tables to words for people: one place for all of them.

use std::borrow::Cow;

/// How much a flag or reason matters to who judges the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know; nothing is wrong.
    Note,
    /// Look at the picture before trusting the series, or at the files before losing it.
    Look,
}

/// A flag or code in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// A few words: "lungs cut at the top".
    pub name: Cow<'static, str>,
    /// What it means: "the scan ends inside the lungs"; empty for a word that is not known here.
    pub meaning: &'static str,
    /// Whether it asks for a look.
    pub weight: Weight,
}

impl Words {
    /// Name and meaning in one phrase.
    pub fn sentence(&self) -> String {
        match self.meaning {
            "" => self.name.to_string(),
            meaning => format!("{}: {meaning}", self.name),
        }
    }
}

/// The words for a flag of `preparation.csv`, for its refusal codes, and for the reasons of
/// `cohort.csv`. An unknown word is shown as it is, without its hyphens, and asks for a look.
pub fn words(code: &str) -> Words {
    let known = FLAGS.iter().map(|(code, weight, name, meaning)| (*code, *weight, *name, *meaning));
    let reasons = REASONS.iter().map(|(code, name, meaning)| {
        let weight = if EXPECTED.contains(code) { Weight::Note } else { Weight::Look };
        (*code, weight, *name, *meaning)
    });
    // `one-of-2-stacks`: the number is the series' own.
    let code = if code.starts_with("one-of-") { "other-stacks-left-out" } else { code };
    match known.chain(reasons).find(|known| known.0 == code) {
        Some((_, weight, name, meaning)) => Words { name: Cow::Borrowed(name), meaning, weight },
        None => {
            let name = Cow::Owned(code.replace('-', " "));
            Words { name, meaning: "", weight: Weight::Look }
        }
    }
}

/// The flags of a row.
pub fn flags(joined: &str) -> impl Iterator<Item = &str> {
    joined.split(';').map(str::trim).filter(|flag| !flag.is_empty())
}

/// What was noticed about a series that is used.
const FLAGS: &[(&str, Weight, &str, &str)] = &[
    (
        "lungs-cut-at-top",
        Weight::Look,
        "lungs cut at the top",
        "the scan ends inside the lungs, towards the head",
    ),
    (
        "lungs-cut-at-bottom",
        Weight::Look,
        "lungs cut at the bottom",
        "the scan ends inside the lungs, towards the feet",
    ),
    (
        "lungs-cut-at-side",
        Weight::Look,
        "lungs cut at the side",
        "the field of view ends inside a lung",
    ),
    (
        "lungs-beyond-crop",
        Weight::Look,
        "lungs beyond the crop",
        "the network does not see all of the lungs; preprocess.size is too small for them",
    ),
    (
        "small-lung-volume",
        Weight::Look,
        "small lungs",
        "both together hold less than 1.5 litres; adults who have breathed in hold 3 to 7",
    ),
    (
        "one-lung",
        Weight::Look,
        "one lung",
        "one side holds less than a twelfth of all lung, or none",
    ),
    (
        "asymmetric-lungs",
        Weight::Look,
        "asymmetric lungs",
        "one side holds much less lung than the other: collapse, effusion, or a part missed",
    ),
    (
        "gas-beside-lung",
        Weight::Look,
        "gas beside the lung",
        "bare gas in the chest, such as a pneumothorax or a large bulla",
    ),
    (
        "trachea-not-found",
        Weight::Look,
        "no trachea found",
        "it may count as lung and stretch the box into the neck",
    ),
    (
        "body-interrupted",
        Weight::Look,
        "body interrupted",
        "slices of air part the body, as in a phantom of slabs; they count as the slices next to them",
    ),
    (
        "patient-assumed",
        Weight::Note,
        "patient assumed",
        "the volume file names no patient and is taken for a patient of its own",
    ),
    (
        "localizers-left-out",
        Weight::Note,
        "scout views left out",
        "localizer images in the series are no part of the volume",
    ),
    (
        "dose-pages-left-out",
        Weight::Note,
        "dose pages left out",
        "tables of doses in the series are no part of the volume",
    ),
    (
        "screen-saves-left-out",
        Weight::Note,
        "screen saves left out",
        "pictures of the screen in the series are no part of the volume",
    ),
    (
        "projections-left-out",
        Weight::Note,
        "projections left out",
        "projections through many slices are no part of the volume",
    ),
    (
        "mixed-headers",
        Weight::Look,
        "headers differ",
        "a few slices differ from the others in kernel, voltage, thickness, type or time",
    ),
    (
        "secondary-captures-left-out",
        Weight::Note,
        "secondary captures left out",
        "pictures made from other images are no part of the volume",
    ),
    (
        "colour-images-left-out",
        Weight::Note,
        "colour images left out",
        "what is not grey is no CT slice",
    ),
    (
        "other-modalities-left-out",
        Weight::Note,
        "other modalities left out",
        "objects under the series' UID that are no CT images",
    ),
    (
        "other-stacks-left-out",
        Weight::Look,
        "one of several stacks",
        "the series holds several stacks; the largest is used",
    ),
    (
        "tilt-resheared",
        Weight::Note,
        "gantry tilt undone",
        "the rows were moved onto an untilted grid",
    ),
    (
        "reformatted-from-sagittal",
        Weight::Note,
        "reformatted from sagittal",
        "sagittal images were turned to axial order",
    ),
    (
        "reformatted-from-coronal",
        Weight::Note,
        "reformatted from coronal",
        "coronal images were turned to axial order",
    ),
    (
        "orientation-assumed",
        Weight::Look,
        "orientation assumed",
        "the file does not say how it lies in the patient",
    ),
    (
        "spacing-assumed",
        Weight::Note,
        "spacing assumed",
        "the file does not say its voxel size; 1.5 mm is what the Python package prepared",
    ),
    (
        "prepared-before",
        Weight::Note,
        "prepared before",
        "the volume was only cut to the size wanted",
    ),
    (
        "copies-counted-once",
        Weight::Note,
        "copies counted once",
        "identical files lie in several places",
    ),
    (
        "duplicates-dropped",
        Weight::Note,
        "duplicates dropped",
        "some slices are there more than once with the same pixels; one of each is used",
    ),
    (
        "reoriented",
        Weight::Note,
        "turned",
        "the images are stored in another orientation and were turned to the usual one",
    ),
];

/// Reasons that every archive has, and nobody has to act upon.
const EXPECTED: &[&str] = &[
    "localizer",
    "not-ct",
    "not-preferred",
    "copy",
    "localizers",
    "dose-pages",
    "screen-saves",
    "secondary-captures",
    "colour-images",
    "other-modalities",
    "cache-folder",
    "hidden-file",
    "dicomdir",
    "table",
    "picture",
    "document",
    "other",
];

/// Why a series or file is not used.
const REASONS: &[(&str, &str, &str)] = &[
    ("not-ct", "not CT", "another kind of image"),
    ("localizer", "scout views only", "every image of the series is a localizer"),
    ("no-slices", "no slices", "nothing in the series shows a slice of the body"),
    (
        "several-patients",
        "several patients in one series",
        "files of several patients have one SeriesInstanceUID",
    ),
    (
        "several-exams",
        "several exams in one series",
        "files of several exams have one SeriesInstanceUID",
    ),
    (
        "several-stacks",
        "several stacks in one series",
        "the slices are of several stacks, none of which is the whole scan",
    ),
    ("too-many-stacks", "too many stacks", "the series holds more stacks than any scan"),
    ("too-large", "too large", "more voxels than any CT has"),
    (
        "sheared",
        "sheared slices",
        "slices are moved against each other in no way that a gantry tilts",
    ),
    ("not-axial", "not axial", "sagittal or coronal images, which the spec refuses"),
    ("bad-header", "header does not make sense", "a value is missing or impossible"),
    ("not-one-volume", "not one volume", "several volumes or several values per voxel"),
    ("unsupported-format", "format that is not read", "convert it, for example to one .nii file"),
    ("data-outside", "data outside its folder", "the header names a file elsewhere"),
    ("bad-tag", "header value missing or impossible", "the volume cannot be placed without it"),
    (
        "inconsistent-slices",
        "slices do not belong together",
        "a header value that must be the same on every slice is not",
    ),
    ("not-hounsfield", "not in Hounsfield units", "stored values are something else"),
    ("too-few-slices", "too few slices", "fewer images than a chest needs"),
    ("duplicate-slices", "two images at one place", "several acquisitions are mixed in one series"),
    ("missing-slices", "slices are missing", "there is a hole in an otherwise even stack"),
    ("uneven-spacing", "uneven slice spacing", "gaps between slices differ"),
    ("gantry-tilt", "tilted gantry", "slices are sheared against each other"),
    ("scattered-slices", "slices not in one line", "several stacks are mixed in one series"),
    ("oblique", "oblique slices", "the images lie too far from the axes of the body"),
    ("truncated", "file cut short", "pixel data ends early"),
    (
        "unsupported-transfer-syntax",
        "unknown compression",
        "there is no decoder for these files; convert them",
    ),
    ("undecodable", "compressed pixels do not decode", "the file is damaged"),
    ("unreadable", "file cannot be read", "damaged, or not what it claims to be"),
    (
        "prepared-otherwise",
        "prepared otherwise",
        "it was prepared with other settings, and its scan is not here",
    ),
    ("wide-slices", "slices too far apart", "wider gaps than the spec accepts"),
    ("slices-too-far-apart", "slices too far apart", "wider gaps than the spec accepts"),
    ("not-resampled", "cannot be resampled", "the volume has an impossible size"),
    ("no-body", "no body found", "empty field of view, or not Hounsfield units"),
    ("no-lungs", "no lungs found", "no air inside the body: probably not a chest"),
    ("small-lungs", "lungs too small", "less lung than the spec accepts: probably not a chest"),
    ("too-short", "scan too short", "fewer slices than lungs-0.1.5 accepts"),
    ("small-box", "lung box too small", "smaller than lungs-0.1.5 accepts"),
    ("defect", "defect of the program", "please report it"),
    ("kernel-not-listed", "kernel not listed", "data.select.kernels names others"),
    ("kernel-excluded", "kernel excluded", "data.select.exclude_kernels names it"),
    ("too-many-slices", "too many slices", "more than the spec accepts"),
    ("slices-too-near", "slices too near", "narrower gaps than the spec accepts"),
    ("copies", "copies of slices", "the same slices lie in another folder and count once"),
    ("copy", "copy", "the same series is there twice and counted once"),
    ("equal-scan", "equal scan", "another series has the same voxels and is used"),
    ("localizers", "scout views", "localizer images in a series of slices"),
    ("dose-pages", "dose pages", "tables of doses in a series of slices"),
    ("screen-saves", "screen saves", "pictures of the screen in a series of slices"),
    ("projections", "projections", "projections through many slices"),
    ("secondary-captures", "secondary captures", "pictures made from other images"),
    ("colour-images", "colour images", "what is not grey is no CT slice"),
    ("other-modalities", "other modalities", "no CT images"),
    ("other-stack", "another stack", "a larger stack of the same series is used"),
    (
        "no-label",
        "no label",
        "the labels name neither the series, its folder, its exam nor its patient",
    ),
    ("no-patient", "no patient", "leaks between parts could not be excluded"),
    ("patient-mismatch", "patient mismatch", "images and labels name different patients"),
    ("not-preferred", "another series stands for the exam", "one series per exam is used"),
    ("label-without-series", "label without a series", "nothing in the data has this name"),
    ("compressed", "compressed files", "not unpacked; there may be images in them"),
    ("archive", "archives", "not unpacked; there may be images in them"),
    ("hidden-folder", "files in hidden folders", "not looked into; there may be images in them"),
    ("cache-folder", "cache folders", "prepared volumes are no data"),
    ("hidden-file", "hidden files", "their names begin with a dot"),
    ("dicomdir", "DICOMDIR", "lists files and is no image"),
    ("table", "tables", "no images"),
    ("picture", "pictures", "no CT images"),
    ("document", "documents", "no images"),
    ("other", "other files", "no images"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Words in quotes after `start` in a program text, up to `end`.
    fn quoted<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        let part = text.split_once(start).expect("the text has the start").1;
        let part = part.split_once(end).map_or(part, |(part, _)| part);
        let words: Vec<&str> = part.split('"').skip(1).step_by(2).collect();
        assert!(!words.is_empty());
        words
    }

    #[test]
    fn every_flag_and_code_of_the_program_has_words() {
        let mut codes = quoted(include_str!("../../dicom/error.rs"), "fn code(", "\n    }\n");
        codes.extend(quoted(include_str!("../../prepare/refusal.rs"), "fn code(", "\n    }\n"));
        let lungs = include_str!("../../volume/lungs/flags.rs");
        codes.extend(quoted(lungs, "impl fmt::Display for LungFlag", "\n}\n"));
        codes.extend(quoted(include_str!("../../formats/error.rs"), "fn code(", "\n    }\n"));
        let rules = include_str!("../../cohort/rules.rs").split("#[cfg(test)]").next();
        let sentences = rules.unwrap_or_default().split('"').skip(1).step_by(2);
        codes.extend(sentences.filter_map(|text| text.split_once(": ").map(|(code, _)| code)));
        let split = include_str!("../../dicom/split.rs");
        codes.extend(
            quoted(split, "let (code, what)", "            };\n")
                .into_iter()
                .filter(|code| code.contains('-') || *code == "localizers"),
        );
        codes.extend([
            crate::prepare::LUNGS_BEYOND_CROP,
            "patient-assumed",
            "equal-scan",
            "copies",
        ]);
        codes.extend(["duplicates-dropped", "tilt-resheared", "reoriented", "other-stack"]);
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            let words = words(code);
            assert!(!words.meaning.is_empty(), "add words for \"{code}\" to glossary.rs");
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_still_readable() {
        let unknown = words("brand-new-flag");
        assert_eq!(unknown.sentence(), "brand new flag");
        assert_eq!(unknown.weight, Weight::Look);
        assert_eq!(
            words("lungs-cut-at-top").sentence(),
            "lungs cut at the top: the scan ends inside the lungs, towards the head"
        );
        assert_eq!(flags("one-lung; reoriented;").collect::<Vec<_>>(), ["one-lung", "reoriented"]);
        assert_eq!(flags("").count(), 0);
    }
}
