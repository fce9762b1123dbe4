//! The command line: one file per verb, holding its arguments, its wiring and what it prints.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the request was wrong; with everything kept that is
//! needed to continue, 75 stopped by SIGUSR1 (a scheduler's warning: try again), 130 by another
//! signal.

mod check;
mod cohort;
mod compare;
mod dashboard;
mod error;
mod evaluate;
mod explain;
mod export;
mod fetch;
mod interrupt;
mod output;
mod pace;
mod phantom;
mod plot;
mod predict;
mod prepare;
mod progress;
mod run;
mod screen;
mod slurm;
mod sweep;
mod weights;

use clap::{Parser, Subcommand};
use error::Failure;
use output::Output;
use std::process::ExitCode;

/// Declarative experiments for predicting lung cancer from chest CT.
///
/// One TOML file describes an experiment; one command runs it; the results folder says how to
/// reproduce it.
#[derive(Parser)]
#[command(
    name = "lungs",
    version = crate::results::program_version(),
    arg_required_else_help = true,
    after_help = "Start here:\n  lungs run experiments/demo.toml       a whole experiment on synthetic CT, in minutes\n  lungs check experiments/baseline.toml what a run would do, without doing it\n\nExit codes: 0 done, 1 the work failed, 2 the request was wrong, 75 stopped by a\nscheduler's warning (SIGUSR1), 130 by another signal: after both, the same command continues."
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

// Each command's help is the documentation of its arguments.
#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Train(run::Train),
    Sweep(sweep::Sweep),
    Evaluate(evaluate::Evaluate),
    Check(check::Check),
    Fetch(fetch::Fetch),
    Prepare(prepare::Prepare),
    Predict(predict::Predict),
    Compare(compare::Compare),
    Cohort(cohort::Cohort),
    Plot(plot::Plot),
    Export(export::Export),
    Phantom(phantom::Phantom),
    Weights(weights::Weights),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    error::set_look();
    let arguments = Arguments::parse();
    let output = Output::new(arguments.quiet, arguments.verbose);
    let done = match &arguments.command {
        Command::Run(run) => run.execute(&output),
        Command::Train(train) => train.execute(&output),
        Command::Sweep(sweep) => sweep.execute(&output),
        Command::Evaluate(evaluate) => evaluate.execute(&output),
        Command::Check(check) => check.execute(&output),
        Command::Fetch(fetch) => fetch.execute(&output),
        Command::Prepare(prepare) => prepare.execute(&output),
        Command::Predict(predict) => predict.execute(&output),
        Command::Compare(compare) => compare.execute(&output),
        Command::Cohort(cohort) => cohort.execute(&output),
        Command::Plot(plot) => plot.execute(&output),
        Command::Export(export) => export.execute(&output),
        Command::Phantom(phantom) => phantom.execute(&output),
        Command::Weights(weights) => weights.execute(&output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// A result of a command.
type Done = Result<(), Failure>;
