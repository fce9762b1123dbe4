//! Who watches beside the user: TensorBoard's event files, and the meter of memory and GPUs.

use super::Watch;
use crate::files::WriteError;
use crate::results::{EventFiles, MetricsRow, StepRow};
use crate::usage::Meter;
use burn::tensor::Device;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Passes everything on to `watch`, and records.
pub(super) struct Recorder<'a> {
    watch: &'a dyn Watch,
    events: Mutex<Option<EventFiles>>,
    meter: Mutex<Metered>,
}

struct Metered {
    meter: Meter,
    last: Option<Instant>,
    gpu_peak_bytes: Option<u64>,
}

/// Between two looks at memory and GPUs.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl<'a> Recorder<'a> {
    /// For a run on these devices. Event files that cannot be opened are told of, and done without.
    pub fn new(
        watch: &'a dyn Watch,
        devices: &[Device],
        events: Option<Result<EventFiles, WriteError>>,
    ) -> Self {
        let meter = Meter::of(&devices.iter().collect::<Vec<_>>());
        let metered = Metered { meter, last: None, gpu_peak_bytes: None };
        let recorder = Self { watch, events: Mutex::new(None), meter: Mutex::new(metered) };
        match events {
            Some(Ok(files)) => recorder.set(files),
            Some(Err(error)) => recorder.without_events(&error),
            None => {}
        }
        recorder
    }

    /// Highest memory of a GPU seen since the last call.
    pub fn take_gpu_peak_bytes(&self) -> Option<u64> {
        self.meter.lock().ok()?.gpu_peak_bytes.take()
    }

    fn set(&self, files: EventFiles) {
        if let Ok(mut events) = self.events.lock() {
            *events = Some(files);
        }
    }

    /// A picture of training that cannot be written stops no training.
    fn without_events(&self, error: &WriteError) {
        self.watch.note(&format!("no TensorBoard events from here on: {error}"));
    }

    fn record(&self, write: impl FnOnce(&mut EventFiles) -> Result<(), WriteError>) {
        let Ok(mut events) = self.events.lock() else { return };
        let written = events.as_mut().map(write);
        if let Some(Err(error)) = written {
            *events = None;
            drop(events);
            self.without_events(&error);
        }
    }

    fn look(&self) {
        let Ok(mut metered) = self.meter.lock() else { return };
        if metered.last.is_some_and(|last| last.elapsed() < BETWEEN_LOOKS) {
            return;
        }
        metered.last = Some(Instant::now());
        let usage = metered.meter.read();
        let most = usage.gpus.iter().map(|gpu| gpu.memory_bytes).max();
        metered.gpu_peak_bytes = metered.gpu_peak_bytes.max(most);
        drop(metered);
        self.watch.usage(&usage);
    }
}

impl Watch for Recorder<'_> {
    fn epoch_begins(&self, epoch: usize, epochs: usize, batch: usize, batches: usize) {
        self.watch.epoch_begins(epoch, epochs, batch, batches);
    }

    fn batch_done(&self, exams: usize, loss: f64) {
        self.watch.batch_done(exams, loss);
        self.look();
    }

    fn step_done(&self, row: &StepRow) {
        self.record(|events| events.step(row));
        self.watch.step_done(row);
    }

    fn usage(&self, usage: &crate::usage::Usage) {
        self.watch.usage(usage);
    }

    fn validation_begins(&self, exams: usize) {
        self.watch.validation_begins(exams);
    }

    fn exams_scored(&self, exams: usize) {
        self.watch.exams_scored(exams);
    }

    fn epoch_ends(&self, rows: &[MetricsRow], best_so_far: Option<usize>) {
        self.record(|events| events.epoch(rows));
        self.watch.epoch_ends(rows, best_so_far);
    }

    fn note(&self, text: &str) {
        self.watch.note(text);
    }
}
