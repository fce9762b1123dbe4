//! How far fetching is.

use super::super::output::{Output, bytes, duration};
use super::super::pace::Pace;
use super::super::progress::Progress;
use crate::fetch::{Event, State};
use crate::training::Watch;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shows how far it is.
pub(in crate::cli) struct Show<'a> {
    progress: &'a Progress<'a>,
    output: &'a Output,
    tally: Mutex<Tally>,
}

struct Tally {
    began: Instant,
    shown: Instant,
    bytes: u64,
    /// Files that are right by the archive's MD5, and by their size alone.
    checked: [usize; 2],
    /// Series that were complete before, which say nothing of the pace.
    there: usize,
    pace: Pace,
}

/// Between two looks of the bar.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

impl<'a> Show<'a> {
    pub fn new(progress: &'a Progress<'a>, series: usize, output: &'a Output) -> Self {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(1, 1, 0, series);
        let tally =
            Mutex::new(Tally { began: now, shown: now, bytes: 0, checked: [0; 2], there: 0, pace });
        Self { progress, output, tally }
    }

    pub fn bytes(&self) -> u64 {
        self.tally.lock().map_or(0, |tally| tally.bytes)
    }

    /// Files that are right by the archive's MD5, and by their size alone.
    pub fn checked(&self) -> [usize; 2] {
        self.tally.lock().map_or([0; 2], |tally| tally.checked)
    }

    pub fn tell(&self, event: &Event) {
        let Ok(mut tally) = self.tally.lock() else { return };
        match event {
            Event::Checked { by_md5 } => {
                tally.checked[usize::from(!by_md5)] += 1;
                return;
            }
            Event::Bytes(count) => tally.bytes += *count as u64,
            Event::TryingAgain { what, reason } => {
                if self.output.is_verbose() {
                    drop(tally);
                    self.progress.note(&format!("again        {what}: {reason}"));
                }
                return;
            }
            Event::Done(row) if row.state == State::There => {
                tally.there += 1;
                tally.pace.batches = tally.pace.batches.saturating_sub(1);
            }
            Event::Done(row) if matches!(row.state, State::Interrupted | State::NotStarted) => {
                return;
            }
            Event::Done(_) => tally.pace.batch(1),
        }
        if tally.shown.elapsed() < BETWEEN_LOOKS && !matches!(event, Event::Done(_)) {
            return;
        }
        tally.shown = Instant::now();
        let seconds = tally.began.elapsed().as_secs_f64();
        let words = words(tally.bytes, &tally.pace, seconds);
        let (done, of) = (tally.there + tally.pace.done, tally.there + tally.pace.batches);
        drop(tally);
        self.progress.fetching(done, of, words);
    }
}

/// `1.2 GB, 34 MB/s, 2 h 05 min left`
fn words(came: u64, pace: &Pace, seconds: f64) -> String {
    let rate = (seconds > 0.0).then(|| format!("{}/s", bytes(came as f64 / seconds)));
    let left = pace.left_in_epoch(seconds).map(|left| format!("{} left", duration(left)));
    let words = [Some(bytes(came as f64)), rate, left];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_series_that_came() {
        let mut pace = Pace::default();
        pace.begin(1, 1, 0, 10);
        assert_eq!(words(5_000_000, &pace, 5.0), "5 MB, 1 MB/s");
        pace.batch(1);
        assert_eq!(words(5_000_000, &pace, 5.0), "5 MB, 1 MB/s, 45.0 s left");
    }
}
