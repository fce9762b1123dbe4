//! Divides a series into stacks: by plane, and within one plane by header values
//! ([`super::marks`]).
//!
//! Slices of one plane may be evenly spaced and still belong to several stacks, interleaved (two
//! kernels, two energies) or consecutive. Interleaved stacks are separated if one of them is even
//! and covers the others. Consecutive stacks each show a part of the body: none stands for the
//! series, and together they are not one scan. A scanner that moves the table in steps increments
//! AcquisitionNumber within one stack, which is not divided.

use crate::codes::Flag;

use super::marks::{Group, MARKS, MAX_STACKS, Mark, MarkKind, same_stack};
use super::plane::Plane;
use super::shares::StackSummary;
use super::stacking::{EvenStack, count_within, distinct_positions, even_stack};
use super::{Series, SeriesRefusal, StackRules};

/// At most one in this many slices may differ from the others in a mark: an error of the writer.
const OUTLIER_RATIO: usize = 10;

/// Slices that may be a stack.
pub(super) struct Candidate {
    pub slices: Vec<usize>,
    pub stack: Result<EvenStack, SeriesRefusal>,
    /// Header values that distinguish it from the other candidates.
    pub label: String,
}

impl Candidate {
    pub(super) fn new(
        series: &Series,
        slices: Vec<usize>,
        rules: StackRules,
        label: String,
    ) -> Self {
        let stack = even_stack(series, &slices, rules);
        Self { slices, stack, label }
    }

    /// Whether it is even and no header value assigns two of its slices at one position to different
    /// stacks.
    fn is_one_stack(&self, series: &Series) -> bool {
        let slice = |index: usize| &series.slices[index];
        self.stack.as_ref().is_ok_and(|stack| {
            stack
                .duplicates
                .iter()
                .all(|&(kept, excluded)| same_stack(slice(kept), slice(excluded)))
        })
    }

    /// Number of slices of the stack, 0 without a stack.
    pub(super) fn count(&self) -> usize {
        self.stack.as_ref().map_or(0, |stack| stack.slices.len())
    }
}

/// Divides slices into candidate stacks, by plane and then by marks.
///
/// # Errors
/// [`SeriesRefusal::TooManyStacks`].
pub(super) fn candidates(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<Vec<Candidate>, SeriesRefusal> {
    let planes = group_by_plane(series, images)?;
    let candidates = planes
        .into_iter()
        .flat_map(|(slices, label)| divide_by_marks(series, slices, rules, &label));
    Ok(candidates.collect())
}

/// Groups images by size, spacing and orientation, with a description of each group.
fn group_by_plane(
    series: &Series,
    images: &[usize],
) -> Result<Vec<(Vec<usize>, String)>, SeriesRefusal> {
    let mut planes: Vec<(usize, Plane, Vec<usize>)> = Vec::new();
    for &index in images {
        let slice = &series.slices[index];
        let same = planes
            .iter()
            .position(|(first, plane, _)| plane.check(&series.slices[*first], slice).is_ok());
        if let Some(same) = same {
            planes[same].2.push(index);
        } else if planes.len() == MAX_STACKS {
            return Err(SeriesRefusal::TooManyStacks { limit: MAX_STACKS });
        } else {
            planes.push((index, Plane::of(slice)?, vec![index]));
        }
    }
    let is_only_plane = planes.len() == 1;
    let describe = |plane: &Plane| {
        format!(
            "{} × {} pixels of {} × {} mm along {:.2?} and {:.2?}",
            plane.rows,
            plane.columns,
            plane.spacing_mm[0],
            plane.spacing_mm[1],
            plane.along_row,
            plane.along_column
        )
    };
    let label = |plane: &Plane| if is_only_plane { String::new() } else { describe(plane) };
    Ok(planes.into_iter().map(|(_, plane, members)| (members, label(&plane))).collect())
}

/// Divides slices of one plane by the first mark that gives an even stack which covers the others,
/// and the results by the next mark; without such a mark they stay together.
fn divide_by_marks(
    series: &Series,
    slices: Vec<usize>,
    rules: StackRules,
    plane_label: &str,
) -> Vec<Candidate> {
    let mut undivided = Candidate::new(series, slices, rules, plane_label.to_owned());
    let is_one_stack = undivided.is_one_stack(series);
    let first = undivided.slices.first().map(|&index| &series.slices[index]);
    let same_headers = first.is_some_and(|first| {
        undivided.slices.iter().all(|&index| {
            let slice = &series.slices[index];
            slice.marks == first.marks && slice.origin.description == first.origin.description
        })
    });
    if is_one_stack && same_headers {
        return vec![undivided];
    }
    let mut mixed = Vec::new();
    for mark in &MARKS {
        let Some(groups) = mark.groups(series, &undivided.slices) else { continue };
        let divided: Vec<Candidate> = groups
            .iter()
            .map(|group| {
                let label = [plane_label, &mark.label(&group.value)];
                let label = label.into_iter().filter(|text| !text.is_empty());
                let label = label.collect::<Vec<_>>().join(", ");
                Candidate::new(series, group.slices.clone(), rules, label)
            })
            .collect();
        if one_stands_for_all(series, &divided) {
            return divided
                .into_iter()
                .flat_map(|candidate| {
                    divide_by_marks(series, candidate.slices, rules, &candidate.label)
                })
                .collect();
        }
        if mark.kind == MarkKind::Constant {
            mixed.push((mark, groups));
        }
    }
    if is_one_stack {
        check_mixture(&mut undivided, &mixed);
    }
    vec![undivided]
}

/// Refuses an even stack whose slices have several values of a mark, or flags it if only a few slices
/// differ or lack a value.
fn check_mixture(undivided: &mut Candidate, mixed: &[(&Mark, Vec<Group>)]) {
    let Ok(stack) = &mut undivided.stack else { return };
    match mixed.iter().find(|(_, groups)| !has_few_outliers(groups) && !has_one_known_value(groups))
    {
        Some((mark, groups)) => {
            let summary = |group: &Group| StackSummary {
                label: mark.label(&group.value),
                slices: group.slices.len(),
            };
            let stacks = groups.iter().map(summary).collect();
            undivided.stack = Err(SeriesRefusal::SeveralStacks { stacks });
        }
        None if mixed.is_empty() => {}
        None => stack.flags.push(Flag::MixedHeaders),
    }
}

/// Whether the largest even stack among candidates of one plane has at least half as many slices as
/// the largest candidate, and covers at least half of the other slices.
fn one_stands_for_all(series: &Series, candidates: &[Candidate]) -> bool {
    let even = candidates.iter().filter(|candidate| candidate.is_one_stack(series));
    let Some(best) = even.max_by_key(|candidate| candidate.count()) else { return false };
    let others = candidates.iter().filter(|candidate| !std::ptr::eq(*candidate, best));
    let others: Vec<usize> =
        others.flat_map(|candidate| candidate.slices.iter().copied()).collect();
    let most = candidates
        .iter()
        .map(|candidate| distinct_positions(series, &candidate.slices))
        .max()
        .unwrap_or(0);
    let (inside, all) = count_within(series, &best.slices, &others);
    2 * best.count() >= most && 2 * inside >= all
}

/// Whether all but a few slices have the same value.
fn has_few_outliers(groups: &[Group]) -> bool {
    let sizes = groups.iter().map(|group| group.slices.len());
    let (most, all) = (sizes.clone().max().unwrap_or(0), sizes.sum::<usize>());
    OUTLIER_RATIO * (all - most) <= all
}

/// Whether slices have one value or none: some files may have lost it.
fn has_one_known_value(groups: &[Group]) -> bool {
    groups.iter().filter(|group| !group.value.is_empty()).count() < 2
}
