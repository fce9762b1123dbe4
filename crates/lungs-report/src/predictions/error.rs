//! Errors of prediction tables.

use lungs_base::text::{TextError, counted};
use std::fmt;
use std::path::PathBuf;

/// Number of lines that an error names.
const NAMED_LINES: usize = 5;

/// A table of predictions that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The file is missing, or is not text.
    #[error(
        "{0}. Expected a CSV file with a column `label` and one of `probability`, `logit`, `score`"
    )]
    Text(#[from] TextError),
    /// The file is not CSV.
    #[error("cannot read {path}: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// The error of the parser.
        source: csv::Error,
    },
    /// The file has no rows.
    #[error("{path} has no rows; expected a header and a row for each exam")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A required column is missing.
    #[error(
        "{path} has no column `{column}`; its columns are: {columns}. Add the column, or rename an existing one"
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// All columns of the file.
        columns: String,
    },
    /// No column has predictions.
    #[error(
        "{path} has no column of predictions; its columns are: {columns}. Expected `probability`, `logit` or \
         `score`, or `probability_NAME`, `logit_NAME` or `score_NAME` for each of several models; or name a \
         column with --probability COLUMN or --score COLUMN"
    )]
    NoPredictions {
        /// The file.
        path: PathBuf,
        /// All columns of the file.
        columns: String,
    },
    /// The user names a column of predictions twice.
    #[error(
        "{path}: column `{column}` is named twice by --probability and --score, expected a column for each model"
    )]
    RepeatedColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// Two columns with one meaning.
    #[error(
        "{path} has the columns `{first}` and `{second}` for {meaning}; remove or rename one of them"
    )]
    TwoColumns {
        /// The file.
        path: PathBuf,
        /// The first column.
        first: String,
        /// The second column.
        second: String,
        /// Their common meaning.
        meaning: String,
    },
    /// A column has too many values for groups.
    #[error(
        "{path}: column `{column}` has {values} different values, expected at most {max} groups; for numbers, use \
         bands: --group {column}=55,65,75"
    )]
    TooManyGroups {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Number of its values.
        values: usize,
        /// Largest allowed number.
        max: usize,
    },
    /// Invalid rows.
    #[error("{path}{faults}")]
    Rows {
        /// The file.
        path: PathBuf,
        /// The first faults and the number of all.
        faults: Faults,
    },
}

/// The first faults of a table, and the number of all.
#[derive(Debug)]
pub struct Faults {
    /// The first faults.
    pub first: Vec<LineFault>,
    /// Number of all faults.
    pub count: usize,
}

impl Faults {
    /// The first of these faults by line.
    pub(super) fn of(mut all: Vec<LineFault>) -> Self {
        let count = all.len();
        all.sort_by_key(|fault| fault.line);
        all.truncate(NAMED_LINES);
        Self { first: all, count }
    }
}

/// A fault and its line.
#[derive(Debug)]
pub struct LineFault {
    /// Line, from 1.
    pub line: u64,
    /// The fault.
    pub fault: Fault,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut remedies = self.first.iter().filter_map(|it| it.fault.remedy());
        if let ([only], 1) = (self.first.as_slice(), self.count) {
            write!(f, ", line {}: {}", only.line, only.fault)?;
            return remedies.next().map_or(Ok(()), |remedy| write!(f, "; {remedy}"));
        }
        write!(f, ": {}", counted(self.count, "fault", "faults"))?;
        for LineFault { line, fault } in &self.first {
            write!(f, "\nline {line}: {fault}")?;
        }
        if self.count > self.first.len() {
            write!(f, "\nand {} more", self.count - self.first.len())?;
        }
        remedies.next().map_or(Ok(()), |remedy| write!(f, "\n{remedy}"))
    }
}

/// A fault of one row.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A cell with an invalid value.
    #[error("{column} is \"{value}\", expected {expected}{}", decimal_comma(.value))]
    Cell {
        /// The column.
        column: String,
        /// Content of the cell.
        value: String,
        /// The expected content.
        expected: &'static str,
    },
    /// An exam with an earlier row.
    #[error("exam \"{exam}\" is also in line {first}, expected one row for each exam")]
    RepeatedExam {
        /// The exam.
        exam: String,
        /// Its first line.
        first: u64,
    },
    /// More cells than the header.
    #[error(
        "found {cells} cells, expected {expected} as in the header; quote cells that contain the separator \
         \"{separator}\""
    )]
    TooManyCells {
        /// Cells in the row.
        cells: usize,
        /// Cells in the header.
        expected: usize,
        /// Separator of cells.
        separator: char,
    },
    /// A probability that differs from that of its log-odds.
    #[error("{column} is {probability}, but {other} is {logit}, the log-odds of {expected:.4}")]
    Contradiction {
        /// The column of the probability.
        column: String,
        /// Content of its cell.
        probability: String,
        /// The column of the log-odds.
        other: String,
        /// Content of its cell.
        logit: String,
        /// The probability of the log-odds.
        expected: f64,
        /// Whether the column is of log-odds only because the model has a column of probabilities.
        is_score: bool,
    },
}

impl Fault {
    /// What to do, for a fault whose remedy is that of all rows.
    fn remedy(&self) -> Option<String> {
        let Self::Contradiction { column, other, is_score, .. } = self else { return None };
        Some(if *is_score {
            format!(
                "next to the column `{column}` of a model, `{other}` is read as its log-odds; correct one of them, or \
                 evaluate them as two models with --probability {column} --score {other}"
            )
        } else {
            format!(
                "correct one of them, or evaluate one of them with --probability {column} or --score {other}"
            )
        })
    }
}

/// The remedy for a number with a decimal comma.
fn decimal_comma(value: &str) -> &'static str {
    let mut parts = value.split(',');
    let digits = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_decimal = digits(parts.next().map(|part| part.trim_start_matches('-')))
        && digits(parts.next())
        && parts.next().is_none();
    if is_decimal { "; write decimals with a point" } else { "" }
}
