//! Runs of a sweep as processes of this program, one or several at a time.
//!
//! Each is `lungs run FOLDER`, so that nothing that happens to it can happen to the others. It is
//! tethered to this process by its standard input: when that ends, because this process wants it or
//! is no more, the run stops with a checkpoint.

use super::super::Failure;
use super::super::interrupt::Interrupt;
use super::super::output::Output;
use crate::spec::OnFailure;
use crate::sweep::{PlannedRun, State, SweepFolder, standing};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How often the processes are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(40);

/// What is to be done, and how.
pub(super) struct Jobs<'a> {
    pub folder: &'a SweepFolder,
    pub runs: &'a [PlannedRun],
    /// Threads of each process that works at once: as many as there are processes.
    pub threads: Vec<usize>,
    /// Devices that the processes take in turns; none leaves each to its spec.
    pub devices: &'a [String],
    pub on_failure: OnFailure,
    /// Print what the processes print.
    pub follow: bool,
    /// Continue with the original inputs of each run.
    pub keep_inputs: bool,
}

/// How a run was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Finished,
    Failed(String),
    /// Another process works in it.
    InWork,
    /// Stopped with a checkpoint, or not begun.
    Stopped,
}

/// A process at work.
struct Job {
    place: usize,
    child: Child,
    /// How much of the log has been printed, and where it began.
    printed: u64,
    began: u64,
}

/// The threads of each of `jobs` processes on so many cores: as even as can be, at least one each.
pub(super) fn shares(cores: usize, jobs: usize) -> Vec<usize> {
    (0..jobs).map(|job| (cores / jobs + usize::from(job < cores % jobs)).max(1)).collect()
}

impl Jobs<'_> {
    /// Works until every run at `places` is finished, failed, or in the hands of others; or until
    /// something stops it. `tell` hears of each as it is left.
    pub fn work(
        &self,
        places: &[usize],
        interrupt: &Interrupt,
        output: &Output,
        mut tell: impl FnMut(usize, &Left),
    ) -> Result<Vec<(usize, Left)>, Failure> {
        let mut waiting: VecDeque<usize> = places.iter().copied().collect();
        // Those that others had in their hands get a second look at the end.
        let mut later: VecDeque<usize> = VecDeque::new();
        let mut looked_again = false;
        let mut left: Vec<(usize, Left)> = Vec::new();
        let mut slots: Vec<Option<Job>> = self.threads.iter().map(|_| None).collect();
        let mut stopping = false;
        loop {
            for slot in &mut slots {
                let Some(job) = slot else { continue };
                self.print_new(job, output);
                let Some(status) = job.child.try_wait().map_err(Failure::work)? else { continue };
                self.print_new(job, output);
                let (place, ended) = (job.place, self.judge(job, status));
                *slot = None;
                let failure = match &ended {
                    Left::Failed(message) => Some(message.as_str()),
                    _ => None,
                };
                self.folder.note(&self.runs[place], failure)?;
                stopping |= failure.is_some() && self.on_failure == OnFailure::Stop;
                tell(place, &ended);
                left.push((place, ended));
            }
            stopping |= interrupt.interrupter.should_stop();
            if stopping {
                // The end of their input is what they listen to.
                slots.iter_mut().flatten().for_each(|job| drop(job.child.stdin.take()));
            }
            while !stopping && slots.iter().any(Option::is_none) {
                let Some(place) = waiting.pop_front() else { break };
                match self.state(place) {
                    State::Finished => left.push((place, Left::Finished)),
                    State::InWork if looked_again => left.push((place, Left::InWork)),
                    State::InWork => later.push_back(place),
                    _ => {
                        let free = slots.iter().position(Option::is_none).unwrap_or_default();
                        slots[free] = Some(self.start(place, free)?);
                    }
                }
            }
            if slots.iter().all(Option::is_none) {
                if stopping || (waiting.is_empty() && later.is_empty()) {
                    break;
                }
                if waiting.is_empty() {
                    looked_again = true;
                    std::mem::swap(&mut waiting, &mut later);
                }
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        left.extend(waiting.into_iter().map(|place| (place, Left::Stopped)));
        left.extend(later.into_iter().map(|place| (place, Left::InWork)));
        Ok(left)
    }

    fn state(&self, place: usize) -> State {
        standing(self.folder, &self.runs[place], None).state
    }

    fn start(&self, place: usize, slot: usize) -> Result<Job, Failure> {
        let run = &self.runs[place];
        let path = self.folder.run_path(&run.name);
        crate::results::RunFolder::create_at(&path, &run.spec)?;
        let log = self.folder.log_file(&run.name);
        let cannot = |error: std::io::Error| Failure::work(format!("{}: {error}", log.display()));
        if let Some(parent) = log.parent() {
            crate::files::make_folder(parent).map_err(Failure::work)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(cannot)?;
        let began = file.metadata().map_err(cannot)?.len();
        let threads = match (run.spec.runtime.threads, self.threads[slot]) {
            (wanted, _) if self.threads.len() == 1 => wanted,
            (0, share) => share,
            (wanted, share) => wanted.min(share),
        };
        let mut command = this_program().map_err(Failure::work)?;
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
            .stderr(file.try_clone().map_err(cannot)?)
            .stdout(file);
        apart(&mut command);
        let child = command.spawn().map_err(Failure::work)?;
        Ok(Job { place, child, printed: began, began })
    }

    /// Prints what a process has added to its log.
    fn print_new(&self, job: &mut Job, output: &Output) {
        if !self.follow || output.is_quiet() {
            return;
        }
        let text = self.log_from(job.place, job.printed);
        // Whole lines only; the rest comes later.
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { return };
        let _ = std::io::stdout().write_all(&text[..=end]);
        job.printed += end as u64 + 1;
    }

    fn log_from(&self, place: usize, offset: u64) -> Vec<u8> {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.folder.log_file(&self.runs[place].name))
            && file.seek(SeekFrom::Start(offset)).is_ok()
        {
            let _ = file.read_to_end(&mut text);
        }
        text
    }

    /// How a process that ended has left its run.
    fn judge(&self, job: &Job, status: ExitStatus) -> Left {
        match (self.state(job.place), status.code()) {
            (State::Finished, _) => Left::Finished,
            // Another process was faster.
            (State::InWork, _) => Left::InWork,
            (_, Some(75 | 130)) => Left::Stopped,
            _ => {
                let said = self.log_from(job.place, job.began);
                Left::Failed(reason(&String::from_utf8_lossy(&said), status))
            }
        }
    }
}

/// `lungs run`, by the very program that runs here: another may have been built in its place since.
fn this_program() -> std::io::Result<Command> {
    let own = std::path::Path::new("/proc/self/exe");
    let mut command =
        if own.exists() { Command::new(own) } else { Command::new(std::env::current_exe()?) };
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, "lungs");
    command.arg("run");
    Ok(command)
}

/// Keeps a key that interrupts this process from its children: they are asked otherwise.
#[cfg(unix)]
fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn apart(_: &mut Command) {}

/// Why a process failed, in one line: its own report, else its last words, else how it ended.
fn reason(said: &str, status: ExitStatus) -> String {
    let frame = |c: char| c.is_whitespace() || "×│├╰─▶".contains(c);
    if let Some((_, report)) = said.rsplit_once("Error: ") {
        let lines = report.lines().map(|line| line.trim_matches(frame));
        let lines = lines.skip_while(|line| line.is_empty());
        let told: Vec<&str> =
            lines.take_while(|line| !line.is_empty() && !line.starts_with("help: ")).collect();
        if !told.is_empty() {
            return told.join(" ");
        }
    }
    if let Some((_, panic)) = said.rsplit_once("panicked at ") {
        let told: Vec<&str> = panic.lines().take(2).map(str::trim).collect();
        return format!("a defect of the program: {}", told.join(" "));
    }
    format!("its process ended with {status}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn threads_are_shared_evenly() {
        assert_eq!(shares(16, 1), [16]);
        assert_eq!(shares(16, 3), [6, 5, 5]);
        assert_eq!(shares(2, 4), [1, 1, 1, 1]);
    }

    #[test]
    fn a_failure_is_told_in_one_line() {
        let report =
            "epoch 1\nError:   × none of the series could be\n  │ prepared; the reasons: x\n\n";
        let failed = ExitStatus::from_raw(256);
        assert_eq!(reason(report, failed), "none of the series could be prepared; the reasons: x");
        let several =
            "Error:   × the spec has a problem\n\nError: \n  × train.epochs: no\n  help: do\n";
        assert_eq!(reason(several, failed), "train.epochs: no");
        let panic = "thread 'main' panicked at src/a.rs:1:2:\nindex out of bounds\nnote: run with";
        let told = "a defect of the program: src/a.rs:1:2: index out of bounds";
        assert_eq!(reason(panic, failed), told);
        assert!(reason("", ExitStatus::from_raw(9)).contains("signal: 9"));
    }
}
