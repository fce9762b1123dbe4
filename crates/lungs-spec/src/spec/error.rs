//! Errors of specs, with the file, the key, the value, the expected values and a remedy.

use lungs_base::text::TextError;
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// A spec that cannot be used.
#[derive(Debug, Error, Diagnostic)]
pub enum SpecError {
    /// The file is missing or unreadable.
    #[error("cannot read the spec {path}")]
    #[diagnostic(help("give the path of a .toml file; `experiments/demo.toml` is an example"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },

    /// The file is not text.
    #[error(transparent)]
    #[diagnostic(help("a spec is a TOML file; `experiments/demo.toml` is an example"))]
    Text(TextError),

    /// The file is not TOML.
    #[error("{path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Message of the parser.
        message: String,
        /// The text of the file.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Position of the error.
        #[label("invalid TOML")]
        span: Option<SourceSpan>,
    },

    /// A spec extends itself, directly or through others.
    #[error("the spec extends itself: {}", chain.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" → "))]
    #[diagnostic(help("remove one of the `extends` keys in this chain"))]
    Cycle {
        /// The files of the `extends` chain, in order.
        chain: Vec<PathBuf>,
    },

    /// A `--set` that is not `key=value`.
    #[error("`--set {argument}` is not of the form key=value")]
    #[diagnostic(help("for example: --set train.epochs=10"))]
    BadOverride {
        /// Text of the argument.
        argument: String,
    },

    /// A spec of several runs, where one run is expected.
    #[error("{path} has a [sweep] table and describes several runs, expected one")]
    #[diagnostic(help(
        "run all of them with `lungs sweep {}`, or one of them with --only 1; --dry-run lists them. A spec \
         that extends this one has no [sweep] table",
        path.display()
    ))]
    IsSweep {
        /// The file.
        path: PathBuf,
    },

    /// A spec of one run, where a sweep is expected.
    #[error("{path} has no [sweep] table and describes one run, expected a sweep")]
    #[diagnostic(help(
        "run it with `lungs run {}`, or add the keys to vary, for example\n[sweep]\nseeds = [1, 2, 3]\n\
         [sweep.grid]\n\"loss.name\" = [\"cross-entropy\", \"focal\"]",
        path.display()
    ))]
    NoSweep {
        /// The file.
        path: PathBuf,
    },

    /// Unknown keys, or keys with a wrong type or an invalid value.
    #[error("{}", count(problems.len()))]
    Keys {
        /// All problems.
        #[related]
        problems: Vec<KeyProblem>,
    },
}

fn count(problems: usize) -> String {
    match problems {
        1 => "the spec has a problem".into(),
        n => format!("the spec has {n} problems"),
    }
}

/// ` (in spec.toml)`; nothing for an empty text.
fn in_brackets(origin: &str) -> String {
    if origin.is_empty() { String::new() } else { format!(" ({origin})") }
}

/// A problem of one key.
#[derive(Debug, Error, Diagnostic)]
#[error("{key}: {message}{}", in_brackets(.origin))]
pub struct KeyProblem {
    /// Dotted key, as `train.epochs`.
    pub key: String,
    /// The value and the expected values.
    pub message: String,
    /// Source of the value: a file, an environment variable, `--set`, or the default.
    pub origin: String,
    /// Text of the file, if the key is set in a file.
    #[source_code]
    pub text: Option<NamedSource<String>>,
    /// Position of the key in the text.
    #[label("this key")]
    pub span: Option<SourceSpan>,
    /// What to do next.
    #[help]
    pub help: Option<String>,
}
