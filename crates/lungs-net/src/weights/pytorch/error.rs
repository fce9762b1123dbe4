//! Errors of PyTorch files.

/// The fault of a file; the caller adds the path.
#[derive(Debug, PartialEq)]
pub(super) enum FormatError {
    Damaged(String),
    Unsupported(String),
}

impl From<String> for FormatError {
    fn from(message: String) -> Self {
        Self::Damaged(message)
    }
}
