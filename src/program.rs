//! Version and commit of this binary: the one place that is baked in when it is built.

use lungs_spec::results::Program;

/// This program.
pub(crate) const PROGRAM: Program =
    Program { version: env!("CARGO_PKG_VERSION"), commit: env!("LUNGS_COMMIT") };

/// Version and commit, for `--version` and the records of results.
pub(crate) const fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("LUNGS_COMMIT"), ")")
}
