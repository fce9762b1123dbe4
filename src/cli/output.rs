//! What is printed, and how much of it.

use std::io::Write;

/// Owns standard output. A closed pipe (`| head`) stops nothing.
pub(super) struct Output {
    quiet: bool,
    verbose: bool,
}

impl Output {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// The answer to the request: printed always.
    pub fn answer(&self, text: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// What is going on: printed unless quiet.
    pub fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Detail: printed when asked for.
    pub fn detail(&self, text: impl std::fmt::Display) {
        if self.verbose {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// Lines up cells in columns, two blanks between them; the last column is not padded.
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

/// `1.4 GB`, decimal, as disks are sold.
pub(super) fn bytes(count: f64) -> String {
    match count {
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b if b < 1e12 => format!("{:.1} GB", b / 1e9),
        b => format!("{:.2} TB", b / 1e12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "long".into()], vec!["bcd".into(), "e".into()]];
        assert_eq!(columns(&rows), "a    long\nbcd  e");
    }

    #[test]
    fn quantities_read_well() {
        assert_eq!(duration(4.23), "4.2 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 05 min");
        assert_eq!(bytes(1.44e9), "1.4 GB");
        assert_eq!(bytes(22_478_848.0), "22 MB");
    }
}
