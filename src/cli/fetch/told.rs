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

pub fn summary(rows: &[FetchRow], came: u64) -> String {
    let states = [
        (State::Fetched, "fetched"),
        (State::Prepared, "prepared"),
        (State::There, "there already"),
        (State::Refused, "refused by preparation"),
        (State::Failed, "failed"),
        (State::Interrupted, "interrupted"),
        (State::NotStarted, "not begun"),
    ];
    let told = states.into_iter().filter_map(|(state, word)| match count(rows, state) {
        0 => None,
        count => Some(format!("{count} {word}")),
    });
    format!("{}; {} came", told.collect::<Vec<_>>().join(", "), bytes(came as f64))
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
