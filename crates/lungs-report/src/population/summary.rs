//! Summaries of one characteristic over a group of exams.

use crate::page::number;

/// Text of an empty cell.
pub(super) const NONE: &str = "–";

/// Mean and sample standard deviation; `None` without values, and no deviation of one value.
pub(super) fn mean_and_deviation(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    (!values.is_empty()).then_some((mean, deviation))
}

/// The quantile of sorted values, interpolated as R's type 7.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = sorted.len().checked_sub(1)? as f64 * share;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * position.fract())
}

/// `61.2 (5.0)`: the deviation has two significant digits, the mean as many decimals.
pub(super) fn mean_text(values: &[f64]) -> String {
    let Some((mean, deviation)) = mean_and_deviation(values) else { return NONE.to_owned() };
    let Some(deviation) = deviation else { return number(mean, 2) };
    if deviation == 0.0 {
        return format!("{} (0)", number(mean, 2));
    }
    let decimals = (1.0 - deviation.log10().floor()).clamp(0.0, 4.0) as usize;
    let fixed = |value: f64| format!("{value:.decimals$}").replace('-', "−");
    format!("{} ({})", fixed(mean), fixed(deviation))
}

/// `61 (57 to 65)`: the median and the quartiles.
pub(super) fn median_text(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [Some(low), Some(middle), Some(high)] = [0.25, 0.5, 0.75].map(|q| quantile(&sorted, q))
    else {
        return NONE.to_owned();
    };
    let text = |value: f64| number(value, 2);
    format!("{} ({} to {})", text(middle), text(low), text(high))
}

/// `12 (3.4 %)`: a count and its share of `total`.
pub(crate) fn count_text(count: usize, total: usize) -> String {
    if total == 0 {
        return NONE.to_owned();
    }
    format!("{count} ({:.1} %)", 100.0 * count as f64 / total as f64)
}
