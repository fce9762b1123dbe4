//! Whole commands, as a user types them: what they print, what they write, how they fail.

mod archive;
mod bad_inputs;
mod browser;
mod cache;
mod continuing;
mod damage;
mod determinism;
mod evidence;
mod explaining;
mod export;
mod fetching;
mod folds;
mod killing;
mod nlst;
mod passed_over;
mod report;
mod road;
mod runs;
mod slurm;
mod support;
mod sweep;
mod synthetic;
mod tensorboard;
mod volume_files;
mod watching;
mod weights;
