//! TensorFlow checkpoints, read without TensorFlow.
//!
//! ```text
//! V2 (2016 and later)  model.ckpt-5.index                table: name → type, shape, shard, offset
//!                      model.ckpt-5.data-00000-of-00002  bytes of the arrays, shard by shard
//! V1 (TF-slim)         inception_v1.ckpt                 table: name and slice → numbers
//! ```
//!
//! Both are LevelDB tables ([`table`]) whose values are protocol buffers ([`proto`]). Blocks and
//! arrays are verified by their checksums, offsets and lengths by the sizes of the files, so that
//! memory stays within a small multiple of the file size.
//!
//! Formats: `tensorflow/core/util/tensor_bundle`, `tensorflow/core/util/saved_tensor_slice.proto`
//! and `tensorflow/core/lib/io/table_format.txt` of TensorFlow.

mod bundle;
mod checksum;
mod files;
mod kind;
mod names;
mod proto;
mod single;
mod table;

use names::readable;
use std::path::Path;

use super::{Archive, ReadError};
use files::CheckpointFiles;

pub use files::is_one;

/// Every floating-point array of a checkpoint, with its own name and shape (kernels are
/// `[…, in, out]`), and the names of all other entries.
///
/// `path` is a prefix (`model.ckpt-5`), one of its files (`.index`, `.data-00000-of-00001`,
/// `.meta`), a V1 file or one of its shards, a folder whose `checkpoint` file names a checkpoint, or
/// a folder with exactly one checkpoint.
///
/// # Errors
/// [`ReadError`] when a file is missing, damaged or not supported.
pub fn read(path: &Path) -> Result<Archive, ReadError> {
    let mut archive = match files::find(path)? {
        CheckpointFiles::Bundle(prefix) => bundle::read(&prefix)?,
        CheckpointFiles::Single(files) => single::read(&files)?,
    };
    archive.arrays.sort_by(|one, other| one.name.cmp(&other.name));
    archive.unused_entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(archive)
}
