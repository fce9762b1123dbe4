//! Batches of exams, prefetched by threads, in a fixed order.
//!
//! ```text
//! worker 0: batch 0, batch 3, …  ─┐
//! worker 1: batch 1, batch 4, …  ─┼─ one by one, in order ─▶ network
//! worker 2: batch 2, batch 5, …  ─┘
//! ```
//!
//! A batch does not depend on the worker that reads it, nor on the time. Each worker waits until the
//! queue has room for its next batch, so that memory holds a few batches whatever the size of the
//! cohort: three with one worker, two per worker with several.

use super::TrainingError;
use super::augment::{augment, augment_stream};
use super::exam::Exam;
use super::order::Draw;
use super::scanner::ScannerChange;
use super::windowing::{Voxels, Windowing, padding, units_per_hu, window_of};
use lungs_spec::spec::{Compat, Spec};
use lungs_study::prepare::load_prepared;
use ndarray::{Array3, Axis, Slice};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// A batch on the host.
#[derive(Debug)]
pub(super) struct HostBatch {
    /// Indices of its exams in the reader's list.
    pub exams: Vec<usize>,
    /// Its voxels.
    pub voxels: Voxels,
    /// Shape of the network's input, `[batch, channel, depth, height, width]`.
    pub shape: [usize; 5],
}

/// The purpose of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Training: with the spec's augmentation in this epoch.
    Train { epoch: usize },
    /// Scoring: without augmentation.
    Score,
    /// Scoring after a change that a scanner could make.
    Changed(ScannerChange),
}

/// An iterator over batches in order.
pub(super) struct Batches<'a> {
    order: std::vec::IntoIter<Vec<Draw>>,
    source: Source<'a>,
    next_index: usize,
    wait_time: Duration,
}

enum Source<'a> {
    /// Prefetched by workers; worker `i` reads batches `i`, `i + workers`, …
    Workers(Vec<Receiver<Result<HostBatch, TrainingError>>>),
    /// Read on demand.
    OnDemand(Box<dyn Fn(Vec<Draw>) -> Result<HostBatch, TrainingError> + 'a>),
}

impl Batches<'_> {
    /// Total time that the network has waited for batches.
    pub(crate) fn wait_time(&self) -> Duration {
        self.wait_time
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<HostBatch, TrainingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let draws = self.order.next()?;
        let start = Instant::now();
        let batch = match &self.source {
            Source::OnDemand(read) => Some(read(draws)),
            // A worker closes its channel when it is done, or on a panic, which the scope propagates.
            Source::Workers(workers) => workers[self.next_index % workers.len()].recv().ok(),
        };
        self.next_index += 1;
        self.wait_time += start.elapsed();
        batch
    }
}

/// Prefetches batches on `runtime.workers` threads. They arrive in the requested order.
pub(super) fn read_ahead<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    reader: BatchReader<'env>,
    order: Vec<Vec<Draw>>,
) -> Batches<'env> {
    let workers = reader.spec.runtime.workers.min(order.len());
    let capacity = if workers == 1 { 2 } else { 1 };
    let source = match workers {
        0 => Source::OnDemand(Box::new(move |draws| reader.batch(draws))),
        _ => Source::Workers(
            (0..workers)
                .map(|worker| {
                    let (sender, receiver) = sync_channel(capacity);
                    let own_batches: Vec<Vec<Draw>> =
                        order.iter().skip(worker).step_by(workers).cloned().collect();
                    scope.spawn(move || {
                        for draws in own_batches {
                            // The receiver is dropped when training stops.
                            if sender.send(reader.batch(draws)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect(),
        ),
    };
    Batches { order: order.into_iter(), source, next_index: 0, wait_time: Duration::ZERO }
}

/// Reads batches of exams.
#[derive(Clone, Copy)]
pub(super) struct BatchReader<'a> {
    pub spec: &'a Spec,
    pub exams: &'a [Exam],
    pub purpose: Purpose,
    /// Where Hounsfield units are windowed.
    pub windowing: Windowing,
}

impl BatchReader<'_> {
    fn batch(&self, draws: Vec<Draw>) -> Result<HostBatch, TrainingError> {
        let spec = self.spec;
        let [_, height, width] = spec.preprocess.size;
        let shape = [draws.len(), spec.model.channels, spec.model.slices, height, width];
        let mut voxels = self.windowing.allocate(shape);
        for (index, draw) in draws.iter().enumerate() {
            let crop = central_slices(self.crop(*draw)?, spec.model.slices);
            // A flipped crop is not contiguous.
            let crop = crop.as_standard_layout();
            let hu = crop.as_slice().unwrap_or_default();
            voxels.put([index, spec.model.channels], hu, window_of(spec));
        }
        Ok(HostBatch { exams: draws.iter().map(|draw| draw.exam).collect(), voxels, shape })
    }

    /// The crop of an exam, augmented for training.
    fn crop(&self, draw: Draw) -> Result<Array3<i16>, TrainingError> {
        let (exam, expected) = (&self.exams[draw.exam], self.spec.preprocess.size);
        let crop = load_prepared(&exam.crop)?.volume.hu;
        let actual: [usize; 3] = crop.dim().into();
        if actual != expected {
            return Err(TrainingError::Shape { path: exam.crop.clone(), actual, expected });
        }
        let units_per_hu = units_per_hu(self.spec);
        let seed = self.spec.experiment.seed;
        Ok(match self.purpose {
            Purpose::Score => crop,
            Purpose::Changed(change) => {
                let change = change.in_units(units_per_hu);
                change.apply(crop, seed, &exam.exam_id, padding(self.spec))
            }
            Purpose::Train { epoch } => {
                // Augmentation fills with the lower end of the window in the mode of the Python package too.
                let fill_hu = match self.spec.preprocess.compat {
                    Compat::None | Compat::Lungs015 => self.spec.preprocess.window.lower_hu as i16,
                    Compat::Sybil => padding(self.spec),
                };
                let mut rules = self.spec.train.augment.clone();
                rules.shift_hu *= units_per_hu;
                rules.noise_hu *= units_per_hu;
                let stream = augment_stream(epoch, &exam.exam_id, draw.repeat);
                augment(crop, &rules, seed, &stream, fill_hu)
            }
        })
    }
}

/// The central `slices` of a crop.
pub fn central_slices(mut crop: Array3<i16>, slices: usize) -> Array3<i16> {
    let first = (crop.len_of(Axis(0)) - slices) / 2;
    if slices < crop.len_of(Axis(0)) {
        crop.slice_axis_inplace(Axis(0), Slice::from(first..first + slices));
    }
    crop
}

#[cfg(test)]
mod tests {
    use super::super::testing::{prepared_exams, spec};
    use super::*;

    /// Volumes and an error arrive in the requested order.
    #[test]
    fn batches_come_in_order_with_any_number_of_workers() {
        let folder = tempfile::tempdir().unwrap();
        let mut exams = prepared_exams(folder.path(), &[0; 11], |index, _| index as i16 * 100);
        exams[9].crop = folder.path().join("not-there.npz");
        for workers in [0, 1, 2, 3, 20] {
            let spec = spec(&[&format!("runtime.workers={workers}"), "train.augment.shift_hu=0"]);
            let order: Vec<Vec<Draw>> = [[3, 1], [0, 7], [5, 2], [8, 4], [6, 9], [10, 1]]
                .map(|pair| pair.map(Draw::once).to_vec())
                .to_vec();
            let reader = BatchReader {
                spec: &spec,
                exams: &exams,
                purpose: Purpose::Score,
                windowing: Windowing::Device,
            };
            let results: Vec<Result<Vec<i16>, String>> = std::thread::scope(|scope| {
                read_ahead(scope, reader, order)
                    .map(|batch| {
                        let batch = batch.map_err(|error| error.to_string())?;
                        let Voxels::Hounsfield(hu) = batch.voxels else { panic!("int16") };
                        Ok(hu.chunks(16 * 32 * 32).map(|exam| exam[0]).collect())
                    })
                    .collect()
            });
            let error = results[4].clone().unwrap_err();
            assert!(error.contains("not-there.npz"), "{error}");
            let of = |index: usize| results[index].clone().unwrap();
            assert_eq!(
                [0, 1, 2, 3, 5].map(of),
                [[300, 100], [0, 700], [500, 200], [800, 400], [1000, 100]]
            );
        }
    }

    #[test]
    fn the_central_slices_are_taken() {
        let crop = Array3::from_shape_fn((224, 1, 1), |(d, _, _)| d as i16);
        let middle = central_slices(crop, 220);
        assert_eq!((middle[[0, 0, 0]], middle[[219, 0, 0]]), (2, 221));
    }
}
