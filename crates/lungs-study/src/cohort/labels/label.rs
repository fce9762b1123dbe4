//! A label, and the labels of a study by series, exam, path and patient.

use super::date::Date;
use lungs_base::follow_up::FollowUp;
use lungs_image::images::Image;
use lungs_spec::spec::SplitName;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The label of a series, an exam or a patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// 1 for cancer within the horizon.
    pub label: bool,
    /// Follow-up, with `outcome.name = "survival"`; then the label is cancer within the first horizon.
    pub follow_up: Option<FollowUp>,
    /// Patient, if the source has one.
    pub patient_id: Option<String>,
    /// Exam, if the source has one.
    pub exam_id: Option<String>,
    /// Split, if the source fixes it.
    pub split: Option<SplitName>,
    /// Values of other columns, by column name.
    pub columns: BTreeMap<String, String>,
    /// Source, such as `labels.csv line 3`.
    pub source: String,
}

/// A label of a patient, for all exams or for those of one date.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PatientLabel {
    /// The date of the exams; `None` for all exams.
    pub(super) date: Option<Date>,
    pub(super) label: Label,
}

/// All labels, by the series, path, exam or patient that they name.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    pub(super) by_series: BTreeMap<String, Vec<Label>>,
    pub(super) by_path: BTreeMap<PathBuf, Vec<Label>>,
    pub(super) by_exam: BTreeMap<String, Vec<Label>>,
    pub(super) by_patient: BTreeMap<String, Vec<PatientLabel>>,
    /// The folder of images. Folders below it can have patient IDs as names.
    pub(super) root: PathBuf,
}

impl Labels {
    /// Gives all images the same label and split. `source` is the line of a list; without it, the source of
    /// each label is the path of the image.
    pub(crate) fn add_images(
        &mut self,
        images: &[Image],
        label: bool,
        split: Option<SplitName>,
        source: Option<&str>,
    ) {
        for image in images {
            let source = source.map_or_else(|| image.path.display().to_string(), str::to_owned);
            let columns = BTreeMap::new();
            let entry = Label {
                label,
                follow_up: None,
                patient_id: None,
                exam_id: None,
                split,
                columns,
                source,
            };
            self.by_series.entry(image.series_uid.clone()).or_default().push(entry);
        }
    }
}
