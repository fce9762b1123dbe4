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
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

use super::architecture::Network;
use super::network::I3d;
use super::parts::{self, ArrayMapper, ArrayVisitor, Parts};
use super::unit::replace;
use lungs_base::files::{self, WriteError};

/// Numbers that are converted to bytes at once.
const PIECE: usize = 1 << 16;

/// One named array of the network on the host, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Name, for example `Conv3d_1a_7x7/conv_3d/w`.
    pub name: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values; their number is the product of `shape`.
    pub values: Vec<f32>,
}

/// Metadata in a weights file's header, by key.
pub type Metadata = BTreeMap<String, String>;

/// Weights cannot be written, read, or loaded into the network.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file cannot be read.
    #[error("cannot read weights {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not a safetensors file, or it is damaged.
    #[error("{path} is not a readable safetensors file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The arrays do not fit the network.
    #[error(
        "the weights do not fit the network:\n{}\ncheck that classes, input channels and width are \
         those of the weights",
        .problems.join("\n")
    )]
    Mismatch {
        /// Every missing, extra or wrong array, with the expected and the found shape.
        problems: Vec<String>,
    },
}

impl I3d {
    /// Every array of the network, with the running statistics, in the order of a forward pass.
    pub fn variables(&self) -> Vec<Variable> {
        variables(self)
    }

    /// The network with these arrays, given in any order.
    ///
    /// If the network has one input channel and the arrays are of a network with several, the first
    /// kernel is summed over its inputs. The output is the same as that of several channels with the
    /// same image (see [`sum_input_channels`]).
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with every array that is missing, unknown, duplicated or of another
    /// shape.
    pub fn with_variables(self, variables: Vec<Variable>) -> Result<Self, WeightsError> {
        with_variables(self, variables)
    }
}

/// Every array of a network, in the order of a forward pass.
pub(super) fn variables(network: &impl Parts) -> Vec<Variable> {
    let mut reader = Reader { variables: vec![] };
    parts::visit_arrays(network, &mut reader);
    reader.variables
}

/// A network with these arrays. See [`I3d::with_variables`].
pub(super) fn with_variables<N: Parts>(
    mut network: N,
    variables: Vec<Variable>,
) -> Result<N, WeightsError> {
    let mut problems = vec![];
    let mut arrays = BTreeMap::new();
    for variable in variables {
        if variable.shape.iter().product::<usize>() != variable.values.len() {
            problems.push(format!(
                "{}: shape {:?} with {} values",
                variable.name,
                variable.shape,
                variable.values.len()
            ));
        }
        if let Some(duplicate) = arrays.insert(variable.name.clone(), variable) {
            problems.push(format!("{}: occurs twice", duplicate.name));
        }
    }
    let mut loader = ParameterLoader { arrays, problems, first_kernel: N::FIRST_KERNEL };
    parts::map_arrays(&mut network, &mut loader);
    let ParameterLoader { arrays, mut problems, .. } = loader;
    let extra = arrays.into_values();
    problems.extend(extra.map(|v| format!("{}: not part of the network", v.name)));
    if problems.is_empty() { Ok(network) } else { Err(WeightsError::Mismatch { problems }) }
}

/// Arrays in the order of their visits.
struct Reader {
    variables: Vec<Variable>,
}

impl ArrayVisitor for Reader {
    fn array<const D: usize>(&mut self, name: String, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        self.variables.push(Variable { name, shape, values });
    }
}

/// Arrays not yet used, and the problems of those already used.
struct ParameterLoader {
    arrays: BTreeMap<String, Variable>,
    problems: Vec<String>,
    /// Name of the kernel that reads the image.
    first_kernel: &'static str,
}

impl ArrayMapper for ParameterLoader {
    fn array<const D: usize>(&mut self, name: String, parameter: &mut Param<Tensor<D>>) {
        let current = parameter.val();
        let expected = current.dims();
        let Some(mut variable) = self.arrays.remove(&name) else {
            self.problems.push(format!("{name}: missing; expected shape {expected:?}"));
            return;
        };
        if name == self.first_kernel && expected[1] == 1 {
            variable = sum_input_channels(variable);
        }
        if variable.shape != expected {
            let actual = variable.shape;
            self.problems.push(format!("{name}: expected shape {expected:?}, found {actual:?}"));
            return;
        }
        if variable.values.len() != current.shape().num_elements() {
            return; // recorded as a problem already
        }
        let device = current.device().inner();
        let value = Tensor::from_data(TensorData::new(variable.values, expected), &device);
        replace(parameter, value);
    }
}

/// A kernel `[out, in, …]` summed over its inputs to `[out, 1, …]`.
///
/// The single-channel image then gives the same output as the image repeated over several channels,
/// with a fraction of the memory and work. An array that is not such a kernel is returned unchanged.
pub fn sum_input_channels(kernel: Variable) -> Variable {
    let Variable { name, mut shape, values } = kernel;
    let taps: usize = shape.iter().skip(2).product();
    if shape.len() < 2 || taps == 0 || shape.iter().product::<usize>() != values.len() {
        return Variable { name, shape, values };
    }
    let inputs = std::mem::replace(&mut shape[1], 1);
    let values = values
        .chunks(inputs * taps)
        .flat_map(|filter| {
            (0..taps).map(move |tap| {
                let sum: f64 = filter.iter().skip(tap).step_by(taps).map(|&v| f64::from(v)).sum();
                sum as f32
            })
        })
        .collect();
    Variable { name, shape, values }
}

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
