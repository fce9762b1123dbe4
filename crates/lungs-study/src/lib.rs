//! From labels and images to a study: exams, exclusions and splits ([`cohort`]), prepared crops ([`prepare`]).

pub mod cohort;
pub mod prepare;
