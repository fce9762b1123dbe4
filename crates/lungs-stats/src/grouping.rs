//! Groups of exams by the values of a column, or by their probabilities.

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

/// Minimum number of exams in a group of [`equal_count_groups`].
pub(super) const MIN_EXAMS_IN_GROUP: usize = 10;

/// At most `count` groups of equal numbers of exams in the order of their probabilities, each in that order. A
/// group has at least ten exams, unless there are fewer in total; exams with equal probabilities are in the
/// same group.
///
/// # Panics
/// When `count` is zero.
pub(super) fn equal_count_groups(probabilities: &[f64], count: usize) -> Vec<Vec<usize>> {
    assert!(count > 0, "there is at least one group");
    let total = probabilities.len();
    let mut order: Vec<usize> = (0..total).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut assigned = 0;
    for ties in order.chunk_by(|&a, &b| probabilities[a] == probabilities[b]) {
        // A new group begins when the previous groups have their share of the exams.
        let is_full = assigned * count >= groups.len() * total;
        match groups.last_mut() {
            Some(last) if !is_full || last.len() < MIN_EXAMS_IN_GROUP => last.extend(ties),
            _ => groups.push(ties.to_vec()),
        }
        assigned += ties.len();
    }
    if groups.len() > 1 && groups.last().is_some_and(|last| last.len() < MIN_EXAMS_IN_GROUP) {
        let rest = groups.pop().unwrap_or_default();
        groups.last_mut().into_iter().for_each(|last| last.extend(&rest));
    }
    groups
}
