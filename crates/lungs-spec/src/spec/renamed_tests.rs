//! Former names of keys in every layer, and the hash of specs that have them.

use super::tests::{Files, MINIMAL, problems};
use super::*;
use std::fs;

/// Both keys under their former names.
const FORMER: &str = "[train]\nrecompute = true\nweight_average = 0.9\n";

fn notes(spec: &Spec) -> Vec<String> {
    spec.renamed_keys().iter().map(ToString::to_string).collect()
}

#[test]
fn former_names_are_read_in_every_layer_and_reported() {
    let files = Files::new(&[
        ("spec.toml", MINIMAL),
        ("base.toml", &format!("{MINIMAL}{FORMER}")),
        ("child.toml", "extends = \"base.toml\"\ntrain.gradient_checkpointing = false\n"),
    ]);
    let spec = files.load("base.toml", &[], &[]).unwrap();
    assert!(spec.train.gradient_checkpointing);
    assert_eq!(spec.train.ema_decay, 0.9);
    let origin = format!("(in {})", files.path("base.toml").display());
    assert_eq!(
        notes(&spec),
        [
            format!("`train.recompute` is now `train.gradient_checkpointing` {origin}"),
            format!("`train.weight_average` is now `train.ema_decay` {origin}"),
        ]
    );
    // A higher layer overrides a lower one, whatever the name in each.
    let child = files.load("child.toml", &[], &[]).unwrap();
    assert!(!child.train.gradient_checkpointing && child.train.ema_decay == 0.9);
    let spec = files.load("child.toml", &[("LUNGS_TRAIN__RECOMPUTE", "true")], &[]).unwrap();
    assert!(spec.train.gradient_checkpointing);
    let spec = files.load("spec.toml", &[], &["train.weight_average=0.5"]).unwrap();
    assert_eq!(spec.train.ema_decay, 0.5);
    let note =
        "`train.weight_average` is now `train.ema_decay` (from --set train.weight_average=0.5)";
    assert_eq!(notes(&spec), [note]);
    assert!(notes(&files.load("spec.toml", &[], &["train.ema_decay=0.5"]).unwrap()).is_empty());
}

#[test]
fn one_source_with_both_names_is_an_error() {
    let both = format!("{MINIMAL}[train]\nrecompute = true\ngradient_checkpointing = true\n");
    let files = Files::new(&[("both.toml", &both), ("spec.toml", MINIMAL)]);
    let message =
        "train.recompute: set together with `train.gradient_checkpointing`, the current name";
    let Err(SpecError::Keys { problems: found }) = files.load("both.toml", &[], &[]) else {
        panic!("expected an error")
    };
    assert!(found[0].to_string().starts_with(message), "{}", found[0]);
    assert!(found[0].span.is_some());
    let set = ["train.gradient_checkpointing=true", "train.recompute=false"];
    assert!(problems(files.load("spec.toml", &[], &set))[0].starts_with(message));
    let environment =
        [("LUNGS_TRAIN__RECOMPUTE", "true"), ("LUNGS_TRAIN__GRADIENT_CHECKPOINTING", "true")];
    assert!(problems(files.load("spec.toml", &environment, &[]))[0].starts_with(message));
}

#[test]
fn an_invalid_value_under_a_former_name_has_its_position() {
    let text = format!("{MINIMAL}[train]\nweight_average = 2.0\n");
    let files = Files::new(&[("spec.toml", &text)]);
    let Err(SpecError::Keys { problems }) = files.load("spec.toml", &[], &[]) else { panic!() };
    assert_eq!(problems[0].key, "train.ema_decay");
    let span = problems[0].span.unwrap();
    assert_eq!(&text[span.offset()..span.offset() + span.len()], "weight_average");
}

#[test]
fn the_stored_spec_of_an_older_run_has_the_same_hash() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let spec = files
        .load("spec.toml", &[], &["train.ema_decay=0.9", "train.gradient_checkpointing=true"])
        .unwrap();
    // The hash of this spec in a version with the former names.
    assert_eq!(spec.hash(), "d12f46d9e8fe27dd4c73565a1585d7d9099553cd2f80395121a668a28f3767bf");
    let stored = spec
        .to_toml()
        .replace("ema_decay", "weight_average")
        .replace("gradient_checkpointing", "recompute");
    assert!(stored.contains("weight_average = 0.9") && stored.contains("recompute = true"));
    fs::write(files.path("stored.toml"), stored).unwrap();
    let again = load_resolved(&files.path("stored.toml"), &[]).unwrap();
    assert_eq!((again.hash(), &again), (spec.hash(), &spec));
    assert!(notes(&again).is_empty(), "the user did not write a stored spec");
    let set = ["train.recompute=false".to_owned()];
    let changed = load_resolved(&files.path("stored.toml"), &set).unwrap();
    assert!(!changed.train.gradient_checkpointing && changed.hash() == spec.hash());
    assert_eq!(notes(&changed).len(), 1);
}

#[test]
fn a_sweep_varies_keys_under_their_former_names() {
    let sweep = "[sweep.grid]\n\"train.weight_average\" = [0.0, 0.9]\n\
                 [[sweep.list]]\ntrain.recompute = true\n";
    let both = "[sweep.grid]\n\"train.weight_average\" = [0.0, 0.9]\n\"train.ema_decay\" = [0.5]\n";
    let files = Files::new(&[
        ("sweep.toml", &format!("{MINIMAL}{sweep}")),
        ("both.toml", &format!("{MINIMAL}{both}")),
    ]);
    let source = load_sweep(&files.path("sweep.toml"), &Overrides::default()).unwrap();
    assert_eq!(source.grid[0].0, "train.ema_decay");
    assert_eq!(source.list[0].1[0].key, "train.gradient_checkpointing");
    let spec = source.resolve(&source.list[0].1).unwrap();
    assert!(spec.train.gradient_checkpointing);
    assert_eq!(notes(&spec).len(), 2);
    let Err(error) = load_sweep(&files.path("both.toml"), &Overrides::default()) else { panic!() };
    let SpecError::Keys { problems } = error else { panic!("{error}") };
    assert!(problems[0].message.starts_with("set together with `train.ema_decay`"));
}
