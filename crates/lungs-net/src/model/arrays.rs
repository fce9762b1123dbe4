//! The arrays of a network: read from it, and loaded into it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};

use super::network::I3d;
use super::parts::{self, ArrayMapper, ArrayVisitor, Parts};
use super::unit::replace;
use super::variable::{Variable, sum_input_channels};
use lungs_base::files::WriteError;

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
