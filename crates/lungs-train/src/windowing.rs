//! Windowing of Hounsfield units to the network's input, on the host or on the device.
//!
//! On the CPU the reading thread windows, since tensor operations would be five more passes over
//! memory. A GPU receives int16, a quarter or half of the bytes, and windows itself.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use lungs_image::volume::{SYBIL_UNITS_PER_HU, SYBIL_WINDOW, Window};
use lungs_spec::spec::{Compat, Spec};

/// Where Hounsfield units are windowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windowing {
    /// On the host, in the reading thread.
    Host,
    /// On the device, as tensor operations.
    Device,
}

impl Windowing {
    /// Where to window for a device.
    pub(crate) fn of(device: &Device) -> Self {
        if is_cpu(device) { Self::Host } else { Self::Device }
    }

    /// Allocates the voxels of a batch.
    pub(crate) fn allocate(self, [batch, channels, depth, height, width]: [usize; 5]) -> Voxels {
        let voxels = batch * depth * height * width;
        match self {
            Self::Host => Voxels::Windowed(vec![0.0; channels * voxels]),
            Self::Device => Voxels::Hounsfield(vec![0; voxels]),
        }
    }
}

/// Whether a device is the CPU, whose memory is the host's.
pub(super) fn is_cpu(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// The voxels of a batch on the host, row-major.
#[derive(Debug)]
pub(super) enum Voxels {
    /// Windowed, `[batch, channel, depth, height, width]`.
    Windowed(Vec<f32>),
    /// As prepared, `[batch, 1, depth, height, width]`.
    Hounsfield(Vec<i16>),
}

impl Voxels {
    /// Writes the slices of the exam at `index` in the batch. All channels have the same voxels.
    pub(crate) fn put(&mut self, [index, channels]: [usize; 2], hu: &[i16], window: Window) {
        match self {
            Self::Windowed(voxels) => {
                let mut slot = voxels.chunks_exact_mut(channels * hu.len()).skip(index);
                let Some(slot) = slot.next() else { return };
                let (first, others) = slot.split_at_mut(hu.len());
                window.apply(hu, first);
                for channel in others.chunks_exact_mut(hu.len()) {
                    channel.copy_from_slice(first);
                }
            }
            Self::Hounsfield(voxels) => {
                if let Some(slot) = voxels.chunks_exact_mut(hu.len()).nth(index) {
                    slot.copy_from_slice(hu);
                }
            }
        }
    }

    /// The voxels on the device, windowed, of `shape` `[batch, channel, depth, height, width]`.
    pub(crate) fn on_device(self, shape: [usize; 5], window: Window, device: &Device) -> Tensor<5> {
        let [batch, channels, depth, height, width] = shape;
        match self {
            Self::Windowed(voxels) => Tensor::from_data(TensorData::new(voxels, shape), device),
            Self::Hounsfield(voxels) => {
                let data = TensorData::new(voxels, [batch, 1, depth, height, width]);
                let hu = Tensor::<5, Int>::from_data(data, (device, DType::I16)).float();
                let one = windowed(hu, window);
                if channels == 1 { one } else { one.repeat_dim(1, channels) }
            }
        }
    }
}

/// [`Window::value`] as tensor operations, in the same order: the same bytes on devices whose
/// division follows IEEE 754.
fn windowed(hu: Tensor<5>, window: Window) -> Tensor<5> {
    let Window { lower_hu, upper_hu, amplitude } = window;
    let width = upper_hu - lower_hu;
    let value = if width > 0.0 {
        ((hu - lower_hu) / width).clamp(0.0, 1.0) * 2.0 - 1.0
    } else {
        hu.greater_elem(lower_hu).float() * 2.0 - 1.0
    };
    if amplitude == 1.0 { value } else { value * amplitude }
}

/// The window from the numbers of prepared volumes to the network's input, in single precision.
pub fn window_of(spec: &Spec) -> Window {
    match spec.preprocess.compat {
        Compat::Sybil => Window::SYBIL,
        Compat::None | Compat::Lungs015 => hounsfield_window(spec),
    }
}

/// The window of Hounsfield units for pictures.
pub fn picture_window(spec: &Spec) -> Window {
    match spec.preprocess.compat {
        Compat::Sybil => SYBIL_WINDOW,
        Compat::None | Compat::Lungs015 => hounsfield_window(spec),
    }
}

fn hounsfield_window(spec: &Spec) -> Window {
    let window = spec.preprocess.window;
    let (lower_hu, upper_hu) = (window.lower_hu as f32, window.upper_hu as f32);
    Window { lower_hu, upper_hu, amplitude: 1.0 }
}

/// Numbers of prepared volumes per Hounsfield unit, within the window.
pub(super) fn units_per_hu(spec: &Spec) -> f64 {
    match spec.preprocess.compat {
        Compat::Sybil => SYBIL_UNITS_PER_HU,
        Compat::None | Compat::Lungs015 => 1.0,
    }
}

/// The padding of prepared volumes.
pub(super) fn padding(spec: &Spec) -> i16 {
    match spec.preprocess.compat {
        Compat::None => spec.preprocess.window.lower_hu as i16,
        // The Python package pads with water, Sybil with grey.
        Compat::Lungs015 | Compat::Sybil => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 16-bit Hounsfield value, in two exams of two slices.
    #[test]
    fn the_device_windows_every_value_to_the_same_bytes_as_the_host() {
        let every: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let shape = |channels| [2, channels, 2, 128, 128];
        let windows = [(-1000.0, 400.0), (-1350.5, 150.25), (-500.0, -500.0)]
            .map(|(lower_hu, upper_hu)| Window { lower_hu, upper_hu, amplitude: 1.0 });
        for window in windows.into_iter().chain([Window::SYBIL]) {
            for channels in [1, 3] {
                let bits = |windowing: Windowing| -> Vec<u32> {
                    let mut voxels = windowing.allocate(shape(channels));
                    for (index, hu) in every.chunks(1 << 15).enumerate() {
                        voxels.put([index, channels], hu, window);
                    }
                    let tensor = voxels.on_device(shape(channels), window, &Device::flex());
                    assert_eq!(tensor.dims(), shape(channels));
                    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
                };
                let (host, device) = (bits(Windowing::Host), bits(Windowing::Device));
                assert!(host == device, "{window:?} {channels}");
            }
        }
    }

    #[test]
    fn windowing_for_the_cpu_runs_on_the_host() {
        assert_eq!(Windowing::of(&Device::flex()), Windowing::Host);
        assert_eq!(Windowing::of(&Device::flex().autodiff()), Windowing::Host);
    }
}
