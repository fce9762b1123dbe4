//! Batch normalisation with a scale (gamma) as one without.
//!
//! `max(γ·z + β, 0)` is `|γ|·max(±z + β/|γ|, 0)`, where the sign of `γ` goes into the kernel, and
//! the factor `|γ|` passes max pools and goes into the kernels that read the unit. So the network
//! without gamma computes the same function, evaluated by its moving averages as well as trained
//! by its batches' own.
//!
//! What a classifier reads, when there is none to take the factor, keeps it in its own kernel and
//! moving mean: the same when evaluated by moving averages, and the scale is the new classifier's
//! business when trained.

use crate::model::{Layer, head_reads};

/// Below this a scale is as good as none, and dividing by it would magnify rounding.
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

/// Folds every gamma away. `head` is the classifier's kernel `[class, feature]`, if it is kept.
pub(super) fn fold_gammas(layers: &[Layer], units: &mut [Unit], head: Option<&mut Vec<f32>>) {
    if units.iter().all(|unit| unit.gamma.is_none()) {
        return;
    }
    let reads_of_head = head_reads();
    // What each unit's output is to be multiplied by, per channel.
    let mut gains: Vec<Vec<f32>> = Vec::with_capacity(units.len());
    for (place, (layer, unit)) in layers.iter().zip(units.iter_mut()).enumerate() {
        let taps = layer.size.pow(3);
        let incoming: Vec<f32> = layer.reads.iter().flat_map(|&read| gains[read].clone()).collect();
        for filter in unit.kernel.chunks_exact_mut(layer.inputs * taps) {
            for (taps, gain) in filter.chunks_exact_mut(taps).zip(&incoming) {
                taps.iter_mut().for_each(|weight| *weight *= gain);
            }
        }
        let passes_on = head.is_some() || !reads_of_head.contains(&place);
        gains.push(fold_own(unit, layer.inputs * taps, passes_on));
    }
    if let Some(head) = head {
        let incoming: Vec<f32> =
            reads_of_head.iter().flat_map(|&read| gains[read].clone()).collect();
        for class in head.chunks_exact_mut(incoming.len()) {
            class.iter_mut().zip(&incoming).for_each(|(weight, gain)| *weight *= gain);
        }
    }
}

/// Takes a unit's gamma out of it; returns the factors that its readers are to take.
fn fold_own(unit: &mut Unit, numbers_per_filter: usize, passes_on: bool) -> Vec<f32> {
    let Some(gamma) = unit.gamma.take() else { return vec![1.0; unit.beta.len()] };
    let filters = unit.kernel.chunks_exact_mut(numbers_per_filter);
    let vectors = unit.moving_mean.iter_mut().zip(&mut unit.beta);
    let fold = |((filter, (mean, beta)), gamma): ((&mut [f32], (&mut f32, &mut f32)), f32)| {
        let (inside, outside) = if passes_on && gamma.abs() >= LEAST_GAMMA {
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

    /// One channel in, one tap, these channels out.
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
    fn a_unit_and_its_factor_give_what_the_unit_with_gamma_gave() {
        let gamma = [1.5, -0.5, 0.0, 1e-9, 1.0];
        for passes_on in [true, false] {
            let before = unit(&gamma);
            let mut after = before.clone();
            let gains = fold_own(&mut after, 1, passes_on);
            assert_eq!(after.gamma, None);
            assert!(gains.iter().all(|gain| passes_on || *gain == 1.0));
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
