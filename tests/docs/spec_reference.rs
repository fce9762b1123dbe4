//! The reference of spec keys in `docs/spec.md`: types and meanings from the source of the spec's types, defaults
//! from the serialised default spec.

use lungs_spec::spec::{Document, EqualScans, Outcome, Phantom, Slurm, SweepTable};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const PAGE: &str = "docs/spec.md";
const BEGIN: &str = "<!-- keys: generated from the types of the spec -->\n";
const END: &str = "<!-- end of keys -->\n";

/// A documented field of a struct, or a variant of an enum.
struct Item {
    name: String,
    /// Type of a field; content of a variant, empty without content.
    content: String,
    doc: Vec<String>,
}

/// A struct or an enum.
struct Type {
    is_enum: bool,
    doc: Vec<String>,
    items: Vec<Item>,
}

/// Parses the public structs and enums of formatted Rust source.
fn types(source: &str) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    let mut open: Option<(String, Type)> = None;
    let (mut doc, mut rename) = (Vec::new(), None);
    for line in source.lines() {
        let text = line.trim();
        if let Some(line) = text.strip_prefix("///") {
            doc.push(line.trim().to_owned());
        } else if let Some(name) = text.strip_prefix("#[serde(rename = \"") {
            rename = Some(name.trim_end_matches("\")]").to_owned());
        } else if let Some((name, mut parsed)) = open.take() {
            if line == "}" {
                types.insert(name, parsed);
                continue;
            }
            let field = text.strip_prefix("pub ").and_then(|text| text.split_once(": "));
            let item = match field {
                _ if text.starts_with('#') || text.starts_with(')') => None,
                Some((name, content)) => Some((name.to_owned(), content.trim_end_matches(','))),
                None if parsed.is_enum && text.starts_with(char::is_uppercase) => {
                    let (name, content) = text
                        .trim_end_matches(',')
                        .split_once('(')
                        .unwrap_or((text.trim_end_matches(','), ""));
                    Some((kebab_case(name), content.trim_end_matches(')')))
                }
                None => None,
            };
            if let Some((name, content)) = item {
                let name = rename.take().unwrap_or(name);
                let doc = std::mem::take(&mut doc);
                let content = content.to_owned();
                parsed.items.push(Item { name, content, doc });
            }
            open = Some((name, parsed));
        } else if let Some(rest) =
            text.strip_prefix("pub struct ").or_else(|| text.strip_prefix("pub enum "))
            && let Some(name) = rest.strip_suffix(" {")
        {
            let is_enum = text.starts_with("pub enum");
            let doc = std::mem::take(&mut doc);
            open = Some((name.to_owned(), Type { is_enum, doc, items: Vec::new() }));
        } else if !text.starts_with('#') {
            doc.clear();
        }
    }
    types
}

fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(c.to_lowercase());
    }
    kebab
}

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

/// The default spec, with the keys that its serialisation omits.
fn defaults() -> toml::Table {
    let mut document = Document::default();
    document.data.phantom = Some(Phantom::default());
    let table = |value: toml::Value| value.as_table().cloned().unwrap();
    let mut defaults = table(toml::Value::try_from(&document).unwrap());
    let data = defaults["data"].as_table_mut().unwrap();
    data.insert("equal_scans".into(), toml::Value::try_from(EqualScans::default()).unwrap());
    let model = defaults["model"].as_table_mut().unwrap();
    model.insert("pool".into(), toml::Value::try_from(document.model.pool).unwrap());
    defaults.insert("outcome".into(), toml::Value::try_from(Outcome::default()).unwrap());
    defaults.insert("slurm".into(), toml::Value::try_from(Slurm::default()).unwrap());
    defaults.insert("sweep".into(), toml::Value::try_from(SweepTable::default()).unwrap());
    defaults
}

fn reference() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lungs-spec/src/spec");
    let mut sources: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.sort();
    let sources: String =
        sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    // Some keys have the types of the images.
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lungs-image/src");
    let read = |path: &str| std::fs::read_to_string(image.join(path)).unwrap();
    let weights = super::text("crates/lungs-base/src/network.rs");
    let mut types = [
        types(&read("dicom/mod.rs")),
        types(&read("volume/spline.rs")),
        types(&weights),
        types(&sources),
    ];
    let types: BTreeMap<String, Type> = types.iter_mut().flat_map(std::mem::take).collect();
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
