//! Names and explanations of all flags and reason codes of the tables.

use std::borrow::Cow;

/// Whether a flag or reason needs inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For information only.
    Note,
    /// Inspect the picture before using the series, or the files before accepting its exclusion.
    Look,
}

/// Name and explanation of a flag or reason code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Short name: "lungs cut at the top".
    pub name: Cow<'static, str>,
    /// Explanation: "the scan ends inside the lungs"; empty for an unknown code.
    pub meaning: &'static str,
    /// Whether it needs inspection.
    pub weight: Weight,
}

impl Words {
    /// Name and explanation: "lungs cut at the top: the scan ends inside the lungs".
    pub fn sentence(&self) -> String {
        match self.meaning {
            "" => self.name.to_string(),
            meaning => format!("{}: {meaning}", self.name),
        }
    }
}

/// Name and explanation of a flag or code of `preparation.csv` or a reason code of `cohort.csv`. The name of an
/// unknown code is the code without hyphens, and it needs inspection.
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

/// The flags of a row's `flags` column, which joins them by `;`.
pub fn flags(joined: &str) -> impl Iterator<Item = &str> {
    joined.split(';').map(str::trim).filter(|flag| !flag.is_empty())
}

/// Flags of series that are used.
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
        "both lungs together are less than 1.5 litres; inhaled adult lungs are 3 to 7 litres",
    ),
    (
        "one-lung",
        Weight::Look,
        "one lung",
        "one side has less than a twelfth of the lung volume, or none",
    ),
    (
        "asymmetric-lungs",
        Weight::Look,
        "asymmetric lungs",
        "one side has much less lung than the other: collapse, effusion, or incomplete segmentation",
    ),
    (
        "gas-beside-lung",
        Weight::Look,
        "gas next to the lung",
        "gas without lung tissue in the chest, such as a pneumothorax or a large bulla",
    ),
    (
        "trachea-not-found",
        Weight::Look,
        "no trachea found",
        "it may be segmented as lung and extend the bounding box into the neck",
    ),
    (
        "body-interrupted",
        Weight::Look,
        "body interrupted",
        "slices of air divide the body, as in a phantom of slabs; they are treated like their neighbours",
    ),
    (
        "patient-assumed",
        Weight::Note,
        "patient assumed",
        "the volume file names no patient and is treated as a patient of its own",
    ),
    (
        "localizers-left-out",
        Weight::Note,
        "scout views excluded",
        "localizer images in the series are not part of the volume",
    ),
    (
        "dose-pages-left-out",
        Weight::Note,
        "dose pages excluded",
        "dose reports in the series are not part of the volume",
    ),
    (
        "screen-saves-left-out",
        Weight::Note,
        "screen saves excluded",
        "screenshots in the series are not part of the volume",
    ),
    (
        "projections-left-out",
        Weight::Note,
        "projections excluded",
        "projections through many slices are not part of the volume",
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
        "secondary captures excluded",
        "pictures made from other images are not part of the volume",
    ),
    ("colour-images-left-out", Weight::Note, "colour images excluded", "CT slices are greyscale"),
    (
        "other-modalities-left-out",
        Weight::Note,
        "other modalities excluded",
        "objects with the UID of the series that are not CT images",
    ),
    (
        "other-stacks-left-out",
        Weight::Look,
        "one of several stacks",
        "the series has several stacks of slices; the largest is used",
    ),
    (
        "tilt-resheared",
        Weight::Note,
        "gantry tilt corrected",
        "the image rows were resampled onto an untilted grid",
    ),
    (
        "reformatted-from-sagittal",
        Weight::Note,
        "reformatted from sagittal",
        "sagittal images were reformatted to axial order",
    ),
    (
        "reformatted-from-coronal",
        Weight::Note,
        "reformatted from coronal",
        "coronal images were reformatted to axial order",
    ),
    (
        "orientation-assumed",
        Weight::Look,
        "orientation assumed",
        "the file has no orientation in patient coordinates",
    ),
    (
        "spacing-assumed",
        Weight::Note,
        "spacing assumed",
        "the file has no voxel size; 1.5 mm is the spacing of the Python package `lungs`",
    ),
    (
        "prepared-before",
        Weight::Note,
        "already prepared",
        "the volume was only cropped to preprocess.size",
    ),
    (
        "copies-counted-once",
        Weight::Note,
        "copies counted once",
        "identical files exist in several folders",
    ),
    (
        "duplicates-dropped",
        Weight::Note,
        "duplicates dropped",
        "some slices exist several times with equal pixels; one of each is used",
    ),
    (
        "reoriented",
        Weight::Note,
        "reoriented",
        "the images are stored in another orientation and were turned to the standard one",
    ),
];

/// Reasons that are common in every archive and need no inspection.
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

/// Reasons why a series or file is not used.
const REASONS: &[(&str, &str, &str)] = &[
    ("not-ct", "not CT", "another kind of image"),
    ("localizer", "scout views only", "every image of the series is a localizer"),
    ("no-slices", "no slices", "the series has no cross-sectional image of the body"),
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
        "the slices form several stacks, none of which is the whole scan",
    ),
    ("too-many-stacks", "too many stacks", "the series has more stacks than any scan"),
    ("too-large", "too large", "more voxels than any CT has"),
    ("sheared", "sheared slices", "the offset between slices does not match a gantry tilt"),
    ("not-axial", "not axial", "sagittal or coronal images, which the spec excludes"),
    ("bad-header", "invalid header", "a value is missing or impossible"),
    ("not-one-volume", "not one volume", "several volumes or several values per voxel"),
    ("unsupported-format", "unsupported format", "convert it, for example to one .nii file"),
    ("data-outside", "data outside its folder", "the header names a file in another folder"),
    ("bad-tag", "header value missing or impossible", "the volume needs it for its geometry"),
    (
        "inconsistent-slices",
        "inconsistent slices",
        "a header value that must be the same on every slice is not",
    ),
    ("not-hounsfield", "not in Hounsfield units", "the stored values have another unit"),
    ("too-few-slices", "too few slices", "fewer images than a chest needs"),
    (
        "duplicate-slices",
        "two images at one position",
        "several acquisitions are mixed in one series",
    ),
    ("missing-slices", "slices are missing", "an otherwise even stack has a gap"),
    ("uneven-spacing", "uneven slice spacing", "gaps between slices differ"),
    ("gantry-tilt", "tilted gantry", "slices are sheared against each other"),
    ("scattered-slices", "slices not on one line", "several stacks are mixed in one series"),
    ("oblique", "oblique slices", "the images are tilted too far from the axes of the body"),
    ("truncated", "truncated file", "the pixel data are incomplete"),
    (
        "unsupported-transfer-syntax",
        "unsupported compression",
        "no decoder for this transfer syntax; convert the files",
    ),
    ("undecodable", "compressed pixels do not decode", "the file is damaged"),
    (
        "unreadable",
        "file cannot be read",
        "damaged, or of another type than its name or header says",
    ),
    (
        "prepared-otherwise",
        "prepared with other settings",
        "the volume was prepared with other settings, and its scan is not available",
    ),
    ("wide-slices", "slices too far apart", "wider gaps than the spec accepts"),
    ("slices-too-far-apart", "slices too far apart", "wider gaps than the spec accepts"),
    ("not-resampled", "cannot be resampled", "the volume has an impossible size"),
    ("no-body", "no body found", "empty field of view, or not Hounsfield units"),
    ("no-lungs", "no lungs found", "no air inside the body: probably not a chest"),
    ("small-lungs", "lungs too small", "less lung than the spec accepts: probably not a chest"),
    ("too-short", "scan too short", "fewer slices than lungs-0.1.5 accepts"),
    ("small-box", "lung box too small", "smaller than lungs-0.1.5 accepts"),
    ("defect", "program error", "please report it"),
    ("kernel-not-listed", "kernel not listed", "data.select.kernels does not list it"),
    ("kernel-excluded", "kernel excluded", "data.select.exclude_kernels lists it"),
    ("too-many-slices", "too many slices", "more than the spec accepts"),
    ("slices-too-near", "slices too near", "narrower gaps than the spec accepts"),
    ("copies", "copies of slices", "the same slices exist in another folder and count once"),
    ("copy", "copy", "the same series exists twice and counts once"),
    ("equal-scan", "equal scan", "another series has the same voxels and is used"),
    ("localizers", "scout views", "localizer images in a series of slices"),
    ("dose-pages", "dose pages", "dose reports in a series of slices"),
    ("screen-saves", "screen saves", "screenshots in a series of slices"),
    ("projections", "projections", "projections through many slices"),
    ("secondary-captures", "secondary captures", "pictures made from other images"),
    ("colour-images", "colour images", "CT slices are greyscale"),
    ("other-modalities", "other modalities", "not CT images"),
    ("other-stack", "another stack", "a larger stack of the same series is used"),
    ("no-label", "no label", "no label names the series, its folder, its exam or its patient"),
    ("no-patient", "no patient", "without a patient ID, leaks between splits cannot be excluded"),
    ("patient-mismatch", "patient mismatch", "images and labels name different patients"),
    ("not-preferred", "another series of the exam is used", "one series per exam is used"),
    ("label-without-series", "label without a series", "no series, folder or exam has this name"),
    ("compressed", "compressed files", "not unpacked; they may contain images"),
    ("archive", "archives", "not unpacked; they may contain images"),
    ("hidden-folder", "files in hidden folders", "not read; they may contain images"),
    ("cache-folder", "cache folders", "prepared volumes are not scans"),
    ("hidden-file", "hidden files", "their names begin with a dot"),
    ("dicomdir", "DICOMDIR", "a list of files without an image"),
    ("table", "tables", "not images"),
    ("picture", "pictures", "not CT images"),
    ("document", "documents", "not images"),
    ("other", "other files", "not images"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// String literals of a source text between `start` and `end`.
    fn literals<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        let part = text.split_once(start).expect("the text has the start").1;
        let part = part.split_once(end).map_or(part, |(part, _)| part);
        let words: Vec<&str> = part.split('"').skip(1).step_by(2).collect();
        assert!(!words.is_empty());
        words
    }

    #[test]
    fn every_flag_and_code_of_the_program_is_explained() {
        let mut codes = literals(
            include_str!("../../../lungs-image/src/dicom/error.rs"),
            "fn code(",
            "\n    }\n",
        );
        codes.extend(literals(
            include_str!("../../../lungs-study/src/prepare/refusal.rs"),
            "fn code(",
            "\n    }\n",
        ));
        let lungs = include_str!("../../../lungs-image/src/volume/lungs/flags.rs");
        codes.extend(literals(lungs, "impl fmt::Display for LungFlag", "\n}\n"));
        codes.extend(literals(
            include_str!("../../../lungs-image/src/formats/error.rs"),
            "fn code(",
            "\n    }\n",
        ));
        let rules =
            include_str!("../../../lungs-study/src/cohort/rules.rs").split("#[cfg(test)]").next();
        let sentences = rules.unwrap_or_default().split('"').skip(1).step_by(2);
        codes.extend(sentences.filter_map(|text| text.split_once(": ").map(|(code, _)| code)));
        let split = include_str!("../../../lungs-image/src/dicom/split.rs");
        codes.extend(
            literals(split, "let (code, description)", "            };\n")
                .into_iter()
                .filter(|code| code.contains('-') || *code == "localizers"),
        );
        codes.extend([
            lungs_study::prepare::LUNGS_BEYOND_CROP,
            "patient-assumed",
            "equal-scan",
            "copies",
        ]);
        codes.extend(["duplicates-dropped", "tilt-resheared", "reoriented", "other-stack"]);
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            let words = words(code);
            assert!(!words.meaning.is_empty(), "add an explanation of \"{code}\" to glossary.rs");
        }
    }

    #[test]
    fn an_unknown_code_is_shown_without_hyphens() {
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
