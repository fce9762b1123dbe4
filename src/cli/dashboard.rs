//! `--tui`: burn-train's dashboard, driven by the training loop of this program.
//!
//! burn-train draws in its own thread and receives events through its renderer. Its key `q` offers two
//! choices. "Stop" sets the interrupter, as a signal does, and training ends with a checkpoint. "Kill"
//! panics in the next call of the renderer; the process then exits at once, as after a second Ctrl-C.

use super::interrupt::Interrupt;
use super::output::{bytes, gpu_usage_text};
use super::screen::Screen;
use burn::train::logger::TrainingProgressLogger;
use burn::train::metric::{
    MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use lungs_net::usage::Usage;
use lungs_spec::results::{MetricsRow, StepRow};
use lungs_spec::spec::SplitName;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The open dashboard.
pub(super) struct Dashboard {
    renderer: Option<TuiMetricsRendererWrapper>,
    screen: Screen,
    exams_scored: usize,
    batch: usize,
    gpus: usize,
    has_c_index: bool,
}

/// Plotted metrics, and whether a higher value is better.
const PLOTTED_METRICS: [(&str, bool); 7] = [
    ("Loss", false),
    ("AUC", true),
    ("Accuracy", true),
    ("Average precision", true),
    ("Brier score", false),
    ("Gradient norm", false),
    ("Learning rate", false),
];

/// Plotted for risks of several years.
const C_INDEX: &str = "C-index";

const PACE: &str = "Pace";
const MEMORY: &str = "Memory";

impl Dashboard {
    /// Opens the dashboard for a run that starts with `epoch` (from 1) of `epochs`.
    pub(super) fn open(name: &str, interrupt: &Interrupt, epoch: usize, epochs: usize) -> Self {
        let screen = interrupt.screen.clone();
        screen.take();
        let completed_epochs = epoch.saturating_sub(1);
        let renderer =
            TuiMetricsRendererWrapper::new(interrupt.interrupter.clone(), Some(completed_epochs));
        screen.keep_signals();
        let mut dashboard = Self {
            renderer: Some(renderer),
            screen,
            exams_scored: 0,
            batch: 0,
            gpus: 0,
            has_c_index: false,
        };
        dashboard.render(|renderer| {
            renderer.start(epochs, epoch, None, Some(name));
            for (name, higher_is_better) in PLOTTED_METRICS {
                let attributes = NumericAttributes { unit: None, higher_is_better };
                renderer.register_metric(definition(name, MetricAttributes::Numeric(attributes)));
            }
            for name in [PACE, MEMORY] {
                renderer.register_metric(definition(name, MetricAttributes::None));
            }
        });
        dashboard
    }

    pub(super) fn epoch_begins(&mut self, batch: usize, batches: usize) {
        self.batch = batch;
        self.render(|renderer| {
            renderer.start_split("train", batches);
            renderer.update_split(batch);
        });
    }

    pub(super) fn batch_done(&mut self, loss: f64) {
        self.batch += 1;
        let batch = self.batch;
        self.render(|renderer| {
            renderer.update_train(number_metric("Loss", loss, 4));
            renderer.update_split(batch);
        });
    }

    pub(super) fn step_done(&mut self, row: &StepRow) {
        self.render(|renderer| {
            let rate = row.learning_rate;
            renderer.update_train(plotted_metric("Learning rate", rate, format!("{rate:.3e}")));
            if let Some(norm) = row.gradient_norm {
                renderer.update_train(number_metric("Gradient norm", norm, 3));
            }
        });
    }

    pub(super) fn usage(&mut self, pace: &str, usage: &Usage) {
        let known_gpus = self.gpus;
        self.gpus = known_gpus.max(usage.gpus.len());
        self.render(|renderer| {
            if !pace.is_empty() {
                renderer.update_train(text_metric(PACE, pace.to_owned()));
            }
            if let Some(memory) = usage.memory_bytes {
                renderer.update_train(text_metric(MEMORY, bytes(memory as f64)));
            }
            for (index, gpu) in usage.gpus.iter().enumerate() {
                let name = format!("GPU {index}");
                if index >= known_gpus {
                    renderer.register_metric(definition(&name, MetricAttributes::None));
                }
                renderer.update_train(text_metric(&name, gpu_usage_text(gpu)));
            }
        });
    }

    pub(super) fn validation_begins(&mut self, exams: usize) {
        self.exams_scored = 0;
        self.render(|renderer| {
            renderer.end_split();
            renderer.start_split("valid", exams);
        });
    }

    pub(super) fn exams_scored(&mut self, exams: usize) {
        self.exams_scored += exams;
        let exams_scored = self.exams_scored;
        self.render(|renderer| renderer.update_split(exams_scored));
    }

    pub(super) fn epoch_ends(&mut self, rows: &[MetricsRow]) {
        let is_new = !self.has_c_index && rows.iter().any(|row| row.survival.is_some());
        self.has_c_index |= is_new;
        self.render(|renderer| {
            if is_new {
                let attributes = NumericAttributes { unit: None, higher_is_better: true };
                let attributes = MetricAttributes::Numeric(attributes);
                renderer.register_metric(definition(C_INDEX, attributes));
            }
            for row in rows {
                let mut values = vec![
                    ("AUC", row.auc),
                    ("Accuracy", Some(row.accuracy)),
                    ("Average precision", row.average_precision),
                    ("Brier score", row.brier),
                    (C_INDEX, row.survival.as_ref().and_then(|survival| survival.c_index)),
                ];
                // The training loss is shown per batch.
                if row.split == SplitName::Valid {
                    values.push(("Loss", Some(row.loss)));
                }
                for (name, value) in values {
                    let Some(value) = value else { continue };
                    match row.split {
                        SplitName::Train => renderer.update_train(number_metric(name, value, 4)),
                        _ => renderer.update_valid(number_metric(name, value, 4)),
                    }
                }
            }
            renderer.end_split();
            if let Some(row) = rows.first() {
                renderer.update_epoch(row.epoch);
            }
        });
    }

    /// Closes the dashboard and restores the terminal.
    pub(super) fn close(mut self) {
        let renderer = self.renderer.take();
        if catch_unwind(AssertUnwindSafe(|| drop(renderer))).is_err() {
            self.exit();
        }
        self.screen.release();
    }

    fn render(&mut self, draw: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        let Some(renderer) = self.renderer.as_mut() else { return };
        if catch_unwind(AssertUnwindSafe(|| draw(renderer))).is_err() {
            self.exit();
        }
    }

    /// Ends the process after the user chose "kill".
    fn exit(&self) -> ! {
        super::interrupt::exit_immediately(&self.screen)
    }
}

fn id(name: &str) -> MetricId {
    MetricId::new(Arc::new(name.to_owned()))
}

fn definition(name: &str, attributes: MetricAttributes) -> MetricDefinition {
    let (metric_id, name) = (id(name), Arc::new(name.to_owned()));
    MetricDefinition { metric_id, name, description: None, attributes }
}

fn number_metric(name: &str, value: f64, digits: usize) -> MetricState {
    plotted_metric(name, value, format!("{value:.digits$}"))
}

fn plotted_metric(name: &str, value: f64, text: String) -> MetricState {
    let entry = MetricEntry::new(id(name), SerializedEntry::new(text, value.to_string()));
    MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
}

fn text_metric(name: &str, text: String) -> MetricState {
    MetricState::Generic(MetricEntry::new(id(name), SerializedEntry::new(text.clone(), text)))
}
