//! Batch scripts for Slurm, readable and editable by hand.
//!
//! ```text
//! #!/bin/bash
//! #SBATCH …             resources of the job: `[slurm]` of the spec
//! setup                 `slurm.setup` of the spec
//! lungs … &             the program; a trap forwards Slurm's SIGUSR1 to it
//! exit code 75 ──────▶  scontrol requeue: the same job resumes
//! ```
//!
//! This module only writes text; `cli/slurm.rs` submits it. Slurm sends SIGUSR1 to the script before the time
//! limit. `lungs` then saves its state and exits with 75, and the script requeues the job under the same
//! number, so that dependent jobs wait until it ends for good. After a node failure Slurm requeues the job
//! itself. In both cases the same command runs again and resumes.

use lungs_spec::spec::Slurm;
use std::path::{Path, PathBuf};

/// A job, or a job array.
#[derive(Clone, Debug)]
pub struct Job {
    /// Description of the job, a comment of the script.
    pub about: String,
    /// Name in the queue.
    pub name: String,
    /// Working directory of the command.
    pub folder: PathBuf,
    /// Path of the script. Logs are in the same folder, as `<stem>-<job>.log`.
    pub script: PathBuf,
    /// Task numbers of a job array; empty for a single job.
    pub tasks: Vec<usize>,
    /// Whether the job trains and gets the GPUs of `slurm.gpus`.
    pub trains: bool,
    /// The program and its arguments. [`TASK`] in an argument is replaced by the number of the task.
    pub command: Vec<String>,
}

/// Placeholder for the task number in a command.
pub const TASK: &str = "{task}";

impl Job {
    /// Marks the job as training.
    #[must_use]
    pub fn training(self) -> Self {
        Self { trains: true, ..self }
    }

    /// The script of the job.
    pub fn script(&self, settings: &Slurm) -> String {
        let script = shell(&path(&self.script));
        let about = self.about.replace('\n', "\n# ");
        let options: String =
            self.options(settings).iter().map(|option| format!("#SBATCH {option}\n")).collect();
        let setup: String = settings.setup.iter().map(|line| format!("{line}\n")).collect();
        let setup = if setup.is_empty() { setup } else { format!("{setup}\n") };
        let seconds = settings.warning_seconds;
        let command: Vec<String> =
            self.command.iter().map(|argument| shell_argument(argument)).collect();
        let command = command.join(" ");
        let (job, task) = if self.tasks.is_empty() {
            ("$SLURM_JOB_ID", "")
        } else {
            ("${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID", "--array=\"$SLURM_ARRAY_TASK_ID\" ")
        };
        format!(
            r#"#!/bin/bash
# {about}
# To resubmit: sbatch {script}
{options}
# Slurm sends SIGUSR1 to this script {seconds} s before the time limit. The script forwards it to the
# program, which saves its state and exits with 75. The job is then requeued and resumes.
requeue() {{
    scontrol requeue "{job}" || sbatch {task}{script}
    exit 75
}}
warned= program=
trap 'warned=yes; [ -z "$program" ] && requeue; kill -USR1 "$program" 2>/dev/null' USR1

{setup}{command} &
program=$!
wait "$program"
code=$?
if [ -n "$warned" ]; then # SIGUSR1 interrupted the first wait
    wait "$program"
    code=$?
fi
case $code in
    75 | 138) requeue ;; # 138: SIGUSR1 before the program handles it
esac
exit "$code"
"#
        )
    }

    /// The options of `sbatch`.
    fn options(&self, settings: &Slurm) -> Vec<String> {
        let stem = self.script.with_extension("");
        let number = if self.tasks.is_empty() { "%j" } else { "%A_%a" };
        let log = format!("{}-{number}.log", path(&stem).replace('%', "%%"));
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--chdir={}", quoted(&path(&self.folder))),
            format!("--output={}", quoted(&log)),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            format!("--signal=B:USR1@{}", settings.warning_seconds),
        ];
        if !self.tasks.is_empty() {
            let limit = match settings.concurrent {
                0 => String::new(),
                limit => format!("%{limit}"),
            };
            options.push(format!("--array={}{limit}", ranges(&self.tasks)));
        }
        let partition = if self.trains || settings.cpu_partition.is_empty() {
            &settings.partition
        } else {
            &settings.cpu_partition
        };
        let texts = [
            ("partition", partition),
            ("account", &settings.account),
            ("time", &settings.time),
            ("mem", &settings.mem),
        ];
        let set_texts = texts.iter().filter(|(_, text)| !text.is_empty());
        options.extend(set_texts.map(|(option, text)| format!("--{option}={text}")));
        if settings.cpus > 0 {
            options.push(format!("--cpus-per-task={}", settings.cpus));
        }
        if settings.gpus > 0 && self.trains {
            options.push(format!("--gres=gpu:{}", settings.gpus));
        }
        options.extend(settings.extra.iter().cloned());
        options
    }
}

/// Formats ascending numbers as `1-4,7`.
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let texts = runs.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    texts.collect::<Vec<_>>().join(",")
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// An argument quoted for the shell, with [`TASK`] replaced by the variable of the task number.
fn shell_argument(argument: &str) -> String {
    match argument.split_once(TASK) {
        None => shell(argument),
        Some((before, after)) => format!("\"{before}$SLURM_ARRAY_TASK_ID{after}\""),
    }
}

/// Quotes a text as one word of a POSIX shell.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Quotes a value of an `#SBATCH` line.
fn quoted(text: &str) -> String {
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

/// The job number in the output of `sbatch --parsable`: `123`, or `123;cluster`.
pub fn job_number(output: &str) -> Option<u64> {
    output.lines().rev().find_map(|line| line.split(';').next()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(tasks: &[usize]) -> Job {
        Job {
            about: "Written by a test.".into(),
            name: "lungs-demo".into(),
            folder: "/data/my work".into(),
            script: "/data/my work/results/100%/run.sh".into(),
            tasks: tasks.to_vec(),
            trains: tasks.is_empty(),
            command: ["/opt/lungs", "prepare", "it's.toml", "--shard", "{task}/20"]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    #[test]
    fn a_script_contains_exactly_the_options_of_the_spec() {
        let settings = Slurm {
            partition: "gpu".into(),
            cpu_partition: "cpu".into(),
            time: "12:00:00".into(),
            cpus: 8,
            gpus: 1,
            concurrent: 4,
            setup: vec!["module load cuda".into()],
            extra: vec!["--constraint=a100".into()],
            ..Slurm::default()
        };
        insta::assert_snapshot!("run-script", job(&[]).script(&settings));
        insta::assert_snapshot!("array-script", job(&[1, 2, 3, 7, 9, 10]).script(&settings));
        let plain = job(&[]).script(&Slurm::default());
        for option in ["partition", "account", "time", "mem", "cpus", "gres"] {
            assert!(!plain.contains(&format!("#SBATCH --{option}")), "{option}");
        }
    }

    #[test]
    fn shell_words_are_quoted() {
        assert_eq!(shell("train.epochs=10"), "train.epochs=10");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("$(rm)"), "'$(rm)'");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn job_numbers_are_parsed_with_and_without_a_cluster_name() {
        assert_eq!(job_number("123\n"), Some(123));
        assert_eq!(job_number("123;big\n"), Some(123));
        assert_eq!(job_number("sbatch: hello\n124\n"), Some(124));
        assert_eq!(job_number("error"), None);
    }
}
