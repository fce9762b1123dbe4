//! Sampling and order of the exams in an epoch.

use lungs_base::random;
use lungs_spec::spec::Sampling;
use rand::seq::SliceRandom;

/// One exam in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Index in the list of exams.
    pub exam: usize,
    /// Number of earlier draws of the exam in this epoch; each repeat has its own augmentation.
    pub repeat: usize,
}

impl Draw {
    /// The first draw of an exam.
    pub fn once(exam: usize) -> Self {
        Self { exam, repeat: 0 }
    }
}

/// The batches of a training epoch over exams with these `labels`, shuffled by the epoch's stream.
/// The last batch may be smaller.
///
/// `"balanced"` draws as many exams as there are: half of them (rounded down) positive, the others
/// negative. It passes over a class as often as its half needs, in the order of the class's own
/// stream, so that the draws of two exams of a class differ by at most one. With a single class it
/// equals `"shuffle"`.
pub fn epoch_order(
    labels: &[bool],
    sampling: Sampling,
    batch_size: usize,
    seed: u64,
    epoch: usize,
) -> Vec<Vec<Draw>> {
    let of_class = |class: bool| (0..labels.len()).filter(move |&exam| labels[exam] == class);
    let both = labels.contains(&true) && labels.contains(&false);
    let mut order: Vec<Draw> = match sampling {
        Sampling::Balanced if both => {
            let positives = labels.len() / 2;
            [(true, positives), (false, labels.len() - positives)]
                .into_iter()
                .flat_map(|(class, count)| {
                    let mut exams: Vec<usize> = of_class(class).collect();
                    let name = format!("sample/epoch-{epoch}/positive-{class}");
                    exams.shuffle(&mut random::stream(seed, &name));
                    let passes = (0..).flat_map(move |repeat| {
                        let draw = move |exam| Draw { exam, repeat };
                        exams.clone().into_iter().map(draw)
                    });
                    passes.take(count).collect::<Vec<_>>()
                })
                .collect()
        }
        _ => (0..labels.len()).map(Draw::once).collect(),
    };
    order.shuffle(&mut random::stream(seed, &format!("shuffle/epoch-{epoch}")));
    order.chunks(batch_size).map(<[Draw]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(labels: &[bool], sampling: Sampling, seed: u64, epoch: usize) -> Vec<Vec<Draw>> {
        epoch_order(labels, sampling, 4, seed, epoch)
    }

    #[test]
    fn every_exam_is_in_exactly_one_batch_and_epochs_differ() {
        let labels = [false; 10];
        let order = |seed, epoch| order(&labels, Sampling::Shuffle, seed, epoch);
        assert_eq!(order(37, 1).iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let mut all: Vec<usize> = order(37, 1).concat().iter().map(|draw| draw.exam).collect();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(order(37, 1), order(37, 1));
        assert_ne!(order(37, 1), order(37, 2));
        assert_ne!(order(37, 1), order(38, 1));
    }

    #[test]
    fn balanced_epochs_have_half_of_each_class_and_draw_exams_evenly() {
        let labels: Vec<bool> = (0..23).map(|exam| exam < 3).collect();
        let mut times = [0; 23];
        for epoch in 1..=40 {
            let order = order(&labels, Sampling::Balanced, 37, epoch).concat();
            assert_eq!(order.len(), 23);
            assert_eq!(order.iter().filter(|draw| labels[draw.exam]).count(), 11);
            let counts: Vec<usize> =
                (0..23).map(|exam| order.iter().filter(|draw| draw.exam == exam).count()).collect();
            assert!(counts[..3].iter().all(|count| [3, 4].contains(count)), "{counts:?}");
            assert!(counts[3..].iter().all(|count| [0, 1].contains(count)), "{counts:?}");
            // Repeats are numbered without gaps.
            for exam in 0..23 {
                let draws = order.iter().filter(|draw| draw.exam == exam);
                let mut repeats: Vec<usize> = draws.map(|draw| draw.repeat).collect();
                repeats.sort();
                assert_eq!(repeats, (0..counts[exam]).collect::<Vec<_>>());
                times[exam] += counts[exam];
            }
        }
        // 40 epochs with 12 of 20 negatives each: about 24 draws of each negative.
        assert!(times[3..].iter().all(|count| (12..=36).contains(count)), "{times:?}");
        let again = order(&labels, Sampling::Balanced, 37, 1);
        assert_eq!(again, order(&labels, Sampling::Balanced, 37, 1));
        assert_ne!(again, order(&labels, Sampling::Balanced, 37, 2));
    }

    #[test]
    fn balanced_sampling_of_one_class_is_shuffling() {
        let labels = [true; 9];
        let balanced = order(&labels, Sampling::Balanced, 1, 1);
        assert_eq!(balanced, order(&labels, Sampling::Shuffle, 1, 1));
    }
}
