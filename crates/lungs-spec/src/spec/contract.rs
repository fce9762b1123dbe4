//! The preprocessing that weights were trained with, as TOML in the metadata of a safetensors file.

use super::{
    Compat, Data, Document, Hazard, Model, ModelName, Outcome, OutcomeName, PoolName, Preprocess,
    Select, Spec,
};
use lungs_image::volume::SYBIL_SIZE;
use std::collections::BTreeMap;

const PREPROCESS: &str = "lungs.preprocess";
const MODEL: &str = "lungs.model";
const SELECT: &str = "lungs.select";
const OUTCOME: &str = "lungs.outcome";
const SPEC_HASH: &str = "lungs.spec_hash";

/// Preprocessing, network and selection of series that belong to weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// `[preprocess]` of the spec.
    pub preprocess: Preprocess,
    /// `[model]` of the spec.
    pub model: Model,
    /// `[data.select]` of the spec, with its limits of slices and spacing.
    pub select: Select,
    /// `[outcome]` of the spec.
    pub outcome: Outcome,
}

/// Metadata that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metadata key {key} is invalid: {message}; weights of a newer version of lungs need that version"
)]
pub struct ContractError {
    /// Key of the metadata.
    pub key: &'static str,
    /// Message of the parser.
    pub message: String,
}

impl Contract {
    /// The contract of a spec.
    pub fn of(spec: &Spec) -> Self {
        Self {
            preprocess: spec.preprocess.clone(),
            model: spec.model.clone(),
            select: spec.data.select.clone(),
            outcome: spec.outcome.clone(),
        }
    }

    /// The contract of Sybil's weights, which predict the risk within each of `years` years.
    pub fn sybil(years: usize) -> Self {
        Self {
            preprocess: Preprocess {
                compat: Compat::Sybil,
                size: SYBIL_SIZE,
                ..Preprocess::default()
            },
            model: Model {
                name: ModelName::R3d18,
                pool: PoolName::Sybil,
                slices: SYBIL_SIZE[0],
                channels: 3,
                ..Model::default()
            },
            select: Select::default(),
            outcome: Outcome {
                name: OutcomeName::Survival,
                horizons_years: (1..=years).map(|year| year as f64).collect(),
                hazard: Hazard::Relu,
            },
        }
    }

    /// Serialises the contract to metadata.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        fn table(value: &impl serde::Serialize) -> String {
            toml::to_string(value).expect("a table of numbers and names is TOML")
        }
        let outcome =
            self.outcome.is_survival().then(|| (OUTCOME.to_owned(), table(&self.outcome)));
        let always = [
            (PREPROCESS.to_owned(), table(&self.preprocess)),
            (MODEL.to_owned(), table(&self.model)),
            (SELECT.to_owned(), table(&self.select)),
        ];
        always.into_iter().chain(outcome).collect()
    }

    /// Parses metadata; `None` if it has no preprocessing.
    ///
    /// # Errors
    /// [`ContractError`] if the metadata is invalid.
    pub fn from_metadata(
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, ContractError> {
        let Some(preprocess) = metadata.get(PREPROCESS) else { return Ok(None) };
        let model = metadata.get(MODEL).map_or("", String::as_str);
        let select = metadata.get(SELECT).map_or("", String::as_str);
        let outcome = metadata.get(OUTCOME).map_or("", String::as_str);
        let invalid = |key, error: toml::de::Error| ContractError {
            key,
            message: error.message().to_owned(),
        };
        Ok(Some(Self {
            preprocess: toml::from_str(preprocess).map_err(|e| invalid(PREPROCESS, e))?,
            model: toml::from_str(model).map_err(|e| invalid(MODEL, e))?,
            select: toml::from_str(select).map_err(|e| invalid(SELECT, e))?,
            outcome: toml::from_str(outcome).map_err(|e| invalid(OUTCOME, e))?,
        }))
    }

    /// Keys with different values that change the volume of a series: key, own value, other value.
    ///
    /// Keys that only exclude series (`min_lung_ml`, `gantry_tilt`, `orientation`, `[data.select]`) are not
    /// compared.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let rows = |contract: &Self| {
            let Preprocess { spacing_mm, interpolation, size, compat, window, .. } =
                &contract.preprocess;
            [
                ("preprocess.spacing_mm", format!("{spacing_mm}")),
                ("preprocess.interpolation", toml_text(interpolation)),
                ("preprocess.size", format!("{size:?}")),
                ("preprocess.compat", toml_text(compat)),
                ("preprocess.window.lower_hu", format!("{}", window.lower_hu)),
                ("preprocess.window.upper_hu", format!("{}", window.upper_hu)),
                ("model.slices", format!("{}", contract.model.slices)),
            ]
        };
        let pairs = rows(self).into_iter().zip(rows(other));
        pairs
            .filter(|((_, own), (_, other))| own != other)
            .map(|((key, own), (_, other))| (key, own, other))
            .collect()
    }

    /// A spec with this preprocessing for prediction, without a cohort.
    ///
    /// # Errors
    /// The invalid keys, one line each.
    pub fn to_spec(&self) -> Result<Spec, String> {
        let document = Document {
            preprocess: self.preprocess.clone(),
            model: self.model.clone(),
            outcome: self.outcome.clone(),
            data: Data { select: self.select.clone(), ..Data::default() },
            ..Document::default()
        };
        document.without_cohort().check().map_err(|problems| {
            let lines = problems.iter().map(|p| format!("{}: {}", p.key, p.message));
            lines.collect::<Vec<_>>().join("\n")
        })
    }
}

/// A value in the syntax of a spec.
fn toml_text(choice: &impl serde::Serialize) -> String {
    toml::Value::try_from(choice).map_or_else(|_| "?".to_owned(), |value| value.to_string())
}

/// The metadata of the weights of a run of `spec`.
pub fn weights_metadata(spec: &Spec) -> BTreeMap<String, String> {
    let mut metadata = Contract::of(spec).to_metadata();
    metadata.insert(SPEC_HASH.to_owned(), spec.hash());
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(change: impl Fn(&mut Contract)) -> Contract {
        let mut contract = Contract {
            preprocess: Preprocess::default(),
            model: Model::default(),
            select: Select::default(),
            outcome: Outcome::default(),
        };
        change(&mut contract);
        contract
    }

    #[test]
    fn a_contract_is_unchanged_by_metadata() {
        let own = contract(|c| {
            c.preprocess.spacing_mm = 2.5;
            c.select.min_slices = 8;
            c.outcome.name = super::super::OutcomeName::Survival;
            c.outcome.horizons_years = vec![1.0, 2.0];
        });
        assert_eq!(Contract::from_metadata(&own.to_metadata()), Ok(Some(own)));
        assert_eq!(Contract::from_metadata(&BTreeMap::new()), Ok(None));
        let invalid = BTreeMap::from([(PREPROCESS.to_owned(), "spacing_cm = 3".to_owned())]);
        assert_eq!(Contract::from_metadata(&invalid).unwrap_err().key, PREPROCESS);
    }

    #[test]
    fn keys_that_change_the_volume_differ_and_keys_that_exclude_series_do_not() {
        let own = contract(|_| ());
        let other = contract(|c| {
            c.preprocess.window.upper_hu = 600.0;
            c.preprocess.min_lung_ml = 1.0;
            c.select.min_slices = 8;
            c.model.keep_prob = 0.1;
            c.model.slices = 100;
        });
        let keys: Vec<&str> = own.differences(&other).into_iter().map(|(key, ..)| key).collect();
        assert_eq!(keys, ["preprocess.window.upper_hu", "model.slices"]);
        let other = contract(|c| c.preprocess.compat = super::super::Compat::Lungs015);
        let expected = ("preprocess.compat", "\"none\"".to_owned(), "\"lungs-0.1.5\"".to_owned());
        assert_eq!(own.differences(&other), [expected]);
    }

    #[test]
    fn the_contract_of_sybil_is_a_spec() {
        let spec = Contract::sybil(6).to_spec().unwrap();
        assert_eq!((spec.outcome.outputs(), spec.outcome.last_horizon()), (7, Some(6.0)));
        assert_eq!(spec.preprocess.size, SYBIL_SIZE);
    }

    #[test]
    fn a_contract_is_a_spec_for_prediction() {
        let spec = contract(|c| c.select.min_slices = 8).to_spec().unwrap();
        assert_eq!(spec.data.select.min_slices, 8);
        let error = contract(|c| c.model.slices = 999).to_spec().unwrap_err();
        assert!(error.starts_with("model.slices"), "{error}");
    }
}
