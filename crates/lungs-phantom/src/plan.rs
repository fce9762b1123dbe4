//! The plan of a synthetic cohort, and the plans of its exams.

use super::PhantomError;

/// The complete plan of a synthetic cohort. The same plan always gives the same bytes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhantomPlan {
    /// Seed of all random draws.
    pub seed: u64,
    /// Number of patients.
    pub patients: usize,
    /// Share of patients with a cancer; their number is rounded.
    pub positive_fraction: f64,
    /// Fewest and most exams of a patient, 1 to 3. Each additional exam has a probability of 0.4.
    pub exams_per_patient: [usize; 2],
    /// Smallest and largest diameter of a cancer at the last exam in mm, without spicules. It is smaller
    /// in earlier exams, and in lungs without enough space.
    pub cancer_diameter_mm: [f64; 2],
    /// Share of patients, with and without cancer, that have a small benign nodule.
    pub benign_fraction: f64,
    /// Rows (= columns) of the slices; each exam uses one of these values.
    pub matrix: Vec<usize>,
    /// Smallest and largest diameter of the reconstructed field of view, mm.
    pub field_of_view_mm: [f64; 2],
    /// Smallest and largest distance between neighbouring slices, mm.
    pub slice_gap_mm: [f64; 2],
    /// Share of exams with a second series, which series selection should not choose.
    pub extra_series_fraction: f64,
    /// Whether every exam has a [`Finding`](super::Finding) that makes lung segmentation difficult.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hard: bool,
    /// Whether nodules vary in difficulty: solid to ground glass, free, at the pleura or at a vessel.
    /// Benign nodules have up to 16 mm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub graded: bool,
    /// Years after the last exam over which cancers are diagnosed. If set, exams are a year apart, cancers start
    /// small, and `labels.csv` has a follow-up: see the module `follow_up`. If not, every cancer is
    /// diagnosed within a year of each exam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up_years: Option<f64>,
}

impl Default for PhantomPlan {
    /// About 200 small exams: under 500 MB and about a minute on two cores.
    fn default() -> Self {
        Self {
            seed: 37,
            patients: 128,
            positive_fraction: 0.5,
            exams_per_patient: [1, 3],
            cancer_diameter_mm: [17.0, 27.0],
            benign_fraction: 0.4,
            matrix: vec![104, 112, 128],
            field_of_view_mm: [330.0, 365.0],
            slice_gap_mm: [3.0, 5.0],
            extra_series_fraction: 0.3,
            hard: false,
            graded: false,
            follow_up_years: None,
        }
    }
}

impl PhantomPlan {
    /// Exams of clinical size: 512×512 pixels of 0.60–0.82 mm, slices 1–2.5 mm apart.
    pub fn full_size() -> Self {
        Self {
            patients: 4,
            matrix: vec![512],
            field_of_view_mm: [310.0, 420.0],
            slice_gap_mm: [1.0, 2.5],
            ..Self::default()
        }
    }

    /// Checks the plan. The error has the key, the value and the allowed range.
    pub fn check(&self) -> Result<(), PhantomError> {
        let out_of_range = |key: &'static str, value: String, allowed: &'static str| {
            Err(PhantomError::Plan { key, value, allowed })
        };
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let range = |[low, high]: [f64; 2], least: f64, most: f64| {
            least <= low && low <= high && high <= most
        };
        let [fewest, most] = self.exams_per_patient;
        if !(1..=100_000).contains(&self.patients) {
            return out_of_range("patients", self.patients.to_string(), "1 to 100000");
        }
        if !share(self.positive_fraction) {
            return out_of_range("positive_fraction", self.positive_fraction.to_string(), "0 to 1");
        }
        if !share(self.benign_fraction) {
            return out_of_range("benign_fraction", self.benign_fraction.to_string(), "0 to 1");
        }
        if !share(self.extra_series_fraction) {
            let value = self.extra_series_fraction.to_string();
            return out_of_range("extra_series_fraction", value, "0 to 1");
        }
        if fewest == 0 || fewest > most || most > 3 {
            let value = format!("[{fewest}, {most}]");
            return out_of_range("exams_per_patient", value, "[fewest, most] between 1 and 3");
        }
        if self.matrix.is_empty() || self.matrix.iter().any(|n| !(32..=1024).contains(n)) {
            let value = format!("{:?}", self.matrix);
            return out_of_range("matrix", value, "at least one size, each 32 to 1024");
        }
        if !range(self.cancer_diameter_mm, 4.0, 60.0) {
            let value = format!("{:?}", self.cancer_diameter_mm);
            return out_of_range(
                "cancer_diameter_mm",
                value,
                "[smallest, largest] between 4 and 60",
            );
        }
        if !range(self.field_of_view_mm, 200.0, 700.0) {
            let value = format!("{:?}", self.field_of_view_mm);
            return out_of_range(
                "field_of_view_mm",
                value,
                "[smallest, largest] between 200 and 700",
            );
        }
        if !range(self.slice_gap_mm, 0.5, 20.0) {
            let value = format!("{:?}", self.slice_gap_mm);
            return out_of_range("slice_gap_mm", value, "[smallest, largest] between 0.5 and 20");
        }
        if let Some(years) = self.follow_up_years
            && !(1.0..=20.0).contains(&years)
        {
            return out_of_range("follow_up_years", years.to_string(), "1 to 20");
        }
        Ok(())
    }

    /// Number of patients with a cancer.
    pub fn positives(&self) -> usize {
        (self.patients as f64 * self.positive_fraction).round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_plan_is_an_error_with_its_key() {
        let valid = PhantomPlan::default();
        for (plan, key) in [
            (PhantomPlan { patients: 0, ..valid.clone() }, "patients"),
            (PhantomPlan { positive_fraction: 1.5, ..valid.clone() }, "positive_fraction"),
            (PhantomPlan { exams_per_patient: [2, 1], ..valid.clone() }, "exams_per_patient"),
            (PhantomPlan { matrix: vec![], ..valid.clone() }, "matrix"),
            (PhantomPlan { slice_gap_mm: [f64::NAN, 5.0], ..valid.clone() }, "slice_gap_mm"),
            (PhantomPlan { field_of_view_mm: [10.0, 20.0], ..valid.clone() }, "field_of_view_mm"),
            (PhantomPlan { follow_up_years: Some(0.5), ..valid.clone() }, "follow_up_years"),
        ] {
            let message = plan.exams().unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}`")), "{message}");
        }
    }

    #[test]
    fn the_number_of_positives_is_exact_and_they_are_shuffled() {
        let plan = PhantomPlan { patients: 40, positive_fraction: 0.3, ..PhantomPlan::default() };
        let exams = plan.exams().unwrap();
        let mut labels: Vec<(String, bool)> =
            exams.iter().map(|exam| (exam.patient_id.clone(), exam.cancer)).collect();
        labels.dedup();
        assert_eq!(labels.len(), 40);
        assert_eq!(labels.iter().filter(|label| label.1).count(), 12);
        assert!(labels.windows(2).filter(|pair| pair[0].1 != pair[1].1).count() > 6);
        assert!(exams.len() > 45, "some patients have several exams: {}", exams.len());
    }
}
