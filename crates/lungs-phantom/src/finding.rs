//! Difficult but common findings, for tests of robustness.

use super::side::Side;

/// A finding that makes an exam difficult. Findings can be combined if they do not contradict each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// A lung collapsed to soft tissue; heart and vessels shift to its side.
    CollapsedLung(Side),
    /// A removed lung; fluid and the other lung fill its space, about half each.
    RemovedLung(Side),
    /// Fluid in the posterior half of one side.
    Effusion(Side),
    /// Both lungs nearly as thin as air: −945 HU on average, −970 in front.
    Emphysema,
    /// A bulla of 100 mm in one lung.
    Bulla(Side),
    /// Gas anterior to one lung.
    Pneumothorax(Side),
    /// One side full of gas, with the lung collapsed at the hilum.
    CompletePneumothorax(Side),
    /// A mass of 80 mm at the ribs.
    Mass(Side),
    /// A lower lobe without air.
    Consolidation(Side),
    /// Fibrosis: dense ground glass, about −500 HU.
    Fibrosis,
    /// Gas in the colon directly below both domes of the diaphragm.
    HighColon,
    /// A distended colon, as for CT colonography; visible in scans that include the abdomen.
    InflatedColon,
    /// A blanket with air under it.
    Blanket,
    /// A hollow, closed table.
    HollowTable,
    /// The body exceeds the field of view on all sides.
    Obesity,
    /// Prone position.
    Prone,
    /// Left lateral position.
    LeftSideDown,
    /// Rolled by 25°, not recorded in the headers.
    Rolled,
    /// The body is 55 mm off the centre of a large field of view.
    OffCentre,
    /// Shoulder prostheses and a pacemaker, with streaks.
    Metal,
    /// Noise with this standard deviation at the centre, in HU.
    Noise(f64),
    /// The value outside the circle of reconstruction, in HU.
    Padding(i16),
    /// The scan starts at the pelvis.
    WithAbdomen,
    /// The scan ends at the top of the head.
    WithHead,
    /// Only the head.
    HeadOnly,
    /// Only abdomen and pelvis.
    AbdomenOnly,
    /// Abdomen and pelvis, with the bases of the lungs at the top.
    LungBases,
    /// The scan starts 55 mm above the lungs' lowest points.
    CutAtBottom,
    /// A field of view that ends inside both lungs.
    NarrowField,
    /// A child: all lengths scaled by 0.55.
    Child,
}

impl Finding {
    /// The findings of a hard cohort. Padding is excluded, because it depends on the storage.
    pub(crate) const HARD: [Self; 36] = [
        Self::CollapsedLung(Side::Left),
        Self::CollapsedLung(Side::Right),
        Self::RemovedLung(Side::Left),
        Self::RemovedLung(Side::Right),
        Self::Effusion(Side::Left),
        Self::Effusion(Side::Right),
        Self::Emphysema,
        Self::Bulla(Side::Left),
        Self::Bulla(Side::Right),
        Self::Pneumothorax(Side::Left),
        Self::Pneumothorax(Side::Right),
        Self::CompletePneumothorax(Side::Left),
        Self::CompletePneumothorax(Side::Right),
        Self::Mass(Side::Left),
        Self::Mass(Side::Right),
        Self::Consolidation(Side::Left),
        Self::Consolidation(Side::Right),
        Self::Fibrosis,
        Self::HighColon,
        Self::Blanket,
        Self::HollowTable,
        Self::Obesity,
        Self::Prone,
        Self::LeftSideDown,
        Self::Rolled,
        Self::OffCentre,
        Self::Metal,
        Self::Noise(60.0),
        Self::WithAbdomen,
        Self::WithHead,
        Self::HeadOnly,
        Self::AbdomenOnly,
        Self::LungBases,
        Self::CutAtBottom,
        Self::NarrowField,
        Self::Child,
    ];

    /// Name in tables, for example `complete-pneumothorax-left`.
    pub fn name(&self) -> String {
        let side = |name: &str, side: Side| match side {
            Side::Left => format!("{name}-left"),
            Side::Right => format!("{name}-right"),
        };
        let name = match *self {
            Self::CollapsedLung(of) => return side("collapsed-lung", of),
            Self::RemovedLung(of) => return side("removed-lung", of),
            Self::Effusion(of) => return side("effusion", of),
            Self::Bulla(of) => return side("bulla", of),
            Self::Pneumothorax(of) => return side("pneumothorax", of),
            Self::CompletePneumothorax(of) => return side("complete-pneumothorax", of),
            Self::Mass(of) => return side("mass", of),
            Self::Consolidation(of) => return side("consolidation", of),
            Self::Noise(hu) => return format!("noise-{hu}"),
            Self::Padding(hu) => return format!("padding-{hu}"),
            Self::Emphysema => "emphysema",
            Self::Fibrosis => "fibrosis",
            Self::HighColon => "high-colon",
            Self::InflatedColon => "inflated-colon",
            Self::Blanket => "blanket",
            Self::HollowTable => "hollow-table",
            Self::Obesity => "obesity",
            Self::Prone => "prone",
            Self::LeftSideDown => "left-side-down",
            Self::Rolled => "rolled",
            Self::OffCentre => "off-centre",
            Self::Metal => "metal",
            Self::WithAbdomen => "with-abdomen",
            Self::WithHead => "with-head",
            Self::HeadOnly => "head-only",
            Self::AbdomenOnly => "abdomen-only",
            Self::LungBases => "lung-bases",
            Self::CutAtBottom => "cut-at-bottom",
            Self::NarrowField => "narrow-field",
            Self::Child => "child",
        };
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<String> = Finding::HARD.iter().map(Finding::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Finding::HARD.len());
    }
}
