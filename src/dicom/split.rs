//! Which images of a series make its volume. Scanners put scout views, dose pages and several
//! stacks (kernels, phases, acquisitions, planes) under one SeriesInstanceUID.
//!
//! All slices of one patient and one exam as one even stack of equal headers is what a series
//! should be. When they are not, they are parted by plane and by what their headers say of them
//! ([`super::parts`]), and the largest even part is taken if it stands for the whole: it is no
//! small part of the slices, and at least half of the parallel images left out show the same
//! stretch of the body once more, or nearly none are left out. So a scan whose gaps or pixels
//! change on the way is not cut to its longest even piece. Everything left out is listed with its
//! reason.

use std::collections::BTreeMap;

use crate::volume::Geometry;

use super::parts::{Part, parts};
use super::shares::StackShare;
use super::stacking::{Laid, distinct_places, lay, parallel, stretch_beyond, within};
use super::{Content, Origin, Series, SeriesRefusal, Shear, StackRules, Turn, origin};

/// An accepted series: which slices, in which order, and the volume they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Indices into [`Series::slices`] in the order in which they are stacked.
    pub slices: Vec<usize>,
    /// Pairs (kept, left out) of slices at one place; they must turn out to have equal pixels.
    pub duplicates: Vec<(usize, usize)>,
    /// Images of the series that are not in the stack, with the reason.
    pub left_out: Vec<LeftOut>,
    /// What the slices of the stack say of the patient, the exam and the series.
    pub origin: Origin,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub columns: usize,
    /// How the stacked `[slice, row, column]` are put onto an untilted grid.
    pub shear: Option<Shear>,
    /// From stacked (and untilted) `[slice, row, column]` to canonical `[depth, height, width]`.
    pub turn: Turn,
    /// The canonical volume's place in the patient.
    pub geometry: Geometry,
    /// What was noticed and is safe, as short stable words.
    pub flags: Vec<String>,
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
pub struct LeftOut {
    /// Indices into [`Series::slices`].
    pub slices: Vec<usize>,
    /// Short stable word for tables.
    pub code: &'static str,
    /// The sentence.
    pub reason: String,
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
/// A [`SeriesRefusal`] with the value found and the limit when the slices do not make one even
/// stack of equal images, and no large part of them does.
pub fn stack_by(series: &Series, rules: StackRules) -> Result<Stack, SeriesRefusal> {
    let (images, mut left_out) = slices_of_the_body(series)?;
    let mut flags: Vec<String> =
        left_out.iter().map(|part| format!("{}-left-out", part.code)).collect();
    origin::check(series, &images)?;
    let (laid, others, parts) = choose(series, &images, rules)?;
    if parts > 1 {
        flags.push(format!("one-of-{parts}-stacks"));
    }
    flags.extend(laid.flags);
    left_out.extend(others);
    Ok(Stack {
        origin: series.origin_of(&laid.slices),
        slices: laid.slices,
        duplicates: laid.duplicates,
        left_out,
        rows: laid.rows,
        columns: laid.columns,
        shear: laid.shear,
        turn: laid.turn,
        geometry: laid.geometry,
        flags,
    })
}

/// The images that show slices of the body, and the others with what they are.
fn slices_of_the_body(series: &Series) -> Result<(Vec<usize>, Vec<LeftOut>), SeriesRefusal> {
    let mut kinds: BTreeMap<&Content, Vec<usize>> = BTreeMap::new();
    for (index, slice) in series.slices.iter().enumerate() {
        kinds.entry(&slice.content).or_default().push(index);
    }
    let images = kinds.remove(&Content::Slice).unwrap_or_default();
    let left_out: Vec<LeftOut> = kinds
        .into_iter()
        .map(|(content, slices)| {
            let (code, what) = match content {
                Content::Slice => ("slices", "slices".to_owned()),
                Content::Localizer => {
                    ("localizers", "ImageType (0008,0008) contains LOCALIZER".to_owned())
                }
                Content::DosePage => ("dose-pages", "ImageType (0008,0008) contains DOSE".to_owned()),
                Content::ScreenSave => {
                    ("screen-saves", "ImageType (0008,0008) contains SCREEN SAVE".to_owned())
                }
                Content::Projection => (
                    "projections",
                    "ImageType (0008,0008) contains MIP, MINIP or PROJECTION IMAGE".to_owned(),
                ),
                Content::SecondaryCapture => (
                    "secondary-captures",
                    "SOPClassUID (0008,0016) is Secondary Capture".to_owned(),
                ),
                Content::Colour => (
                    "colour-images",
                    "SamplesPerPixel (0028,0002) or PhotometricInterpretation (0028,0004) indicates \
                     colour"
                        .to_owned(),
                ),
                Content::OtherModality(modality) => (
                    "other-modalities",
                    format!("Modality (0008,0060) is {modality:?}, expected \"CT\""),
                ),
            };
            let plural = if slices.len() == 1 { "" } else { "s" };
            LeftOut { reason: format!("{} image{plural}: {what}", slices.len()), slices, code }
        })
        .collect();
    if !images.is_empty() {
        return Ok((images, left_out));
    }
    let modality = |index: usize| match &series.slices[index].content {
        Content::OtherModality(modality) => Some(modality.clone()),
        _ => None,
    };
    let total = series.slices.len();
    Err(match left_out.as_slice() {
        [only] if only.code == "localizers" => SeriesRefusal::Localizer { images: total },
        parts if parts.iter().all(|part| part.code == "other-modalities") => {
            let found = parts.first().and_then(|part| modality(*part.slices.first()?));
            SeriesRefusal::NotCt { found: found.unwrap_or_else(|| series.origin().modality) }
        }
        parts => SeriesRefusal::NoSlices {
            images: total,
            what: parts.iter().map(|part| part.reason.as_str()).collect::<Vec<_>>().join("; "),
        },
    })
}

/// As few slices as one in this many, and as short a stretch, may lie beyond the stack that is used.
const SMALL_REST: usize = 10;

/// The stack to use, what it leaves out, and of how many parts it is one.
fn choose(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<(Laid, Vec<LeftOut>, usize), SeriesRefusal> {
    let mut parts = parts(series, images, rules)?;
    if let [_] = parts.as_slice() {
        let only = parts.remove(0);
        return only.laid.map(|laid| (laid, Vec::new(), 1));
    }
    // Most slices, then longest, then earliest acquisition; what is left is told apart by names.
    let rank = |part: &Part| {
        let first = part.slices.iter().map(|&index| &series.slices[index]);
        let acquisition = first.clone().filter_map(|slice| slice.marks.acquisition).min();
        let name = first.map(|slice| (&slice.instance_uid, slice.frame)).min();
        (acquisition.unwrap_or(i64::MAX), name.map(|(uid, frame)| (uid.clone(), frame)))
    };
    let best = parts
        .iter()
        .enumerate()
        .filter_map(|(place, part)| Some((place, part, part.laid.as_ref().ok()?)))
        .max_by(|(_, a, a_laid), (_, b, b_laid)| {
            (a.count().cmp(&b.count()))
                .then_with(|| a_laid.length_mm.total_cmp(&b_laid.length_mm))
                .then_with(|| rank(b).cmp(&rank(a)))
        })
        .map(|(place, ..)| place);
    let Some(best) = best.filter(|&best| stands_for_all(series, &parts, best)) else {
        // What is wrong with the whole is the reason, unless together they are even.
        let whole = lay(series, images, rules);
        return Err(whole.err().unwrap_or_else(|| several(&parts)));
    };
    let total = parts.len();
    let chosen = parts.remove(best);
    let count = chosen.count();
    let others = parts.into_iter().map(|part| {
        let label = &part.label;
        let reason = match &part.laid {
            Ok(laid) => format!(
                "a stack of {} slices with {label}; the stack of {count} slices with {} is used",
                laid.slices.len(),
                chosen.label
            ),
            Err(refusal) => {
                let plural = if part.slices.len() == 1 { "" } else { "s" };
                format!("{} image{plural} with {label}: {refusal}", part.slices.len())
            }
        };
        LeftOut { slices: part.slices, code: "other-stack", reason }
    });
    let others = others.collect();
    chosen.laid.map(|laid| (laid, others, total))
}

/// Whether the part at `best` stands for all parallel slices: it is no small part of them, and
/// shows at least half of what the others show, or nearly nothing lies beyond it.
fn stands_for_all(series: &Series, parts: &[Part], best: usize) -> bool {
    let chosen = &parts[best];
    let rest = parts.iter().enumerate().filter(|(index, _)| *index != best);
    let rest: Vec<Vec<usize>> =
        rest.map(|(_, part)| parallel(series, &chosen.slices, &part.slices)).collect();
    let most = rest.iter().map(|slices| distinct_places(series, slices)).max().unwrap_or(0);
    let others = rest.concat();
    let (inside, all) = within(series, &chosen.slices, &others);
    let length_mm = chosen.laid.as_ref().map_or(0.0, |laid| laid.length_mm);
    let beyond_mm = stretch_beyond(series, &chosen.slices, &others);
    let small_rest =
        SMALL_REST * (all - inside) <= chosen.count() && SMALL_REST as f64 * beyond_mm <= length_mm;
    2 * chosen.count() >= most && (2 * inside >= all || small_rest)
}

/// The refusal of parts none of which stands for the others.
fn several(parts: &[Part]) -> SeriesRefusal {
    let share = |part: &Part| StackShare { label: part.label.clone(), slices: part.slices.len() };
    SeriesRefusal::SeveralStacks { stacks: parts.iter().map(share).collect() }
}
