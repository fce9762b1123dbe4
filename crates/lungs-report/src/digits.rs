//! Metrics as text, with as many digits as they carry.
//!
//! A value has three significant digits, and at least three decimals below 1, as is usual for an AUC; it has no
//! more digits than two beyond the leading digit of its interval's half width. Below 0.001 it is written as `8.4e-5`.
//! The ends of an interval have as many decimals as the value.

use lungs_stats::{Estimate, Interval, Proportion};

/// Values below this have an exponent.
const SMALL: f64 = 1e-3;

/// The leading decimal position of a positive number: 0 for 3.7, −2 for 0.0117.
fn magnitude(value: f64) -> i32 {
    value.log10().floor() as i32
}

/// Decimals of a value with this interval.
fn decimals(value: f64, interval: Option<Interval>) -> usize {
    let size = value.abs();
    let reaches_one = interval.is_some_and(|it| it.low <= 1.0 && it.high == 1.0);
    // Zero has the decimals of the end of its interval.
    let size = if size == 0.0 { interval.map_or(0.0, |it| it.high.abs()) } else { size };
    let of_value = match size {
        _ if !size.is_finite() || size == 0.0 || size == 1.0 || reaches_one => 3,
        _ if size >= 1.0 => (2 - magnitude(size)).max(0),
        _ => (2 - magnitude(size)).clamp(3, 6),
    };
    let half_width = interval.map_or(0.0, |it| (it.high - it.low) / 2.0);
    let of_width = if half_width > 0.0 { (1 - magnitude(half_width)).max(3) } else { i32::MAX };
    of_value.min(of_width) as usize
}

/// A value with this many decimals; one that would round to zero has an exponent. A minus is `−`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
    let text = if !is_zero {
        text
    } else if value != 0.0 {
        format!("{value:.1e}")
    } else {
        text.trim_start_matches('-').to_owned()
    };
    text.replacen('-', "−", usize::from(value < 0.0))
}

/// A value without an interval.
pub(crate) fn value(value: f64) -> String {
    with_digits_of(value, None)
}

fn with_digits_of(value: f64, interval: Option<Interval>) -> String {
    if value != 0.0 && value.abs() < SMALL {
        return format!("{value:.1e}").replacen('-', "−", usize::from(value < 0.0));
    }
    fixed(value, decimals(value, interval))
}

/// Value and interval: `0.0117` and `0.0093–0.0141`, with `to` between ends of which one is negative or has an
/// exponent.
pub(crate) fn value_and_interval(value: f64, interval: Interval) -> (String, String) {
    let text = with_digits_of(value, Some(interval));
    let is_small = value != 0.0 && value.abs() < SMALL;
    let decimals = if is_small { 6 } else { decimals(value, Some(interval)) };
    let end = |end: f64| if is_small { self::value(end) } else { fixed(end, decimals) };
    (text, range(&end(interval.low), &end(interval.high)))
}

/// `0.943 (0.912–0.965)`.
pub(crate) fn with_interval(value: f64, interval: Interval) -> String {
    let (value, range) = value_and_interval(value, interval);
    format!("{value} ({range})")
}

/// [`with_interval`] of an interval by its ends.
pub(crate) fn with_ends(value: f64, low: f64, high: f64) -> String {
    let method = lungs_stats::Method::PatientBootstrap;
    with_interval(value, Interval { low, high, level: 0.95, method })
}

/// `0.912–0.965`, or `−0.012 to 0.004`.
fn range(low: &str, high: &str) -> String {
    let has_sign = [low, high].iter().any(|end| end.contains(['−', 'e']));
    format!("{low}{}{high}", if has_sign { " to " } else { "–" })
}

/// A share of exams: three decimals, as its counts say more.
pub(crate) fn share_and_interval(share: &Proportion) -> Option<(String, Option<String>)> {
    let interval = share.interval.map(|interval| three_decimals(interval.low, interval.high));
    Some((fixed(share.value?, 3), interval))
}

/// The ends of an interval with three decimals: `0.912–0.965`, or `−0.012 to 0.004`.
pub(crate) fn three_decimals(low: f64, high: f64) -> String {
    range(&fixed(low, 3), &fixed(high, 3))
}

/// `0.943 (0.912–0.965)`, or the value alone; `None` for an undefined metric.
pub(crate) fn estimate(estimate: &Estimate) -> Option<String> {
    let number = estimate.value?;
    Some(match estimate.interval {
        Some(interval) => with_interval(number, interval),
        None => value(number),
    })
}

/// A standardised difference: two decimals, and no sign on a zero.
pub(crate) fn difference(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
}

/// `1.3 %`: two significant digits, and no more than one decimal from 10 % on.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let decimals = if percent > 0.0 { (1 - magnitude(percent)).clamp(1, 4) as usize } else { 0 };
    format!("{} %", crate::page::number(percent, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_stats::Method;

    fn of(number: f64, low: f64, high: f64) -> String {
        let interval = Interval { low, high, level: 0.95, method: Method::Wald };
        let estimate = Estimate { value: Some(number), interval: Some(interval), reason: None };
        super::estimate(&estimate).unwrap()
    }

    #[test]
    fn metrics_have_as_many_digits_as_they_carry() {
        assert_eq!(of(0.943_21, 0.9121, 0.9649), "0.943 (0.912–0.965)");
        assert_eq!(of(0.011_72, 0.0093, 0.0141), "0.0117 (0.0093–0.0141)");
        assert_eq!(of(8.42e-5, 6.1e-5, 1.12e-4), "8.4e-5 (6.1e-5 to 1.1e-4)");
        assert_eq!(of(-0.000_12, -0.002, 0.0018), "−1.2e-4 (−0.00200 to 0.00180)");
        assert_eq!(of(1.2345, 0.911, 1.558), "1.23 (0.91–1.56)");
        assert_eq!(of(-0.1234, -0.35, 0.11), "−0.123 (−0.350 to 0.110)");
        // An interval of width 0.4 leaves no more than three decimals.
        assert_eq!(of(0.0512, 0.011, 0.41), "0.051 (0.011–0.410)");
        assert_eq!(of(1.0, 0.85, 1.0), "1.000 (0.850–1.000)");
        assert_eq!(of(0.0117, 0.000_01, 0.03), "0.012 (1.0e-5 to 0.030)");
        assert_eq!(of(123.4, 100.0, 150.0), "123 (100–150)");
    }

    #[test]
    fn nothing_is_minus_zero() {
        assert_eq!(value(-0.0), "0.000");
        assert_eq!(value(-0.000_4), "−4.0e-4");
        assert_eq!([-0.004, -0.126, 0.3].map(difference), ["0.00", "−0.13", "0.30"]);
        assert_eq!(value(0.0117), "0.0117");
        assert_eq!(value(0.75), "0.750");
        assert_eq!(of(0.0, -0.0, 0.06), "0.000 (0.000–0.060)");
        assert_eq!(of(0.0, 0.0, 286.05), "0 (0–286)");
    }

    #[test]
    fn shares_in_percent_have_two_digits() {
        assert_eq!(
            [0.013, 0.5, 1.0, 0.0, 0.001_23, 0.1234].map(percent),
            ["1.3 %", "50 %", "100 %", "0 %", "0.12 %", "12.3 %"]
        );
    }
}
