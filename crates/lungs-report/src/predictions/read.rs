//! Reads a table of predictions, and collects the faults of its rows.

use super::columns::{ModelColumns, Scale, TableColumns};
use super::error::{Fault, Faults, LineFault, PredictionsError};
use super::table::read_table;
use super::{ModelPredictions, PredictionTable, RequestedColumns, TableExam};
use crate::groupings::{MAX_GROUPS, finite_number, grouping};
use lungs_base::table::TextRow;
use lungs_spec::spec::SubgroupBy;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Log-odds of a probability of 0: below those of the smallest positive number, −744.4.
const LOWEST: f64 = -800.0;
/// Log-odds of a probability of 1: above those of the largest number below 1, 36.7.
const HIGHEST: f64 = 800.0;

impl PredictionTable {
    /// Reads a CSV file of predictions, separated by `,`, `;` or tabs.
    ///
    /// # Errors
    /// The file has another format, a column is missing, or a row is invalid.
    pub fn read(path: &Path, requested: &RequestedColumns) -> Result<Self, PredictionsError> {
        let mut faults = Vec::new();
        let (table, hash) = read_table(path, &mut faults)?;
        let columns = TableColumns::find(path, &table.header, requested)?;
        let rows = &table.rows;
        let exams = exams(rows, &columns, &table.header, &mut faults);
        let mut reader = Reader { header: &table.header, rows, faults: &mut faults };
        let models = columns.models.iter().map(|model| reader.model(model)).collect();
        let weights = columns.weight.map(|column| {
            let expected = "a number that is not negative";
            (table.header[column].clone(), reader.numbers(column, expected, |weight| weight >= 0.0))
        });
        for (by, &column) in requested.groups.iter().zip(&columns.groups) {
            if let SubgroupBy::Bands(_) = by {
                reader.optional_numbers(column);
            }
        }
        if !faults.is_empty() {
            let faults = Faults::of(faults);
            return Err(PredictionsError::Rows { path: path.to_owned(), faults });
        }
        let mut groupings = Vec::new();
        for (by, &column) in requested.groups.iter().zip(&columns.groups) {
            let cells: Vec<&str> = rows.iter().map(|row| row.cell(column)).collect();
            let values = cells.iter().collect::<BTreeSet<_>>().len();
            if matches!(by, SubgroupBy::Values(_)) && values > MAX_GROUPS {
                let (path, column) = (path.to_owned(), by.column().to_owned());
                return Err(PredictionsError::TooManyGroups {
                    path,
                    column,
                    values,
                    max: MAX_GROUPS,
                });
            }
            groupings.push(grouping(by, &cells));
        }
        Ok(Self {
            path: path.to_owned(),
            hash,
            exams,
            names_exams: columns.exam.is_some(),
            names_patients: columns.patient.is_some(),
            models,
            groupings,
            weights,
        })
    }
}

fn add(faults: &mut Vec<LineFault>, row: &TextRow, fault: Fault) {
    faults.push(LineFault { line: row.line, fault });
}

/// The exams of all rows; a row with a fault gets any value.
fn exams(
    rows: &[TextRow],
    columns: &TableColumns,
    header: &[String],
    faults: &mut Vec<LineFault>,
) -> Vec<TableExam> {
    let mut first_lines = BTreeMap::new();
    let mut exams = Vec::with_capacity(rows.len());
    for row in rows {
        let wrong = |column: usize, expected| Fault::Cell {
            column: header[column].clone(),
            value: row.cell(column).to_owned(),
            expected,
        };
        let label = match row.cell(columns.label) {
            "0" | "0.0" => false,
            "1" | "1.0" => true,
            _ => {
                add(faults, row, wrong(columns.label, "0 or 1"));
                false
            }
        };
        let mut name = |column: Option<usize>, expected| match column {
            None => row.line.to_string(),
            Some(column) => {
                if row.cell(column).is_empty() {
                    add(faults, row, wrong(column, expected));
                }
                row.cell(column).to_owned()
            }
        };
        let exam_id = name(columns.exam, "the name of the exam");
        let patient_id = name(columns.patient, "the patient, in a file with this column");
        if columns.exam.is_some() && !exam_id.is_empty() {
            let patient = columns.patient.map(|_| patient_id.clone());
            let first = *first_lines.entry((patient, exam_id.clone())).or_insert(row.line);
            if first != row.line {
                add(faults, row, Fault::RepeatedExam { exam: exam_id.clone(), first });
            }
        }
        exams.push(TableExam { exam_id, patient_id, label });
    }
    exams
}

/// Reads columns of numbers.
struct Reader<'a> {
    header: &'a [String],
    rows: &'a [TextRow],
    faults: &'a mut Vec<LineFault>,
}

impl Reader<'_> {
    /// The numbers of a column; a cell with a fault is NaN.
    fn numbers(
        &mut self,
        column: usize,
        expected: &'static str,
        is_allowed: impl Fn(f64) -> bool,
    ) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let value = row.cell(column);
            let number = finite_number(value).filter(|&number| is_allowed(number));
            if number.is_none() {
                self.add_cell(row, column, expected);
            }
            numbers.push(number.unwrap_or(f64::NAN));
        }
        numbers
    }

    /// Checks a column of numbers and empty cells.
    fn optional_numbers(&mut self, column: usize) {
        for row in self.rows {
            let value = row.cell(column);
            if !value.is_empty() && finite_number(value).is_none() {
                self.add_cell(row, column, "a number, or an empty cell");
            }
        }
    }

    fn add_cell(&mut self, row: &TextRow, column: usize, expected: &'static str) {
        let (column, value) = (self.header[column].clone(), row.cell(column).to_owned());
        add(self.faults, row, Fault::Cell { column, value, expected });
    }

    fn model(&mut self, columns: &ModelColumns) -> ModelPredictions {
        let probabilities = columns.probability.map(|column| {
            let is_probability = |number: f64| (0.0..=1.0).contains(&number);
            self.numbers(column, "a probability from 0 to 1", is_probability)
        });
        let scores = columns.score.map(|(column, _)| self.numbers(column, "a number", |_| true));
        if let (Some(probability), Some(score)) = (columns.probability, columns.score) {
            self.compare(probability, score);
        }
        let indices = columns.probability.into_iter().chain(columns.score.map(|(index, _)| index));
        let names = indices.map(|index| self.header[index].clone()).collect();
        let is_log_odds = matches!(columns.score, Some((_, Scale::LogOdds)));
        let (scores, probabilities, saturated) = match (scores, probabilities) {
            (Some(scores), None) if is_log_odds => {
                let probabilities = scores.iter().map(|&logit| probability_of(logit)).collect();
                (scores, Some(probabilities), 0)
            }
            (Some(scores), probabilities) => (scores, probabilities, 0),
            (None, probabilities) => {
                let probabilities = probabilities.unwrap_or_default();
                let scores: Vec<f64> = probabilities.iter().map(|&p| log_odds_of(p)).collect();
                let infinite = |p: &&f64| **p == 0.0 || **p == 1.0;
                let saturated = probabilities.iter().filter(infinite).count();
                (scores, Some(probabilities), saturated)
            }
        };
        ModelPredictions {
            name: columns.name.clone(),
            columns: names,
            scores,
            probabilities,
            saturated,
        }
    }

    /// Compares probabilities with the log-odds of the same model, up to the precision of both texts.
    fn compare(&mut self, probability: usize, (score, scale): (usize, Scale)) {
        let steps = [probability, score].map(|column| self.finest_step(column));
        for row in self.rows {
            let cells = [row.cell(probability), row.cell(score)];
            let [Some(p), Some(logit)] = cells.map(finite_number) else { continue };
            let p_step = 0.51 * decimal_step(cells[0]).unwrap_or(1e-3).max(steps[0]);
            let logit_step = 0.51 * decimal_step(cells[1]).unwrap_or(1e-3).max(steps[1]);
            // Numbers of single precision differ by less than 1e-5.
            let low = probability_of(logit - logit_step) - p_step - 1e-5;
            let high = probability_of(logit + logit_step) + p_step + 1e-5;
            if (0.0..=1.0).contains(&p) && !(low..=high).contains(&p) {
                let fault = Fault::Contradiction {
                    column: self.header[probability].clone(),
                    probability: cells[0].to_owned(),
                    other: self.header[score].clone(),
                    logit: cells[1].to_owned(),
                    expected: probability_of(logit),
                    is_score: scale == Scale::Ranking,
                };
                add(self.faults, row, fault);
            }
        }
    }

    /// The smallest unit in the last place of a column's numbers; 0.001 if all are whole.
    fn finest_step(&self, column: usize) -> f64 {
        let steps = self.rows.iter().filter_map(|row| decimal_step(row.cell(column)));
        steps.reduce(f64::min).unwrap_or(1e-3)
    }
}

/// The unit in the last decimal place of a number's text; `None` for a whole number.
fn decimal_step(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (_, decimals) = mantissa.split_once('.')?;
    let exponent: f64 = exponent.parse().ok()?;
    Some(10f64.powf(exponent - decimals.len() as f64))
}

fn probability_of(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn log_odds_of(probability: f64) -> f64 {
    match probability {
        0.0 => LOWEST,
        1.0 => HIGHEST,
        p => (p / (1.0 - p)).ln(),
    }
}
