//! Predictions of a model, of one network or of the mean of several, for exams of another source.

use super::super::PipelineError;
use super::super::calibration::{Calibration, NetworkOutput, mean_risks};
use super::super::model::{Model, ReadyModel};
use super::super::robustness::{Changed, changed_files, predict_changed};
use burn::tensor::Device;
use lungs_report::SplitRisks;
use lungs_spec::results::{PredictionRow, RiskRow, RunFolder, read_csv, write_csv, write_risks};
use lungs_spec::spec::{Spec, SplitName};
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
            let mean = |(exam, row): (usize, &RiskRow)| RiskRow {
                risks: mean_risks(all.iter().map(|risks| &risks.rows[exam].risks[..])),
                ..row.clone()
            };
            let rows: Vec<RiskRow> = all[0].rows.iter().enumerate().map(mean).collect();
            let file = self.run.risks(SplitName::External, 0);
            write_risks(&file, self.spec.outcome.horizons(), &rows)?;
        }
        Ok(all)
    }
}

impl Scores {
    /// Calibrated risks `[exam][horizon]` of the exams with known follow-up; `None` without calibration.
    pub(super) fn calibrated_risks(&self, calibration: &Calibration) -> Option<Vec<Vec<f64>>> {
        let exams = self.risks.first()?.rows.len();
        let of_exam = |exam: usize| {
            let output = |risks: &SplitRisks| NetworkOutput {
                risks: risks.rows[exam].risks.clone(),
                ..NetworkOutput::default()
            };
            calibration.risks(&self.risks.iter().map(output).collect::<Vec<_>>())
        };
        (0..exams).map(of_exam).collect()
    }

    /// Calibrated probabilities of the exams; `None` without calibration.
    pub(super) fn calibrated_probabilities(&self, calibration: &Calibration) -> Option<Vec<f64>> {
        let exams = self.networks.first()?.len();
        let of_exam = |exam: usize| {
            let output = |rows: &Vec<PredictionRow>| NetworkOutput {
                log_odds: rows[exam].logit,
                probability: rows[exam].probability,
                ..NetworkOutput::default()
            };
            calibration.probability(&self.networks.iter().map(output).collect::<Vec<_>>())
        };
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
