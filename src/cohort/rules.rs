//! The rules of `[data.select]` that speak against a series whatever else is in its exam.

use crate::images::{Grid, Image};
use crate::spec::Select;

/// Positions are decimal texts: 2.5 mm may come out as 2.5000001.
const ROUNDING_MM: f64 = 1e-3;

/// The first rule that speaks against a series: a short word, a colon, and a sentence with what
/// was found and the limit.
pub(super) fn against(image: &Image, grid: &Grid, rules: &Select) -> Option<String> {
    let slices = grid.slices;
    let spacing_mm = grid.slice_spacing_mm;
    let coverage_mm = grid.coverage_mm();
    let starts = |list: &[String]| list.iter().any(|name| starts_with(&image.kernel, name));
    let quoted = |list: &[String]| format!("\"{}\"", list.join("\", \""));
    if !rules.kernels.is_empty() && !starts(&rules.kernels) {
        return Some(format!(
            "kernel-not-listed: the kernel is \"{}\", expected one that begins with {} \
             (data.select.kernels)",
            image.kernel,
            quoted(&rules.kernels)
        ));
    }
    if starts(&rules.exclude_kernels) {
        return Some(format!(
            "kernel-excluded: the kernel is \"{}\", expected none that begins with {} \
             (data.select.exclude_kernels)",
            image.kernel,
            quoted(&rules.exclude_kernels)
        ));
    }
    if slices < rules.min_slices {
        return Some(format!(
            "too-few-slices: {slices} slices, at least {} wanted (data.select.min_slices)",
            rules.min_slices
        ));
    }
    if rules.max_slices > 0 && slices > rules.max_slices {
        return Some(format!(
            "too-many-slices: {slices} slices, at most {} wanted (data.select.max_slices)",
            rules.max_slices
        ));
    }
    if spacing_mm > rules.max_slice_spacing_mm + ROUNDING_MM {
        return Some(format!(
            "slices-too-far-apart: {spacing_mm:.2} mm, at most {} mm wanted \
             (data.select.max_slice_spacing_mm)",
            rules.max_slice_spacing_mm
        ));
    }
    if spacing_mm < rules.min_slice_spacing_mm - ROUNDING_MM {
        return Some(format!(
            "slices-too-near: {spacing_mm:.2} mm apart, at least {} mm wanted \
             (data.select.min_slice_spacing_mm)",
            rules.min_slice_spacing_mm
        ));
    }
    if coverage_mm < rules.min_coverage_mm - ROUNDING_MM {
        return Some(format!(
            "too-short: {coverage_mm:.1} mm from the first to the last slice, at least {} mm wanted \
             (data.select.min_coverage_mm)",
            rules.min_coverage_mm
        ));
    }
    None
}

/// Whether a kernel's name begins with another, whatever the case.
fn starts_with(kernel: &str, beginning: &str) -> bool {
    kernel.to_ascii_lowercase().starts_with(&beginning.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::testing::image;

    /// An image of 100 slices 2 mm apart with kernel B30f.
    fn told(change: impl FnOnce(&mut Select)) -> Option<String> {
        let mut rules = Select::default();
        change(&mut rules);
        let image = image("1.1");
        against(&image, image.grid.as_ref().unwrap(), &rules)
    }

    #[test]
    fn the_default_rules_have_nothing_against_an_ordinary_series() {
        assert_eq!(told(|_| ()), None);
    }

    #[test]
    fn each_rule_speaks_with_what_was_found_and_the_limit() {
        type Change = fn(&mut Select);
        let cases: [(Change, &str); 7] = [
            (
                |r| r.kernels = vec!["STANDARD".into(), "b4".into()],
                "kernel-not-listed: the kernel is \"B30f\", expected one that begins with \"STANDARD\", \"b4\" (data.select.kernels)",
            ),
            (
                |r| r.exclude_kernels = vec!["b3".into()],
                "kernel-excluded: the kernel is \"B30f\", expected none that begins with \"b3\" (data.select.exclude_kernels)",
            ),
            (
                |r| r.min_slices = 101,
                "too-few-slices: 100 slices, at least 101 wanted (data.select.min_slices)",
            ),
            (
                |r| r.max_slices = 99,
                "too-many-slices: 100 slices, at most 99 wanted (data.select.max_slices)",
            ),
            (
                |r| r.max_slice_spacing_mm = 1.5,
                "slices-too-far-apart: 2.00 mm, at most 1.5 mm wanted (data.select.max_slice_spacing_mm)",
            ),
            (
                |r| r.min_slice_spacing_mm = 2.5,
                "slices-too-near: 2.00 mm apart, at least 2.5 mm wanted (data.select.min_slice_spacing_mm)",
            ),
            (
                |r| r.min_coverage_mm = 200.0,
                "too-short: 198.0 mm from the first to the last slice, at least 200 mm wanted (data.select.min_coverage_mm)",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(told(change).as_deref(), Some(expected));
        }
    }

    #[test]
    fn limits_themselves_are_accepted() {
        assert_eq!(told(|r| r.kernels = vec!["b30".into()]), None);
        assert_eq!(told(|r| r.exclude_kernels = vec!["B31".into(), "30".into()]), None);
        assert_eq!(told(|r| (r.min_slices, r.max_slices) = (100, 100)), None);
        assert_eq!(told(|r| (r.min_slice_spacing_mm, r.max_slice_spacing_mm) = (2.0, 2.0)), None);
        assert_eq!(told(|r| r.min_coverage_mm = 198.0), None);
    }
}
