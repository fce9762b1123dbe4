//! The documents name existing tests and specs, generated references are current, shell scripts parse, and files do not
//! import each other in circles.

mod cli_reference;
mod json_schema;
mod spec_agreement;
mod spec_reference;
mod spec_schema;
mod spec_types;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use walkdir::WalkDir;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Compares a document with its generated text. With `LUNGS_UPDATE_DOCS=1`, writes the text instead.
fn assert_is_current(path: &str, generated: &str) {
    if std::env::var_os("LUNGS_UPDATE_DOCS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), generated).unwrap();
        return;
    }
    let stored = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let stored = stored.unwrap_or_default();
    let differs = stored.lines().zip(generated.lines()).position(|(old, new)| old != new);
    assert!(
        stored == generated,
        "{path} is stale from line {} on; regenerate it with\n  LUNGS_UPDATE_DOCS=1 cargo test --test docs",
        differs.map_or(stored.lines().count().min(generated.lines().count()), |index| index) + 1
    );
}

/// Names of all functions of the workspace.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        ["src", "tests", "crates"].into_iter().flat_map(|folder| WalkDir::new(root.join(folder)));
    let mut names = BTreeSet::new();
    for file in
        files.map(Result::unwrap).filter(|file| file.path().extension() == Some("rs".as_ref()))
    {
        let text = fs::read_to_string(file.path()).unwrap();
        let definitions = text.split("fn ").skip(1);
        names.extend(definitions.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
    }
    names
}

#[test]
fn every_row_of_the_data_page_names_a_test_that_exists() {
    let functions = functions();
    let page = text("docs/data.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let mut count = 0;
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in last.split('`').skip(1).step_by(2).filter(|name| name.contains('_')) {
            assert!(functions.contains(name), "no test is called {name}");
            count += 1;
        }
        let header = last.starts_with("test") || last.starts_with("what");
        let has_test =
            last.contains('`') || last.contains("hard cases") || last.contains("the same");
        assert!(header || has_test, "no test behind: {row}");
    }
    assert!(count > 60, "{count}");
}

/// The packages of `Cargo.lock` by name, each with the names of its dependencies, those of tests included.
fn packages() -> BTreeMap<String, Vec<String>> {
    let lock: toml::Table = text("Cargo.lock").parse().unwrap();
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    for package in lock["package"].as_array().unwrap() {
        let dependencies = package.get("dependencies").and_then(|all| all.as_array());
        let names = dependencies.into_iter().flatten().map(|name| {
            // A name with its version, where there are several.
            name.as_str().unwrap().split(' ').next().unwrap().to_owned()
        });
        packages.entry(package["name"].as_str().unwrap().to_owned()).or_default().extend(names);
    }
    packages
}

#[test]
fn specs_studies_and_pages_are_built_without_burn() {
    let packages = packages();
    let reaches_burn = |name: &str| {
        let (mut open, mut known) = (vec![name.to_owned()], BTreeSet::new());
        while let Some(name) = open.pop() {
            if name == "burn" {
                return true;
            }
            open.extend(
                packages[&name].iter().filter(|name| known.insert((*name).clone())).cloned(),
            );
        }
        false
    };
    for name in
        ["base", "stats", "image", "archive", "phantom", "spec", "study", "report", "testing"]
    {
        assert!(!reaches_burn(&format!("lungs-{name}")), "lungs-{name} needs Burn");
    }
    for name in ["lungs-net", "lungs-train", "lungs"] {
        assert!(reaches_burn(name), "{name}");
    }
}

#[test]
fn the_shell_scripts_can_be_read_by_a_shell() {
    for script in [
        "tools/offline-llvm.sh",
        "tools/test-all.sh",
        "fuzz/run.sh",
        "fuzz/instrument.sh",
        ".ci/run",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let output = std::process::Command::new("bash").arg("-n").arg(&path).output();
        let output = output.expect("bash is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_shipped_spec_can_be_read_and_is_named_in_the_readme() {
    let readme = text("README.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("toml".as_ref()) {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let overrides = lungs_spec::spec::Overrides { environment: Vec::new(), set: Vec::new() };
        match lungs_spec::spec::load(&path, &overrides) {
            Ok(spec) => assert_eq!(spec.experiment.name, name),
            Err(lungs_spec::spec::SpecError::IsSweep { .. }) => {
                let source = lungs_spec::spec::load_sweep(&path, &overrides).unwrap();
                let runs = lungs::sweep::expand(&source).unwrap();
                assert!(runs.len() > 1 && runs[0].spec.experiment.name == name);
            }
            Err(error) => panic!("{}: {error}", path.display()),
        }
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// Rust files of a crate by module path, without tests.
fn modules(source: &Path) -> BTreeMap<Vec<String>, String> {
    let files = WalkDir::new(source).into_iter().map(Result::unwrap);
    let files = files.filter(|file| file.path().extension() == Some("rs".as_ref()));
    let mut modules = BTreeMap::new();
    for file in files {
        let path = file.path().strip_prefix(source).unwrap().with_extension("");
        let mut names: Vec<String> =
            path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        let last = names.last().unwrap().clone();
        if last == "main" || last == "testing" || last.ends_with("tests") {
            continue;
        }
        if last == "mod" || last == "lib" {
            names.pop();
        }
        let text = fs::read_to_string(file.path()).unwrap();
        modules.insert(names, text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned());
    }
    modules
}

/// The paths of `use` declarations, each as its names.
fn imports(text: &str) -> Vec<(Vec<String>, bool)> {
    let mut paths = Vec::new();
    let mut declaration = String::new();
    for line in text.lines() {
        let line = line.trim();
        let starts = |visibility: &str| visibility.is_empty() || visibility.starts_with("pub");
        let is_use = line.split_once("use ").is_some_and(|(visibility, _)| starts(visibility));
        if declaration.is_empty() && !is_use {
            continue;
        }
        declaration += line;
        if !declaration.ends_with(';') {
            continue;
        }
        let complete = std::mem::take(&mut declaration);
        let (visibility, path) = complete.trim_end_matches(';').split_once("use ").unwrap();
        let (start, names) = match path.split_once('{') {
            Some((start, names)) => (start, names.trim_end_matches('}')),
            None => ("", path),
        };
        for name in names.split(',').filter(|name| !name.trim().is_empty()) {
            let path = format!("{start}{}", name.trim().split(" as ").next().unwrap());
            let names = path.split("::").map(|name| name.trim().to_owned()).collect();
            paths.push((names, visibility.starts_with("pub")));
        }
    }
    paths
}

/// The module that a path from the module `from` leads to: the longest prefix that is one, through the
/// re-exports of others.
fn target(
    from: &[String],
    path: &[String],
    modules: &BTreeMap<Vec<String>, String>,
    reexports: &BTreeMap<Vec<String>, Vec<String>>,
) -> Option<Vec<String>> {
    let mut names = from.to_vec();
    match path[0].as_str() {
        "crate" => names.clear(),
        "super" | "self" => {}
        child if modules.contains_key(&[from, &[child.to_owned()]].concat()) => {}
        _ => return None,
    }
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(names.pop()),
            name => names.push(name.to_owned()),
        }
    }
    for _ in 0..4 {
        names = reexports.get(&names).cloned().unwrap_or(names);
    }
    while !modules.contains_key(&names) {
        names.pop()?;
    }
    Some(names)
}

/// A file may use what the file of its parent module defines, also where the parent imports it.
#[test]
fn files_of_a_crate_do_not_import_each_other_in_circles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for source in crates.chain([root.to_owned()]).map(|path| path.join("src")) {
        let modules = modules(&source);
        let mut reexports = BTreeMap::new();
        for (module, text) in &modules {
            for (path, is_public) in imports(text).into_iter().filter(|(_, public)| *public) {
                let child = [&module[..], &path[..1]].concat();
                if is_public && modules.contains_key(&child) {
                    let name = [&module[..], &path[path.len() - 1..]].concat();
                    reexports.insert(name, [&module[..], &path[..]].concat());
                }
            }
        }
        let mut unresolved: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
        for (module, text) in &modules {
            let private = imports(text).into_iter().filter(|(_, is_public)| !is_public);
            let targets =
                private.filter_map(|(path, _)| target(module, &path, &modules, &reexports));
            unresolved
                .insert(module, targets.filter(|target| !module.starts_with(target)).collect());
        }
        // Files without unresolved imports are removed until none is left, or a circle.
        while let Some(free) =
            unresolved.iter().find(|(_, to)| to.is_empty()).map(|(name, _)| *name)
        {
            unresolved.remove(free);
            for targets in unresolved.values_mut() {
                targets.remove(free);
            }
        }
        assert!(unresolved.is_empty(), "{}: {unresolved:#?}", source.display());
    }
}
