//! Selection of the best epoch, and early stopping. Both depend on `metrics.csv` alone, so that a
//! resumed run decides as an uninterrupted one.

use lungs_spec::results::MetricsRow;
use lungs_spec::spec::{EarlyStopping, SelectEpoch, SplitName, Train};

/// The epoch that `select` picks among the validation rows; the earliest of equal ones.
///
/// If the metric is undefined in every epoch (as the AUC of validation exams of one class), the loss
/// decides.
pub fn selected_epoch(rows: &[MetricsRow], train: &Train) -> Option<usize> {
    best_epoch(rows, train.select, train.select_horizon_years)
}

fn best_epoch(
    rows: &[MetricsRow],
    select: SelectEpoch,
    horizon_years: Option<f64>,
) -> Option<usize> {
    let valid = || rows.iter().filter(|row| row.split == SplitName::Valid);
    let by_loss = || earliest_best(valid().map(|row| (row.epoch, Some(-row.loss))));
    let by = |metric: &dyn Fn(&MetricsRow) -> Option<f64>| {
        earliest_best(valid().map(|row| (row.epoch, metric(row)))).or_else(by_loss)
    };
    match select {
        SelectEpoch::Last => valid().map(|row| row.epoch).max(),
        SelectEpoch::BestValidLoss => by_loss(),
        SelectEpoch::BestValidAuc => by(&|row| auc(row, horizon_years)),
        SelectEpoch::BestValidAveragePrecision => by(&|row| row.average_precision),
        SelectEpoch::BestValidBrier => by(&|row| row.brier.map(|brier| -brier)),
        SelectEpoch::BestValidAccuracy => by(&|row| Some(row.accuracy)),
        SelectEpoch::BestValidCIndex => by(&|row| row.survival.as_ref()?.c_index),
    }
}

/// The AUC of a row; for risks of several years, that of a horizon, or else of the first.
fn auc(row: &MetricsRow, horizon_years: Option<f64>) -> Option<f64> {
    let Some(survival) = &row.survival else { return row.auc };
    let mut horizons = survival.horizons.iter();
    let horizon =
        horizons.find(|horizon| horizon_years.is_none_or(|years| years == horizon.years))?;
    horizon.auc
}

/// The epoch with the largest finite value; the earliest of equal ones.
fn earliest_best(values: impl Iterator<Item = (usize, Option<f64>)>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (epoch, value) in values {
        let Some(value) = value.filter(|value| value.is_finite()) else { continue };
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((epoch, value));
        }
    }
    best.map(|(epoch, _)| epoch)
}

/// An AUC of 1 stops training only if its interval's lower bound is at least this: on a few exams, an
/// AUC of 1 may be chance.
const PERFECT_AUC_LOW: f64 = 0.95;

/// Whether training stops early: `min_epochs` are done, and either the last `patience` epochs brought
/// no improvement, or none is possible (the earliest epoch with an AUC of 1 stays selected). With
/// `select = "last"` the loss counts.
pub(crate) fn stops_early(rows: &[MetricsRow], train: &Train) -> bool {
    let criterion = match train.select {
        SelectEpoch::Last => SelectEpoch::BestValidLoss,
        other => other,
    };
    let last = best_epoch(rows, SelectEpoch::Last, None);
    let best = best_epoch(rows, criterion, train.select_horizon_years);
    let EarlyStopping { patience, min_epochs } = train.early_stopping;
    let perfect = criterion == SelectEpoch::BestValidAuc
        && rows.iter().any(|row| {
            row.split == SplitName::Valid
                && row.survival.is_none()
                && row.auc >= Some(1.0)
                && row.auc_low >= Some(PERFECT_AUC_LOW)
        });
    let stops =
        |last: usize, best: usize| last >= min_epochs && (last - best >= patience || perfect);
    patience > 0 && matches!((last, best), (Some(last), Some(best)) if stops(last, best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_spec::results::{HorizonAuc, SurvivalMetrics};

    fn row(epoch: usize, loss: f64, auc: Option<f64>) -> MetricsRow {
        MetricsRow {
            epoch,
            split: SplitName::Valid,
            loss,
            accuracy: 0.5,
            auc,
            auc_low: None,
            auc_high: None,
            learning_rate: 1e-4,
            average_precision: None,
            brier: None,
            survival: None,
        }
    }

    fn by(select: SelectEpoch) -> Train {
        Train { select, ..Train::default() }
    }

    #[test]
    fn the_earliest_of_the_best_is_selected() {
        let rows = [row(1, 0.7, Some(0.6)), row(2, 0.5, Some(0.9)), row(3, 0.4, Some(0.9))];
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::BestValidAuc)), Some(2));
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::BestValidLoss)), Some(3));
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::Last)), Some(3));
        assert_eq!(selected_epoch(&[], &by(SelectEpoch::Last)), None);
    }

    #[test]
    fn any_validation_metric_can_select() {
        let mut rows: Vec<MetricsRow> = (1..=4).map(|epoch| row(epoch, 0.5, Some(0.5))).collect();
        rows[1].average_precision = Some(0.9);
        rows[2].brier = Some(0.1);
        rows[3].accuracy = 0.8;
        rows[0].brier = Some(0.2);
        rows[0].average_precision = Some(0.8);
        let mut train_row = row(5, 0.1, Some(1.0));
        train_row.split = SplitName::Train;
        (train_row.accuracy, train_row.brier) = (1.0, Some(0.0));
        rows.push(train_row);
        for (select, epoch) in [
            (SelectEpoch::BestValidAveragePrecision, 2),
            (SelectEpoch::BestValidBrier, 3),
            (SelectEpoch::BestValidAccuracy, 4),
            (SelectEpoch::BestValidLoss, 1),
            (SelectEpoch::Last, 4),
        ] {
            assert_eq!(selected_epoch(&rows, &by(select)), Some(epoch), "{select:?}");
        }
    }

    #[test]
    fn the_c_index_or_the_auc_of_a_horizon_can_select() {
        let mut rows: Vec<MetricsRow> = (1..=3).map(|epoch| row(epoch, 0.5, Some(0.5))).collect();
        for (row, (c_index, aucs)) in
            rows.iter_mut().zip([(0.6, [0.9, 0.7]), (0.8, [0.7, 0.6]), (0.7, [0.8, 0.8])])
        {
            let pairs = [1.0, 3.0].into_iter().zip(aucs);
            let horizons = pairs.map(|(years, auc)| HorizonAuc { years, auc: Some(auc) }).collect();
            let (low, high) = (None, None);
            row.survival = Some(SurvivalMetrics {
                c_index: Some(c_index),
                c_index_low: low,
                c_index_high: high,
                horizons,
            });
        }
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::BestValidCIndex)), Some(2));
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::BestValidAuc)), Some(1));
        let third_year = Train { select_horizon_years: Some(3.0), ..by(SelectEpoch::BestValidAuc) };
        assert_eq!(selected_epoch(&rows, &third_year), Some(3));
    }

    #[test]
    fn with_one_class_the_loss_decides() {
        let rows = [row(1, 0.7, None), row(2, 0.5, None), row(3, 0.6, None)];
        assert_eq!(selected_epoch(&rows, &by(SelectEpoch::BestValidAuc)), Some(2));
    }

    #[test]
    fn patience_counts_epochs_since_the_best() {
        let rows = [row(1, 0.7, Some(0.9)), row(2, 0.5, Some(0.8)), row(3, 0.6, Some(0.9))];
        let stops = |rows: &[MetricsRow], select, patience, min_epochs| {
            let early_stopping = EarlyStopping { patience, min_epochs };
            stops_early(rows, &Train { early_stopping, ..by(select) })
        };
        assert!(stops(&rows, SelectEpoch::BestValidAuc, 2, 0));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 3, 0));
        assert!(stops(&rows, SelectEpoch::Last, 1, 0));
        assert!(!stops(&rows[..2], SelectEpoch::Last, 1, 0));
        // Never before `min_epochs`, and never with a patience of 0.
        assert!(stops(&rows, SelectEpoch::BestValidAuc, 2, 3));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 2, 4));
        assert!(!stops(&rows, SelectEpoch::BestValidAuc, 0, 0));
        // An AUC of 1 cannot improve; a loss can always fall.
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
