//! What runs are called beside each other.

use crate::spec::{Difference, Spec, differences};
use std::collections::BTreeSet;

/// A name for each group of runs: that of its experiment, and, where groups share it, the keys in
/// which they differ: `loss = focal, learning_rate = 0.0001`.
pub(super) fn names_of_groups(specs: &[Spec], groups: &[Vec<usize>]) -> Vec<String> {
    let firsts: Vec<Spec> =
        groups.iter().filter_map(|group| Some(specs.get(*group.first()?)?.clone())).collect();
    let names: Vec<&str> = firsts.iter().map(|spec| spec.experiment.name.as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if distinct.len() == names.len() {
        return names.into_iter().map(str::to_owned).collect();
    }
    let telling: Vec<Difference> = differences(&firsts).into_iter().filter(is_telling).collect();
    let name = |(place, name): (usize, &&str)| {
        let own: Vec<String> = telling
            .iter()
            .filter_map(|one| Some(format!("{} = {}", word(&one.key), one.values[place].as_ref()?)))
            .collect();
        let own = own.join(", ").replace('"', "");
        match (own.is_empty(), distinct.len() > 1) {
            (true, _) => (*name).to_owned(),
            (false, true) => format!("{name}: {own}"),
            (false, false) => own,
        }
    };
    names.iter().enumerate().map(name).collect()
}

/// Whether a difference tells more than another does: not seed or fold, and not a key that plays a
/// part in some of the runs only and has one value there (a focal loss's γ beside cross-entropy).
fn is_telling(difference: &Difference) -> bool {
    let values: BTreeSet<&String> = difference.values.iter().flatten().collect();
    let everywhere = difference.values.iter().all(Option::is_some);
    let repeats = ["experiment.seed", "split.fold"].contains(&difference.key.as_str());
    !repeats && (everywhere || values.len() > 1)
}

/// The last part of a key, or its section for a `name`.
fn word(key: &str) -> &str {
    key.strip_suffix(".name").unwrap_or(key).rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Overrides, load};

    fn named(specs: &[&[&str]]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"l.csv\"\n").unwrap();
        let load = |set: &&[&str]| {
            let set = set.iter().map(|set| set.to_string()).collect();
            load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
        };
        let specs: Vec<Spec> = specs.iter().map(load).collect();
        names_of_groups(&specs, &(0..specs.len()).map(|place| vec![place]).collect::<Vec<_>>())
    }

    #[test]
    fn groups_are_called_by_experiment_or_by_what_differs() {
        assert_eq!(
            named(&[&["experiment.name=a"], &["experiment.name=b", "loss.name=focal"]]),
            ["a", "b"]
        );
        assert_eq!(
            named(&[&["experiment.seed=1"], &["loss.name=focal", "experiment.seed=2"]]),
            ["loss = cross-entropy", "loss = focal"]
        );
        assert_eq!(
            named(&[
                &["train.epochs=3"],
                &["loss.name=focal", "loss.gamma=1"],
                &["loss.name=focal", "loss.gamma=3"]
            ]),
            [
                "loss = cross-entropy, epochs = 3",
                "gamma = 1.0, loss = focal, epochs = 37",
                "gamma = 3.0, loss = focal, epochs = 37"
            ]
        );
        assert_eq!(
            named(&[
                &["experiment.name=a"],
                &["experiment.name=b"],
                &["experiment.name=b", "train.epochs=3"]
            ]),
            ["a: epochs = 37", "b: epochs = 37", "b: epochs = 3"]
        );
    }
}
