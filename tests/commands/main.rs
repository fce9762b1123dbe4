//! Whole commands, as a user types them: what they print, what they write, how they fail.

mod bad_inputs;
mod cache;
mod continuing;
mod damage;
mod determinism;
mod evidence;
mod folds;
mod killing;
mod runs;
mod support;
mod sweep;
mod tensorboard;
mod volume_files;
mod watching;
mod weights;
