//! Selects the images of a series that make its volume. Scanners put scout views, dose pages and
//! several stacks (kernels, phases, acquisitions, planes) under one SeriesInstanceUID.
//!
//! A regular series has slices of one patient and one exam in one even stack with equal headers.
//! Other series are divided by plane and by header values ([`super::parts`]), and the largest even
//! stack is used if it stands for the series: it has a large share of the slices, and at least half
//! of the excluded parallel images show the same region of the body, or nearly none are excluded. So
//! a scan whose gaps or pixels change is not reduced to its longest even section. All excluded images
//! are listed with their reason.

use lungs_base::text::counted;
use std::collections::BTreeMap;

use crate::codes::{Exclusion, ExclusionCode, Flag};
use crate::volume::Geometry;

use super::parts::{Candidate, candidates};
use super::shares::StackSummary;
use super::stacking::{
    EvenStack, count_within, distinct_positions, even_stack, length_beyond_mm, select_parallel,
};
use super::{Content, Origin, Series, SeriesRefusal, Shear, StackRules, Turn, origin};

/// An accepted series: which slices, in which order, and the volume they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Indices into [`Series::slices`] in stacking order.
    pub slices: Vec<usize>,
    /// Pairs (kept, excluded) of slices at one position; their pixels must be equal.
    pub duplicates: Vec<(usize, usize)>,
    /// Images of the series that are not in the stack, with the reason.
    pub excluded: Vec<ExcludedSlices>,
    /// Patient, exam and series of the slices of the stack.
    pub origin: Origin,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub columns: usize,
    /// The shear that moves the stacked `[slice, row, column]` onto an untilted grid.
    pub shear: Option<Shear>,
    /// From stacked (and untilted) `[slice, row, column]` to canonical `[depth, height, width]`.
    pub turn: Turn,
    /// Position of the canonical volume in the patient.
    pub geometry: Geometry,
    /// Peculiarities that do not exclude the series.
    pub flags: Vec<Flag>,
}

impl Stack {
    /// Distance between neighbouring slices, whichever axis of the volume they are stacked along.
    pub fn slice_spacing_mm(&self) -> f64 {
        let axis = self.turn.from.iter().position(|&axis| axis == 0).unwrap_or(0);
        self.geometry.spacing_mm[axis]
    }
}

/// Images of a series that are not in its volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ExcludedSlices {
    /// Indices into [`Series::slices`].
    pub slices: Vec<usize>,
    /// Why they are not in the volume.
    pub exclusion: Exclusion,
}

/// [`stack_by`] with the default rules.
///
/// # Errors
/// As [`stack_by`].
pub fn stack(series: &Series) -> Result<Stack, SeriesRefusal> {
    stack_by(series, StackRules::default())
}

/// Orders the slices of a CT series and finds the volume's geometry, from headers alone.
///
/// # Errors
/// A [`SeriesRefusal`] with the value found and the limit if neither the slices nor a large share of
/// them are one even stack of equal images.
pub(crate) fn stack_by(series: &Series, rules: StackRules) -> Result<Stack, SeriesRefusal> {
    let BodySlices { images, mut excluded, mut flags } = slices_of_the_body(series)?;
    origin::check(series, &images)?;
    let (stack, other_stacks, stack_count) = choose(series, &images, rules)?;
    if stack_count > 1 {
        flags.push(Flag::OneOfStacks(stack_count));
    }
    flags.extend(stack.flags);
    excluded.extend(other_stacks);
    Ok(Stack {
        origin: series.origin_of(&stack.slices),
        slices: stack.slices,
        duplicates: stack.duplicates,
        excluded,
        rows: stack.rows,
        columns: stack.columns,
        shear: stack.shear,
        turn: stack.turn,
        geometry: stack.geometry,
        flags,
    })
}

/// The images that show slices of the body, and the other images by content.
struct BodySlices {
    images: Vec<usize>,
    excluded: Vec<ExcludedSlices>,
    flags: Vec<Flag>,
}

/// The code and the reason of images that are not slices of the body, and the flag of their series; `None` for slices.
fn exclusion_of(content: &Content) -> Option<(ExclusionCode, Flag, String)> {
    let (code, flag, description) = match content {
        Content::Slice => return None,
        Content::Localizer => (
            ExclusionCode::Localizers,
            Flag::LocalizersLeftOut,
            "ImageType (0008,0008) contains LOCALIZER",
        ),
        Content::DosePage => (
            ExclusionCode::DosePages,
            Flag::DosePagesLeftOut,
            "ImageType (0008,0008) contains DOSE",
        ),
        Content::ScreenSave => (
            ExclusionCode::ScreenSaves,
            Flag::ScreenSavesLeftOut,
            "ImageType (0008,0008) contains SCREEN SAVE",
        ),
        Content::Projection => (
            ExclusionCode::Projections,
            Flag::ProjectionsLeftOut,
            "ImageType (0008,0008) contains MIP, MINIP or PROJECTION IMAGE",
        ),
        Content::SecondaryCapture => (
            ExclusionCode::SecondaryCaptures,
            Flag::SecondaryCapturesLeftOut,
            "SOPClassUID (0008,0016) is Secondary Capture",
        ),
        Content::Colour => (
            ExclusionCode::ColourImages,
            Flag::ColourImagesLeftOut,
            "SamplesPerPixel (0028,0002) or PhotometricInterpretation (0028,0004) indicates colour",
        ),
        Content::OtherModality(modality) => {
            let description = format!("Modality (0008,0060) is {modality:?}, expected \"CT\"");
            return Some((
                ExclusionCode::OtherModalities,
                Flag::OtherModalitiesLeftOut,
                description,
            ));
        }
    };
    Some((code, flag, description.to_owned()))
}

/// Divides the images of a series by content.
///
/// # Errors
/// No image shows a slice of the body.
fn slices_of_the_body(series: &Series) -> Result<BodySlices, SeriesRefusal> {
    let mut kinds: BTreeMap<&Content, Vec<usize>> = BTreeMap::new();
    for (index, slice) in series.slices.iter().enumerate() {
        kinds.entry(&slice.content).or_default().push(index);
    }
    let images = kinds.remove(&Content::Slice).unwrap_or_default();
    let (mut excluded, mut flags) = (Vec::new(), Vec::new());
    for (content, slices) in kinds {
        let Some((code, flag, description)) = exclusion_of(content) else { continue };
        let reason = format!("{}: {description}", counted(slices.len(), "image", "images"));
        excluded.push(ExcludedSlices { exclusion: Exclusion { code, reason }, slices });
        flags.push(flag);
    }
    if !images.is_empty() {
        return Ok(BodySlices { images, excluded, flags });
    }
    let modality = |index: usize| match &series.slices[index].content {
        Content::OtherModality(modality) => Some(modality.clone()),
        _ => None,
    };
    let total = series.slices.len();
    Err(match excluded.as_slice() {
        [group] if group.exclusion.code == ExclusionCode::Localizers => {
            SeriesRefusal::Localizer { images: total }
        }
        groups
            if groups
                .iter()
                .all(|group| group.exclusion.code == ExclusionCode::OtherModalities) =>
        {
            let found = groups.first().and_then(|group| modality(*group.slices.first()?));
            SeriesRefusal::NotCt { found: found.unwrap_or_else(|| series.origin().modality) }
        }
        groups => SeriesRefusal::NoSlices {
            images: total,
            kinds: groups
                .iter()
                .map(|group| group.exclusion.reason.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        },
    })
}

/// At most one in this many slices, and this share of the length, may lie beyond the stack in use.
const REST_RATIO: usize = 10;

/// The stack to use, the stacks that are excluded, and the number of all stacks.
fn choose(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<(EvenStack, Vec<ExcludedSlices>, usize), SeriesRefusal> {
    let mut candidates = candidates(series, images, rules)?;
    if let [_] = candidates.as_slice() {
        let candidate = candidates.remove(0);
        return candidate.stack.map(|stack| (stack, Vec::new(), 1));
    }
    // Most slices, then longest, then earliest acquisition; remaining ties by UID.
    let rank = |candidate: &Candidate| {
        let first = candidate.slices.iter().map(|&index| &series.slices[index]);
        let acquisition = first.clone().filter_map(|slice| slice.marks.acquisition).min();
        let name = first.map(|slice| (&slice.instance_uid, slice.frame)).min();
        (acquisition.unwrap_or(i64::MAX), name.map(|(uid, frame)| (uid.clone(), frame)))
    };
    let best = candidates
        .iter()
        .enumerate()
        .filter_map(|(index, candidate)| Some((index, candidate, candidate.stack.as_ref().ok()?)))
        .max_by(|(_, a, a_stack), (_, b, b_stack)| {
            (a.count().cmp(&b.count()))
                .then_with(|| a_stack.length_mm.total_cmp(&b_stack.length_mm))
                .then_with(|| rank(b).cmp(&rank(a)))
        })
        .map(|(index, ..)| index);
    let Some(best) = best.filter(|&best| stands_for_all(series, &candidates, best)) else {
        // The error of all slices together is the reason, unless together they are even.
        let all = even_stack(series, images, rules);
        return Err(all.err().unwrap_or_else(|| several_stacks(&candidates)));
    };
    let total = candidates.len();
    let chosen = candidates.remove(best);
    let count = chosen.count();
    let excluded = candidates.into_iter().map(|candidate| {
        let label = &candidate.label;
        let reason = match &candidate.stack {
            Ok(stack) => format!(
                "a stack of {} with {label}; the stack of {} with {} is used",
                counted(stack.slices.len(), "slice", "slices"),
                counted(count, "slice", "slices"),
                chosen.label
            ),
            Err(refusal) => {
                let images = counted(candidate.slices.len(), "image", "images");
                format!("{images} with {label}: {refusal}")
            }
        };
        let exclusion = Exclusion { code: ExclusionCode::OtherStack, reason };
        ExcludedSlices { slices: candidate.slices, exclusion }
    });
    let excluded = excluded.collect();
    chosen.stack.map(|stack| (stack, excluded, total))
}

/// Whether the candidate at `best` stands for all parallel slices: it has at least half as many slices
/// as the largest group of them, and covers at least half of the others, or nearly none lie beyond it.
fn stands_for_all(series: &Series, candidates: &[Candidate], best: usize) -> bool {
    let chosen = &candidates[best];
    let rest = candidates.iter().enumerate().filter(|(index, _)| *index != best);
    let rest: Vec<Vec<usize>> = rest
        .map(|(_, candidate)| select_parallel(series, &chosen.slices, &candidate.slices))
        .collect();
    let most = rest.iter().map(|slices| distinct_positions(series, slices)).max().unwrap_or(0);
    let others = rest.concat();
    let (inside, all) = count_within(series, &chosen.slices, &others);
    let length_mm = chosen.stack.as_ref().map_or(0.0, |stack| stack.length_mm);
    let beyond_mm = length_beyond_mm(series, &chosen.slices, &others);
    let small_rest =
        REST_RATIO * (all - inside) <= chosen.count() && REST_RATIO as f64 * beyond_mm <= length_mm;
    2 * chosen.count() >= most && (2 * inside >= all || small_rest)
}

/// The refusal of candidates none of which stands for the others.
fn several_stacks(candidates: &[Candidate]) -> SeriesRefusal {
    let summary = |candidate: &Candidate| StackSummary {
        label: candidate.label.clone(),
        slices: candidate.slices.len(),
    };
    SeriesRefusal::SeveralStacks { stacks: candidates.iter().map(summary).collect() }
}
