//! The JSON Schema of a spec, `docs/spec.schema.json`: keys, types and descriptions from the source of the spec's types,
//! defaults from the default spec, limits of numbers from the table that the program checks.

use super::spec_types::{Item, Type, all_types, defaults};
use lungs_spec::spec::{Allowed, HORIZON_COUNT, LIMITS, RENAMED};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::Bound;

const SCHEMA: &str = "docs/spec.schema.json";
const FOLDER_NAME: &str = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$";
const SLURM_NAME: &str = "^[A-Za-z0-9_.,+@-]*$";
const DEVICE: &str = "^(auto|cpu|cubecl-cpu|cuda(:[0-9]+)?)$";

/// Forms of texts, by key. `spec_agreement` tests that the program accepts the same.
const PATTERNS: [(&str, &str); 16] = [
    ("experiment.name", FOLDER_NAME),
    ("data.select.kernels", "\\S"),
    ("data.select.exclude_kernels", "\\S"),
    ("model.init", "."),
    ("evaluate.subgroups", "."),
    ("evaluate.weight_column", "."),
    ("runtime.device", DEVICE),
    ("slurm.partition", SLURM_NAME),
    ("slurm.cpu_partition", SLURM_NAME),
    ("slurm.account", SLURM_NAME),
    ("slurm.mem", SLURM_NAME),
    ("slurm.time", "^(([0-9]+-)?[0-9]+(:[0-9]+){0,2})?$"),
    ("slurm.setup", "^[^\\r\\n]*$"),
    ("slurm.extra", "^-[^\\r\\n]*$"),
    ("sweep.name", FOLDER_NAME),
    ("sweep.devices", DEVICE),
];

/// The schema of a spec.
pub(super) fn schema() -> Value {
    let (types, defaults) = (all_types(), defaults());
    let mut properties = Map::new();
    properties.insert(
        "extends".into(),
        json!({
            "description": "Path of another spec, relative to this file. Its keys apply where this file does not set them.",
            "type": "string",
            "minLength": 1,
        }),
    );
    let mut sections: Vec<(&str, &[String], &str)> = Vec::new();
    for item in &types["Document"].items {
        sections.push((&item.name, &item.doc, &item.content));
    }
    sections.push(("sweep", &[], "SweepTable"));
    for (name, doc, content) in sections {
        let table = defaults[name].as_table().unwrap();
        properties.insert(name.to_owned(), section(name, doc, &types[content], table, &types));
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from the types of the spec: LUNGS_UPDATE_DOCS=1 cargo test --test docs",
        "title": "Spec of lungs",
        "description": "A spec defines an experiment; every key has a default. A key can also be set by --set and by the environment, so no key is required here.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The schema of a table of the spec.
fn section(
    key: &str,
    doc: &[String],
    parsed: &Type,
    defaults: &toml::Table,
    types: &BTreeMap<String, Type>,
) -> Value {
    // The first paragraph of a section's type is its name, and that of the field describes it.
    let rest = parsed.doc.iter().skip_while(|line| !line.is_empty());
    let doc: Vec<String> = doc.iter().chain(rest).cloned().collect();
    let mut properties = Map::new();
    for item in &parsed.items {
        let name = format!("{key}.{}", item.name);
        let content = item.content.trim_start_matches("Option<").trim_end_matches('>');
        let table = types.get(content).filter(|parsed| !parsed.is_enum);
        let schema = match table {
            Some(parsed) => {
                let empty = toml::Table::new();
                let table = defaults.get(&item.name).and_then(toml::Value::as_table);
                section(&name, &item.doc, parsed, table.unwrap_or(&empty), types)
            }
            None => property(&name, item, defaults.get(&item.name), types),
        };
        properties.insert(item.name.clone(), schema);
    }
    let mut schema = json!({ "description": prose(&doc), "type": "object" });
    let aliases = add_former_names(key, &mut properties);
    schema["properties"] = properties.into();
    schema["additionalProperties"] = false.into();
    if !aliases.is_empty() {
        schema["not"] = json!({ "anyOf": aliases });
    }
    schema
}

/// Adds the former names of the keys of a table. Returns the pairs of names that exclude each other.
fn add_former_names(key: &str, properties: &mut Map<String, Value>) -> Vec<Value> {
    let mut pairs = Vec::new();
    for (former, current) in RENAMED {
        let (table, name) = former.rsplit_once('.').unwrap();
        let (_, current) = current.rsplit_once('.').unwrap();
        if table != key {
            continue;
        }
        let mut schema = properties[current].clone();
        schema["description"] = format!("Former name of `{current}`.").into();
        schema["deprecated"] = true.into();
        properties.insert(name.to_owned(), schema);
        pairs.push(json!({ "required": [name, current] }));
    }
    pairs
}

/// The schema of a key that is no table.
fn property(
    key: &str,
    item: &Item,
    default: Option<&toml::Value>,
    types: &BTreeMap<String, Type>,
) -> Value {
    let mut schema = json!({ "description": meaning(item, types) });
    let values = values(&item.content, types);
    schema.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    if let Some(default) = default {
        schema["default"] = to_json(default);
    }
    if let Some(limit) = LIMITS.iter().find(|limit| limit.key == key) {
        restrict(&mut schema, &["integer", "number"], &bounds(limit.allowed));
    }
    if let Some((_, pattern)) = PATTERNS.iter().find(|(name, _)| *name == key) {
        restrict(&mut schema, &["string"], &json!({ "pattern": pattern }));
    }
    match key {
        "outcome.horizons_years" => {
            schema["minItems"] = (*HORIZON_COUNT.start()).into();
            schema["maxItems"] = (*HORIZON_COUNT.end()).into();
        }
        "runtime.device" => schema["anyOf"][1]["minItems"] = 1.into(),
        "evaluate.subgroups" => {
            schema["items"]["anyOf"][1]["properties"]["edges"]["minItems"] = 1.into();
        }
        // Keys in tables or with dots, each with the values to combine.
        "sweep.grid" => {
            schema["additionalProperties"] = json!({
                "anyOf": [{ "type": "array", "minItems": 1 }, { "type": "object" }]
            });
        }
        "sweep.list" => {
            schema["items"]["properties"] = json!({ "name": { "type": "string" } });
            schema["items"]["minProperties"] = 1.into();
            schema["items"]["not"] = json!({ "required": ["name"], "maxProperties": 1 });
        }
        _ => {}
    }
    schema
}

/// The schema of the values of a Rust type.
fn values(content: &str, types: &BTreeMap<String, Type>) -> Value {
    let inner = |prefix: &str| content.strip_prefix(prefix).and_then(|c| c.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return values(inner, types);
    }
    if let Some(inner) = inner("Vec<") {
        return json!({ "type": "array", "items": values(inner, types) });
    }
    if let Some((inner, count)) =
        content.strip_prefix('[').and_then(|c| c.strip_suffix(']')).and_then(|c| c.split_once("; "))
    {
        let count: usize = count.parse().unwrap();
        let items = values(inner, types);
        return json!({ "type": "array", "items": items, "minItems": count, "maxItems": count });
    }
    match content {
        "bool" => json!({ "type": "boolean" }),
        "usize" | "u64" => json!({ "type": "integer", "minimum": 0 }),
        "f64" => json!({ "type": "number" }),
        "String" | "PathBuf" => json!({ "type": "string" }),
        "toml::Table" => json!({ "type": "object" }),
        name => {
            let parsed = types.get(name).unwrap_or_else(|| panic!("no type {name}"));
            if parsed.is_enum { choices(parsed, types) } else { object(parsed, types) }
        }
    }
}

/// A table within a value.
fn object(parsed: &Type, types: &BTreeMap<String, Type>) -> Value {
    let property = |item: &Item| {
        let mut schema = json!({ "description": prose(&item.doc) });
        let values = values(&item.content, types);
        schema.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        (item.name.clone(), schema)
    };
    let properties: Map<String, Value> = parsed.items.iter().map(property).collect();
    let required: Vec<&String> =
        if parsed.has_defaults { Vec::new() } else { properties.keys().collect() };
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The variants of an enum: names, and values of other types.
fn choices(parsed: &Type, types: &BTreeMap<String, Type>) -> Value {
    let (names, others): (Vec<&Item>, Vec<&Item>) =
        parsed.items.iter().partition(|item| item.content.is_empty());
    let names: Vec<&str> = names.iter().map(|item| item.name.as_str()).collect();
    let mut schemas: Vec<Value> = others.iter().map(|item| values(&item.content, types)).collect();
    if !names.is_empty() {
        schemas.insert(0, json!({ "type": "string", "enum": names }));
    }
    if schemas.len() == 1 { schemas.remove(0) } else { json!({ "anyOf": schemas }) }
}

/// Adds `keywords` to each part of a schema whose values have one of `kinds`, but not to named choices.
fn restrict(schema: &mut Value, kinds: &[&str], keywords: &Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let kind = object.get("type").and_then(Value::as_str);
    if kind.is_some_and(|kind| kinds.contains(&kind)) && !object.contains_key("enum") {
        object.extend(keywords.as_object().unwrap().clone());
        return;
    }
    for name in ["items", "anyOf", "properties"] {
        match object.get_mut(name) {
            Some(Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| restrict(part, kinds, keywords));
            }
            Some(Value::Object(parts)) if name == "properties" => {
                parts.values_mut().for_each(|part| restrict(part, kinds, keywords));
            }
            Some(part) => restrict(part, kinds, keywords),
            None => {}
        }
    }
}

/// The keywords of the limits of a number.
fn bounds(allowed: Allowed) -> Value {
    let between = |lower, upper| {
        let mut keywords = Map::new();
        let mut add = |name: &str, value: f64| {
            if value.is_finite() {
                keywords.insert(name.to_owned(), number(value));
            }
        };
        match lower {
            Bound::Included(value) => add("minimum", value),
            Bound::Excluded(value) => add("exclusiveMinimum", value),
            Bound::Unbounded => {}
        }
        match upper {
            Bound::Included(value) => add("maximum", value),
            Bound::Excluded(value) => add("exclusiveMaximum", value),
            Bound::Unbounded => {}
        }
        Value::from(keywords)
    };
    match allowed {
        Allowed::Between(lower, upper) => between(lower, upper),
        Allowed::ZeroOr(lower, upper) => {
            json!({ "anyOf": [{ "const": 0 }, between(lower, upper)] })
        }
        Allowed::OneOf(values) => {
            json!({ "enum": values.iter().map(|value| number(*value)).collect::<Vec<_>>() })
        }
    }
}

/// A number without a fraction if it has none.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// A TOML value without dates as JSON.
pub(super) fn to_json(value: &toml::Value) -> Value {
    serde_json::to_value(value).unwrap()
}

/// The meaning of a key, and of its named choices.
fn meaning(item: &Item, types: &BTreeMap<String, Type>) -> String {
    let mut text = prose(&item.doc);
    let inner = item.content.trim_start_matches("Vec<").trim_end_matches('>');
    let choices = types.get(inner).filter(|parsed| parsed.is_enum && parsed.items.len() > 1);
    let named = choices.iter().flat_map(|parsed| &parsed.items).filter(|it| it.content.is_empty());
    for (index, choice) in named.enumerate() {
        let separator = if index == 0 { "\n\n" } else { "\n" };
        text += &format!("{separator}- `\"{}\"`: {}", choice.name, prose(&choice.doc));
    }
    text
}

/// Lines of a doc comment as paragraphs.
fn prose(lines: &[String]) -> String {
    let text = lines.iter().map(|line| if line.is_empty() { "\n\n" } else { line });
    text.collect::<Vec<_>>().join(" ").replace(" \n\n ", "\n\n").trim().to_owned()
}

#[test]
fn the_schema_of_specs_is_current() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    super::assert_is_current(SCHEMA, &text);
}

#[test]
fn every_limit_and_pattern_is_in_the_schema() {
    let schema = schema();
    let part = |key: &str| {
        key.split('.').fold(&schema, |schema, name| &schema["properties"][name]).to_string()
    };
    for limit in LIMITS {
        for (keyword, bound) in bounds(limit.allowed).as_object().unwrap() {
            let text = format!("{}:{bound}", json!(keyword));
            assert!(part(limit.key).contains(&text), "{}: {}", limit.key, part(limit.key));
        }
    }
    for (key, pattern) in PATTERNS {
        let pattern = json!(pattern).to_string();
        assert!(part(key).contains(&format!("\"pattern\":{pattern}")), "{key}: {}", part(key));
    }
    assert_eq!(schema["properties"]["train"]["properties"]["epochs"]["default"], 37);
}
