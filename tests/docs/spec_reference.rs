//! The reference of spec keys in `docs/spec.md`: types and meanings from the source of the spec's types, defaults
//! from the serialised default spec.

use super::spec_types::{Item, Type, all_types, defaults};
use std::collections::BTreeMap;
use std::fmt::Write;

const PAGE: &str = "docs/spec.md";
const BEGIN: &str = "<!-- keys: generated from the types of the spec -->\n";
const END: &str = "<!-- end of keys -->\n";

/// The allowed values of a type, in the syntax of a spec.
fn values(content: &str, types: &BTreeMap<String, Type>) -> String {
    let inner = |prefix: &str| content.strip_prefix(prefix).and_then(|c| c.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return values(inner, types);
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list of: {}", values(inner, types));
    }
    if let Some((inner, count)) =
        content.trim_start_matches('[').trim_end_matches(']').split_once("; ")
    {
        return format!("{count} × {}", values(inner, types));
    }
    match content {
        "bool" => "`true`, `false`".to_owned(),
        "usize" | "u64" => "whole number".to_owned(),
        "f64" => "number".to_owned(),
        "String" => "text".to_owned(),
        "PathBuf" => "path".to_owned(),
        "toml::Table" => "table".to_owned(),
        name => {
            let parsed = types.get(name).unwrap_or_else(|| panic!("no type {name}"));
            if !parsed.is_enum {
                let keys: Vec<&str> = parsed.items.iter().map(|item| item.name.as_str()).collect();
                return format!("table of `{}`", keys.join("`, `"));
            }
            let choices = parsed.items.iter().map(|item| match item.content.as_str() {
                "" => format!("`\"{}\"`", item.name),
                content => values(content, types),
            });
            choices.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The meaning of a key: its doc comment, and those of its named choices.
fn meaning(item: &Item, types: &BTreeMap<String, Type>) -> String {
    let mut text = item.doc.join(" ");
    let inner = item.content.trim_start_matches("Vec<").trim_end_matches('>');
    let choices = types.get(inner).filter(|parsed| parsed.is_enum && parsed.items.len() > 1);
    for choice in choices.iter().flat_map(|parsed| &parsed.items) {
        let doc = choice.doc.join(" ");
        if choice.content.is_empty() {
            let _ = write!(text, "<br>`\"{}\"`: {doc}", choice.name);
        }
    }
    text
}

/// The tables of a section and of the sections in it.
fn section(
    key: &str,
    intro: &[String],
    parsed: &Type,
    defaults: &toml::Table,
    types: &BTreeMap<String, Type>,
) -> String {
    let is_table = |item: &&Item| {
        let name = item.content.trim_start_matches("Option<").trim_end_matches('>');
        types.get(name).is_some_and(|parsed| !parsed.is_enum)
    };
    // The first paragraph of a section's type is its name, and that of the field describes it.
    let rest: Vec<String> =
        parsed.doc.iter().skip_while(|line| !line.is_empty()).cloned().collect();
    let intro = paragraphs(&[intro, &rest].concat());
    let mut text = format!("\n### `[{key}]`\n\n{intro}\n");
    text += "\n| key | values | default | meaning |\n|---|---|---|---|\n";
    for item in parsed.items.iter().filter(|item| !is_table(item)) {
        let default = match defaults.get(&item.name) {
            Some(value) => format!("`{value}`"),
            None if item.content.starts_with("Option<") => "–".to_owned(),
            None => panic!("{key}.{} has no default", item.name),
        };
        let name = format!("{key}.{}", item.name);
        assert!(!item.doc.is_empty(), "{name} has no doc comment");
        let meaning = meaning(item, types);
        assert!(!meaning.contains("Default:"), "{name}: the default is generated: {meaning}");
        let values = values(&item.content, types);
        let _ = writeln!(text, "| `{name}` | {values} | {default} | {meaning} |");
    }
    for item in parsed.items.iter().filter(is_table) {
        let name = item.content.trim_start_matches("Option<").trim_end_matches('>');
        let empty = toml::Table::new();
        let defaults = defaults.get(&item.name).and_then(toml::Value::as_table).unwrap_or(&empty);
        text += &section(&format!("{key}.{}", item.name), &item.doc, &types[name], defaults, types);
    }
    text
}

fn paragraphs(lines: &[String]) -> String {
    let text = lines.iter().map(|line| if line.is_empty() { "\n\n" } else { line });
    text.collect::<Vec<_>>().join(" ").replace(" \n\n ", "\n\n").trim().to_owned()
}

fn reference() -> String {
    let types = all_types();
    let defaults = defaults();
    let mut sections: Vec<(&str, &[String], &str)> = Vec::new();
    for item in &types["Document"].items {
        sections.push((&item.name, &item.doc, &item.content));
    }
    sections.push(("sweep", &[], "SweepTable"));
    let text = sections.iter().map(|(key, doc, name)| {
        section(key, doc, &types[*name], defaults[*key].as_table().unwrap(), &types)
    });
    text.collect()
}

#[test]
fn the_reference_of_spec_keys_is_current() {
    let page = super::text(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    super::assert_is_current(PAGE, &format!("{before}{BEGIN}{}\n{END}{after}", reference()));
}

#[test]
fn every_key_of_the_default_spec_has_a_row() {
    fn keys(prefix: &str, table: &toml::Table, all: &mut Vec<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) if !inner.is_empty() => {
                    keys(&format!("{prefix}{key}."), inner, all);
                }
                _ => all.push(format!("{prefix}{key}")),
            }
        }
    }
    let mut all = Vec::new();
    keys("", &defaults(), &mut all);
    let reference = reference();
    for key in &all {
        assert!(reference.contains(&format!("| `{key}` |")), "{key} has no row");
    }
    assert!(all.len() > 100, "{}", all.len());
}
