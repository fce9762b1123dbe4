//! `--slurm`: work that is given to a Slurm cluster instead of being done here.
//!
//! Scripts are kept in `slurm/` of the run, the sweep or the cache that they are for, with what their
//! jobs print; each runs this very program with the flags that a person would give it.

use super::output::Output;
use super::{Done, Failure};
use crate::files::{make_folder, write_bytes};
use crate::slurm::{Job, TASK, job_number, shell};
use crate::spec::Spec;
use clap::Args;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether, and how far, work is given to Slurm.
#[derive(Args)]
pub(super) struct Submission {
    /// Write batch scripts from [slurm] of the spec and submit them. Jobs requeue themselves at the time limit
    /// and after a lost node.
    #[arg(long)]
    pub slurm: bool,

    /// With --slurm: print the batch scripts without writing or submitting them.
    #[arg(long, requires = "slurm")]
    pub dry_run: bool,
}

/// Which end of the job before it a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It, or every task of it, did what was asked.
    Success,
    /// It is over, however.
    End,
}

/// What the jobs of one call have in common.
pub(super) struct Call<'a> {
    pub spec: &'a Spec,
    /// The folder that the work is for.
    pub folder: &'a Path,
    pub submission: &'a Submission,
}

impl Call<'_> {
    /// A job that runs this program with `arguments`; its script is called `stem`.
    pub fn job(&self, stem: &str, about: &str, mut arguments: Vec<String>) -> Result<Job, Failure> {
        let program = std::env::current_exe().map_err(Failure::work)?;
        let here = std::env::current_dir().map_err(Failure::work)?;
        let folder = std::path::absolute(self.folder).map_err(Failure::work)?;
        let (spec, cpus) = (self.spec, self.spec.slurm.cpus);
        if cpus > 0 && spec.runtime.threads == 0 {
            // Not every cluster hides the processors that are not the job's.
            arguments.extend(["--set".to_owned(), format!("runtime.threads={cpus}")]);
        }
        arguments.insert(0, program.display().to_string());
        Ok(Job {
            about: about.to_owned(),
            name: format!("lungs-{}-{stem}", spec.experiment.name),
            folder: here,
            script: folder.join("slurm").join(format!("{stem}.sh")),
            tasks: Vec::new(),
            trains: false,
            command: arguments,
        })
    }

    /// The job that prepares: every part of `slurm.shards` a task where there are several.
    pub fn preparation(&self, mut command: Vec<String>) -> Result<Job, Failure> {
        let shards = self.spec.slurm.shards;
        let about = match shards {
            0 | 1 => "Preparation of all series.".to_owned(),
            _ => format!("Preparation of all series in {shards} parts."),
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

    /// Writes and submits the jobs, each after the one before it as it says; or prints them.
    pub fn submit(&self, jobs: &[(Job, Option<After>)], output: &Output) -> Done {
        let mut before: Option<String> = None;
        for (job, after) in jobs {
            let text = job.script(&self.spec.slurm);
            let mut arguments = vec!["--parsable".to_owned()];
            if let (Some(after), Some(before)) = (after, &before) {
                let kind = if *after == After::Success { "afterok" } else { "afterany" };
                arguments.push(format!("--dependency={kind}:{before}"));
                arguments.push("--kill-on-invalid-dep=yes".to_owned());
            }
            arguments.push(job.script.display().to_string());
            let stem = job.script.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
            if self.submission.dry_run {
                let words: Vec<String> = arguments.iter().map(|word| shell(word)).collect();
                output.answer(format!("$ sbatch {}\n{text}", words.join(" ")));
                before = Some(stem);
                continue;
            }
            if let Some(folder) = job.script.parent() {
                make_folder(folder).map_err(Failure::work)?;
            }
            write_bytes(&job.script, text.as_bytes()).map_err(Failure::work)?;
            let number = sbatch(&arguments, &job.script, before.is_some())?;
            let tasks = match job.tasks.len() {
                0 => String::new(),
                1 => ", 1 task".to_owned(),
                count => format!(", {count} tasks"),
            };
            output.answer(format!("job {number}  {}{tasks}", job.script.display()));
            before = Some(number.to_string());
        }
        if !self.submission.dry_run {
            output.say("Logs are next to the scripts; `squeue --me` shows the status.");
        }
        Ok(())
    }
}

/// Submits a script, and says which job it became.
fn sbatch(arguments: &[String], script: &Path, others: bool) -> Result<u64, Failure> {
    let done = Command::new("sbatch").args(arguments).stdin(Stdio::null()).output();
    let done = done.map_err(|error| {
        Failure::work(format!(
            "cannot run sbatch ({error}): Slurm's commands are needed where work is given to it. The \
             script is written: {}; --dry-run prints it",
            script.display()
        ))
    })?;
    let printed = String::from_utf8_lossy(&done.stdout);
    let said = String::from_utf8_lossy(&done.stderr);
    match job_number(&printed).filter(|_| done.status.success()) {
        Some(number) => Ok(number),
        None => Err(Failure::work(format!(
            "sbatch did not take {}: {}; the keys of [slurm] say what is asked for{}",
            script.display(),
            said.trim().trim_start_matches("sbatch: error: "),
            if others {
                ". The jobs that are told above are submitted: scancel takes them back"
            } else {
                ""
            }
        ))),
    }
}
