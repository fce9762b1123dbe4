//! Seeds and findings of fuzzing: no parser may panic on them.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;
use targets::{TARGETS, Target};

#[test]
fn no_parser_panics_on_a_kept_input() {
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
            // Truncated inputs are tested, too.
            for length in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                target.run(&bytes[..length]);
            }
        }
    }
}
