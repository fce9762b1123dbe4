//! Groups of exams by the values of a column.

/// The groups of a column and the group of each exam.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// Name of the column.
    pub by: String,
    /// Names of the groups, in the order of the output.
    pub groups: Vec<String>,
    /// For each exam, the index of its group in `groups`; `None` when it is unknown.
    pub of: Vec<Option<usize>>,
}
