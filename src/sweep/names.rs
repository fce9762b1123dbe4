//! Readable names of runs: `learning_rate-1e-4_loss-focal_seed-2`.

use std::collections::BTreeSet;

/// Longest name that needs no shortening; file systems take 255 bytes.
const LONGEST: usize = 120;

/// What is there beside the runs of a sweep.
const TAKEN: [&str; 6] =
    ["sweep.json", "sweep.lock", "logs", "slurm", "comparison.html", "comparison.csv"];

/// The word for a key among others: its last part, the section for `loss.name`, and the whole key
/// where another has the same word.
pub(super) fn word_for(key: &str, all: &BTreeSet<String>) -> String {
    let short = |key: &str| -> String {
        let mut parts = key.rsplit('.');
        match (parts.next(), parts.next()) {
            (Some("name"), Some(section)) => section.to_owned(),
            (last, _) => last.unwrap_or(key).to_owned(),
        }
    };
    let own = short(key);
    let alone = all.iter().filter(|other| short(other) == own).count() <= 1;
    if alone { own } else { key.replace('.', "-") }
}

/// A value as part of a file name: `1e-4`, `focal`, `24x32x40`, `patience-5`.
pub(super) fn value_in_words(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => number_in_words(*number),
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => {
            let numbers = values.iter().all(|value| value.is_integer() || value.is_float());
            let words: Vec<String> = values.iter().map(value_in_words).collect();
            if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(if numbers { "x" } else { "-" })
            }
        }
        toml::Value::Table(table) => {
            let words = table.iter().map(|(key, value)| format!("{key}-{}", value_in_words(value)));
            words.collect::<Vec<_>>().join("-")
        }
        other => other.to_string(),
    }
}

fn number_in_words(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-2..1e6).contains(&size) || !number.is_finite() {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// Only letters, digits, `-`, `_` and `.`, and no dot in front.
pub(super) fn plain(name: &str) -> String {
    let mut told = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        if c != '-' || !told.ends_with('-') {
            told.push(c);
        }
    }
    told.trim_start_matches(['.', '-']).trim_end_matches('-').to_owned()
}

/// The name of a run that would be called `wanted`: shortened where it is too long, and with the
/// beginning of its hash where another has the name, on file systems that do not tell capitals too.
pub(super) fn unique(wanted: &str, hash: &str, taken: &mut BTreeSet<String>) -> String {
    let short: String = hash.chars().take(6).collect();
    let is_free = |name: &str, taken: &BTreeSet<String>| {
        !name.is_empty() && !TAKEN.contains(&name) && !taken.contains(name)
    };
    let mut name = wanted.to_owned();
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        name = format!("{name}-{short}");
    }
    if !is_free(&name.to_lowercase(), taken) {
        name = if name.is_empty() { short } else { format!("{name}-{short}") };
    }
    taken.insert(name.to_lowercase());
    name
}
