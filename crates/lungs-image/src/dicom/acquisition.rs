//! How a volume was acquired, and of whom: what a table of a study population describes.

use serde::{Deserialize, Serialize};

use super::{Exposure, Origin, Series, SliceFile};

/// Sex of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    /// PatientSex `F`.
    Female,
    /// PatientSex `M`.
    Male,
    /// PatientSex `O`.
    Other,
}

impl Sex {
    /// The sex in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
            Self::Other => "other",
        }
    }
}

/// How a volume was acquired, and of whom, from the headers of its slices. Values that no header has are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acquisition {
    /// ManufacturerModelName (0008,1090).
    pub scanner_model: String,
    /// PatientAge (0010,1010) in years.
    pub age_years: Option<f64>,
    /// PatientSex (0010,0040).
    pub sex: Option<Sex>,
    /// KVP (0018,0060), the median over the slices.
    pub kilovolts: Option<f64>,
    /// XRayTubeCurrent, mean over the slices.
    pub tube_current_ma: Option<f64>,
    /// Exposure, mean over the slices.
    pub exposure_mas: Option<f64>,
    /// CTDIvol (0018,9345), mean over the slices.
    pub ctdi_vol_mgy: Option<f64>,
    /// SliceThickness (0018,0050), the median over the slices.
    pub slice_thickness_mm: Option<f64>,
}

impl Series {
    /// The acquisition of these slices, whose patient and series are `origin`.
    pub(crate) fn acquisition(&self, slices: &[usize], origin: &Origin) -> Acquisition {
        let values = |read: &dyn Fn(&SliceFile) -> Option<f64>| -> Vec<f64> {
            let read = slices.iter().filter_map(|&index| read(&self.slices[index]));
            read.filter(|value| value.is_finite() && *value > 0.0).collect()
        };
        let exposure = |read: fn(&Exposure) -> Option<f32>| {
            mean(&values(&|slice| read(&slice.exposure).map(f64::from)))
        };
        let decimal = |read: fn(&SliceFile) -> &String| {
            median(values(&|slice| read(slice).trim().parse().ok()))
        };
        Acquisition {
            scanner_model: origin.scanner_model.clone(),
            age_years: years(&origin.patient_age),
            sex: sex(&origin.patient_sex),
            kilovolts: decimal(|slice| &slice.marks.kilovolts),
            tube_current_ma: exposure(|exposure| exposure.tube_current_ma),
            exposure_mas: exposure(|exposure| exposure.exposure_mas),
            ctdi_vol_mgy: exposure(|exposure| exposure.ctdi_vol_mgy),
            slice_thickness_mm: decimal(|slice| &slice.marks.thickness_mm),
        }
    }
}

/// Years of a DICOM age such as `061Y` or `018M`; `000Y`, which programs write to hide an age, is none.
fn years(age: &str) -> Option<f64> {
    let age = age.trim();
    let (count, unit) = age.split_at_checked(age.len().checked_sub(1)?)?;
    let count: u32 = count.parse().ok()?;
    let per_year = match unit {
        "Y" => 1.0,
        "M" => 12.0,
        "W" => 365.25 / 7.0,
        "D" => 365.25,
        _ => return None,
    };
    (count > 0).then(|| rounded(f64::from(count) / per_year))
}

fn sex(text: &str) -> Option<Sex> {
    match text.trim() {
        "F" | "f" => Some(Sex::Female),
        "M" | "m" => Some(Sex::Male),
        "O" | "o" => Some(Sex::Other),
        _ => None,
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    (!values.is_empty()).then(|| rounded(sum / values.len() as f64))
}

/// The lower median, which is one of the values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;
    use lungs_testing::dicom::{TestSlice, write_frames, write_series};

    fn slices(count: i32) -> Vec<TestSlice> {
        let slice = |number: i32| TestSlice {
            acquired: vec![
                ("KVP", "120".into()),
                ("SliceThickness", "2.5".into()),
                ("XRayTubeCurrent", (40 + 10 * number).to_string()),
                ("Exposure", (20 + 5 * number).to_string()),
                ("CTDIvol", "2.25".into()),
                ("PatientAge", "061Y".into()),
                ("PatientSex", "F".into()),
                ("ManufacturerModelName", "Scanner 1".into()),
            ],
            ..TestSlice::axial(number)
        };
        (0..count).map(slice).collect()
    }

    #[test]
    fn an_acquisition_is_that_of_the_given_slices() {
        let folder = tempfile::tempdir().unwrap();
        write_series(folder.path(), &slices(5));
        let series = scan(folder.path()).unwrap().series.remove(0);
        let of = |numbers: &[i64]| {
            let has = |index: &usize| {
                numbers.contains(&series.slices[*index].instance_number.unwrap_or(-1))
            };
            let indices: Vec<usize> = (0..series.slices.len()).filter(has).collect();
            series.acquisition(&indices, &series.origin_of(&indices))
        };
        let whole = Acquisition {
            scanner_model: "Scanner 1".into(),
            age_years: Some(61.0),
            sex: Some(Sex::Female),
            kilovolts: Some(120.0),
            // Means of 40, 50, …, 80 and of 20, 25, …, 40.
            tube_current_ma: Some(60.0),
            exposure_mas: Some(30.0),
            ctdi_vol_mgy: Some(2.25),
            slice_thickness_mm: Some(2.5),
        };
        assert_eq!(of(&[0, 1, 2, 3, 4]), whole);
        let lower = of(&[0, 1]);
        assert_eq!((lower.tube_current_ma, lower.exposure_mas), (Some(45.0), Some(22.5)));
        assert_eq!(of(&[]).kilovolts, None);
    }

    #[test]
    fn enhanced_ct_has_the_exposure_of_each_frame() {
        let folder = tempfile::tempdir().unwrap();
        write_frames(&folder.path().join("frames"), &slices(3));
        let series = scan(folder.path()).unwrap().series.remove(0);
        let acquisition = series.acquisition(&[0, 1, 2], &series.origin());
        assert_eq!(acquisition.tube_current_ma, Some(50.0));
        assert_eq!(acquisition.exposure_mas, Some(25.0));
        assert_eq!(
            (acquisition.kilovolts, acquisition.slice_thickness_mm),
            (Some(120.0), Some(2.5))
        );
    }

    #[test]
    fn ages_have_units() {
        let ages = ["061Y", "018M", "026W", "000Y", "61", "", "Y", "é", "  062Y "].map(years);
        assert_eq!(
            ages,
            [Some(61.0), Some(1.5), Some(0.5), None, None, None, None, None, Some(62.0)]
        );
        assert_eq!(sex("O"), Some(Sex::Other));
        assert_eq!(sex("male"), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
