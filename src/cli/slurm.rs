//! `--slurm`: submits work to a Slurm cluster instead of doing it in this process.
//!
//! Batch scripts and the logs of their jobs are in `slurm/` of the run, the sweep or the cache. Each script
//! calls this executable with ordinary command-line options.

use super::output::Output;
use super::{CommandResult, Failure};
use crate::slurm::{Job, TASK, job_number, shell};
use clap::Args;
use lungs_base::files::{make_folder, write_bytes};
use lungs_base::text::counted;
use lungs_spec::spec::Spec;
use std::path::Path;
use std::process::{Command, Stdio};

/// Options of the submission to Slurm.
#[derive(Args)]
pub(super) struct Submission {
    /// Write batch scripts with the settings of [slurm] and submit them to Slurm. Jobs are requeued at their
    /// time limit and after a node failure, and resume.
    #[arg(long)]
    pub slurm: bool,

    /// With --slurm: print the batch scripts without writing or submitting them.
    #[arg(long, requires = "slurm")]
    pub dry_run: bool,
}

/// The condition on the previous job under which a job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependency {
    /// The previous job, with all its tasks, succeeded (`afterok`).
    Success,
    /// The previous job ended with any result (`afterany`).
    End,
}

/// Submits the jobs of one command.
pub(super) struct Submitter<'a> {
    pub spec: &'a Spec,
    /// The run, the sweep or the cache of the jobs.
    pub folder: &'a Path,
    pub submission: &'a Submission,
}

impl Submitter<'_> {
    /// A job that runs this program with `arguments`; the file name of its script is `<stem>.sh`.
    pub(super) fn job(
        &self,
        stem: &str,
        about: &str,
        mut arguments: Vec<String>,
    ) -> Result<Job, Failure> {
        let program = std::env::current_exe().map_err(Failure::work)?;
        let working_directory = std::env::current_dir().map_err(Failure::work)?;
        let folder = std::path::absolute(self.folder).map_err(Failure::work)?;
        let (spec, cpus) = (self.spec, self.spec.slurm.cpus);
        if cpus > 0 && spec.runtime.threads == 0 {
            // Some clusters let a job see more processors than it is given.
            arguments.extend(["--set".to_owned(), format!("runtime.threads={cpus}")]);
        }
        arguments.insert(0, program.display().to_string());
        Ok(Job {
            about: about.to_owned(),
            name: format!("lungs-{}-{stem}", spec.experiment.name),
            folder: working_directory,
            script: folder.join("slurm").join(format!("{stem}.sh")),
            tasks: Vec::new(),
            trains: false,
            command: arguments,
        })
    }

    /// The preparation job; with `slurm.shards` above 1, an array with a task per shard.
    pub(super) fn preparation(&self, mut command: Vec<String>) -> Result<Job, Failure> {
        let shards = self.spec.slurm.shards;
        let about = match shards {
            0 | 1 => "Preparation of all series.".to_owned(),
            _ => format!("Preparation of all series in {shards} shards."),
        };
        if shards > 1 {
            command.extend(["--shard".to_owned(), format!("{TASK}/{shards}")]);
        }
        let mut job = self.job("prepare", &about, command)?;
        if shards > 1 {
            job.tasks = (1..=shards).collect();
        }
        Ok(job)
    }

    /// Writes and submits the jobs, each with its dependency on the previous one; with `--dry-run` prints them.
    pub(super) fn submit(
        &self,
        jobs: &[(Job, Option<Dependency>)],
        output: &Output,
    ) -> CommandResult {
        let mut previous: Option<String> = None;
        for (job, dependency) in jobs {
            let text = job.script(&self.spec.slurm);
            let mut arguments = vec!["--parsable".to_owned()];
            if let (Some(dependency), Some(previous)) = (dependency, &previous) {
                let kind = if *dependency == Dependency::Success { "afterok" } else { "afterany" };
                arguments.push(format!("--dependency={kind}:{previous}"));
                arguments.push("--kill-on-invalid-dep=yes".to_owned());
            }
            arguments.push(job.script.display().to_string());
            let stem = job.script.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
            if self.submission.dry_run {
                let words: Vec<String> = arguments.iter().map(|word| shell(word)).collect();
                output.answer(format!("$ sbatch {}\n{text}", words.join(" ")));
                previous = Some(stem);
                continue;
            }
            if let Some(folder) = job.script.parent() {
                make_folder(folder).map_err(Failure::work)?;
            }
            write_bytes(&job.script, text.as_bytes()).map_err(Failure::work)?;
            let number = submit_script(&arguments, &job.script, previous.is_some())?;
            let tasks = match job.tasks.len() {
                0 => String::new(),
                count => format!(", {}", counted(count, "task", "tasks")),
            };
            output.answer(format!("job {number}  {}{tasks}", job.script.display()));
            previous = Some(number.to_string());
        }
        if !self.submission.dry_run {
            output.say("Logs are next to the scripts; `squeue --me` shows the status.");
        }
        Ok(())
    }
}

/// Submits a script and returns the number of its job.
fn submit_script(arguments: &[String], script: &Path, has_previous: bool) -> Result<u64, Failure> {
    let output = Command::new("sbatch").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Failure::work(format!(
            "cannot run sbatch ({error}): expected Slurm's commands in PATH. The script is written to {}",
            script.display()
        ))
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    match job_number(&stdout).filter(|_| output.status.success()) {
        Some(number) => Ok(number),
        None => Err(Failure::work(format!(
            "sbatch rejected {}: {}; check the keys of [slurm]{}",
            script.display(),
            stderr.trim().trim_start_matches("sbatch: error: "),
            if has_previous {
                ". The jobs listed above are submitted; scancel cancels them"
            } else {
                ""
            }
        ))),
    }
}
