//! Rules of `[data.select]` that exclude a series, independent of the other series of its exam.

use lungs_base::text::counted;
use lungs_image::codes::{Exclusion, ExclusionCode};
use lungs_image::images::{Grid, Image};
use lungs_spec::spec::Select;

/// Tolerance, because positions are decimal text: 2.5 mm can be read as 2.5000001.
const ROUNDING_MM: f64 = 1e-3;

/// The exclusion by the first rule that excludes a series, with the value and the limit.
pub(super) fn exclusion(image: &Image, grid: &Grid, rules: &Select) -> Option<Exclusion> {
    let (slices, spacing_mm, coverage_mm) =
        (grid.slices, grid.slice_spacing_mm, grid.coverage_mm());
    let matches = |list: &[String]| list.iter().any(|name| starts_with(&image.kernel, name));
    let quoted = |list: &[String]| format!("\"{}\"", list.join("\", \""));
    let kernel = format!("the kernel is \"{}\", expected one that", image.kernel);
    let apart = format!("slices {spacing_mm:.2} mm apart, expected");
    let coverage = format!("{coverage_mm:.1} mm from the first to the last slice, expected");
    // Whether the rule excludes the series, the code, the value with the limit, and the key.
    let rules = [
        (
            !rules.kernels.is_empty() && !matches(&rules.kernels),
            ExclusionCode::KernelNotListed,
            format!("{kernel} starts with {}", quoted(&rules.kernels)),
            "kernels",
        ),
        (
            matches(&rules.exclude_kernels),
            ExclusionCode::KernelExcluded,
            format!("{kernel} does not start with {}", quoted(&rules.exclude_kernels)),
            "exclude_kernels",
        ),
        (
            slices < rules.min_slices,
            ExclusionCode::TooFewSlices,
            format!(
                "{}, expected at least {}",
                counted(slices, "slice", "slices"),
                rules.min_slices
            ),
            "min_slices",
        ),
        (
            rules.max_slices > 0 && slices > rules.max_slices,
            ExclusionCode::TooManySlices,
            format!(
                "{}, expected at most {}",
                counted(slices, "slice", "slices"),
                rules.max_slices
            ),
            "max_slices",
        ),
        (
            spacing_mm > rules.max_slice_spacing_mm + ROUNDING_MM,
            ExclusionCode::SlicesTooFarApart,
            format!("{apart} at most {} mm", rules.max_slice_spacing_mm),
            "max_slice_spacing_mm",
        ),
        (
            spacing_mm < rules.min_slice_spacing_mm - ROUNDING_MM,
            ExclusionCode::SlicesTooNear,
            format!("{apart} at least {} mm", rules.min_slice_spacing_mm),
            "min_slice_spacing_mm",
        ),
        (
            coverage_mm < rules.min_coverage_mm - ROUNDING_MM,
            ExclusionCode::TooShort,
            format!("{coverage} at least {} mm", rules.min_coverage_mm),
            "min_coverage_mm",
        ),
    ];
    let (_, code, reason, key) = rules.into_iter().find(|(excludes, ..)| *excludes)?;
    Some(Exclusion::new(code, format_args!("{reason} (data.select.{key})")))
}

/// Whether the name of a kernel starts with a prefix, ignoring case.
fn starts_with(kernel: &str, prefix: &str) -> bool {
    kernel.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::testing::image;

    /// The reason for an image of 100 slices 2 mm apart with kernel B30f.
    fn reason(change: impl FnOnce(&mut Select)) -> Option<String> {
        let mut rules = Select::default();
        change(&mut rules);
        let image = image("1.1");
        exclusion(&image, image.grid.as_ref().unwrap(), &rules).map(|it| it.to_string())
    }

    #[test]
    fn the_default_rules_accept_an_ordinary_series() {
        assert_eq!(reason(|_| ()), None);
    }

    #[test]
    fn each_rule_reports_the_value_and_the_limit() {
        type Change = fn(&mut Select);
        let cases: [(Change, &str); 7] = [
            (
                |r| r.kernels = vec!["STANDARD".into(), "b4".into()],
                "kernel-not-listed: the kernel is \"B30f\", expected one that starts with \"STANDARD\", \"b4\" (data.select.kernels)",
            ),
            (
                |r| r.exclude_kernels = vec!["b3".into()],
                "kernel-excluded: the kernel is \"B30f\", expected one that does not start with \"b3\" (data.select.exclude_kernels)",
            ),
            (
                |r| r.min_slices = 101,
                "too-few-slices: 100 slices, expected at least 101 (data.select.min_slices)",
            ),
            (
                |r| r.max_slices = 99,
                "too-many-slices: 100 slices, expected at most 99 (data.select.max_slices)",
            ),
            (
                |r| r.max_slice_spacing_mm = 1.5,
                "slices-too-far-apart: slices 2.00 mm apart, expected at most 1.5 mm (data.select.max_slice_spacing_mm)",
            ),
            (
                |r| r.min_slice_spacing_mm = 2.5,
                "slices-too-near: slices 2.00 mm apart, expected at least 2.5 mm (data.select.min_slice_spacing_mm)",
            ),
            (
                |r| r.min_coverage_mm = 200.0,
                "too-short: 198.0 mm from the first to the last slice, expected at least 200 mm (data.select.min_coverage_mm)",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(reason(change).as_deref(), Some(expected));
        }
    }

    #[test]
    fn values_equal_to_the_limit_are_accepted() {
        assert_eq!(reason(|r| r.kernels = vec!["b30".into()]), None);
        assert_eq!(reason(|r| r.exclude_kernels = vec!["B31".into(), "30".into()]), None);
        assert_eq!(reason(|r| (r.min_slices, r.max_slices) = (100, 100)), None);
        assert_eq!(reason(|r| (r.min_slice_spacing_mm, r.max_slice_spacing_mm) = (2.0, 2.0)), None);
        assert_eq!(reason(|r| r.min_coverage_mm = 198.0), None);
    }
}
