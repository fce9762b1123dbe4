//! The JSON Schema of specs and the program agree: on the files of `tests/data/specs`, and on values of every key.

use super::json_schema::problem;
use super::spec_schema::{schema, to_json};
use lungs_spec::spec::{Allowed, LIMITS, Overrides, SpecError, load, load_sweep};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Invalid specs that the schema accepts, with the reason.
#[rustfmt::skip]
const BEYOND_THE_SCHEMA: [(&str, &str); 29] = [
    ("descending-edges", ORDER),
    ("descending-horizons", ORDER),
    ("devices-of-two-kinds", ORDER),
    ("extends-a-missing-file", "the schema sees one file"),
    ("fewest-slices-above-the-most", KEYS),
    ("fold-of-a-sweep-without-folds", KEYS),
    ("folds-and-a-test-split", KEYS),
    ("horizon-without-survival", KEYS),
    ("inverted-window", KEYS),
    ("labels-and-class-folders", KEYS),
    ("more-devices-than-batches", KEYS),
    ("more-slices-than-the-crop", KEYS),
    ("new-head-on-random-weights", KEYS),
    ("no-images", KEYS),
    ("no-labels", KEYS),
    ("one-class-folder", KEYS),
    ("one-list", KEYS),
    ("phantom-without-labels", KEYS),
    ("pool-of-another-network", KEYS),
    ("preferred-spacing-without-a-value", KEYS),
    ("selection-by-an-undefined-metric", KEYS),
    ("sixth-of-five-folds", KEYS),
    ("splits-of-more-than-all", KEYS),
    ("survival-without-follow-up", KEYS),
    ("sybil-of-another-size", KEYS),
    ("time-limit-below-the-warning", KEYS),
    ("unknown-key-in-a-grid", "the keys of a grid are not listed a second time"),
    ("unknown-layer", "the layers depend on model.name and model.pool"),
    ("whole-number-with-a-point", "10 and 10.0 are the same number in JSON"),
];
const KEYS: &str = "keys are combined, and the other may be in an extended file";
const ORDER: &str = "values of one list are compared";

/// Keys with values that are valid by themselves, but not with the other keys of a small spec.
const COMBINED: [&str; 22] = [
    "data.negatives",
    "data.positives",
    "data.root",
    "data.select.max_slices",
    "data.select.min_slice_spacing_mm",
    "data.select.prefer",
    "data.test_list",
    "data.train_list",
    "data.valid_list",
    "model.init_head",
    "model.pool",
    "outcome.horizons_years",
    "preprocess.compat",
    "preprocess.size",
    "preprocess.window.lower_hu",
    "split.fold",
    "split.test",
    "split.train",
    "split.valid",
    "train.freeze",
    "train.select",
    "train.select_horizon_years",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/specs").join(name)
}

/// The specs of a folder by name.
fn specs(name: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut specs: Vec<_> = entries
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    specs.sort();
    specs
}

/// The spec as JSON.
fn read(path: &Path) -> Value {
    let table: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    to_json(&table.into())
}

/// The program's error about a spec, or about the runs of a sweep.
fn error_of_program(path: &Path, set: &[String]) -> Option<String> {
    let overrides = Overrides { environment: Vec::new(), set: set.to_vec() };
    let error = match load(path, &overrides) {
        Ok(_) => return None,
        Err(SpecError::IsSweep { .. }) => match load_sweep(path, &overrides) {
            Ok(source) => return lungs::sweep::expand(&source).err().map(|e| e.to_string()),
            Err(error) => error,
        },
        Err(error) => error,
    };
    Some(match error {
        SpecError::Keys { problems } => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        error => error.to_string(),
    })
}

#[test]
fn schema_and_program_accept_the_valid_specs() {
    let schema = schema();
    let specs = specs("valid");
    for (name, path) in &specs {
        assert_eq!(error_of_program(path, &[]), None, "{name}");
        assert_eq!(problem(&schema, &read(path)), None, "{name}");
    }
    assert!(specs.len() >= 18, "{}", specs.len());
}

#[test]
fn schema_and_program_reject_the_invalid_specs() {
    let schema = schema();
    let (mut beyond, specs) = (BTreeSet::new(), specs("invalid"));
    for (name, path) in &specs {
        assert!(error_of_program(path, &[]).is_some(), "the program accepts {name}");
        if problem(&schema, &read(path)).is_none() {
            beyond.insert(name.as_str());
        }
    }
    let listed: BTreeSet<&str> = BEYOND_THE_SCHEMA.iter().map(|(name, _)| *name).collect();
    assert_eq!(beyond, listed);
    assert!(specs.len() >= 70, "{}", specs.len());
}

#[test]
fn the_shipped_specs_name_the_schema_and_are_valid_by_it() {
    let schema = schema();
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut count = 0;
    for entry in std::fs::read_dir(&experiments).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("toml".as_ref()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().next().unwrap().strip_prefix("#:schema ");
        let named = experiments.join(line.unwrap_or_else(|| panic!("{}", path.display())));
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/spec.schema.json");
        assert_eq!(named.canonicalize().unwrap(), docs.canonicalize().unwrap());
        assert_eq!(problem(&schema, &read(&path)), None, "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "{count}");
}

/// The keys below a schema, with their schemas.
fn keys(prefix: &str, schema: &Value, all: &mut Vec<(String, Value)>) {
    for (name, schema) in schema["properties"].as_object().unwrap() {
        let key = format!("{prefix}{name}");
        match schema["properties"].as_object() {
            Some(_) => keys(&format!("{key}."), schema, all),
            None => all.push((key, schema.clone())),
        }
    }
}

/// Values to try for a key: of every type, its choices, its default, and numbers at its limits and next to them.
fn values(key: &str, schema: &Value) -> Vec<toml::Value> {
    let texts =
        ["true", "-1", "0", "1", "2", "0.5", "1.5", "1e9", "\"cpu\"", "\"\"", "\" \"", "[]"];
    let lists = ["[1]", "[1, 2]", "[-1.5, 0]", "[\"cpu\"]", "[\"\"]", "[[]]", "{}", "{ a = 1 }"];
    let parse = |text: &str| {
        let mut table: toml::Table = format!("value = {text}").parse().unwrap();
        table.remove("value").unwrap()
    };
    let mut values: Vec<toml::Value> = texts.into_iter().chain(lists).map(parse).collect();
    for part in [Some(schema), schema.get("items"), schema["anyOf"].get(0)].into_iter().flatten() {
        for choice in part["enum"].as_array().into_iter().flatten() {
            values.extend([parse(&choice.to_string()), parse(&format!("[{choice}]"))]);
        }
    }
    values.extend(schema.get("default").map(|default| parse(&default.to_string())));
    let is_whole = schema.to_string().contains("\"integer\"");
    let limit = LIMITS.iter().find(|limit| limit.key == key);
    let bounds = limit.into_iter().flat_map(|limit| match limit.allowed {
        Allowed::Between(lower, upper) | Allowed::ZeroOr(lower, upper) => vec![lower, upper],
        Allowed::OneOf(numbers) => numbers.iter().copied().map(Bound::Included).collect(),
    });
    for bound in bounds {
        let (Bound::Included(number) | Bound::Excluded(number)) = bound else { continue };
        if number.is_finite() {
            let step = if is_whole { 1.0 } else { 1e-3 };
            for number in [number - step, number, number + step] {
                let number = if is_whole {
                    toml::Value::Integer(number as i64)
                } else {
                    toml::Value::Float(number)
                };
                let list = |count| toml::Value::Array(vec![number.clone(); count]);
                values.extend([list(1), list(2), list(3), number.clone()]);
            }
        }
    }
    values
}

/// A whole number with a point is the same as one without in JSON, and not in TOML.
fn is_equal_in_json_only(schema: &Value, value: &toml::Value) -> bool {
    let is_whole = schema.to_string().contains("\"integer\"");
    let has_point = |value: &toml::Value| value.as_float().is_some_and(|it| it.fract() == 0.0);
    let in_list = value.as_array().is_some_and(|items| items.iter().any(has_point));
    is_whole && (has_point(value) || in_list)
}

#[test]
fn schema_and_program_accept_the_same_values_of_every_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.toml");
    std::fs::write(&path, "data = { root = \"ct\", labels = \"labels.csv\" }\n").unwrap();
    let schema = schema();
    let mut all = Vec::new();
    keys("", &schema, &mut all);
    let all: Vec<_> =
        all.into_iter().filter(|(key, _)| key != "extends" && !key.starts_with("sweep.")).collect();
    let (mut combined, mut count) = (BTreeSet::new(), 0);
    for (key, schema) in &all {
        for value in values(key, schema) {
            if is_equal_in_json_only(schema, &value) {
                continue;
            }
            count += 1;
            let error = error_of_program(&path, &[format!("{key}={value}")]);
            match (problem(schema, &to_json(&value)), error) {
                (None, None) | (Some(_), Some(_)) => {}
                (None, Some(_)) => drop(combined.insert(key.as_str())),
                (Some(problem), None) => {
                    panic!("the program accepts {key} = {value}, but {problem}")
                }
            }
        }
    }
    assert_eq!(combined.into_iter().collect::<Vec<_>>(), COMBINED);
    assert!(all.len() > 130 && count > 3000, "{} keys, {count} values", all.len());
}

/// Checks each line of its standard input with the package `jsonschema`: a list of schema and value.
const REFERENCE: &str = "
import json, sys
import jsonschema
for line in sys.stdin:
    schema, value = json.loads(line)
    jsonschema.Draft7Validator.check_schema(schema)
    print(jsonschema.Draft7Validator(schema).is_valid(value))
";

#[test]
#[ignore = "needs jsonschema"]
fn the_package_jsonschema_agrees_about_the_specs() {
    let schema = schema();
    let values: Vec<Value> =
        ["valid", "invalid"].into_iter().flat_map(specs).map(|(_, path)| read(&path)).collect();
    let lines: String =
        values.iter().map(|value| serde_json::json!([schema, value]).to_string() + "\n").collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let output = Command::new("python3")
        .args(["-c", REFERENCE])
        .stdin(Stdio::from(std::fs::File::open(file.path()).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let reference: Vec<bool> = text.lines().map(|line| line == "True").collect();
    let own: Vec<bool> = values.iter().map(|value| problem(&schema, value).is_none()).collect();
    assert_eq!(reference, own);
    assert!(own.len() >= 88, "{}", own.len());
}
