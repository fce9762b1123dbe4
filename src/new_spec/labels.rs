//! The file of labels: its columns, and the names that its rows match series by.

use lungs_base::table::TextTable;
use lungs_base::text;
use lungs_study::cohort::LabelsError;
use std::path::{Path, PathBuf};

/// Columns that name what a row labels, the most specific first.
const NAMES: [&str; 4] = ["series_uid", "path", "exam_id", "patient_id"];
/// Columns of the time to cancer and of the time of the observation, with their unit in days.
const EVENT: [&str; 2] = ["years_to_event", "days_to_event"];
const FOLLOWED: [(&str, f64); 2] = [("years_followed", 1.0), ("days_followed", 365.25)];
/// The largest number of horizons, in years.
const MAX_HORIZONS: usize = 6;

/// A file of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelTable {
    /// The file.
    pub path: PathBuf,
    /// Number of rows.
    pub rows: usize,
    /// Number of rows by the column that names the labelled series, exam or patient.
    pub matched_by: Vec<(&'static str, usize)>,
    /// Columns that can define subgroups and weights.
    pub other_columns: Vec<String>,
    /// With columns of follow-up and without labels: the years to predict the risk for.
    pub horizons_years: Option<usize>,
}

impl LabelTable {
    /// Reads the columns and counts the rows. The content of the cells is not checked.
    ///
    /// # Errors
    /// The file is not text or not CSV.
    pub fn read(path: &Path) -> Result<Self, LabelsError> {
        let table = TextTable::parse(&text::read(path)?).map_err(|error| LabelsError::Csv {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let column = |name: &str| table.header.iter().position(|column| column == name);
        let mut matched_by = NAMES.map(|name| (name, 0));
        for row in &table.rows {
            let has = |name: &str| {
                let cell = column(name).and_then(|index| row.cells.get(index));
                cell.is_some_and(|cell| !cell.is_empty())
            };
            if let Some((_, count)) = matched_by.iter_mut().find(|(name, _)| has(name)) {
                *count += 1;
            }
        }
        let followed = FOLLOWED.iter().find_map(|(name, unit)| Some((column(name)?, unit)));
        let is_survival =
            column("label").is_none() && EVENT.iter().any(|name| column(name).is_some());
        let longest_years = followed.map(|(index, unit)| {
            let cells = table.rows.iter().filter_map(|row| row.cells.get(index));
            cells.filter_map(|cell| cell.parse().ok()).fold(0.0, f64::max) / unit
        });
        let horizons = |years: f64| (years.floor() as usize).clamp(1, MAX_HORIZONS);
        let is_reserved = |name: &str| {
            NAMES.contains(&name)
                || EVENT.contains(&name)
                || FOLLOWED.iter().any(|(followed, _)| *followed == name)
                || name == "label"
        };
        Ok(Self {
            path: path.to_owned(),
            rows: table.rows.len(),
            matched_by: matched_by.into_iter().filter(|(_, count)| *count > 0).collect(),
            other_columns: table.header.iter().filter(|it| !is_reserved(it)).cloned().collect(),
            horizons_years: longest_years.filter(|_| is_survival).map(horizons),
        })
    }

    /// Whether the table can label something: it has labels or follow-up, and names.
    fn is_usable(&self, header: &[String]) -> bool {
        let has = |name: &str| header.iter().any(|column| column == name);
        (has("label") || self.horizons_years.is_some()) && NAMES.into_iter().any(has)
    }

    /// `12 rows, matched by exam_id (10) and patient_id (2)`
    pub fn summary(&self) -> String {
        let names: Vec<String> =
            self.matched_by.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        let rows = lungs_base::text::counted(self.rows, "row", "rows");
        if names.is_empty() { rows } else { format!("{rows}, matched by {}", names.join(", ")) }
    }
}

/// The labels of a folder of images: `labels.csv` in it, or else its only CSV file with columns of labels.
pub fn find_labels(data: &Path) -> Option<PathBuf> {
    let folder = if data.is_dir() { data } else { data.parent()? };
    let usual = folder.join("labels.csv");
    if usual.is_file() {
        return Some(usual);
    }
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_csv = |path: &PathBuf| path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
    let is_usable = |path: &PathBuf| {
        let header =
            text::read(path).ok().and_then(|text| Some(TextTable::parse(&text).ok()?.header));
        let table = LabelTable::read(path).ok();
        header.zip(table).is_some_and(|(header, table)| table.is_usable(&header))
    };
    let mut usable: Vec<PathBuf> = files.filter(is_csv).filter(is_usable).collect();
    if usable.len() == 1 { usable.pop() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> LabelTable {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        LabelTable::read(&path).unwrap()
    }

    #[test]
    fn rows_are_counted_by_the_most_specific_name_that_they_have() {
        let labels = table("patient_id;exam_id;label;age\nA;1.2;0;61\nB;;1;70\nC;1.4;1;\n");
        assert_eq!(labels.matched_by, [("exam_id", 2), ("patient_id", 1)]);
        assert_eq!((labels.other_columns.as_slice(), labels.rows), (&["age".to_owned()][..], 3));
        assert_eq!(labels.summary(), "3 rows, matched by exam_id (2), patient_id (1)");
        assert_eq!(labels.horizons_years, None);
    }

    #[test]
    fn follow_up_without_labels_is_a_survival_outcome_of_the_years_that_were_observed() {
        let text = "exam_id,days_to_event,days_followed\n1,,1200\n2,90,\n";
        assert_eq!(table(text).horizons_years, Some(3));
        let text = "exam_id,years_to_event,years_followed\n1,,0.5\n2,12,12\n";
        assert_eq!(table(text).horizons_years, Some(6));
        let with_labels = "exam_id,label,days_to_event,days_followed\n1,0,,1200\n";
        assert_eq!(table(with_labels).horizons_years, None);
    }

    #[test]
    fn the_only_table_with_labels_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(find_labels(folder.path()), None);
        write("scanners.csv", "exam_id,scanner\n1,A\n");
        assert_eq!(find_labels(folder.path()), None);
        write("outcomes.CSV", "exam_id,label\n1,0\n");
        assert_eq!(find_labels(folder.path()), Some(folder.path().join("outcomes.CSV")));
        write("second.csv", "patient_id,label\n1,0\n");
        assert_eq!(find_labels(folder.path()), None);
        write("labels.csv", "");
        assert_eq!(find_labels(folder.path()), Some(folder.path().join("labels.csv")));
    }
}
