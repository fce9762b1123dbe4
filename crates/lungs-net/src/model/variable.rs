//! A named array of a network.

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
