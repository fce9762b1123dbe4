//! From a run's tables to pictures and pages: nothing is drawn that the tables do not say.

pub mod plot;
