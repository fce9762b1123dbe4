//! How training looks while it runs: bars on a terminal, lines elsewhere.

use super::interrupt::Interrupt;
use super::output::duration;
use crate::pipeline::Stages;
use crate::results::MetricsRow;
use crate::spec::Part;
use crate::training::Watch;
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
}

/// The epoch under way.
struct Epoch {
    number: usize,
    epochs: usize,
    batches: usize,
    done: usize,
    first: usize,
    began: Instant,
    told: Instant,
}

/// Silence between two lines of a log.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

impl<'a> Progress<'a> {
    pub fn new(quiet: bool, interrupt: &'a Interrupt) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !quiet;
        let target =
            if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let now = Instant::now();
        let epoch =
            Epoch { number: 0, epochs: 0, batches: 0, done: 0, first: 0, began: now, told: now };
        Self { quiet, interrupt, bar, epoch: Mutex::new(epoch) }
    }

    /// A bar over a known number of things.
    fn over(&self, name: &str, count: usize) {
        let style = "{prefix:>12} [{bar:30}] {pos}/{len}  {elapsed} elapsed, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.reset();
        self.bar.set_length(count as u64);
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message("");
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stdout(), "{text}");
            });
        }
    }
}

impl Watch for Progress<'_> {
    fn epoch_begins(&self, number: usize, epochs: usize, batch: usize, batches: usize) {
        self.over(&format!("epoch {number}/{epochs}"), batches);
        self.bar.set_position(batch as u64);
        self.bar.reset_eta();
        let now = Instant::now();
        if let Ok(mut epoch) = self.epoch.lock() {
            *epoch =
                Epoch { number, epochs, batches, done: batch, first: batch, began: now, told: now };
        }
    }

    fn batch_done(&self, loss: f64) {
        self.bar.set_message(format!("loss {loss:.4}"));
        self.bar.inc(1);
        let Ok(mut epoch) = self.epoch.lock() else { return };
        epoch.done += 1;
        if self.bar.is_hidden() && epoch.told.elapsed() > BETWEEN_LINES {
            epoch.told = Instant::now();
            let each = epoch.began.elapsed().as_secs_f64() / (epoch.done - epoch.first) as f64;
            let left = epoch.batches.saturating_sub(epoch.done)
                + (epoch.epochs - epoch.number) * epoch.batches;
            let text = format!(
                "epoch {}/{}  batch {}/{}  loss {loss:.4}  about {} left",
                epoch.number,
                epoch.epochs,
                epoch.done,
                epoch.batches,
                duration(each * left as f64)
            );
            drop(epoch);
            self.line(&text);
        }
    }

    fn validation_begins(&self, exams: usize) {
        self.over("validation", exams);
    }

    fn exams_scored(&self, exams: usize) {
        self.bar.inc(exams as u64);
    }

    fn epoch_ends(&self, rows: &[MetricsRow], best_so_far: Option<usize>) {
        let seconds = self.epoch.lock().map(|epoch| epoch.began.elapsed().as_secs_f64());
        let epochs = self.epoch.lock().map(|epoch| epoch.epochs).unwrap_or_default();
        let part = |part| rows.iter().find(|row| row.split == part);
        let (Some(train), Some(valid)) = (part(Part::Train), part(Part::Valid)) else { return };
        let auc = |row: &MetricsRow| row.auc.map_or("  –  ".into(), |auc| format!("{auc:.3}"));
        let best = if best_so_far == Some(valid.epoch) { "  best so far" } else { "" };
        self.clear();
        self.line(&format!(
            "epoch {:>3}/{epochs}  train loss {:.4} AUC {}  valid loss {:.4} AUC {}  {}{best}",
            valid.epoch,
            train.loss,
            auc(train),
            valid.loss,
            auc(valid),
            duration(seconds.unwrap_or_default()),
        ));
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}

impl Stages for Progress<'_> {
    fn stage_begins(&self, name: &str) {
        self.over(name, 0);
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
        if !active {
            self.clear();
        }
        self.interrupt.set_training(active);
    }
}
