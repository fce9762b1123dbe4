//! The last stop of every error: one readable report and an exit code.

use crate::pipeline::PipelineError;
use crate::spec::SpecError;
use crate::sweep::SweepError;
use miette::{MietteHandlerOpts, Report};
use std::io::IsTerminal;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
pub(super) enum Failure {
    /// The request was wrong: exit code 2.
    Request(Report),
    /// The work failed: exit code 1.
    Work(Report),
    /// A signal stopped it, and it can be continued; the exit code says which.
    Stopped(u8),
}

impl Failure {
    /// A wrong request, in words.
    pub fn request(error: impl std::fmt::Display) -> Self {
        Self::Request(Report::msg(error.to_string()))
    }

    /// Failed work, in words.
    pub fn work(error: impl std::fmt::Display) -> Self {
        Self::Work(Report::msg(error.to_string()))
    }

    /// Prints the report and gives the exit code.
    pub fn report(self) -> ExitCode {
        let (report, code) = match self {
            Self::Request(report) => (report, 2),
            Self::Work(report) => (report, 1),
            Self::Stopped(code) => return ExitCode::from(code),
        };
        eprintln!("Error: {report:?}");
        ExitCode::from(code)
    }
}

/// Sets how reports look; a report takes the look that is set when it is made.
pub(super) fn set_look() {
    let colour = std::io::stderr().is_terminal();
    // Fails only when a look is set already, and then that one serves.
    let _ = miette::set_hook(Box::new(move |_| {
        let options = MietteHandlerOpts::new().width(100).unicode(true).color(colour);
        Box::new(options.terminal_links(false).build())
    }));
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Request(match error {
            // One problem speaks for itself.
            SpecError::Keys { mut problems } if problems.len() == 1 => {
                Report::new(problems.remove(0))
            }
            error => Report::new(error),
        })
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Spec(error) => error.into(),
            error => Self::Request(Report::new(error)),
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Spec(error) => (*error).into(),
            error if error.is_request() => Self::request(error),
            error => Self::work(error),
        }
    }
}

impl From<crate::fetch::FetchError> for Failure {
    fn from(error: crate::fetch::FetchError) -> Self {
        if error.is_request() { Self::request(error) } else { Self::work(error) }
    }
}

impl From<crate::results::ResultsError> for Failure {
    fn from(error: crate::results::ResultsError) -> Self {
        PipelineError::from(error).into()
    }
}
