//! What can be wrong with a spec, told with the file, the key, what was found and what to do.

use crate::text::TextError;
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// A spec that cannot be used.
#[derive(Debug, Error, Diagnostic)]
pub enum SpecError {
    /// The file is not there or not readable.
    #[error("cannot read the spec {path}")]
    #[diagnostic(help(
        "give the path of a .toml file; `experiments/demo.toml` is one to start from"
    ))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// The file is not text.
    #[error(transparent)]
    #[diagnostic(help("a spec is a TOML file; `experiments/demo.toml` is one to start from"))]
    Text(TextError),

    /// The file is not TOML.
    #[error("{path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser expected.
        message: String,
        /// The text of the file.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where it went wrong.
        #[label("here")]
        span: Option<SourceSpan>,
    },

    /// A spec extends itself, directly or through others.
    #[error("the spec extends itself: {}", chain.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" → "))]
    #[diagnostic(help("remove one of the `extends` keys in this chain"))]
    Cycle {
        /// The files in the order in which they name each other.
        chain: Vec<PathBuf>,
    },

    /// A `--set` that is not `key=value`.
    #[error("`--set {found}` is not of the form key=value")]
    #[diagnostic(help("for example: --set train.epochs=10"))]
    BadOverride {
        /// What was given.
        found: String,
    },

    /// A spec of several runs where one is meant.
    #[error("{path} has a [sweep] table: it stands for several runs")]
    #[diagnostic(help(
        "run them: lungs sweep {}; see them first with --dry-run. One of them alone: --only 1, or a \
         spec that extends this one, without the sweep",
        path.display()
    ))]
    IsSweep {
        /// The file.
        path: PathBuf,
    },

    /// A spec of one run where several are meant.
    #[error("{path} has no [sweep] table: it stands for one run")]
    #[diagnostic(help(
        "run it: lungs run {}; or say what to vary, for example\n[sweep]\nseeds = [1, 2, 3]\n\
         [sweep.grid]\n\"loss.name\" = [\"cross-entropy\", \"focal\"]",
        path.display()
    ))]
    NoSweep {
        /// The file.
        path: PathBuf,
    },

    /// Keys that are unknown, of the wrong type, or impossible.
    #[error("{}", count(problems.len()))]
    Keys {
        /// Each of them.
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

/// One key that is wrong.
#[derive(Debug, Error, Diagnostic)]
#[error("{key}: {message} ({origin})")]
pub struct KeyProblem {
    /// Dotted key, as `train.epochs`.
    pub key: String,
    /// What was found and what is allowed.
    pub message: String,
    /// The layer that set the key: a file, an environment variable, `--set`, or the default.
    pub origin: String,
    /// The text of the file, when the key comes from one.
    #[source_code]
    pub text: Option<NamedSource<String>>,
    /// The key in that text.
    #[label("this one")]
    pub span: Option<SourceSpan>,
    /// What to do next.
    #[help]
    pub help: Option<String>,
}
