//! `lungs phantom`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::{Done, Failure};
use crate::phantom::{PhantomPlan, write_cohort};
use crate::pipeline::Stages;
use clap::Args;
use std::path::PathBuf;

/// Write synthetic chest CT exams as DICOM, with known truth.
///
/// Body, lungs, airways, vessels, bones, table and noise; positives carry a nodule that stands
/// for a cancer.
/// `labels.csv` is what `data.labels` takes, `truth.csv` says where everything is. The same
/// options give the same bytes.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs phantom data/phantom --patients 20 --seed 7")]
pub(super) struct Phantom {
    /// Folder to create.
    folder: PathBuf,

    /// Number of patients, with one to three exams each.
    #[arg(long, default_value_t = 20)]
    patients: usize,

    /// Share of patients with cancer.
    #[arg(long, default_value_t = 0.5)]
    positive_fraction: f64,

    /// Random seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Give every exam something that is hard on the lung segmentation: a collapsed lung, a narrow
    /// field of view, a head without a chest… `truth.csv` names it.
    #[arg(long)]
    hard: bool,

    /// Draw cancers from 6 to 40 mm, solid to ground glass, free, at the pleura or at a vessel, and
    /// benign nodules of up to 16 mm of the same kinds: some are easy to find, some are not.
    #[arg(long)]
    graded: bool,

    /// Exams of the size that scanners give: 512×512 pixels, slices 1 to 2.5 mm apart, 60 to 150 MB
    /// each. Without it they are small, for quick trials.
    #[arg(long)]
    full_size: bool,
}

impl Phantom {
    pub fn execute(&self, output: &Output) -> Done {
        let ordinary =
            if self.full_size { PhantomPlan::full_size() } else { PhantomPlan::default() };
        let plan = PhantomPlan {
            patients: self.patients,
            positive_fraction: self.positive_fraction,
            seed: self.seed,
            hard: self.hard,
            graded: self.graded,
            cancer_diameter_mm: if self.graded { [6.0, 40.0] } else { ordinary.cancer_diameter_mm },
            ..ordinary
        };
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        progress.stage_begins("phantom");
        let advance = |done, of| progress.stage_advances(done, of);
        let truth = write_cohort(&self.folder, &plan, advance);
        progress.clear();
        let truth = truth.map_err(Failure::request)?;
        output.say(format!("{} exams in {}", truth.len(), self.folder.display()));
        Ok(())
    }
}
