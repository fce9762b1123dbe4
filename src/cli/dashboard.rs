//! `--tui`: burn-train's dashboard, driven by our own loop.
//!
//! burn-train draws in a thread of its own and takes events from whoever calls its renderer. Its key
//! `q` offers to stop, which sets the interrupter that signals set too, so that a checkpoint is
//! written; or to kill, which panics in the next call from here and becomes an exit at once, as a
//! second Ctrl-C does.

use super::interrupt::Interrupt;
use super::output::{bytes, usage_of_gpu};
use super::screen::Screen;
use crate::results::{MetricsRow, StepRow};
use crate::spec::Part;
use crate::usage::Usage;
use burn::train::logger::TrainingProgressLogger;
use burn::train::metric::{
    MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The dashboard while it is up.
pub(super) struct Dashboard {
    renderer: Option<TuiMetricsRendererWrapper>,
    screen: Screen,
    scored: usize,
    batch: usize,
    gpus: usize,
}

/// Numbers that are plotted, with whether more is better.
const PLOTTED: [(&str, bool); 7] = [
    ("Loss", false),
    ("AUC", true),
    ("Accuracy", true),
    ("Average precision", true),
    ("Brier score", false),
    ("Gradient norm", false),
    ("Learning rate", false),
];

const PACE: &str = "Pace";
const MEMORY: &str = "Memory";

impl Dashboard {
    /// Takes the terminal for a run that goes on with `epoch` (from 1) of `epochs`.
    pub fn open(name: &str, interrupt: &Interrupt, epoch: usize, epochs: usize) -> Self {
        let screen = interrupt.screen.clone();
        screen.take();
        let done = epoch.saturating_sub(1);
        let renderer = TuiMetricsRendererWrapper::new(interrupt.interrupter.clone(), Some(done));
        screen.keep_signals();
        let mut dashboard = Self { renderer: Some(renderer), screen, scored: 0, batch: 0, gpus: 0 };
        dashboard.tell(|renderer| {
            renderer.start(epochs, epoch, None, Some(name));
            for (name, higher_is_better) in PLOTTED {
                let attributes = NumericAttributes { unit: None, higher_is_better };
                renderer.register_metric(definition(name, MetricAttributes::Numeric(attributes)));
            }
            for name in [PACE, MEMORY] {
                renderer.register_metric(definition(name, MetricAttributes::None));
            }
        });
        dashboard
    }

    pub fn epoch_begins(&mut self, batch: usize, batches: usize) {
        self.batch = batch;
        self.tell(|renderer| {
            renderer.start_split("train", batches);
            renderer.update_split(batch);
        });
    }

    pub fn batch_done(&mut self, loss: f64) {
        self.batch += 1;
        let batch = self.batch;
        self.tell(|renderer| {
            renderer.update_train(number("Loss", loss, 4));
            renderer.update_split(batch);
        });
    }

    pub fn step_done(&mut self, row: &StepRow) {
        self.tell(|renderer| {
            let rate = row.learning_rate;
            renderer.update_train(plotted("Learning rate", rate, format!("{rate:.3e}")));
            if let Some(norm) = row.gradient_norm {
                renderer.update_train(number("Gradient norm", norm, 3));
            }
        });
    }

    pub fn usage(&mut self, pace: &str, usage: &Usage) {
        let known = self.gpus;
        self.gpus = known.max(usage.gpus.len());
        self.tell(|renderer| {
            if !pace.is_empty() {
                renderer.update_train(words(PACE, pace.to_owned()));
            }
            if let Some(memory) = usage.memory_bytes {
                renderer.update_train(words(MEMORY, bytes(memory as f64)));
            }
            for (place, gpu) in usage.gpus.iter().enumerate() {
                let name = format!("GPU {place}");
                if place >= known {
                    renderer.register_metric(definition(&name, MetricAttributes::None));
                }
                renderer.update_train(words(&name, usage_of_gpu(gpu)));
            }
        });
    }

    pub fn validation_begins(&mut self, exams: usize) {
        self.scored = 0;
        self.tell(|renderer| {
            renderer.end_split();
            renderer.start_split("valid", exams);
        });
    }

    pub fn exams_scored(&mut self, exams: usize) {
        self.scored += exams;
        let scored = self.scored;
        self.tell(|renderer| renderer.update_split(scored));
    }

    pub fn epoch_ends(&mut self, rows: &[MetricsRow]) {
        self.tell(|renderer| {
            for row in rows {
                let mut values = vec![
                    ("AUC", row.auc),
                    ("Accuracy", Some(row.accuracy)),
                    ("Average precision", row.average_precision),
                    ("Brier score", row.brier),
                ];
                // Of training, every batch has told its loss.
                if row.split == Part::Valid {
                    values.push(("Loss", Some(row.loss)));
                }
                for (name, value) in values {
                    let Some(value) = value else { continue };
                    match row.split {
                        Part::Train => renderer.update_train(number(name, value, 4)),
                        _ => renderer.update_valid(number(name, value, 4)),
                    }
                }
            }
            renderer.end_split();
            if let Some(row) = rows.first() {
                renderer.update_epoch(row.epoch);
            }
        });
    }

    /// Gives the terminal back.
    pub fn close(mut self) {
        let renderer = self.renderer.take();
        if catch_unwind(AssertUnwindSafe(|| drop(renderer))).is_err() {
            self.killed();
        }
        self.screen.given_back();
    }

    fn tell(&mut self, tell: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        let Some(renderer) = self.renderer.as_mut() else { return };
        if catch_unwind(AssertUnwindSafe(|| tell(renderer))).is_err() {
            self.killed();
        }
    }

    /// The user chose to kill.
    fn killed(&self) -> ! {
        super::interrupt::exit_at_once(&self.screen)
    }
}

fn id(name: &str) -> MetricId {
    MetricId::new(Arc::new(name.to_owned()))
}

fn definition(name: &str, attributes: MetricAttributes) -> MetricDefinition {
    let (metric_id, name) = (id(name), Arc::new(name.to_owned()));
    MetricDefinition { metric_id, name, description: None, attributes }
}

fn number(name: &str, value: f64, digits: usize) -> MetricState {
    plotted(name, value, format!("{value:.digits$}"))
}

fn plotted(name: &str, value: f64, text: String) -> MetricState {
    let entry = MetricEntry::new(id(name), SerializedEntry::new(text, value.to_string()));
    MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
}

fn words(name: &str, text: String) -> MetricState {
    MetricState::Generic(MetricEntry::new(id(name), SerializedEntry::new(text.clone(), text)))
}
