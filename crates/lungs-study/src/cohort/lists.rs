//! `.list` files of the original package: one series per line, as path, space and label.

use lungs_base::files::WriteError;
use lungs_base::text::{self, TextError};
use std::path::{Path, PathBuf};

/// One line of a `.list` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Folder of the series, or a volume file. Relative paths start at the working directory.
    pub path: PathBuf,
    /// Label, 0 or 1.
    pub label: bool,
    /// Line of the list, from 1; 0 for an entry that is not read from a list.
    pub line: usize,
}

/// A `.list` file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read, or is not text.
    #[error("cannot read a list (data.train_list, data.valid_list or data.test_list): {0}")]
    Text(#[from] TextError),
    /// A line that is not a path and a label.
    #[error("{path}, line {line}: found \"{text}\", expected a path, a space, and 0 or 1")]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Text of the line.
        text: String,
    },
    /// The list has no entries.
    #[error("the list {path} is empty; expected lines with a path, a space, and 0 or 1")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a `.list` file. Paths may contain spaces: the label follows the last one.
pub fn read_list(path: &Path) -> Result<Vec<ListEntry>, ListError> {
    let text = text::read(path)?;
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut entry = parse(line.trim()).ok_or_else(|| ListError::BadLine {
            path: path.to_owned(),
            line: number + 1,
            text: line.to_owned(),
        })?;
        entry.line = number + 1;
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(ListError::Empty { path: path.to_owned() });
    }
    Ok(entries)
}

fn parse(line: &str) -> Option<ListEntry> {
    let (path, label) = line.rsplit_once(char::is_whitespace)?;
    let label = match label {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    Some(ListEntry { path: PathBuf::from(path.trim_end()), label, line: 0 })
}

/// Writes a `.list` file that [`read_list`] and the original package can read.
pub fn write_list(path: &Path, entries: &[ListEntry]) -> Result<(), WriteError> {
    let mut text = String::new();
    for entry in entries {
        text += &format!("{} {}\n", entry.path.display(), u8::from(entry.label));
    }
    lungs_base::files::write_bytes(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.list");
        let entries = vec![
            ListEntry { path: "a/b c/1.2.3".into(), label: true, line: 1 },
            ListEntry { path: "d".into(), label: false, line: 2 },
        ];
        write_list(&path, &entries).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a/b c/1.2.3 1\nd 0\n");
        assert_eq!(read_list(&path).unwrap(), entries);
    }

    #[test]
    fn an_invalid_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.list");
        std::fs::write(&path, "a 1\n\nb yes\n").unwrap();
        let message = read_list(&path).unwrap_err().to_string();
        assert!(message.ends_with("line 3: found \"b yes\", expected a path, a space, and 0 or 1"));
    }
}
