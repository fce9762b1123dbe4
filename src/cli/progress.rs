//! Progress of training: bars on a terminal, lines in a log, or a dashboard.

use super::dashboard::Dashboard;
use super::interrupt::Interrupt;
use super::output::{duration, usage_text};
use super::pace::Pace;
use super::screen::Screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lungs_net::usage::Usage;
use lungs_spec::results::{MetricsRow, StepRow};
use lungs_spec::spec::SplitName;
use lungs_train::Event;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shows progress on standard output (lines) and standard error (bar).
pub(super) struct Progress<'a> {
    quiet: bool,
    interrupt: &'a Interrupt,
    bar: ProgressBar,
    epoch: Mutex<Epoch>,
    /// Title of the dashboard, if one is requested.
    dashboard_title: Option<String>,
    view: Mutex<DashboardState>,
}

/// The current epoch.
struct Epoch {
    pace: Pace,
    start: Instant,
    last_line: Instant,
    /// Start of the validation, and seconds of training before it.
    validation: Option<(Instant, f64)>,
    usage: String,
}

/// The open dashboard, and the lines to print after it closes.
#[derive(Default)]
struct DashboardState {
    active: bool,
    dashboard: Option<Dashboard>,
    pending: Vec<String>,
}

/// Interval between two progress lines of a log.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

const STAGE_TEMPLATE: &str =
    "{prefix:>12} [{bar:20}] {pos}/{len}  {elapsed} elapsed, ETA {eta}  {wide_msg}";
const EPOCH_TEMPLATE: &str = "{prefix:>12} [{bar:20}] {pos}/{len}  {wide_msg}";

impl<'a> Progress<'a> {
    pub(super) fn new(quiet: bool, interrupt: &'a Interrupt) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !quiet;
        let target =
            if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let now = Instant::now();
        let epoch = Epoch {
            pace: Pace::default(),
            start: now,
            last_line: now,
            validation: None,
            usage: String::new(),
        };
        let (epoch, view) = (Mutex::new(epoch), Mutex::new(DashboardState::default()));
        Self { quiet, interrupt, bar, epoch, dashboard_title: None, view }
    }

    /// Shows training as a dashboard with this title, or prints why the terminal does not support it.
    pub(super) fn with_dashboard(mut self, title: &str) -> Self {
        match Screen::obstacle() {
            None => self.dashboard_title = Some(title.to_owned()),
            Some(obstacle) => {
                self.line(&format!("--tui: {obstacle}; showing plain lines instead"));
            }
        }
        self
    }

    /// Starts a bar of length `count`.
    fn start_bar(&self, name: &str, count: usize, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.reset();
        self.bar.set_length(count as u64);
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message("");
    }

    /// Shows that `done` of `of` series are fetched, with a message about bytes and time.
    pub(super) fn fetching(&self, done: usize, of: usize, message: String) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        let Ok(mut epoch) = self.epoch.lock() else { return };
        if !self.bar.is_hidden() {
            self.bar.set_message(message);
        } else if epoch.last_line.elapsed() > LINE_INTERVAL {
            epoch.last_line = Instant::now();
            self.line(&format!("fetch        {done}/{of} series  {message}"));
        }
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if let Ok(mut view) = self.view.lock()
            && view.dashboard.is_some()
        {
            view.pending.push(text.to_owned());
            return;
        }
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stdout(), "{text}");
        });
    }

    /// Updates the dashboard and returns `true`, or returns `false` if it is not open.
    fn update_dashboard(&self, update: impl FnOnce(&mut Dashboard)) -> bool {
        let Ok(mut view) = self.view.lock() else { return false };
        view.dashboard.as_mut().map(update).is_some()
    }

    /// Opens the dashboard if it is requested and not open yet.
    fn open_dashboard(&self, epoch: usize, epochs: usize) {
        let Some(title) = &self.dashboard_title else { return };
        let Ok(mut view) = self.view.lock() else { return };
        if view.active && view.dashboard.is_none() {
            self.clear();
            view.dashboard = Some(Dashboard::open(title, self.interrupt, epoch, epochs));
        }
    }

    /// Closes the dashboard and prints the pending lines.
    fn close_dashboard(&self) {
        let Ok(mut view) = self.view.lock() else { return };
        let (dashboard, pending) = (view.dashboard.take(), std::mem::take(&mut view.pending));
        drop(view);
        if let Some(dashboard) = dashboard {
            dashboard.close();
        }
        for line in pending {
            self.line(&line);
        }
    }
}

/// `0.52 exams/s`, `ETA 4.2 s (epoch), 2 h 05 min (run)`: the known values `seconds` after the start of the
/// epoch.
fn pace_texts(pace: &Pace, seconds: f64) -> Vec<String> {
    let rate = pace.exams_per_second(seconds).map(|rate| format!("{rate:.2} exams/s"));
    let etas = [pace.epoch_eta(seconds), pace.run_eta(seconds)];
    let eta = match etas.map(|seconds| seconds.map(duration)) {
        [Some(epoch), Some(run)] => Some(format!("ETA {epoch} (epoch), {run} (run)")),
        _ => None,
    };
    rate.into_iter().chain(eta).collect()
}

impl Progress<'_> {
    /// The receiver of the events of a run.
    pub(super) fn observer(&self) -> impl Fn(&Event) + Sync + '_ {
        |event| self.show(event)
    }

    fn show(&self, event: &Event) {
        match *event {
            Event::StageBegins(stage) => self.stage_begins(stage),
            Event::StageAdvances { done, total } => self.stage_advances(done, total),
            Event::StageEnds { stage, summary } => self.stage_ends(stage, summary),
            Event::TrainingBegins => self.training(true),
            Event::TrainingEnds => self.training(false),
            Event::EpochBegins { epoch, epochs, batch, batches } => {
                self.epoch_begins(epoch, epochs, batch, batches);
            }
            Event::BatchDone { exams, loss } => self.batch_done(exams, loss),
            Event::StepDone(row) => self.step_done(row),
            Event::Measured(usage) => self.usage(usage),
            Event::ValidationBegins { exams } => self.validation_begins(exams),
            Event::ExamsScored(exams) => self.exams_scored(exams),
            Event::EpochEnds { rows, best } => self.epoch_ends(rows, best),
            Event::Note(text) => self.note(text),
        }
    }

    fn epoch_begins(&self, number: usize, epochs: usize, batch: usize, batches: usize) {
        self.open_dashboard(number, epochs);
        let now = Instant::now();
        if let Ok(mut epoch) = self.epoch.lock() {
            epoch.pace.begin(number, epochs, batch, batches);
            (epoch.start, epoch.last_line, epoch.validation) = (now, now, None);
        }
        if !self.update_dashboard(|dashboard| dashboard.epoch_begins(batch, batches)) {
            self.start_bar(&format!("epoch {number}/{epochs}"), batches, EPOCH_TEMPLATE);
            self.bar.set_position(batch as u64);
        }
    }

    fn batch_done(&self, exams: usize, loss: f64) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        epoch.pace.batch(exams);
        if self.update_dashboard(|dashboard| dashboard.batch_done(loss)) {
            return;
        }
        let mut texts = vec![format!("loss {loss:.4}")];
        texts.extend(pace_texts(&epoch.pace, epoch.start.elapsed().as_secs_f64()));
        texts.extend(Some(epoch.usage.clone()).filter(|usage| !usage.is_empty()));
        let message = texts.join("  ");
        if self.bar.is_hidden() && epoch.last_line.elapsed() > LINE_INTERVAL {
            epoch.last_line = Instant::now();
            let Pace { epoch: number, epochs, done, batches, .. } = epoch.pace;
            drop(epoch);
            self.line(&format!("epoch {number}/{epochs}  batch {done}/{batches}  {message}"));
        } else {
            self.bar.inc(1);
            self.bar.set_message(message);
        }
    }

    fn step_done(&self, row: &StepRow) {
        self.update_dashboard(|dashboard| dashboard.step_done(row));
    }

    fn usage(&self, usage: &Usage) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        epoch.usage = usage_text(usage);
        let pace = pace_texts(&epoch.pace, epoch.start.elapsed().as_secs_f64());
        drop(epoch);
        self.update_dashboard(|dashboard| dashboard.usage(&pace.join(", "), usage));
    }

    fn validation_begins(&self, exams: usize) {
        if let Ok(mut epoch) = self.epoch.lock() {
            epoch.validation = Some((Instant::now(), epoch.start.elapsed().as_secs_f64()));
        }
        if !self.update_dashboard(|dashboard| dashboard.validation_begins(exams)) {
            self.start_bar("validation", exams, STAGE_TEMPLATE);
        }
    }

    fn exams_scored(&self, exams: usize) {
        if !self.update_dashboard(|dashboard| dashboard.exams_scored(exams)) {
            self.bar.inc(exams as u64);
        }
    }

    fn epoch_ends(&self, rows: &[MetricsRow], best: Option<usize>) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        let seconds = epoch.start.elapsed().as_secs_f64();
        let epochs = epoch.pace.epochs;
        let mut eta_text = String::new();
        if let Some((start, training_seconds)) = epoch.validation.take() {
            epoch.pace.record_validation(start.elapsed().as_secs_f64());
            let eta = epoch.pace.next_epochs_eta(training_seconds).filter(|eta| *eta > 0.0);
            eta_text = eta.map_or(eta_text, |eta| format!(", ETA {}", duration(eta)));
        }
        drop(epoch);
        let row_of = |split| rows.iter().find(|row| row.split == split);
        let (Some(train), Some(valid)) = (row_of(SplitName::Train), row_of(SplitName::Valid))
        else {
            return;
        };
        let auc = |row: &MetricsRow| row.auc.map_or("  –  ".into(), |auc| format!("{auc:.3}"));
        let c_index = |row: &MetricsRow| match &row.survival {
            None => String::new(),
            Some(survival) => match survival.c_index {
                Some(c_index) => format!(" C-index {c_index:.3}"),
                None => " C-index   –  ".to_owned(),
            },
        };
        let best = if best == Some(valid.epoch) { "  best so far" } else { "" };
        if !self.update_dashboard(|dashboard| dashboard.epoch_ends(rows)) {
            self.clear();
        }
        self.line(&format!(
            "epoch {:>3}/{epochs}  training loss {:.4} AUC {}{}  validation loss {:.4} AUC {}{}  {}{eta_text}{best}",
            valid.epoch,
            train.loss,
            auc(train),
            c_index(train),
            valid.loss,
            auc(valid),
            c_index(valid),
            duration(seconds),
        ));
    }

    pub(super) fn note(&self, text: &str) {
        self.line(text);
    }

    pub(super) fn stage_begins(&self, name: &str) {
        self.start_bar(name, 0, STAGE_TEMPLATE);
    }

    pub(super) fn stage_advances(&self, done: usize, of: usize) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
    }

    pub(super) fn stage_ends(&self, name: &str, summary: &str) {
        self.clear();
        self.line(&format!("{name:<12} {summary}"));
    }

    fn training(&self, active: bool) {
        if let Ok(mut view) = self.view.lock() {
            view.active = active;
        }
        if !active {
            self.close_dashboard();
            self.clear();
        }
        self.interrupt.set_training(active);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_texts_are_empty_before_the_first_batch() {
        let mut pace = Pace::default();
        pace.begin(1, 3, 0, 100);
        assert_eq!(pace_texts(&pace, 5.0), [""; 0]);
        pace.batch(2);
        let expected = ["0.40 exams/s", "ETA 8 min 15 s (epoch), 24 min 55 s (run)"];
        assert_eq!(pace_texts(&pace, 5.0), expected);
    }
}
