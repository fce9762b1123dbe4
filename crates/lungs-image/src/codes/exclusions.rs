//! Reasons why a series, a part of a series or a file is not used.

use super::codes;

codes! {
    /// Why a series, a part of a series, a file or a label is not used.
    ExclusionCode: &str {
        NotCt: "not-ct", Note, "not CT",
                "another kind of image";
        Localizer: "localizer", Note, "scout views only",
                "every image of the series is a localizer";
        NoSlices: "no-slices", Look, "no slices",
                "the series has no cross-sectional image of the body";
        SeveralPatients: "several-patients", Look, "several patients in one series",
                "files of several patients have one SeriesInstanceUID";
        SeveralExams: "several-exams", Look, "several exams in one series",
                "files of several exams have one SeriesInstanceUID";
        SeveralStacks: "several-stacks", Look, "several stacks in one series",
                "the slices form several stacks, none of which is the whole scan";
        TooManyStacks: "too-many-stacks", Look, "too many stacks",
                "the series has more stacks than any scan";
        TooLarge: "too-large", Look, "too large",
                "more voxels than any CT has";
        Sheared: "sheared", Look, "sheared slices",
                "the offset between slices does not match a gantry tilt";
        NotAxial: "not-axial", Look, "not axial",
                "sagittal or coronal images, which the spec excludes";
        BadHeader: "bad-header", Look, "invalid header",
                "a value is missing or impossible";
        NotOneVolume: "not-one-volume", Look, "not one volume",
                "several volumes or several values per voxel";
        UnsupportedFormat: "unsupported-format", Look, "unsupported format",
                "convert it, for example to one .nii file";
        DataOutside: "data-outside", Look, "data outside its folder",
                "the header names a file in another folder";
        BadTag: "bad-tag", Look, "header value missing or impossible",
                "the volume needs it for its geometry";
        InconsistentSlices: "inconsistent-slices", Look, "inconsistent slices",
                "a header value that must be the same on every slice is not";
        NotHounsfield: "not-hounsfield", Look, "not in Hounsfield units",
                "the stored values have another unit";
        TooFewSlices: "too-few-slices", Look, "too few slices",
                "fewer images than a chest needs";
        DuplicateSlices: "duplicate-slices", Look, "two images at one position",
                "several acquisitions are mixed in one series";
        MissingSlices: "missing-slices", Look, "slices are missing",
                "an otherwise even stack has a gap";
        UnevenSpacing: "uneven-spacing", Look, "uneven slice spacing",
                "gaps between slices differ";
        GantryTilt: "gantry-tilt", Look, "tilted gantry",
                "slices are sheared against each other";
        ScatteredSlices: "scattered-slices", Look, "slices not on one line",
                "several stacks are mixed in one series";
        Oblique: "oblique", Look, "oblique slices",
                "the images are tilted too far from the axes of the body";
        Truncated: "truncated", Look, "truncated file",
                "the pixel data are incomplete";
        UnsupportedTransferSyntax: "unsupported-transfer-syntax", Look, "unsupported compression",
                "no decoder for this transfer syntax; convert the files";
        Undecodable: "undecodable", Look, "compressed pixels do not decode",
                "the file is damaged";
        Unreadable: "unreadable", Look, "file cannot be read",
                "damaged, or of another type than its name or header says";
        PreparedOtherwise: "prepared-otherwise", Look, "prepared with other settings",
                "the volume was prepared with other settings, and its scan is not available";
        WideSlices: "wide-slices", Look, "slices too far apart",
                "wider gaps than the spec accepts";
        SlicesTooFarApart: "slices-too-far-apart", Look, "slices too far apart",
                "wider gaps than the spec accepts";
        ThickSlices: "thick-slices", Look, "slices too thick",
                "a thickness above the limit of Sybil";
        NotResampled: "not-resampled", Look, "cannot be resampled",
                "the volume has an impossible size";
        NoBody: "no-body", Look, "no body found",
                "empty field of view, or not Hounsfield units";
        NoLungs: "no-lungs", Look, "no lungs found",
                "no air inside the body: probably not a chest";
        SmallLungs: "small-lungs", Look, "lungs too small",
                "less lung than the spec accepts: probably not a chest";
        TooShort: "too-short", Look, "scan too short",
                "fewer slices than lungs-0.1.5 accepts";
        SmallBox: "small-box", Look, "lung box too small",
                "smaller than lungs-0.1.5 accepts";
        Defect: "defect", Look, "program error",
                "please report it";
        KernelNotListed: "kernel-not-listed", Look, "kernel not listed",
                "data.select.kernels does not list it";
        KernelExcluded: "kernel-excluded", Look, "kernel excluded",
                "data.select.exclude_kernels lists it";
        TooManySlices: "too-many-slices", Look, "too many slices",
                "more than the spec accepts";
        SlicesTooNear: "slices-too-near", Look, "slices too near",
                "narrower gaps than the spec accepts";
        Copies: "copies", Look, "copies of slices",
                "the same slices exist in another folder and count once";
        Copy: "copy", Note, "copy",
                "the same series exists twice and counts once";
        EqualScan: "equal-scan", Look, "equal scan",
                "another series has the same voxels and is used";
        Localizers: "localizers", Note, "scout views",
                "localizer images in a series of slices";
        DosePages: "dose-pages", Note, "dose pages",
                "dose reports in a series of slices";
        ScreenSaves: "screen-saves", Note, "screen saves",
                "screenshots in a series of slices";
        Projections: "projections", Look, "projections",
                "projections through many slices";
        SecondaryCaptures: "secondary-captures", Note, "secondary captures",
                "pictures made from other images";
        ColourImages: "colour-images", Note, "colour images",
                "CT slices are greyscale";
        OtherModalities: "other-modalities", Note, "other modalities",
                "not CT images";
        OtherStack: "other-stack", Look, "another stack",
                "a larger stack of the same series is used";
        NoLabel: "no-label", Look, "no label",
                "no label names the series, its folder, its exam or its patient";
        NoPatient: "no-patient", Look, "no patient",
                "without a patient ID, leaks between splits cannot be excluded";
        PatientMismatch: "patient-mismatch", Look, "patient mismatch",
                "images and labels name different patients";
        NotPreferred: "not-preferred", Note, "another series of the exam is used",
                "one series per exam is used";
        LabelWithoutSeries: "label-without-series", Look, "label without a series",
                "no series, folder or exam has this name";
        Compressed: "compressed", Look, "compressed files",
                "not unpacked; they may contain images";
        Archive: "archive", Look, "archives",
                "not unpacked; they may contain images";
        HiddenFolder: "hidden-folder", Look, "files in hidden folders",
                "not read; they may contain images";
        CacheFolder: "cache-folder", Note, "cache folders",
                "prepared volumes are not scans";
        HiddenFile: "hidden-file", Note, "hidden files",
                "their names begin with a dot";
        Dicomdir: "dicomdir", Note, "DICOMDIR",
                "a list of files without an image";
        Table: "table", Note, "tables",
                "not images";
        Picture: "picture", Note, "pictures",
                "not CT images";
        Document: "document", Note, "documents",
                "not images";
        Other: "other", Note, "other files",
                "not images";
        NotInSplitLists: "not-in-split-lists", Look, "in no split list",
                "split.lists names other patients, and every other split has the fraction 0";
    }
    numbered {}
}
