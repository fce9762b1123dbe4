//! The National Lung Screening Trial: from its clinical tables and an inventory of its CT exams to
//! a labels file.
//!
//! ```text
//! nlst_prsn, nlst_canc, nlst_screen, nlst_ctab ──read_tables──▶ Tables ──┐
//! index of series, or a folder of files ────────▶ Inventory ─────────────┴─label──▶ LabelledCohort
//!
//! LabelledCohort ──write──▶ labels.csv   one row per exam, in the format of data.labels
//!                     exclusions.csv   every excluded exam and series, with its reason
//!                     labels.json   the rules, the counts, hashes of all inputs and of labels.csv
//!                     flow.svg   the counts as a diagram
//!                     series.csv, manifest.txt   the series to fetch, if the index has addresses
//! ```
//!
//! Column names and codes are those of the data dictionaries of the public tables (Imaging Data
//! Commons, 2021-05-27; doi:10.7937/tcia.hmq8-j677) and of the Cancer Data Access System.

mod codes;
mod describe;
mod flow;
mod inventory;
mod label;
#[cfg(test)]
mod oddity_tests;
mod person;
mod reasons;
mod record;
mod rows;
mod rules;
mod sample;
mod sources;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod years;

pub use codes::Days;
pub use describe::{Description, manufacturer, parse as parse_description};
pub use flow::{flow, flow_table};
pub use inventory::{
    Compression, Exam, Inventory, Series, inventory_from_images, inventory_from_index,
};
pub use label::label;
pub use person::{Arm, Cancers, Person};
pub use reasons::{Reason, ReasonCode, reason};
pub use record::{Record, SeriesChoice, WriteLabelsError, labels_record, write};
pub use rows::{Counts, Exclusion, LabelRow, LabelledCohort, SeriesRow, YearCounts};
pub use rules::{
    DaysFollowed, FollowUp, LabelledOutcome, LaterCancers, Outcome, Rules, Sample, SeveralExams,
    outcome,
};
pub use sources::{Host, INDEX_FOLDER, RELEASE, Source, sources};
pub use table::TableError;
pub use tables::{Nodules, Tables, find_index, find_table, read_tables};
