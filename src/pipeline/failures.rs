//! `failures.csv`: false negatives and false positives of the reported split, by group.

use super::PipelineError;
use lungs_image::codes::Flag;
use lungs_report::{failure_rows, grouping};
use lungs_spec::results::{PredictionRow, RunFolder, Table, read_csv, write_csv};
use lungs_spec::spec::{Bands, SubgroupBy};
use lungs_stats::{Decisions, Evaluation, Grouping, failures, repeated_patients};
use lungs_study::cohort::{CohortRow, read_cohort};
use lungs_study::prepare::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Largest number of values of a column of the headers.
const MAX_VALUES: usize = 12;

/// Writes the table of `rows`, the predictions of `split`, into `run`; the cohort is read from `tables`. `groupings` are
/// those of `[evaluate]`. Removes the table where the metrics have no threshold.
pub(super) fn write_failures(
    [run, tables]: [&RunFolder; 2],
    split: &str,
    rows: &[PredictionRow],
    metrics: &Evaluation,
    groupings: Vec<Grouping>,
) -> Result<(), PipelineError> {
    let file = run.table(Table::Failures);
    let point = metrics.leading_point();
    let Some((point, threshold)) = point.and_then(|it| Some((it, it.threshold_logit?))) else {
        return Ok(lungs_base::files::remove(&file)?);
    };
    let cohort = read_cohort(&tables.table(Table::Cohort))?;
    let prepared: Vec<Row> = read_csv(&tables.table(Table::Preparation))?;
    let series: Vec<&str> = rows.iter().map(|row| row.series_uid.as_str()).collect();
    let known: BTreeSet<String> = groupings.iter().map(|grouping| grouping.by.clone()).collect();
    let of_tables = groupings_of_tables(&series, &cohort, &prepared).into_iter();
    let groupings: Vec<Grouping> = groupings
        .into_iter()
        .chain(of_tables.filter(|grouping| !known.contains(&grouping.by)))
        .collect();
    let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
    let decisions =
        Decisions { logits: &logits, labels: &labels, patients: patients.as_deref(), threshold };
    let tallies = failures(&decisions, &groupings, 0.95);
    Ok(write_csv(&file, &failure_rows(split, point, &tallies))?)
}

/// The groups of series by scanner, slice spacing, lung volume and flags.
fn groupings_of_tables(series: &[&str], cohort: &[CohortRow], prepared: &[Row]) -> Vec<Grouping> {
    let chosen = cohort.iter().filter(|row| row.chosen);
    let cohort: BTreeMap<&str, &CohortRow> =
        chosen.map(|row| (row.series_uid.as_str(), row)).collect();
    let prepared: BTreeMap<&str, &Row> =
        prepared.iter().map(|row| (row.series_uid.as_str(), row)).collect();
    let of_cohort = |read: &dyn Fn(&CohortRow) -> String| -> Vec<String> {
        series
            .iter()
            .map(|series| cohort.get(series).map_or(String::new(), |row| read(row)))
            .collect()
    };
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let lungs = |row: &&Row| Some(row.lung_left_ml? + row.lung_right_ml?);
    let lungs = series.iter().map(|series| number(prepared.get(series).and_then(lungs)));
    let by_value = |column: &str, cells: Vec<String>| {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let of_column = grouping(&SubgroupBy::Values(column.to_owned()), &cells);
        Some(of_column).filter(|it| (1..=MAX_VALUES).contains(&it.groups.len()))
    };
    let by_band = |column: &str, edges: &[f64], cells: Vec<String>| {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let bands = Bands { column: column.to_owned(), edges: edges.to_vec() };
        Some(grouping(&SubgroupBy::Bands(bands), &cells))
    };
    let groupings = [
        by_value("manufacturer", of_cohort(&|row| row.manufacturer.clone())),
        by_value("kernel", of_cohort(&|row| row.kernel.clone())),
        by_band("slice_spacing_mm", &[1.5, 2.5], of_cohort(&|row| number(row.slice_spacing_mm))),
        by_band("lung_ml", &[3000.0, 4500.0], lungs.collect()),
    ];
    // An exam can have several flags, so each flag is a grouping of its own.
    let flags_of: Vec<Vec<&Flag>> = series
        .iter()
        .map(|series| {
            let of_cohort = cohort.get(series).map_or(&[][..], |row| &row.flags);
            let of_preparation = prepared.get(series).map_or(&[][..], |row| &row.flags);
            of_cohort.iter().chain(of_preparation).collect()
        })
        .collect();
    let flags: BTreeSet<&Flag> = flags_of.iter().flatten().copied().collect();
    let by_flag = flags.into_iter().map(|flag| Grouping {
        by: "flag".to_owned(),
        groups: vec![flag.code().into_owned()],
        of: flags_of.iter().map(|flags| flags.contains(&flag).then_some(0)).collect(),
    });
    groupings.into_iter().flatten().chain(by_flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exams_are_grouped_by_the_tables_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let text = "patient,exam,series,path,label,split,chosen,code,reason,kind,slices,slice_spacing_mm,\
                    coverage_mm,study_date,kernel,manufacturer,flags\n\
                    P1,E1,1,ct/a,1,valid,true,,,dicom,100,1.25,198,,B30f,SIEMENS,reoriented\n\
                    P1,E1,2,ct/b,1,,false,not-preferred,x,dicom,100,5,198,,B70f,GE,one-lung\n\
                    P2,E2,3,ct/c,0,valid,true,,,dicom,100,2.5,198,,B30f,,\n";
        let path = folder.path().join("cohort.csv");
        std::fs::write(&path, text).unwrap();
        let groupings = groupings_of_tables(&["3", "1"], &read_cohort(&path).unwrap(), &[]);
        let group = |by: &str, exam: usize| {
            let of_column = groupings.iter().find(|grouping| grouping.by == by).unwrap();
            of_column.of[exam].map(|index| of_column.groups[index].as_str())
        };
        assert_eq!([group("manufacturer", 0), group("manufacturer", 1)], [None, Some("SIEMENS")]);
        assert_eq!([group("kernel", 0), group("kernel", 1)], [Some("B30f"); 2]);
        let spacing = [group("slice_spacing_mm", 0), group("slice_spacing_mm", 1)];
        assert_eq!(spacing, [Some("2.5 and over"), Some("under 1.5")]);
        assert_eq!([group("flag", 0), group("flag", 1)], [None, Some("reoriented")]);
        assert_eq!(group("lung_ml", 0), None);
    }
}
