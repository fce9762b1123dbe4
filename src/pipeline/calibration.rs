//! Calibrated predictions of a model of one or several networks.

use super::calibrated::StoredCalibration;
use super::model::Model;
use super::network_calibration::{NetworkCalibration, SybilCalibration};
use lungs_base::text::counted;
use std::path::Path;
use std::rc::Rc;

/// The calibration of a model.
#[derive(Clone, Debug)]
pub(super) enum Calibration {
    /// None, or not for every network: calibrated and uncalibrated predictions are not averaged.
    None,
    /// The maps of each network, whose calibrated predictions are averaged.
    ByNetwork(Vec<StoredCalibration>),
    /// Calibrators of the mean risks.
    OfMean(Rc<SybilCalibration>),
}

/// The output of one network for one exam.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkOutput {
    /// Log-odds of `probability`.
    pub log_odds: f64,
    /// Probability of cancer, until the first horizon of several.
    pub probability: f64,
    /// Risk until each horizon; empty for one probability.
    pub risks: Vec<f64>,
}

impl Calibration {
    /// The calibration of the model that consists of these networks.
    pub(super) fn of(networks: &[Model]) -> Self {
        Self::join(networks.iter().map(|network| &network.calibration).collect())
    }

    fn join(networks: Vec<&NetworkCalibration>) -> Self {
        let stored: Option<Vec<StoredCalibration>> =
            networks.iter().map(|it| it.stored().cloned()).collect();
        if let Some(stored) = stored.filter(|stored| !stored.is_empty()) {
            return Self::ByNetwork(stored);
        }
        let ensembles: Option<Vec<_>> = networks.iter().map(|it| it.ensemble()).collect();
        match ensembles.as_deref() {
            Some([first, rest @ ..]) if rest.iter().all(|other| Rc::ptr_eq(first, other)) => {
                Self::OfMean(Rc::clone(first))
            }
            _ => Self::None,
        }
    }

    /// The calibrated probability of an exam, from the output of each network.
    pub(super) fn probability(&self, outputs: &[NetworkOutput]) -> Option<f64> {
        match self {
            Self::None => None,
            Self::ByNetwork(maps) => {
                let pairs = maps.iter().zip(outputs);
                let all: Option<Vec<f64>> =
                    pairs.map(|(map, output)| map.probability(output.log_odds)).collect();
                mean(all?.into_iter())
            }
            Self::OfMean(calibration) => {
                let risk = mean(outputs.iter().map(|output| output.probability))?;
                calibration.calibrators.calibrated(1, risk)
            }
        }
    }

    /// The calibrated risks of an exam, from the output of each network.
    pub(super) fn risks(&self, outputs: &[NetworkOutput]) -> Option<Vec<f64>> {
        if outputs.iter().any(|output| output.risks.is_empty()) {
            return None;
        }
        match self {
            Self::None => None,
            Self::ByNetwork(maps) => {
                let maps: Vec<_> =
                    maps.iter().map(|map| map.risk_calibrator()).collect::<Option<_>>()?;
                let pairs = maps.iter().zip(outputs);
                let risks: Vec<Vec<f64>> =
                    pairs.map(|(map, output)| map.risks(&output.risks)).collect();
                Some(mean_risks(risks.iter().map(Vec::as_slice)))
            }
            Self::OfMean(calibration) => {
                let risks = mean_risks(outputs.iter().map(|output| &output.risks[..]));
                calibration.calibrators.all_calibrated(&risks)
            }
        }
    }

    /// Name of the method of the map of probabilities.
    pub(super) fn method(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::ByNetwork(maps) => Some(maps.first()?.calibrator.as_ref()?.method().to_owned()),
            Self::OfMean(_) => Some("isotonic".to_owned()),
        }
    }

    /// Name of the method and the exams that the calibration was fitted on, in words; `experiment` is the name of the
    /// experiment of the networks.
    pub(super) fn origin(&self, experiment: &str) -> Option<(String, String)> {
        match self {
            Self::None => None,
            Self::ByNetwork(maps) => {
                let split = match maps.len() {
                    1 => "the validation split",
                    _ => "the validation split of each fold",
                };
                Some((maps.first()?.method.to_string(), format!("{split} of {experiment}")))
            }
            Self::OfMean(calibration) => {
                let file = file_name(&calibration.path);
                Some(("isotonic".to_owned(), format!("the development of Sybil ({file})")))
            }
        }
    }

    /// BLAKE3 of the maps; `None` without a map for every network.
    pub(super) fn hash(&self) -> Option<String> {
        let text = match self {
            Self::None => return None,
            Self::ByNetwork(maps) => {
                maps.iter().all(|map| map.calibrator.is_some()).then_some(())?;
                serde_json::to_string(maps).ok()?
            }
            Self::OfMean(calibration) => serde_json::to_string(&calibration.calibrators).ok()?,
        };
        Some(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

/// Sentences about the calibrated predictions of a model of these networks; none if no network has a calibration.
pub fn calibration_sentences(networks: &[Model]) -> Vec<String> {
    let joint = Calibration::of(networks);
    let mut sentences: Vec<String> = Vec::new();
    for network in networks {
        let sentence = match &network.calibration {
            NetworkCalibration::None => continue,
            NetworkCalibration::Stored(stored) => stored.sentence(&network.path),
            NetworkCalibration::Ensemble(calibration) => {
                let SybilCalibration { path, networks, .. } = &**calibration;
                let networks = counted(*networks, "network", "networks");
                let (path, folder) = (path.display(), path.parent().unwrap_or(path).display());
                match joint {
                    Calibration::OfMean(_) => format!(
                        "calibrated_risk: by {path}, applied to the mean risks of {networks}"
                    ),
                    _ => format!(
                        "no calibrated_risk: {path} is for the mean risks of the {networks} of {folder} alone"
                    ),
                }
            }
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// The mean; `None` of no values.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean at each horizon over networks; none if a network has none.
pub(super) fn mean_risks<'a>(networks: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let networks: Vec<&[f64]> = networks.collect();
    let horizons = networks.iter().map(|risks| risks.len()).min().unwrap_or(0);
    let at = |horizon: usize| mean(networks.iter().map(|risks| risks[horizon]));
    (0..horizons).filter_map(at).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_spec::spec::{Recalibrate, SplitName};
    use lungs_stats::{Calibrator, SybilCalibrators};

    /// Calibrated risks of year 1 are half, of year 2 a quarter of the risks.
    fn halves() -> NetworkCalibration {
        let year = |slope: f64| {
            serde_json::json!([{
                "coef": [[slope]], "intercept": [0.0], "x0": [0.0, 1.0], "y0": [0.0, 1.0], "x_min": 0.0, "x_max": 1.0
            }])
        };
        let text = serde_json::json!({"Year1": year(0.5), "Year2": year(0.25)}).to_string();
        let calibrators: SybilCalibrators = serde_json::from_str(&text).unwrap();
        let path = "sybil/calibrator.json".into();
        NetworkCalibration::Ensemble(Rc::new(SybilCalibration { path, networks: 2, calibrators }))
    }

    fn stored() -> NetworkCalibration {
        let logits: Vec<f64> = (0..40).map(|index| f64::from(index % 9) - 4.0).collect();
        let labels: Vec<bool> = (0..40).map(|index| index % 9 + index % 4 > 6).collect();
        Some(StoredCalibration {
            method: Recalibrate::Platt,
            fitted_on: SplitName::Valid,
            epoch: 1,
            exams: 40,
            positives: 10,
            calibrator: Some(Calibrator::platt(&logits, &labels).unwrap()),
            reason: None,
            risks: None,
        })
        .into()
    }

    fn outputs() -> [NetworkOutput; 2] {
        [[0.2, 0.4], [0.6, 0.8]].map(|risks: [f64; 2]| NetworkOutput {
            log_odds: (risks[0] / (1.0 - risks[0])).ln(),
            probability: risks[0],
            risks: risks.to_vec(),
        })
    }

    #[test]
    fn calibrators_of_an_ensemble_apply_to_the_mean_of_its_networks() {
        let ensemble = halves();
        let calibration = Calibration::join(vec![&ensemble, &ensemble]);
        let outputs = outputs();
        assert!((calibration.probability(&outputs).unwrap() - 0.2).abs() < 1e-12);
        let risks = calibration.risks(&outputs).unwrap();
        assert!((risks[0] - 0.2).abs() < 1e-12 && (risks[1] - 0.15).abs() < 1e-12, "{risks:?}");
        assert!(calibration.hash().is_some());
        // Not all horizons have a calibrator.
        let more = outputs.map(|it| NetworkOutput { risks: vec![0.1; 3], ..it });
        assert_eq!(calibration.risks(&more), None);
    }

    #[test]
    fn maps_of_networks_are_averaged_and_kinds_are_not_mixed() {
        let (stored, ensemble, other_ensemble) = (stored(), halves(), halves());
        let map = stored.stored().unwrap();
        let outputs = outputs();
        let calibration = Calibration::join(vec![&stored, &stored]);
        let expected =
            outputs.iter().map(|it| map.probability(it.log_odds).unwrap()).sum::<f64>() / 2.0;
        assert_eq!(calibration.probability(&outputs), Some(expected));
        assert_eq!(calibration.risks(&outputs), None);
        for mixed in [
            vec![&stored, &ensemble],
            vec![&stored, &NetworkCalibration::None],
            vec![&ensemble, &NetworkCalibration::None],
            vec![&ensemble, &other_ensemble],
            vec![],
        ] {
            let calibration = Calibration::join(mixed);
            assert!(matches!(calibration, Calibration::None), "{calibration:?}");
            assert_eq!(calibration.probability(&outputs), None);
        }
    }
}
