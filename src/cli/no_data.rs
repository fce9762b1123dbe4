//! Help for a spec whose folder of images does not exist.

use crate::slurm::shell;
use std::path::Path;

/// The three ways to data for a run.
pub(super) fn ways_to_data(root: &Path) -> String {
    let root = shell(&root.display().to_string());
    format!(
        "three ways on:\n\
         1. The National Lung Screening Trial; SPEC is this spec (docs/nlst.md). All exams are about 6.6 TB to \
         download; `--positives 10 --negatives 10` draws a sample.\n\
         \x20  lungs cohort nlst --tables nlst --fetch-tables --out {root}\n\
         \x20  lungs fetch {root}/series.csv {root} --prepare SPEC\n\
         2. CT and labels of your own:\n\
         \x20  lungs new NAME --data FOLDER --labels CSV\n\
         3. The demo, on synthetic CT:\n\
         \x20  lungs run experiments/demo.toml"
    )
}
