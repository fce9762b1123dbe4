//! Pace and ETA of a run. Callers measure the time and pass seconds.

/// The pace of training, measured over the work of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// The current epoch, from 1.
    pub epoch: usize,
    /// The number of epochs.
    pub epochs: usize,
    /// Batches done in the current epoch, including those before a resume.
    pub done: usize,
    /// The number of batches in an epoch.
    pub batches: usize,
    /// Batches of the current epoch done before this process resumed it.
    first: usize,
    /// Exams that this process trained on in the current epoch.
    exams: usize,
    /// Duration of the last validation of this process.
    validation_seconds: Option<f64>,
}

impl Pace {
    /// Starts an epoch at `batch` of `batches`.
    pub(super) fn begin(&mut self, epoch: usize, epochs: usize, batch: usize, batches: usize) {
        let validation_seconds = self.validation_seconds;
        *self = Self {
            epoch,
            epochs,
            done: batch,
            first: batch,
            batches,
            exams: 0,
            validation_seconds,
        };
    }

    /// Counts a finished batch of `exams` exams.
    pub(super) fn batch(&mut self, exams: usize) {
        self.done += 1;
        self.exams += exams;
    }

    /// Records the duration of a validation.
    pub(super) fn record_validation(&mut self, seconds: f64) {
        self.validation_seconds = Some(seconds);
    }

    /// Exams per second, `seconds` after the start of the epoch.
    pub(super) fn exams_per_second(&self, seconds: f64) -> Option<f64> {
        (self.exams > 0 && seconds > 0.0).then(|| self.exams as f64 / seconds)
    }

    /// Seconds until the training of the epoch ends, `seconds` after its start.
    pub(super) fn epoch_eta(&self, seconds: f64) -> Option<f64> {
        Some(self.seconds_per_batch(seconds)? * self.batches.saturating_sub(self.done) as f64)
    }

    /// Seconds until the run ends without early stopping, `seconds` after the start of the epoch. Assumes
    /// the duration of the last validation, and zero before the first one.
    pub(super) fn run_eta(&self, seconds: f64) -> Option<f64> {
        let epochs = self.epochs.saturating_sub(self.epoch);
        let training = self.seconds_per_batch(seconds)? * (epochs * self.batches) as f64;
        let validation = self.validation_seconds.unwrap_or(0.0) * (epochs + 1) as f64;
        Some(self.epoch_eta(seconds)? + training + validation)
    }

    /// Seconds that the following epochs take without early stopping, if training the current epoch took
    /// `seconds`.
    pub(super) fn next_epochs_eta(&self, seconds: f64) -> Option<f64> {
        let epochs = self.epochs.saturating_sub(self.epoch) as f64;
        let training = self.seconds_per_batch(seconds)? * self.batches as f64;
        Some(epochs * (training + self.validation_seconds.unwrap_or(0.0)))
    }

    fn seconds_per_batch(&self, seconds: f64) -> Option<f64> {
        let batches = self.done.saturating_sub(self.first);
        (batches > 0).then(|| seconds / batches as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eta_uses_only_the_batches_of_this_process() {
        let mut pace = Pace::default();
        assert_eq!(pace.run_eta(3.0), None);
        // Resumed in epoch 2 of 4 after 6 of 10 batches.
        pace.begin(2, 4, 6, 10);
        assert_eq!((pace.exams_per_second(1.0), pace.epoch_eta(1.0)), (None, None));
        pace.batch(2);
        pace.batch(1);
        assert_eq!(pace.exams_per_second(6.0), Some(0.5));
        // Three seconds per batch: two batches in this epoch and twenty in the next two epochs.
        assert_eq!(pace.epoch_eta(6.0), Some(6.0));
        assert_eq!(pace.run_eta(6.0), Some(66.0));
        pace.record_validation(5.0);
        pace.begin(3, 4, 0, 10);
        pace.batch(2);
        // Nine batches, ten of the last epoch, and two validations.
        assert_eq!(pace.run_eta(3.0), Some(67.0));
        // One epoch of ten batches, and one validation.
        assert_eq!(pace.next_epochs_eta(3.0), Some(35.0));
    }
}
