//! The ground truth of an exam, as a row of a table.

use std::path::Path;

use super::PhantomError;
use super::exam::{ExamPlan, Kernel};
use super::finding::Finding;
use super::grid::to_decimals;
use super::nodule::{Nodule, NoduleKind, Site};
use super::render::RenderedExam;

/// The ground truth of an exam: a row of `truth.csv`. Lengths are in mm in patient coordinates (x left,
/// y back, z head); voxels are indices in the main series with slices from feet to head.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the columns' names include their units")]
pub struct Truth {
    pub patient_id: String,
    pub exam_id: String,
    pub series_uid: String,
    /// The main series' folder, relative to the cohort's.
    pub folder: String,
    /// Whether there is a cancer within a year.
    #[serde(with = "lungs_base::label::as_number")]
    pub label: bool,
    pub days_to_cancer: Option<u32>,
    pub sex: char,
    pub age: u32,
    pub kernel: Kernel,
    pub slices: usize,
    pub rows: usize,
    pub columns: usize,
    pub gap_mm: f64,
    pub pixel_mm: f64,
    pub thickness_mm: f64,
    /// Centre of the first voxel of the lowest slice.
    pub origin_x_mm: f64,
    pub origin_y_mm: f64,
    pub origin_z_mm: f64,
    /// The cancer, if there is one.
    pub cancer_kind: Option<NoduleKind>,
    pub cancer_diameter_mm: Option<f64>,
    pub cancer_hu: Option<f64>,
    pub cancer_site: Option<Site>,
    pub cancer_x_mm: Option<f64>,
    pub cancer_y_mm: Option<f64>,
    pub cancer_z_mm: Option<f64>,
    pub cancer_depth_voxel: Option<f64>,
    pub cancer_height_voxel: Option<f64>,
    pub cancer_width_voxel: Option<f64>,
    /// The benign nodule, if there is one.
    pub benign_kind: Option<NoduleKind>,
    pub benign_diameter_mm: Option<f64>,
    pub benign_hu: Option<f64>,
    pub benign_site: Option<Site>,
    pub benign_x_mm: Option<f64>,
    pub benign_y_mm: Option<f64>,
    pub benign_z_mm: Option<f64>,
    pub right_lung_ml: f64,
    pub left_lung_ml: f64,
    /// Centres of the first and last voxels of the box around both lungs, and the centre of the box.
    pub lungs_low_x_mm: Option<f64>,
    pub lungs_low_y_mm: Option<f64>,
    pub lungs_low_z_mm: Option<f64>,
    pub lungs_high_x_mm: Option<f64>,
    pub lungs_high_y_mm: Option<f64>,
    pub lungs_high_z_mm: Option<f64>,
    pub lungs_center_x_mm: Option<f64>,
    pub lungs_center_y_mm: Option<f64>,
    pub lungs_center_z_mm: Option<f64>,
    /// Variants and findings, joined by `+`.
    pub variants: String,
}

impl Truth {
    pub(super) fn of(exam: &ExamPlan, rendered: &RenderedExam, folder: String) -> Self {
        let round = |value: f64| to_decimals(value, 3);
        let grid = &exam.grid;
        let cancer = exam.nodules.iter().find(|nodule| nodule.kind.is_malignant());
        let benign = exam.nodules.iter().find(|nodule| !nodule.kind.is_malignant());
        let center = |nodule: Option<&Nodule>, axis: usize| {
            nodule.map(|nodule| round(exam.nodule_center_mm(nodule)[axis]))
        };
        let voxel = |axis: usize| cancer.map(|nodule| round(exam.nodule_voxel(nodule)[axis]));
        let corner = |end: usize, xyz: usize| {
            rendered.lungs.voxels.map(|ends| {
                rendered.volume.geometry.position_mm(ends[end].map(|index| index as f64))[xyz]
            })
        };
        let low = |xyz| corner(0, xyz).map(round);
        let high = |xyz| corner(1, xyz).map(round);
        let middle = |xyz| Some(round((corner(0, xyz)? + corner(1, xyz)?) / 2.0));
        Self {
            patient_id: exam.patient_id.clone(),
            exam_id: exam.exam_id.clone(),
            series_uid: exam.series_uid(),
            folder,
            label: exam.cancer,
            days_to_cancer: exam.days_to_cancer,
            sex: exam.sex,
            age: exam.age_years,
            kernel: exam.kernel,
            slices: grid.shape[0],
            rows: grid.shape[1],
            columns: grid.shape[2],
            gap_mm: grid.spacing_mm[0],
            pixel_mm: grid.spacing_mm[1],
            thickness_mm: grid.thickness_mm,
            origin_x_mm: grid.origin_mm[0],
            origin_y_mm: grid.origin_mm[1],
            origin_z_mm: grid.origin_mm[2],
            cancer_kind: cancer.map(|nodule| nodule.kind),
            cancer_diameter_mm: cancer.map(|nodule| nodule.diameter_mm),
            cancer_hu: cancer.map(|nodule| nodule.hu),
            cancer_site: cancer.map(|nodule| nodule.site),
            cancer_x_mm: center(cancer, 0),
            cancer_y_mm: center(cancer, 1),
            cancer_z_mm: center(cancer, 2),
            cancer_depth_voxel: voxel(0),
            cancer_height_voxel: voxel(1),
            cancer_width_voxel: voxel(2),
            benign_kind: benign.map(|nodule| nodule.kind),
            benign_diameter_mm: benign.map(|nodule| nodule.diameter_mm),
            benign_hu: benign.map(|nodule| nodule.hu),
            benign_site: benign.map(|nodule| nodule.site),
            benign_x_mm: center(benign, 0),
            benign_y_mm: center(benign, 1),
            benign_z_mm: center(benign, 2),
            right_lung_ml: round(rendered.lungs.right_ml),
            left_lung_ml: round(rendered.lungs.left_ml),
            lungs_low_x_mm: low(0),
            lungs_low_y_mm: low(1),
            lungs_low_z_mm: low(2),
            lungs_high_x_mm: high(0),
            lungs_high_y_mm: high(1),
            lungs_high_z_mm: high(2),
            lungs_center_x_mm: middle(0),
            lungs_center_y_mm: middle(1),
            lungs_center_z_mm: middle(2),
            variants: {
                let variants = Some(exam.variants.names()).filter(|names| !names.is_empty());
                let findings = exam.findings.iter().map(Finding::name);
                variants.into_iter().chain(findings).collect::<Vec<_>>().join("+")
            },
        }
    }
}

/// A row of `labels.csv`: the label, and columns for subgroups.
#[derive(serde::Serialize)]
struct Label<'a> {
    patient_id: &'a str,
    exam_id: &'a str,
    series_uid: &'a str,
    #[serde(with = "lungs_base::label::as_number")]
    label: bool,
    days_to_cancer: Option<u32>,
    cancer_mm: Option<f64>,
    sex: char,
    age: u32,
    kernel: Kernel,
}

fn write_table<Row: serde::Serialize>(
    path: &Path,
    rows: impl Iterator<Item = Row>,
) -> Result<(), PhantomError> {
    let table_error = |reason: String| PhantomError::Table { path: path.to_owned(), reason };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|failure| table_error(failure.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|failure| table_error(failure.to_string()))?;
    Ok(lungs_base::files::write_bytes(path, &bytes)?)
}

pub(super) fn write_truth(path: &Path, truths: &[Truth]) -> Result<(), PhantomError> {
    write_table(path, truths.iter())
}

/// A row of `labels.csv` in a plan with follow-up. A cancer after the end of the follow-up is not known.
#[derive(serde::Serialize)]
struct FollowedLabel<'a> {
    patient_id: &'a str,
    exam_id: &'a str,
    series_uid: &'a str,
    #[serde(with = "lungs_base::label::as_number")]
    label: bool,
    days_to_event: Option<u32>,
    days_followed: u32,
    cancer_mm: Option<f64>,
    sex: char,
    age: u32,
    kernel: Kernel,
}

impl<'a> FollowedLabel<'a> {
    fn of(truth: &'a Truth, days_followed: u32) -> Self {
        Self {
            patient_id: &truth.patient_id,
            exam_id: &truth.exam_id,
            series_uid: &truth.series_uid,
            label: truth.label,
            days_to_event: truth.days_to_cancer.filter(|days| *days <= days_followed),
            days_followed,
            cancer_mm: truth.cancer_diameter_mm,
            sex: truth.sex,
            age: truth.age,
            kernel: truth.kernel,
        }
    }
}

/// Writes `labels.csv`: with the follow-up of the exams, if the plan has one.
pub(super) fn write_labels(
    path: &Path,
    truths: &[Truth],
    exams: &[ExamPlan],
) -> Result<(), PhantomError> {
    let pairs = truths.iter().zip(exams);
    let followed: Option<Vec<FollowedLabel>> =
        pairs.map(|(truth, exam)| Some(FollowedLabel::of(truth, exam.days_followed?))).collect();
    if let Some(rows) = followed {
        return write_table(path, rows.into_iter());
    }
    let rows = truths.iter().map(|truth| Label {
        patient_id: &truth.patient_id,
        exam_id: &truth.exam_id,
        series_uid: &truth.series_uid,
        label: truth.label,
        days_to_cancer: truth.days_to_cancer,
        cancer_mm: truth.cancer_diameter_mm,
        sex: truth.sex,
        age: truth.age,
        kernel: truth.kernel,
    });
    write_table(path, rows)
}

pub(super) fn read_truth(path: &Path) -> Result<Vec<Truth>, PhantomError> {
    let table_error = |failure: csv::Error| PhantomError::Table {
        path: path.to_owned(),
        reason: failure.to_string(),
    };
    let mut reader = csv::Reader::from_path(path).map_err(table_error)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(table_error)
}
