//! Summaries of weights files for display.

use super::{LoadedNetwork, UnusedEntry};
use crate::model::Variable;
use lungs_base::text::counted;
use std::collections::BTreeMap;

/// Summary of one array.
#[derive(Debug, Clone, PartialEq)]
pub struct ArraySummary {
    /// Name of the array.
    pub name: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Number of values.
    pub count: usize,
    /// Euclidean norm of the values.
    pub norm: f64,
    /// Smallest and largest value.
    pub range: Option<[f32; 2]>,
}

impl ArraySummary {
    /// The summary of an array.
    pub fn of(array: &Variable) -> Self {
        let square: f64 = array.values.iter().map(|&value| f64::from(value).powi(2)).sum();
        let least = array.values.iter().copied().reduce(f32::min);
        let greatest = array.values.iter().copied().reduce(f32::max);
        Self {
            name: array.name.clone(),
            shape: array.shape.clone(),
            count: array.values.len(),
            norm: square.sqrt(),
            range: least.zip(greatest).map(|(least, greatest)| [least, greatest]),
        }
    }
}

/// Number of unused entries by description.
pub fn unused_by_kind(entries: &[UnusedEntry]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for entry in entries {
        *kinds.entry(entry.description.as_str()).or_default() += 1;
    }
    kinds
}

/// Whether a network with two classes can load the classifier of these weights, in words.
pub fn head_compatibility(loaded: &LoadedNetwork) -> String {
    match (loaded.has_head(), loaded.config.outputs) {
        (true, 2) => "loads (2 classes)".to_owned(),
        // A base and a hazard for each horizon.
        (true, outputs @ 3..=MOST_SURVIVAL_OUTPUTS) => format!(
            "has {outputs} outputs: loads with outcome.name = \"survival\" and {}; for other outcomes, set \
             model.init_head = \"new\" for a new random one",
            counted(outputs - 1, "horizon", "horizons")
        ),
        (true, classes) => format!(
            "has {}, expected 2: set model.init_head = \"new\" for a new random one",
            counted(classes, "class", "classes")
        ),
        (false, _) => {
            "not in the file: set model.init_head = \"new\" for a new random one".to_owned()
        }
    }
}

/// Most outputs of a classifier that can be hazards; classifiers of other tasks have more.
const MOST_SURVIVAL_OUTPUTS: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_count_norm_and_range() {
        let array = Variable { name: "w".to_owned(), shape: vec![2], values: vec![3.0, -4.0] };
        let summary = ArraySummary::of(&array);
        assert_eq!((summary.count, summary.norm), (2, 5.0));
        assert_eq!(summary.range, Some([-4.0, 3.0]));
    }
}
