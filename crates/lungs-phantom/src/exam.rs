//! The plan of one exam: the input of rendering and writing.

use super::anatomy::Body;
use super::finding::Finding;
use super::grid::Grid;
use super::nodule::Nodule;
use super::stance::Pose;
use super::variants::Variants;

/// Family of reconstruction kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// Smooth, for soft tissue: little noise.
    Soft,
    /// Edge-enhancing, for lung: noisy.
    Sharp,
}

/// Encoding of Hounsfield units, and format of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Stored numbers and rescaling.
    pub pixels: Pixels,
    /// Explicit VR little endian; otherwise implicit.
    pub explicit_vr: bool,
    /// Instance 1 is the highest slice; otherwise the lowest.
    pub from_head: bool,
    /// File names without extension, in no order.
    pub scattered_names: bool,
}

/// The stored numbers (all with slope 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// Unsigned, 12 of 16 bits, intercept −1024; 0 outside the field of view.
    Unsigned,
    /// Signed, intercept −1024; −2000 outside the field of view, declared as padding. With
    /// `padding_as_unsigned`, the padding value is written as US 63536, as by some scanners.
    SignedPadded {
        /// Write the padding value with the wrong sign.
        padding_as_unsigned: bool,
    },
    /// Signed, intercept 0 (numbers are Hounsfield units); −2000 outside, undeclared.
    SignedPlain,
}

/// A second series in an exam's study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraSeries {
    /// One frontal projection (ImageType LOCALIZER), stored as CT.
    Localizer,
    /// The main series' slices averaged in pairs, edges enhanced.
    ThickSharp,
}

/// The complete plan of one exam.
#[derive(Clone, Debug, PartialEq)]
pub struct ExamPlan {
    /// `P0001`, …
    pub patient_id: String,
    /// `P0001-1`, …; also the accession number.
    pub exam_id: String,
    /// Whether the patient has a cancer (within a year of this exam).
    pub cancer: bool,
    /// Days from the exam to the diagnosis; `None` without cancer.
    pub days_to_cancer: Option<u32>,
    /// Days from the exam to the end of the observation, in a plan with follow-up.
    pub days_followed: Option<u32>,
    /// `F` or `M`.
    pub sex: char,
    /// Age at the exam.
    pub age_years: u32,
    /// Date of the exam, `YYYYMMDD`.
    pub date: String,
    /// Voxel grid.
    pub grid: Grid,
    /// Kernel family.
    pub kernel: Kernel,
    /// A manufacturer's name of the kernel.
    pub kernel_name: &'static str,
    /// Standard deviation of the noise at the centre, in HU.
    pub noise_hu: f64,
    /// The cancer, if there is one, then the benign nodule, if there is one.
    pub nodules: Vec<Nodule>,
    /// Variants of the ordinary chest. Set them with [`ExamPlan::with_variants`].
    pub variants: Variants,
    /// Difficult findings. Set them with [`ExamPlan::with_findings`].
    pub findings: Vec<Finding>,
    /// The value outside the circle of reconstruction, in HU.
    pub padding_hu: i16,
    /// Storage of the main series.
    pub storage: Storage,
    /// The second series, if any.
    pub extra: Option<ExtraSeries>,
    /// The patient's body.
    pub(super) body: Body,
    /// Pose of the body on the table.
    pub(super) pose: Pose,
    /// Seed of the properties that all exams of the patient share.
    pub(super) patient_seed: u64,
    /// Seed of the properties of this exam.
    pub(super) exam_seed: u64,
}

impl ExamPlan {
    /// The exam with these variants. Nodules in a lung without air or outside the scan are removed.
    pub(crate) fn with_variants(mut self, variants: Variants) -> Self {
        self.variants = variants;
        self.body.opaque = variants.opaque_lung;
        self.body.bowel_gas = variants.bowel_gas;
        if variants.arms_down {
            // The field of view includes the arms, as in clinical scans.
            self.grid = self.grid.widened(2.0 * f64::from(self.body.half_width()) + 170.0);
        }
        if variants.cut_at_top {
            let z0 = self.grid.origin_mm[2] - self.grid.body_offset_mm[2];
            let highest = f64::from(self.body.apex_z()) - 45.0;
            let slices = ((highest - z0) / self.grid.spacing_mm[0]).floor().max(1.0);
            self.grid.shape[0] = self.grid.shape[0].min(slices as usize);
        }
        self.remove_invisible_nodules();
        self
    }

    /// Removes nodules outside the lungs or above the scan.
    pub(super) fn remove_invisible_nodules(&mut self) {
        let top = self.grid.body_point([self.grid.shape[0] as f64 - 1.0, 0.0, 0.0])[2] as f32;
        let body = &self.body;
        self.nodules.retain(|nodule| {
            body.lung_distance(nodule.center) < 0.0
                && nodule.center[2] + (nodule.diameter_mm as f32) < top
        });
    }

    /// Centre of a nodule in patient coordinates (x, y, z), mm.
    pub(crate) fn nodule_center_mm(&self, nodule: &Nodule) -> [f64; 3] {
        std::array::from_fn(|xyz| f64::from(nodule.center[xyz]) + self.grid.body_offset_mm[xyz])
    }

    /// Centre of a nodule as a fractional voxel index `[depth, height, width]`.
    pub(crate) fn nodule_voxel(&self, nodule: &Nodule) -> [f64; 3] {
        let center = self.nodule_center_mm(nodule);
        let index = |xyz: usize, axis: usize| {
            (center[xyz] - self.grid.origin_mm[xyz]) / self.grid.spacing_mm[axis]
        };
        [index(2, 0), index(1, 1), index(0, 2)]
    }

    /// A DICOM UID under 2.25 (a UUID as a number) for the part `name` of this exam.
    pub(super) fn uid(&self, name: &str) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("lungs phantom uid v1");
        hasher.update(&self.exam_seed.to_le_bytes());
        hasher.update(self.exam_id.as_bytes());
        hasher.update(b"/");
        hasher.update(name.as_bytes());
        let mut bytes = [0u8; 16];
        hasher.finalize_xof().fill(&mut bytes);
        // UUID version 8 (vendor-defined), variant 1: RFC 9562.
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        format!("2.25.{}", u128::from_be_bytes(bytes))
    }

    /// SeriesInstanceUID of the main series.
    pub fn series_uid(&self) -> String {
        self.uid("series/main")
    }
}
