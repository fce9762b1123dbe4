//! Conversion of batch normalisation with a scale (gamma) into batch normalisation without one.
//!
//! `max(γ·z + β, 0)` equals `|γ|·max(±z + β/|γ|, 0)`. The sign of `γ` goes into the unit's kernel.
//! The factor `|γ|` commutes with max pooling and goes into the kernels that read the unit. The
//! network without gamma computes the same function, both with running statistics (evaluation) and
//! with batch statistics (training).
//!
//! Without a classifier, the units that a classifier would read keep gamma in their own kernel and
//! moving mean. Evaluation with running statistics stays the same; in training, the new classifier
//! learns the scale.

use crate::model::{Layer, head_inputs};

/// Smallest |gamma| that is divided out; below it, division would magnify rounding errors.
const LEAST_GAMMA: f32 = 1e-6;

/// The arrays of one unit; the kernel is `[out, in, taps]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub kernel: Vec<f32>,
    pub gamma: Option<Vec<f32>>,
    pub beta: Vec<f32>,
    pub moving_mean: Vec<f32>,
    pub moving_variance: Vec<f32>,
}

/// Folds every gamma into the kernels. `head` is the classifier's kernel `[class, feature]`, if it
/// is kept.
pub(super) fn fold_gammas(layers: &[Layer], units: &mut [Unit], head: Option<&mut Vec<f32>>) {
    if units.iter().all(|unit| unit.gamma.is_none()) {
        return;
    }
    let head_inputs = head_inputs();
    // Factors by which the readers of each unit multiply its output, per channel.
    let mut gains: Vec<Vec<f32>> = Vec::with_capacity(units.len());
    for (index, (layer, unit)) in layers.iter().zip(units.iter_mut()).enumerate() {
        let taps = layer.size.pow(3);
        let incoming: Vec<f32> = layer.reads.iter().flat_map(|&read| gains[read].clone()).collect();
        for filter in unit.kernel.chunks_exact_mut(layer.inputs * taps) {
            for (taps, gain) in filter.chunks_exact_mut(taps).zip(&incoming) {
                taps.iter_mut().for_each(|weight| *weight *= gain);
            }
        }
        let has_reader = head.is_some() || !head_inputs.contains(&index);
        gains.push(fold_unit(unit, layer.inputs * taps, has_reader));
    }
    if let Some(head) = head {
        let incoming: Vec<f32> = head_inputs.iter().flat_map(|&read| gains[read].clone()).collect();
        for class in head.chunks_exact_mut(incoming.len()) {
            class.iter_mut().zip(&incoming).for_each(|(weight, gain)| *weight *= gain);
        }
    }
}

/// Removes a unit's gamma. Returns the factors that its readers absorb.
fn fold_unit(unit: &mut Unit, weights_per_filter: usize, has_reader: bool) -> Vec<f32> {
    let Some(gamma) = unit.gamma.take() else { return vec![1.0; unit.beta.len()] };
    let filters = unit.kernel.chunks_exact_mut(weights_per_filter);
    let vectors = unit.moving_mean.iter_mut().zip(&mut unit.beta);
    let fold = |((filter, (mean, beta)), gamma): ((&mut [f32], (&mut f32, &mut f32)), f32)| {
        let (inside, outside) = if has_reader && gamma.abs() >= LEAST_GAMMA {
            (gamma.signum(), gamma.abs())
        } else {
            (gamma, 1.0)
        };
        filter.iter_mut().for_each(|weight| *weight *= inside);
        *mean *= inside;
        *beta /= outside;
        outside
    };
    filters.zip(vectors).zip(gamma).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit with one input channel, one tap, and an output channel per gamma.
    fn unit(gamma: &[f32]) -> Unit {
        let channels = gamma.len();
        Unit {
            kernel: vec![2.0; channels],
            gamma: Some(gamma.to_vec()),
            beta: vec![0.5; channels],
            moving_mean: vec![0.25; channels],
            moving_variance: vec![1.0; channels],
        }
    }

    fn output(unit: &Unit, channel: usize, input: f32) -> f32 {
        let z = unit.kernel[channel] * input - unit.moving_mean[channel];
        let gamma = unit.gamma.as_ref().map_or(1.0, |gamma| gamma[channel]);
        (gamma * z + unit.beta[channel]).max(0.0)
    }

    #[test]
    fn folding_gamma_keeps_the_units_output() {
        let gamma = [1.5, -0.5, 0.0, 1e-9, 1.0];
        for has_reader in [true, false] {
            let before = unit(&gamma);
            let mut after = before.clone();
            let gains = fold_unit(&mut after, 1, has_reader);
            assert_eq!(after.gamma, None);
            assert!(gains.iter().all(|gain| has_reader || *gain == 1.0));
            for (channel, gain) in gains.iter().enumerate() {
                for input in [-1.0, 0.0, 0.3, 2.0] {
                    let (old, new) =
                        (output(&before, channel, input), output(&after, channel, input));
                    assert!((old - gain * new).abs() < 1e-6, "{old} and {new}");
                }
            }
        }
    }
}
