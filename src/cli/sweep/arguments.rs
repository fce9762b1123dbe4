//! The arguments of `lungs sweep`.

use crate::slurm::shell;
use clap::Args;
use lungs_study::prepare::Shard;
use std::path::PathBuf;

/// Run all runs of a spec's [sweep] table, and compare them.
///
/// The table defines many runs by a grid of keys, lists of keys, seeds and folds. Each run is identical to
/// `lungs run` with the same spec. The same command resumes a sweep: it skips finished runs, retries failed
/// runs, and leaves runs that are running in another process to that process.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs sweep experiments/demo-sweep.toml --dry-run    list the runs\n  lungs sweep experiments/demo-sweep.toml --jobs 2\n  lungs sweep experiments/demo-sweep.toml --status     show the current results\n  lungs sweep experiments/demo-sweep.toml --only 3/6   run the third of 6 runs\n  lungs sweep experiments/demo-sweep.toml --slurm      submit the runs to Slurm"
)]
pub(in crate::cli) struct Sweep {
    /// A spec (.toml) with a [sweep] table.
    pub spec: PathBuf,

    /// Override a key of all runs, e.g. train.epochs=10, or a key of the sweep. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Number of parallel runs. They share the threads.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,

    /// Run only the run with this number, e.g. 3. With 3/20, fail unless the sweep has 20 runs.
    #[arg(long, value_name = "INDEX", value_parser = parse_run_number)]
    pub only: Option<RunNumber>,

    /// Show the current results without running anything.
    #[arg(long, conflicts_with_all = ["dry_run", "only"])]
    pub status: bool,

    /// List the runs, the keys that they vary, and estimates of memory and time, without running anything.
    /// With --slurm, print the batch scripts.
    #[arg(long, conflicts_with = "only")]
    pub dry_run: bool,

    /// Submit the sweep to Slurm with the settings of [slurm]: a preparation job, a job array with a task for
    /// each unfinished run, and a comparison job. Jobs are requeued at their time limit and after a node
    /// failure, and resume.
    #[arg(long, conflicts_with_all = ["only", "status", "prepare", "compare", "json"])]
    pub slurm: bool,

    /// Only prepare the series of all runs.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run", "compare"])]
    pub prepare: bool,

    /// With --prepare: prepare only one shard, e.g. 3/20 for the third of 20. Series are assigned to shards by
    /// the hash of their UID.
    #[arg(long, value_name = "INDEX/COUNT", requires = "prepare")]
    pub shard: Option<Shard>,

    /// Only compare the finished runs. Exits with 1 if a run is unfinished.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run"])]
    pub compare: bool,

    /// Resume runs with their original labels, lists and images even if they have changed. Runs that have not
    /// started use the current ones.
    #[arg(long, conflicts_with_all = ["status", "prepare", "compare"])]
    pub keep_inputs: bool,

    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The number of a run, from 1, and optionally the number of runs of the sweep: `3` or `3/20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct RunNumber {
    pub number: usize,
    pub total: Option<usize>,
}

fn parse_run_number(text: &str) -> Result<RunNumber, String> {
    let positive = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
    let (number, total) = match text.split_once('/') {
        None => (positive(text), Some(None)),
        Some((number, total)) => (positive(number), positive(total).map(Some)),
    };
    match (number, total) {
        (Some(number), Some(total)) => Ok(RunNumber { number, total }),
        _ => Err("expected the number of a run from 1, e.g. 3 or 3/20".to_owned()),
    }
}

impl Sweep {
    /// The command that resumes the sweep.
    pub(super) fn resume_command(&self) -> String {
        let mut command = format!("lungs sweep {}", self.spec.display());
        for set in &self.set {
            command += &format!(" --set {}", shell(set));
        }
        if self.keep_inputs {
            command += " --keep-inputs";
        }
        if self.jobs > 1 {
            command += &format!(" --jobs {}", self.jobs);
        }
        match self.only {
            Some(RunNumber { number, total: Some(total) }) => {
                command + &format!(" --only {number}/{total}")
            }
            Some(RunNumber { number, total: None }) => command + &format!(" --only {number}"),
            None => command,
        }
    }
}
