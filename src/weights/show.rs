//! What a file of weights is, in figures.

use super::{LeftOut, Loaded};
use crate::model::Variable;
use std::collections::BTreeMap;

/// One array in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many numbers it has.
    pub count: usize,
    /// The root of the sum of their squares.
    pub norm: f64,
    /// The least and the greatest of them.
    pub range: Option<[f32; 2]>,
}

impl Figures {
    /// Of an array.
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

/// What was left out, with how many of each kind.
pub fn left_out_by_kind(left_out: &[LeftOut]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for thing in left_out {
        *kinds.entry(thing.what.as_str()).or_default() += 1;
    }
    kinds
}

/// What becomes of a network of two classes that is started from these weights.
pub fn fate_of_head(loaded: &Loaded) -> String {
    match (loaded.has_head(), loaded.config.classes) {
        (true, 2) => "loads (2 classes)".to_owned(),
        (true, classes) => format!(
            "has {classes} classes, 2 are needed: stays random, with model.init_head = \"new\""
        ),
        (false, _) => "is not in the file: stays random, with model.init_head = \"new\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_its_figures() {
        let array = Variable { name: "w".to_owned(), shape: vec![2], values: vec![3.0, -4.0] };
        let figures = Figures::of(&array);
        assert_eq!((figures.count, figures.norm), (2, 5.0));
        assert_eq!(figures.range, Some([-4.0, 3.0]));
    }
}
