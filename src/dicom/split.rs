//! Which images of a series make its volume. Scanners put scout views, dose pages and several
//! stacks (kernels, phases, acquisitions, planes) under one SeriesInstanceUID.
//!
//! All slices as one even stack is what a series should be. When they are not, they are parted by
//! plane and by what their headers say of them ([`super::Marks`]), and the largest even part is
//! taken if it stands for the whole: it holds at least half of the places that images of one plane
//! have, and at least half of the images left out of its plane show the same stretch of the body
//! once more. So a scan whose gaps change on the way is not cut to its longest even piece.
//! Everything left out is listed with its reason.

use std::collections::BTreeMap;

use crate::volume::Geometry;

use super::plane::Plane;
use super::stacking::{Laid, distinct_places, lay, within};
use super::{Content, Marks, Series, SeriesRefusal, Shear, StackRules, Turn};

/// An accepted series: which slices, in which order, and the volume they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Indices into [`Series::slices`] in the order in which they are stacked.
    pub slices: Vec<usize>,
    /// Pairs (kept, left out) of slices at one place; they must turn out to have equal pixels.
    pub duplicates: Vec<(usize, usize)>,
    /// Images of the series that are not in the stack, with the reason.
    pub left_out: Vec<LeftOut>,
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
    let (laid, others, parts) = choose(series, &images, rules)?;
    if parts > 1 {
        flags.push(format!("one-of-{parts}-stacks"));
    }
    flags.extend(laid.flags);
    left_out.extend(others);
    Ok(Stack {
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
                    ("localizers", "ImageType (0008,0008) has LOCALIZER".to_owned())
                }
                Content::DosePage => ("dose-pages", "ImageType (0008,0008) has DOSE".to_owned()),
                Content::ScreenSave => {
                    ("screen-saves", "ImageType (0008,0008) has SCREEN SAVE".to_owned())
                }
                Content::SecondaryCapture => (
                    "secondary-captures",
                    "SOPClassUID (0008,0016) is Secondary Capture".to_owned(),
                ),
                Content::Colour => (
                    "colour-images",
                    "SamplesPerPixel (0028,0002) or PhotometricInterpretation (0028,0004) is of \
                     colour"
                        .to_owned(),
                ),
                Content::OtherModality(modality) => (
                    "other-modalities",
                    format!("Modality (0008,0060) is {modality:?}, expected \"CT\""),
                ),
            };
            LeftOut { reason: format!("{} images: {what}", slices.len()), slices, code }
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
            SeriesRefusal::NotCt { found: found.unwrap_or_else(|| series.modality.clone()) }
        }
        parts => SeriesRefusal::NoSlices {
            images: total,
            what: parts.iter().map(|part| part.reason.as_str()).collect::<Vec<_>>().join("; "),
        },
    })
}

/// Slices that were tried as a stack.
struct Part {
    slices: Vec<usize>,
    laid: Result<Laid, SeriesRefusal>,
    /// What tells it from the other parts.
    told_by: String,
    /// Which of the planes it is of.
    plane: usize,
}

impl Part {
    fn new(series: &Series, slices: Vec<usize>, rules: StackRules, told_by: String) -> Self {
        let laid = lay(series, &slices, rules);
        Self { slices, laid, told_by, plane: 0 }
    }

    /// Whether it is even and nothing in the headers says that two of its slices at one place are
    /// of different stacks.
    fn is_one_stack(&self, series: &Series) -> bool {
        let marks = |index: usize| &series.slices[index].marks;
        self.laid.as_ref().is_ok_and(|laid| {
            laid.duplicates.iter().all(|&(kept, left_out)| marks(kept) == marks(left_out))
        })
    }

    fn count(&self) -> usize {
        self.laid.as_ref().map_or(0, |laid| laid.slices.len())
    }
}

/// The stack to use, what it leaves out, and of how many parts it is one.
fn choose(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<(Laid, Vec<LeftOut>, usize), SeriesRefusal> {
    let whole = Part::new(series, images.to_vec(), rules, String::new());
    if whole.is_one_stack(series) {
        return whole.laid.map(|laid| (laid, Vec::new(), 1));
    }
    let mut parts = Vec::new();
    let mut most_places = 0;
    for (plane, (slices, told_by)) in by_plane(series, images)?.into_iter().enumerate() {
        most_places = most_places.max(distinct_places(series, &slices));
        let of_plane = by_marks(series, slices, rules, &told_by);
        parts.extend(of_plane.into_iter().map(|part| Part { plane, ..part }));
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
        .map(|(place, part, _)| (place, part.count()));
    let stands_for_all = |&(best, count): &(usize, usize)| {
        let chosen: &Part = &parts[best];
        let beside = parts.iter().enumerate();
        let beside = beside.filter(|(place, part)| *place != best && part.plane == chosen.plane);
        let others: Vec<usize> = beside.flat_map(|(_, part)| part.slices.iter().copied()).collect();
        parts.len() > 1
            && 2 * count >= most_places
            && 2 * within(series, &chosen.slices, &others) >= others.len()
    };
    let Some((best, count)) = best.filter(stands_for_all) else {
        // No part would do: what is wrong with the whole is the reason.
        return whole.laid.map(|laid| (laid, Vec::new(), 1));
    };
    let total = parts.len();
    let chosen = parts.remove(best);
    let others = parts.into_iter().map(|part| {
        let told = &part.told_by;
        let reason = match &part.laid {
            Ok(laid) => format!(
                "a stack of {} slices with {told}; the one of {count} slices with {} is used",
                laid.slices.len(),
                chosen.told_by
            ),
            Err(refusal) => format!("{} images with {told}: {refusal}", part.slices.len()),
        };
        LeftOut { slices: part.slices, code: "other-stack", reason }
    });
    let others = others.collect();
    chosen.laid.map(|laid| (laid, others, total))
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
    Ok(planes.into_iter().map(|(_, plane, members)| (members, words(&plane))).collect())
}

/// More stacks than this under one UID are a damaged series.
const MAX_PARTS: usize = 64;

/// How a mark is read, and what it is called.
type MarkReader = (&'static str, fn(&Marks) -> String);

const MARKS: [MarkReader; 7] = [
    ("temporal position", |marks| marks.temporal.clone()),
    ("ConvolutionKernel (0018,1210)", |marks| marks.kernel.clone()),
    ("KVP (0018,0060)", |marks| marks.kilovolts.clone()),
    ("ImageType (0008,0008)", |marks| marks.image_type.clone()),
    ("SliceThickness (0018,0050)", |marks| marks.thickness_mm.clone()),
    ("AcquisitionNumber (0020,0012)", |marks| {
        marks.acquisition.map_or_else(String::new, |number| number.to_string())
    }),
    ("StackID (0020,9056)", |marks| marks.stack.clone()),
];

/// Parts images of one plane by the first mark that leaves an even stack large enough; else they
/// stay together.
fn by_marks(series: &Series, images: Vec<usize>, rules: StackRules, plane: &str) -> Vec<Part> {
    let together = Part::new(series, images, rules, plane.to_owned());
    if together.is_one_stack(series) {
        return vec![together];
    }
    let places = distinct_places(series, &together.slices);
    let all = |marks: &Marks| {
        let values = MARKS.map(|(name, read)| format!("{name} {:?}", read(marks)));
        values.join(", ")
    };
    let each = MARKS.iter().map(|&(name, read)| (name, read as fn(&Marks) -> String));
    for (name, read) in each.chain([("", all as fn(&Marks) -> String)]) {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &index in &together.slices {
            groups.entry(read(&series.slices[index].marks)).or_default().push(index);
        }
        if groups.len() < 2 || groups.len() > MAX_PARTS {
            continue;
        }
        let told = |value: &str| match name {
            "" => value.to_owned(),
            _ => format!("{name} {value:?}"),
        };
        let parts: Vec<Part> = groups
            .into_iter()
            .map(|(value, slices)| Part::new(series, slices, rules, told(&value)))
            .collect();
        let largest = parts.iter().filter(|part| part.is_one_stack(series)).map(Part::count).max();
        if largest.is_some_and(|largest| 2 * largest >= places) {
            return parts;
        }
    }
    vec![together]
}
