//! Exams into batches, read ahead of the network by one thread, in a fixed order.

use super::TrainingError;
use super::augment::augment;
use crate::prepare::load_prepared;
use crate::random;
use crate::spec::Spec;
use crate::volume::Window;
use ndarray::{Array3, Axis, Slice};
use rand::seq::SliceRandom;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

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
    /// Windowed voxels, `[batch, channel, depth, height, width]`, row-major.
    pub voxels: Vec<f32>,
    /// That shape.
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

/// The batches of a training epoch: places in the list of exams, shuffled by the epoch's stream.
/// The last batch may be smaller.
pub fn batch_order(exams: usize, batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..exams).collect();
    order.shuffle(&mut random::stream(seed, &format!("shuffle/epoch-{epoch}")));
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

/// Reads batches on a thread of its own, two ahead; they arrive in the order asked for.
pub(super) fn read_ahead<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    spec: &'env Spec,
    exams: &'env [Exam],
    order: Vec<Vec<usize>>,
    purpose: Purpose,
) -> (Receiver<Result<HostBatch, TrainingError>>, ScopedJoinHandle<'scope, ()>) {
    let (sender, receiver) = sync_channel(2);
    let reader = scope.spawn(move || {
        for batch in order {
            // The receiver hangs up when training stops: no reason to read on.
            if sender.send(read_batch(spec, exams, batch, purpose)).is_err() {
                return;
            }
        }
    });
    (receiver, reader)
}

fn read_batch(
    spec: &Spec,
    exams: &[Exam],
    batch: Vec<usize>,
    purpose: Purpose,
) -> Result<HostBatch, TrainingError> {
    let [depth, height, width] = spec.preprocess.size;
    let channels = spec.model.channels;
    let shape = [batch.len(), channels, spec.model.slices, height, width];
    let window = spec.preprocess.window;
    let window = Window { lower_hu: window.lower_hu as f32, upper_hu: window.upper_hu as f32 };
    let one = spec.model.slices * height * width;
    let mut voxels = vec![0.0f32; batch.len() * channels * one];
    for (place, slot) in batch.iter().zip(voxels.chunks_exact_mut(channels * one)) {
        let exam = &exams[*place];
        let crop = load_prepared(&exam.crop)?.volume.hu;
        let found = [crop.dim().0, crop.dim().1, crop.dim().2];
        let expected = [depth, height, width];
        if found != expected {
            return Err(TrainingError::Shape { path: exam.crop.clone(), found, expected });
        }
        let crop = match purpose {
            Purpose::Score => crop,
            Purpose::Train { epoch } => {
                let (rules, seed) = (&spec.train.augment, spec.experiment.seed);
                augment(crop, rules, seed, epoch, &exam.exam, window.lower_hu as i16)
            }
        };
        let crop = central_slices(crop, spec.model.slices);
        let (first, others) = slot.split_at_mut(one);
        match crop.as_slice() {
            Some(hu) => window.apply(hu, first),
            // Flipped: not in memory order.
            None => window.apply(&crop.iter().copied().collect::<Vec<i16>>(), first),
        }
        for channel in others.chunks_exact_mut(one) {
            channel.copy_from_slice(first);
        }
    }
    Ok(HostBatch { exams: batch, voxels, shape })
}

/// The middle `slices` of a crop.
fn central_slices(mut crop: Array3<i16>, slices: usize) -> Array3<i16> {
    let first = (crop.len_of(Axis(0)) - slices) / 2;
    if slices < crop.len_of(Axis(0)) {
        crop.slice_axis_inplace(Axis(0), Slice::from(first..first + slices));
    }
    crop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exam_is_in_one_batch_and_epochs_differ() {
        let order = batch_order(10, 4, 37, 1);
        assert_eq!(order.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let mut all: Vec<usize> = order.concat();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(order, batch_order(10, 4, 37, 1));
        assert_ne!(order, batch_order(10, 4, 37, 2));
        assert_ne!(order, batch_order(10, 4, 38, 1));
    }

    #[test]
    fn the_middle_slices_are_taken() {
        let crop = Array3::from_shape_fn((224, 1, 1), |(d, _, _)| d as i16);
        let middle = central_slices(crop, 220);
        assert_eq!((middle[[0, 0, 0]], middle[[219, 0, 0]]), (2, 221));
    }
}
