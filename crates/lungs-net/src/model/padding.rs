//! TensorFlow's SAME padding.

/// SAME padding before and after an axis of `length`, for windows of `size` with `stride`.
///
/// The output has `ceil(length / stride)` elements. The total padding is
/// `max((ceil(length / stride) − 1)·stride + size − length, 0)`, with the smaller half before the axis.
/// (TensorFlow, `tf.nn.convolution`, "SAME".)
pub(super) fn same(length: usize, size: usize, stride: usize) -> (usize, usize) {
    let windows = length.div_ceil(stride);
    let total = (windows.saturating_sub(1) * stride + size).saturating_sub(length);
    (total / 2, total - total / 2)
}

/// [`same`] for three axes.
pub(super) fn same_3d(
    lengths: [usize; 3],
    sizes: [usize; 3],
    strides: [usize; 3],
) -> [(usize, usize); 3] {
    std::array::from_fn(|axis| same(lengths[axis], sizes[axis], strides[axis]))
}

/// The range of windows `first..last` whose element `element` lies inside the axis, not in the padding,
/// for `windows` windows with `stride` over `length` elements after `before` elements of padding.
///
/// The element of window `w` lies at `w·stride + element − before`.
pub(super) fn inside(
    length: usize,
    before: usize,
    element: usize,
    stride: usize,
    windows: usize,
) -> (usize, usize) {
    let first = before.saturating_sub(element).div_ceil(stride).min(windows);
    let last = (length + before).saturating_sub(element).div_ceil(stride).min(windows);
    (first, last.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_element_of_padding_is_after_the_axis() {
        assert_eq!(same(224, 7, 2), (2, 3)); // Conv3d_1a_7x7
        assert_eq!(same(112, 3, 2), (0, 1)); // MaxPool3d_2a_3x3
        assert_eq!(same(56, 3, 1), (1, 1)); // Conv3d_2c_3x3
        assert_eq!(same(7, 2, 2), (0, 1)); // MaxPool3d_5a_2x2 of an odd length
        assert_eq!(same(8, 2, 2), (0, 0));
        assert_eq!(same(1, 7, 2), (3, 3)); // shorter than the window
        assert_eq!(same(5, 1, 2), (0, 0)); // a window shorter than its stride
    }

    #[test]
    fn inside_equals_a_search() {
        for (length, size, stride) in [(5, 3, 1), (6, 3, 2), (1, 7, 2), (2, 7, 2), (9, 2, 2)] {
            let (before, _) = same(length, size, stride);
            let windows = length.div_ceil(stride);
            for element in 0..size {
                let expected: Vec<usize> = (0..windows)
                    .filter(|window| {
                        let position = (window * stride + element) as isize - before as isize;
                        position >= 0 && position < length as isize
                    })
                    .collect();
                let (first, last) = inside(length, before, element, stride, windows);
                assert_eq!((first..last).collect::<Vec<_>>(), expected, "{length} {size} {stride}");
            }
        }
    }
}
