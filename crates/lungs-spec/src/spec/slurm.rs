//! `[slurm]`: resources of jobs on a Slurm cluster. They have no effect on results.

use super::Document;
use super::check::Checks;
use serde::{Deserialize, Serialize};

/// `[slurm]`
///
/// Options of jobs that `lungs run`, `lungs train`, `lungs sweep` and `lungs prepare` submit with
/// `--slurm`. An empty string or 0, the default of most keys, omits the option and uses the cluster's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slurm {
    /// Partition of training jobs.
    pub partition: String,
    /// Partition of jobs without a GPU, which prepare or compare. Empty is the same as `partition`.
    pub cpu_partition: String,
    /// Account that jobs are charged to.
    pub account: String,
    /// Time limit of a job in Slurm's format, such as `"12:00:00"` or `"2-00:00:00"`. At the limit, the job
    /// is requeued and continues.
    pub time: String,
    /// CPUs of a job, and its `runtime.threads` if that is 0.
    pub cpus: usize,
    /// Memory of a job, such as `"32G"`.
    pub mem: String,
    /// GPUs of a training job.
    pub gpus: usize,
    /// Seconds before the time limit at which Slurm signals a job to write a checkpoint, 1 to 65535. `time`
    /// must be at least twice as long.
    pub warning_seconds: usize,
    /// Number of jobs that share the preparation, at most 10000. With 0, a sweep prepares in one job, and a
    /// single run prepares in its own job.
    pub shards: usize,
    /// Largest number of tasks of a job array that run at once. 0 sets no limit.
    pub concurrent: usize,
    /// Shell commands that precede the program, such as `"module load cuda"`.
    pub setup: Vec<String>,
    /// Additional options of `sbatch`, such as `"--constraint=a100"`.
    pub extra: Vec<String>,
}

impl Default for Slurm {
    fn default() -> Self {
        Self {
            partition: String::new(),
            cpu_partition: String::new(),
            account: String::new(),
            time: String::new(),
            cpus: 0,
            mem: String::new(),
            gpus: 0,
            warning_seconds: 120,
            shards: 0,
            concurrent: 0,
            setup: Vec::new(),
            extra: Vec::new(),
        }
    }
}

impl Slurm {
    /// Whether every key has its default.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Checks {
    pub(super) fn slurm(&mut self, document: &Document) {
        let slurm = &document.slurm;
        let names = [
            ("partition", &slurm.partition),
            ("cpu_partition", &slurm.cpu_partition),
            ("account", &slurm.account),
            ("mem", &slurm.mem),
        ];
        for (key, text) in names {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,+@".contains(c);
            let expected = "letters, digits and `-`, `_`, `.`, `,`, `+`, `@`";
            self.need(text.chars().all(plain), &format!("slurm.{key}"), text, expected);
        }
        let seconds = time_seconds(&slurm.time);
        self.need(
            slurm.time.is_empty() || seconds.is_some(),
            "slurm.time",
            &slurm.time,
            "minutes, hours:minutes:seconds, or days-hours:minutes:seconds, such as \"1-12:00:00\"",
        );
        let warning = slurm.warning_seconds;
        // With a shorter limit, a job would be stopped and requeued at its start, without end.
        self.need(
            seconds.is_none_or(|seconds| seconds >= 2 * warning as u64),
            "slurm.time",
            &slurm.time,
            &format!("at least twice slurm.warning_seconds, which is {warning} s"),
        );
        for (key, lines) in [("setup", &slurm.setup), ("extra", &slurm.extra)] {
            let is_single_line = |line: &String| !line.contains(['\n', '\r']);
            let valid = lines.iter().all(is_single_line);
            self.need(
                valid,
                &format!("slurm.{key}"),
                lines,
                "one string per line, without line breaks",
            );
        }
        let options = slurm.extra.iter().all(|option| option.starts_with('-'));
        let expected = "options of sbatch that start with `-`, such as \"--constraint=a100\"";
        self.need(options, "slurm.extra", &slurm.extra, expected);
    }
}

/// The seconds of a time limit in Slurm's format; `None` if the text has another format.
fn time_seconds(text: &str) -> Option<u64> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u64>().ok()?), rest),
        None => (None, text),
    };
    let parts: Option<Vec<u64>> = rest.split(':').map(|part| part.parse().ok()).collect();
    let (hours, minutes, seconds) = match (days.is_some(), parts?.as_slice()) {
        (true, &[hours]) => (hours, 0, 0),
        (true, &[hours, minutes]) => (hours, minutes, 0),
        (false, &[minutes]) => (0, minutes, 0),
        (false, &[minutes, seconds]) => (0, minutes, seconds),
        (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
        _ => return None,
    };
    let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_have_the_formats_of_slurm() {
        // The forms and their meaning are those of the manual of sbatch, option --time.
        let cases = [
            ("90", Some(5_400)),
            ("90:30", Some(5_430)),
            ("12:00:00", Some(43_200)),
            ("2-00", Some(172_800)),
            ("1-12:30", Some(131_400)),
            ("1-12:00:05", Some(129_605)),
            ("", None),
            ("soon", None),
            ("1:2:3:4", None),
            ("-5", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(time_seconds(text), seconds, "{text}");
        }
    }
}
