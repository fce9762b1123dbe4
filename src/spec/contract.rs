//! What weights carry of the spec that they were trained with: how a series has to be prepared for
//! them. In the metadata of a safetensors file, as TOML.

use super::{Data, Document, Model, Preprocess, Select, Spec};
use std::collections::BTreeMap;

const PREPROCESS: &str = "lungs.preprocess";
const MODEL: &str = "lungs.model";
const SELECT: &str = "lungs.select";
const SPEC_HASH: &str = "lungs.spec_hash";

/// How series are prepared for certain weights, and what part of the crop they see.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// `[preprocess]` of the spec.
    pub preprocess: Preprocess,
    /// `[model]` of the spec.
    pub model: Model,
    /// `[data.select]` of the spec: which series are too short or too coarse.
    pub select: Select,
}

/// Metadata that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metadata key {key} cannot be understood: {message}; were these weights written by a newer \
     version of lungs?"
)]
pub struct ContractError {
    /// Which metadata.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Contract {
    /// Of a spec.
    pub fn of(spec: &Spec) -> Self {
        Self {
            preprocess: spec.preprocess.clone(),
            model: spec.model.clone(),
            select: spec.data.select.clone(),
        }
    }

    /// As metadata.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        fn table(of: &impl serde::Serialize) -> String {
            toml::to_string(of).expect("a table of numbers and names is TOML")
        }
        BTreeMap::from([
            (PREPROCESS.to_owned(), table(&self.preprocess)),
            (MODEL.to_owned(), table(&self.model)),
            (SELECT.to_owned(), table(&self.select)),
        ])
    }

    /// From metadata; `None` where it says nothing of preparation.
    ///
    /// # Errors
    /// [`ContractError`] when it says something that is no preparation.
    pub fn from_metadata(
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, ContractError> {
        let Some(preprocess) = metadata.get(PREPROCESS) else { return Ok(None) };
        let model = metadata.get(MODEL).map_or("", String::as_str);
        let select = metadata.get(SELECT).map_or("", String::as_str);
        let wrong = |key, error: toml::de::Error| ContractError {
            key,
            message: error.message().to_owned(),
        };
        Ok(Some(Self {
            preprocess: toml::from_str(preprocess).map_err(|e| wrong(PREPROCESS, e))?,
            model: toml::from_str(model).map_err(|e| wrong(MODEL, e))?,
            select: toml::from_str(select).map_err(|e| wrong(SELECT, e))?,
        }))
    }

    /// Keys that make other volumes of the same series, with the value here and there.
    ///
    /// What only decides which series are refused (`min_lung_ml`, `gantry_tilt`, `orientation`,
    /// `[data.select]`) is not among them.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let rows = |contract: &Self| {
            let Preprocess { spacing_mm, interpolation, size, compat, window, .. } =
                &contract.preprocess;
            [
                ("preprocess.spacing_mm", format!("{spacing_mm}")),
                ("preprocess.interpolation", written(interpolation)),
                ("preprocess.size", format!("{size:?}")),
                ("preprocess.compat", written(compat)),
                ("preprocess.window.lower_hu", format!("{}", window.lower_hu)),
                ("preprocess.window.upper_hu", format!("{}", window.upper_hu)),
                ("model.slices", format!("{}", contract.model.slices)),
            ]
        };
        let pairs = rows(self).into_iter().zip(rows(other));
        pairs
            .filter(|((_, here), (_, there))| here != there)
            .map(|((key, here), (_, there))| (key, here, there))
            .collect()
    }

    /// A spec that prepares series so, for prediction: it says nothing of a study.
    ///
    /// # Errors
    /// What makes no sense, as lines.
    pub fn to_spec(&self) -> Result<Spec, String> {
        let document = Document {
            preprocess: self.preprocess.clone(),
            model: self.model.clone(),
            data: Data { select: self.select.clone(), ..Data::default() },
            ..Document::default()
        };
        document.check_preparation().map_err(|problems| {
            let lines = problems.iter().map(|p| format!("{}: {}", p.key, p.message));
            lines.collect::<Vec<_>>().join("\n")
        })
    }
}

/// A choice as a spec writes it.
fn written(choice: &impl serde::Serialize) -> String {
    toml::Value::try_from(choice).map_or_else(|_| "?".to_owned(), |value| value.to_string())
}

/// The metadata of weights that a run of `spec` writes.
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
        };
        change(&mut contract);
        contract
    }

    #[test]
    fn a_contract_survives_metadata() {
        let ours = contract(|c| {
            c.preprocess.spacing_mm = 2.5;
            c.select.min_slices = 8;
        });
        assert_eq!(Contract::from_metadata(&ours.to_metadata()), Ok(Some(ours)));
        assert_eq!(Contract::from_metadata(&BTreeMap::new()), Ok(None));
        let odd = BTreeMap::from([(PREPROCESS.to_owned(), "spacing_cm = 3".to_owned())]);
        assert_eq!(Contract::from_metadata(&odd).unwrap_err().key, PREPROCESS);
    }

    #[test]
    fn what_changes_the_volume_differs_and_what_refuses_does_not() {
        let ours = contract(|_| ());
        let theirs = contract(|c| {
            c.preprocess.window.upper_hu = 600.0;
            c.preprocess.min_lung_ml = 1.0;
            c.select.min_slices = 8;
            c.model.keep_prob = 0.1;
            c.model.slices = 100;
        });
        let keys: Vec<&str> = ours.differences(&theirs).into_iter().map(|(key, ..)| key).collect();
        assert_eq!(keys, ["preprocess.window.upper_hu", "model.slices"]);
        let theirs = contract(|c| c.preprocess.compat = super::super::Compat::Lungs015);
        let told = ("preprocess.compat", "\"none\"".to_owned(), "\"lungs-0.1.5\"".to_owned());
        assert_eq!(ours.differences(&theirs), [told]);
    }

    #[test]
    fn a_contract_is_a_spec_for_prediction() {
        let spec = contract(|c| c.select.min_slices = 8).to_spec().unwrap();
        assert_eq!(spec.data.select.min_slices, 8);
        let wrong = contract(|c| c.model.slices = 999).to_spec().unwrap_err();
        assert!(wrong.starts_with("model.slices"), "{wrong}");
    }
}
