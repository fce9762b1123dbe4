//! Which epoch is the best, and whether to go on: functions of `metrics.csv` alone, so that a
//! continued run decides as an uninterrupted one.

use crate::results::MetricsRow;
use crate::spec::{EarlyStopping, Part, SelectEpoch};

/// The epoch that `select` picks among the validation rows; the earliest of equals.
///
/// Where the figure is undefined in every epoch (as the AUC of validation exams of one class), the
/// loss decides.
pub fn selected_epoch(rows: &[MetricsRow], select: SelectEpoch) -> Option<usize> {
    let valid = || rows.iter().filter(|row| row.split == Part::Valid);
    let by_loss = || earliest_best(valid().map(|row| (row.epoch, Some(-row.loss))));
    let by = |score: fn(&MetricsRow) -> Option<f64>| {
        earliest_best(valid().map(|row| (row.epoch, score(row)))).or_else(by_loss)
    };
    match select {
        SelectEpoch::Last => valid().map(|row| row.epoch).max(),
        SelectEpoch::BestValidLoss => by_loss(),
        SelectEpoch::BestValidAuc => by(|row| row.auc),
        SelectEpoch::BestValidAveragePrecision => by(|row| row.average_precision),
        SelectEpoch::BestValidBrier => by(|row| row.brier.map(|brier| -brier)),
        SelectEpoch::BestValidAccuracy => by(|row| Some(row.accuracy)),
    }
}

fn earliest_best(scores: impl Iterator<Item = (usize, Option<f64>)>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (epoch, score) in scores {
        let Some(score) = score.filter(|score| score.is_finite()) else { continue };
        if best.is_none_or(|(_, highest)| score > highest) {
            best = Some((epoch, score));
        }
    }
    best.map(|(epoch, _)| epoch)
}

/// An AUC of 1 stops only where its interval begins above this: on a handful of exams it is luck.
const SURE_AUC: f64 = 0.95;

/// Whether `min_epochs` are done, and the last `patience` epochs brought nothing better or nothing
/// better is possible: the earliest epoch with an AUC of 1 stays selected whatever follows. With
/// `select = "last"` the loss is watched.
pub fn stops_early(rows: &[MetricsRow], select: SelectEpoch, rule: EarlyStopping) -> bool {
    let watched = match select {
        SelectEpoch::Last => SelectEpoch::BestValidLoss,
        other => other,
    };
    let last = selected_epoch(rows, SelectEpoch::Last);
    let best = selected_epoch(rows, watched);
    let EarlyStopping { patience, min_epochs } = rule;
    let perfect = watched == SelectEpoch::BestValidAuc
        && rows.iter().any(|row| {
            row.split == Part::Valid && row.auc >= Some(1.0) && row.auc_low >= Some(SURE_AUC)
        });
    let over =
        |last: usize, best: usize| last >= min_epochs && (last - best >= patience || perfect);
    patience > 0 && matches!((last, best), (Some(last), Some(best)) if over(last, best))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: usize, loss: f64, auc: Option<f64>) -> MetricsRow {
        MetricsRow {
            epoch,
            split: Part::Valid,
            loss,
            accuracy: 0.5,
            auc,
            auc_low: None,
            auc_high: None,
            learning_rate: 1e-4,
            average_precision: None,
            brier: None,
        }
    }

    #[test]
    fn the_earliest_of_the_best_is_selected() {
        let rows = [row(1, 0.7, Some(0.6)), row(2, 0.5, Some(0.9)), row(3, 0.4, Some(0.9))];
        assert_eq!(selected_epoch(&rows, SelectEpoch::BestValidAuc), Some(2));
        assert_eq!(selected_epoch(&rows, SelectEpoch::BestValidLoss), Some(3));
        assert_eq!(selected_epoch(&rows, SelectEpoch::Last), Some(3));
        assert_eq!(selected_epoch(&[], SelectEpoch::Last), None);
    }

    #[test]
    fn any_figure_of_validation_can_select() {
        let mut rows: Vec<MetricsRow> = (1..=4).map(|epoch| row(epoch, 0.5, Some(0.5))).collect();
        rows[1].average_precision = Some(0.9);
        rows[2].brier = Some(0.1);
        rows[3].accuracy = 0.8;
        rows[0].brier = Some(0.2);
        rows[0].average_precision = Some(0.8);
        let mut of_training = row(5, 0.1, Some(1.0));
        of_training.split = Part::Train;
        (of_training.accuracy, of_training.brier) = (1.0, Some(0.0));
        rows.push(of_training);
        for (select, epoch) in [
            (SelectEpoch::BestValidAveragePrecision, 2),
            (SelectEpoch::BestValidBrier, 3),
            (SelectEpoch::BestValidAccuracy, 4),
            (SelectEpoch::BestValidLoss, 1),
            (SelectEpoch::Last, 4),
        ] {
            assert_eq!(selected_epoch(&rows, select), Some(epoch), "{select:?}");
        }
    }

    #[test]
    fn with_one_class_the_loss_decides() {
        let rows = [row(1, 0.7, None), row(2, 0.5, None), row(3, 0.6, None)];
        assert_eq!(selected_epoch(&rows, SelectEpoch::BestValidAuc), Some(2));
    }

    #[test]
    fn patience_counts_epochs_since_the_best() {
        let rows = [row(1, 0.7, Some(0.9)), row(2, 0.5, Some(0.8)), row(3, 0.6, Some(0.9))];
        let stops = |rows: &[MetricsRow], select, patience, min_epochs| {
            stops_early(rows, select, EarlyStopping { patience, min_epochs })
        };
        assert!(stops(&rows, SelectEpoch::BestValidAuc, 2, 0));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 3, 0));
        assert!(stops(&rows, SelectEpoch::Last, 1, 0));
        assert!(!stops(&rows[..2], SelectEpoch::Last, 1, 0));
        // Not before so many epochs, and never with a patience of zero.
        assert!(stops(&rows, SelectEpoch::BestValidAuc, 2, 3));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 2, 4));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 0, 0));
        // Nothing is better than an AUC of 1; a loss can always fall.
        let mut rows = [row(1, 0.7, Some(0.9)), row(2, 0.5, Some(1.0))];
        rows[1].auc_low = Some(0.342);
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 5, 0));
        rows[1].auc_low = Some(0.968);
        assert!(stops(&rows, SelectEpoch::BestValidAuc, 5, 0));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 5, 3));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 0, 0));
        assert!(!stops(&rows, SelectEpoch::BestValidLoss, 5, 0));
    }
}
