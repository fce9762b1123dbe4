//! Suggestions for unknown keys of a spec.

use super::Document;
use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use lungs_base::suggest::nearest;

/// A name that no table of a spec has.
const PROBE: &str = "?";
/// The largest number of keys that a suggestion lists.
const MAX_LISTED: usize = 3;

/// What the user may have meant by the unknown dotted `key`, as help of an error. `known` has the keys of its table.
///
/// Keys of the same name in other tables come first (`learning_rate` without its section), then a key of the same table
/// with a similar spelling, then keys of other tables with a similar spelling. The keys of `[sweep]` come before those
/// that a sweep can vary.
pub(super) fn suggestion(key: &str, known: &[&str]) -> Option<String> {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let keys = all_keys();
    let equal: Vec<&str> =
        keys.iter().map(String::as_str).filter(|key| last(key) == name).collect();
    let near = nearest(name, known.iter().copied()).map(|near| join(section, near));
    match (near, equal.first()) {
        (Some(near), first) if section == "sweep" || first.is_none() => {
            return Some(did_you_mean(&[&near]));
        }
        (None, Some(varied)) if section == "sweep" => {
            return Some(format!(
                "to vary `{varied}`, list its values in [sweep.grid]: \"{varied}\" = […]"
            ));
        }
        (_, Some(_)) => return Some(did_you_mean(&equal)),
        (_, None) => {}
    }
    let near = nearest(name, keys.iter().map(|key| last(key)))?;
    let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|key| last(key) == near).collect();
    Some(did_you_mean(&keys))
}

fn did_you_mean(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().take(MAX_LISTED).map(|key| format!("`{key}`")).collect();
    let names = match quoted.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    };
    format!("did you mean {names}?")
}

/// The part of a dotted key after the last dot.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// The dotted names of all keys of a spec, without those of tables.
fn all_keys() -> Vec<String> {
    let mut keys = Vec::new();
    add_keys("", &mut keys);
    keys
}

fn add_keys(table: &str, keys: &mut Vec<String>) {
    for name in names_in(table) {
        let key = join(table, name);
        let before = keys.len();
        add_keys(&key, keys);
        if keys.len() == before {
            keys.push(key);
        }
    }
}

/// The keys of a table of the spec, from the error of a key that it does not have; empty if `table` is a value.
fn names_in(table: &str) -> &'static [&'static str] {
    let probe = Serialized::default(&join(table, PROBE), true);
    let document = Figment::from(Serialized::defaults(Document::default())).merge(probe);
    match document.extract::<Document>().map_err(|error| error.kind) {
        Err(Kind::UnknownField(name, known)) if name == PROBE => known,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_and_values_are_listed() {
        let keys = all_keys();
        for key in [
            "experiment.seed",
            "data.labels",
            "data.select.min_slices",
            "split.lists.train",
            "loss.gamma",
            "train.learning_rate",
            "train.augment.flip_width",
            "evaluate.prevalence",
            "runtime.device",
            "slurm.partition",
        ] {
            assert!(keys.iter().any(|known| known == key), "{key} is missing: {keys:?}");
        }
        assert!(!keys.iter().any(|key| key == "train" || key == "train.augment"), "{keys:?}");
    }

    #[test]
    fn keys_without_their_section_and_misspelt_keys_are_suggested() {
        let top = ["experiment", "data", "train"];
        let train = ["learning_rate", "epochs"];
        for (key, known, expected) in [
            ("learning_rate", &top[..], Some("did you mean `train.learning_rate`?")),
            ("flip_width", &top[..], Some("did you mean `train.augment.flip_width`?")),
            ("train.gamma", &train[..], Some("did you mean `loss.gamma`?")),
            (
                "name",
                &top[..],
                Some("did you mean `experiment.name`, `outcome.name` or `model.name`?"),
            ),
            ("trian", &top[..], Some("did you mean `train`?")),
            ("train.learning-rate", &train[..], Some("did you mean `train.learning_rate`?")),
            ("lerning_rate", &top[..], Some("did you mean `train.learning_rate`?")),
            (
                "sweep.epochs",
                &["grid", "seeds"][..],
                Some(
                    "to vary `train.epochs`, list its values in [sweep.grid]: \"train.epochs\" = […]",
                ),
            ),
            ("sweep.seed", &["grid", "seeds"][..], Some("did you mean `sweep.seeds`?")),
            ("sweep.seds", &["grid", "seeds"][..], Some("did you mean `sweep.seeds`?")),
            ("xyz", &top[..], None),
        ] {
            assert_eq!(suggestion(key, known).as_deref(), expected, "{key}");
        }
    }
}
