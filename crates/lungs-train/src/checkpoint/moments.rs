//! Adam's moments as bytes: Burn's record, sorted.
//!
//! Burn writes the parameters in the order of a hash map, which differs between processes. Sorting them
//! by name makes the file a function of the optimizer alone.

use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;
use burn_pack::{Reader, Writer};

/// The optimizer's state as bytes.
pub(super) fn to_bytes(optimizer: &ModuleOptimizer) -> Result<Bytes, String> {
    let record = optimizer.into_bytes().map_err(|e| e.to_string())?;
    let reader = Reader::from_bytes(record).map_err(|e| e.to_string())?;
    let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
    let mut tensors = reader.into_tensors().map_err(|e| e.to_string())?;
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let mut writer = Writer::new(tensors);
    for (key, value) in &scalars {
        writer = writer.with_scalar(key, *value);
    }
    for (key, value) in &paths {
        writer = writer.with_metadata(key, value);
    }
    writer.into_bytes().map_err(|e| e.to_string())
}

/// Restores the state written by [`to_bytes`].
pub(super) fn from_bytes(
    optimizer: ModuleOptimizer,
    bytes: Vec<u8>,
) -> Result<ModuleOptimizer, String> {
    optimizer.from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| e.to_string())
}

/// Adam's first moments by parameter id.
#[cfg(test)]
pub(crate) fn first_moments(
    optimizer: &ModuleOptimizer,
) -> std::collections::BTreeMap<u64, Vec<f32>> {
    let tensors = Reader::from_bytes(to_bytes(optimizer).unwrap()).unwrap().into_tensors().unwrap();
    let first = tensors.into_iter().filter(|tensor| tensor.name.ends_with("moment_1"));
    first
        .map(|tensor| {
            let (_, _, _, id, bytes) = tensor.into_parts().unwrap();
            let (numbers, _) = bytes.as_chunks::<4>();
            (id.unwrap(), numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        })
        .collect()
}
