//! Comparison with the definition of a convolution in double precision.

use proptest::prelude::*;
use rand::Rng;

use super::*;
use lungs_base::random;

fn numbers(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let mut stream = random::stream(seed, name);
    (0..count).map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0).collect()
}

/// A layer's three tensors: input, kernel, gradient of the output.
struct Layer {
    shape: Shape,
    input: Vec<f32>,
    kernel: Vec<f32>,
    gradient: Vec<f32>,
}

impl Layer {
    fn new(batch: usize, shape: Shape, seed: u64) -> Self {
        let Shape { channels, filters, .. } = shape;
        Self {
            shape,
            input: numbers(seed, "input", batch * channels * shape.volume()),
            kernel: numbers(seed, "kernel", filters * channels * 27),
            gradient: numbers(seed, "gradient", batch * filters * shape.volume()),
        }
    }

    /// Output and gradients of input and kernel by the definition, each with the sum of the absolute
    /// values of its terms.
    fn by_definition(&self) -> [Vec<(f64, f64)>; 3] {
        let Shape { channels, filters, size: [depth, height, width] } = self.shape;
        let volume = self.shape.volume();
        let zeros = |count: usize| vec![(0.0, 0.0); count];
        let mut output = zeros(self.gradient.len());
        let mut of_input = zeros(self.input.len());
        let mut of_kernel = zeros(self.kernel.len());
        let add = |sum: &mut (f64, f64), left: f32, right: f32| {
            let product = f64::from(left) * f64::from(right);
            *sum = (sum.0 + product, sum.1 + product.abs());
        };
        let axis = |length: usize, output: usize, tap: usize| {
            (output + tap).checked_sub(1).filter(|&input| input < length)
        };
        let batch = self.input.len() / (channels * volume);
        for (sample, filter, channel, tap) in (0..batch * filters * channels * 27).map(|index| {
            let (rest, tap) = (index / 27, index % 27);
            let (rest, channel) = (rest / channels, rest % channels);
            (rest / filters, rest % filters, channel, tap)
        }) {
            let k = (filter * channels + channel) * 27 + tap;
            for position in 0..volume {
                let (z, y, x) =
                    (position / (height * width), position / width % height, position % width);
                let Some(z) = axis(depth, z, tap / 9) else { continue };
                let Some(y) = axis(height, y, tap / 3 % 3) else { continue };
                let Some(x) = axis(width, x, tap % 3) else { continue };
                let i = (sample * channels + channel) * volume + (z * height + y) * width + x;
                let o = (sample * filters + filter) * volume + position;
                add(&mut output[o], self.kernel[k], self.input[i]);
                add(&mut of_input[i], self.kernel[k], self.gradient[o]);
                add(&mut of_kernel[k], self.input[i], self.gradient[o]);
            }
        }
        [output, of_input, of_kernel]
    }

    fn by_tiles(&self) -> [Vec<f32>; 3] {
        [
            forward(&self.input, &self.kernel, self.shape),
            input_gradient(&self.kernel, &self.gradient, self.shape),
            kernel_gradient(&self.input, &self.gradient, self.shape),
        ]
    }

    fn check(&self) {
        let results = self.by_tiles().into_iter().zip(self.by_definition());
        for (name, (ours, defined)) in ["output", "of input", "of kernel"].iter().zip(results) {
            for (index, (ours, (value, size))) in ours.iter().zip(defined).enumerate() {
                let error = (f64::from(*ours) - value).abs();
                let limit = 3e-6 * (1.0 + size);
                assert!(error < limit, "{name} {index}: {ours}, expected {value} ± {limit}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn convolutions_and_gradients_equal_the_definition(
        (batch, channels, filters) in (1_usize..3, 1_usize..6, 1_usize..6),
        size in (1_usize..10, 1_usize..12, 1_usize..12),
        seed in any::<u64>(),
    ) {
        let shape = Shape { channels, filters, size: [size.0, size.1, size.2] };
        Layer::new(batch, shape, seed).check();
    }
}

#[test]
fn blocks_of_a_sample_are_joined_correctly() {
    // 24 tiles in a slice: blocks of 11, 11 and 3 slices.
    let shape = Shape { channels: 3, filters: 2, size: [25, 15, 22] };
    assert!(SliceBlocks::new(3, TAPS - 1, shape).blocks().count() == 3);
    Layer::new(2, shape, 3).check();
}

#[test]
fn threads_change_no_bit() {
    let shape = Shape { channels: 9, filters: 14, size: [12, 28, 28] };
    let layer = Layer::new(2, shape, 5);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| layer.by_tiles())
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
}

#[test]
fn winograd_is_used_only_where_it_is_faster() {
    let is_faster = |channels, size| Shape { channels, filters: 32, size }.is_faster();
    assert!(is_faster(16, [110, 56, 56]) && is_faster(16, [28, 7, 7]));
    assert!(!is_faster(16, [28, 2, 2]), "three quarters of each tile are outside");
    assert!(!is_faster(16, [4, 4, 4]), "too few tiles for the cost of transforming the kernel");
    assert!(!is_faster(1, [110, 56, 56]), "one channel");
}
