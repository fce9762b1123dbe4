//! The characteristics of exams: what each is named, and its value for every exam.

use super::Population;
use lungs_study::cohort::CohortRow;

/// The values of a characteristic, `[exam]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// A quantity.
    Numbers(Vec<Option<f64>>),
    /// A category.
    Levels(Vec<Option<String>>),
}

/// A characteristic of exams.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Characteristic {
    /// Name with the unit.
    pub name: String,
    /// The values of all exams.
    pub values: Values,
    /// Whether an exam can have a value: time to cancer is of exams with cancer only.
    pub applies: Vec<bool>,
}

/// A column of the labels with at most this many distinct numbers is a category.
const MAX_CODES: usize = 5;
/// Columns of the labels that are quantities, however few their values are.
const QUANTITIES: [&str; 6] =
    ["age", "pack_years", "days_of_follow_up", "days_to_cancer", "nodules", "largest_nodule_mm"];
/// The level of all texts that are not shown.
const HIDDEN: &str = "known (more than 50 values, not listed)";
/// A column of the labels with more distinct texts than this may name persons: its texts are not shown.
const MAX_TEXTS: usize = 50;

impl Population {
    /// Characteristics of the patients: from the labels, or else age and sex of the headers.
    pub(super) fn characteristics(&self) -> Vec<Characteristic> {
        let mut all = Vec::new();
        let has = |column: &str| self.columns.contains_key(column);
        if !has("age") {
            all.push(self.numbers("Age (years, of the header)", |row| row.age_years));
        }
        if !has("sex") {
            let sex = |row: &CohortRow| row.sex.map(|sex| sex.name().to_owned());
            all.push(self.levels("Sex (of the header)", sex));
        }
        all.extend(self.described.iter().filter_map(|column| self.of_labels(column)));
        all.retain(Characteristic::is_known);
        all
    }

    /// Characteristics of the scanners and their settings, from the headers.
    pub(super) fn acquisition(&self) -> Vec<Characteristic> {
        let text = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut all = vec![
            self.levels("Manufacturer", |row| text(&row.manufacturer)),
            self.levels("Scanner", |row| text(&row.scanner_model)),
            self.levels("Kernel", |row| text(&row.kernel)),
            self.levels("Tube voltage (kV)", |row| Some(format!("{}", row.kilovolts?))),
            self.numbers("Tube current (mA)", |row| row.tube_current_ma),
            self.numbers("Exposure (mAs)", |row| row.exposure_mas),
            self.numbers("CTDIvol (mGy)", |row| row.ctdi_vol_mgy),
            self.numbers("Slice thickness (mm)", |row| row.slice_thickness_mm),
            self.numbers("Slice spacing (mm)", |row| row.slice_spacing_mm),
            self.numbers("Slices", |row| Some(row.slices as f64).filter(|count| *count > 0.0)),
            self.levels("Year of the scan", |row| row.study_date.get(..4).map(str::to_owned)),
        ];
        all.retain(Characteristic::is_known);
        all
    }

    fn numbers(&self, name: &str, read: impl Fn(&CohortRow) -> Option<f64>) -> Characteristic {
        let finite = |row| read(row).filter(|value: &f64| value.is_finite());
        self.characteristic(name, Values::Numbers(self.exams.iter().map(finite).collect()))
    }

    fn levels(&self, name: &str, read: impl Fn(&CohortRow) -> Option<String>) -> Characteristic {
        self.characteristic(name, Values::Levels(self.exams.iter().map(read).collect()))
    }

    fn characteristic(&self, name: &str, values: Values) -> Characteristic {
        let applies = vec![true; self.exams.len()];
        Characteristic { name: name.to_owned(), values, applies }
    }

    /// A column of the labels; `None` if the run does not have it.
    fn of_labels(&self, column: &str) -> Option<Characteristic> {
        let cells = self.columns.get(column)?;
        let later = self.columns.get("days_to_cancer").filter(|_| column == "days_of_follow_up");
        // A cancer after the horizon ends the follow-up of an exam without cancer.
        let cell = |row: &CohortRow| {
            let value = |cells: &std::collections::BTreeMap<String, String>| {
                let text = cells.get(&row.series_uid)?.trim();
                (!text.is_empty()).then(|| text.to_owned())
            };
            value(cells).or_else(|| value(later?))
        };
        let values: Vec<Option<String>> = self.exams.iter().map(cell).collect();
        let numbers: Option<Vec<Option<f64>>> = values
            .iter()
            .map(|text| match text {
                None => Some(None),
                Some(text) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Some),
            })
            .collect();
        let distinct = distinct(&values);
        let hidden = || values.iter().map(|text| text.as_ref().map(|_| HIDDEN.to_owned()));
        let values = match numbers {
            Some(numbers) if distinct > MAX_CODES || QUANTITIES.contains(&column) => {
                Values::Numbers(numbers)
            }
            _ if distinct > MAX_TEXTS => Values::Levels(hidden().collect()),
            _ => Values::Levels(values),
        };
        let (name, label) = match column {
            "age" => ("Age (years)", None),
            "sex" => ("Sex", None),
            "race" => ("Race", None),
            "smoking" => ("Smoking", None),
            "pack_years" => ("Smoking (pack-years)", None),
            "days_of_follow_up" => ("Follow-up without cancer (days)", Some(false)),
            "days_to_cancer" => ("Time to cancer (days)", Some(true)),
            "stage" => ("Stage of the cancer", Some(true)),
            "nodules" => ("Nodules", None),
            "largest_nodule_mm" => ("Largest nodule (mm)", None),
            other => (other, None),
        };
        let applies = |(index, row): (usize, &CohortRow)| {
            index < self.included && label.is_none_or(|label| row.label == Some(label))
        };
        Some(Characteristic {
            name: name.to_owned(),
            values,
            applies: self.exams.iter().enumerate().map(applies).collect(),
        })
    }
}

fn distinct(values: &[Option<String>]) -> usize {
    values.iter().flatten().collect::<std::collections::BTreeSet<_>>().len()
}

impl Characteristic {
    /// Whether any exam has a value.
    fn is_known(&self) -> bool {
        match &self.values {
            Values::Numbers(values) => values.iter().any(Option::is_some),
            Values::Levels(values) => values.iter().any(Option::is_some),
        }
    }
}
