//! Readable names of runs: `learning_rate-1e-4_loss-focal_seed-2`.

use std::collections::BTreeSet;

/// Maximum length of a name in bytes before it is shortened; file systems allow 255 bytes.
const MAX_LENGTH: usize = 120;

/// Names of other files and folders in the folder of a sweep.
const RESERVED: [&str; 6] =
    ["sweep.json", "sweep.lock", "logs", "slurm", "comparison.html", "comparison.csv"];

/// The word for a key in a name: its last component, the section for keys such as `loss.name`, or the complete
/// key if another key has the same word.
pub(super) fn key_word(key: &str, all: &BTreeSet<String>) -> String {
    let short = |key: &str| -> String {
        let mut components = key.rsplit('.');
        match (components.next(), components.next()) {
            (Some("name"), Some(section)) => section.to_owned(),
            (last, _) => last.unwrap_or(key).to_owned(),
        }
    };
    let word = short(key);
    let is_unique = all.iter().filter(|other| short(other) == word).count() <= 1;
    if is_unique { word } else { key.replace('.', "-") }
}

/// A value as a word in a name: `1e-4`, `focal`, `24x32x40`, `patience-5`.
pub(super) fn value_word(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => number_word(*number),
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => {
            let numbers = values.iter().all(|value| value.is_integer() || value.is_float());
            let words: Vec<String> = values.iter().map(value_word).collect();
            if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(if numbers { "x" } else { "-" })
            }
        }
        toml::Value::Table(table) => {
            let words = table.iter().map(|(key, value)| format!("{key}-{}", value_word(value)));
            words.collect::<Vec<_>>().join("-")
        }
        other => other.to_string(),
    }
}

fn number_word(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-2..1e6).contains(&magnitude) || !number.is_finite() {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// A name with only letters, digits, `-`, `_` and `.`, and without a leading dot.
pub(super) fn plain_name(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        if c != '-' || !plain.ends_with('-') {
            plain.push(c);
        }
    }
    plain.trim_start_matches(['.', '-']).trim_end_matches('-').to_owned()
}

/// A unique name of a run: `name`, shortened if it is too long, with the first six digits of the hash appended
/// if another run has the same name (ignoring case, for case-insensitive file systems).
pub(super) fn unique_name(name: &str, hash: &str, taken: &mut BTreeSet<String>) -> String {
    let short: String = hash.chars().take(6).collect();
    let is_free = |name: &str, taken: &BTreeSet<String>| {
        !name.is_empty() && !RESERVED.contains(&name) && !taken.contains(name)
    };
    let mut name = name.to_owned();
    if name.len() > MAX_LENGTH {
        name.truncate(MAX_LENGTH);
        name = format!("{name}-{short}");
    }
    if !is_free(&name.to_lowercase(), taken) {
        name = if name.is_empty() { short } else { format!("{name}-{short}") };
    }
    taken.insert(name.to_lowercase());
    name
}
