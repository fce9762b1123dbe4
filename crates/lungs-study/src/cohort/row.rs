//! A row of `cohort.csv`.

use lungs_base::follow_up::FollowUp;
use lungs_base::label;
use lungs_image::codes::{Exclusion, ExclusionCode, Flag, joined_flags, optional_code};
use lungs_image::dicom::{Acquisition, Sex};
use lungs_spec::results::{ResultsError, read_wide_csv, write_csv, write_wide_csv};
use lungs_spec::spec::SplitName;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A row of `cohort.csv`: a series, a damaged file, or a label without a series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CohortRow {
    /// PatientID, or `patient_id` of the labels.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// `exam_id` of the labels, or the StudyInstanceUID, or the series.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// SeriesInstanceUID, or the name of a volume file.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// Folder of the series, volume file, or damaged file.
    pub path: String,
    /// 1 for cancer within the horizon, 0 for no cancer, empty if unknown.
    #[serde(default, with = "label::as_optional_number")]
    pub label: Option<bool>,
    /// Follow-up, with `outcome.name = "survival"`.
    #[serde(skip)]
    pub follow_up: Option<FollowUp>,
    /// Split; empty for excluded rows.
    pub split: Option<SplitName>,
    /// Whether this series is used for its exam.
    pub chosen: bool,
    /// Code of the exclusion; empty for chosen series.
    #[serde(default, with = "optional_code")]
    pub code: Option<ExclusionCode>,
    /// Reason of the exclusion as a sentence; empty for chosen series.
    pub reason: String,
    /// `dicom`, `nifti`, `metaimage` or `prepared`.
    pub kind: String,
    /// Number of slices, or of files if there is no volume.
    pub slices: usize,
    /// Distance between slices; empty if unknown.
    pub slice_spacing_mm: Option<f64>,
    /// Distance from the first to the last slice; empty if unknown.
    pub coverage_mm: Option<f64>,
    /// StudyDate of the header; empty if missing, and in tables of older runs. For a label without a series,
    /// the date of the label.
    #[serde(default)]
    pub study_date: String,
    /// Reconstruction kernel.
    pub kernel: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Flags of harmless peculiarities of the headers.
    #[serde(with = "joined_flags")]
    pub flags: Vec<Flag>,
    /// ManufacturerModelName of the header. This and the next columns are empty if missing, and in tables of
    /// older runs.
    #[serde(default)]
    pub scanner_model: String,
    /// KVP of the header.
    #[serde(default)]
    pub kilovolts: Option<f64>,
    /// XRayTubeCurrent of the header, mean over the slices.
    #[serde(default)]
    pub tube_current_ma: Option<f64>,
    /// Exposure of the header, mean over the slices.
    #[serde(default)]
    pub exposure_mas: Option<f64>,
    /// CTDIvol of the header, mean over the slices.
    #[serde(default)]
    pub ctdi_vol_mgy: Option<f64>,
    /// SliceThickness of the header.
    #[serde(default)]
    pub slice_thickness_mm: Option<f64>,
    /// PatientAge of the header.
    #[serde(default)]
    pub age_years: Option<f64>,
    /// PatientSex of the header.
    #[serde(default)]
    pub sex: Option<Sex>,
}

/// The `kind` of rows for a part of a series: scout views, other stacks.
pub(super) const PART: &str = "part";

/// The `kind` of rows that count files that are not images or are not read.
pub(super) const PASSED_OVER: &str = "passed-over";

impl CohortRow {
    /// Whether the row is an image, and not a part of an image, a damaged file, a label or a count of files.
    pub fn is_image(&self) -> bool {
        !self.kind.is_empty() && self.kind != PART && self.kind != PASSED_OVER
    }

    /// Whether the row is a file that cannot be read.
    pub fn is_damaged_file(&self) -> bool {
        self.kind.is_empty() && self.label.is_none()
    }

    /// Whether the row is a label without a series.
    pub fn is_label(&self) -> bool {
        self.kind.is_empty() && self.label.is_some()
    }

    /// Whether the row counts files of one kind that are not images or are not read.
    pub fn is_skipped_file(&self) -> bool {
        self.kind == PASSED_OVER
    }

    /// The code and the reason of an excluded row.
    pub fn exclusion(&self) -> Option<Exclusion> {
        let code = self.code.clone()?;
        Some(Exclusion { code, reason: self.reason.clone() })
    }

    /// The exclusion as `code: sentence`; empty for a chosen series.
    pub fn reason_text(&self) -> String {
        self.exclusion().map_or(String::new(), |exclusion| exclusion.to_string())
    }

    /// Excludes the row.
    pub fn exclude(&mut self, exclusion: Exclusion) {
        self.chosen = false;
        self.code = Some(exclusion.code);
        self.reason = exclusion.reason;
    }

    /// A row with this acquisition and no other values.
    pub(super) fn of_acquisition(acquisition: &Acquisition) -> Self {
        let Acquisition {
            scanner_model,
            age_years,
            sex,
            kilovolts,
            tube_current_ma,
            exposure_mas,
            ctdi_vol_mgy,
            slice_thickness_mm,
        } = acquisition.clone();
        Self {
            scanner_model,
            age_years,
            sex,
            kilovolts,
            tube_current_ma,
            exposure_mas,
            ctdi_vol_mgy,
            slice_thickness_mm,
            ..Self::default()
        }
    }

    /// A row with an exclusion and no other values.
    pub(super) fn of_exclusion(exclusion: Exclusion) -> Self {
        Self { code: Some(exclusion.code), reason: exclusion.reason, ..Self::default() }
    }

    /// Moves the code of a table of older versions, whose reasons are `code: sentence`, to its own field.
    fn with_code(mut self) -> Self {
        if self.code.is_none() && !self.chosen && !self.reason.is_empty() {
            let (code, sentence) = self.reason.split_once(':').unwrap_or((&self.reason, ""));
            self.code = Some(ExclusionCode::from(code));
            self.reason = sentence.trim().to_owned();
        }
        self
    }
}

/// Columns of the follow-up: its time, and 1 if it ends with cancer.
const FOLLOW_UP: [&str; 2] = ["time_years", "event"];

/// Writes `cohort.csv`. If rows have a follow-up, the table has the additional columns `time_years` and `event`.
///
/// # Errors
/// The file cannot be written.
pub fn write_cohort(path: &Path, rows: &[CohortRow]) -> Result<(), ResultsError> {
    if rows.iter().all(|row| row.follow_up.is_none()) {
        return write_csv(path, rows);
    }
    write_wide_csv(path, rows, &FOLLOW_UP, |row| match row.follow_up {
        Some(FollowUp { time_years, event }) => {
            vec![time_years.to_string(), u8::from(event).to_string()]
        }
        None => vec![String::new(); 2],
    })
}

/// Reads `cohort.csv` of this or an older version.
///
/// # Errors
/// The table cannot be read.
pub fn read_cohort(path: &Path) -> Result<Vec<CohortRow>, ResultsError> {
    let rows = read_wide_csv::<CohortRow, 2>(path, FOLLOW_UP)?;
    rows.into_iter()
        .map(|(row, cells)| Ok(CohortRow { follow_up: follow_up(path, cells)?, ..row.with_code() }))
        .collect()
}

/// The follow-up of the cells of a row; `None` if they are empty or missing.
fn follow_up(
    path: &Path,
    [time, event]: [Option<String>; 2],
) -> Result<Option<FollowUp>, ResultsError> {
    let (Some(time), Some(event)) = (time, event) else { return Ok(None) };
    if time.is_empty() && event.is_empty() {
        return Ok(None);
    }
    let event = match event.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    let time_years = time.parse().ok().filter(|years: &f64| years.is_finite() && *years >= 0.0);
    let follow_up = time_years.zip(event);
    let follow_up = follow_up.map(|(time_years, event)| FollowUp { time_years, event });
    follow_up.map(Some).ok_or_else(|| ResultsError::Read {
        path: path.to_owned(),
        message: format!(
            "found time_years {time:?} with another event than 0 or 1, or a time that is not a number; restore the \
             file"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "patient,exam,series,path,label,split,chosen,reason,kind,slices,slice_spacing_mm,\
                          coverage_mm,study_date,kernel,manufacturer,flags";

    #[test]
    fn follow_up_has_columns_only_if_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        let row = CohortRow { patient_id: "P".into(), chosen: true, ..CohortRow::default() };
        write_cohort(&path, std::slice::from_ref(&row)).unwrap();
        assert_eq!(read_cohort(&path).unwrap(), std::slice::from_ref(&row));
        assert!(!std::fs::read_to_string(&path).unwrap().contains("event"));
        let follow_up = Some(FollowUp { time_years: 400.0 / 365.25, event: true });
        let rows = [CohortRow { follow_up, ..row.clone() }, row];
        write_cohort(&path, &rows).unwrap();
        assert_eq!(read_cohort(&path).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().next().unwrap().ends_with(",sex,time_years,event"), "{text}");
        std::fs::write(&path, text.replace(",1\n", ",2\n")).unwrap();
        let message = read_cohort(&path).unwrap_err().to_string();
        assert!(message.contains("another event than 0 or 1"), "{message}");
    }

    #[test]
    fn a_table_without_codes_is_read_and_written_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        let old = format!(
            "{HEADER}\nP1,E1,1.1,ct/a,1,train,true,,dicom,100,2.0,198.0,,B30f,S,reoriented;one-lung\n\
             P1,E1,1.2,ct/b,1,,false,not-preferred: series 1.1: preferred,dicom,100,2.0,198.0,,B30f,S,\n\
             ,,,ct/c,,,false,new-code: a sentence,,0,,,,,,\n"
        );
        std::fs::write(&path, old).unwrap();
        let rows = read_cohort(&path).unwrap();
        assert_eq!(
            (rows[0].exclusion(), &*rows[0].flags),
            (None, &[Flag::Reoriented, Flag::OneLung][..])
        );
        let exclusion = Exclusion::new(ExclusionCode::NotPreferred, "series 1.1: preferred");
        assert_eq!(rows[1].exclusion(), Some(exclusion));
        assert_eq!(rows[2].code, Some(ExclusionCode::Unknown("new-code".into())));
        write_csv(&path, &rows).unwrap();
        assert_eq!(read_cohort(&path).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        let header = HEADER.replace("chosen,", "chosen,code,");
        assert!(text.starts_with(&format!("{header},scanner_model,")), "{text}");
        assert!(text.contains(",false,not-preferred,series 1.1: preferred,dicom,"), "{text}");
    }
}
