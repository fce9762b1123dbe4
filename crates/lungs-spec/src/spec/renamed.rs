//! Keys with a former name. Specs, the environment, `--set` and sweeps can use both names.

use figment::value::{Dict, Value};

/// Former and current names of keys.
pub const RENAMED: [(&str, &str); 2] = [
    ("train.recompute", "train.gradient_checkpointing"),
    ("train.weight_average", "train.ema_decay"),
];

/// A spec that uses the former name of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedKey {
    /// Name in the spec.
    pub former: String,
    /// Name of the same key in this version.
    pub current: &'static str,
    /// Where the former name is used: `in spec.toml`, `from --set train.recompute=true`.
    pub origin: String,
}

impl std::fmt::Display for RenamedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { former, current, origin } = self;
        write!(f, "`{former}` is now `{current}` ({origin})")
    }
}

/// The current name of `key`, if `key` is a former name.
pub(super) fn current_name(key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(former, _)| *former == key).map(|(_, current)| *current)
}

/// The former name of `key`, if it has one.
pub(super) fn former_name(key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(_, current)| *current == key).map(|(former, _)| *former)
}

/// A key that is set under both names: former and current name.
pub(super) fn set_twice<'a>(keys: &[&'a str]) -> Option<(&'a str, &'static str)> {
    keys.iter().find_map(|key| {
        let current = current_name(key)?;
        keys.contains(&current).then_some((*key, current))
    })
}

/// Renames the former names in a tree of keys. Returns former and current name of each renamed key.
///
/// # Errors
/// Both names of a key that is set under both.
pub(super) fn rename(
    keys: &mut Dict,
) -> Result<Vec<(&'static str, &'static str)>, [&'static str; 2]> {
    let mut renamed = Vec::new();
    for (former, current) in RENAMED {
        let Some(value) = remove(keys, former) else { continue };
        if insert(keys, current, value).is_some() {
            return Err([former, current]);
        }
        renamed.push((former, current));
    }
    Ok(renamed)
}

fn remove(keys: &mut Dict, key: &str) -> Option<Value> {
    match key.split_once('.') {
        None => keys.remove(key),
        Some((section, rest)) => match keys.get_mut(section)? {
            Value::Dict(_, inner) => remove(inner, rest),
            _ => None,
        },
    }
}

/// Inserts a value and returns the previous one. The sections of `key` exist.
fn insert(keys: &mut Dict, key: &str, value: Value) -> Option<Value> {
    match key.split_once('.') {
        None => keys.insert(key.to_owned(), value),
        Some((section, rest)) => match keys.get_mut(section)? {
            Value::Dict(_, inner) => insert(inner, rest, value),
            _ => None,
        },
    }
}
