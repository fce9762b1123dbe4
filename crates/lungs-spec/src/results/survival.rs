//! Tables with a column for each horizon: metrics and risks of several years.

use super::tables::unreadable;
use super::{MetricsRow, ResultsError, read_csv, write_csv};
use crate::spec::horizon_name;
use lungs_base::files;
use lungs_base::follow_up::FollowUp;
use std::path::Path;

/// Metrics of risks of several years, in one split after one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct SurvivalMetrics {
    /// Harrell's C-index of the risks at the last horizon; `None` if no two exams can be compared.
    pub c_index: Option<f64>,
    /// Lower end of its 95 % interval.
    pub c_index_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub c_index_high: Option<f64>,
    /// The AUC at each horizon, ascending.
    pub horizons: Vec<HorizonAuc>,
}

/// The AUC at a horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HorizonAuc {
    /// The horizon.
    pub years: f64,
    /// AUC with inverse-probability-of-censoring weights; `None` if it is undefined.
    pub auc: Option<f64>,
}

/// A row of a file of risks: one exam with its follow-up.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskRow {
    /// Exam.
    pub exam_id: String,
    /// Patient.
    pub patient_id: String,
    /// Series UID.
    pub series_uid: String,
    /// Follow-up.
    pub follow_up: FollowUp,
    /// Risk of cancer until each horizon, ascending.
    pub risks: Vec<f64>,
}

const C_INDEX: [&str; 3] = ["c_index", "c_index_low", "c_index_high"];
const AUC: &str = "auc_";
const RISK: &str = "risk_";
const RISK_COLUMNS: [&str; 5] = ["exam", "patient", "series", "time_years", "event"];

/// Writes `metrics.csv`. Rows of a survival outcome have the additional columns `c_index`, `c_index_low`,
/// `c_index_high`, and `auc_1_year`, `auc_2_years`, … for the horizons.
///
/// # Errors
/// The file cannot be written.
pub fn write_metrics(path: &Path, rows: &[MetricsRow]) -> Result<(), ResultsError> {
    let Some(first) = rows.first().and_then(|row| row.survival.as_ref()) else {
        return write_csv(path, rows);
    };
    let names =
        first.horizons.iter().map(|horizon| format!("{AUC}{}", horizon_name(horizon.years)));
    let names: Vec<String> = C_INDEX.iter().map(|name| (*name).to_owned()).chain(names).collect();
    let invalid = |error: csv::Error| unreadable(path, &error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(invalid)?;
    let bytes = writer.into_inner().map_err(|error| unreadable(path, &error))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = reader.headers().map_err(invalid)?.clone();
    header.extend(&names);
    writer.write_record(&header).map_err(invalid)?;
    for (record, row) in reader.records().zip(rows) {
        let mut record = record.map_err(invalid)?;
        let survival = row.survival.as_ref();
        let c_index =
            survival.map_or([None; 3], |it| [it.c_index, it.c_index_low, it.c_index_high]);
        let aucs =
            survival.into_iter().flat_map(|it| it.horizons.iter().map(|horizon| horizon.auc));
        let cells: Vec<Option<f64>> = c_index.into_iter().chain(aucs).collect();
        record
            .extend(cells.iter().map(|cell| cell.map_or(String::new(), |value| value.to_string())));
        writer.write_record(&record).map_err(invalid)?;
    }
    let bytes = writer.into_inner().map_err(|error| unreadable(path, &error))?;
    Ok(files::write_bytes(path, &bytes)?)
}

/// Reads `metrics.csv`, with the columns of horizons if it has them.
///
/// # Errors
/// The file cannot be read, or a cell is not a number.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricsRow>, ResultsError> {
    let mut rows: Vec<MetricsRow> = read_csv(path)?;
    let (header, records) = read_records(path)?;
    let index = |name: &str| header.iter().position(|column| column == name);
    let Some(c_index) = index(C_INDEX[0]) else { return Ok(rows) };
    let [low, high] = [C_INDEX[1], C_INDEX[2]].map(index);
    let horizons = horizon_columns(&header, AUC);
    for (row, record) in rows.iter_mut().zip(&records) {
        let cell = |index: Option<usize>| optional_number(path, record, index);
        let auc =
            |&(column, years): &(usize, f64)| Ok(HorizonAuc { years, auc: cell(Some(column))? });
        row.survival = Some(SurvivalMetrics {
            c_index: cell(Some(c_index))?,
            c_index_low: cell(low)?,
            c_index_high: cell(high)?,
            horizons: horizons.iter().map(auc).collect::<Result<_, ResultsError>>()?,
        });
    }
    Ok(rows)
}

/// Writes a file of risks: `exam`, `patient`, `series`, `time_years`, `event`, and `risk_1_year`, `risk_2_years`, …
///
/// # Errors
/// The file cannot be written.
pub fn write_risks(
    path: &Path,
    horizons_years: &[f64],
    rows: &[RiskRow],
) -> Result<(), ResultsError> {
    let invalid = |error: csv::Error| unreadable(path, &error);
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let names = horizons_years.iter().map(|years| format!("{RISK}{}", horizon_name(*years)));
    let columns = RISK_COLUMNS.iter().map(|name| (*name).to_owned());
    writer.write_record(columns.chain(names)).map_err(invalid)?;
    for row in rows {
        let RiskRow { exam_id, patient_id, series_uid, follow_up, risks } = row;
        let FollowUp { time_years, event } = follow_up;
        let cells = (exam_id, patient_id, series_uid, time_years, u8::from(*event), risks);
        writer.serialize(cells).map_err(invalid)?;
    }
    let bytes = writer.into_inner().map_err(|error| unreadable(path, &error))?;
    Ok(files::write_bytes(path, &bytes)?)
}

/// Reads a file of risks: the horizons, and the rows.
///
/// # Errors
/// The file cannot be read, lacks a column, or a cell is not a number.
pub fn read_risks(path: &Path) -> Result<(Vec<f64>, Vec<RiskRow>), ResultsError> {
    let (header, records) = read_records(path)?;
    let columns = RISK_COLUMNS.map(|name| header.iter().position(|column| column == name));
    let [Some(exam), Some(patient), Some(series), Some(time), Some(event)] = columns else {
        let message = format!("expected the columns {}", RISK_COLUMNS.join(", "));
        return Err(ResultsError::Read { path: path.to_owned(), message });
    };
    let horizons = horizon_columns(&header, RISK);
    let number = |record: &csv::StringRecord, column: usize| {
        optional_number(path, record, Some(column))?.ok_or_else(|| ResultsError::Read {
            path: path.to_owned(),
            message: format!("the cell of `{}` is empty, expected a number", &header[column]),
        })
    };
    let row = |record: &csv::StringRecord| {
        let time_years = number(record, time)?;
        Ok(RiskRow {
            exam_id: record[exam].to_owned(),
            patient_id: record[patient].to_owned(),
            series_uid: record[series].to_owned(),
            follow_up: FollowUp { time_years, event: &record[event] == "1" },
            risks: horizons
                .iter()
                .map(|(column, _)| number(record, *column))
                .collect::<Result<_, ResultsError>>()?,
        })
    };
    let rows = records.iter().map(row).collect::<Result<_, ResultsError>>()?;
    Ok((horizons.iter().map(|(_, years)| *years).collect(), rows))
}

fn read_records(path: &Path) -> Result<(csv::StringRecord, Vec<csv::StringRecord>), ResultsError> {
    let invalid = |error: csv::Error| unreadable(path, &error);
    let mut reader = csv::Reader::from_path(path).map_err(invalid)?;
    let header = reader.headers().map_err(invalid)?.clone();
    let records = reader.records().collect::<Result<_, _>>().map_err(invalid)?;
    Ok((header, records))
}

/// Index and horizon of the columns `<prefix>1_year`, `<prefix>2_years`, …
fn horizon_columns(header: &csv::StringRecord, prefix: &str) -> Vec<(usize, f64)> {
    let years = |name: &str| {
        let name = name.strip_prefix(prefix)?;
        let number = name.strip_suffix("_years").or_else(|| name.strip_suffix("_year"))?;
        number.parse::<f64>().ok()
    };
    let columns = header.iter().enumerate();
    columns.filter_map(|(index, name)| Some((index, years(name)?))).collect()
}

fn optional_number(
    path: &Path,
    record: &csv::StringRecord,
    index: Option<usize>,
) -> Result<Option<f64>, ResultsError> {
    let Some(cell) = index.and_then(|index| record.get(index)) else { return Ok(None) };
    if cell.is_empty() {
        return Ok(None);
    }
    let invalid = |_| ResultsError::Read {
        path: path.to_owned(),
        message: format!("found {cell:?}, expected a number"),
    };
    cell.parse().map(Some).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SplitName;

    fn row(epoch: usize, survival: Option<SurvivalMetrics>) -> MetricsRow {
        MetricsRow {
            epoch,
            split: SplitName::Valid,
            loss: 0.5,
            accuracy: 0.75,
            auc: Some(0.8),
            auc_low: None,
            auc_high: None,
            learning_rate: 1e-4,
            average_precision: None,
            brier: Some(0.1),
            survival,
        }
    }

    #[test]
    fn metrics_of_every_outcome_are_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let survival = |c_index, aucs: [Option<f64>; 2]| SurvivalMetrics {
            c_index,
            c_index_low: Some(0.1 + 0.2),
            c_index_high: None,
            horizons: [1.0, 2.5]
                .into_iter()
                .zip(aucs)
                .map(|(years, auc)| HorizonAuc { years, auc })
                .collect(),
        };
        let rows = vec![
            row(1, Some(survival(Some(0.7), [Some(0.6), None]))),
            row(2, Some(survival(None, [None, Some(1.0 / 3.0)]))),
        ];
        write_metrics(&path, &rows).unwrap();
        assert_eq!(read_metrics(&path).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        let header = text.lines().next().unwrap();
        assert!(
            header.ends_with("brier,c_index,c_index_low,c_index_high,auc_1_year,auc_2.5_years")
        );
        let binary = vec![row(1, None)];
        write_metrics(&path, &binary).unwrap();
        assert_eq!(read_metrics(&path).unwrap(), binary);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("c_index"));
    }

    #[test]
    fn risks_are_restored_and_bad_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("risks.csv");
        let rows = [(1.5, true), (6.0, false)].map(|(time_years, event)| RiskRow {
            exam_id: "a, b".to_owned(),
            patient_id: "P".to_owned(),
            series_uid: "1.2".to_owned(),
            follow_up: FollowUp { time_years, event },
            risks: vec![0.1 + 0.2, 1e-9],
        });
        write_risks(&path, &[1.0, 2.0], &rows).unwrap();
        assert_eq!(read_risks(&path).unwrap(), (vec![1.0, 2.0], rows.to_vec()));
        let header = "exam,patient,series,time_years,event,risk_1_year\n";
        for (text, part) in [
            ("exam,patient\n", "expected the columns"),
            (&format!("{header}e,p,s,x,1,0.5\n"), "found \"x\""),
            (&format!("{header}e,p,s,1,1,\n"), "`risk_1_year` is empty"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_risks(&path).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("risks.csv"), "{error}");
        }
    }
}
