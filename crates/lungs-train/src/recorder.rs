//! Records training for TensorBoard, and measures memory and GPU usage.

use super::Watch;
use burn::tensor::Device;
use lungs_base::files::WriteError;
use lungs_net::usage::Meter;
use lungs_spec::results::{EventFiles, MetricsRow, StepRow};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Forwards every event to `watch`, and records it.
pub(super) struct Recorder<'a> {
    watch: &'a dyn Watch,
    events: Mutex<Option<EventFiles>>,
    meter: Mutex<UsageMeter>,
}

struct UsageMeter {
    meter: Meter,
    last: Option<Instant>,
    gpu_peak_bytes: Option<u64>,
}

/// Interval between two measurements of memory and GPUs.
const METER_INTERVAL: Duration = Duration::from_secs(1);

impl<'a> Recorder<'a> {
    /// A recorder for a run on these devices. If the event files cannot be opened, it notes the error
    /// and records without them.
    pub(crate) fn new(
        watch: &'a dyn Watch,
        devices: &[Device],
        events: Option<Result<EventFiles, WriteError>>,
    ) -> Self {
        let meter = Meter::of(&devices.iter().collect::<Vec<_>>());
        let usage_meter = UsageMeter { meter, last: None, gpu_peak_bytes: None };
        let recorder = Self { watch, events: Mutex::new(None), meter: Mutex::new(usage_meter) };
        match events {
            Some(Ok(files)) => recorder.set(files),
            Some(Err(error)) => recorder.without_events(&error),
            None => {}
        }
        recorder
    }

    /// Peak memory of any GPU since the last call.
    pub(crate) fn take_gpu_peak_bytes(&self) -> Option<u64> {
        self.meter.lock().ok()?.gpu_peak_bytes.take()
    }

    fn set(&self, files: EventFiles) {
        if let Ok(mut events) = self.events.lock() {
            *events = Some(files);
        }
    }

    /// Notes that event files cannot be written; training continues.
    fn without_events(&self, error: &WriteError) {
        self.watch.note(&format!("recording no further TensorBoard events: {error}"));
    }

    fn record(&self, write: impl FnOnce(&mut EventFiles) -> Result<(), WriteError>) {
        let Ok(mut events) = self.events.lock() else { return };
        let result = events.as_mut().map(write);
        if let Some(Err(error)) = result {
            *events = None;
            drop(events);
            self.without_events(&error);
        }
    }

    fn read_usage(&self) {
        let Ok(mut usage_meter) = self.meter.lock() else { return };
        if usage_meter.last.is_some_and(|last| last.elapsed() < METER_INTERVAL) {
            return;
        }
        usage_meter.last = Some(Instant::now());
        let usage = usage_meter.meter.read();
        let peak = usage.gpus.iter().map(|gpu| gpu.memory_bytes).max();
        usage_meter.gpu_peak_bytes = usage_meter.gpu_peak_bytes.max(peak);
        drop(usage_meter);
        self.watch.usage(&usage);
    }
}

impl Watch for Recorder<'_> {
    fn epoch_begins(&self, epoch: usize, epochs: usize, batch: usize, batches: usize) {
        self.watch.epoch_begins(epoch, epochs, batch, batches);
    }

    fn batch_done(&self, exams: usize, loss: f64) {
        self.watch.batch_done(exams, loss);
        self.read_usage();
    }

    fn step_done(&self, row: &StepRow) {
        self.record(|events| events.step(row));
        self.watch.step_done(row);
    }

    fn usage(&self, usage: &lungs_net::usage::Usage) {
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
