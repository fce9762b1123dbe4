//! Labels of exams, from a CSV file, class folders or lists.
//!
//! ```text
//! labels.csv ──table──▶ Labels ──matching──▶ LabelMatches ──contradictions──▶ one label per exam
//! ```

mod contradictions;
mod date;
mod error;
mod follow_up;
mod label;
mod matching;
mod one_exam;
mod table;
#[cfg(test)]
mod tests;

use date::Date;
pub use error::LabelsError;
pub use follow_up::FollowUpError;
use label::PatientLabel;
pub use label::{Label, Labels};

pub use contradictions::Contradictions;
pub(super) use contradictions::check as check_contradictions;
pub use matching::PatientRows;
pub(crate) use matching::{LabelMatches, UnusedLabel};
pub(super) use one_exam::check as check_one_exam;
