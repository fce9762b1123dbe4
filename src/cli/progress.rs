//! How training looks while it runs: bars on a terminal, lines elsewhere, or a dashboard.

use super::dashboard::Dashboard;
use super::interrupt::Interrupt;
use super::output::{duration, usage_in_words};
use super::pace::Pace;
use super::screen::Screen;
use crate::pipeline::Stages;
use crate::results::{MetricsRow, StepRow};
use crate::spec::Part;
use crate::training::Watch;
use crate::usage::Usage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shows training on standard output (lines) and standard error (bar).
pub(super) struct Progress<'a> {
    quiet: bool,
    interrupt: &'a Interrupt,
    bar: ProgressBar,
    epoch: Mutex<Epoch>,
    /// Title of the dashboard, where one is wanted.
    dashboard: Option<String>,
    view: Mutex<View>,
}

/// The epoch under way.
struct Epoch {
    pace: Pace,
    began: Instant,
    told: Instant,
    /// When validation began, and what training took until then.
    validation: Option<(Instant, f64)>,
    usage: String,
}

/// The dashboard while it is up, and lines that wait for it to go.
#[derive(Default)]
struct View {
    active: bool,
    dashboard: Option<Dashboard>,
    held: Vec<String>,
}

/// Silence between two lines of a log.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

const OF_A_STAGE: &str =
    "{prefix:>12} [{bar:20}] {pos}/{len}  {elapsed} elapsed, {eta} left  {wide_msg}";
const OF_AN_EPOCH: &str = "{prefix:>12} [{bar:20}] {pos}/{len}  {wide_msg}";

impl<'a> Progress<'a> {
    pub fn new(quiet: bool, interrupt: &'a Interrupt) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !quiet;
        let target =
            if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let now = Instant::now();
        let epoch = Epoch {
            pace: Pace::default(),
            began: now,
            told: now,
            validation: None,
            usage: String::new(),
        };
        let (epoch, view) = (Mutex::new(epoch), Mutex::new(View::default()));
        Self { quiet, interrupt, bar, epoch, dashboard: None, view }
    }

    /// Shows training as a dashboard with this title where the terminal can, or says why not.
    pub fn with_dashboard(mut self, title: &str) -> Self {
        match Screen::obstacle() {
            None => self.dashboard = Some(title.to_owned()),
            Some(obstacle) => {
                self.line(&format!("--tui: {obstacle}; going on with plain lines"));
            }
        }
        self
    }

    /// A bar over a known number of things.
    fn over(&self, name: &str, count: usize, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.reset();
        self.bar.set_length(count as u64);
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message("");
    }

    /// So many of so many series are fetched, and words about bytes and time.
    pub fn fetching(&self, done: usize, of: usize, words: String) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        let Ok(mut epoch) = self.epoch.lock() else { return };
        if !self.bar.is_hidden() {
            self.bar.set_message(words);
        } else if epoch.told.elapsed() > BETWEEN_LINES {
            epoch.told = Instant::now();
            self.line(&format!("fetch        {done}/{of} series  {words}"));
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if let Ok(mut view) = self.view.lock()
            && view.dashboard.is_some()
        {
            view.held.push(text.to_owned());
            return;
        }
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stdout(), "{text}");
        });
    }

    /// Tells the dashboard, if it is up.
    fn dashboard(&self, tell: impl FnOnce(&mut Dashboard)) -> bool {
        let Ok(mut view) = self.view.lock() else { return false };
        view.dashboard.as_mut().map(tell).is_some()
    }

    /// Puts the dashboard up where it is wanted and is not up yet.
    fn open_dashboard(&self, epoch: usize, epochs: usize) {
        let Some(title) = &self.dashboard else { return };
        let Ok(mut view) = self.view.lock() else { return };
        if view.active && view.dashboard.is_none() {
            self.clear();
            view.dashboard = Some(Dashboard::open(title, self.interrupt, epoch, epochs));
        }
    }

    /// Takes the dashboard down, and prints what happened meanwhile.
    fn close_dashboard(&self) {
        let Ok(mut view) = self.view.lock() else { return };
        let (dashboard, held) = (view.dashboard.take(), std::mem::take(&mut view.held));
        drop(view);
        if let Some(dashboard) = dashboard {
            dashboard.close();
        }
        for line in held {
            self.line(&line);
        }
    }
}

/// `0.52 exams/s`, `4.2 s left, 2 h 05 min in all`: as much as is known so long after the epoch began.
fn pace_in_words(pace: &Pace, seconds: f64) -> Vec<String> {
    let rate = pace.exams_per_second(seconds).map(|rate| format!("{rate:.2} exams/s"));
    let left = [pace.left_in_epoch(seconds), pace.left_in_all(seconds)];
    let left = match left.map(|seconds| seconds.map(duration)) {
        [Some(here), Some(all)] => Some(format!("{here} left, {all} in all")),
        _ => None,
    };
    rate.into_iter().chain(left).collect()
}

impl Watch for Progress<'_> {
    fn epoch_begins(&self, number: usize, epochs: usize, batch: usize, batches: usize) {
        self.open_dashboard(number, epochs);
        let now = Instant::now();
        if let Ok(mut epoch) = self.epoch.lock() {
            epoch.pace.begin(number, epochs, batch, batches);
            (epoch.began, epoch.told, epoch.validation) = (now, now, None);
        }
        if !self.dashboard(|dashboard| dashboard.epoch_begins(batch, batches)) {
            self.over(&format!("epoch {number}/{epochs}"), batches, OF_AN_EPOCH);
            self.bar.set_position(batch as u64);
        }
    }

    fn batch_done(&self, exams: usize, loss: f64) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        epoch.pace.batch(exams);
        if self.dashboard(|dashboard| dashboard.batch_done(loss)) {
            return;
        }
        let mut words = vec![format!("loss {loss:.4}")];
        words.extend(pace_in_words(&epoch.pace, epoch.began.elapsed().as_secs_f64()));
        words.extend(Some(epoch.usage.clone()).filter(|usage| !usage.is_empty()));
        let words = words.join("  ");
        if self.bar.is_hidden() && epoch.told.elapsed() > BETWEEN_LINES {
            epoch.told = Instant::now();
            let Pace { epoch: number, epochs, done, batches, .. } = epoch.pace;
            drop(epoch);
            self.line(&format!("epoch {number}/{epochs}  batch {done}/{batches}  {words}"));
        } else {
            self.bar.inc(1);
            self.bar.set_message(words);
        }
    }

    fn step_done(&self, row: &StepRow) {
        self.dashboard(|dashboard| dashboard.step_done(row));
    }

    fn usage(&self, usage: &Usage) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        epoch.usage = usage_in_words(usage);
        let pace = pace_in_words(&epoch.pace, epoch.began.elapsed().as_secs_f64());
        drop(epoch);
        self.dashboard(|dashboard| dashboard.usage(&pace.join(", "), usage));
    }

    fn validation_begins(&self, exams: usize) {
        if let Ok(mut epoch) = self.epoch.lock() {
            epoch.validation = Some((Instant::now(), epoch.began.elapsed().as_secs_f64()));
        }
        if !self.dashboard(|dashboard| dashboard.validation_begins(exams)) {
            self.over("validation", exams, OF_A_STAGE);
        }
    }

    fn exams_scored(&self, exams: usize) {
        if !self.dashboard(|dashboard| dashboard.exams_scored(exams)) {
            self.bar.inc(exams as u64);
        }
    }

    fn epoch_ends(&self, rows: &[MetricsRow], best_so_far: Option<usize>) {
        let Ok(mut epoch) = self.epoch.lock() else { return };
        let seconds = epoch.began.elapsed().as_secs_f64();
        let epochs = epoch.pace.epochs;
        let mut left = String::new();
        if let Some((began, trained)) = epoch.validation.take() {
            epoch.pace.validated(began.elapsed().as_secs_f64());
            let rest = epoch.pace.left_after_epoch(trained).filter(|rest| *rest > 0.0);
            left = rest.map_or(left, |rest| format!(", {} left", duration(rest)));
        }
        drop(epoch);
        let part = |part| rows.iter().find(|row| row.split == part);
        let (Some(train), Some(valid)) = (part(Part::Train), part(Part::Valid)) else { return };
        let auc = |row: &MetricsRow| row.auc.map_or("  –  ".into(), |auc| format!("{auc:.3}"));
        let best = if best_so_far == Some(valid.epoch) { "  best so far" } else { "" };
        if !self.dashboard(|dashboard| dashboard.epoch_ends(rows)) {
            self.clear();
        }
        self.line(&format!(
            "epoch {:>3}/{epochs}  train loss {:.4} AUC {}  valid loss {:.4} AUC {}  {}{left}{best}",
            valid.epoch,
            train.loss,
            auc(train),
            valid.loss,
            auc(valid),
            duration(seconds),
        ));
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}

impl Stages for Progress<'_> {
    fn stage_begins(&self, name: &str) {
        self.over(name, 0, OF_A_STAGE);
    }

    fn stage_advances(&self, done: usize, of: usize) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
    }

    fn stage_ends(&self, name: &str, summary: &str) {
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
    fn the_pace_is_told_once_there_is_one() {
        let mut pace = Pace::default();
        pace.begin(1, 3, 0, 100);
        assert_eq!(pace_in_words(&pace, 5.0), [""; 0]);
        pace.batch(2);
        let told = ["0.40 exams/s", "8 min 15 s left, 24 min 55 s in all"];
        assert_eq!(pace_in_words(&pace, 5.0), told);
    }
}
