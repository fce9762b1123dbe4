//! Synthetic exams that are hard to segment, each with the expected flags.

use lungs_image::codes::Flag;
use lungs_phantom::{ExamPlan, Finding, Side, Variants};

use Finding as F;

/// One exam.
pub(crate) struct SegmentationCase {
    pub name: &'static str,
    pub seed: u64,
    /// Between slices, within a slice.
    pub spacing_mm: [f64; 2],
    pub findings: Vec<Finding>,
    pub variants: Variants,
    /// Segmented at 1.5 mm, as scans are; otherwise in the voxels of the rendering.
    pub resampled: bool,
    /// The expected flags; `None` if segmentation should fail.
    pub flags: Option<Vec<Flag>>,
}

impl SegmentationCase {
    fn new(name: &'static str, findings: &[Finding], flags: &[Flag]) -> Self {
        Self {
            name,
            seed: 11,
            spacing_mm: [2.5, 2.0],
            findings: findings.to_vec(),
            variants: Variants::default(),
            resampled: false,
            flags: Some(flags.to_vec()),
        }
    }

    fn excluded(name: &'static str, findings: &[Finding]) -> Self {
        Self { flags: None, ..Self::new(name, findings, &[]) }
    }

    fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    fn spacing_mm(self, gap_mm: f64, pixel_mm: f64) -> Self {
        Self { spacing_mm: [gap_mm, pixel_mm], ..self }
    }

    fn resampled(self) -> Self {
        Self { resampled: true, ..self }
    }

    fn variants(self, variants: Variants) -> Self {
        Self { variants, ..self }
    }

    pub(crate) fn exam(&self) -> ExamPlan {
        ExamPlan::chest(self.seed, self.spacing_mm, self.variants, &self.findings).unwrap()
    }
}

/// Every exam of the tests.
pub(crate) fn segmentation_cases() -> Vec<SegmentationCase> {
    let arms_down = Variants { arms_down: true, ..Variants::default() };
    let gas = Variants { bowel_gas: true, ..Variants::default() };
    let unjoined = Variants { unjoined_airways: true, ..Variants::default() };
    let mut cases = vec![
        SegmentationCase::new("ordinary", &[], &[]),
        SegmentationCase::new("fine voxels", &[], &[]).spacing_mm(1.5, 1.5).seed(3),
        SegmentationCase::new("flat voxels", &[], &[]).spacing_mm(5.0, 1.3),
        SegmentationCase::new("tall voxels", &[], &[]).spacing_mm(1.25, 3.0),
        SegmentationCase::new("hollow table", &[F::HollowTable], &[]),
        SegmentationCase::new("blanket", &[F::Blanket], &[]),
        SegmentationCase::new(
            "blanket, arms down, hollow table",
            &[F::Blanket, F::HollowTable],
            &[],
        )
        .variants(arms_down),
        SegmentationCase::new("unjoined", &[], &[]).variants(unjoined),
        SegmentationCase::new("gas under the diaphragm, thick slices", &[], &[])
            .variants(gas)
            .spacing_mm(5.0, 2.0),
        SegmentationCase::new("gas under the diaphragm", &[], &[]).variants(gas),
        SegmentationCase::new("colon up to the diaphragm", &[F::HighColon], &[]),
        SegmentationCase::new("colon up to the diaphragm, thick slices", &[F::HighColon], &[])
            .spacing_mm(5.0, 2.0)
            .seed(4),
        SegmentationCase::new("emphysema", &[F::Emphysema], &[]),
        SegmentationCase::new("emphysema, noisy", &[F::Emphysema, F::Noise(60.0)], &[]),
        SegmentationCase::new("fibrosis", &[F::Fibrosis], &[]),
        SegmentationCase::new("fibrosis, noisy", &[F::Fibrosis, F::Noise(60.0)], &[]).seed(8),
        SegmentationCase::new("noise of 60 HU", &[F::Noise(60.0)], &[]),
        SegmentationCase::new("metal", &[F::Metal], &[]),
        SegmentationCase::new("prone", &[F::Prone], &[]),
        SegmentationCase::new("on the left side", &[F::LeftSideDown], &[]),
        SegmentationCase::new("rolled", &[F::Rolled], &[]),
        SegmentationCase::new("off centre", &[F::OffCentre], &[]),
        SegmentationCase::new("off centre, arms down", &[F::OffCentre], &[]).variants(arms_down),
        SegmentationCase::new("obese", &[F::Obesity], &[]),
        SegmentationCase::new("obese, padding of water", &[F::Obesity, F::Padding(0)], &[]),
        SegmentationCase::new("obese, noisy", &[F::Obesity, F::Noise(60.0)], &[]).seed(5),
        SegmentationCase::new("with abdomen", &[F::WithAbdomen], &[]),
        SegmentationCase::new("with inflated colon", &[F::WithAbdomen, F::InflatedColon], &[]),
        SegmentationCase::new("with head", &[F::WithHead], &[]),
        SegmentationCase::new("with abdomen and gas", &[F::WithAbdomen], &[]).variants(gas).seed(6),
        SegmentationCase::new("cut at the bottom", &[F::CutAtBottom], &[Flag::LungsCutAtBottom]),
        // The rest of the trachea is just under 30 mm.
        SegmentationCase::new("cut at the top", &[], &[Flag::LungsCutAtTop, Flag::TracheaNotFound])
            .variants(Variants { cut_at_top: true, ..Variants::default() }),
        SegmentationCase::new("narrow field", &[F::NarrowField], &[Flag::LungsCutAtSide]),
        SegmentationCase::new(
            "narrow field, emphysema",
            &[F::NarrowField, F::Emphysema],
            &[Flag::LungsCutAtSide],
        ),
        SegmentationCase::new("emphysema and gas in the colon", &[F::Emphysema, F::HighColon], &[])
            .resampled(),
        SegmentationCase::new("metal, resampled", &[F::Metal], &[]).resampled(),
        SegmentationCase::new(
            "narrow field, water",
            &[F::NarrowField, F::Padding(0)],
            &[Flag::LungsCutAtSide],
        ),
        SegmentationCase::new("child", &[F::Child], &[Flag::SmallLungVolume]).spacing_mm(1.5, 1.5),
        SegmentationCase::new(
            "lung bases",
            &[F::LungBases],
            &[Flag::LungsCutAtTop, Flag::SmallLungVolume, Flag::TracheaNotFound],
        ),
        SegmentationCase::excluded("head", &[F::HeadOnly]),
        SegmentationCase::excluded("abdomen", &[F::AbdomenOnly]),
        SegmentationCase::excluded(
            "abdomen with inflated colon",
            &[F::AbdomenOnly, F::InflatedColon],
        ),
    ];
    for hu in [-1024, -2000, -3024, 0] {
        cases.push(SegmentationCase::new("padding", &[F::Padding(hu)], &[]).seed(7));
        let narrow = [F::NarrowField, F::Padding(hu)];
        cases.push(
            SegmentationCase::new("narrow, resampled", &narrow, &[Flag::LungsCutAtSide])
                .resampled(),
        );
        cases.push(
            SegmentationCase::new("obese, resampled", &[F::Obesity, F::Padding(hu)], &[])
                .resampled(),
        );
    }
    for (side, seed) in [(Side::Left, 11), (Side::Right, 12)] {
        let new = |name, finding, flags: &[Flag]| {
            SegmentationCase::new(name, &[finding], flags).seed(seed)
        };
        cases.extend([
            new("collapsed lung", F::CollapsedLung(side), &[Flag::OneLung]),
            new("removed lung", F::RemovedLung(side), &[Flag::OneLung]),
            new("effusion", F::Effusion(side), &[Flag::AsymmetricLungs]),
            new("bulla", F::Bulla(side), &[Flag::GasBesideLung]),
            new("pneumothorax", F::Pneumothorax(side), &[Flag::GasBesideLung]),
            new("complete pneumothorax", F::CompletePneumothorax(side), &[Flag::GasBesideLung]),
            new("mass", F::Mass(side), &[]),
            new("consolidation", F::Consolidation(side), &[Flag::AsymmetricLungs]),
        ]);
    }
    cases
}
