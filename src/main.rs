//! The `lungs` command; see [`lungs::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lungs::cli::main()
}
