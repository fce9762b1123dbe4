//! Weights as named arrays, and safetensors files of them.
//!
//! I3D's names are the original checkpoint's without its `RGB/inception_i3d/` prefix, and those of
//! residual networks have the same ends; shapes are this program's (and PyTorch's), where TensorFlow's
//! kernels are `[depth, height, width, in, out]`:
//!
//! | name | shape |
//! |---|---|
//! | `<unit>/conv_3d/w` | `[out, in, depth, height, width]` |
//! | `<unit>/batch_norm/gamma` (residual networks) | `[out]` |
//! | `<unit>/batch_norm/{beta,moving_mean,moving_variance}` | `[out]` |
//! | `Pool/…/w`, `Pool/…/b` (the pool of Sybil) | by layer |
//! | `Logits/Conv3d_0c_1x1/conv_3d/w` | `[class, feature]` |
//! | `Logits/Conv3d_0c_1x1/conv_3d/b` | `[class]` |
//!
//! A unit is called `Conv3d_1a_7x7` or `Mixed_4b/Branch_1/Conv3d_0b_3x3` in I3D, `stem` or
//! `layer2/0/downsample` in a residual network. The same network gives the same file, byte for byte.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::architecture::Network;
use super::arrays::WeightsError;
use super::variable::Variable;
use lungs_base::files;

/// Numbers that are converted to bytes at once.
const PIECE: usize = 1 << 16;

/// Metadata in a weights file's header, by key.
pub type Metadata = BTreeMap<String, String>;

/// Writes the network to a safetensors file, atomically.
///
/// # Errors
/// [`WeightsError::Write`] when the file cannot be written.
pub fn save(model: &Network, path: &Path, metadata: &Metadata) -> Result<(), WeightsError> {
    save_variables(&model.variables(), path, metadata)
}

/// Writes arrays to a safetensors file in their order, atomically.
///
/// # Errors
/// [`WeightsError::Write`] when the file cannot be written.
pub fn save_variables(
    variables: &[Variable],
    path: &Path,
    metadata: &Metadata,
) -> Result<(), WeightsError> {
    let header = header(variables, metadata);
    files::write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        // In pieces: one call per number would take longer than the disk.
        let mut bytes = Vec::with_capacity(4 * PIECE);
        for piece in variables.iter().flat_map(|variable| variable.values.chunks(PIECE)) {
            bytes.clear();
            bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
            out.write_all(&bytes)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The file's header: JSON, padded with spaces to a multiple of eight bytes.
///
/// Written by hand, because the `safetensors` crate writes metadata in an order that changes from run
/// to run.
fn header(variables: &[Variable], metadata: &Metadata) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    }
    let mut start = 0;
    for variable in variables {
        let end = start + variable.values.len() * size_of::<f32>();
        let entry = serde_json::json!({
            "dtype": "F32",
            "shape": variable.shape,
            "data_offsets": [start, end],
        });
        header.insert(variable.name.clone(), entry);
        start = end;
    }
    let mut bytes = serde_json::Value::Object(header).to_string().into_bytes();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    bytes
}

/// Loads a file of [`save`] into the network. Returns the network and the file's metadata.
///
/// # Errors
/// [`WeightsError`] when the file cannot be read, is not safetensors, or belongs to another network.
pub fn load(model: Network, path: &Path) -> Result<(Network, Metadata), WeightsError> {
    let (variables, metadata) = load_variables(path)?;
    Ok((model.with_variables(variables)?, metadata))
}

/// The arrays and the metadata of a safetensors file of 32-bit floats.
///
/// # Errors
/// [`WeightsError`] when the file cannot be read, or is not a safetensors file of 32-bit floats.
pub(crate) fn load_variables(path: &Path) -> Result<(Vec<Variable>, Metadata), WeightsError> {
    let bytes = std::fs::read(path)
        .map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let format = |reason: String| WeightsError::Format { path: path.to_owned(), reason };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| format(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| format(e.to_string()))?;
    let mut variables = vec![];
    for (name, tensor) in tensors.iter() {
        if tensor.dtype() != Dtype::F32 {
            let dtype = tensor.dtype();
            return Err(format(format!("{name} has type {dtype:?}, expected F32")));
        }
        let (numbers, _) = tensor.data().as_chunks::<4>();
        variables.push(Variable {
            name: name.to_owned(),
            shape: tensor.shape().to_vec(),
            values: numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        });
    }
    variables.sort_by(|one, other| one.name.cmp(&other.name));
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((variables, metadata))
}
