//! The documents name existing tests and specs, generated references are current, and shell scripts parse.

mod cli_reference;
mod spec_reference;

use std::collections::BTreeSet;
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
            last.contains('`') || last.contains("hard chests") || last.contains("the same");
        assert!(header || has_test, "no test behind: {row}");
    }
    assert!(count > 60, "{count}");
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
        match std::process::Command::new("bash").arg("-n").arg(&path).output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => println!("skipped: no bash"),
        }
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
