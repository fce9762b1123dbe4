//! Inputs that were found by fuzzing, or that lead it: none of them may bring a parser down.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;
use targets::{TARGETS, Target};

#[test]
fn every_kept_input_gets_an_answer() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, _) in TARGETS {
        let target = Target::named(name).unwrap();
        let mut inputs: Vec<_> =
            fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no seeds");
        for input in inputs {
            println!("{}", input.display());
            let bytes = fs::read(&input).unwrap();
            target.run(&bytes);
            // What is cut short is an input of its own.
            for length in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                target.run(&bytes[..length]);
            }
        }
    }
}
