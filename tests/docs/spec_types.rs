//! The types of the spec, read from their source: documented fields and variants, and the defaults of all keys.

use lungs_spec::spec::{Document, EqualScans, Outcome, Phantom, Slurm, SweepTable};
use std::collections::BTreeMap;
use std::path::Path;

/// A documented field of a struct, or a variant of an enum.
pub(super) struct Item {
    pub name: String,
    /// Type of a field; content of a variant, empty without content.
    pub content: String,
    pub doc: Vec<String>,
}

/// A struct or an enum.
pub(super) struct Type {
    pub is_enum: bool,
    /// Whether every field may be omitted.
    pub has_defaults: bool,
    pub doc: Vec<String>,
    pub items: Vec<Item>,
}

/// Parses the public structs and enums of formatted Rust source.
fn types(source: &str) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    let mut open: Option<(String, Type)> = None;
    let (mut doc, mut rename, mut has_defaults) = (Vec::new(), None, false);
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
            let items = Vec::new();
            open = Some((name.to_owned(), Type { is_enum, has_defaults, doc, items }));
        } else if !text.starts_with('#') {
            doc.clear();
            has_defaults = false;
        } else if text.starts_with("#[serde(") {
            has_defaults = text.trim_end_matches(")]").ends_with(" default");
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

/// All types of the spec by name.
pub(super) fn all_types() -> BTreeMap<String, Type> {
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
    types.iter_mut().flat_map(std::mem::take).collect()
}

/// The default spec, with the keys that its serialisation omits.
pub(super) fn defaults() -> toml::Table {
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
