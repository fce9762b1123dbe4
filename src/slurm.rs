//! Batch scripts for Slurm: plain text from plain data, that a person can read, change and submit.
//!
//! ```text
//! #!/bin/bash
//! #SBATCH …             what the job asks for: `[slurm]` of the spec
//! setup                 lines of the spec
//! lungs … &             the program, and a trap that passes Slurm's warning on to it
//! exit code 75 ──────▶  scontrol requeue: the same job continues
//! ```
//!
//! Nothing here runs anything (`cli/slurm.rs` does). Slurm warns the script by SIGUSR1 before the
//! time is up; `lungs` keeps what it has and ends with 75; the job goes back into the queue under
//! its number, so that jobs which depend on it wait for its real end. A job of a lost node is put
//! back by Slurm itself. Either way the same command runs again, and continues.

use crate::spec::Slurm;
use std::path::{Path, PathBuf};

/// A job, or an array of them.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it is, in a sentence for who opens the script.
    pub about: String,
    /// Its name in the queue.
    pub name: String,
    /// Where the command is run.
    pub folder: PathBuf,
    /// Where the script is kept, with what its jobs print in `<stem>-<job>.log` beside it.
    pub script: PathBuf,
    /// Numbers of the tasks of an array; none for a single job.
    pub tasks: Vec<usize>,
    /// Whether it trains: on a GPU, where the spec asks for one.
    pub trains: bool,
    /// The program and its arguments; [`TASK`] in one stands for the number of the task.
    pub command: Vec<String>,
}

/// Stands for the number of the task in a command.
pub const TASK: &str = "{task}";

impl Job {
    /// The same job, which trains.
    #[must_use]
    pub fn training(self) -> Self {
        Self { trains: true, ..self }
    }

    /// The script of the job.
    pub fn script(&self, wanted: &Slurm) -> String {
        let script = shell(&path(&self.script));
        let about = self.about.replace('\n', "\n# ");
        let options: String =
            self.options(wanted).iter().map(|option| format!("#SBATCH {option}\n")).collect();
        let setup: String = wanted.setup.iter().map(|line| format!("{line}\n")).collect();
        let setup = if setup.is_empty() { setup } else { format!("{setup}\n") };
        let seconds = wanted.warning_seconds;
        let command: Vec<String> = self.command.iter().map(|part| task_or(part)).collect();
        let command = command.join(" ");
        let (job, task) = if self.tasks.is_empty() {
            ("$SLURM_JOB_ID", "")
        } else {
            ("${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID", "--array=\"$SLURM_ARRAY_TASK_ID\" ")
        };
        format!(
            r#"#!/bin/bash
# {about}
# To submit it again, at any time: sbatch {script}
{options}
# Slurm warns this script {seconds} s before its time is up (SIGUSR1), and the script the program,
# which keeps what it has and ends with 75. The job then goes back into the queue, and continues.
again() {{
    scontrol requeue "{job}" || sbatch {task}{script}
    exit 75
}}
warned= program=
trap 'warned=yes; [ -z "$program" ] && again; kill -USR1 "$program" 2>/dev/null' USR1

{setup}{command} &
program=$!
wait "$program"
code=$?
if [ -n "$warned" ]; then # the warning has ended the waiting, and not yet the program
    wait "$program"
    code=$?
fi
case $code in
    75 | 138) again ;; # 138: warned before the program listened
esac
exit "$code"
"#
        )
    }

    /// What `sbatch` is asked for.
    fn options(&self, wanted: &Slurm) -> Vec<String> {
        let stem = self.script.with_extension("");
        let number = if self.tasks.is_empty() { "%j" } else { "%A_%a" };
        let log = format!("{}-{number}.log", path(&stem).replace('%', "%%"));
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--chdir={}", quoted(&path(&self.folder))),
            format!("--output={}", quoted(&log)),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            format!("--signal=B:USR1@{}", wanted.warning_seconds),
        ];
        if !self.tasks.is_empty() {
            let limit = match wanted.concurrent {
                0 => String::new(),
                most => format!("%{most}"),
            };
            options.push(format!("--array={}{limit}", ranges(&self.tasks)));
        }
        let partition = if self.trains || wanted.cpu_partition.is_empty() {
            &wanted.partition
        } else {
            &wanted.cpu_partition
        };
        let texts = [
            ("partition", partition),
            ("account", &wanted.account),
            ("time", &wanted.time),
            ("mem", &wanted.mem),
        ];
        let told = texts.iter().filter(|(_, text)| !text.is_empty());
        options.extend(told.map(|(option, text)| format!("--{option}={text}")));
        if wanted.cpus > 0 {
            options.push(format!("--cpus-per-task={}", wanted.cpus));
        }
        if wanted.gpus > 0 && self.trains {
            options.push(format!("--gres=gpu:{}", wanted.gpus));
        }
        options.extend(wanted.extra.iter().cloned());
        options
    }
}

/// `1-4,7` of rising numbers.
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let told = runs.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    told.collect::<Vec<_>>().join(",")
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// An argument of the command, with the number of the task put in by the shell.
fn task_or(argument: &str) -> String {
    match argument.split_once(TASK) {
        None => shell(argument),
        Some((before, after)) => format!("\"{before}$SLURM_ARRAY_TASK_ID{after}\""),
    }
}

/// A text as one word of a shell.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A value in a line of `#SBATCH`.
fn quoted(text: &str) -> String {
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

/// The number of the job in what `sbatch --parsable` prints: `123`, or `123;cluster`.
pub fn job_number(printed: &str) -> Option<u64> {
    printed.lines().rev().find_map(|line| line.split(';').next()?.trim().parse().ok())
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
    fn a_script_asks_for_what_the_spec_says_and_nothing_else() {
        let wanted = Slurm {
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
        insta::assert_snapshot!("run-script", job(&[]).script(&wanted));
        insta::assert_snapshot!("array-script", job(&[1, 2, 3, 7, 9, 10]).script(&wanted));
        let plain = job(&[]).script(&Slurm::default());
        for option in ["partition", "account", "time", "mem", "cpus", "gres"] {
            assert!(!plain.contains(&format!("#SBATCH --{option}")), "{option}");
        }
    }

    #[test]
    fn words_stay_words_in_a_shell() {
        assert_eq!(shell("train.epochs=10"), "train.epochs=10");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("$(rm)"), "'$(rm)'");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn job_numbers_are_read_with_and_without_a_cluster() {
        assert_eq!(job_number("123\n"), Some(123));
        assert_eq!(job_number("123;big\n"), Some(123));
        assert_eq!(job_number("sbatch: hello\n124\n"), Some(124));
        assert_eq!(job_number("error"), None);
    }
}
