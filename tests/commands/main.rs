//! Tests of complete commands: their output, their files and their errors.

mod archive;
mod bad_inputs;
mod cache;
mod changes;
mod comparing;
mod continuing;
mod crop;
mod damage;
mod determinism;
mod evidence;
mod explaining;
mod export;
mod external;
mod fetching;
mod folds;
mod follow_up;
#[cfg(feature = "cubecl-cpu")]
mod gpu_code;
mod killing;
mod labels;
mod nlst;
mod nlst_index;
mod report;
mod road;
mod runs;
mod sample_size;
mod score;
mod skipped_files;
mod slurm;
mod support;
mod sweep;
mod synthetic;
mod tensorboard;
mod volume_files;
mod watching;
mod weights;
