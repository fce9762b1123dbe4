//! `seen.csv`: the logits of the exams of an unfinished epoch, in the order of training.

use super::super::logits::{ExamLogits, Logits};
use lungs_base::files;
use lungs_spec::results::ResultsError;
use lungs_spec::spec::Outcome;
use std::path::Path;

/// Writes the index of each exam and its logits.
pub(super) fn write(path: &Path, rows: &[ExamLogits]) -> Result<(), ResultsError> {
    let logits = rows.first().map_or(0, |row| row.logits.values().len());
    let header = (0..logits).map(|index| format!("logit_{index}"));
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let invalid = |error: csv::Error| read_error(path, &error);
    writer.write_record(std::iter::once("exam".to_owned()).chain(header)).map_err(invalid)?;
    for row in rows {
        writer.serialize((row.exam, row.logits.values())).map_err(invalid)?;
    }
    let bytes = writer.into_inner().map_err(|error| read_error(path, &error))?;
    Ok(files::write_bytes(path, &bytes)?)
}

/// Reads what [`write`] wrote.
pub(super) fn read(path: &Path, outcome: &Outcome) -> Result<Vec<ExamLogits>, ResultsError> {
    let invalid = |error: csv::Error| read_error(path, &error);
    let mut reader = csv::Reader::from_path(path).map_err(invalid)?;
    let rows = reader.deserialize().map(|row| {
        let (exam, values): (usize, Vec<f64>) = row.map_err(invalid)?;
        let count = values.len();
        let logits = Logits::from_values(outcome, values).ok_or_else(|| {
            read_error(
                path,
                &format!("exam {exam} has {count} logits, which the outcome of the spec has not"),
            )
        })?;
        Ok(ExamLogits { exam, logits })
    });
    rows.collect()
}

fn read_error(path: &Path, error: &impl std::fmt::Display) -> ResultsError {
    ResultsError::Read { path: path.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_spec::spec::{Hazard, OutcomeName};

    #[test]
    fn logits_of_every_outcome_are_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.csv");
        let classes = [[0.25, -1e-9], [3.0, 1e300]].map(Logits::Classes);
        let horizons = [vec![-3.5, -1.0, 0.125], vec![0.0, 0.5, 0.5]].map(Logits::Horizons);
        let survival = Outcome {
            name: OutcomeName::Survival,
            horizons_years: vec![1.0, 2.0, 3.0],
            hazard: Hazard::Softplus,
        };
        for (outcome, logits) in [(Outcome::default(), classes), (survival, horizons)] {
            let rows = logits.map(|logits| ExamLogits { exam: 7, logits });
            write(&path, &rows).unwrap();
            assert_eq!(read(&path, &outcome).unwrap(), rows);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "exam,logit_0,logit_1,logit_2\n7,-3.5,-1.0,0.125\n7,0.0,0.5,0.5\n");
        let error = read(&path, &Outcome::default()).unwrap_err().to_string();
        assert!(error.contains("3 logits"), "{error}");
    }
}
