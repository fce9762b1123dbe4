//! Progress of `lungs fetch`.

use super::super::output::{Output, bytes, duration};
use super::super::pace::Pace;
use super::super::progress::Progress;
use lungs_archive::fetch::{Event, FetchStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shows the number of series and bytes fetched, the rate and the ETA.
pub(in crate::cli) struct FetchProgress<'a> {
    progress: &'a Progress<'a>,
    output: &'a Output,
    tally: Mutex<Tally>,
}

struct Tally {
    start: Instant,
    last_refresh: Instant,
    bytes: u64,
    /// Verified files: by MD5, and by size only.
    checked: [usize; 2],
    /// Series that were complete before; they do not count towards the pace.
    complete: usize,
    pace: Pace,
}

/// Interval between two updates of the bar.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

impl<'a> FetchProgress<'a> {
    pub(crate) fn new(progress: &'a Progress<'a>, series: usize, output: &'a Output) -> Self {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(1, 1, 0, series);
        let tally =
            Tally { start: now, last_refresh: now, bytes: 0, checked: [0; 2], complete: 0, pace };
        Self { progress, output, tally: Mutex::new(tally) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.tally.lock().map_or(0, |tally| tally.bytes)
    }

    /// Verified files: by MD5, and by size only.
    pub(crate) fn checked(&self) -> [usize; 2] {
        self.tally.lock().map_or([0; 2], |tally| tally.checked)
    }

    pub(crate) fn update(&self, event: &Event) {
        let Ok(mut tally) = self.tally.lock() else { return };
        match event {
            Event::Checked { by_md5 } => {
                tally.checked[usize::from(!by_md5)] += 1;
                return;
            }
            Event::Bytes(count) => tally.bytes += *count as u64,
            Event::Retry { what, reason } => {
                if self.output.is_verbose() {
                    drop(tally);
                    self.progress.note(&format!("retry        {what}: {reason}"));
                }
                return;
            }
            Event::Done(row) if row.state == FetchStatus::Complete => {
                tally.complete += 1;
                tally.pace.batches = tally.pace.batches.saturating_sub(1);
            }
            Event::Done(row)
                if matches!(row.state, FetchStatus::Interrupted | FetchStatus::NotStarted) =>
            {
                return;
            }
            Event::Done(_) => tally.pace.batch(1),
        }
        if tally.last_refresh.elapsed() < REFRESH_INTERVAL && !matches!(event, Event::Done(_)) {
            return;
        }
        tally.last_refresh = Instant::now();
        let seconds = tally.start.elapsed().as_secs_f64();
        let message = message(tally.bytes, &tally.pace, seconds);
        let (done, of) = (tally.complete + tally.pace.done, tally.complete + tally.pace.batches);
        drop(tally);
        self.progress.fetching(done, of, message);
    }
}

/// `1.2 GB, 34 MB/s, ETA 2 h 05 min`
fn message(byte_count: u64, pace: &Pace, seconds: f64) -> String {
    let rate = (seconds > 0.0).then(|| format!("{}/s", bytes(byte_count as f64 / seconds)));
    let eta = pace.epoch_eta(seconds).map(|eta| format!("ETA {}", duration(eta)));
    let parts = [Some(bytes(byte_count as f64)), rate, eta];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eta_follows_from_fetched_series() {
        let mut pace = Pace::default();
        pace.begin(1, 1, 0, 10);
        assert_eq!(message(5_000_000, &pace, 5.0), "5 MB, 1 MB/s");
        pace.batch(1);
        assert_eq!(message(5_000_000, &pace, 5.0), "5 MB, 1 MB/s, ETA 45.0 s");
    }
}
