//! Validation by the keywords of JSON Schema (draft 7) that the schema of specs uses. An unknown keyword is a panic, so
//! that none is ignored. `the_package_jsonschema_agrees_about_the_specs` compares it with another implementation.
//!
//! The crates that validate JSON Schemas ask for features of shared dependencies (`regex`, `num-complex`, `ahash`), with
//! which `cargo test` and `cargo run` no longer share one build.

use regex::Regex;
use serde_json::Value;

/// Keywords that describe values and do not restrict them.
const ANNOTATIONS: [&str; 6] =
    ["$schema", "$comment", "title", "description", "default", "deprecated"];

/// The first problem of `value`, with its position.
pub(super) fn problem(schema: &Value, value: &Value) -> Option<String> {
    let keywords = schema.as_object().expect("a schema is an object");
    let problem = |(keyword, argument): (&String, &Value)| {
        let nested = match keyword.as_str() {
            "items" => {
                value.as_array().and_then(|all| all.iter().find_map(|item| problem(argument, item)))
            }
            "properties" | "additionalProperties" => in_properties(keyword, schema, value),
            _ => None,
        };
        let violated = || format!("{value}: {keyword} {argument}");
        nested.or_else(|| (!holds(keyword, argument, value)).then(violated))
    };
    keywords.iter().find_map(problem)
}

/// The first problem of a known or an unknown key of a table.
fn in_properties(keyword: &str, schema: &Value, value: &Value) -> Option<String> {
    let object = value.as_object()?;
    let properties = &schema["properties"];
    object.iter().find_map(|(name, value)| {
        let argument = match (keyword, properties.get(name)) {
            ("properties", Some(property)) => property,
            ("additionalProperties", None) => &schema["additionalProperties"],
            _ => return None,
        };
        match argument {
            Value::Bool(true) => None,
            Value::Bool(false) => Some(format!("{name}: unknown key")),
            schema => problem(schema, value).map(|problem| format!("{name}: {problem}")),
        }
    })
}

/// Whether a keyword that does not describe the parts of a value holds. Limits apply to the values of their type.
fn holds(keyword: &str, argument: &Value, value: &Value) -> bool {
    let limit = || argument.as_f64().expect("a limit is a number");
    let number = |test: fn(f64, f64) -> bool| value.as_f64().is_none_or(|it| test(it, limit()));
    let length = |test: fn(f64, f64) -> bool| {
        let length = match (keyword, value) {
            ("minItems" | "maxItems", Value::Array(items)) => items.len(),
            ("minLength", Value::String(text)) => text.chars().count(),
            ("minProperties" | "maxProperties", Value::Object(object)) => object.len(),
            _ => return true,
        };
        test(length as f64, limit())
    };
    let matches = |schema: &Value| problem(schema, value).is_none();
    let list = || argument.as_array().expect("a list");
    match keyword {
        "items" | "properties" | "additionalProperties" => true,
        "type" => has_type(argument.as_str().expect("the name of a type"), value),
        "enum" => list().iter().any(|choice| equal(choice, value)),
        "const" => equal(argument, value),
        "minimum" => number(|value, limit| value >= limit),
        "maximum" => number(|value, limit| value <= limit),
        "exclusiveMinimum" => number(|value, limit| value > limit),
        "exclusiveMaximum" => number(|value, limit| value < limit),
        "minItems" | "minLength" | "minProperties" => length(|length, limit| length >= limit),
        "maxItems" | "maxProperties" => length(|length, limit| length <= limit),
        "pattern" => {
            let pattern = Regex::new(argument.as_str().expect("a pattern")).expect("a pattern");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "required" => value.as_object().is_none_or(|object| {
            list().iter().all(|name| object.contains_key(name.as_str().expect("a name")))
        }),
        "anyOf" => list().iter().any(matches),
        "not" => !matches(argument),
        other => {
            assert!(ANNOTATIONS.contains(&other), "unknown keyword {other}");
            true
        }
    }
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("unknown type {other}"),
    }
}

/// Equality of JSON, in which 1 and 1.0 are the same number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
