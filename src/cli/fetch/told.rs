//! What is said about series.

use super::super::output::{bytes, columns};
use super::super::{Done, Failure};
use crate::fetch::{FetchRow, State};

/// Series in a state.
pub fn count(rows: &[FetchRow], state: State) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

/// Failed work where a series failed.
pub fn failures(rows: &[FetchRow], what: &str) -> Done {
    match count(rows, State::Failed) {
        0 => Ok(()),
        failed => Err(Failure::work(format!("{failed} of {} series {what}", rows.len()))),
    }
}

pub fn summary(rows: &[FetchRow], came: u64, [by_md5, by_size]: [usize; 2]) -> String {
    let states = [
        (State::Fetched, "fetched"),
        (State::Prepared, "prepared"),
        (State::There, "there already"),
        (State::Refused, "refused by preparation"),
        (State::Failed, "failed"),
        (State::Interrupted, "interrupted"),
        (State::NotStarted, "not started"),
    ];
    let told = states.into_iter().filter_map(|(state, word)| match count(rows, state) {
        0 => None,
        count => Some(format!("{count} {word}")),
    });
    let mut told = format!("{}; {} came", told.collect::<Vec<_>>().join(", "), bytes(came as f64));
    for (count, by) in
        [(by_md5, "MD5"), (by_size, "size alone, since the archive has no MD5 of them")]
    {
        match count {
            0 => {}
            1 => told += &format!(", 1 file checked by {by}"),
            _ => told += &format!(", {count} files checked by {by}"),
        }
    }
    told
}

/// Series at most that are listed unasked.
const FEW: usize = 40;

/// A line for each series that failed or was refused; of many, for the first.
pub fn troubles(rows: &[FetchRow]) -> String {
    let bad: Vec<&FetchRow> =
        rows.iter().filter(|row| matches!(row.state, State::Failed | State::Refused)).collect();
    let mut lines: Vec<String> = bad
        .iter()
        .take(FEW)
        .map(|row| {
            let word = if row.state == State::Failed { "failed" } else { "refused" };
            format!("{word:<12} {}  {}", row.series, row.reason)
        })
        .collect();
    let volumes =
        rows.iter().filter(|row| row.state == State::There && !row.reason.is_empty()).count();
    if volumes > 0 {
        lines.push(format!(
            "note         {volumes} of these are there as prepared volumes, without their files; --prepare \
             SPEC --keep-raw fetches those too"
        ));
    }
    if bad.len() > FEW {
        lines.push(format!("… and {} more in fetch.csv", bad.len() - FEW));
    }
    lines.join("\n")
}

/// The table of few series; of many the first, and those that failed.
pub fn short_table(rows: &[FetchRow]) -> String {
    if rows.len() <= FEW {
        return table(rows);
    }
    let (first, rest) = rows.split_at(FEW / 2);
    let failed = rest.iter().filter(|row| row.state == State::Failed).take(FEW);
    let shown: Vec<FetchRow> = first.iter().chain(failed).cloned().collect();
    format!("{}\n… and {} more; --verbose lists all", table(&shown), rows.len() - shown.len())
}

pub fn table(rows: &[FetchRow]) -> String {
    let mut lines =
        vec![["series", "files", "bytes", "state", "place"].map(str::to_owned).to_vec()];
    let told = |value: Option<u64>| value.map_or("–".into(), |value| bytes(value as f64));
    lines.extend(rows.iter().map(|row| {
        let state = match row.state {
            State::Fetched => "fetched",
            State::There => "there",
            State::Prepared => "prepared",
            State::Refused => "refused",
            State::Failed => "failed",
            State::Interrupted => "interrupted",
            State::NotStarted => "to fetch",
        };
        let place = if row.reason.is_empty() { &row.place } else { &row.reason };
        vec![
            row.series.clone(),
            row.files.map_or("–".into(), |files| files.to_string()),
            told(row.bytes),
            state.to_owned(),
            place.clone(),
        ]
    }));
    columns(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_series_the_first_and_the_failed_are_listed() {
        let row = |number: usize| FetchRow {
            series: format!("series-{number}"),
            patient: String::new(),
            place: "s3://idc-open-data/a/".to_owned(),
            folder: String::new(),
            files: None,
            bytes: None,
            state: if number % 50 == 49 { State::Failed } else { State::NotStarted },
            reason: String::new(),
        };
        let rows: Vec<FetchRow> = (0..100).map(row).collect();
        assert_eq!(short_table(&rows[..40]), table(&rows[..40]));
        let told = short_table(&rows);
        for number in [0, 19, 49, 99] {
            assert!(told.contains(&format!("series-{number} ")), "{told}");
        }
        assert!(!told.contains("series-20 ") && told.ends_with("and 78 more; --verbose lists all"));
    }
}
