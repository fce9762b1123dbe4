//! The stacks of a series: its slices by plane, and those of one plane by what their headers say
//! of them ([`super::marks`]).
//!
//! Slices of one plane may be an even stack and yet of several stacks that lie between each other
//! (two kernels, two energies) or behind each other. Stacks between each other are separated
//! where one of them is even on its own and shows what the others show. Stacks behind each other
//! are each a piece of the body: none stands for the whole, and the whole is no single scan.
//! A scanner that moves the table step by step counts AcquisitionNumber up within one stack, which
//! stays one.

use super::marks::{Group, MARKS, MAX_PARTS, Mark, Meaning, alike};
use super::plane::Plane;
use super::shares::StackShare;
use super::stacking::{Laid, distinct_places, lay, within};
use super::{Series, SeriesRefusal, StackRules};

/// As few slices as one in this many may differ from the others in a mark: a slip of the writer.
const SLIP: usize = 10;

/// Flag of a stack in which a few slices differ from the others in kernel, voltage, thickness,
/// type or time.
pub(super) const MIXED: &str = "mixed-headers";

/// Slices that were tried as a stack.
pub(super) struct Part {
    pub slices: Vec<usize>,
    pub laid: Result<Laid, SeriesRefusal>,
    /// What tells it from the other parts.
    pub label: String,
}

impl Part {
    pub fn new(series: &Series, slices: Vec<usize>, rules: StackRules, label: String) -> Self {
        let laid = lay(series, &slices, rules);
        Self { slices, laid, label }
    }

    /// Whether it is even and nothing in the headers says that two of its slices at one place are
    /// of different stacks.
    fn is_one_stack(&self, series: &Series) -> bool {
        let slice = |index: usize| &series.slices[index];
        self.laid.as_ref().is_ok_and(|laid| {
            laid.duplicates.iter().all(|&(kept, left_out)| alike(slice(kept), slice(left_out)))
        })
    }

    /// Slices of the stack, 0 where there is none.
    pub fn count(&self) -> usize {
        self.laid.as_ref().map_or(0, |laid| laid.slices.len())
    }
}

/// The stacks of the slices, by plane and then by marks.
///
/// # Errors
/// [`SeriesRefusal::TooManyStacks`].
pub(super) fn parts(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<Vec<Part>, SeriesRefusal> {
    let planes = by_plane(series, images)?;
    let parts =
        planes.into_iter().flat_map(|(slices, label)| by_marks(series, slices, rules, &label));
    Ok(parts.collect())
}

/// Images of one size, spacing and orientation each, with those in words.
fn by_plane(series: &Series, images: &[usize]) -> Result<Vec<(Vec<usize>, String)>, SeriesRefusal> {
    let mut planes: Vec<(usize, Plane, Vec<usize>)> = Vec::new();
    for &index in images {
        let slice = &series.slices[index];
        let same = planes
            .iter()
            .position(|(first, plane, _)| plane.check(&series.slices[*first], slice).is_ok());
        if let Some(same) = same {
            planes[same].2.push(index);
        } else if planes.len() == MAX_PARTS {
            return Err(SeriesRefusal::TooManyStacks { limit: MAX_PARTS });
        } else {
            planes.push((index, Plane::of(slice)?, vec![index]));
        }
    }
    let one = planes.len() == 1;
    let words = |plane: &Plane| {
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
    let label = |plane: &Plane| if one { String::new() } else { words(plane) };
    Ok(planes.into_iter().map(|(_, plane, members)| (members, label(&plane))).collect())
}

/// Parts slices of one plane by the first mark that leaves an even stack which shows what the
/// others show, and these parts by the next one; else they stay together.
fn by_marks(
    series: &Series,
    slices: Vec<usize>,
    rules: StackRules,
    plane_label: &str,
) -> Vec<Part> {
    let mut together = Part::new(series, slices, rules, plane_label.to_owned());
    let is_one_stack = together.is_one_stack(series);
    let first = together.slices.first().map(|&index| &series.slices[index]);
    let same_headers = first.is_some_and(|first| {
        together.slices.iter().all(|&index| {
            let slice = &series.slices[index];
            slice.marks == first.marks && slice.origin.description == first.origin.description
        })
    });
    if is_one_stack && same_headers {
        return vec![together];
    }
    let mut mixed = Vec::new();
    for mark in &MARKS {
        let Some(groups) = mark.groups(series, &together.slices) else { continue };
        let tried: Vec<Part> = groups
            .iter()
            .map(|group| {
                let label = [plane_label, &mark.label(&group.value)];
                let label = label.into_iter().filter(|text| !text.is_empty());
                let label = label.collect::<Vec<_>>().join(", ");
                Part::new(series, group.slices.clone(), rules, label)
            })
            .collect();
        if one_stands_for_all(series, &tried) {
            let parts = tried.into_iter();
            return parts
                .flat_map(|part| by_marks(series, part.slices, rules, &part.label))
                .collect();
        }
        if mark.meaning == Meaning::Differs {
            mixed.push((mark, groups));
        }
    }
    if is_one_stack {
        judge_mixture(&mut together, &mixed);
    }
    vec![together]
}

/// Refuses an even stack whose slices have several values of a mark, or flags it where a few slices
/// differ or say nothing.
fn judge_mixture(together: &mut Part, mixed: &[(&Mark, Vec<Group>)]) {
    let Ok(laid) = &mut together.laid else { return };
    match mixed.iter().find(|(_, groups)| !is_slip(groups) && !is_unknown_piece(groups)) {
        Some((mark, groups)) => {
            let share = |group: &Group| StackShare {
                label: mark.label(&group.value),
                slices: group.slices.len(),
            };
            let stacks = groups.iter().map(share).collect();
            together.laid = Err(SeriesRefusal::SeveralStacks { stacks });
        }
        None if mixed.is_empty() => {}
        None => laid.flags.push(MIXED.to_owned()),
    }
}

/// Whether the largest even stack among parts of one plane is no small part of the slices, and
/// shows at least half of what the others show once more.
fn one_stands_for_all(series: &Series, parts: &[Part]) -> bool {
    let even = parts.iter().filter(|part| part.is_one_stack(series));
    let Some(best) = even.max_by_key(|part| part.count()) else { return false };
    let others = parts.iter().filter(|part| !std::ptr::eq(*part, best));
    let others: Vec<usize> = others.flat_map(|part| part.slices.iter().copied()).collect();
    let most = parts.iter().map(|part| distinct_places(series, &part.slices)).max().unwrap_or(0);
    let (inside, all) = within(series, &best.slices, &others);
    2 * best.count() >= most && 2 * inside >= all
}

/// Whether all but a few slices have one value.
fn is_slip(groups: &[Group]) -> bool {
    let sizes = groups.iter().map(|group| group.slices.len());
    let (most, all) = (sizes.clone().max().unwrap_or(0), sizes.sum::<usize>());
    SLIP * (all - most) <= all
}

/// Whether slices say one value or none: part of the files may have lost it.
fn is_unknown_piece(groups: &[Group]) -> bool {
    groups.iter().filter(|group| !group.value.is_empty()).count() < 2
}
