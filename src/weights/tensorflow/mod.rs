//! TensorFlow checkpoints, read without TensorFlow.
//!
//! ```text
//! V2 (2016 and later)  model.ckpt-5.index                table: name → type, shape, shard, place
//!                      model.ckpt-5.data-00000-of-00002  bytes of the arrays, shard by shard
//! V1 (as TF-slim's)    inception_v1.ckpt                 table: name and slice → numbers
//! ```
//!
//! Both are tables of LevelDB's kind ([`table`]) whose values are protocol buffers ([`proto`]).
//! Everything is checked before it is believed: blocks and arrays by their checksums, places and
//! lengths by the sizes of the files, so that memory stays within a small multiple of those.
//!
//! Formats: `tensorflow/core/util/tensor_bundle`, `tensorflow/core/util/saved_tensor_slice.proto`
//! and `tensorflow/core/lib/io/table_format.txt` of TensorFlow.

mod bundle;
mod checksum;
mod kind;
mod place;
mod proto;
mod single;
mod table;

use std::path::Path;

use super::{Archive, ReadError};
use place::Place;

pub use place::is_one;

/// Every array of floating-point numbers of a checkpoint, under its own name and in its own shape
/// (kernels are `[…, in, out]`), and the names of everything else.
///
/// `path` is a prefix (`model.ckpt-5`), or one of the files that belong to it (`.index`,
/// `.data-00000-of-00001`, `.meta`), a V1 file or one of its shards, or a folder with a `checkpoint`
/// file that names one or with exactly one checkpoint.
///
/// # Errors
/// [`ReadError`] when a file is absent, damaged, or of a kind that is not read.
pub fn read(path: &Path) -> Result<Archive, ReadError> {
    let mut archive = match place::find(path)? {
        Place::Bundle(prefix) => bundle::read(&prefix)?,
        Place::Single(files) => single::read(&files)?,
    };
    archive.arrays.sort_by(|one, other| one.name.cmp(&other.name));
    archive.left_out.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(archive)
}

/// A name out of a file, fit for a message.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(200).flat_map(char::escape_debug).collect()
}
