//! An experiment as data ([`spec`]) and its folder of results ([`results`]).

pub mod results;
pub mod spec;
