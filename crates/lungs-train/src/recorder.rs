//! Records training for TensorBoard, and measures memory and GPU usage.

use super::{Event, Observer};
use burn::tensor::Device;
use lungs_base::files::WriteError;
use lungs_net::usage::Meter;
use lungs_spec::results::EventFiles;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Forwards every event to `observe`, and records it.
pub(super) struct Recorder<'a> {
    observe: &'a Observer<'a>,
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
        observe: &'a Observer<'a>,
        devices: &[Device],
        events: Option<Result<EventFiles, WriteError>>,
    ) -> Self {
        let meter = Meter::of(&devices.iter().collect::<Vec<_>>());
        let usage_meter = UsageMeter { meter, last: None, gpu_peak_bytes: None };
        let recorder = Self { observe, events: Mutex::new(None), meter: Mutex::new(usage_meter) };
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
        let note = format!("recording no further TensorBoard events: {error}");
        (self.observe)(&Event::Note(&note));
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

    /// Records an event and forwards it.
    pub(crate) fn record_event(&self, event: &Event) {
        match event {
            Event::StepDone(row) => self.record(|events| events.step(row)),
            Event::EpochEnds { rows, .. } => self.record(|events| events.epoch(rows)),
            _ => {}
        }
        (self.observe)(event);
        if let Event::BatchDone { .. } = event {
            self.read_usage();
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
        (self.observe)(&Event::Measured(&usage));
    }
}
