//! libFuzzer in front of the parsers; `just fuzz dicom 600` builds and runs it.

#![no_main]

mod targets;

use std::sync::OnceLock;
use targets::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        Target::named(&name).unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}"))
    });
    target.run(input);
});
