//! Names of groups of runs in a comparison.

use lungs_spec::spec::{Difference, Spec, differences};
use std::collections::BTreeSet;

/// A name for each group of runs: the name of its experiment or, when groups share that name, the keys in
/// which they differ: `loss = focal, learning_rate = 0.0001`.
pub(super) fn names_of_groups(specs: &[Spec], groups: &[Vec<usize>]) -> Vec<String> {
    let firsts: Vec<Spec> =
        groups.iter().filter_map(|group| Some(specs.get(*group.first()?)?.clone())).collect();
    let names: Vec<&str> = firsts.iter().map(|spec| spec.experiment.name.as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if distinct.len() == names.len() {
        return names.into_iter().map(str::to_owned).collect();
    }
    let distinguishing: Vec<Difference> =
        differences(&firsts).into_iter().filter(is_distinguishing).collect();
    let name = |(index, name): (usize, &&str)| {
        let settings: Vec<String> = distinguishing
            .iter()
            .filter_map(|key| {
                Some(format!("{} = {}", short_key(&key.key), key.values[index].as_ref()?))
            })
            .collect();
        let settings = settings.join(", ").replace('"', "");
        match (settings.is_empty(), distinct.len() > 1) {
            (true, _) => (*name).to_owned(),
            (false, true) => format!("{name}: {settings}"),
            (false, false) => settings,
        }
    };
    names.iter().enumerate().map(name).collect()
}

/// Largest number of differing keys that a sentence names.
const MAX_KEYS: usize = 6;

/// How a sentence names two runs, and a remark about their differences.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PairNames {
    /// The runs in a sentence.
    pub phrases: [String; 2],
    /// A sentence with the keys that differ, where they are too many for the names.
    pub remark: Option<String>,
}

/// Names two runs by every key in which their specs differ, with its value in each: `loss.name = focal,
/// train.epochs = 3`. Runs without a differing key, with many of them, and models without a spec keep their `names`.
pub(super) fn names_in_sentence(names: [&str; 2], specs: [Option<&Spec>; 2]) -> PairNames {
    let own_names = PairNames { phrases: names.map(str::to_owned), remark: None };
    let [Some(first), Some(second)] = specs else { return own_names };
    let keys = differences(&[first.clone(), second.clone()]);
    if keys.len() > MAX_KEYS {
        let keys: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
        let remark = format!("Their specs differ in {}.", keys.join(", "));
        return PairNames { remark: Some(remark), ..own_names };
    }
    let settings = |index: usize| {
        let setting = |key: &Difference| {
            let value = key.values.get(index)?.as_ref()?;
            Some(format!("{} = {}", key.key, value.trim_matches('"')))
        };
        keys.iter().filter_map(setting).collect::<Vec<_>>().join(", ")
    };
    let phrases = [settings(0), settings(1)];
    if phrases.iter().any(String::is_empty) {
        return own_names;
    }
    PairNames { phrases, remark: None }
}

/// Whether a difference belongs into a name: not seed or fold, and not a key that has an effect in some runs
/// only and one value in all of them (γ of a focal loss compared with cross-entropy).
fn is_distinguishing(difference: &Difference) -> bool {
    let values: BTreeSet<&String> = difference.values.iter().flatten().collect();
    let in_all_runs = difference.values.iter().all(Option::is_some);
    let is_repetition = ["experiment.seed", "split.fold"].contains(&difference.key.as_str());
    !is_repetition && (in_all_runs || values.len() > 1)
}

/// The last component of a dotted key, or the section of a `name` key.
fn short_key(key: &str) -> &str {
    key.strip_suffix(".name").unwrap_or(key).rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_spec::spec::{Overrides, load};

    fn specs(sets: &[&[&str]]) -> Vec<Spec> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"l.csv\"\n").unwrap();
        let load = |set: &&[&str]| {
            let set = set.iter().map(|set| set.to_string()).collect();
            load(&path, &Overrides { environment: Vec::new(), set }).unwrap()
        };
        sets.iter().map(load).collect()
    }

    fn group_names_of(sets: &[&[&str]]) -> Vec<String> {
        let specs = specs(sets);
        names_of_groups(&specs, &(0..specs.len()).map(|index| vec![index]).collect::<Vec<_>>())
    }

    #[test]
    fn groups_are_named_by_experiment_or_by_differing_keys() {
        assert_eq!(
            group_names_of(&[&["experiment.name=a"], &["experiment.name=b", "loss.name=focal"]]),
            ["a", "b"]
        );
        assert_eq!(
            group_names_of(&[&["experiment.seed=1"], &["loss.name=focal", "experiment.seed=2"]]),
            ["loss = cross-entropy", "loss = focal"]
        );
        assert_eq!(
            group_names_of(&[
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
            group_names_of(&[
                &["experiment.name=a"],
                &["experiment.name=b"],
                &["experiment.name=b", "train.epochs=3"]
            ]),
            ["a: epochs = 37", "b: epochs = 37", "b: epochs = 3"]
        );
    }

    #[test]
    fn a_sentence_names_every_key_that_differs() {
        let names = |sets: &[&[&str]]| {
            let specs = specs(sets);
            names_in_sentence(["one", "two"], [Some(&specs[0]), Some(&specs[1])])
        };
        let phrases = |sets: &[&[&str]]| names(sets).phrases;
        assert_eq!(
            phrases(&[&["experiment.seed=1"], &["loss.name=focal", "train.epochs=3"]]),
            [
                "experiment.seed = 1, loss.name = cross-entropy, train.epochs = 37",
                "experiment.seed = 37, loss.alpha = 0.25, loss.gamma = 2.0, loss.name = focal, train.epochs = 3"
            ]
        );
        assert_eq!(phrases(&[&[], &["experiment.name=other"]]), ["one", "two"]);
        let many = [
            "experiment.seed=1",
            "loss.name=focal",
            "train.epochs=3",
            "train.batch_size=5",
            "train.learning_rate=0.5",
        ];
        let names = names(&[&[], &many]);
        assert_eq!(names.phrases, ["one", "two"]);
        assert_eq!(
            names.remark.unwrap(),
            "Their specs differ in experiment.seed, loss.alpha, loss.gamma, loss.name, train.batch_size, \
             train.epochs, train.learning_rate."
        );
        assert_eq!(
            names_in_sentence(["run", "file.csv"], [None, None]).phrases,
            ["run", "file.csv"]
        );
    }
}
