//! Executes the runs of a sweep as child processes, one or several at a time.
//!
//! Each child is `lungs run FOLDER`, so that a crash of one run does not affect the others. Its standard input
//! is a pipe from this process. When the pipe closes, because this process closes it or ends, the child
//! stops with a checkpoint.

use super::super::Failure;
use super::super::interrupt::Interrupt;
use super::super::output::Output;
use crate::sweep::{PlannedRun, RunStatus, SweepFolder};
use lungs_spec::results::{RunFailure, RunFolder};
use lungs_spec::spec::OnFailure;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Interval between two checks of the child processes.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// The runs and the settings of their processes.
pub(super) struct Jobs<'a> {
    pub folder: &'a SweepFolder,
    pub runs: &'a [PlannedRun],
    /// Threads of each parallel process; the length is the number of parallel processes.
    pub threads: Vec<usize>,
    /// Devices, assigned to the processes in rotation; if empty, each run uses the device of its spec.
    pub devices: &'a [String],
    pub on_failure: OnFailure,
    /// Print the output of the processes.
    pub follow: bool,
    /// Resume with the original inputs of each run.
    pub keep_inputs: bool,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunOutcome {
    Finished,
    Failed(String),
    /// Another process is running it.
    RunningElsewhere,
    /// Stopped with a checkpoint, or not started.
    Stopped,
}

/// A running process.
struct Job {
    /// Index of the run in [`Jobs::runs`].
    index: usize,
    child: Child,
    /// Offset in the log up to which it has been printed.
    printed: u64,
}

/// Whether runs of other processes are met for the first time.
#[derive(Clone, Copy)]
enum Pass {
    First,
    Recheck,
}

/// The runs that have not started.
struct Queue {
    waiting: VecDeque<usize>,
    /// Runs of other processes, which are checked once more at the end.
    deferred: VecDeque<usize>,
    pass: Pass,
}

impl Queue {
    fn new(indices: &[usize]) -> Self {
        Self {
            waiting: indices.iter().copied().collect(),
            deferred: VecDeque::new(),
            pass: Pass::First,
        }
    }

    /// Once no run is waiting, the deferred ones are. Returns whether any run is waiting then.
    fn recheck_deferred(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.pass = Pass::Recheck;
            std::mem::swap(&mut self.waiting, &mut self.deferred);
        }
        !self.waiting.is_empty()
    }

    /// The outcomes of the runs that were not started.
    fn rest(self) -> impl Iterator<Item = (usize, RunOutcome)> {
        let stopped = self.waiting.into_iter().map(|index| (index, RunOutcome::Stopped));
        let elsewhere = self.deferred.into_iter();
        stopped.chain(elsewhere.map(|index| (index, RunOutcome::RunningElsewhere)))
    }
}

/// Distributes `cores` threads evenly over `jobs` processes, at least one thread each.
pub(super) fn threads_per_job(cores: usize, jobs: usize) -> Vec<usize> {
    (0..jobs).map(|job| (cores / jobs + usize::from(job < cores % jobs)).max(1)).collect()
}

impl Jobs<'_> {
    /// Executes the runs at `indices` until each is finished, failed, or running in another process, or until
    /// a signal or a failure stops the sweep. Calls `on_outcome` for each run when its process ends.
    pub(super) fn execute(
        &self,
        indices: &[usize],
        interrupt: &Interrupt,
        output: &Output,
        mut on_outcome: impl FnMut(usize, &RunOutcome),
    ) -> Result<Vec<(usize, RunOutcome)>, Failure> {
        let mut queue = Queue::new(indices);
        let mut outcomes: Vec<(usize, RunOutcome)> = Vec::new();
        let mut slots: Vec<Option<Job>> = self.threads.iter().map(|_| None).collect();
        let mut stopping = false;
        loop {
            for (index, outcome) in self.take_ended(&mut slots, output)? {
                let failure = match &outcome {
                    RunOutcome::Failed(message) => Some(message.as_str()),
                    _ => None,
                };
                self.folder.record_outcome(&self.runs[index], failure)?;
                stopping |= failure.is_some() && self.on_failure == OnFailure::Stop;
                on_outcome(index, &outcome);
                outcomes.push((index, outcome));
            }
            stopping |= interrupt.interrupter.should_stop();
            if stopping {
                // Closing their standard input stops the processes with a checkpoint.
                slots.iter_mut().flatten().for_each(|job| drop(job.child.stdin.take()));
            } else {
                self.fill(&mut slots, &mut queue, &mut outcomes)?;
            }
            let is_idle = slots.iter().all(Option::is_none);
            if is_idle && (stopping || !queue.recheck_deferred()) {
                break;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        outcomes.extend(queue.rest());
        Ok(outcomes)
    }

    /// Prints the output of all processes, and empties the slots of those that have ended.
    fn take_ended(
        &self,
        slots: &mut [Option<Job>],
        output: &Output,
    ) -> Result<Vec<(usize, RunOutcome)>, Failure> {
        let mut ended = Vec::new();
        for slot in slots {
            let Some(job) = slot else { continue };
            self.print_new_lines(job, output);
            let Some(status) = job.child.try_wait().map_err(Failure::work)? else { continue };
            self.print_new_lines(job, output);
            ended.push((job.index, self.outcome(job, status)));
            *slot = None;
        }
        Ok(ended)
    }

    /// Starts waiting runs in the free slots.
    fn fill(
        &self,
        slots: &mut [Option<Job>],
        queue: &mut Queue,
        outcomes: &mut Vec<(usize, RunOutcome)>,
    ) -> Result<(), Failure> {
        while let Some(free) = slots.iter().position(Option::is_none) {
            let Some(index) = queue.waiting.pop_front() else { break };
            match (self.status(index), queue.pass) {
                (RunStatus::Finished, _) => outcomes.push((index, RunOutcome::Finished)),
                (RunStatus::Running, Pass::First) => queue.deferred.push_back(index),
                (RunStatus::Running, Pass::Recheck) => {
                    outcomes.push((index, RunOutcome::RunningElsewhere));
                }
                _ => slots[free] = Some(self.start(index, free)?),
            }
        }
        Ok(())
    }

    fn status(&self, index: usize) -> RunStatus {
        self.folder.status(&self.runs[index], false)
    }

    fn start(&self, index: usize, slot: usize) -> Result<Job, Failure> {
        let run = &self.runs[index];
        let path = self.folder.run_path(&run.name);
        RunFolder::create_at(&path, &run.spec)?;
        let log = self.folder.log_file(&run.name);
        let log_error = |error: std::io::Error| {
            Failure::work(format!("cannot write the log {}: {error}", log.display()))
        };
        if let Some(parent) = log.parent() {
            lungs_base::files::make_folder(parent).map_err(Failure::work)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(log_error)?;
        let log_start = file.metadata().map_err(log_error)?.len();
        let threads = match (run.spec.runtime.threads, self.threads[slot]) {
            (requested, _) if self.threads.len() == 1 => requested,
            (0, share) => share,
            (requested, share) => requested.min(share),
        };
        let mut command = run_command().map_err(Failure::work)?;
        if !self.devices.is_empty() {
            let device = &self.devices[slot % self.devices.len()];
            command.args(["--set", &format!("runtime.device={device}")]);
        }
        if self.keep_inputs {
            command.arg("--keep-inputs");
        }
        command
            .arg(&path)
            .args(["--tethered", "--set", &format!("runtime.threads={threads}")])
            .stdin(Stdio::piped())
            .stderr(file.try_clone().map_err(log_error)?)
            .stdout(file);
        use_own_process_group(&mut command);
        let child = command.spawn().map_err(Failure::work)?;
        Ok(Job { index, child, printed: log_start })
    }

    /// Prints the new lines of the log of a process.
    fn print_new_lines(&self, job: &mut Job, output: &Output) {
        if !self.follow || output.is_quiet() {
            return;
        }
        let text = self.read_log(job.index, job.printed);
        // An incomplete last line is printed once it is complete.
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { return };
        let _ = std::io::stdout().write_all(&text[..=end]);
        job.printed += end as u64 + 1;
    }

    fn read_log(&self, index: usize, offset: u64) -> Vec<u8> {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.folder.log_file(&self.runs[index].name))
            && file.seek(SeekFrom::Start(offset)).is_ok()
        {
            let _ = file.read_to_end(&mut text);
        }
        text
    }

    /// The outcome of a run whose process has ended.
    fn outcome(&self, job: &Job, status: ExitStatus) -> RunOutcome {
        match (self.status(job.index), status.code()) {
            (RunStatus::Finished, _) => RunOutcome::Finished,
            // Another process locked the run first.
            (RunStatus::Running, _) => RunOutcome::RunningElsewhere,
            (_, Some(75 | 130)) => RunOutcome::Stopped,
            _ => RunOutcome::Failed(self.failure_reason(job.index, status)),
        }
    }

    /// The recorded failure of a run, or the status of a process that ended without a record.
    fn failure_reason(&self, index: usize, status: ExitStatus) -> String {
        let name = &self.runs[index].name;
        let recorded = self.folder.run(name).and_then(|run| RunFailure::read(&run));
        recorded.map_or_else(
            || {
                let log = self.folder.log_file(name);
                format!("the process ended with {status}; its output is in {}", log.display())
            },
            |failure| failure.message,
        )
    }
}

/// `lungs run` with the executable of this process, even if its file has been replaced since the start.
fn run_command() -> std::io::Result<Command> {
    let executable = std::path::Path::new("/proc/self/exe");
    let mut command = if executable.exists() {
        Command::new(executable)
    } else {
        Command::new(std::env::current_exe()?)
    };
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, "lungs");
    command.arg("run");
    Ok(command)
}

/// Puts a child into its own process group, so that Ctrl-C signals only this process. Children are stopped
/// through their standard input.
#[cfg(unix)]
fn use_own_process_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn use_own_process_group(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_distributed_evenly() {
        assert_eq!(threads_per_job(16, 1), [16]);
        assert_eq!(threads_per_job(16, 3), [6, 5, 5]);
        assert_eq!(threads_per_job(2, 4), [1, 1, 1, 1]);
    }
}
