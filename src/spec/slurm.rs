//! `[slurm]`: what a job of a Slurm cluster asks for. Plays no part in results.

use super::Document;
use super::check::Checks;
use serde::{Deserialize, Serialize};

/// `[slurm]`: for `--slurm` of `lungs run`, `lungs train`, `lungs sweep` and `lungs prepare`.
/// Empty text and 0 leave the choice to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slurm {
    /// Partition of jobs that train.
    pub partition: String,
    /// Partition of jobs that need no GPU, preparation and comparison; empty takes `partition`.
    pub cpu_partition: String,
    /// Account that is charged.
    pub account: String,
    /// Longest time of a job as Slurm has it, `"12:00:00"` or `"2-00:00:00"`.
    pub time: String,
    /// Processors of a job.
    pub cpus: usize,
    /// Memory of a job, `"32G"`.
    pub mem: String,
    /// GPUs of a job that trains.
    pub gpus: usize,
    /// Seconds before the end of its time at which a job is told to keep what it has.
    pub warning_seconds: usize,
    /// Jobs among which preparation is shared; 0 is one, and none of its own before a single run.
    pub shards: usize,
    /// Most jobs of an array at once; 0 sets no limit.
    pub concurrent: usize,
    /// Lines of shell before the program, such as `"module load cuda"`.
    pub setup: Vec<String>,
    /// Further options of `sbatch`, such as `"--constraint=a100"`.
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
    /// Whether a spec says nothing of Slurm.
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
            let expected = "letters, digits, `-`, `_`, `.` and `,`, as sbatch takes it";
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
        self.need(
            (1..=65_535).contains(&warning),
            "slurm.warning_seconds",
            warning,
            "1 to 65535 seconds",
        );
        // Else a job would be stopped as soon as it begins, and begin again, for ever.
        self.need(
            seconds.is_none_or(|seconds| seconds >= 2 * warning as u64),
            "slurm.time",
            &slurm.time,
            &format!("at least twice slurm.warning_seconds, which is {warning} s"),
        );
        self.need(slurm.shards <= 10_000, "slurm.shards", slurm.shards, "at most 10000");
        for (key, lines) in [("setup", &slurm.setup), ("extra", &slurm.extra)] {
            let one = |line: &String| !line.contains(['\n', '\r']);
            let whole = lines.iter().all(one);
            self.need(whole, &format!("slurm.{key}"), lines, "a text for each line");
        }
        let options = slurm.extra.iter().all(|option| option.starts_with('-'));
        let expected = "options of sbatch, such as \"--constraint=a100\"";
        self.need(options, "slurm.extra", &slurm.extra, expected);
    }
}

/// The seconds of a time as Slurm reads it; `None` for what is not one, or has no end.
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
    fn times_are_read_as_slurm_reads_them() {
        // The forms and their meaning are those of the manual of sbatch, option --time.
        let told = [
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
        for (text, seconds) in told {
            assert_eq!(time_seconds(text), seconds, "{text}");
        }
    }
}
