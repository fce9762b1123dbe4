//! The command line: one file per command, with its arguments, its calls into the library and its output.
//!
//! Exit codes: 0 success, 1 failure, 2 invalid request, 75 stopped by SIGUSR1 (scheduler warning), 130
//! stopped by another signal. After 75 and 130 the same command resumes the work.

mod bench;
mod check;
mod clean;
mod cohort;
mod compare;
mod completions;
mod dashboard;
mod error;
mod evaluate;
mod explain;
mod export;
mod fetch;
mod interrupt;
mod man;
mod new;
mod no_data;
mod output;
mod pace;
mod phantom;
mod plot;
mod predict;
mod prepare;
mod progress;
mod run;
mod runs;
mod sample_size;
mod schema;
mod score;
mod screen;
mod slurm;
mod suggest;
mod sweep;
mod weights;
mod wrap;

use clap::{CommandFactory, Parser, Subcommand};
use error::Failure;
use lungs_base::memory::keep_freed_memory;
use output::Output;
use std::process::ExitCode;

/// Declarative experiments for predicting lung cancer from chest CT.
///
/// One TOML file describes an experiment and one command runs it. The results folder records how to
/// reproduce the run.
#[derive(Parser)]
#[command(
    name = "lungs",
    version = crate::program::version(),
    arg_required_else_help = true,
    after_help = "Start here:\n  lungs run experiments/demo.toml     a complete experiment on synthetic CT\n  lungs new NAME --data FOLDER        a spec for your own CT\n  lungs check experiments/demo.toml   check a spec and its data\n\nExit codes:\n  0    success\n  1    failure\n  2    invalid request: arguments, spec or input data\n  75   stopped by SIGUSR1 (scheduler warning); the same command resumes the work\n  130  stopped by another signal; the same command resumes the work"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Print results and errors only.
    #[arg(short, long, global = true, display_order = 1000)]
    quiet: bool,

    /// Print every excluded series and every written file.
    #[arg(short, long, global = true, conflicts_with = "quiet", display_order = 1001)]
    verbose: bool,
}

// clap takes the help of each command from the doc comment of its arguments.
#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Train(run::Train),
    Sweep(sweep::Sweep),
    Evaluate(evaluate::Evaluate),
    New(new::New),
    Check(check::Check),
    Fetch(fetch::Fetch),
    Prepare(prepare::Prepare),
    Predict(predict::Predict),
    Runs(runs::Runs),
    Compare(compare::Compare),
    Score(score::Score),
    SampleSize(sample_size::SampleSize),
    Cohort(cohort::Cohort),
    Plot(plot::Plot),
    Export(export::Export),
    Phantom(phantom::Phantom),
    Weights(weights::Weights),
    Clean(clean::Clean),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    Bench(bench::Bench),
}

/// The command line with all subcommands, for its reference.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Before any thread is created.
    keep_freed_memory();
    error::set_report_format();
    let arguments: Arguments = suggest::parse();
    let output = Output::new(arguments.quiet, arguments.verbose);
    let result = match &arguments.command {
        Command::Run(run) => run.execute(&output),
        Command::Train(train) => train.execute(&output),
        Command::Sweep(sweep) => sweep.execute(&output),
        Command::Evaluate(evaluate) => evaluate.execute(&output),
        Command::New(new) => new.execute(&output),
        Command::Check(check) => check.execute(&output),
        Command::Fetch(fetch) => fetch.execute(&output),
        Command::Prepare(prepare) => prepare.execute(&output),
        Command::Predict(predict) => predict.execute(&output),
        Command::Runs(runs) => runs.execute(&output),
        Command::Clean(clean) => clean.execute(&output),
        Command::Compare(compare) => compare.execute(&output),
        Command::Score(score) => score.execute(&output),
        Command::SampleSize(sizes) => sizes.execute(&output),
        Command::Cohort(cohort) => cohort.execute(&output),
        Command::Plot(plot) => plot.execute(&output),
        Command::Export(export) => export.execute(&output),
        Command::Phantom(phantom) => phantom.execute(&output),
        Command::Weights(weights) => weights.execute(&output),
        Command::Schema(schema) => schema.execute(&output),
        Command::Completions(completions) => completions.execute(&output),
        Command::Man(man) => man.execute(&output),
        Command::Bench(bench) => bench.execute(&output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The result of a command.
type CommandResult = Result<(), Failure>;
