//! How fast a run goes, and how long it will take still. No clock here: seconds are given.

/// The pace of training over the epochs that this process has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// The epoch under way, from 1, of so many.
    pub epoch: usize,
    pub epochs: usize,
    /// Batches done in the epoch, of so many, of which `first` were done before this process.
    pub done: usize,
    pub batches: usize,
    first: usize,
    /// Exams trained on in the epoch by this process.
    exams: usize,
    /// What validation took last, where one has been seen.
    validation_seconds: Option<f64>,
}

impl Pace {
    /// An epoch begins at `batch` of `batches`.
    pub fn begin(&mut self, epoch: usize, epochs: usize, batch: usize, batches: usize) {
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

    /// A batch of so many exams is done.
    pub fn batch(&mut self, exams: usize) {
        self.done += 1;
        self.exams += exams;
    }

    /// The epoch's validation took so long.
    pub fn validated(&mut self, seconds: f64) {
        self.validation_seconds = Some(seconds);
    }

    /// Exams in a second, `seconds` after the epoch began.
    pub fn exams_per_second(&self, seconds: f64) -> Option<f64> {
        (self.exams > 0 && seconds > 0.0).then(|| self.exams as f64 / seconds)
    }

    /// Seconds that training the epoch will still take.
    pub fn left_in_epoch(&self, seconds: f64) -> Option<f64> {
        Some(self.each(seconds)? * self.batches.saturating_sub(self.done) as f64)
    }

    /// Seconds that the whole run will still take if it does not stop early. Validation is as long as
    /// the last one; before the first it is not known, and left out.
    pub fn left_in_all(&self, seconds: f64) -> Option<f64> {
        let epochs = self.epochs.saturating_sub(self.epoch);
        let training = self.each(seconds)? * (epochs * self.batches) as f64;
        let validation = self.validation_seconds.unwrap_or(0.0) * (epochs + 1) as f64;
        Some(self.left_in_epoch(seconds)? + training + validation)
    }

    /// Seconds that the epochs after this one will take if training does not stop early; `seconds` is
    /// what training this one took.
    pub fn left_after_epoch(&self, seconds: f64) -> Option<f64> {
        let epochs = self.epochs.saturating_sub(self.epoch) as f64;
        let training = self.each(seconds)? * self.batches as f64;
        Some(epochs * (training + self.validation_seconds.unwrap_or(0.0)))
    }

    fn each(&self, seconds: f64) -> Option<f64> {
        let here = self.done.saturating_sub(self.first);
        (here > 0).then(|| seconds / here as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_counts_what_this_process_did() {
        let mut pace = Pace::default();
        assert_eq!(pace.left_in_all(3.0), None);
        // Continued in epoch 2 of 4 after 6 of 10 batches.
        pace.begin(2, 4, 6, 10);
        assert_eq!((pace.exams_per_second(1.0), pace.left_in_epoch(1.0)), (None, None));
        pace.batch(2);
        pace.batch(1);
        assert_eq!(pace.exams_per_second(6.0), Some(0.5));
        // Three seconds a batch: two batches here, and twenty in the two epochs that follow.
        assert_eq!(pace.left_in_epoch(6.0), Some(6.0));
        assert_eq!(pace.left_in_all(6.0), Some(66.0));
        pace.validated(5.0);
        pace.begin(3, 4, 0, 10);
        pace.batch(2);
        // Nine batches and ten of the last epoch, and two validations.
        assert_eq!(pace.left_in_all(3.0), Some(67.0));
        // One epoch of ten batches, and one validation.
        assert_eq!(pace.left_after_epoch(3.0), Some(35.0));
    }
}
