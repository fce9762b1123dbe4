//! Errors of commands: a report on standard error and an exit code.

use super::no_data::ways_to_data;
use super::wrap;
use crate::pipeline::PipelineError;
use crate::sweep::SweepError;
use lungs_report::ReportError;
use lungs_spec::results::RunFailure;
use lungs_spec::spec::SpecError;
use lungs_study::cohort::CohortError;
use miette::{MietteHandlerOpts, Report};
use std::io::IsTerminal;
use std::process::ExitCode;
use textwrap::{WordSeparator, WordSplitter};

/// The reason why a command did not succeed.
pub(super) enum Failure {
    /// Invalid arguments, spec or input data: exit code 2.
    Request(Report),
    /// Failure during the work: exit code 1.
    Work(Report),
    /// Stopped by a signal, with the exit code. The same command resumes the work.
    Stopped(u8),
}

impl Failure {
    /// An invalid request with a message.
    pub(super) fn request(error: impl std::fmt::Display) -> Self {
        Self::Request(Report::msg(error.to_string()))
    }

    /// Failed work with a message.
    pub(super) fn work(error: impl std::fmt::Display) -> Self {
        Self::Work(Report::msg(error.to_string()))
    }

    /// The record of the failure for a run folder; `None` if a signal stopped the command.
    pub(super) fn record(&self) -> Option<RunFailure> {
        let (report, code) = match self {
            Self::Request(report) => (report, 2),
            Self::Work(report) => (report, 1),
            Self::Stopped(_) => return None,
        };
        let mut messages: Vec<String> = report.chain().map(ToString::to_string).collect();
        messages.dedup();
        let related = report.related().into_iter().flatten().map(ToString::to_string);
        let related = related.collect::<Vec<_>>();
        let message = if related.is_empty() { messages.join(": ") } else { related.join("; ") };
        Some(RunFailure::new(message, report.help().map(|help| help.to_string()), code))
    }

    /// Prints the report and returns the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (report, code) = match self {
            Self::Request(report) => (report, 2),
            Self::Work(report) => (report, 1),
            Self::Stopped(code) => return ExitCode::from(code),
        };
        eprintln!("{HEADING}{report:?}");
        ExitCode::from(code)
    }
}

/// The start of an error, which miette does not count as part of its first line.
const HEADING: &str = "Error: ";

/// Sets the format of reports. A report uses the format that is set when it is created.
pub(super) fn set_report_format() {
    let colour = std::io::stderr().is_terminal();
    let width = wrap::columns() - HEADING.len();
    // Fails only if a format is set already, which then stays.
    let _ = miette::set_hook(Box::new(move |_| {
        let options = MietteHandlerOpts::new().width(width).unicode(true).color(colour);
        let options = options.break_words(false).word_separator(WordSeparator::Custom(wrap::words));
        let options = options.word_splitter(WordSplitter::NoHyphenation);
        Box::new(options.terminal_links(false).build())
    }));
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Request(match error {
            // A single problem needs no heading.
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
            PipelineError::Cohort(CohortError::NoRoot { key: "data.root", path }) => {
                let help = ways_to_data(&path);
                let path = path.display();
                Self::Request(miette::miette!(help = help, "data.root: {path} does not exist"))
            }
            error if error.is_request() => Self::request(error),
            error => Self::work(error),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<lungs_archive::fetch::FetchError> for Failure {
    fn from(error: lungs_archive::fetch::FetchError) -> Self {
        if error.is_request() { Self::request(error) } else { Self::work(error) }
    }
}

impl From<lungs_spec::results::ResultsError> for Failure {
    fn from(error: lungs_spec::results::ResultsError) -> Self {
        PipelineError::from(error).into()
    }
}
