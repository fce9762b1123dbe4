//! Merges files, environment and command line to one [`Document`], and records the source of each key.

use super::check::Problem;
use super::error::{KeyProblem, SpecError};
use super::messages::{describe, locate, origin_text, syntax};
use super::renamed::{RenamedKey, current_name, former_name, rename, set_twice};
use super::{Document, Spec};
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use lungs_base::text;
use miette::NamedSource;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers above the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Environment variables as name and value. Only `LUNGS_SECTION__KEY` has an effect.
    pub environment: Vec<(String, String)>,
    /// `--set` arguments, `section.key=value`.
    pub set: Vec<String>,
}

impl Overrides {
    /// The environment of this process, and `--set` arguments.
    pub fn from_process(set: &[String]) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { environment, set: set.to_vec() }
    }
}

/// Reads the spec at `path`, the specs that it extends, and the layers above it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Spec, SpecError> {
    let mut layers = Layers::default();
    layers.add_file(path, &mut Vec::new())?;
    layers.finish(overrides)
}

/// Reads the resolved spec of a run folder, with `--set` arguments but without the environment. The stored spec
/// of an older version can have former names of keys, which [`Spec::renamed_keys`] does not report.
pub fn load_resolved(path: &Path, set: &[String]) -> Result<Spec, SpecError> {
    let mut layers = Layers::default();
    layers.add_file(path, &mut Vec::new())?;
    layers.renamed.clear();
    layers.finish(&Overrides { environment: Vec::new(), set: set.to_vec() })
}

/// The default spec for a folder of images, with `--set` arguments.
pub fn load_data(root: &Path, set: &[String]) -> Result<Spec, SpecError> {
    let root = toml::Value::String(root.display().to_string());
    let mut layers = Layers::default();
    layers.add_override("the command line".into(), "data.root", &root.to_string())?;
    layers.add_override("the command line".into(), "data.labels", "\"\"")?;
    // Without training, any depth of the crop is valid: `model.slices` must not exceed it.
    layers.add_override("the command line".into(), "model.slices", "8")?;
    layers.finish(&Overrides { environment: Vec::new(), set: set.to_vec() })
}

/// Reads the spec at `path` for commands without a cohort: of `[data]`, only `[data.select]` is used.
pub fn load_preparation(path: &Path, set: &[String]) -> Result<Spec, SpecError> {
    let mut layers = Layers::default();
    layers.add_file(path, &mut Vec::new())?;
    let overrides = Overrides { environment: Vec::new(), set: set.to_vec() };
    layers.finish_by(&overrides, |document| document.without_cohort().check())
}

/// The spec of a table of keys from `origin`, with `--set` arguments.
pub(super) fn with_layer(
    origin: &str,
    table: &toml::Table,
    set: &[String],
) -> Result<Spec, SpecError> {
    let mut layers = Layers::default();
    layers.add_layer(Source::Custom(origin.to_owned()), to_dict(table))?;
    layers.finish(&Overrides { environment: Vec::new(), set: set.to_vec() })
}

/// Layers in ascending priority, and the texts of their files.
#[derive(Clone, Default)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    texts: BTreeMap<PathBuf, String>,
    /// Former names of keys in the layers.
    pub(super) renamed: Vec<RenamedKey>,
    /// `[sweep]` of the requested file. The tables of extended files are not inherited.
    pub(super) sweep: Option<toml::Value>,
}

/// One layer: a tree of keys and its source.
#[derive(Clone)]
struct Layer {
    origin: Source,
    keys: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from("spec", self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.keys.clone()))
    }
}

impl Layers {
    /// Adds a file above the file that it extends; `chain` has the files that extend this one.
    pub(super) fn add_file(
        &mut self,
        path: &Path,
        chain: &mut Vec<PathBuf>,
    ) -> Result<(), SpecError> {
        let unreadable = |source| SpecError::Unreadable { path: path.to_owned(), source };
        let identity = fs::canonicalize(path).map_err(unreadable)?;
        let is_cycle =
            chain.iter().any(|p| fs::canonicalize(p).is_ok_and(|known| known == identity));
        chain.push(path.to_owned());
        if is_cycle {
            return Err(SpecError::Cycle { chain: chain.clone() });
        }
        let text = text::read(path).map_err(SpecError::Text)?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| syntax(path, &text, &e))?;
        self.texts.insert(path.to_owned(), text);
        let sweep = table.remove("sweep");
        if chain.len() == 1 {
            self.sweep = sweep;
        }
        if let Some(extends) = table.remove("extends") {
            let Some(base) = extends.as_str() else {
                return Err(self.keys_error(
                    "extends",
                    &Source::File(path.to_owned()),
                    format!("found {extends}, expected the path of another spec"),
                    None,
                ));
            };
            let base = path.parent().unwrap_or(Path::new(".")).join(base);
            if !base.exists() {
                return Err(self.keys_error(
                    "extends",
                    &Source::File(path.to_owned()),
                    format!("{} does not exist", base.display()),
                    Some(format!("give a path relative to {}", path.display())),
                ));
            }
            self.add_file(&base, chain)?;
        }
        chain.pop();
        self.add_layer(Source::File(path.to_owned()), to_dict(&table))
    }

    fn add_override(&mut self, origin: String, key: &str, value: &str) -> Result<(), SpecError> {
        self.add_value(origin, key, &toml_value(value))
    }

    /// Adds a layer of one dotted key.
    pub(super) fn add_value(
        &mut self,
        origin: String,
        key: &str,
        value: &toml::Value,
    ) -> Result<(), SpecError> {
        let mut keys = Value::serialize(value).unwrap_or_else(|_| Value::from(value.to_string()));
        for part in key.rsplit('.') {
            keys = Value::from(Dict::from([(part.to_owned(), keys)]));
        }
        self.add_layer(Source::Custom(origin), keys.into_dict().unwrap_or_default())
    }

    /// Adds a layer, with current names in place of former names of keys.
    pub(super) fn add_layer(&mut self, origin: Source, mut keys: Dict) -> Result<(), SpecError> {
        let renamed = rename(&mut keys)
            .map_err(|[former, current]| self.both_names(former, current, &origin))?;
        for (former, current) in renamed {
            self.add_renamed(former, current, &origin);
        }
        self.layers.push(Layer { origin, keys });
        Ok(())
    }

    fn add_renamed(&mut self, former: &str, current: &'static str, origin: &Source) {
        let (former, origin) = (former.to_owned(), origin_text(Some(origin)));
        self.renamed.push(RenamedKey { former, current, origin });
    }

    /// Replaces the former names among the keys that a table sets together.
    pub(super) fn rename_group<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k mut String>,
        table: &str,
        origin: &Source,
    ) -> Result<(), SpecError> {
        let keys: Vec<&mut String> = keys.collect();
        let names: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        if let Some((former, current)) = set_twice(&names) {
            return Err(self.both_names(&format!("{table}.{former}"), current, origin));
        }
        for key in keys {
            if let Some(current) = current_name(key) {
                self.add_renamed(key, current, origin);
                *key = current.to_owned();
            }
        }
        Ok(())
    }

    /// A key that is set under its former and its current name in one source.
    pub(super) fn both_names(&self, former: &str, current: &str, origin: &Source) -> SpecError {
        let message = format!("set together with `{current}`, the current name of the same key");
        let help = Some(format!("remove `{former}`"));
        self.keys_error(former, origin, message, help)
    }

    /// A copy with the texts of the files, without layers.
    pub(super) fn without_layers(&self) -> Self {
        Self { texts: self.texts.clone(), ..Self::default() }
    }

    /// The text of a file among the layers.
    pub(super) fn text(&self, path: &Path) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    fn finish(self, overrides: &Overrides) -> Result<Spec, SpecError> {
        self.finish_by(overrides, Document::check)
    }

    fn finish_by(
        mut self,
        overrides: &Overrides,
        check: fn(Document) -> Result<Spec, Vec<Problem>>,
    ) -> Result<Spec, SpecError> {
        if self.sweep.is_some() {
            let path = self.layers.last().and_then(|layer| layer.origin.file_path());
            return Err(SpecError::IsSweep { path: path.map(Path::to_owned).unwrap_or_default() });
        }
        self.add_overrides(overrides)?;
        self.finish_with(check)
    }

    /// Adds the layers of `overrides` on top.
    fn add_overrides(&mut self, overrides: &Overrides) -> Result<(), SpecError> {
        let mut environment = Vec::new();
        for (name, value) in &overrides.environment {
            if let Some(key) = name.strip_prefix("LUNGS_").filter(|key| key.contains("__")) {
                let key = key.to_lowercase().replace("__", ".");
                environment.push((format!("environment variable {name}"), key, value.as_str()));
            }
        }
        self.add_group(&environment)?;
        let mut arguments = Vec::new();
        for set in &overrides.set {
            let (key, value) = set
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
                .ok_or_else(|| SpecError::BadOverride { argument: set.clone() })?;
            arguments.push((format!("--set {set}"), key.trim().to_owned(), value.trim()));
        }
        self.add_group(&arguments)
    }

    /// Adds one layer per override (origin, key, value). No key may be set under both its names.
    fn add_group(&mut self, group: &[(String, String, &str)]) -> Result<(), SpecError> {
        let keys: Vec<&str> = group.iter().map(|(_, key, _)| key.as_str()).collect();
        if let Some((former, current)) = set_twice(&keys) {
            let origin = group.iter().find(|(_, key, _)| key == former);
            let origin = origin.map(|(origin, ..)| origin.clone()).unwrap_or_default();
            return Err(self.both_names(former, current, &Source::Custom(origin)));
        }
        for (origin, key, value) in group {
            self.add_override(origin.clone(), key, value)?;
        }
        Ok(())
    }

    /// Merges `defaults`, all layers, and `overrides` on top.
    pub(super) fn merged(
        &mut self,
        defaults: impl Provider,
        overrides: &Overrides,
    ) -> Result<Figment, SpecError> {
        self.add_overrides(overrides)?;
        Ok(self.over(defaults))
    }

    fn over(&self, defaults: impl Provider) -> Figment {
        self.layers.iter().fold(Figment::from(defaults), |figment, layer| figment.merge(layer))
    }

    /// Merges the layers and checks the result.
    pub(super) fn finish_with(
        self,
        check: fn(Document) -> Result<Spec, Vec<Problem>>,
    ) -> Result<Spec, SpecError> {
        let figment = self.over(Serialized::defaults(Document::default()));
        let document: Document = figment.extract().map_err(|e| self.explain(&e))?;
        let checked = check(document).map_err(|problems| {
            let problems = problems
                .into_iter()
                .map(|p| {
                    let origin = figment.find_metadata(&p.key).and_then(|m| m.source.clone());
                    self.problem(&p.key, origin.as_ref(), p.message, p.help)
                })
                .collect();
            SpecError::Keys { problems }
        });
        checked.map(|spec| Spec { renamed: self.renamed, ..spec })
    }

    /// Converts a deserialisation error to a problem of a key.
    pub(super) fn explain(&self, error: &figment::Error) -> SpecError {
        let (key, message, help) = describe(error);
        let origin = error.metadata.as_ref().and_then(|m| m.source.clone());
        let origin = origin.or_else(|| self.last_layer_with(&key));
        SpecError::Keys { problems: vec![self.problem(&key, origin.as_ref(), message, help)] }
    }

    /// The source of the highest layer that has `key`.
    fn last_layer_with(&self, key: &str) -> Option<Source> {
        let has = |layer: &&Layer| {
            let mut parts = key.split('.');
            let mut value = parts.next().and_then(|part| layer.keys.get(part));
            for part in parts {
                value = value.and_then(|value| value.as_dict()).and_then(|dict| dict.get(part));
            }
            value.is_some()
        };
        self.layers.iter().rev().find(has).map(|layer| layer.origin.clone())
    }

    pub(super) fn keys_error(
        &self,
        key: &str,
        origin: &Source,
        message: String,
        help: Option<String>,
    ) -> SpecError {
        SpecError::Keys { problems: vec![self.problem(key, Some(origin), message, help)] }
    }

    fn problem(
        &self,
        key: &str,
        origin: Option<&Source>,
        message: String,
        help: Option<String>,
    ) -> KeyProblem {
        let (text, span) = match origin {
            Some(Source::File(path)) => {
                let text = self.texts.get(path);
                let former = || former_name(key);
                let position =
                    |text| locate(text, key).or_else(|| former().and_then(|key| locate(text, key)));
                let span = text.and_then(|text| position(text));
                let name = path.display().to_string();
                let source =
                    text.map(|text| NamedSource::new(&name, text.clone()).with_language("TOML"));
                (source.filter(|_| span.is_some()), span)
            }
            _ => (None, None),
        };
        KeyProblem { key: key.to_owned(), message, origin: origin_text(origin), text, span, help }
    }
}

fn to_dict(table: &toml::Table) -> Dict {
    Value::serialize(table).ok().and_then(Value::into_dict).unwrap_or_default()
}

/// Parses a value as TOML. Text that is not TOML is a string, so that `--set` needs no quotes.
fn toml_value(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        // No key is a date or a time of day: they are strings.
        .filter(|value| !value.is_datetime())
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}
