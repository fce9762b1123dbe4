//! Standard output, tables, and texts for quantities.

use lungs_net::usage::{GpuUsage, Usage};
use lungs_spec::spec::Spec;
use std::io::Write;

/// Writes to standard output. Ignores a closed pipe (`| head`).
pub(super) struct Output {
    quiet: bool,
    verbose: bool,
}

impl Output {
    pub(super) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// Prints the result of the command, also with `--quiet`.
    pub(super) fn answer(&self, text: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Prints a message, unless `--quiet` is set.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Prints a detail if `--verbose` is set.
    pub(super) fn detail(&self, text: impl std::fmt::Display) {
        if self.verbose {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Reports former names of keys on standard error, unless `--quiet` is set.
    pub(super) fn report_renamed_keys(&self, spec: &Spec) {
        if !self.quiet {
            for key in spec.renamed_keys() {
                let _ = writeln!(std::io::stderr(), "note: {key}");
            }
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }
}

/// Aligns cells in columns separated by two spaces, without trailing spaces.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0))
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `2 h 05 min`, `3 min 20 s`, `4.2 s`.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {:02} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {:02} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// `1.4 GB`, in decimal units.
pub(super) fn bytes(count: f64) -> String {
    match count {
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b if b < 1e12 => format!("{:.1} GB", b / 1e9),
        b => format!("{:.2} TB", b / 1e12),
    }
}

/// `1.4 GB  GPU 41.2 GB of 85.0 GB, 97 %`. Several GPUs are numbered from 0.
pub(super) fn usage_text(usage: &Usage) -> String {
    let several = usage.gpus.len() > 1;
    let memory = usage.memory_bytes.map(|memory| bytes(memory as f64));
    let gpus = usage.gpus.iter().enumerate().map(|(index, gpu)| {
        let name = if several { format!("GPU {index}") } else { "GPU".into() };
        format!("{name} {}", gpu_usage_text(gpu))
    });
    memory.into_iter().chain(gpus).collect::<Vec<_>>().join("  ")
}

/// `41.2 GB of 85.0 GB, 97 %`
pub(super) fn gpu_usage_text(gpu: &GpuUsage) -> String {
    let [used, total] = [gpu.memory_bytes, gpu.memory_total_bytes].map(|count| bytes(count as f64));
    let busy = gpu.busy_percent.map_or(String::new(), |percent| format!(", {percent} %"));
    format!("{used} of {total}{busy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "long".into()], vec!["bcd".into(), "e".into()]];
        assert_eq!(columns(&rows), "a    long\nbcd  e");
    }

    #[test]
    fn quantities_have_readable_units() {
        assert_eq!(duration(4.23), "4.2 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 05 min");
        assert_eq!(bytes(1.44e9), "1.4 GB");
        assert_eq!(bytes(22_478_848.0), "22 MB");
    }

    #[test]
    fn usage_text_contains_only_known_values() {
        assert_eq!(usage_text(&Usage::default()), "");
        let gpu = GpuUsage {
            memory_bytes: 41_200_000_000,
            memory_total_bytes: 85_000_000_000,
            busy_percent: Some(97),
        };
        let mut usage = Usage { memory_bytes: Some(1_440_000_000), gpus: vec![gpu] };
        assert_eq!(usage_text(&usage), "1.4 GB  GPU 41.2 GB of 85.0 GB, 97 %");
        usage.gpus.push(GpuUsage { busy_percent: None, ..gpu });
        usage.memory_bytes = None;
        assert_eq!(usage_text(&usage), "GPU 0 41.2 GB of 85.0 GB, 97 %  GPU 1 41.2 GB of 85.0 GB");
    }
}
