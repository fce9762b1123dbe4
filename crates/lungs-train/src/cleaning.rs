//! Checkpoints of a finished run that nothing reads.

use super::checkpoint;
use super::tables::selected_epoch_of;
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{KeepCheckpoints, Train};
use std::path::PathBuf;

/// The checkpoints of a finished run that are not needed: all but the selected epoch, the last one and every
/// `train.keep_every`-th, and incomplete and damaged ones. With `train.keep_checkpoints = "all"`, only incomplete and
/// damaged ones.
///
/// # Errors
/// The metrics or the spec of the run cannot be read.
pub fn unneeded_checkpoints(run: &RunFolder) -> Result<Vec<PathBuf>, ResultsError> {
    let selected = selected_epoch_of(run)?;
    let mut unneeded = checkpoint::leftovers(run);
    let all = checkpoint::all(run);
    // Without the checkpoint of the selected epoch, the others are all there is.
    let is_selected = |it: &checkpoint::Checkpoint| it.end_of_epoch() == selected;
    if selected.is_some() && all.iter().any(is_selected) {
        let ends = all.iter().map(checkpoint::Checkpoint::end_of_epoch).collect::<Vec<_>>();
        let train = run.spec()?.train.clone();
        let kept = kept_ends(&ends, selected, &train);
        let removed = all.into_iter().zip(kept).filter(|(_, kept)| !kept);
        unneeded.extend(removed.map(|(checkpoint, _)| checkpoint.folder));
    }
    Ok(unneeded)
}

/// Whether each checkpoint is kept; `ends` has the epochs that they end, `None` for those within an epoch.
fn kept_ends(ends: &[Option<usize>], selected: Option<usize>, train: &Train) -> Vec<bool> {
    let last = ends.iter().flatten().max().copied();
    let is_kept = |end: &Option<usize>| match end {
        None => train.keep_checkpoints == KeepCheckpoints::All,
        Some(epoch) => {
            train.keep_checkpoints == KeepCheckpoints::All
                || Some(*epoch) == selected
                || Some(*epoch) == last
                || train.keep_every > 0 && epoch.is_multiple_of(train.keep_every)
        }
    };
    ends.iter().map(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_the_last_and_every_nth_epoch_are_kept() {
        let ends = [Some(2), Some(3), Some(4), None, Some(5), Some(6)];
        let kept = |train: Train| {
            let kept = kept_ends(&ends, Some(3), &train);
            ends.iter().zip(kept).filter(|(_, kept)| *kept).map(|(end, _)| *end).collect::<Vec<_>>()
        };
        assert_eq!(kept(Train::default()), [Some(3), Some(6)]);
        let every = Train { keep_every: 2, ..Train::default() };
        assert_eq!(kept(every), [Some(2), Some(3), Some(4), Some(6)]);
        let all = Train { keep_checkpoints: KeepCheckpoints::All, ..Train::default() };
        assert_eq!(kept(all), ends);
    }
}
