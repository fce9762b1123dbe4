//! Messages about keys and files of a spec.

use super::error::SpecError;
use super::suggestions::suggestion;
use figment::Source;
use figment::error::{Actual, Kind};
use lungs_base::suggest::nearest;
use miette::{NamedSource, SourceSpan};
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// The key, the message and the help of a deserialisation error.
pub(super) fn describe(error: &figment::Error) -> (String, String, Option<String>) {
    let mut key = error.path.join(".");
    let mut help = None;
    let message = match &error.kind {
        Kind::UnknownField(field, known) => {
            if error.path.last() != Some(field) {
                key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
            }
            help = suggestion(&key, known);
            format!("unknown key, expected one of: {}", known.join(", "))
        }
        Kind::UnknownVariant(value, known) => {
            help = nearest(value, known.iter().copied())
                .map(|near| format!("did you mean \"{near}\"?"));
            let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
            format!("found \"{value}\", expected one of: {}", known.join(", "))
        }
        Kind::InvalidType(value, expected) | Kind::InvalidValue(value, expected) => {
            format!("found {}, expected {}", format_value(value), describe_type(expected))
        }
        other => other.to_string(),
    };
    (key, message, help)
}

/// The source of a value, as text for the end of a message; empty for a key that is not set.
pub(super) fn origin_text(origin: Option<&Source>) -> String {
    match origin {
        Some(Source::File(path)) => format!("in {}", path.display()),
        Some(Source::Custom(origin)) => format!("from {origin}"),
        Some(_) => "the default".to_owned(),
        None => String::new(),
    }
}

/// A file that is no TOML.
pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> SpecError {
    let name = path.display().to_string();
    let source = NamedSource::new(name, text.to_owned()).with_language("TOML");
    SpecError::Syntax {
        path: path.to_owned(),
        message: error.message().to_owned(),
        text: Arc::new(source),
        span: error.span().map(SourceSpan::from),
    }
}

/// A value in the syntax of a spec.
fn format_value(value: &Actual) -> String {
    match value {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Str(value) => format!("{value:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// Describes a Rust type in terms of TOML values.
fn describe_type(expected: &str) -> String {
    match expected {
        "f64" | "f32" => "a number".into(),
        "usize" | "u64" | "u32" => "a whole number that is not negative".into(),
        "bool" | "a boolean" => "true or false".into(),
        "a string" | "path string" => "text in quotes".into(),
        "a sequence" => "a list".into(),
        other => other.strip_prefix("struct ").map_or_else(
            || other.to_owned(),
            |section| format!("a table of keys (`{}`)", section.to_lowercase()),
        ),
    }
}

/// The position of a dotted key in the text of a spec.
pub(super) fn locate(text: &str, key: &str) -> Option<SourceSpan> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref().clone();
    let mut span = None;
    for part in key.split('.') {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == part)?;
        span = Some(name.span());
        table = match value.get_ref() {
            DeValue::Table(inner) => inner.clone(),
            _ => Default::default(),
        };
    }
    span.map(SourceSpan::from)
}
