//! Exams into batches, read ahead of the network by threads, in a fixed order.
//!
//! ```text
//! worker 0: batch 0, batch 3, …  ─┐
//! worker 1: batch 1, batch 4, …  ─┼─ one by one, in turn ─▶ network
//! worker 2: batch 2, batch 5, …  ─┘
//! ```
//!
//! Who reads a batch does not change a byte of it, nor when. Each worker waits with its next batch
//! until there is room, so that memory holds a few batches whatever the cohort: three with one
//! worker, two for each of several.

use super::TrainingError;
use super::augment::{augment, augment_stream};
use super::order::Draw;
use super::windowing::{Voxels, Windowing, window_of};
use crate::prepare::load_prepared;
use crate::spec::Spec;
use ndarray::{Array3, Axis, Slice};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// An exam that is ready for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exam {
    /// Patient.
    pub patient: String,
    /// Exam.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// 1 for cancer within the horizon; 0 where nothing is known (prediction).
    pub label: u8,
    /// The prepared volume.
    pub crop: PathBuf,
}

/// A batch on the host.
#[derive(Debug)]
pub(super) struct HostBatch {
    /// Places of its exams in the list that was given.
    pub exams: Vec<usize>,
    /// Its voxels.
    pub voxels: Voxels,
    /// The shape that the network sees, `[batch, channel, depth, height, width]`.
    pub shape: [usize; 5],
}

/// How a reader makes batches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// With the spec's augmentation, as this epoch has it.
    Train { epoch: usize },
    /// As stored.
    Score,
}

/// Batches in their order.
pub(super) struct Batches<'a> {
    order: std::vec::IntoIter<Vec<Draw>>,
    source: Source<'a>,
    turn: usize,
    waited: Duration,
}

enum Source<'a> {
    /// From workers, in turn.
    Workers(Vec<Receiver<Result<HostBatch, TrainingError>>>),
    /// Read when it is asked for.
    Here(Box<dyn Fn(Vec<Draw>) -> Result<HostBatch, TrainingError> + 'a>),
}

impl Batches<'_> {
    /// How long the network has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<HostBatch, TrainingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let draws = self.order.next()?;
        let began = Instant::now();
        let batch = match &self.source {
            Source::Here(read) => Some(read(draws)),
            // A worker hangs up only when it is done, or with a panic, which the scope passes on.
            Source::Workers(workers) => workers[self.turn % workers.len()].recv().ok(),
        };
        self.turn += 1;
        self.waited += began.elapsed();
        batch
    }
}

/// Reads batches ahead on `runtime.workers` threads; they arrive in the order asked for.
pub(super) fn read_ahead<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    reading: Reading<'env>,
    order: Vec<Vec<Draw>>,
) -> Batches<'env> {
    let workers = reading.spec.runtime.workers.min(order.len());
    let ahead = if workers == 1 { 2 } else { 1 };
    let source = match workers {
        0 => Source::Here(Box::new(move |draws| reading.batch(draws))),
        _ => Source::Workers(
            (0..workers)
                .map(|worker| {
                    let (sender, receiver) = sync_channel(ahead);
                    let mine: Vec<Vec<Draw>> =
                        order.iter().skip(worker).step_by(workers).cloned().collect();
                    scope.spawn(move || {
                        for draws in mine {
                            // The receiver hangs up when training stops: no reason to read on.
                            if sender.send(reading.batch(draws)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect(),
        ),
    };
    Batches { order: order.into_iter(), source, turn: 0, waited: Duration::ZERO }
}

/// What is read and how.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub spec: &'a Spec,
    pub exams: &'a [Exam],
    pub purpose: Purpose,
    /// Who windows.
    pub windowing: Windowing,
}

impl Reading<'_> {
    fn batch(&self, draws: Vec<Draw>) -> Result<HostBatch, TrainingError> {
        let spec = self.spec;
        let [_, height, width] = spec.preprocess.size;
        let shape = [draws.len(), spec.model.channels, spec.model.slices, height, width];
        let mut voxels = self.windowing.room(shape);
        for (place, draw) in draws.iter().enumerate() {
            let crop = central_slices(self.crop(*draw)?, spec.model.slices);
            // Flipped, it is not in memory order.
            let crop = crop.as_standard_layout();
            let hu = crop.as_slice().unwrap_or_default();
            voxels.put([place, spec.model.channels], hu, window_of(spec));
        }
        Ok(HostBatch { exams: draws.iter().map(|draw| draw.exam).collect(), voxels, shape })
    }

    /// A crop as this epoch has it.
    fn crop(&self, draw: Draw) -> Result<Array3<i16>, TrainingError> {
        let (exam, expected) = (&self.exams[draw.exam], self.spec.preprocess.size);
        let crop = load_prepared(&exam.crop)?.volume.hu;
        let found: [usize; 3] = crop.dim().into();
        if found != expected {
            return Err(TrainingError::Shape { path: exam.crop.clone(), found, expected });
        }
        Ok(match self.purpose {
            Purpose::Score => crop,
            Purpose::Train { epoch } => {
                let rules = &self.spec.train.augment;
                let fill_hu = self.spec.preprocess.window.lower_hu as i16;
                let stream = augment_stream(epoch, &exam.exam, draw.repeat);
                augment(crop, rules, self.spec.experiment.seed, &stream, fill_hu)
            }
        })
    }
}

/// The middle `slices` of a crop.
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

    /// Volumes and a failure arrive in the order asked for, whoever reads.
    #[test]
    fn batches_come_in_order_with_any_number_of_workers() {
        let folder = tempfile::tempdir().unwrap();
        let mut exams = prepared_exams(folder.path(), &[0; 11], |place, _| place as i16 * 100);
        exams[9].crop = folder.path().join("not-there.npz");
        for workers in [0, 1, 2, 3, 20] {
            let spec = spec(&[&format!("runtime.workers={workers}"), "train.augment.shift_hu=0"]);
            let order: Vec<Vec<Draw>> = [[3, 1], [0, 7], [5, 2], [8, 4], [6, 9], [10, 1]]
                .map(|pair| pair.map(Draw::once).to_vec())
                .to_vec();
            let reading = Reading {
                spec: &spec,
                exams: &exams,
                purpose: Purpose::Score,
                windowing: Windowing::Device,
            };
            let seen: Vec<Result<Vec<i16>, String>> = std::thread::scope(|scope| {
                read_ahead(scope, reading, order)
                    .map(|batch| {
                        let batch = batch.map_err(|error| error.to_string())?;
                        let Voxels::Hounsfield(hu) = batch.voxels else { panic!("int16") };
                        Ok(hu.chunks(16 * 32 * 32).map(|exam| exam[0]).collect())
                    })
                    .collect()
            });
            let told = seen[4].clone().unwrap_err();
            assert!(told.contains("not-there.npz"), "{told}");
            let of = |place: usize| seen[place].clone().unwrap();
            assert_eq!(
                [0, 1, 2, 3, 5].map(of),
                [[300, 100], [0, 700], [500, 200], [800, 400], [1000, 100]]
            );
        }
    }

    #[test]
    fn the_middle_slices_are_taken() {
        let crop = Array3::from_shape_fn((224, 1, 1), |(d, _, _)| d as i16);
        let middle = central_slices(crop, 220);
        assert_eq!((middle[[0, 0, 0]], middle[[219, 0, 0]]), (2, 221));
    }
}
