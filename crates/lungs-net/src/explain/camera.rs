//! Class activation maps: one weight for each cell of a layer, from the layer's activations and gradients.

/// Formula for the weight of a cell from activations `A` and gradients `G` of `K` channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CamKind {
    /// `max(Σₖ mean(Gₖ) · Aₖ, 0)`: each channel has one weight, its mean gradient over all cells
    /// (Selvaraju et al. 2017).
    #[default]
    GradCam,
    /// `max(Σₖ Gₖ · Aₖ, 0)`: each cell has its own gradient (Draelos & Carin 2020).
    HiResCam,
}

/// The weight of each cell. `activations` and `gradients` are `[channel, cell]`.
pub(crate) fn class_activation(
    kind: CamKind,
    activations: &[f32],
    gradients: &[f32],
    cells: usize,
) -> Vec<f32> {
    let mut sums = vec![0.0_f64; cells];
    let channels = activations.chunks_exact(cells.max(1)).zip(gradients.chunks_exact(cells.max(1)));
    for (activations, gradients) in channels {
        let mean = gradients.iter().map(|&g| f64::from(g)).sum::<f64>() / cells as f64;
        for ((sum, &activation), &gradient) in sums.iter_mut().zip(activations).zip(gradients) {
            let weight = match kind {
                CamKind::GradCam => mean,
                CamKind::HiResCam => f64::from(gradient),
            };
            *sum += weight * f64::from(activation);
        }
    }
    sums.into_iter().map(|sum| sum.max(0.0) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_channels_of_three_cells_by_hand() {
        let activations = [1.0, 2.0, 0.0, 4.0, 0.0, 1.0];
        let gradients = [3.0, 0.0, 0.0, 0.5, -2.0, 0.0];
        // Means 1 and −0.5: 1 − 2, 2 − 0, 0 − 0.5.
        let grad_cam = class_activation(CamKind::GradCam, &activations, &gradients, 3);
        assert_eq!(grad_cam, [0.0, 2.0, 0.0]);
        // 3 + 2, 0, 0.
        let hires = class_activation(CamKind::HiResCam, &activations, &gradients, 3);
        assert_eq!(hires, [5.0, 0.0, 0.0]);
    }
}
