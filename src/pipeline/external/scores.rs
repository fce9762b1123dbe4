//! Predictions of a model, of one network or of the mean of several, for exams of another source.

use super::super::PipelineError;
use super::super::calibrated::StoredCalibration;
use super::super::predict::{Model, ReadyModel};
use super::super::robustness::{Changed, changed_files, predict_changed};
use burn::tensor::Device;
use lungs_report::SplitRisks;
use lungs_spec::results::{PredictionRow, RiskRow, RunFolder, read_csv, write_csv, write_risks};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::RiskCalibrator;
use lungs_train::{self as training, Event, Exam, Observer, ScannerChange};
use std::path::{Path, PathBuf};

/// Predictions of each network, in the order of the exams.
pub(super) struct Scores {
    /// `[network][exam]`
    networks: Vec<Vec<PredictionRow>>,
    /// `[network][change]`; empty without robustness.
    changed: Vec<Vec<Changed>>,
    /// Risks of each network; empty for a binary outcome, or without follow-up.
    risks: Vec<SplitRisks>,
}

/// What is predicted, and where it is stored.
pub(super) struct Task<'a> {
    pub spec: &'a Spec,
    pub run: &'a RunFolder,
    pub exams: &'a [Exam],
    pub devices: &'a [Device],
    pub robustness: bool,
}

impl Task<'_> {
    /// The table of the predictions of a network.
    fn table(&self, network: usize, networks: usize) -> PathBuf {
        if networks == 1 {
            self.run.predictions(SplitName::External, 0)
        } else {
            self.run.predictions_of_network(network + 1)
        }
    }

    /// Predicts the exams with every network. Stored predictions are not computed again.
    pub(super) fn predict(
        &self,
        models: Vec<Model>,
        observe: &Observer,
    ) -> Result<Scores, PipelineError> {
        let count = models.len();
        let mut scores = Scores { networks: Vec::new(), changed: Vec::new(), risks: Vec::new() };
        for (index, model) in models.into_iter().enumerate() {
            let table = self.table(index, count);
            let files = changed_files(self.run, &table);
            let is_stored = table.is_file()
                && (!self.robustness || files.iter().all(|(_, file)| file.is_file()));
            let network = if is_stored { None } else { Some(model.ready(&self.devices[0])?) };
            if let Some(network) = &network {
                self.score(network, &table, observe)?;
            }
            scores.networks.push(read_csv(&table)?);
            if self.robustness {
                scores.changed.push(match &network {
                    Some(ReadyModel { network, .. }) => {
                        let network = (self.spec, network);
                        predict_changed(
                            self.run,
                            &table,
                            network,
                            self.exams,
                            self.devices,
                            observe,
                        )?
                    }
                    None => files
                        .into_iter()
                        .map(|(change, file)| Ok((change, read_csv(&file)?)))
                        .collect::<Result<_, PipelineError>>()?,
                });
            }
        }
        scores.risks = self.read_risks(count)?;
        let rows = scores.mean();
        if count > 1 {
            write_csv(&self.run.predictions(SplitName::External, 0), &rows)?;
        }
        Ok(scores)
    }

    fn score(
        &self,
        network: &ReadyModel,
        table: &Path,
        observe: &Observer,
    ) -> Result<(), PipelineError> {
        if table.is_file() {
            return Ok(());
        }
        observe(&Event::ValidationBegins { exams: self.exams.len() });
        let scored =
            training::score(&network.network, self.spec, self.exams, self.devices, observe)?;
        let outcome = &self.spec.outcome;
        if outcome.is_survival() {
            let risks = scored.iter().filter_map(|it| it.risks(self.exams));
            let risks: Vec<RiskRow> = risks.collect();
            write_risks(&self.risk_table(table), outcome.horizons(), &risks)?;
        }
        let rows = scored.iter().filter_map(|it| it.row(self.exams, outcome));
        Ok(write_csv(table, &rows.collect::<Vec<PredictionRow>>())?)
    }

    /// The risks next to a table of predictions.
    fn risk_table(&self, predictions: &Path) -> PathBuf {
        self.run.changed_predictions(predictions, "risks")
    }

    /// The risks of each network; empty for a binary outcome, or without follow-up. Writes the mean of several
    /// networks.
    fn read_risks(&self, networks: usize) -> Result<Vec<SplitRisks>, PipelineError> {
        if !self.spec.outcome.is_survival() {
            return Ok(Vec::new());
        }
        let tables = (0..networks).map(|index| self.risk_table(&self.table(index, networks)));
        let tables = tables.map(|table| SplitRisks::read(&table));
        let all: Option<Vec<SplitRisks>> = tables.collect::<Result<_, _>>()?;
        let all = all.filter(|all| all.iter().all(|risks| !risks.rows.is_empty()));
        let all = all.unwrap_or_default();
        if networks > 1 && !all.is_empty() {
            let risks: Vec<Vec<Vec<f64>>> = all.iter().map(risks_of_rows).collect();
            let means = mean_risks(&risks);
            let rows = all[0].rows.iter().zip(means);
            let rows: Vec<RiskRow> =
                rows.map(|(row, risks)| RiskRow { risks, ..row.clone() }).collect();
            let file = self.run.risks(SplitName::External, 0);
            write_risks(&file, self.spec.outcome.horizons(), &rows)?;
        }
        Ok(all)
    }
}

/// `[exam][horizon]`
fn risks_of_rows(risks: &SplitRisks) -> Vec<Vec<f64>> {
    risks.rows.iter().map(|row| row.risks.clone()).collect()
}

/// The mean over networks of risks `[network][exam][horizon]`.
pub(super) fn mean_risks(networks: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
    let Some(first) = networks.first() else { return Vec::new() };
    let count = networks.len() as f64;
    let at = |exam: usize, horizon: usize| {
        networks.iter().map(|exams| exams[exam][horizon]).sum::<f64>() / count
    };
    let of_exam =
        |(exam, risks): (usize, &Vec<f64>)| (0..risks.len()).map(|h| at(exam, h)).collect();
    first.iter().enumerate().map(of_exam).collect()
}

impl Scores {
    /// The calibrated risks of the model: the mean over networks, if every network has a map.
    pub(super) fn calibrated_risks(
        &self,
        calibrations: &[Option<StoredCalibration>],
    ) -> Option<Vec<Vec<f64>>> {
        let maps: Vec<&RiskCalibrator> = calibrations
            .iter()
            .map(|calibration| calibration.as_ref()?.risk_calibrator())
            .collect::<Option<_>>()?;
        if self.risks.is_empty() || self.risks.len() != maps.len() {
            return None;
        }
        let networks: Vec<Vec<Vec<f64>>> = maps
            .iter()
            .zip(&self.risks)
            .map(|(map, risks)| risks.rows.iter().map(|row| map.risks(&row.risks)).collect())
            .collect();
        Some(mean_risks(&networks))
    }

    /// Log-odds of each network, `[exam][network]`.
    pub(super) fn logits(&self) -> Vec<Vec<f64>> {
        let exams = self.networks.first().map_or(0, Vec::len);
        let of_exam = |exam: usize| self.networks.iter().map(|rows| rows[exam].logit).collect();
        (0..exams).map(of_exam).collect()
    }

    /// The predictions of the model.
    pub(super) fn mean(&self) -> Vec<PredictionRow> {
        mean_rows(&self.networks.iter().collect::<Vec<_>>())
    }

    /// The predictions of the model after each change.
    pub(super) fn mean_changed(&self) -> Vec<Changed> {
        let of_change = |(index, change): (usize, ScannerChange)| {
            let networks: Vec<&Vec<PredictionRow>> =
                self.changed.iter().map(|changes| &changes[index].1).collect();
            (change, mean_rows(&networks))
        };
        if self.changed.is_empty() {
            return Vec::new();
        }
        ScannerChange::ALL.into_iter().enumerate().map(of_change).collect()
    }
}

/// The mean probabilities of networks for the same exams, with their log-odds.
fn mean_rows(networks: &[&Vec<PredictionRow>]) -> Vec<PredictionRow> {
    let (Some(first), count) = (networks.first(), networks.len()) else { return Vec::new() };
    let row = |(exam, row): (usize, &PredictionRow)| {
        if count == 1 {
            return row.clone();
        }
        let of_networks = || networks.iter().map(|rows| &rows[exam]);
        let logits: Vec<f64> = of_networks().map(|row| row.logit).collect();
        let sum: f64 = of_networks().map(|row| row.probability).sum();
        PredictionRow {
            logit: logit_of_mean(&logits),
            probability: sum / count as f64,
            ..row.clone()
        }
    };
    first.iter().enumerate().map(row).collect()
}

/// Log-odds of the mean probability of networks with these log-odds. It does not saturate as the probability does.
fn logit_of_mean(logits: &[f64]) -> f64 {
    // ln p = −ln(1 + e^−z), ln(1 − p) = −ln(1 + e^z)
    let log_sigmoid = |z: f64| if z > 0.0 { -(-z).exp().ln_1p() } else { z - z.exp().ln_1p() };
    let log_sum = |sign: f64| {
        let logs: Vec<f64> = logits.iter().map(|z| log_sigmoid(sign * z)).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
    };
    log_sum(1.0) - log_sum(-1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risks_are_averaged_by_exam_and_horizon() {
        let networks = [vec![vec![0.1, 0.2], vec![0.5, 0.5]], vec![vec![0.3, 0.6], vec![0.0, 1.0]]];
        let mean = mean_risks(&networks);
        let expected = [[0.2, 0.4], [0.25, 0.75]];
        let pairs = mean.iter().flatten().zip(expected.as_flattened());
        assert_eq!(pairs.filter(|(mean, expected)| (*mean - *expected).abs() < 1e-12).count(), 4);
        assert!(mean_risks(&[]).is_empty());
    }

    #[test]
    fn the_log_odds_of_a_mean_are_those_of_the_mean_probability_and_do_not_saturate() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        for logits in [vec![0.3, -1.2, 2.0], vec![-4.0, 5.0], vec![1.5]] {
            let mean = logits.iter().map(|z| sigmoid(*z)).sum::<f64>() / logits.len() as f64;
            let expected = (mean / (1.0 - mean)).ln();
            assert!((logit_of_mean(&logits) - expected).abs() < 1e-12, "{logits:?}");
        }
        // 1 − p is the mean of e^−800 and e^−900, whose logarithm is −800 − ln 2.
        assert!((logit_of_mean(&[800.0, 900.0]) - (800.0 + 2.0_f64.ln())).abs() < 1e-9);
        assert!((logit_of_mean(&[-800.0, -900.0]) + (800.0 + 2.0_f64.ln())).abs() < 1e-9);
    }
}
