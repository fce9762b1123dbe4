//! Summary, list of problems and table of the fetched series.

use super::super::output::{bytes, columns};
use super::super::{CommandResult, Failure};
use lungs_archive::fetch::{FetchRow, FetchStatus};
use lungs_base::text::counted;

/// Number of series with a state.
pub(super) fn count(rows: &[FetchRow], state: FetchStatus) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

/// Fails if a series failed.
pub(super) fn check_failures(rows: &[FetchRow], problem: &str) -> CommandResult {
    match count(rows, FetchStatus::Failed) {
        0 => Ok(()),
        failed => Err(Failure::work(format!("{failed} of {} series {problem}", rows.len()))),
    }
}

pub(super) fn summary(rows: &[FetchRow], byte_count: u64, [by_md5, by_size]: [usize; 2]) -> String {
    let states = [
        (FetchStatus::Fetched, "fetched"),
        (FetchStatus::Prepared, "prepared"),
        (FetchStatus::Complete, "already complete"),
        (FetchStatus::Excluded, "excluded by preparation"),
        (FetchStatus::Failed, "failed"),
        (FetchStatus::Interrupted, "interrupted"),
        (FetchStatus::NotStarted, "not started"),
    ];
    let counts = states.into_iter().filter_map(|(state, word)| match count(rows, state) {
        0 => None,
        count => Some(format!("{count} {word}")),
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let mut text = format!("{counts}; {} transferred", bytes(byte_count as f64));
    let size = "size only (the archive has no MD5)";
    for (count, check) in [(by_md5, "MD5"), (by_size, size)] {
        if count > 0 {
            text += &format!(", {} verified by {check}", counted(count, "file", "files"));
        }
    }
    text
}

/// Maximum number of series in a list without `--verbose`.
const MAX_LISTED: usize = 40;

/// A line for each series that failed or was excluded, at most [`MAX_LISTED`].
pub(super) fn problem_list(rows: &[FetchRow]) -> String {
    let problems: Vec<&FetchRow> = rows
        .iter()
        .filter(|row| matches!(row.state, FetchStatus::Failed | FetchStatus::Excluded))
        .collect();
    let mut lines: Vec<String> = problems
        .iter()
        .take(MAX_LISTED)
        .map(|row| {
            let word = if row.state == FetchStatus::Failed { "failed" } else { "excluded" };
            format!("{word:<12} {}  {}", row.series, row.reason)
        })
        .collect();
    let volumes = rows
        .iter()
        .filter(|row| row.state == FetchStatus::Complete && !row.reason.is_empty())
        .count();
    if volumes > 0 {
        lines.push(format!(
            "note         {volumes} of these exist as prepared volumes only; to fetch their files too: \
             --prepare SPEC --keep-raw"
        ));
    }
    if problems.len() > MAX_LISTED {
        lines.push(format!("… and {} more in fetch.csv", problems.len() - MAX_LISTED));
    }
    lines.join("\n")
}

/// The table of all series, or of the first ones and the failed ones if there are more than [`MAX_LISTED`].
pub(super) fn short_table(rows: &[FetchRow]) -> String {
    if rows.len() <= MAX_LISTED {
        return table(rows);
    }
    let (first, rest) = rows.split_at(MAX_LISTED / 2);
    let failed = rest.iter().filter(|row| row.state == FetchStatus::Failed).take(MAX_LISTED);
    let shown: Vec<FetchRow> = first.iter().chain(failed).cloned().collect();
    format!("{}\n… and {} more; --verbose lists all", table(&shown), rows.len() - shown.len())
}

pub(super) fn table(rows: &[FetchRow]) -> String {
    let mut lines = vec![
        ["series", "files", "bytes", "status", "address / reason"].map(str::to_owned).to_vec(),
    ];
    let size = |value: Option<u64>| value.map_or("–".into(), |value| bytes(value as f64));
    lines.extend(rows.iter().map(|row| {
        let state = match row.state {
            FetchStatus::Fetched => "fetched",
            FetchStatus::Complete => "complete",
            FetchStatus::Prepared => "prepared",
            FetchStatus::Excluded => "excluded",
            FetchStatus::Failed => "failed",
            FetchStatus::Interrupted => "interrupted",
            FetchStatus::NotStarted => "to fetch",
        };
        let address_or_reason = if row.reason.is_empty() { &row.address } else { &row.reason };
        vec![
            row.series.clone(),
            row.files.map_or("–".into(), |files| files.to_string()),
            size(row.bytes),
            state.to_owned(),
            address_or_reason.clone(),
        ]
    }));
    columns(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_list_the_first_and_the_failed_series() {
        let row = |number: usize| FetchRow {
            series: format!("series-{number}"),
            patient_id: String::new(),
            address: "s3://idc-open-data/a/".to_owned(),
            folder: String::new(),
            files: None,
            bytes: None,
            state: if number % 50 == 49 { FetchStatus::Failed } else { FetchStatus::NotStarted },
            reason: String::new(),
        };
        let rows: Vec<FetchRow> = (0..100).map(row).collect();
        assert_eq!(short_table(&rows[..40]), table(&rows[..40]));
        let shown = short_table(&rows);
        for number in [0, 19, 49, 99] {
            assert!(shown.contains(&format!("series-{number} ")), "{shown}");
        }
        assert!(
            !shown.contains("series-20 ") && shown.ends_with("and 78 more; --verbose lists all")
        );
    }
}
