//! `lungs phantom`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::{CommandResult, Failure};
use clap::Args;
use lungs_base::text::counted;
use lungs_phantom::{PhantomPlan, write_cohort};
use std::path::PathBuf;

/// Write synthetic chest CT exams as DICOM, with ground truth.
///
/// Exams contain body, lungs, airways, vessels, bones, table and noise. Positive exams contain a nodule that
/// represents a cancer. Writes `labels.csv` for `data.labels`, and `truth.csv` with the position of every
/// structure. The same options give identical files.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs phantom data/phantom --patients 20 --seed 7")]
pub(super) struct Phantom {
    /// Output folder.
    folder: PathBuf,

    /// Number of patients. Each has one to three exams.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    patients: usize,

    /// Share of patients with cancer.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    positive_fraction: f64,

    /// Random seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Add a difficulty for the lung segmentation to every exam, e.g. a collapsed lung, a narrow field of view
    /// or a head scan without a chest. `truth.csv` names the difficulty.
    #[arg(long)]
    hard: bool,

    /// Vary the difficulty: cancers of 6 to 40 mm, solid to ground glass, isolated, at the pleura or at a
    /// vessel, and benign nodules of the same kinds of up to 16 mm.
    #[arg(long)]
    graded: bool,

    /// Diagnose cancers over this many years after the last exam, for outcome.name = "survival": exams are a year
    /// apart, a cancer is smaller the longer before its diagnosis, and labels.csv has days_to_event and
    /// days_followed. [default: cancers within a year of each exam]
    #[arg(long, value_name = "YEARS")]
    follow_up_years: Option<f64>,

    /// Write exams of clinical size: 512×512 pixels, 1 to 2.5 mm between slices, 60 to 150 MB per exam. The
    /// default is small exams for quick tests.
    #[arg(long)]
    full_size: bool,
}

impl Phantom {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let base = if self.full_size { PhantomPlan::full_size() } else { PhantomPlan::default() };
        let plan = PhantomPlan {
            patients: self.patients,
            positive_fraction: self.positive_fraction,
            seed: self.seed,
            hard: self.hard,
            graded: self.graded,
            follow_up_years: self.follow_up_years,
            cancer_diameter_mm: if self.graded { [6.0, 40.0] } else { base.cancer_diameter_mm },
            ..base
        };
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        progress.stage_begins("phantom");
        let advance = |done, of| progress.stage_advances(done, of);
        let truth = write_cohort(&self.folder, &plan, advance);
        progress.clear();
        let truth = truth.map_err(Failure::request)?;
        output.say(format!(
            "{} in {}",
            counted(truth.len(), "exam", "exams"),
            self.folder.display()
        ));
        Ok(())
    }
}
