//! `survival.csv`: the metrics by horizon, one column a horizon.

use lungs_spec::spec::horizon_name;
use lungs_stats::{
    HorizonMetrics, Interval, RecalibratedRisks, SurvivalEstimate, SurvivalEvaluation,
};

/// The cells of the table, head first: split, metric, the value over all years, and one for each horizon.
pub(crate) fn survival_cells<'a>(
    splits: impl IntoIterator<Item = (&'a str, &'a SurvivalEvaluation)>,
) -> Vec<Vec<String>> {
    let mut cells: Vec<Vec<String>> = Vec::new();
    for (split, evaluation) in splits {
        if cells.is_empty() {
            let years = evaluation.horizons.iter().map(|it| horizon_name(it.horizon_years));
            let heads = ["split", "metric", "all_years"].map(str::to_owned);
            cells.push(heads.into_iter().chain(years).collect());
        }
        cells
            .extend(rows(evaluation).into_iter().map(|row| [vec![split.to_owned()], row].concat()));
    }
    cells
}

fn text(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn rows(evaluation: &SurvivalEvaluation) -> Vec<Vec<String>> {
    let horizons = evaluation.horizons.len();
    let overall = |name: &str, value: String| {
        let mut row = vec![name.to_owned(), value];
        row.extend(vec![String::new(); horizons]);
        row
    };
    let by_year = |name: &str, get: &dyn Fn(&HorizonMetrics) -> Option<f64>| -> Vec<String> {
        let cells = evaluation.horizons.iter().map(|it| text(get(it)));
        [name.to_owned(), String::new()].into_iter().chain(cells).collect()
    };
    let mut rows = vec![
        overall("exams", evaluation.exams.to_string()),
        overall("patients", evaluation.patients.to_string()),
        overall("exams with cancer", evaluation.events.to_string()),
        by_year("exams with cancer until the horizon", &|it| {
            Some(it.follow_up_auc.positives as f64)
        }),
        by_year("exams without cancer until the horizon", &|it| {
            Some(it.follow_up_auc.negatives as f64)
        }),
        by_year("exams of unknown status", &|it| Some(it.follow_up_auc.excluded as f64)),
    ];
    let single = [
        ("Harrell's C", &evaluation.harrell_c),
        ("Uno's C", &evaluation.uno_c),
        ("integrated Brier score", &evaluation.integrated_brier),
    ];
    for (name, estimate) in single {
        rows.push(overall(name, text(estimate.value)));
        for (end, pick) in ENDS {
            rows.push(overall(&format!("{name}, {end}"), text(estimate.interval.map(pick))));
        }
    }
    let metrics: [(&str, EstimateOf); 7] = [
        ("AUC", |it| &it.auc),
        ("Brier score", |it| &it.brier),
        ("index of prediction accuracy", |it| &it.prediction_accuracy),
        ("observed risk", |it| &it.calibration.observed),
        ("observed / expected", |it| &it.calibration.observed_expected),
        ("calibration slope", |it| &it.calibration.slope),
        ("calibration intercept", |it| &it.calibration.intercept),
    ];
    for (name, get) in metrics {
        rows.push(by_year(name, &|it| get(it).value));
        for (end, pick) in ENDS {
            let name = format!("{name}, {end}");
            rows.push(by_year(&name, &|it| get(it).interval.map(pick)));
        }
    }
    rows.push(by_year("mean predicted risk", &|it| it.calibration.mean_risk));
    rows.push(by_year("AUC by the rule of Sybil", &|it| it.follow_up_auc.auc.value));
    for (end, pick) in ENDS {
        let name = format!("AUC by the rule of Sybil, {end}");
        rows.push(by_year(&name, &|it| it.follow_up_auc.auc.interval.map(pick)));
    }
    if let Some(recalibrated) = &evaluation.recalibrated {
        rows.extend(recalibrated_rows(recalibrated));
        let name = "integrated Brier score, calibrated risks";
        rows.push(overall(name, text(recalibrated.integrated_brier.value)));
    }
    rows
}

/// A metric of a horizon.
type EstimateOf = fn(&HorizonMetrics) -> &SurvivalEstimate;
/// A number of a horizon with calibrated risks.
type RecalibratedNumber = fn(&lungs_stats::RecalibratedHorizon) -> Option<f64>;
/// An end of an interval.
type End = fn(Interval) -> f64;

const ENDS: [(&str, End); 2] = [("low", |it| it.low), ("high", |it| it.high)];

fn recalibrated_rows(recalibrated: &RecalibratedRisks) -> Vec<Vec<String>> {
    let metrics: [(&str, RecalibratedNumber); 6] = [
        ("Brier score", |it| it.brier.value),
        ("index of prediction accuracy", |it| it.prediction_accuracy.value),
        ("mean predicted risk", |it| it.calibration.mean_risk),
        ("observed / expected", |it| it.calibration.observed_expected.value),
        ("calibration slope", |it| it.calibration.slope.value),
        ("calibration intercept", |it| it.calibration.intercept.value),
    ];
    let row = |(name, get): (&str, RecalibratedNumber)| {
        let cells = recalibrated.horizons.iter().map(|it| text(get(it)));
        let name = format!("{name}, calibrated risks");
        [name, String::new()].into_iter().chain(cells).collect()
    };
    metrics.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::evaluated;
    use super::*;

    #[test]
    fn the_table_has_a_column_for_each_horizon() {
        let (_, evaluation) = evaluated(80, &[1.0, 2.5]);
        let cells = survival_cells([("valid", &evaluation), ("test", &evaluation)]);
        assert_eq!(cells[0], ["split", "metric", "all_years", "1_year", "2.5_years"]);
        assert!(cells.iter().all(|row| row.len() == 5));
        let row = |split: &str, metric: &str| {
            let is_row = |row: &&Vec<String>| row[0] == split && row[1] == metric;
            cells.iter().find(is_row).cloned().unwrap()
        };
        let number = |cell: &String| cell.parse::<f64>().unwrap();
        let auc = row("test", "AUC");
        assert_eq!(Some(number(&auc[4])), evaluation.horizons[1].auc.value);
        assert!(number(&row("test", "AUC, low")[4]) < number(&auc[4]));
        assert_eq!(number(&row("valid", "Harrell's C")[2]), evaluation.harrell_c.value.unwrap());
        let counts = [
            "exams with cancer until the horizon",
            "exams without cancer until the horizon",
            "exams of unknown status",
        ];
        let sum: f64 = counts.iter().map(|name| number(&row("valid", name)[3])).sum();
        assert_eq!(sum, 80.0);
        assert!(survival_cells([]).is_empty());
    }
}
