//! From labels and images to a study: exams, exclusions and splits ([`cohort`]), prepared crops ([`prepare`]).
//!
//! ```
//! use lungs_study::prepare::Shard;
//!
//! // Every series belongs to exactly one of three shards.
//! let shards = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Shard>().unwrap());
//! let owners = shards.iter().filter(|shard| shard.has("1.2.840.113654.2.55.1"));
//! assert_eq!(owners.count(), 1);
//! ```
//!
//! [`cohort::gather`] and [`prepare::prepare_all`] do the work of a run.

pub mod cohort;
pub mod prepare;
